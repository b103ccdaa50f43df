/** @file One trace. The selected span is part of the address once its details are open. */
import { useEffect, useMemo, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { useKeys } from '../base/keys.js';
import { useLoad } from '../base/load.js';
import { setParameter } from '../base/router.js';
import { Empty, Failure, Loading } from '../parts/notice.js';
import { SpanDetail } from './detail.js';
import { TraceHead } from './head.js';
import { Minimap } from './minimap.js';
import { buildTree } from './model.js';
import { useTraceState } from './state.js';
import { Toolbar } from './toolbar.js';
import { pageKeys, treeKeys } from './tree-keys.js';
import { Waterfall } from './waterfall.js';

const ADDRESS_DELAY_MS = 250;

/** @typedef {import('../types.js').Trace} Trace */

/** @param {{id: string, query: URLSearchParams}} props */
export function TracePage({ id, query }) {
  const [attempt, setAttempt] = useState(0);
  /** @type {import('../base/load.js').Loaded<Trace>} */
  const loaded = useLoad(`/traces/${encodeURIComponent(id)}`, 'the request for this trace', attempt);
  const again = () => setAttempt((old) => old + 1);
  if (loaded.state === 'loading') return html`<${Loading} what="the trace" />`;
  if (loaded.state === 'failed') {
    if (loaded.error.status !== 404) return html`<${Failure} error=${loaded.error} onRetry=${again} />`;
    return html`<${Empty} title="This trace is not in the store">It may have been sampled away, have passed its retention, or not have arrived yet.
      <p><button type="button" class="button" onClick=${again}>Look again</button> <a class="button" href="/traces">Search traces</a></p><//>`;
  }
  if (loaded.data.spans.length === 0) return html`<${Empty} title="This trace has no spans"><a href="/traces">Search traces</a><//>`;
  return html`<${TraceView} trace=${loaded.data} spanId=${query.get('span')} find=${query.get('find') ?? ''} />`;
}

/** @param {{trace: Trace, spanId: string | null, find: string}} props */
function TraceView({ trace, spanId, find }) {
  const tree = useMemo(() => buildTree(trace), [trace]);
  const state = useTraceState(tree, spanId, find);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const item = tree.spans[state.selected];
  const shown = state.detail ? (item?.span.span_id ?? null) : null;
  const written = useRef(spanId);
  useEffect(() => {
    if (shown === written.current) return undefined;
    // Browsers limit how often the address may change; a held arrow key must not run into that.
    const timer = setTimeout(() => {
      written.current = shown;
      setParameter('span', shown);
    }, ADDRESS_DELAY_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  useEffect(() => {
    // A link to another span of this trace, or a step back in the browser's history.
    if (spanId === written.current) return;
    written.current = spanId;
    state.show(spanId);
    focusTree();
  }, [spanId]);
  const closeDetail = () => {
    state.setDetail(false);
    focusTree();
  };
  useKeys(pageKeys(state, { closeDetail, focusSearch: () => field.current?.focus() }));

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const handle = treeKeys(tree, state)[event.key];
    if (!handle) return;
    event.preventDefault();
    handle(event);
  }

  return html`<div class="trace">
    <${TraceHead} tree=${tree} />
    <div class=${`trace-body ${state.detail ? 'with-detail' : ''}`}>
      <section class="card trace-main" aria-label="Waterfall">
        <${Toolbar} state=${state} field=${field} onLeave=${focusTree} />
        <${Minimap} tree=${tree} window=${state.window} full=${state.full} onWindow=${state.setWindow} />
        <${Waterfall} ...${{ tree, onKeyDown, visible: state.visible, collapsed: state.collapsed, matches: state.matches,
          selected: state.selected, detail: state.detail, window: state.window, onToggle: state.toggle,
          onSelect: (/** @type {number} */ index) => {
            state.reveal(index);
            state.setDetail(true);
          } }} />
      </section>
      ${state.detail && item && html`<${SpanDetail} item=${item} traceNs=${tree.durationNs} onClose=${closeDetail} />`}
    </div>
  </div>`;
}

function focusTree() {
  const tree = document.querySelector('[role="tree"]');
  if (tree instanceof HTMLElement) tree.focus();
}
