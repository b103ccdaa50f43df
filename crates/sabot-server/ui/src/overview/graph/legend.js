/** @file What the icons of the graph stand for, and the statuses its nodes have now. */
import { html } from '../../base/html.js';
import { distinct, toneOf, wordOf } from '../../base/status.js';
import { StatusMark } from '../../parts/badge.js';
import { Icon } from '../../parts/icon.js';

const KINDS = ['source', 'stream', 'agent', 'table', 'sink'];

/** @param {{nodes: import('../../types.js').GraphNode[]}} props */
export function Legend({ nodes }) {
  return html`<div class="legends">
    <ul class="legend" aria-label="Kinds of nodes">${KINDS.map((kind) => html`
      <li key=${kind} class=${`kind-${kind}`}><${Icon} name=${kind} />${kind}</li>`)}
    </ul>
    <ul class="legend" aria-label="Statuses of nodes">${distinct(nodes.map((node) => node.status)).map((status) => html`
      <li key=${status} class=${`tone-${toneOf(status)}`}><${StatusMark} status=${status} />${wordOf(status)}</li>`)}
    </ul>
  </div>`;
}
