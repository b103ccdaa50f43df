/** @file The only user of uPlot: a line over time on a canvas. Fetched apart, so that a page without it still works. */
import '../base/language.js';
import uPlot from '../../vendor/uplot.js';
import { resolveColours } from '../base/theme.js';
import { clockLabels } from '../base/time.js';

const HEIGHT = 190;
const FONT = '11px system-ui, sans-serif';
const AXIS_WIDTH = 62;
/** Of a letter of FONT, on average, and of what is left free beside it. */
const LETTER_WIDTH = 6;
const AXIS_GAP = 14;
/** Half of the longest label of the time axis. */
const RIGHT = 28;

/**
 * @typedef {object} Look
 * @property {number} width
 * @property {(value: number | null | undefined) => string} format
 * @property {string} colour name of a custom property
 * @property {number[]} [increments] steps the value axis may take; without them, decimal ones
 * @property {(index: number | null) => void} onHover
 */

/** @typedef {[number[], (number | null)[]]} Data times in seconds since 1970, and a value of each */

/**
 * @param {HTMLElement} element takes the canvas
 * @param {Look} look
 * @param {Data} data
 * @returns {{setData: (data: Data) => void, destroy: () => void}}
 */
export function plotInto(element, look, data) {
  return new uPlot(options(look), data, element);
}

/**
 * @param {Look} look
 * @returns {uPlot.Options}
 */
function options({ width, format, colour, increments, onHover }) {
  const names = [colour, '--text-2', '--grid'];
  const resolved = resolveColours(names);
  const [line = '', text = '', grid = ''] = names.map((name) => resolved[name]);
  const axis = { stroke: text, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    padding: [8, RIGHT, 0, 0],
    // Ticks at full hours of UTC, as the labels say them.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, space: 80, size: 26, values: (_plot, ticks) => clockLabels(ticks.map((tick) => tick * 1000)) },
      {
        ...axis, ...(increments && { incrs: increments }),
        size: (_plot, labels) => Math.max(AXIS_WIDTH, ...(labels ?? []).map((label) => AXIS_GAP + LETTER_WIDTH * label.length)),
        values: (_plot, ticks) => ticks.map((tick) => format(tick)),
      },
    ],
    series: [
      {},
      { stroke: line, width: 1.5, fill: fade(line), points: { show: false } },
    ],
  };
}

/**
 * The colour, nearly transparent. Resolved colours are always `rgb(r, g, b)`.
 * @param {string} colour
 */
function fade(colour) {
  return colour.replace('rgb(', 'rgba(').replace(')', ', 0.12)');
}
