/**
 * @file The waterfall. Invariant: only the rows in view (and a few around them) exist in the page, so ten thousand
 * spans cost what fifty do. The focus stays on the tree; the selected row is its active descendant.
 */
import { useEffect, useLayoutEffect, useMemo, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { useSize } from '../parts/size.js';
import { rowId, SpanRow } from './row.js';
import { Ruler, RulerLines } from './ruler.js';

const ROW_HEIGHT = 28;
const HEAD_HEIGHT = 26;
const MARGIN_ROWS = 10;
const NEAR_ROWS = 2;
const NARROW = 700;

/** @typedef {import('./model.js').TraceTree} TraceTree */

/**
 * @typedef {object} WaterfallProps
 * @property {TraceTree} tree
 * @property {number[]} visible indexes of the rows
 * @property {ReadonlySet<number>} collapsed
 * @property {ReadonlySet<number> | null} matches
 * @property {number} selected
 * @property {boolean} detail whether its details are open: on a small screen they take half of the room
 * @property {import('./ruler.js').Window} window
 * @property {(index: number) => void} onSelect
 * @property {(index: number) => void} onToggle
 * @property {(event: KeyboardEvent) => void} onKeyDown
 */

/** @param {WaterfallProps} props */
export function Waterfall({ tree, visible, collapsed, matches, selected, detail, window, onSelect, onToggle, onKeyDown }) {
  const { ref, width, height } = useSize();
  const [scroll, setScroll] = useState(0);
  const place = useMemo(() => new Map(visible.map((index, row) => [index, row])), [visible]);
  const most = width < NARROW ? 2 : 6;
  useLayoutEffect(() => showRow(ref.current, place.get(selected)), [selected, detail, height > 0]);
  useEffect(() => ref.current?.focus({ preventScroll: true }), []);

  const first = Math.max(0, Math.floor(scroll / ROW_HEIGHT) - MARGIN_ROWS);
  const last = Math.min(visible.length, Math.ceil((scroll + height) / ROW_HEIGHT) + MARGIN_ROWS);
  const rows = visible.slice(first, last).flatMap((index, offset) => {
    const item = tree.spans[index];
    return item ? [{ item, top: (first + offset) * ROW_HEIGHT }] : [];
  });
  const drawn = rows.some(({ item }) => item.index === selected);
  return html`<div class="waterfall" ref=${ref} tabindex="0" role="tree" aria-label=${`${tree.spans.length} spans`}
    aria-activedescendant=${drawn ? rowId(selected) : undefined} onKeyDown=${onKeyDown}
    onScroll=${(/** @type {Event} */ event) => setScroll(event.currentTarget instanceof HTMLElement ? event.currentTarget.scrollTop : 0)}>
    <div class="waterfall-head" aria-hidden="true"><span class="waterfall-title">Span</span><${Ruler} window=${window} most=${most} /></div>
    <div class="waterfall-rows" role="presentation" style=${{ height: `${visible.length * ROW_HEIGHT}px` }}>
      <${RulerLines} window=${window} most=${most} />
      ${rows.map(({ item, top }) => html`<${SpanRow} key=${item.index} ...${{
        item, top, window, onSelect, onToggle, origin: tree.origin,
        selected: item.index === selected,
        collapsed: collapsed.has(item.index),
        matches: matches === null ? null : matches.has(item.index),
      }} />`)}
    </div>
  </div>`;
}

/**
 * Scrolls a row into view: a neighbour of what is shown by as little as needed, one from afar into the middle.
 * @param {HTMLElement | null} body
 * @param {number | undefined} row
 */
function showRow(body, row) {
  if (!body || row === undefined) return;
  const top = row * ROW_HEIGHT;
  // The head stays on top of the rows and takes from their view.
  const room = body.clientHeight - HEAD_HEIGHT - ROW_HEIGHT;
  const above = body.scrollTop - top;
  const below = top - body.scrollTop - room;
  if (Math.max(above, below) > NEAR_ROWS * ROW_HEIGHT) body.scrollTop = top - room / 2;
  else if (above > 0) body.scrollTop = top;
  else if (below > 0) body.scrollTop = top - room;
}
