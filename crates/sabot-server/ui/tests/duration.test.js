/** @file Durations are read exactly as crates/sabot-common/src/units.rs reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDuration } from '../src/traces/duration.js';

/** @param {string[]} texts @param {boolean} read */
function check(texts, read) {
  for (const text of texts) assert.equal(isDuration(text), read, JSON.stringify(text));
}

test('sums of parts in every unit', () => {
  check(['0', ' 0 ', '0s', '5ns', '5us', '250ms', '1.5s', '2m', '2min', '24h', '7d', '2w', '1h30m', '1h 30m', ' 1 h 30 min ', '.5s', '1.s', '1m1m'], true);
});

test('what the server refuses', () => {
  check(['', ' ', '5', '00', 'h', '-1s', '+1s', '1x', '1µs', '1S', '1h30', '1,5s', '1.2.3s', '.s', '1e3s', '1y', '1h-', 'soon', '1 hour'], false);
});

test('the largest durations', () => {
  check(['18446744073709551615ns', '30500w', '8999999999.5s', '18446744073709551614ns1ns'], true);
  check(['18446744073709551616ns1x', '18446744073709551615ns1ns', '30501w', '99999999999999999999h', '9000000000.5s', '1e400d'], false);
});
