/** @file The history of the overview as columns, and what can be derived from them. */

/** @typedef {import('../types.js').Sample} Sample */
/** @typedef {(number | null)[]} Column */
/** @typedef {{times: number[], rate: Column, late: Column, errors: Column, lag: Column, memory: Column}} Series */

/**
 * @param {Sample[]} history newest last
 * @returns {Series}
 */
export function toSeries(history) {
  const column = (/** @type {(sample: Sample) => number | null | undefined} */ pick) => history.map((sample) => pick(sample) ?? null);
  return {
    times: history.map((sample) => Date.parse(sample.at) / 1000),
    rate: column((sample) => notNegative(sample.events_per_second)),
    late: column((sample) => sample.late_total),
    errors: column((sample) => sample.errors_total),
    lag: column((sample) => sample.watermark_lag_seconds),
    memory: column((sample) => sample.memory_bytes),
  };
}

/** A rate below zero is a counter that began again: how fast it really was is not known. @param {number | null | undefined} rate */
function notNegative(rate) {
  return typeof rate === 'number' && rate >= 0 ? rate : null;
}

/**
 * How much a counter grew from sample to sample. One that fell began again, or an agent it sums over is gone: how much it
 * grew is then not known, and what is left of it must not look like a burst.
 * @param {Column} totals
 * @returns {Column}
 */
export function growth(totals) {
  return totals.map((total, index) => {
    const before = totals[index - 1];
    if (total === null || before === null || before === undefined) return null;
    return total >= before ? total - before : null;
  });
}

/**
 * A total at each sample, counted back from its value now by the rates between samples.
 * @param {number} now
 * @param {number[]} times seconds
 * @param {Column} rates per second
 * @returns {Column}
 */
export function totalsFromRates(now, times, rates) {
  /** @type {Column} */
  const totals = new Array(times.length).fill(null);
  let total = now;
  for (let index = times.length - 1; index >= 0; index -= 1) {
    totals[index] = Math.max(0, total);
    total -= (rates[index] ?? 0) * ((times[index] ?? 0) - (times[index - 1] ?? times[index] ?? 0));
  }
  return totals;
}

/** Sum of the last `samples` entries. @param {Column} column @param {number} samples */
export function recentSum(column, samples) {
  return column.slice(-samples).reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0);
}
