/** @file A status as dot and word: colour is never the only signal. */
import { html } from '../base/html.js';
import { toneOf } from '../base/status.js';

/** @param {{status: string, title?: string}} props */
export function Badge({ status, title }) {
  return html`<span class=${`badge tone-${toneOf(status)}`} title=${title}><span class="dot" aria-hidden="true"></span>${status}</span>`;
}
