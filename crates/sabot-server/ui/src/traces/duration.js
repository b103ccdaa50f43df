/** @file Durations as the server reads them (crates/sabot-common/src/units.rs), so that the form refuses what it would. */

/** Nanoseconds of each unit. */
const UNITS = new Map([
  ['ns', 1n], ['us', 1_000n], ['ms', 1_000_000n], ['s', 1_000_000_000n], ['m', 60_000_000_000n], ['min', 60_000_000_000n],
  ['h', 3_600_000_000_000n], ['d', 86_400_000_000_000n], ['w', 604_800_000_000_000n],
]);
const U64_MAX = 2n ** 64n - 1n;
/** The server's limit of a part that is not a whole number. */
const MOST_FRACTIONAL = 9e18;
const TEXT = /^\p{White_Space}*((?:[\d.]+\p{White_Space}*\p{Alphabetic}+\p{White_Space}*)+)$/u;
const PART = /([\d.]+)\p{White_Space}*(\p{Alphabetic}+)/gu;

/** Whether the server reads `text` as a duration: `0`, or a sum of parts such as `1h30m`. @param {string} text */
export function isDuration(text) {
  if (/^\p{White_Space}*0\p{White_Space}*$/u.test(text)) return true;
  const parts = TEXT.exec(text)?.[1];
  if (parts === undefined) return false;
  let total = 0n;
  for (const [, number = '', unit = ''] of parts.matchAll(PART)) {
    const nanos = partNanos(number, UNITS.get(unit));
    if (nanos === null) return false;
    total += nanos;
  }
  return total <= U64_MAX;
}

/**
 * @param {string} number
 * @param {bigint | undefined} scale
 * @returns {bigint | null}
 */
function partNanos(number, scale) {
  if (scale === undefined) return null;
  if (/^\d+$/.test(number) && BigInt(number) <= U64_MAX) return BigInt(number) * scale;
  const value = Number(number) * Number(scale);
  return value < MOST_FRACTIONAL ? BigInt(Math.trunc(value)) : null;
}
