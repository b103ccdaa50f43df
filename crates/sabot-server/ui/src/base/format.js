/**
 * @file Numbers as people read them; time.js has instants. Inputs are base units; a value that is not known is an en dash,
 * never a zero.
 */

export const UNKNOWN = '–';
const COUNT_STEPS = ['', 'k', 'M', 'G', 'T'];
const BYTE_STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const DAY_SECONDS = 86_400;
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** @typedef {number | null | undefined} MaybeNumber */

/**
 * @param {MaybeNumber} value
 * @returns {value is number}
 */
function isKnown(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/**
 * Three significant digits, without trailing zeros.
 * @param {number} value
 */
function short(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

/**
 * @param {number} value
 * @param {number} base
 * @param {string[]} steps
 * @returns {[string, string]} number and unit
 */
function scaled(value, base, steps) {
  let step = 0;
  let rest = value;
  while (Math.abs(rest) >= base - 0.5 && step < steps.length - 1) {
    rest /= base;
    step += 1;
  }
  return [short(rest), steps[step] ?? ''];
}

/** Every digit, grouped: 1,234,567. @param {MaybeNumber} value */
export function count(value) {
  return isKnown(value) ? whole.format(value) : UNKNOWN;
}

/** Short: 12.3k. @param {MaybeNumber} value */
export function compact(value) {
  return isKnown(value) ? scaled(value, 1000, COUNT_STEPS).join('') : UNKNOWN;
}

/** Events per second: 12.3k/s. @param {MaybeNumber} value */
export function rate(value) {
  return isKnown(value) ? `${compact(value)}/s` : UNKNOWN;
}

/** 12.3 MiB. @param {MaybeNumber} value */
export function bytes(value) {
  return isKnown(value) ? scaled(value, 1024, BYTE_STEPS).join(' ') : UNKNOWN;
}

/** 0.5 is 50 %. @param {MaybeNumber} value */
export function percent(value) {
  return isKnown(value) ? `${short(value * 100)} %` : UNKNOWN;
}

/**
 * Nanoseconds at the scale they are: 850 ns, 12.3 µs, 4.5 ms, 2.1 s, 3 min 4 s.
 * @param {MaybeNumber} value
 * @returns {string}
 */
export function nanos(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e3) return `${short(value)} ns`;
  if (size < 1e6) return `${short(value / 1e3)} µs`;
  if (size < 1e9) return `${short(value / 1e6)} ms`;
  return seconds(value / 1e9);
}

/** @param {MaybeNumber} value */
export function millis(value) {
  return isKnown(value) ? nanos(value * 1e6) : UNKNOWN;
}

/**
 * Seconds with at most two units: 1.25 s, 3 min 4 s, 2 h 5 min, 3 d 4 h, 1.5 y.
 * @param {MaybeNumber} value
 * @returns {string}
 */
export function seconds(value) {
  if (!isKnown(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 1) return nanos(value * 1e9);
  if (size < 60) return `${short(value)} s`;
  const sign = value < 0 ? '-' : '';
  if (size < 3600) return sign + pair(size, 60, 'min', 1, 's');
  if (size < DAY_SECONDS) return sign + pair(size, 3600, 'h', 60, 'min');
  if (size < 365 * DAY_SECONDS) return sign + pair(size, DAY_SECONDS, 'd', 3600, 'h');
  return `${short(value / (365.25 * DAY_SECONDS))} y`;
}

/**
 * @param {number} value
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 */
function pair(value, large, largeUnit, small, smallUnit) {
  const first = Math.floor(value / large);
  const second = Math.floor((value % large) / small);
  return second === 0 ? `${first} ${largeUnit}` : `${first} ${largeUnit} ${second} ${smallUnit}`;
}

/** One of a thing or many: `1 span`, `2 spans`. @param {number} number @param {string} noun */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** A value of a row or attribute as one line of text. @param {unknown} value */
export function cell(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
