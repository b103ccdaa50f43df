/** @file The head of a trace: what it is, how it went, who took part. */
import { html } from '../base/html.js';
import { nanos, plural } from '../base/format.js';
import { Copy } from '../parts/copy.js';
import { Icon } from '../parts/icon.js';
import { Instant } from '../parts/instant.js';

/** @typedef {import('./model.js').TraceTree} TraceTree */

/** @param {{tree: TraceTree}} props */
export function TraceHead({ tree }) {
  const root = tree.spans[0];
  const orphans = tree.spans.filter((item) => item.orphan).length;
  return html`<header class="trace-head">
    <p class="crumbs"><a href="/traces">Traces</a> <span aria-hidden="true">/</span>
      <${Copy} text=${tree.id} label="trace id"><code>${tree.id}</code><//></p>
    <h1>${root?.span.name ?? tree.id}
      ${tree.errors > 0 && html`<span class="failed-word"><${Icon} name="error" />${tree.errors} failed</span>`}</h1>
    <p class="trace-facts">
      <span><strong>${nanos(tree.durationNs)}</strong></span>
      <span>${plural(tree.spans.length, 'span')}</span>
      ${tree.truncated && html`<span class="warn-text">there are more spans than these</span>`}
      <span>${plural(tree.depth, 'level')}</span>
      <span>started <${Instant} at=${tree.startMs} /></span>
      ${orphans > 0 && html`<span class="warn-text" title="The parent is not in the store: not sent, not sampled, or not arrived yet.">
        ${plural(orphans, 'span')} without ${orphans === 1 ? 'its' : 'their'} parent</span>`}
    </p>
    <ul class="services" tabindex="0" aria-label="Services">${tree.services.map((service) => html`
      <li key=${service.name} class=${`svc-${service.colour}`}><span class="span-service-mark"></span>${service.name}<span class="muted">${service.spans}</span>
      ${service.errors > 0 && html`<span class="failed-text">${service.errors} failed</span>`}</li>`)}</ul>
  </header>`;
}
