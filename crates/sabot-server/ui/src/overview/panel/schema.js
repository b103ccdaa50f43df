/** @file The columns of a stream or table. */
import { html } from '../../base/html.js';
import { Grid } from '../../parts/grid.js';
import { Section } from './section.js';

/**
 * `marks` says what is special about a column.
 * @param {{columns: import('../../types.js').Column[], marks: Map<string, string>}} props
 */
export function Schema({ columns, marks }) {
  const rows = columns.map((column) => [
    column.name,
    column.type,
    [marks.get(column.name), column.nullable ? 'nullable' : ''].filter(Boolean).join(', '),
  ]);
  const heads = ['column', 'type', 'notes'].map((title) => ({ title }));
  return html`<${Section} title="Schema"><${Grid} label="Schema" heads=${heads} rows=${rows} /><//>`;
}
