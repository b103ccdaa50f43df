/**
 * @file A trace as a tree, flattened in the order it is drawn. Invariants: every span appears exactly once, a parent
 * before its children, and `size` counts a span and all below it, so that a subtree is a slice of the list.
 */
import { groupBy } from '../base/group.js';

/** @typedef {import('../types.js').Span} Span */
/** @typedef {import('../types.js').Trace} Trace */

/**
 * @typedef {object} TreeSpan
 * @property {Span} span
 * @property {number} index place in the list
 * @property {number} depth 0 for a root
 * @property {number} parent index of the parent, -1 for a root
 * @property {number} size spans in this subtree, this one included
 * @property {number} place among its siblings, from 1
 * @property {number} siblings of the same parent, this one included
 * @property {number} startNs since the start of the trace
 * @property {number} durationNs
 * @property {boolean} failed
 * @property {number} failedBelow failed spans below this one
 * @property {boolean} orphan names a parent the trace does not have
 * @property {number} colour index of the service's colour
 */

/** @typedef {{name: string, colour: number, spans: number, errors: number}} ServiceUse */

/**
 * @typedef {object} TraceTree
 * @property {string} id
 * @property {bigint} origin start, in nanoseconds since 1970
 * @property {TreeSpan[]} spans
 * @property {number} startMs since 1970
 * @property {number} durationNs
 * @property {ServiceUse[]} services in order of appearance
 * @property {number} errors
 * @property {number} depth number of levels
 * @property {boolean} truncated the trace has more spans than these
 */

export const COLOURS = 10;

/** @param {Trace} trace @returns {TraceTree} */
export function buildTree(trace) {
  const origin = trace.spans.reduce((/** @type {bigint | null} */ first, span) => {
    const start = BigInt(span.start_unix_nano);
    return first === null || start < first ? start : first;
  }, null) ?? 0n;
  const spans = flatten(trace.spans, origin);
  countBelow(spans);
  countSiblings(spans);
  const services = colourServices(spans);
  return {
    id: trace.trace_id,
    origin,
    spans,
    startMs: Number(origin / 1_000_000n),
    durationNs: spans.reduce((end, span) => Math.max(end, span.startNs + span.durationNs), 0),
    services,
    errors: spans.filter((span) => span.failed).length,
    depth: spans.reduce((deepest, span) => Math.max(deepest, span.depth + 1), 0),
    truncated: trace.truncated === true,
  };
}

/** @param {Span} span */
function isFailed(span) {
  return String(span.status).toLowerCase() === 'error';
}

/**
 * Nanoseconds from `origin`, exactly: the difference fits a double, the instants do not.
 * @param {import('../types.js').UnixNano} at
 * @param {bigint} origin
 */
export function since(at, origin) {
  return Number(BigInt(at) - origin);
}

/**
 * Depth-first, siblings by start. Spans that only a cycle of parents reaches are drawn as roots.
 * @param {Span[]} spans
 * @param {bigint} origin
 * @returns {TreeSpan[]}
 */
function flatten(spans, origin) {
  const starts = new Map(spans.map((span) => [span, since(span.start_unix_nano, origin)]));
  const byStart = [...spans].sort((one, other) => (starts.get(one) ?? 0) - (starts.get(other) ?? 0));
  const ids = new Set(spans.map((span) => span.span_id));
  /** @type {Map<string, Span[]>} */
  const children = new Map();
  const roots = [];
  for (const span of byStart) {
    const parent = span.parent_span_id;
    if (!parent || !ids.has(parent) || parent === span.span_id) roots.push(span);
    else if (children.has(parent)) children.get(parent)?.push(span);
    else children.set(parent, [span]);
  }
  /** @type {TreeSpan[]} */
  const list = [];
  const seen = new Set();
  // A root takes all it reaches; only then can a cycle be told, by what is left.
  for (const root of [...roots, ...byStart]) walk(root);
  return list;

  /** @param {Span} root */
  function walk(root) {
    const open = [{ span: root, depth: 0, parent: -1 }];
    for (let next = open.pop(); next; next = open.pop()) {
      const { span, depth, parent } = next;
      if (seen.has(span)) continue;
      seen.add(span);
      const index = list.length;
      list.push({
        span, index, depth, parent, size: 1, place: 1, siblings: 1, colour: 0, failedBelow: 0,
        startNs: starts.get(span) ?? 0,
        durationNs: Math.max(0, Number(BigInt(span.end_unix_nano) - BigInt(span.start_unix_nano))),
        failed: isFailed(span),
        orphan: parent < 0 && Boolean(span.parent_span_id),
      });
      const below = children.get(span.span_id) ?? [];
      // Pushed in reverse: the first child is the next to leave the stack.
      for (const child of below.toReversed()) open.push({ span: child, depth: depth + 1, parent: index });
    }
  }
}

/** Children come after their parent, so one pass from the end sums every subtree. @param {TreeSpan[]} spans */
function countBelow(spans) {
  for (let index = spans.length - 1; index >= 0; index -= 1) {
    const span = spans[index];
    const parent = span && spans[span.parent];
    if (!span || !parent) continue;
    parent.size += span.size;
    parent.failedBelow += span.failedBelow + (span.failed ? 1 : 0);
  }
}

/** Only rows in view exist, so each says itself where it stands. @param {TreeSpan[]} spans */
function countSiblings(spans) {
  for (const siblings of groupBy(spans, (span) => span.parent).values()) {
    siblings.forEach((span, index) => {
      span.place = index + 1;
      span.siblings = siblings.length;
    });
  }
}

/** @param {TreeSpan[]} spans @returns {ServiceUse[]} */
function colourServices(spans) {
  /** @type {Map<string, ServiceUse>} */
  const services = new Map();
  for (const span of spans) {
    const name = span.span.service;
    const use = services.get(name) ?? { name, colour: services.size % COLOURS, spans: 0, errors: 0 };
    use.spans += 1;
    if (span.failed) use.errors += 1;
    span.colour = use.colour;
    services.set(name, use);
  }
  return [...services.values()];
}

/**
 * Indexes of the spans to draw: those below a collapsed span are skipped as a slice.
 * @param {TreeSpan[]} spans
 * @param {ReadonlySet<number>} collapsed
 * @returns {number[]}
 */
export function visibleSpans(spans, collapsed) {
  const visible = [];
  for (let index = 0; index < spans.length; index += 1) {
    visible.push(index);
    if (collapsed.has(index)) index += (spans[index]?.size ?? 1) - 1;
  }
  return visible;
}

/**
 * The spans above one, nearest first.
 * @param {TreeSpan[]} spans
 * @param {number} index
 */
export function ancestors(spans, index) {
  const above = [];
  for (let at = spans[index]?.parent ?? -1; at >= 0; at = spans[at]?.parent ?? -1) above.push(at);
  return above;
}
