/** @file A line without axes: the shape of the last minutes. The tile beside it carries the number. */
import { html } from '../base/html.js';

const WIDTH = 100;
const HEIGHT = 28;
const MAX_POINTS = 90;

/** @typedef {(number | null)[]} Points */

/** The largest known point. @param {Points} points @returns {number | null} */
export function highest(points) {
  return points.reduce((best, point) => (point !== null && (best === null || point > best) ? point : best), null);
}

/**
 * At most `limit` points, each the largest of its bucket, so that a spike is never averaged away.
 * @param {Points} points
 * @param {number} [limit]
 * @returns {Points}
 */
export function downsample(points, limit = MAX_POINTS) {
  if (points.length <= limit) return points;
  return Array.from({ length: limit }, (_, bucket) => {
    const from = Math.floor((bucket * points.length) / limit);
    const to = Math.floor(((bucket + 1) * points.length) / limit);
    return highest(points.slice(from, to));
  });
}

/**
 * Path data of the known points. With `fromZero`, zero stays in view, so that noise does not look like drama.
 * @param {Points} points
 * @param {boolean} [fromZero]
 */
export function linePath(points, fromZero = true) {
  const known = points.filter((point) => point !== null);
  if (known.length < 2) return '';
  const low = Math.min(...known, ...(fromZero ? [0] : []));
  const range = Math.max(...known) - low || 1;
  const step = WIDTH / (points.length - 1);
  let pen = 'M';
  let path = '';
  points.forEach((point, index) => {
    if (point === null) {
      pen = 'M';
      return;
    }
    const y = HEIGHT - 2 - ((point - low) / range) * (HEIGHT - 4);
    path += `${pen}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  });
  return path;
}

/**
 * The surface below a line without gaps; nothing below one with gaps.
 * @param {string} line
 */
export function areaPath(line) {
  if (line === '' || line.includes('M', 1)) return '';
  const first = line.slice(1, line.indexOf(' '));
  const last = line.slice(line.lastIndexOf('L') + 1).split(' ')[0];
  return `${line}L${last} ${HEIGHT}L${first} ${HEIGHT}Z`;
}

/** @param {{points: Points, fromZero?: boolean}} props */
export function Sparkline({ points, fromZero = true }) {
  const line = linePath(downsample(points), fromZero);
  return html`<svg class="sparkline" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
    <path class="sparkline-area" d=${areaPath(line)} />
    <path class="sparkline-line" d=${line} />
  </svg>`;
}
