/** @file The layout of the graph: layers run left to right, bends fill long edges, crossings go away, cards never overlap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeVertically } from '../src/overview/graph/coordinates.js';
import { assignLayers, stepsOf } from '../src/overview/graph/layers.js';
import { CARD, edgeKey, layOut } from '../src/overview/graph/layout.js';
import { crossings, orderLayers } from '../src/overview/graph/order.js';

/** @param {string} text such as `a>b b>c` */
function linksOf(text) {
  return text.split(' ').map((pair) => {
    const [from = '', to = ''] = pair.split('>');
    return { from, to };
  });
}

/** @param {string} text */
function idsOf(text) {
  return [...new Set(text.split(/[ >]/))];
}

/** @param {string} text */
function layersOf(text) {
  const { cells } = assignLayers(idsOf(text), linksOf(text));
  return Object.fromEntries([...cells.values()].filter((cell) => !cell.bend).map((cell) => [cell.id, cell.layer]));
}

/** @param {string} text */
function crossingsOf(text) {
  const layered = assignLayers(idsOf(text), linksOf(text));
  const steps = stepsOf(layered.routes);
  return crossings(orderLayers(layered), (id) => steps.filter((step) => step.from === id).map((step) => step.to));
}

test('the longest way decides the layer', () => {
  assert.deepEqual(layersOf('a>b b>c a>c'), { a: 0, b: 1, c: 2 });
});

test('a lookup table stands next to its agent', () => {
  assert.deepEqual(layersOf('source>stream stream>agent table>agent'), { source: 0, stream: 1, agent: 2, table: 1 });
});

test('a cycle is cut and every node still has a layer', () => {
  assert.deepEqual(layersOf('a>b b>c c>a'), { a: 0, b: 1, c: 2 });
});

test('a long edge passes a bend in every layer between', () => {
  const { routes } = assignLayers(['a', 'b', 'c'], linksOf('a>b b>c a>c'));
  assert.deepEqual(routes.map((route) => route.chain.length), [2, 2, 3]);
});

test('crossings that can be avoided are', () => {
  assert.equal(crossingsOf('a>y b>x'), 0);
  assert.equal(crossingsOf('flights>hourly flights>join flights>enrich weather>join planes>enrich hourly>delays join>joined enrich>enriched'), 0);
  assert.equal(crossingsOf('a>x a>y b>x b>y'), 1);
});

test('cells of a layer keep their distance', () => {
  const middles = placeVertically([['a', 'b', 'c'], ['x']], linksOf('a>x b>x c>x'), () => 10);
  assert.deepEqual([...middles.values()], [5, 15, 25, 15]);
});

test('every known edge gets a curve, and cards do not overlap', () => {
  const ids = ['a', 'b', 'c', 'alone'];
  const layout = layOut(ids, linksOf('a>b a>c c>nobody'), 0);
  assert.ok(layout.curves.has(edgeKey({ from: 'a', to: 'b' })));
  assert.equal(layout.curves.size, 2);
  const places = [...layout.places.values()];
  for (const one of places) {
    for (const other of places) {
      const apart = one === other || Math.abs(one.x - other.x) >= CARD.width || Math.abs(one.y - other.y) >= CARD.height;
      assert.ok(apart, `${JSON.stringify(one)} and ${JSON.stringify(other)}`);
    }
  }
});

test('cards grow with their names while there is room', () => {
  const widthIn = (/** @type {number} */ room) => layOut(['a', 'b', 'c'], linksOf('a>b b>c'), room, 220).cardWidth;
  assert.deepEqual([2000, 760, 300, 0].map(widthIn), [220, 207, CARD.width, CARD.width]);
  assert.equal(layOut(['a'], [], 2000, 10).cardWidth, CARD.width);
  const wide = layOut(['a', 'b', 'c'], linksOf('a>b b>c'), 760, 220);
  assert.ok(wide.width <= 760);
});

test('no nodes is no drawing', () => {
  assert.equal(layOut([], [], 500).places.size, 0);
});
