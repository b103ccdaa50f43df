/** @file The side panel: everything about one node of the graph, refreshed while it is open. */
import { useEffect, useRef } from '../../../vendor/preact-hooks.js';
import { html } from '../../base/html.js';
import { cell } from '../../base/format.js';
import { Badge } from '../../parts/badge.js';
import { Boundary } from '../../parts/boundary.js';
import { Facts } from '../../parts/facts.js';
import { Icon } from '../../parts/icon.js';
import { AgentDetails } from './agent.js';
import { nodeFacts } from './facts.js';
import { StreamDetails } from './stream.js';
import { TableDetails } from './table.js';

/** @typedef {import('../../types.js').GraphNode} GraphNode */

/** @param {{node: GraphNode, onClose: () => void}} props */
export function Panel({ node, onClose }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => heading.current?.focus(), []);
  return html`<aside class="panel card" aria-labelledby="panel-title">
    <header class="panel-head">
      <${Icon} name=${node.kind} />
      <h2 id="panel-title" tabindex="-1" ref=${heading}><span class="visually-hidden">${node.kind} </span>${node.name}</h2>
      <${Badge} status=${node.status} />
      <button type="button" class="button-icon" aria-label="Close details" title="Close (Esc)" onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    <div class="panel-body"><${Boundary}><${Details} node=${node} /><//></div>
  </aside>`;
}

/** @param {{node: GraphNode}} props */
function Details({ node }) {
  switch (node.kind) {
    case 'agent':
      return html`<${AgentDetails} node=${node} />`;
    case 'stream':
      return html`<${StreamDetails} node=${node} />`;
    case 'table':
      return html`<${TableDetails} node=${node} />`;
    default:
      return html`<${Facts} facts=${[...nodeFacts(node), ['detail', node.detail ? cell(node.detail) : null]]} />`;
  }
}
