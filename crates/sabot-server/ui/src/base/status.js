/** @file Status words to tones. An unknown word is shown as it is, in the calmest tone. */

/** @typedef {import('../types.js').Tone} Tone */

/** @type {Record<string, Tone>} */
const TONES = {
  running: 'ok', ok: 'ok', healthy: 'ok', ready: 'ok', active: 'ok', open: 'ok', up: 'ok',
  finished: 'done', completed: 'done',
  degraded: 'warn', waiting: 'warn', paused: 'warn', draining: 'warn', starting: 'warn', warning: 'warn', lagging: 'warn',
  failed: 'error', error: 'error', unhealthy: 'error', down: 'error',
  stopped: 'idle', idle: 'idle', disabled: 'idle', off: 'idle',
};

/**
 * @param {string | null | undefined} status
 * @returns {Tone}
 */
export function toneOf(status) {
  return TONES[String(status ?? '').toLowerCase()] ?? 'idle';
}

/** Whether a component needs no attention. @param {string} status */
export function isFine(status) {
  const tone = toneOf(status);
  return tone === 'ok' || tone === 'done' || tone === 'idle';
}
