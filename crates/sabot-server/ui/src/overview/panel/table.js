/** @file Details of a table. */
import { html } from '../../base/html.js';
import { bytes, count } from '../../base/format.js';
import { Facts } from '../../parts/facts.js';
import { nodeFacts } from './facts.js';
import { TableRows } from './rows.js';
import { Schema } from './schema.js';
import { Live, Section } from './section.js';

/** @typedef {import('../../types.js').TableDetail} TableDetail */

/** @param {{node: import('../../types.js').GraphNode}} props */
export function TableDetails({ node }) {
  return html`
    <${Facts} facts=${nodeFacts(node)} />
    <${TableRows} table=${node.name} />
    <${Live} path=${`/tables/${encodeURIComponent(node.name)}`} what="table" view=${(/** @type {TableDetail} */ table) => html`
      <${Section} title="Storage"><${Facts} facts=${[
        ['backend', table.backend],
        ['rows', count(table.rows)],
        ['size', bytes(table.bytes)],
        ['writer', table.writer ?? 'the server'],
      ]} /><//>
      <${Schema} columns=${table.schema} marks=${new Map(table.key.map((column) => [column, 'key']))} />
    `} />`;
}
