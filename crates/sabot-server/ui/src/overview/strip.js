/** @file The line that says whether all is well, and if not, what is not. */
import { html } from '../base/html.js';
import { plural, seconds } from '../base/format.js';
import { isAlarm, wordOf } from '../base/status.js';
import { instant, localInstant } from '../base/time.js';
import { Badge } from '../parts/badge.js';
import { Icon } from '../parts/icon.js';

/** @param {{status: import('../types.js').Status, uncounted: boolean}} props `uncounted`: there is more than this server counted */
export function Strip({ status, uncounted }) {
  const components = status.components ?? [];
  const unwell = components.filter((component) => isAlarm(component.status));
  return html`
    <section class="strip" aria-label="Status">
      <h1>${status.project}</h1>
      <${Badge} status=${status.status} />
      <dl>
        <div><dt>up</dt><dd title=${`since ${instant(status.started_at)}\n${localInstant(status.started_at)}`}>${seconds(Math.floor(status.uptime_seconds))}</dd></div>
        <div><dt>version</dt><dd>${status.version}</dd></div>
        ${components.length > 0 && html`<div><dt>parts</dt><dd title=${components.map((one) => `${one.name}: ${wordOf(one.status)}`).join('\n')}>
          ${unwell.length === 0 ? `all ${components.length} well` : `${unwell.length} of ${components.length} unwell`}</dd></div>`}
      </dl>
      ${status.finished && html`<p class="strip-note">Every source has been read to its end.
        ${uncounted && ' Events, late and errors are counted since this server started.'}</p>`}
    </section>
    ${unwell.length > 0 && html`<section class="unwell" aria-label=${plural(unwell.length, 'part')}>
      <${Icon} name="error" />
      <ul>${unwell.map((component) => html`<li key=${component.name}>
        <strong>${component.name}</strong> <${Badge} status=${component.status} /> ${component.message}
      </li>`)}</ul>
    </section>`}`;
}
