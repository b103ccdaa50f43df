/** @file A server that was started again counts from zero; what it found must not look as if nothing was there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toSeries } from '../src/overview/series.js';
import { isUncounted } from '../src/overview/stored.js';
import { tiles } from '../src/overview/tiles.js';

/**
 * @param {number} events read since the start
 * @param {number} rows in a stream
 * @returns {any}
 */
function overview(events, rows) {
  const nodes = [{ kind: 'source', events_total: rows }, { kind: 'stream', events_total: rows }, { kind: 'agent', events_total: events }];
  const status = { events_total: events, source_events_total: events, events_per_second: 0, late_total: 0, errors_total: 0, lag_events: 0, memory_bytes: 1, cpu_ratio: 0 };
  return { status, graph: { nodes, edges: [] }, history: [] };
}

/** @param {any} shown */
function notesOf(shown) {
  return tiles(shown, toSeries(shown.history)).slice(0, 3).map((tile) => tile.note);
}

test('rows that were not counted are shown', () => {
  assert.ok(isUncounted(overview(0, 336_776)));
  assert.deepEqual(notesOf(overview(0, 336_776)), ['since this server started', '336,776 rows in streams', 'since this server started']);
});

test('where there is nothing, nothing was there', () => {
  assert.ok(!isUncounted(overview(0, 0)));
  assert.deepEqual(notesOf(overview(0, 0)), ['peak –', '0 events came in', 'no watermark yet']);
});

test('what was read since the start is a number of its own', () => {
  assert.deepEqual(notesOf(overview(12_345, 336_776)), ['peak –', '12,345 events came in', 'no watermark yet']);
  const behind = overview(1, 2);
  behind.status.lag_events = 5;
  assert.equal(notesOf(behind)[1], '5 not read yet');
});
