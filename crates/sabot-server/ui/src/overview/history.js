/**
 * @file The overview's history, kept here and asked for only from its newest sample on. A server that does not know how to
 * answer with less sends all of it again: what is known already is left out either way.
 */

/** Samples the server keeps: 15 minutes. */
const KEPT = 900;

/** @typedef {import('../types.js').Overview} Overview */

/** @type {import('../base/poll.js').Growing<Overview>} */
export const GROWING = { ask: pathSince, join: mergeOverview };

/**
 * @param {string} path
 * @param {Overview | null} known
 */
export function pathSince(path, known) {
  const newest = known?.history.at(-1);
  return newest ? `${path}?history_since=${encodeURIComponent(newest.at)}` : path;
}

/**
 * The answer with the history of both. Another start is another history: its totals began again.
 * @param {Overview | null} known
 * @param {Overview} answer
 * @returns {Overview}
 */
export function mergeOverview(known, answer) {
  if (!known || known.status.started_at !== answer.status.started_at) return answer;
  const fresh = new Set(answer.history.map((sample) => sample.at));
  const history = [...known.history.filter((sample) => !fresh.has(sample.at)), ...answer.history].slice(-KEPT);
  return { ...answer, history };
}
