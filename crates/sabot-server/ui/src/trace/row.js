/** @file One span as a row: its place in the tree on the left, its bar on the ruler on the right. */
import { html } from '../base/html.js';
import { nanos, plural } from '../base/format.js';
import { Icon } from '../parts/icon.js';
import { since } from './model.js';
import { noteOf } from './note.js';
import { position } from './ruler.js';

const MAX_INDENT = 16;
const MAX_MARKS = 20;

/** @typedef {import('./model.js').TreeSpan} TreeSpan */
/** @typedef {import('./ruler.js').Window} Window */

/**
 * @typedef {object} RowProps
 * @property {TreeSpan} item
 * @property {number} top in pixels
 * @property {Window} window
 * @property {bigint} origin start of the trace
 * @property {boolean} selected
 * @property {boolean} collapsed
 * @property {boolean | null} matches null when nothing is searched
 * @property {(index: number) => void} onSelect
 * @property {(index: number) => void} onToggle
 */

/** @param {RowProps} props */
export function SpanRow({ item, top, window, origin, selected, collapsed, matches, onSelect, onToggle }) {
  const { span, index, depth, size, place, siblings, failed, failedBelow, colour } = item;
  const note = noteOf(span);
  const classes = ['span-row', `svc-${colour}`];
  if (selected) classes.push('selected');
  if (failed) classes.push('failed');
  if (matches !== null) classes.push(matches ? 'match' : 'no-match');
  /** @param {MouseEvent} event */
  function toggle(event) {
    event.stopPropagation();
    onToggle(index);
  }
  return html`<div class=${classes.join(' ')} style=${{ transform: `translateY(${top}px)` }} id=${rowId(index)} role="treeitem"
    aria-level=${depth + 1} aria-posinset=${place} aria-setsize=${siblings} aria-selected=${selected}
    aria-expanded=${size > 1 ? !collapsed : undefined} aria-label=${describe(item)}
    onClick=${() => onSelect(index)}>
    <div class="span-name" style=${{ paddingLeft: `calc(${Math.min(depth, MAX_INDENT)} * var(--indent) + 4px)` }}>
      ${size > 1
        ? html`<span class=${`twist ${collapsed ? 'closed' : ''}`} title=${collapsed ? 'Expand' : 'Collapse'} onClick=${toggle}>
          <${Icon} name="down" /></span>`
        : html`<span class="twist"></span>`}
      <span class="span-service-mark"></span>
      ${failed && html`<${Icon} name="error" class="span-failed" />`}
      <span class="span-operation">${span.name}</span>
      ${note && html`<span class="span-note" title=${note}>${note}</span>`}
      <span class="span-service">${span.service}</span>
      ${collapsed && html`<span class="span-more">+${size - 1}
        ${failedBelow > 0 && html`<span class="failed-text"> ${failedBelow} failed</span>`}</span>`}
    </div>
    <div class="span-time"><${Bar} item=${item} window=${window} origin=${origin} /></div>
  </div>`;
}

/** @param {number} index */
export function rowId(index) {
  return `span-${index}`;
}

/** @param {TreeSpan} item */
function describe({ span, durationNs, failed, size }) {
  const facts = [span.name, noteOf(span), span.service, nanos(durationNs)].filter(Boolean);
  if (failed) facts.push('failed');
  if (size > 1) facts.push(`${plural(size - 1, 'span')} below`);
  return facts.join(', ');
}

/** @param {{item: TreeSpan, window: Window, origin: bigint}} props */
function Bar({ item, window, origin }) {
  const left = position(item.startNs, window);
  const right = position(item.startNs + item.durationNs, window);
  if (right < 0) return html`<span class="span-beyond">◂ ${nanos(item.durationNs)}</span>`;
  if (left > 100) return html`<span class="span-beyond right">${nanos(item.durationNs)} ▸</span>`;
  const from = Math.max(0, left);
  const to = Math.min(100, right);
  return html`
    <span class="span-bar" style=${{ left: `${from}%`, width: `${to - from}%` }}></span>
    ${marks(item, window, origin).map((at, index) => html`<span key=${index} class="span-event" style=${{ left: `${at}%` }}></span>`)}
    <${BarLabel} from=${from} to=${to} text=${nanos(item.durationNs)} />`;
}

/** Right of the bar if there is room, else left of it, else on it. @param {{from: number, to: number, text: string}} props */
function BarLabel({ from, to, text }) {
  if (to < 84) return html`<span class="span-duration" style=${{ left: `${to}%` }}>${text}</span>`;
  if (from > 16) return html`<span class="span-duration before" style=${{ right: `${100 - from}%` }}>${text}</span>`;
  return html`<span class="span-duration inside" style=${{ left: `${from}%` }}>${text}</span>`;
}

/**
 * Places of the span's events on the ruler.
 * @param {TreeSpan} item
 * @param {Window} window
 * @param {bigint} origin
 */
function marks({ span }, window, origin) {
  return (span.events ?? []).slice(0, MAX_MARKS)
    .map((event) => position(since(event.at_unix_nano, origin), window))
    .filter((at) => at >= 0 && at <= 100);
}
