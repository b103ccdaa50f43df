/** @file The newest rows of a stream or table. */
import { html } from '../../base/html.js';
import { cell } from '../../base/format.js';
import { Grid } from '../../parts/grid.js';
import { Live, Section } from './section.js';

const LIMIT = 10;

/** @typedef {import('../../types.js').Row} Row */

/** @param {{stream: string}} props */
export function StreamRows({ stream }) {
  const path = `/streams/${encodeURIComponent(stream)}/rows?limit=${LIMIT}&from=latest`;
  return html`<${Section} title="Newest rows" note=${`of ${stream}`}>
    <${Live} path=${path} what="rows" view=${(/** @type {{rows: Row[]}} */ { rows }) => html`<${RowGrid} name=${stream} rows=${rows} />`} />
  <//>`;
}

/** @param {{table: string}} props */
export function TableRows({ table }) {
  const path = `/tables/${encodeURIComponent(table)}/rows?limit=${LIMIT}`;
  return html`<${Section} title="First rows" note="in key order">
    <${Live} path=${path} what="rows" view=${(/** @type {{rows: Row[]}} */ { rows }) => html`<${RowGrid} name=${table} rows=${rows} />`} />
  <//>`;
}

/** @param {{name: string, rows: Row[]}} props */
function RowGrid({ name, rows }) {
  if (rows.length === 0) return html`<p class="muted">Nothing committed yet.</p>`;
  const columns = columnsOf(rows);
  const heads = columns.map((column) => ({
    title: column.replace(/^_/, ''),
    numeric: rows.some((row) => typeof row[column] === 'number'),
  }));
  return html`<${Grid} label=${`Rows of ${name}`} heads=${heads} rows=${rows.map((row) => columns.map((column) => cell(row[column])))} />`;
}

/** Columns of all rows, the row's place first. @param {Row[]} rows */
function columnsOf(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [...names.filter((name) => name.startsWith('_')), ...names.filter((name) => !name.startsWith('_'))];
}
