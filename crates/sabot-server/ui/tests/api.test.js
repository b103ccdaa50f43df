/** @file What goes wrong between the page and the server, and what must not be lost on the way. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ApiError, asApiError, getJson, quoteNanos } from '../src/base/api.js';

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

/** @param {string} text */
function read(text) {
  return JSON.parse(quoteNanos(text));
}

test('whole nanoseconds keep every digit', () => {
  const [first] = read('[{"start_unix_nano":1700000000123456789,"end_unix_nano" : 0,"note":"\\"start_unix_nano\\":1"}]');
  assert.deepEqual(first, { start_unix_nano: '1700000000123456789', end_unix_nano: '0', note: '"start_unix_nano":1' });
});

test('a number that is not whole stays one', () => {
  assert.deepEqual(read('{"a_unix_nano":1.5,"b_unix_nano":12e3,"c_unix_nano":-12.25,"d_unix_nano":-7,"e_unix_nano":null,"f_unix_nano":"1"}'), {
    a_unix_nano: 1.5, b_unix_nano: 12_000, c_unix_nano: -12.25, d_unix_nano: '-7', e_unix_nano: null, f_unix_nano: '1',
  });
});

test('an answer that does not come says how long it was waited for', async () => {
  globalThis.fetch = async () => {
    throw new DOMException('signal timed out', 'TimeoutError');
  };
  await assert.rejects(getJson('/traces?limit=20', { timeoutMs: 40_000, what: 'the trace search' }), {
    code: 'timeout', message: 'no answer to the trace search within 40 s',
  });
  await assert.rejects(getJson('/overview?history_since=x'), { code: 'timeout', message: 'no answer to /overview within 15 s' });
});

test('an error of a script is told as one, and whole in the console', (context) => {
  const { mock } = context.mock.method(console, 'error', () => {});
  const late = new ApiError('late', { code: 'timeout' });
  const cause = new TypeError('x is not a function');
  assert.equal(asApiError(late), late);
  assert.deepEqual([asApiError(cause).code, asApiError(cause).message], ['script', 'TypeError: x is not a function']);
  assert.ok(mock.calls.length === 2 && mock.calls.every((call) => call.arguments[0] === cause));
});

test('a request that is given up is no failure to show', async () => {
  globalThis.fetch = async (_, init) => {
    init?.signal?.throwIfAborted();
    return new Response('{}');
  };
  await assert.rejects(getJson('/status', { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('nobody answers, an error answers, nonsense answers', async () => {
  globalThis.fetch = async () => {
    throw new TypeError('fetch failed');
  };
  await assert.rejects(getJson('/status'), { code: 'unreachable' });
  globalThis.fetch = async () => new Response('{"error":{"code":"not_found","message":"no such trace"}}', { status: 404 });
  await assert.rejects(getJson('/traces/x'), { code: 'not_found', status: 404, message: 'no such trace', hint: '' });
  globalThis.fetch = async () => new Response('<p>Bad gateway</p>', { status: 502 });
  await assert.rejects(getJson('/status'), { code: 'bad_answer', message: 'the server answered with HTTP 502' });
});
