/**
 * @file Third step of the layout: heights. Every cell wants to be level with its neighbours; cells of a layer keep
 * their order and their distance. Each layer is solved exactly, by pooling neighbours that want to be too close.
 */
import { groupBy } from '../../base/group.js';

const ROUNDS = 8;

/**
 * @param {string[][]} order ids of each layer from top to bottom
 * @param {{from: string, to: string}[]} steps edges between neighbouring layers
 * @param {(id: string) => number} heightOf a cell's height with its margin
 * @returns {Map<string, number>} the middle of each cell; the topmost edge is at 0
 */
export function placeVertically(order, steps, heightOf) {
  const before = groupBy(steps, (step) => step.to);
  const after = groupBy(steps, (step) => step.from);
  /** @type {Map<string, number>} */
  const middles = new Map();
  for (const layer of order) settle(layer, layer.map(() => 0), heightOf, middles);
  for (let round = 0; round < ROUNDS; round += 1) {
    const layers = round % 2 === 0 ? order : [...order].reverse();
    for (const layer of layers) settle(layer, layer.map((id) => wish(id)), heightOf, middles);
  }
  const top = Math.min(0, ...[...middles].map(([id, middle]) => middle - heightOf(id) / 2));
  for (const [id, middle] of middles) middles.set(id, Math.round(middle - top));
  return middles;

  /** @param {string} id */
  function wish(id) {
    const neighbours = [...(before.get(id) ?? []).map((step) => step.from), ...(after.get(id) ?? []).map((step) => step.to)];
    if (neighbours.length === 0) return middles.get(id) ?? 0;
    return neighbours.reduce((sum, other) => sum + (middles.get(other) ?? 0), 0) / neighbours.length;
  }
}

/**
 * Least-squares heights in order and without overlap (pool adjacent violators).
 * @param {string[]} layer
 * @param {number[]} wishes
 * @param {(id: string) => number} heightOf
 * @param {Map<string, number>} middles receives the result
 */
function settle(layer, wishes, heightOf, middles) {
  let offset = 0;
  const offsets = layer.map((id, index) => {
    const above = layer[index - 1];
    if (above !== undefined) offset += (heightOf(above) + heightOf(id)) / 2;
    return offset;
  });
  /** @type {{sum: number, size: number}[]} */
  const pools = [];
  layer.forEach((_, index) => {
    pools.push({ sum: (wishes[index] ?? 0) - (offsets[index] ?? 0), size: 1 });
    mergeLast(pools);
  });
  const shifts = pools.flatMap((pool) => Array.from({ length: pool.size }, () => mean(pool)));
  layer.forEach((id, index) => middles.set(id, (shifts[index] ?? 0) + (offsets[index] ?? 0)));
}

/**
 * Merges the last pool with those above it for as long as it wants to be higher than they do.
 * @param {{sum: number, size: number}[]} pools
 */
function mergeLast(pools) {
  let last = pools.at(-1);
  let above = pools.at(-2);
  while (last && above && mean(above) > mean(last)) {
    above.sum += last.sum;
    above.size += last.size;
    pools.pop();
    last = above;
    above = pools.at(-2);
  }
}

/** @param {{sum: number, size: number}} pool */
function mean(pool) {
  return pool.sum / pool.size;
}
