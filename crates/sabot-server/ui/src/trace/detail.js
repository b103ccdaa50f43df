/** @file Everything one span says: facts, attributes, events, links. */
import { useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { cell, nanos, plural } from '../base/format.js';
import { typed } from '../base/input.js';
import { tracePath } from '../base/router.js';
import { Copy } from '../parts/copy.js';
import { Facts } from '../parts/facts.js';
import { Icon } from '../parts/icon.js';
import { since } from './model.js';

const FILTER_FROM = 6;

/** @typedef {import('../types.js').Span} Span */
/** @typedef {import('../types.js').Attributes} Attributes */
/** @typedef {import('./model.js').TreeSpan} TreeSpan */

/** @param {{item: TreeSpan, traceNs: number, onClose: () => void}} props */
export function SpanDetail({ item, traceNs, onClose }) {
  const { span, failed } = item;
  return html`<aside class=${`span-detail card svc-${item.colour}`} aria-labelledby="span-title">
    <header class="panel-head">
      <span class="span-service-mark"></span>
      <h2 id="span-title">${span.name}</h2>
      <button type="button" class="button-icon" aria-label="Close details" title="Close (Esc)" onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    <div class="panel-body">
      ${failed && html`<p class="panel-error"><${Icon} name="error" />
        <span><strong>failed</strong>${span.status_message && `: ${span.status_message}`}</span></p>`}
      <${Facts} facts=${[
        ['service', span.service],
        ['duration', `${nanos(item.durationNs)} of ${nanos(traceNs)}`],
        ['starts at', nanos(item.startNs)],
        ['kind', span.kind],
        ['status', span.status],
        ['message', failed ? null : span.status_message],
        ['below', item.size > 1 ? plural(item.size - 1, 'span') : null],
        ['span', html`<${Copy} text=${span.span_id} label="span id"><code>${span.span_id}</code><//>`],
        ['parent', span.parent_span_id && `${span.parent_span_id}${item.orphan ? ' (not in this trace)' : ''}`],
      ]} />
      <${AttributeSection} key=${span.span_id} attributes=${span.attributes ?? {}} />
      <${Events} span=${span} />
      <${Links} span=${span} />
      <p><${Copy} text=${JSON.stringify(span, null, 2)} label="span as JSON">Copy as JSON <//></p>
    </div>
  </aside>`;
}

/** @param {{attributes: Attributes}} props */
function AttributeSection({ attributes }) {
  const [filter, setFilter] = useState('');
  const all = Object.entries(attributes).sort(([one], [other]) => one.localeCompare(other));
  const shown = all.filter(([key, value]) => `${key}=${cell(value)}`.toLowerCase().includes(filter.toLowerCase()));
  return html`<section class="panel-section">
    <h3>Attributes<span class="panel-note">${all.length}</span></h3>
    ${all.length >= FILTER_FROM && html`<input class="filter" type="search" placeholder="Filter attributes" aria-label="Filter attributes"
      value=${filter} onInput=${(/** @type {InputEvent} */ event) => setFilter(typed(event))} />`}
    <${AttributeTable} entries=${shown} />
    ${all.length > 0 && shown.length === 0 && html`<p class="muted">No attribute matches.</p>`}
  </section>`;
}

/** @param {{entries: [string, unknown][]}} props */
function AttributeTable({ entries }) {
  return html`<table class="attributes"><tbody>${entries.map(([key, value]) => html`<tr key=${key}>
    <th scope="row">${key}</th><td class=${`value-${typeof value}`}>${cell(value)}</td>
    <td class="attribute-copy"><${Copy} text=${cell(value)} label=${key} /></td>
  </tr>`)}</tbody></table>`;
}

/** @param {{span: Span}} props */
function Events({ span }) {
  const events = span.events ?? [];
  if (events.length === 0) return null;
  const start = BigInt(span.start_unix_nano);
  return html`<section class="panel-section"><h3>Events<span class="panel-note">${events.length}, time since the span's start</span></h3>
    <ol class="events">${events.map((event, index) => html`<li key=${index} class=${event.name === 'exception' ? 'failed' : ''}>
      <p><span class="event-time">+${nanos(since(event.at_unix_nano, start))}</span> <strong>${event.name}</strong></p>
      <${AttributeTable} entries=${Object.entries(event.attributes ?? {})} />
    </li>`)}</ol>
  </section>`;
}

/** @param {{span: Span}} props */
function Links({ span }) {
  const links = span.links ?? [];
  if (links.length === 0) return null;
  return html`<section class="panel-section"><h3>Links<span class="panel-note">${links.length}</span></h3>
    <ul class="links">${links.map((link) => html`<li key=${`${link.trace_id} ${link.span_id}`}>
      <a href=${`${tracePath(link.trace_id)}?span=${encodeURIComponent(link.span_id)}`}><${Icon} name="link" />
        trace <code>${link.trace_id.slice(0, 8)}</code> span <code>${link.span_id}</code></a>
    </li>`)}</ul>
  </section>`;
}
