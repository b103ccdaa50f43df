/** @file An instant: UTC as text, the viewer's own time as a tooltip. */
import { html } from '../base/html.js';
import { instant, localInstant } from '../base/time.js';

/** @param {{at: import('../base/time.js').At}} props */
export function Instant({ at }) {
  return html`<time title=${localInstant(at)}>${instant(at)}</time>`;
}
