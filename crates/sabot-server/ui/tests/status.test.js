/** @file Statuses: tones, words, and which call for somebody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinct, isAlarm, toneOf, wordOf } from '../src/base/status.js';

test('every status of a job and of the process has its tone', () => {
  const tones = Object.fromEntries(['waiting', 'running', 'disk_full', 'draining', 'stopped', 'finished', 'failed', 'degraded'].map((status) => [status, toneOf(status)]));
  assert.deepEqual(tones, { waiting: 'warn', running: 'ok', disk_full: 'warn', draining: 'warn', stopped: 'idle', finished: 'done', failed: 'error', degraded: 'warn' });
});

test('a full disk is an alarm with words', () => {
  assert.ok(isAlarm('disk_full'));
  assert.ok(!isAlarm('waiting'));
  assert.equal(wordOf('disk_full'), 'disk full');
});

test('an unknown status is calm and shown as it is', () => {
  for (const status of ['resting', 'constructor', '']) {
    assert.deepEqual([toneOf(status), isAlarm(status), wordOf(status)], ['idle', false, status]);
  }
});

test('the legend lists each status once, alarms first', () => {
  assert.deepEqual(distinct(['ready', 'odd', 'running', 'ready', 'disk_full']), ['disk_full', 'running', 'ready', 'odd']);
});
