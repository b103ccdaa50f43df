/** @file The numbers at a glance, each with the shape of its last 15 minutes. */
import { html } from '../base/html.js';
import { bytes, compact, count, percent, rate, seconds } from '../base/format.js';
import { highest, Sparkline } from '../parts/sparkline.js';
import { growth, recentSum, totalsFromRates } from './series.js';
import { isUncounted, storedRows } from './stored.js';

const MINUTE = 60;
const SINCE_START = 'since this server started';

/** @typedef {import('../types.js').Overview} Overview */
/** @typedef {import('./series.js').Series} Series */
/**
 * @typedef {object} Tile
 * @property {string} label
 * @property {string} value
 * @property {string} note
 * @property {import('./series.js').Column} points
 * @property {'' | 'warn' | 'error'} tone
 * @property {boolean} [rising] a total, of which only the growth can be seen
 */

/**
 * @param {Overview} overview
 * @param {Series} series
 * @returns {Tile[]}
 */
export function tiles(overview, series) {
  const { status } = overview;
  const uncounted = isUncounted(overview);
  const late = growth(series.late);
  const errors = growth(series.errors);
  const lag = series.lag.at(-1) ?? null;
  return [
    {
      label: 'Throughput', value: rate(status.events_per_second), tone: '',
      note: uncounted ? SINCE_START : `peak ${rate(highest(series.rate))}`, points: series.rate,
    },
    {
      label: 'Read by agents', value: compact(status.events_total), tone: '', rising: true, note: eventsNote(overview),
      points: totalsFromRates(status.events_total, series.times, series.rate),
    },
    {
      label: 'Watermark lag', value: seconds(lag), tone: '',
      note: lag !== null ? 'behind the newest event' : uncounted ? SINCE_START : 'no watermark yet', points: series.lag,
    },
    {
      label: 'Late', value: compact(status.late_total), tone: status.late_total > 0 ? 'warn' : '',
      note: lastMinute(late), points: late,
    },
    {
      label: 'Errors', value: compact(status.errors_total), tone: status.errors_total > 0 ? 'error' : '',
      note: lastMinute(errors), points: errors,
    },
    {
      label: 'Memory', value: bytes(status.memory_bytes), tone: '',
      note: `CPU ${percent(status.cpu_ratio)}`, points: series.memory,
    },
  ];
}

/** @param {Overview} overview */
function eventsNote({ status, graph }) {
  if (status.lag_events > 0) return `${compact(status.lag_events)} not read yet`;
  if (isUncounted({ status, graph })) return `${count(storedRows(graph))} rows in streams`;
  return `${count(status.source_events_total)} events came in`;
}

/** @param {import('./series.js').Column} column one sample a second */
function lastMinute(column) {
  const sum = recentSum(column, MINUTE);
  return sum === 0 ? 'none in the last minute' : `${compact(sum)} in the last minute`;
}

/** @param {{overview: Overview, series: Series}} props */
export function Tiles({ overview, series }) {
  return html`<section class="tiles" aria-label="Key figures">${tiles(overview, series).map((tile) => html`
    <div class=${`card tile ${tile.tone && `tile-${tile.tone}`}`} key=${tile.label}>
      <h2 class="tile-label">${tile.label}</h2>
      <p class="tile-value">${tile.value}</p>
      <p class="tile-note" title=${tile.note}>${tile.note}</p>
      <${Sparkline} points=${tile.points} fromZero=${!tile.rising} />
    </div>`)}
  </section>`;
}
