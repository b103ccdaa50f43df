/** @file The agents as a graph. The layout is computed when nodes or edges come and go, not when numbers change. */
import { useEffect, useMemo } from '../../../vendor/preact-hooks.js';
import { html } from '../../base/html.js';
import { Icon } from '../../parts/icon.js';
import { Empty } from '../../parts/notice.js';
import { Scroller } from '../../parts/scroller.js';
import { useSize } from '../../parts/size.js';
import { Card, wishedWidth } from './card.js';
import { Edge, EdgeLabel } from './edge.js';
import { edgeKey, layOut } from './layout.js';

const LEAST_SCALE = 0.78;

/** @typedef {import('../../types.js').Graph} GraphData */

/** @param {{graph: GraphData, selected: string | null, still: boolean, onOpen: (id: string) => void}} props */
export function Graph({ graph, selected, still, onOpen }) {
  const { ref, width } = useSize();
  useEffect(() => {
    document.querySelector('.card-node.selected')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [selected, width]);
  const { nodes, edges } = graph;
  const topology = JSON.stringify([nodes.map((node) => node.id), edges.map((edge) => [edge.from, edge.to])]);
  const wished = useMemo(() => Math.max(0, ...nodes.map(wishedWidth)), [topology]);
  const layout = useMemo(() => layOut(nodes.map((node) => node.id), edges, width, wished), [topology, width, wished]);
  const scale = width === 0 ? 1 : Math.min(1, Math.max(LEAST_SCALE, width / layout.width));
  return html`<${Scroller} class=${`graph ${still ? 'still' : ''}`} role="group" label="Graph of sources, streams, agents, tables and sinks">
    <div ref=${ref}></div>
    ${nodes.length === 0
      ? html`<${Empty} title="No streams or agents yet">Put an agent's YAML into the project's <code>agents/</code> directory,
        or deploy it: <code>sabot agents deploy --file my-agent.yaml</code>.<//>`
      : html`<${Drawing} ...${{ nodes, edges, layout, scale, selected, onOpen }} />`}
  <//>`;
}

/**
 * @param {object} props
 * @param {GraphData['nodes']} props.nodes
 * @param {GraphData['edges']} props.edges
 * @param {import('./layout.js').Layout} props.layout
 * @param {number} props.scale
 * @param {string | null} props.selected
 * @param {(id: string) => void} props.onOpen
 */
function Drawing({ nodes, edges, layout, scale, selected, onOpen }) {
  const drawn = edges.flatMap((edge) => {
    const curve = layout.curves.get(edgeKey(edge));
    const dim = selected !== null && edge.from !== selected && edge.to !== selected;
    return curve ? [{ key: edgeKey(edge), perSecond: edge.events_per_second, dim, ...curve }] : [];
  });
  return html`<svg width=${layout.width * scale} height=${(layout.height + 12) * scale} viewBox=${`0 -10 ${layout.width} ${layout.height + 12}`}>
    <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
      <path d="M0 .5 7.5 4 0 7.5z" />
    </marker></defs>
    ${drawn.map(({ key, path, perSecond, dim }) => html`<${Edge} key=${key} ...${{ path, perSecond, dim }} />`)}
    ${drawn.map(({ key, label, perSecond, dim }) => html`<${EdgeLabel} key=${`label ${key}`} ...${{ ...label, perSecond, dim }} />`)}
    ${nodes.map((node) => {
      const { x, y } = layout.places.get(node.id) ?? { x: 0, y: 0 };
      return html`<${Card} key=${node.id} ...${{ node, x, y, width: layout.cardWidth, onOpen, selected: node.id === selected }}><${Icon} name=${node.kind} /><//>`;
    })}
  </svg>`;
}
