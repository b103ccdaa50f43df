/** @file The numbers at a glance, each with the shape of its last 15 minutes. */
import { html } from '../base/html.js';
import { bytes, compact, count, percent, rate, seconds } from '../base/format.js';
import { highest, Sparkline } from '../parts/sparkline.js';
import { growth, recentSum, totalsFromRates } from './series.js';

const MINUTE = 60;

/** @typedef {import('../types.js').Status} Status */
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
 * @param {Status} status
 * @param {Series} series
 * @returns {Tile[]}
 */
function tiles(status, series) {
  const late = growth(series.late);
  const errors = growth(series.errors);
  const lag = series.lag.at(-1) ?? null;
  return [
    {
      label: 'Throughput', value: rate(status.events_per_second), tone: '',
      note: `peak ${rate(highest(series.rate))}`, points: series.rate,
    },
    {
      label: 'Events', value: compact(status.events_total), tone: '', rising: true,
      note: status.lag_events > 0 ? `${compact(status.lag_events)} not read yet` : `${count(status.events_total)} in all`,
      points: totalsFromRates(status.events_total, series.times, series.rate),
    },
    {
      label: 'Watermark lag', value: seconds(lag), tone: '',
      note: lag === null ? 'no watermark yet' : 'behind the newest event', points: series.lag,
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

/** @param {import('./series.js').Column} column one sample a second */
function lastMinute(column) {
  const sum = recentSum(column, MINUTE);
  return sum === 0 ? 'none in the last minute' : `${compact(sum)} in the last minute`;
}

/** @param {{status: Status, series: Series}} props */
export function Tiles({ status, series }) {
  return html`<section class="tiles" aria-label="Key figures">${tiles(status, series).map((tile) => html`
    <div class=${`card tile ${tile.tone && `tile-${tile.tone}`}`} key=${tile.label}>
      <h2 class="tile-label">${tile.label}</h2>
      <p class="tile-value">${tile.value}</p>
      <p class="tile-note">${tile.note}</p>
      <${Sparkline} points=${tile.points} fromZero=${!tile.rising} />
    </div>`)}
  </section>`;
}
