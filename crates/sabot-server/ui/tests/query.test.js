/** @file Searches to addresses and back, and the other small decisions: paths, waits, shapes of lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitMs } from '../src/base/poll.js';
import { parsePath } from '../src/base/router.js';
import { growth, toSeries, totalsFromRates } from '../src/overview/series.js';
import { tokens } from '../src/overview/panel/sql.js';
import { areaPath, downsample, linePath } from '../src/parts/sparkline.js';
import { howMany } from '../src/traces/count.js';
import { operationsOf } from '../src/traces/operations.js';
import { badTags, isNarrow, readSearch, searchPath, splitTags, traceIdIn, writeSearch } from '../src/traces/query.js';

test('an address survives the form', () => {
  const address = '?service=flights&status=error&min_duration=1s&tag=sabot.agent%3Da&tag=http.route%3D%2Fa+b';
  const search = readSearch(new URLSearchParams(address));
  assert.equal(search.tags, 'sabot.agent=a http.route="/a b"');
  assert.deepEqual([...new URLSearchParams(writeSearch(search))].sort(), [...new URLSearchParams(address)].sort());
  assert.ok(isNarrow(search));
});

test('the default search has a clean address and still asks for a limit', () => {
  const search = readSearch(new URLSearchParams());
  assert.equal(writeSearch(search), '');
  assert.equal(searchPath(search), '/traces?limit=20');
  assert.ok(!isNarrow(search));
});

test('tags are checked before they are sent', () => {
  assert.deepEqual(splitTags(' a=1  b="two words" '), ['a=1', 'b=two words']);
  assert.deepEqual(badTags('a=1 =2 c'), ['=2', 'c']);
});

test('a trace id is told from tags', () => {
  assert.equal(traceIdIn(' 4BF92F3577B34DA6A3CE929D0E0E4736 '), '4bf92f3577b34da6a3ce929d0e0e4736');
  for (const text of ['', 'a=1', '4bf92f35', 'id=4bf92f3577b34da6a3ce929d0e0e4736']) assert.equal(traceIdIn(text), null);
});

test('operations are offered with their first word once, before their full names', () => {
  const services = [
    { service: 'sabot', operations: ['process_batch b', 'commit', 'process_batch a', 'join left', ' odd'] },
    { service: 'shop', operations: ['GET /', 'commit'] },
  ];
  const sabot = [' odd', 'commit', 'join', 'join left', 'process_batch', 'process_batch a', 'process_batch b'];
  assert.deepEqual(operationsOf(services, 'sabot'), sabot);
  assert.deepEqual(operationsOf(services, ''), [' odd', 'GET', 'GET /', ...sabot.slice(1)]);
  assert.deepEqual(operationsOf([], 'sabot'), []);
});

test('the count says when more match', () => {
  const traces = /** @type {any[]} */ ([{}, {}]);
  assert.equal(howMany({ traces, truncated: true }, 2), 'The newest 2 traces, more match');
  assert.equal(howMany({ traces, truncated: false }, 2), '2 traces');
  assert.equal(howMany({ traces }, 2), 'The newest 2 traces');
  assert.equal(howMany({ traces }, 20), '2 traces');
});

test('paths to pages', () => {
  assert.deepEqual(['/', '/traces', '/traces/', '/traces/ab%20c', '/traces/a/b', '/x', '/traces/%'].map((path) => parsePath(path)), [
    { page: 'overview' }, { page: 'traces' }, { page: 'traces' }, { page: 'trace', id: 'ab c' }, { page: 'missing' }, { page: 'missing' }, { page: 'missing' },
  ]);
});

test('waits double and are bounded', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 50].map((failures) => waitMs(1000, failures)), [1000, 2000, 4000, 8000, 15_000, 15_000]);
});

test('a counter that falls did not grow by a negative number, nor by all that is left', () => {
  assert.deepEqual(growth([5, 7, null, 9, 2, 3]), [null, 2, null, null, null, 1]);
});

test('a rate below zero is not drawn', () => {
  const sample = { at: '2026-01-01T00:00:00Z', late_total: 0, errors_total: 0, watermark_lag_seconds: null, memory_bytes: 1 };
  assert.deepEqual(toSeries([5, -3, 0, null].map((events_per_second) => ({ ...sample, events_per_second }))).rate, [5, null, 0, null]);
});

test('totals are counted back from now', () => {
  assert.deepEqual(totalsFromRates(100, [1, 2, 4], [10, 10, 20]), [50, 60, 100]);
});

test('a spike survives downsampling, a gap is not drawn', () => {
  assert.deepEqual(downsample([0, 9, 0, 0, null, 1], 3), [9, 0, 1]);
  assert.equal(linePath([1, null, 2]), 'M0.0 14.0M100.0 2.0');
  assert.equal(linePath([1]), '');
  assert.equal(areaPath(linePath([null, 1, 2])), 'M50.0 14.0L100.0 2.0L100.0 28L50.0 28Z');
  assert.equal(areaPath(linePath([1, null, 2])), '');
});

test('SQL is coloured without losing a character', () => {
  const sql = "SELECT a1, 'it''s' -- why\nFROM t WHERE x > 1.5";
  assert.equal(tokens(sql).map((token) => token.text).join(''), sql);
  assert.deepEqual(tokens(sql).filter((token) => token.kind).map((token) => `${token.kind} ${token.text}`), [
    'keyword SELECT', "string 'it''s'", 'comment -- why', 'keyword FROM', 'keyword WHERE', 'number 1.5',
  ]);
});
