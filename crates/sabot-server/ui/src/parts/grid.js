/** @file A small table of facts. Numbers are right-aligned. */
import { html } from '../base/html.js';
import { Scroller } from './scroller.js';

/** @typedef {{title: string, numeric?: boolean}} Head */

/** @param {{label: string, heads: Head[], rows: unknown[][]}} props */
export function Grid({ label, heads, rows }) {
  const side = (/** @type {number} */ index) => (heads[index]?.numeric ? 'num' : undefined);
  return html`<${Scroller} class="grid-scroll" role="region" label=${label}><table class="grid">
    <thead><tr>${heads.map((head, index) => html`<th key=${index} scope="col" class=${side(index)}>${head.title}</th>`)}</tr></thead>
    <tbody>${rows.map((row, line) => html`
      <tr key=${line}>${row.map((value, index) => html`<td key=${index} class=${side(index)}>${value}</td>`)}</tr>`)}
    </tbody>
  </table><//>`;
}
