/** @file SQL with keywords, strings, numbers and comments told apart. Colour only: the text is unchanged. */
import { html } from '../../base/html.js';
import { Copy } from '../../parts/copy.js';

const WORDS = `select from where group by order having join left right inner outer full cross on using as and or not in is null case when
  then else end between like distinct union all with over partition interval cast tumble hop session limit filter true false`;
const KEYWORDS = new Set(WORDS.split(/\s+/));
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*')|(\b\d+(?:\.\d+)?\b)|([A-Za-z_]\w*)/g;

/** @typedef {{text: string, kind: '' | 'comment' | 'string' | 'number' | 'keyword'}} Token */

/**
 * @param {string} sql
 * @returns {Token[]} their texts together are `sql`
 */
export function tokens(sql) {
  /** @type {Token[]} */
  const found = [];
  let end = 0;
  for (const match of sql.matchAll(TOKEN)) {
    const [text, comment, string, number] = match;
    if (match.index > end) found.push({ text: sql.slice(end, match.index), kind: '' });
    end = match.index + text.length;
    const word = KEYWORDS.has(text.toLowerCase()) ? 'keyword' : '';
    found.push({ text, kind: comment ? 'comment' : string ? 'string' : number ? 'number' : word });
  }
  if (end < sql.length) found.push({ text: sql.slice(end), kind: '' });
  return found;
}

/** @param {{text: string}} props */
export function Sql({ text }) {
  return html`<div class="code"><pre tabindex="0" aria-label="SQL">${tokens(text.trim()).map(({ text: part, kind }, index) => (
    kind ? html`<span key=${index} class=${`sql-${kind}`}>${part}</span>` : part))}</pre><${Copy} text=${text} label="SQL" /></div>`;
}
