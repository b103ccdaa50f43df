/** @file A time-series chart. It owns the canvas; colours and size follow the page. One that cannot be drawn says so in its place. */
import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { useThemeVersion } from '../base/theme.js';
import { clock } from '../base/time.js';
import { highest } from './sparkline.js';
import { useSize } from './size.js';

/** @typedef {typeof import('./plot.js')} Plotter */
/** @typedef {ReturnType<Plotter['plotInto']>} Plot */

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
  const { plotter, failed, fail } = usePlotter();
  const plot = useRef(/** @type {Plot | null} */ (null));
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const enough = times.length > 1;
  useEffect(() => {
    const element = ref.current;
    if (!plotter || !element || width === 0 || !enough) return undefined;
    guard(fail, () => {
      plot.current = plotter.plotInto(element, { width, format, colour, increments, onHover: setHovered }, [times, values]);
    });
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [plotter, theme, width, colour, enough]);
  useEffect(() => guard(fail, () => plot.current?.setData([times, values])), [times, values]);
  const newest = values.at(-1) ?? null;
  const at = hovered === null ? undefined : times[hovered];
  const summary = `${title}: ${format(newest)} now, at most ${format(highest(values))} in the last ${times.length} seconds`;
  return html`<figure class="card chart">
    <figcaption><h2>${title}</h2>${at === undefined
      ? html`<span class="chart-now">${format(newest)}</span>`
      : html`<span><span class="muted">${clock(at * 1000)}</span> <span class="chart-now">${format(values[hovered ?? 0])}</span></span>`}</figcaption>
    ${failed
      ? html`<p class="chart-wait muted" role="status">This chart cannot be drawn. The browser's console says why.</p>`
      : !enough && html`<p class="chart-wait muted">The first seconds are being measured…</p>`}
    <div class="chart-canvas" ref=${ref} role="img" aria-label=${summary} hidden=${failed}></div>
    ${enough && plotter && !failed && html`<span class="chart-zone" aria-hidden="true">UTC</span>`}
  </figure>`;
}

/** What draws, once it is fetched, or that it cannot. */
function usePlotter() {
  const [plotter, setPlotter] = useState(/** @type {Plotter | null} */ (null));
  const [failed, setFailed] = useState(false);
  /** @param {unknown} cause */
  function fail(cause) {
    console.error(cause);
    setFailed(true);
  }
  useEffect(() => {
    import('./plot.js').then(setPlotter, fail);
  }, []);
  return { plotter, failed, fail };
}

/**
 * What is thrown in an effect would take down the page around the chart.
 * @param {(cause: unknown) => void} fail
 * @param {() => void} draw
 */
function guard(fail, draw) {
  try {
    draw();
  } catch (cause) {
    fail(cause);
  }
}
