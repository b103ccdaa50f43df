/** @file The banner that says the connection is lost. What was last known stays on the page below it. */
import { html } from '../base/html.js';
import { clock } from '../base/time.js';
import { Icon } from './icon.js';
import { useNow } from './now.js';

/** @param {{polled: import('../base/poll.js').Polled<unknown>}} props */
export function Connection({ polled }) {
  const { error, answeredAt, retryAt, retry } = polled;
  const now = useNow(error !== null);
  if (!error) return null;
  const wait = Math.max(0, Math.ceil((retryAt - now) / 1000));
  const headline = error.code === 'unreachable' ? 'Connection lost, retrying' : `${error.message}, retrying`;
  return html`<div class="banner" role="status">
    <${Icon} name="error" />
    <p><strong>${headline}</strong>${' '}
      <span aria-hidden="true">${wait > 0 ? `in ${wait} s.` : 'now.'}</span>${' '}
      ${answeredAt > 0 ? `Showing what was known at ${clock(answeredAt)}.` : error.hint}
    </p>
    <button type="button" class="button" onClick=${retry}>Retry now</button>
  </div>`;
}
