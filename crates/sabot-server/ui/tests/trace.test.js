/** @file A trace as a tree, its search and its ruler. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSpans, nextOf } from '../src/trace/find.js';
import { ancestors, buildTree, visibleSpans } from '../src/trace/model.js';
import { noteOf } from '../src/trace/note.js';
import { position, tickLabel, ticks } from '../src/trace/ruler.js';

const START = 1_700_000_000_000_000_000n;

/**
 * @param {string} span_id
 * @param {string | null} parent_span_id
 * @param {number} from nanoseconds
 * @param {Partial<import('../src/types.js').Span>} [more]
 * @returns {import('../src/types.js').Span}
 */
function span(span_id, parent_span_id, from, more = {}) {
  return {
    span_id, parent_span_id, service: 's', name: span_id, kind: 'internal', status: 'ok',
    start_unix_nano: String(START + BigInt(from)), end_unix_nano: String(START + BigInt(from) + 10n), ...more,
  };
}

/** @param {import('../src/types.js').Span[]} spans */
function tree(...spans) {
  return buildTree({ trace_id: 't', spans });
}

/** @param {import('../src/trace/model.js').TraceTree} built */
function shape(built) {
  return built.spans.map((item) => `${'.'.repeat(item.depth)}${item.span.span_id}`);
}

test('parents before children, siblings by start', () => {
  assert.deepEqual(shape(tree(span('c', 'a', 8), span('b', 'a', 5), span('a', null, 0), span('d', 'b', 6))), ['a', '.b', '..d', '.c']);
});

test('a span whose parent is missing is a root and says so', () => {
  const built = tree(span('a', null, 0), span('lost', 'gone', 1));
  assert.deepEqual(shape(built), ['a', 'lost']);
  assert.deepEqual(built.spans.map((item) => item.orphan), [false, true]);
});

test('a cycle of parents loses no span', () => {
  assert.deepEqual(shape(tree(span('a', 'b', 0), span('b', 'a', 1), span('self', 'self', 2))), ['self', 'a', '.b']);
});

test('instants keep every nanosecond', () => {
  assert.deepEqual(tree(span('a', null, 0), span('b', 'a', 3)).spans.map((item) => [item.startNs, item.durationNs]), [[0, 10], [3, 10]]);
});

test('failures and sizes are summed upwards', () => {
  const built = tree(span('a', null, 0), span('b', 'a', 1), span('c', 'b', 2, { status: 'ERROR' }));
  assert.deepEqual(built.spans.map((item) => [item.size, item.failedBelow]), [[3, 1], [2, 1], [1, 0]]);
  assert.equal(built.errors, 1);
});

test('every span knows its place among its siblings', () => {
  const built = tree(span('a', null, 0), span('b', 'a', 1), span('c', 'b', 2), span('d', 'a', 3), span('e', null, 4));
  assert.deepEqual(built.spans.map((item) => [item.place, item.siblings]), [[1, 2], [1, 2], [1, 1], [2, 2], [2, 2]]);
});

test('collapsed spans hide what is below them', () => {
  const built = tree(span('a', null, 0), span('b', 'a', 1), span('c', 'b', 2), span('d', 'a', 3));
  assert.deepEqual(visibleSpans(built.spans, new Set([1])), [0, 1, 3]);
  assert.deepEqual(visibleSpans(built.spans, new Set([0])), [0]);
  assert.deepEqual(ancestors(built.spans, 2), [1, 0]);
});

test('a chain of 20,000 spans does not overflow the stack', () => {
  const spans = Array.from({ length: 20_000 }, (_, index) => span(`s${index}`, index === 0 ? null : `s${index - 1}`, index));
  assert.equal(tree(...spans).depth, 20_000);
});

test('search looks at names, attributes and messages', () => {
  const { spans } = tree(
    span('a', null, 0, { name: 'Commit' }),
    span('b', 'a', 1, { attributes: { 'sabot.rows': 12, tags: ['x'] } }),
    span('c', 'a', 2, { status: 'error', status_message: 'disk full' }),
  );
  assert.deepEqual(['commit', 'sabot.rows=12', 'DISK error', '["x"]', 'nothing', ' '].map((query) => findSpans(spans, query)), [[0], [1], [2], [1], [], []]);
});

test('a span of a window says which, and its rows', () => {
  const note = (/** @type {Record<string, unknown> | null} */ attributes) => noteOf(span('a', null, 0, { attributes }));
  assert.equal(note({ 'sabot.window_start': '2013-12-24T12:00:00Z', 'sabot.rows_out': 21 }), '2013-12-24 12:00Z · 21 rows');
  assert.equal(note({ 'sabot.window_start': '2013-12-24T12:00:30Z' }), '2013-12-24 12:00:30Z');
  assert.deepEqual([note({ 'sabot.rows_out': 21 }), note({ 'sabot.window_start': 7 }), note({}), note(null)], ['', '', '', '']);
});

test('a window is found by the time its row shows', () => {
  const { spans } = tree(span('a', null, 0), span('b', 'a', 1, { attributes: { 'sabot.window_start': '2013-12-24T12:00:00Z' } }));
  assert.deepEqual(findSpans(spans, '2013-12-24 12:00Z'), [1]);
});

test('next and previous go round', () => {
  assert.deepEqual([nextOf([2, 5], 2, 1), nextOf([2, 5], 5, 1), nextOf([2, 5], 2, -1), nextOf([], 0, 1)], [5, 2, 5, null]);
});

test('ticks are round and in the window', () => {
  assert.deepEqual(ticks({ from: 0, to: 48_000_000 }), [0, 10e6, 20e6, 30e6, 40e6]);
  assert.deepEqual(ticks({ from: 95, to: 123 }), [95, 100, 105, 110, 115, 120]);
  assert.deepEqual([tickLabel(0, 5), tickLabel(489_100_500, 500), tickLabel(20e6, 10e6), tickLabel(1.5e9, 5e8), tickLabel(120e9, 20e9)], ['0', '489.1005 ms', '20 ms', '1.5 s', '2 min']);
  assert.equal(position(50, { from: 0, to: 200 }), 25);
});
