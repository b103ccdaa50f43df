/** @file One request for a page that does not poll: loading, answer or error, never two at once. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';
import { asApiError, getJson } from './api.js';

/** Longer than the server's own limit for a query, 30 s, so that its answer is seen and not ours. */
const TIMEOUT_MS = 40_000;

/** @typedef {import('./api.js').ApiError} ApiError */

/**
 * @template T
 * @typedef {{state: 'loading', old: T | null} | {state: 'ready', data: T} | {state: 'failed', error: ApiError}} Loaded
 */

/**
 * Loads `path`, again whenever it or `attempt` changes. While loading, `old` is the previous answer.
 * @template T
 * @param {string} path
 * @param {string} what is loaded, for the notice when it takes too long
 * @param {number} [attempt]
 * @returns {Loaded<T>}
 */
export function useLoad(path, what, attempt = 0) {
  const [loaded, setLoaded] = useState(/** @type {Loaded<T>} */ ({ state: 'loading', old: null }));
  useEffect(() => {
    const stopped = new AbortController();
    setLoaded((before) => ({ state: 'loading', old: before.state === 'ready' ? before.data : null }));
    getJson(path, { signal: stopped.signal, timeoutMs: TIMEOUT_MS, what }).then(
      (data) => setLoaded({ state: 'ready', data: /** @type {T} */ (data) }),
      (cause) => {
        if (stopped.signal.aborted) return;
        setLoaded({ state: 'failed', error: asApiError(cause) });
      },
    );
    return () => stopped.abort();
  }, [path, attempt]);
  return loaded;
}
