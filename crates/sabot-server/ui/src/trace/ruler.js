/** @file The time ruler: round ticks for any window of a trace. */
import { html } from '../base/html.js';
import { seconds } from '../base/format.js';

/** @typedef {{from: number, to: number}} Window nanoseconds since the start of the trace; `to` is larger */

/**
 * Ticks at 1, 2 or 5 times a power of ten, at most `most` of them.
 * @param {Window} window
 * @param {number} [most]
 * @returns {number[]}
 */
export function ticks({ from, to }, most = 6) {
  const step = stepOf({ from, to }, most);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) => (first + index) * step);
}

/** @param {Window} window @param {number} most */
function stepOf({ from, to }, most) {
  const rough = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
}

/** @type {[number, string][]} */
const UNITS = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']];

/**
 * A tick in the unit of its size, with just the digits that tell it from the next one.
 * @param {number} at
 * @param {number} step between ticks
 */
export function tickLabel(at, step) {
  if (at === 0) return '0';
  const [size, unit] = UNITS.find(([candidate]) => at >= candidate) ?? [1, 'ns'];
  if (size === 1e9 && at >= 60e9 && step >= 1e9) return seconds(at / 1e9);
  const digits = Math.max(0, Math.ceil(Math.log10(size / step) - 1e-9));
  return `${Number((at / size).toFixed(Math.min(9, digits)))} ${unit}`;
}

/**
 * Where an instant is in the window, in percent; outside 0 to 100 when it is not in it.
 * @param {number} at
 * @param {Window} window
 */
export function position(at, { from, to }) {
  return (100 * (at - from)) / (to - from);
}

/** @param {{window: Window, most: number}} props */
export function Ruler({ window, most }) {
  const step = stepOf(window, most);
  return html`<div class="ruler" aria-hidden="true">${ticks(window, most).map((at) => {
    const left = position(at, window);
    return html`<span key=${at} class=${left > 90 ? 'ruler-tick last' : 'ruler-tick'} style=${{ left: `${left}%` }}>${tickLabel(at, step)}</span>`;
  })}</div>`;
}

/** The ruler's ticks as lines behind the bars. @param {{window: Window, most: number}} props */
export function RulerLines({ window, most }) {
  return html`<div class="ruler-lines" aria-hidden="true">${ticks(window, most).map((at) => html`
    <span key=${at} style=${{ left: `${position(at, window)}%` }}></span>`)}</div>`;
}
