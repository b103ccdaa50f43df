/**
 * @file Repeated requests. Invariants: one request in flight at a time, none while the tab is hidden, and the last
 * good answer stays while the connection is lost.
 */
import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { asApiError, getJson } from './api.js';

const MAX_WAIT_MS = 15_000;

/**
/** @typedef {import('./api.js').ApiError} ApiError */

/**
 * @template T
 * @typedef {object} Polled
 * @property {T | null} data the newest good answer
 * @property {ApiError | null} error why the newest request failed; null when it did not
 * @property {number} answeredAt when `data` arrived, in ms since 1970; 0 before the first
 * @property {number} retryAt when the next attempt is due after a failure
 * @property {() => void} retry asks again now
 */

/**
 * @template T
 * @typedef {object} Growing how an answer is made of what is known and of what is new
 * @property {(path: string, known: T | null) => string} ask the path that asks for what is new
 * @property {(known: T | null, answer: T) => T} join
 */

/** @type {Growing<any>} */
const WHOLE = { ask: (path) => path, join: (_, answer) => answer };

/**
 * How long to wait after `failures` failed attempts in a row: doubling, bounded.
 * @param {number} intervalMs
 * @param {number} failures
 */
export function waitMs(intervalMs, failures) {
  return Math.min(MAX_WAIT_MS, intervalMs * 2 ** Math.min(failures, 10));
}

/**
 * Polls `path` until it changes or the component leaves. A null path polls nothing.
 * @template T
 * @param {string | null} path
 * @param {number} [intervalMs]
 * @param {Growing<T>} [growing] must stay the same
 * @returns {Polled<T>}
 */
export function usePoll(path, intervalMs = 1000, growing = WHOLE) {
  const retry = useRef(() => {});
  const [state, setState] = useState(/** @type {State<T> & {path: string | null}} */ ({ ...EMPTY, path }));
  useEffect(() => {
    if (path === null) return undefined;
    const loop = startLoop(path, intervalMs, growing, (/** @type {Partial<State<T>>} */ change) => {
      setState((old) => ({ ...(old.path === path ? old : EMPTY), ...change, path }));
    });
    retry.current = loop.now;
    return loop.stop;
  }, [path, intervalMs]);
  // An answer to another path must never be shown under this one.
  const current = state.path === path ? state : EMPTY;
  return { ...current, retry: () => retry.current() };
}

/**
 * @template T
 * @typedef {{data: T | null, error: ApiError | null, answeredAt: number, retryAt: number}} State
 */

/** @type {State<never>} */
const EMPTY = { data: null, error: null, answeredAt: 0, retryAt: 0 };

/**
 * @template T
 * @param {string} path
 * @param {number} intervalMs
 * @param {Growing<T>} growing
 * @param {(change: Partial<State<T>>) => void} report
 */
function startLoop(path, intervalMs, growing, report) {
  const stopped = new AbortController();
  /** @type {T | null} */
  let known = null;
  let timer = 0;
  let failures = 0;
  let busy = false;

  async function tick() {
    clearTimeout(timer);
    if (busy || document.hidden || stopped.signal.aborted) return;
    busy = true;
    try {
      known = growing.join(known, await getJson(growing.ask(path, known), { poll: true, signal: stopped.signal }));
      failures = 0;
      report({ data: known, error: null, answeredAt: Date.now(), retryAt: 0 });
    } catch (cause) {
      if (stopped.signal.aborted) return;
      failures += 1;
      report({ error: asApiError(cause), retryAt: Date.now() + waitMs(intervalMs, failures) });
    } finally {
      busy = false;
    }
    timer = setTimeout(tick, waitMs(intervalMs, failures));
  }

  document.addEventListener('visibilitychange', tick, { signal: stopped.signal });
  void tick();
  return {
    now: () => void tick(),
    stop: () => {
      stopped.abort();
      clearTimeout(timer);
    },
  };
}
