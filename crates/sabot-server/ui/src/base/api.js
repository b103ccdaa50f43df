/**
 * @file The only place that talks to the server. Every failure becomes an ApiError whose message can be shown as is.
 */

const BASE = '/api/v1';
/** What a poll waits. */
const TIMEOUT_MS = 15_000;

/**
 * A request that did not give an answer to show. `code` is the API's, or `unreachable` when nobody answered, `timeout`
 * when the answer did not come in time, or `script` when not the server but the page failed.
 */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{code: string, status?: number, hint?: string}} facts
   */
  constructor(message, { code, status = 0, hint = '' }) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Why a request gave nothing to show. What is no ApiError is an error of a script: the console gets it whole.
 * @param {unknown} cause
 */
export function asApiError(cause) {
  if (cause instanceof ApiError) return cause;
  console.error(cause);
  return new ApiError(String(cause), { code: 'script' });
}

/**
 * Nanoseconds since 1970 do not fit a double: quoting them before JSON.parse keeps every digit.
 * A key inside a JSON string is followed by `\"`, not `"`, so only real keys match; an attribute of such a name may hold a
 * fraction, which stays the number it is.
 * @param {string} text
 */
export function quoteNanos(text) {
  return text.replace(/(_unix_nano"\s*:\s*)(-?\d+)(?![\d.eE])/g, '$1"$2"');
}

/**
 * @template T
 * @param {string} path below /api/v1, with its query
 * @param {object} [options]
 * @param {boolean} [options.poll] marks a repeated request, which leaves no span
 * @param {AbortSignal} [options.signal]
 * @param {number} [options.timeoutMs]
 * @param {string} [options.what] what is asked for, as the notice of a timeout names it; the path if not given
 * @returns {Promise<T>}
 */
export async function getJson(path, { poll = false, signal, timeoutMs = TIMEOUT_MS, what = path.replace(/\?.*/, '') } = {}) {
  const timeout = AbortSignal.timeout(timeoutMs);
  const { ok, status, text } = await send(path, {
    headers: poll ? { 'x-sabot-poll': '1', accept: 'application/json' } : { accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }, `no answer to ${what} within ${timeoutMs / 1000} s`);
  if (!ok) throw errorFrom(status, text);
  try {
    return JSON.parse(quoteNanos(text));
  } catch {
    throw new ApiError(`the answer to ${path} is not JSON`, { code: 'bad_answer', status });
  }
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @param {string} late what to say when the time is over
 */
async function send(path, init, late) {
  try {
    const response = await fetch(BASE + path, init);
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    if (cause instanceof DOMException && cause.name === 'TimeoutError') {
      throw new ApiError(late, { code: 'timeout', hint: 'The server may be busy. Ask again, or for less.' });
    }
    throw new ApiError('the server does not answer', { code: 'unreachable', hint: 'Is `sabot up` still running?' });
  }
}

/**
 * @param {number} status
 * @param {string} text
 */
function errorFrom(status, text) {
  try {
    const { error } = JSON.parse(text);
    return new ApiError(error.message, { code: error.code, status, hint: error.hint ?? '' });
  } catch {
    return new ApiError(`the server answered with HTTP ${status}`, { code: 'bad_answer', status });
  }
}
