/** @file Status words of the API to tones and words. An unknown word is shown as it is, in the calmest tone. */

/** @typedef {import('../types.js').Tone} Tone */

/** @type {Map<string, Tone>} */
const TONES = new Map([
  // Jobs.
  ['running', 'ok'], ['waiting', 'warn'], ['disk_full', 'warn'], ['draining', 'warn'], ['finished', 'done'], ['failed', 'error'], ['stopped', 'idle'],
  // Streams, tables and sinks; parts of the server; the server as a whole.
  ['ready', 'ok'], ['ok', 'ok'], ['degraded', 'warn'],
]);
/** Somebody has to do something: these carry an icon as well. */
const ALARMS = new Set(['disk_full', 'degraded', 'failed']);

/**
 * @param {string | null | undefined} status
 * @returns {Tone}
 */
export function toneOf(status) {
  return TONES.get(status ?? '') ?? 'idle';
}

/** Whether a status calls for somebody. @param {string} status */
export function isAlarm(status) {
  return ALARMS.has(status);
}

/** The status as people read it: `disk full`. @param {string} status */
export function wordOf(status) {
  return status.replaceAll('_', ' ');
}

/**
 * The different statuses, alarms first, then as the API lists them.
 * @param {string[]} statuses
 */
export function distinct(statuses) {
  const order = [...ALARMS, ...TONES.keys()];
  const rank = (/** @type {string} */ status) => (order.includes(status) ? order.indexOf(status) : order.length);
  return [...new Set(statuses)].sort((one, other) => rank(one) - rank(other));
}
