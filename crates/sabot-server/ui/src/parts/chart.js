/** @file A time-series chart on uPlot. It owns the canvas; colours and size follow the page. */
import '../base/language.js';
import uPlot from '../../vendor/uplot.js';
import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { timeOfDay } from '../base/format.js';
import { resolveColours, useThemeVersion } from '../base/theme.js';
import { highest } from './sparkline.js';
import { useSize } from './size.js';

const HEIGHT = 190;
const FONT = '11px system-ui, sans-serif';

/**
 * @typedef {object} ChartProps
 * @property {string} title
 * @property {number[]} times seconds since 1970
 * @property {(number | null)[]} values
 * @property {(value: number | null | undefined) => string} format
 * @property {string} colour name of a custom property
 * @property {number[]} [increments] steps the value axis may take; without them, decimal ones
 */

/** @param {ChartProps} props */
export function Chart({ title, times, values, format, colour, increments }) {
  const { ref, width } = useSize();
  const theme = useThemeVersion();
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const enough = times.length > 1;
  useEffect(() => {
    if (!ref.current || width === 0 || !enough) return undefined;
    const made = new uPlot(options({ width, format, colour, increments, onHover: setHovered }), [times, values], ref.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [theme, width, colour, enough]);
  useEffect(() => plot.current?.setData([times, values]), [times, values]);
  const newest = values.at(-1) ?? null;
  const at = hovered === null ? undefined : times[hovered];
  const summary = `${title}: ${format(newest)} now, at most ${format(highest(values))} in the last ${times.length} seconds`;
  return html`<figure class="card chart">
    <figcaption><h2>${title}</h2>${at === undefined
      ? html`<span class="chart-now">${format(newest)}</span>`
      : html`<span><span class="muted">${timeOfDay(at * 1000)}</span> <span class="chart-now">${format(values[hovered ?? 0])}</span></span>`}</figcaption>
    ${!enough && html`<p class="chart-wait muted">The first seconds are being measured…</p>`}
    <div class="chart-canvas" ref=${ref} role="img" aria-label=${summary}></div>
  </figure>`;
}

/**
 * @param {Pick<ChartProps, 'format' | 'colour' | 'increments'> & {width: number, onHover: (index: number | null) => void}} facts
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
    padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, space: 80, size: 26, values: (_plot, ticks) => ticks.map((tick) => timeOfDay(tick * 1000).slice(0, tick % 60 ? 8 : 5)) },
      { ...axis, size: 62, ...(increments && { incrs: increments }), values: (_plot, ticks) => ticks.map((tick) => format(tick)) },
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
