/**
 * @file The only place that talks to the server. Every failure becomes an ApiError whose message can be shown as is.
 */

const BASE = '/api/v1';
const TIMEOUT_MS = 15_000;

/** A request that did not give an answer to show. `code` is the API's, or `unreachable` when nobody answered. */
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
 * Nanoseconds since 1970 do not fit a double: quoting them before JSON.parse keeps every digit.
 * A key inside a JSON string is followed by `\"`, not `"`, so only real keys match.
 * @param {string} text
 */
export function quoteNanos(text) {
  return text.replace(/(_unix_nano"\s*:\s*)(\d+)/g, '$1"$2"');
}

/**
 * @template T
 * @param {string} path below /api/v1, with its query
 * @param {{poll?: boolean, signal?: AbortSignal}} [options] `poll` marks a repeated request, which leaves no span
 * @returns {Promise<T>}
 */
export async function getJson(path, { poll = false, signal } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const { ok, status, text } = await send(path, {
    headers: poll ? { 'x-sabot-poll': '1', accept: 'application/json' } : { accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
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
 */
async function send(path, init) {
  try {
    const response = await fetch(BASE + path, init);
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
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
