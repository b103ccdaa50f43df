/** @file Searching the spans of one trace, by everything a span says. */
import { cell } from '../base/format.js';
import { noteOf } from './note.js';

/** @typedef {import('./model.js').TreeSpan} TreeSpan */

/** What a span is searched by, in lower case; made once per span, when the first search needs it. */
const texts = /** @type {WeakMap<TreeSpan, string>} */ (new WeakMap());

/** @param {TreeSpan} span */
function textOf(span) {
  const known = texts.get(span);
  if (known !== undefined) return known;
  const { name, service, span_id, kind, status, status_message, attributes, events } = span.span;
  const pairs = Object.entries(attributes ?? {}).map(([key, value]) => `${key}=${cell(value)}`);
  const happened = (events ?? []).map((event) => event.name);
  const text = [name, noteOf(span.span), service, span_id, kind, status, status_message ?? '', ...pairs, ...happened].join('\n').toLowerCase();
  texts.set(span, text);
  return text;
}

/**
 * Indexes of the spans that contain every word of the query, in order.
 * @param {TreeSpan[]} spans
 * @param {string} query
 * @returns {number[]}
 */
export function findSpans(spans, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return spans.filter((span) => words.every((word) => textOf(span).includes(word))).map((span) => span.index);
}

/**
 * The entry of an ordered list after (or before) a place, going round at the end.
 * @param {number[]} indexes ascending
 * @param {number} from
 * @param {1 | -1} direction
 * @returns {number | null}
 */
export function nextOf(indexes, from, direction) {
  const next = direction > 0 ? indexes.find((index) => index > from) : indexes.findLast((index) => index < from);
  return next ?? (direction > 0 ? indexes[0] : indexes.at(-1)) ?? null;
}
