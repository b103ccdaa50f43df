/** @file What the viewer did to a trace: what is selected, collapsed, searched, zoomed. Moves that the keys ask for. */
import { useMemo, useState } from '../../vendor/preact-hooks.js';
import { findSpans, nextOf } from './find.js';
import { ancestors, visibleSpans } from './model.js';

/** @typedef {import('./model.js').TraceTree} TraceTree */
/** @typedef {import('./ruler.js').Window} Window */

/**
 * @param {TraceTree} tree
 * @param {string | null} spanId the span to start at
 * @param {string} find what to look for at the start, and to start at without such a span; else it is the first that failed
 */
export function useTraceState(tree, spanId, find) {
  const linked = tree.spans.findIndex((item) => item.span.span_id === spanId);
  const full = { from: 0, to: Math.max(1, tree.durationNs) };
  const [selected, setSelected] = useState(() => (linked >= 0 ? linked : (findSpans(tree.spans, find)[0] ?? firstFailed(tree))));
  const [detail, setDetail] = useState(linked >= 0);
  const [collapsed, setCollapsed] = useState(/** @type {ReadonlySet<number>} */ (new Set()));
  const [query, setQuery] = useState(find);
  const [window, setWindow] = useState(/** @type {Window} */ (full));
  const visible = useMemo(() => visibleSpans(tree.spans, collapsed), [tree, collapsed]);
  const found = useMemo(() => findSpans(tree.spans, query), [tree, query]);
  const failed = useMemo(() => tree.spans.filter((item) => item.failed).map((item) => item.index), [tree]);
  const matches = useMemo(() => (query.trim() ? new Set(found) : null), [found, query]);

  /** Selects a span and opens all above it. @param {number | null | undefined} index */
  function reveal(index) {
    if (index === null || index === undefined) return;
    const above = ancestors(tree.spans, index).filter((one) => collapsed.has(one));
    if (above.length > 0) setCollapsed(without(collapsed, above));
    setSelected(index);
  }

  /** Opens the details of a span, or closes them. @param {string | null} id */
  function show(id) {
    const index = tree.spans.findIndex((item) => item.span.span_id === id);
    setDetail(index >= 0);
    if (index >= 0) reveal(index);
  }

  /** @param {number} index */
  function toggle(index) {
    const item = tree.spans[index];
    if (!item || item.size === 1) return;
    const folds = !collapsed.has(index);
    setCollapsed(folds ? new Set([...collapsed, index]) : without(collapsed, [index]));
    // A selection that would vanish moves up to the span that hides it.
    if (folds && selected > index && selected < index + item.size) setSelected(index);
  }

  /** @param {number} rows */
  function move(rows) {
    const at = visible.indexOf(selected);
    reveal(visible[Math.min(visible.length - 1, Math.max(0, at + rows))]);
  }

  return {
    selected, detail, collapsed, query, window, visible, found, failed, matches, full,
    setDetail, setQuery, setWindow, show, reveal, toggle, move,
    collapseAll: () => setCollapsed(new Set(tree.spans.filter((item) => item.size > 1 && item.depth > 0).map((item) => item.index))),
    expandAll: () => setCollapsed(new Set()),
    /** @param {1 | -1} direction */
    nextMatch: (direction) => reveal(nextOf(found, selected, direction)),
    nextFailed: () => reveal(nextOf(failed, selected, 1)),
    zoom: () => setWindow(isFull(window, full) ? aroundSpan(tree, selected) : full),
  };
}

/** @typedef {ReturnType<typeof useTraceState>} TraceState */

/** The first span that failed, or the first of all. @param {TraceTree} tree */
function firstFailed(tree) {
  return Math.max(0, tree.spans.findIndex((item) => item.failed));
}

/** @param {Window} window @param {Window} full */
export function isFull(window, full) {
  return window.from <= full.from && window.to >= full.to;
}

/**
 * A span and a little on both sides.
 * @param {TraceTree} tree
 * @param {number} index
 * @returns {Window}
 */
function aroundSpan(tree, index) {
  const item = tree.spans[index];
  if (!item) return { from: 0, to: tree.durationNs };
  const margin = Math.max(1, item.durationNs * 0.1);
  return { from: Math.max(0, item.startNs - margin), to: item.startNs + item.durationNs + margin };
}

/** @param {ReadonlySet<number>} set @param {number[]} gone */
function without(set, gone) {
  const rest = new Set(set);
  for (const one of gone) rest.delete(one);
  return rest;
}
