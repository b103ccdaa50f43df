/** @file A status as mark and word: colour is never the only signal. */
import { html } from '../base/html.js';
import { isAlarm, toneOf, wordOf } from '../base/status.js';
import { Icon } from './icon.js';

/** @param {{status: string}} props */
export function Badge({ status }) {
  return html`<span class=${`badge tone-${toneOf(status)} ${isAlarm(status) ? 'alarm' : ''}`}>
    <${StatusMark} status=${status} />${wordOf(status)}
  </span>`;
}

/** A dot, or a warning sign; the word stands beside it. @param {{status: string}} props */
export function StatusMark({ status }) {
  return isAlarm(status) ? html`<${Icon} name="error" />` : html`<span class="dot" aria-hidden="true"></span>`;
}
