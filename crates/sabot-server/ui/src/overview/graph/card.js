/** @file One node of the graph: a card that opens its details. */
import { html } from '../../base/html.js';
import { compact, rate, seconds } from '../../base/format.js';
import { isAlarm, toneOf, wordOf } from '../../base/status.js';
import { Icon } from '../../parts/icon.js';
import { eventsLabel } from '../stored.js';
import { fitText, widthOf } from './fit-text.js';
import { CARD } from './layout.js';
import { outline } from './shape.js';

const ICON_LEFT = 16;
const TEXT_LEFT = 42;
const TEXT_RIGHT = 14;

/** @typedef {import('../../types.js').GraphNode} GraphNode */

/** How wide a card would have to be to show the whole name. @param {GraphNode} node */
export function wishedWidth(node) {
  return Math.ceil(TEXT_LEFT + widthOf(shortName(node)) + TEXT_RIGHT);
}

/** @param {{node: GraphNode, x: number, y: number, width: number, selected: boolean, onOpen: (id: string) => void, children: unknown}} props */
export function Card({ node, x, y, width, selected, onOpen, children }) {
  const alarm = isAlarm(node.status);
  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    onOpen(node.id);
  }
  const classes = ['card-node', `kind-${node.kind}`, `tone-${toneOf(node.status)}`, alarm && 'alarm', selected && 'selected'].filter(Boolean);
  return html`<g class=${classes.join(' ')} transform=${`translate(${x} ${y})`}
    role="button" tabindex="0" data-node=${node.id} aria-label=${describe(node)} aria-pressed=${selected}
    onClick=${() => onOpen(node.id)} onKeyDown=${onKeyDown} onFocus=${intoView}>
    <title>${describe(node)}</title>
    <path class="card-outline" d=${outline(node.kind, width)} />
    <g class="card-icon" transform=${`translate(${ICON_LEFT} ${CARD.height / 2 - 9})`}>${children}</g>
    <text class="card-name" x=${TEXT_LEFT} y="23">${fitText(shortName(node), width - TEXT_LEFT - TEXT_RIGHT)}</text>
    ${alarm
      ? html`<g class="card-alarm" transform=${`translate(${TEXT_LEFT - 1} 31) scale(.8)`}><${Icon} name="error" /></g>`
      : html`<circle class="card-dot" cx=${TEXT_LEFT + 4} cy="38" r="3.5" />`}
    <text class="card-line" x=${TEXT_LEFT + (alarm ? 16 : 12)} y="42">${wordOf(node.status)} · ${rate(node.events_per_second)}</text>
    ${node.errors_total > 0 && html`<${ErrorCount} total=${node.errors_total} right=${width} />`}
  </g>`;
}

/** On the upper edge of the card. @param {{total: number, right: number}} props */
function ErrorCount({ total, right }) {
  const text = `${compact(total)} ${total === 1 ? 'error' : 'errors'}`;
  const width = text.length * 6 + 14;
  return html`<g class="card-errors" transform=${`translate(${right - width - 6} -8)`}>
    <rect width=${width} height="16" rx="8" /><text x=${width / 2} y="12">${text}</text>
  </g>`;
}

/**
 * Browsers scroll to what Tab reaches, but not to a part of a drawing. By mouse it is in view already, or was clicked at its
 * edge, and must not move away below the pointer.
 * @param {FocusEvent} event
 */
function intoView(event) {
  const card = event.currentTarget;
  if (card instanceof SVGElement && card.matches(':focus-visible')) card.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

/** A file is best known by the end of its path. @param {GraphNode} node */
function shortName(node) {
  return node.kind === 'source' || node.kind === 'sink' ? (node.name.split('/').at(-1) ?? node.name) : node.name;
}

/** @param {GraphNode} node */
function describe(node) {
  const facts = [`${node.kind} ${node.name}`, wordOf(node.status), rate(node.events_per_second), `${compact(node.events_total)} ${eventsLabel(node.kind)}`];
  if (typeof node.watermark_lag_seconds === 'number') facts.push(`watermark ${seconds(node.watermark_lag_seconds)} behind`);
  if (node.late_total > 0) facts.push(`${compact(node.late_total)} late`);
  if (node.errors_total > 0) facts.push(`${compact(node.errors_total)} errors`);
  return facts.join(', ');
}
