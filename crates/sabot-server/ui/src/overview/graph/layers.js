/**
 * @file First step of the layout: every node gets a layer, so that edges run left to right.
 * Invariant of the result: each edge spans exactly one layer; longer ones are cut by bends (points without a card).
 */
import { groupBy } from '../../base/group.js';

/** @typedef {{from: string, to: string}} Link */
/** @typedef {{id: string, layer: number, bend: boolean}} Cell a card or a bend */
/** @typedef {{link: Link, chain: string[], reversed: boolean}} Route the cells an edge passes, left to right */
/** @typedef {{cells: Map<string, Cell>, routes: Route[]}} Layered */

/**
 * @param {string[]} ids
 * @param {Link[]} links between those ids
 * @returns {Layered}
 */
export function assignLayers(ids, links) {
  const forward = breakCycles(ids, links);
  const layerOf = longestPaths(ids, forward);
  /** @type {Map<string, Cell>} */
  const cells = new Map(ids.map((id) => [id, { id, layer: layerOf.get(id) ?? 0, bend: false }]));
  const routes = forward.map(({ link, from, to, reversed }, index) => {
    const chain = [from];
    for (let layer = (layerOf.get(from) ?? 0) + 1; layer < (layerOf.get(to) ?? 0); layer += 1) {
      const id = `\u0000bend ${index} ${layer}`;
      cells.set(id, { id, layer, bend: true });
      chain.push(id);
    }
    chain.push(to);
    return { link, chain, reversed };
  });
  return { cells, routes };
}

/**
 * The routes cut into edges between neighbouring layers.
 * @param {Route[]} routes
 * @returns {Link[]}
 */
export function stepsOf(routes) {
  return routes.flatMap(({ chain }) => chain.slice(1).map((to, index) => ({ from: chain[index] ?? to, to })));
}

/** @typedef {{link: Link, from: string, to: string, reversed: boolean}} Forward */

/**
 * Turns around the edges that close a cycle, found by a depth-first walk.
 * @param {string[]} ids
 * @param {Link[]} links
 * @returns {Forward[]}
 */
function breakCycles(ids, links) {
  const outgoing = groupBy(links, (link) => link.from);
  /** @type {Map<string, 'open' | 'done'>} */
  const state = new Map();
  /** @type {Set<Link>} */
  const backward = new Set();
  /** @param {string} id */
  function walk(id) {
    state.set(id, 'open');
    for (const link of outgoing.get(id) ?? []) {
      if (state.get(link.to) === 'open') backward.add(link);
      else if (!state.has(link.to)) walk(link.to);
    }
    state.set(id, 'done');
  }
  for (const id of ids) if (!state.has(id)) walk(id);
  return links
    .filter((link) => link.from !== link.to)
    .map((link) => (backward.has(link)
      ? { link, from: link.to, to: link.from, reversed: true }
      : { link, from: link.from, to: link.to, reversed: false }));
}

/**
 * The longest way from any start decides the layer; starts then move right, next to their nearest reader, so that a
 * lookup table stands beside the agent that reads it.
 * @param {string[]} ids
 * @param {Forward[]} edges without cycles
 */
function longestPaths(ids, edges) {
  const incoming = groupBy(edges, (edge) => edge.to);
  /** @type {Map<string, number>} */
  const layers = new Map();
  /** @param {string} id @returns {number} */
  function layerOf(id) {
    const known = layers.get(id);
    if (known !== undefined) return known;
    const layer = Math.max(-1, ...(incoming.get(id) ?? []).map((edge) => layerOf(edge.from))) + 1;
    layers.set(id, layer);
    return layer;
  }
  ids.forEach(layerOf);
  const outgoing = groupBy(edges, (edge) => edge.from);
  for (const id of ids) {
    const readers = outgoing.get(id);
    if (incoming.has(id) || !readers) continue;
    layers.set(id, Math.min(...readers.map((edge) => layers.get(edge.to) ?? 1)) - 1);
  }
  return layers;
}
