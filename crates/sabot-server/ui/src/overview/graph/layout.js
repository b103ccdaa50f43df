/** @file Nodes and edges to places on a plane: layers, then order, then heights, then the curves of the edges. */
import { placeVertically } from './coordinates.js';
import { assignLayers, stepsOf } from './layers.js';
import { orderLayers } from './order.js';

/** `width` is the least: cards grow with their names while there is room. */
export const CARD = { width: 172, height: 54 };
const GAP = { least: 66, most: 150 };
const MARGIN = 3;
const LABEL_RISE = 8;
const LEVEL = 14;
const ROW_HEIGHT = CARD.height + 20;
const BEND_HEIGHT = 22;

/** @typedef {import('./layers.js').Link} Link */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{path: string, label: Point}} Curve */
/**
 * @typedef {object} Layout
 * @property {number} width
 * @property {number} height
 * @property {number} cardWidth
 * @property {Map<string, Point>} places top left of each card
 * @property {Map<string, Curve>} curves by edgeKey
 */

/** @param {Link} link */
export function edgeKey(link) {
  return `${link.from}\u0000${link.to}`;
}

/**
 * @param {string[]} ids
 * @param {Link[]} allLinks those naming an unknown id are left out
 * @param {number} room the width to fill when the cards leave some
 * @param {number} [wished] the width a card should have if there is room
 * @returns {Layout}
 */
export function layOut(ids, allLinks, room, wished = CARD.width) {
  const known = new Set(ids);
  const layered = assignLayers(ids, allLinks.filter((link) => known.has(link.from) && known.has(link.to)));
  const order = orderLayers(layered);
  const cardWidth = cardWidthFor(order.length, room, wished);
  const gap = gapFor(order.length, room, cardWidth);
  const steps = stepsOf(layered.routes);
  const heightOf = (/** @type {string} */ id) => (layered.cells.get(id)?.bend ? BEND_HEIGHT : ROW_HEIGHT);
  const middles = placeVertically(order, steps, heightOf);

  const left = (/** @type {string} */ id) => MARGIN + (layered.cells.get(id)?.layer ?? 0) * (cardWidth + gap);
  const middle = (/** @type {string} */ id) => MARGIN + (middles.get(id) ?? 0);
  const places = new Map(ids.map((id) => [id, { x: left(id), y: middle(id) - CARD.height / 2 }]));
  const curves = new Map(layered.routes.map((route) => [edgeKey(route.link), curve(route, { left, middle, cardWidth })]));
  return {
    width: MARGIN * 2 + order.length * cardWidth + Math.max(0, order.length - 1) * gap,
    height: MARGIN * 2 + Math.max(0, ...[...middles].map(([id, at]) => at + heightOf(id) / 2)),
    cardWidth,
    places,
    curves,
  };
}

/**
 * As wide as wished, or as the room allows with the least gaps; never below the least.
 * @param {number} layers
 * @param {number} room
 * @param {number} wished
 */
function cardWidthFor(layers, room, wished) {
  const most = Math.floor((room - 2 * MARGIN - Math.max(0, layers - 1) * GAP.least) / Math.max(1, layers));
  return Math.max(CARD.width, Math.min(wished, most));
}

/**
 * @param {number} layers
 * @param {number} room
 * @param {number} cardWidth
 */
function gapFor(layers, room, cardWidth) {
  if (layers < 2) return GAP.least;
  const free = (room - 2 * MARGIN - layers * cardWidth) / (layers - 1);
  return Math.floor(Math.min(GAP.most, Math.max(GAP.least, free)));
}

/**
 * Leaves and enters every card level; passes bends as a straight line of a card's width.
 * @param {import('./layers.js').Route} route
 * @param {{left: (id: string) => number, middle: (id: string) => number, cardWidth: number}} where
 * @returns {Curve}
 */
function curve({ chain, reversed }, { left, middle, cardWidth }) {
  /** @type {{from: Point, to: Point}[]} */
  const arcs = chain.slice(1).map((to, index) => {
    const from = chain[index] ?? to;
    return { from: { x: left(from) + cardWidth, y: middle(from) }, to: { x: left(to), y: middle(to) } };
  });
  const first = arcs[0] ?? { from: { x: 0, y: 0 }, to: { x: 0, y: 0 } };
  // On a level edge the label would hide most of the line: it stands above instead.
  const rise = Math.abs(first.from.y - first.to.y) < LEVEL ? LABEL_RISE : 0;
  const label = { x: (first.from.x + first.to.x) / 2, y: (first.from.y + first.to.y) / 2 - rise };
  const ordered = reversed ? arcs.map(({ from, to }) => ({ from: to, to: from })).reverse() : arcs;
  const path = ordered.map(({ from, to }, index) => {
    const bendX = (from.x + to.x) / 2;
    return `${index === 0 ? 'M' : 'L'}${from.x} ${from.y}C${bendX} ${from.y} ${bendX} ${to.y} ${to.x} ${to.y}`;
  });
  return { path: path.join(''), label };
}
