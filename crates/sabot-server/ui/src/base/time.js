/** @file Instants as people read them: in UTC and saying so, as the command line and the API give them. */
import { UNKNOWN } from './format.js';

const DAY_SECONDS = 86_400;
const MINUTE_MS = 60_000;
/** Digits of `HH:MM:SS.mmm` that a label may show. */
const CLOCK_LENGTHS = [8, 10, 11, 12];

/** @typedef {string | number | null | undefined} At RFC 3339, or ms since 1970 */

/** To the second: 2013-12-30 23:00:00 UTC. @param {At} at */
export function instant(at) {
  const date = dateOf(at);
  return date ? `${dayAndTime(date).replace(/\.\d+$/, '')} UTC` : UNKNOWN;
}

/** Without the zeros it ends with, but to the minute, for narrow places: 2013-12-30 23:00Z. @param {At} at */
export function shortInstant(at) {
  const date = dateOf(at);
  return date ? `${dayAndTime(date).replace(/(:00)?\.000$/, '')}Z` : UNKNOWN;
}

/** The time of day: 23:00:00 UTC. @param {At} at */
export function clock(at) {
  const date = dateOf(at);
  return date ? `${instant(at).split(' ')[1]} UTC` : UNKNOWN;
}

/** The same instant where the viewer is, for a tooltip. @param {At} at */
export function localInstant(at) {
  const date = dateOf(at);
  if (!date) return '';
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  const two = (/** @type {number} */ part) => String(part).padStart(2, '0');
  const offset = `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return `${dayAndTime(new Date(date.getTime() + minutes * MINUTE_MS)).replace(/\.\d+$/, '')} ${offset}, your time`;
}

/**
 * Labels of an axis, of UTC without saying so: as much of each instant as tells it from the others, with the day if they are
 * not all of one.
 * @param {number[]} ats ms since 1970
 */
export function clockLabels(ats) {
  const parts = ats.map((at) => dayAndTime(new Date(at)).split(' '));
  const days = parts.map(([day = '']) => day);
  const times = parts.map(([, time = '']) => time);
  const length = times.every((time) => time.endsWith(':00.000'))
    ? 5
    : CLOCK_LENGTHS.find((digits) => isDistinct(times.map((time, index) => `${days[index]} ${time.slice(0, digits)}`)));
  const from = days.every((day) => day === days[0]) ? null : days.every((day) => day.slice(0, -6) === days[0]?.slice(0, -6)) ? -5 : 0;
  return times.map((time, index) => (from === null ? '' : `${days[index]?.slice(from)} `) + time.slice(0, length));
}

/** @param {string[]} labels */
function isDistinct(labels) {
  return new Set(labels).size === labels.length;
}

/**
 * How long ago, roughly.
 * @param {At} at
 * @param {number} nowMs
 */
export function ago(at, nowMs) {
  const date = dateOf(at);
  if (!date) return UNKNOWN;
  const passed = (nowMs - date.getTime()) / 1000;
  if (passed < 1) return 'just now';
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < DAY_SECONDS) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / DAY_SECONDS)} d ago`;
}

/** `2013-12-30 23:00:00.000` of UTC. @param {Date} date */
function dayAndTime(date) {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}

/** @param {At} at */
function dateOf(at) {
  if (at === null || at === undefined || at === '') return null;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? null : date;
}
