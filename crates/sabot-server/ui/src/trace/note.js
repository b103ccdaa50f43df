/** @file What tells spans of the same name apart: which window fired, and how many rows came of it. */
import { plural } from '../base/format.js';
import { shortInstant } from '../base/time.js';

/** Attributes as crates/sabot-common/src/registry.rs names them. */
const WINDOW_START = 'sabot.window_start';
const ROWS_OUT = 'sabot.rows_out';

/**
 * Nothing for a span that is not of a window.
 * @param {import('../types.js').Span} span
 */
export function noteOf({ attributes }) {
  const start = attributes?.[WINDOW_START];
  if (typeof start !== 'string') return '';
  const rows = attributes?.[ROWS_OUT];
  return [shortInstant(start), ...(typeof rows === 'number' ? [plural(rows, 'row')] : [])].join(' · ');
}
