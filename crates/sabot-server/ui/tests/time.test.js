/** @file Instants are UTC wherever the viewer is, and labels of an axis differ from each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNKNOWN } from '../src/base/format.js';
import { ago, clock, clockLabels, instant, localInstant, shortInstant } from '../src/base/time.js';

// Half an hour off, so that a local time would not pass for UTC.
process.env.TZ = 'Asia/Kolkata';

/** @param {string[]} texts such as `2026-01-01T12:00:00Z` */
function labels(...texts) {
  return clockLabels(texts.map((text) => Date.parse(text)));
}

test('instants are UTC and say so', () => {
  assert.equal(instant('2013-12-30T23:00:00Z'), '2013-12-30 23:00:00 UTC');
  assert.equal(instant('2013-12-31T04:30:00.987654321+05:30'), '2013-12-30 23:00:00 UTC');
  assert.equal(instant(Date.UTC(12_013, 0, 1)), '+012013-01-01 00:00:00 UTC');
  assert.equal(clock('2013-12-30T23:00:07Z'), '23:00:07 UTC');
});

test('the tooltip has the time where the viewer is', () => {
  assert.equal(localInstant('2013-12-30T23:00:00Z'), '2013-12-31 04:30:00 UTC+05:30, your time');
});

test('a short instant leaves out only zeros', () => {
  const ends = ['23:00:00Z', '23:00:10Z', '23:10:00Z', '23:00:00.250Z'];
  assert.deepEqual(ends.map((end) => shortInstant(`2013-12-30T${end}`)), [
    '2013-12-30 23:00Z', '2013-12-30 23:00:10Z', '2013-12-30 23:10Z', '2013-12-30 23:00:00.250Z',
  ]);
});

test('what is no instant is not known', () => {
  for (const at of [null, undefined, '', 'nonsense']) {
    assert.deepEqual([instant(at), shortInstant(at), clock(at), localInstant(at)], [UNKNOWN, UNKNOWN, UNKNOWN, '']);
  }
});

test('labels of an axis are as precise as they must be', () => {
  assert.deepEqual(labels('2026-01-01T12:00:00Z', '2026-01-01T12:05:00Z'), ['12:00', '12:05']);
  assert.deepEqual(labels('2026-01-01T12:00:00Z', '2026-01-01T12:00:30Z'), ['12:00:00', '12:00:30']);
  assert.deepEqual(labels('2026-01-01T12:00:01.040Z', '2026-01-01T12:00:01.500Z'), ['12:00:01.0', '12:00:01.5']);
  assert.deepEqual(labels('2026-01-01T12:00:01.001Z', '2026-01-01T12:00:01.002Z'), ['12:00:01.001', '12:00:01.002']);
  assert.deepEqual(clockLabels([]), []);
});

test('labels of an axis name the day when there is more than one', () => {
  assert.deepEqual(labels('2026-01-01T23:00:00Z', '2026-01-02T01:00:00Z'), ['01-01 23:00', '01-02 01:00']);
  assert.deepEqual(labels('2025-12-31T23:00:00Z', '2026-01-01T01:00:05Z'), ['2025-12-31 23:00:00', '2026-01-01 01:00:05']);
});

test('ages', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  assert.deepEqual(['2026-01-01T23:59:30Z', '2026-01-01T22:00:00Z', 'nonsense'].map((at) => ago(at, now)), ['30 s ago', '2 h ago', UNKNOWN]);
});
