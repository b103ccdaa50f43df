/** @file Numbers as people read them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, cell, compact, count, millis, nanos, percent, plural, rate, seconds, UNKNOWN } from '../src/base/format.js';

test('counts', () => {
  assert.deepEqual([0, 7, 999, 999.7, 1000, 12_345, 1_234_567].map(compact), ['0', '7', '999', '1k', '1k', '12.3k', '1.23M']);
  assert.equal(count(1_234_567), '1,234,567');
  assert.equal(rate(12_300), '12.3k/s');
});

test('sizes and shares', () => {
  assert.deepEqual([0, 1023, 1024, 1_572_864].map(bytes), ['0 B', '1023 B', '1 KiB', '1.5 MiB']);
  assert.equal(percent(0.431), '43.1 %');
});

test('durations keep the scale they have', () => {
  assert.deepEqual([0, 376, 2_200, 740_000, 3_120_000_000].map(nanos), ['0', '376 ns', '2.2 µs', '740 µs', '3.12 s']);
  assert.deepEqual([0, 59.94, 60, 184, 7500, 90_000, 410_000_000].map(seconds), ['0 s', '59.9 s', '1 min', '3 min 4 s', '2 h 5 min', '1 d 1 h', '13 y']);
  assert.equal(millis(0.5), '500 µs');
});

test('what is not known is not zero', () => {
  for (const format of [compact, count, rate, bytes, percent, nanos, millis, seconds, cell]) {
    assert.equal(format(null), UNKNOWN);
    assert.equal(format(undefined), UNKNOWN);
  }
  assert.equal(compact(Number.NaN), UNKNOWN);
});

test('plurals', () => {
  assert.deepEqual([plural(1, 'span'), plural(10_000, 'span')], ['1 span', '10,000 spans']);
});
