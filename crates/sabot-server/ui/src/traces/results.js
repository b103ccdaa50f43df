/** @file The traces found, newest first. Failed ones carry an icon, a word and a colour. */
import { useRef } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { count, millis, plural } from '../base/format.js';
import { useKeys } from '../base/keys.js';
import { tracePath } from '../base/router.js';
import { ago, instant, localInstant } from '../base/time.js';
import { Icon } from '../parts/icon.js';
import { useNow } from '../parts/now.js';

/** @typedef {import('../types.js').TraceSummary} TraceSummary */

/** @param {{traces: TraceSummary[], find: string}} props */
export function Results({ traces, find }) {
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const now = useNow();
  const slowest = Math.max(...traces.map((trace) => trace.duration_ms), Number.EPSILON);
  const step = (/** @type {number} */ by) => () => focusRow(body.current, by);
  useKeys({ ArrowDown: step(1), j: step(1), ArrowUp: step(-1), k: step(-1) });
  return html`<table class="traces card">
    <caption class="visually-hidden">Traces, newest first. Arrow keys move, Enter opens.</caption>
    <thead><tr>
      <th scope="col">Operation</th><th scope="col">Service</th><th scope="col">Started</th>
      <th scope="col">Duration</th><th scope="col" class="num">Spans</th><th scope="col" class="num">Errors</th><th scope="col">Kept for</th>
    </tr></thead>
    <tbody ref=${body}>${traces.map((trace) => html`<${ResultRow} key=${trace.trace_id} ...${{ trace, find, slowest, now }} />`)}</tbody>
  </table>`;
}

/** @param {{trace: TraceSummary, find: string, slowest: number, now: number}} props */
function ResultRow({ trace, find, slowest, now }) {
  const failed = trace.errors > 0;
  const share = Math.max(0.4, (100 * trace.duration_ms) / slowest);
  return html`<tr class=${failed ? 'failed' : undefined}>
    <td class="trace-operation">
      <a href=${tracePath(trace.trace_id, find)}>${trace.root_operation ?? 'root span missing'}</a>
      ${failed && html`<span class="failed-word"><${Icon} name="error" />failed</span>`}
      <span class="trace-id">${trace.trace_id.slice(0, 8)}</span>
    </td>
    <td class="trace-service">${trace.root_service ?? ''}</td>
    <td class="trace-started" title=${`${instant(trace.started_at)}\n${localInstant(trace.started_at)}`}>${ago(trace.started_at, now)}</td>
    <td class="trace-duration"><span>${millis(trace.duration_ms)}</span>
      <span class="bar" aria-hidden="true"><span style=${{ width: `${share}%` }}></span></span></td>
    <td class="num trace-spans" data-unit=${trace.spans === 1 ? 'span' : 'spans'}>${count(trace.spans)}</td>
    <td class="num trace-errors" data-unit=${trace.errors === 1 ? 'error' : 'errors'} aria-label=${plural(trace.errors, 'error')}>${failed ? count(trace.errors) : ''}</td>
    <td class="trace-reason">${trace.keep_reason ?? ''}</td>
  </tr>`;
}

/**
 * Moves the focus among the rows' links; the first press goes to the first row.
 * @param {HTMLElement | null} body
 * @param {number} by
 */
function focusRow(body, by) {
  const links = [...(body?.querySelectorAll('a') ?? [])];
  const at = links.findIndex((link) => link === document.activeElement);
  const next = at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by));
  links[next]?.focus();
}
