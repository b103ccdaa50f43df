/** @file The keys of the waterfall, as a tree has them. */

const PAGE_ROWS = 15;

/** @typedef {import('./state.js').TraceState} TraceState */
/** @typedef {import('./model.js').TraceTree} TraceTree */

/**
 * @param {TraceTree} tree
 * @param {TraceState} state
 * @returns {import('../base/keys.js').KeyMap}
 */
export function treeKeys(tree, state) {
  const { selected, collapsed, reveal, toggle, move } = state;
  const item = tree.spans[selected];
  const open = item !== undefined && item.size > 1 && !collapsed.has(selected);
  return {
    ArrowDown: () => move(1),
    j: () => move(1),
    ArrowUp: () => move(-1),
    k: () => move(-1),
    PageDown: () => move(PAGE_ROWS),
    PageUp: () => move(-PAGE_ROWS),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
    ArrowRight: () => {
      if (open) reveal(selected + 1);
      else if (collapsed.has(selected)) toggle(selected);
    },
    ArrowLeft: () => {
      if (open) toggle(selected);
      else if (item && item.parent >= 0) reveal(item.parent);
    },
    Enter: () => state.setDetail(true),
    ' ': () => toggle(selected),
  };
}

/**
 * Keys that work wherever the focus is on the page.
 * @param {TraceState} state
 * @param {{focusSearch: () => void, closeDetail: () => void}} moves
 * @returns {import('../base/keys.js').KeyMap}
 */
export function pageKeys(state, { focusSearch, closeDetail }) {
  return {
    '/': focusSearch,
    n: () => state.nextMatch(1),
    p: () => state.nextMatch(-1),
    e: state.nextFailed,
    z: state.zoom,
    Escape: () => {
      if (state.detail) closeDetail();
      else state.setQuery('');
    },
  };
}
