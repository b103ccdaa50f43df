/**
 * @file Second step of the layout: the order of the cells within each layer, with few crossings.
 * Sweeps by the barycentre of neighbours, then swaps of neighbours while that helps. Both can get stuck, so this starts
 * again from shuffled orders (always the same ones: a graph must not jump about); the best order seen wins.
 */
import { groupBy } from '../../base/group.js';
import { stepsOf } from './layers.js';

/** @typedef {import('./layers.js').Layered} Layered */

const SWEEPS = 8;
const STARTS = 24;
/** Larger graphs start only once: the work grows with the square of the cells. */
const MANY_CELLS = 120;

/**
 * @param {Layered} layered
 * @returns {string[][]} ids of each layer from top to bottom
 */
export function orderLayers({ cells, routes }) {
  /** @type {string[][]} */
  const order = [];
  for (const cell of cells.values()) (order[cell.layer] ??= []).push(cell.id);
  for (let layer = 0; layer < order.length; layer += 1) order[layer] ??= [];
  const steps = stepsOf(routes);
  const before = groupBy(steps, (step) => step.to);
  const after = groupBy(steps, (step) => step.from);
  const left = (/** @type {string} */ id) => (before.get(id) ?? []).map((step) => step.from);
  const right = (/** @type {string} */ id) => (after.get(id) ?? []).map((step) => step.to);

  const random = sequence();
  const starts = cells.size > MANY_CELLS ? 1 : STARTS;
  let best = { order, crossings: crossings(order, right) };
  for (let start = 0; start < starts && best.crossings > 0; start += 1) {
    const tried = improve(order.map((layer) => (start === 0 ? [...layer] : shuffled(layer, random))), left, right);
    if (tried.crossings < best.crossings) best = tried;
  }
  return best.order;
}

/**
 * @param {string[][]} order is changed
 * @param {Neighbours} left
 * @param {Neighbours} right
 */
function improve(order, left, right) {
  let best = { order: copy(order), crossings: crossings(order, right) };
  for (let sweep = 0; sweep < SWEEPS && best.crossings > 0; sweep += 1) {
    if (sweep % 2 === 0) for (let layer = 1; layer < order.length; layer += 1) sortLayer(order, layer, layer - 1, left);
    else for (let layer = order.length - 2; layer >= 0; layer -= 1) sortLayer(order, layer, layer + 1, right);
    swapNeighbours(order, right);
    const now = crossings(order, right);
    if (now < best.crossings) best = { order: copy(order), crossings: now };
  }
  return best;
}

/** @param {string[][]} order */
function copy(order) {
  return order.map((layer) => [...layer]);
}

/** The same numbers between 0 and 1 every time (a linear congruential generator). */
function sequence() {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** @param {string[]} layer @param {() => number} random */
function shuffled(layer, random) {
  return layer.map((id) => ({ id, weight: random() })).sort((one, other) => one.weight - other.weight).map(({ id }) => id);
}

/** @typedef {(id: string) => string[]} Neighbours */

/**
 * @param {string[][]} order
 * @param {number} layer the one to sort
 * @param {number} fixed the one its neighbours are in
 * @param {Neighbours} neighbours
 */
function sortLayer(order, layer, fixed, neighbours) {
  const place = new Map((order[fixed] ?? []).map((id, index) => [id, index]));
  const current = order[layer] ?? [];
  const weighed = current.map((id, index) => {
    const places = neighbours(id).map((other) => place.get(other) ?? 0);
    return { id, weight: places.length === 0 ? index : places.reduce((sum, one) => sum + one, 0) / places.length };
  });
  order[layer] = weighed.sort((one, other) => one.weight - other.weight).map(({ id }) => id);
}

/**
 * @param {string[][]} order
 * @param {Neighbours} right
 */
function swapNeighbours(order, right) {
  let now = crossings(order, right);
  for (const layer of order) {
    for (let index = 0; index + 1 < layer.length; index += 1) {
      swap(layer, index);
      const then = crossings(order, right);
      if (then < now) now = then;
      else swap(layer, index);
    }
  }
}

/** @param {string[]} layer @param {number} index */
function swap(layer, index) {
  layer.splice(index, 2, layer[index + 1] ?? '', layer[index] ?? '');
}

/**
 * How many pairs of edges cross, over all layers.
 * @param {string[][]} order
 * @param {Neighbours} right
 */
export function crossings(order, right) {
  let total = 0;
  for (let layer = 0; layer + 1 < order.length; layer += 1) {
    const place = new Map((order[layer + 1] ?? []).map((id, index) => [id, index]));
    const ends = (order[layer] ?? []).map((id) => right(id).map((other) => place.get(other) ?? 0));
    ends.forEach((upper, index) => {
      for (const lower of ends.slice(index + 1)) {
        for (const one of upper) total += lower.filter((other) => other < one).length;
      }
    });
  }
  return total;
}
