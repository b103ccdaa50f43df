/** @file What the icons of the graph stand for. */
import { html } from '../../base/html.js';
import { Icon } from '../../parts/icon.js';

const KINDS = ['source', 'stream', 'agent', 'table', 'sink'];

export function Legend() {
  return html`<ul class="legend" aria-label="Kinds of nodes">${KINDS.map((kind) => html`
    <li key=${kind} class=${`kind-${kind}`}><${Icon} name=${kind} />${kind}</li>`)}
  </ul>`;
}
