/** @file The overview's history grows by what is new. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeOverview, pathSince } from '../src/overview/history.js';
import { toSeries } from '../src/overview/series.js';

/**
 * Samples of these seconds, of a server started at `start`.
 * @param {number[]} seconds
 * @param {string} [start]
 * @returns {any}
 */
function overview(seconds, start = 'once') {
  const at = (/** @type {number} */ second) => new Date(second * 1000).toISOString();
  return { status: { started_at: start }, graph: {}, history: seconds.map((second) => ({ at: at(second), events_per_second: second })) };
}

/** @param {import('../src/types.js').Overview} answer */
function secondsOf(answer) {
  return toSeries(answer.history).times;
}

/** @param {number} from @param {number} to */
function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

test('the first request asks for everything, the next ones for what is new', () => {
  assert.equal(pathSince('/overview', null), '/overview');
  assert.equal(pathSince('/overview', overview([])), '/overview');
  assert.equal(pathSince('/overview', overview([1, 2])), '/overview?history_since=1970-01-01T00%3A00%3A02.000Z');
});

test('what is new is appended, with or without the sample it was asked from', () => {
  assert.deepEqual(secondsOf(mergeOverview(null, overview([1, 2]))), [1, 2]);
  assert.deepEqual(secondsOf(mergeOverview(overview([1, 2]), overview([3]))), [1, 2, 3]);
  assert.deepEqual(secondsOf(mergeOverview(overview([1, 2]), overview([2, 3]))), [1, 2, 3]);
  assert.deepEqual(secondsOf(mergeOverview(overview([1, 2]), overview([]))), [1, 2]);
});

test('a server that always sends everything changes nothing', () => {
  assert.deepEqual(secondsOf(mergeOverview(overview(range(1, 900)), overview(range(2, 901)))), range(2, 901));
});

test('a quarter of an hour is kept', () => {
  assert.deepEqual(secondsOf(mergeOverview(overview(range(1, 900)), overview([901, 902]))), range(3, 902));
});

test('another start of the server is another history', () => {
  assert.deepEqual(secondsOf(mergeOverview(overview([1, 2]), overview([3], 'again'))), [3]);
});

test('everything but the history is the newest', () => {
  const merged = mergeOverview(overview([1]), { ...overview([2]), graph: /** @type {any} */ ('newest') });
  assert.equal(merged.graph, 'newest');
});
