/** @file How much of what matches is shown. */
import { plural } from '../base/format.js';

/**
 * `3 traces`, or `the newest 20 traces, more match`. A server that does not say whether more match leaves it open.
 * @param {import('../types.js').TraceList} found
 * @param {number} limit
 */
export function howMany({ traces, truncated }, limit) {
  const number = plural(traces.length, 'trace');
  if (truncated) return `The newest ${number}, more match`;
  return truncated === undefined && traces.length >= limit ? `The newest ${number}` : number;
}
