/** @file What a page says when it has nothing to show: empty, loading, failed. Always with a next step. */
import { html } from '../base/html.js';
import { Icon } from './icon.js';

/** @typedef {import('../base/api.js').ApiError} ApiError */

/** @param {{title: string, children?: unknown}} props */
export function Empty({ title, children }) {
  return html`<div class="notice"><p class="notice-title">${title}</p><div class="notice-text">${children}</div></div>`;
}

/** @param {{what: string}} props */
export function Loading({ what }) {
  return html`<div class="notice" role="status"><span class="spinner" aria-hidden="true"></span><p class="notice-text">Loading ${what}…</p></div>`;
}

/** @param {{error: ApiError, onRetry?: () => void}} props */
export function Failure({ error, onRetry }) {
  return html`<div class="notice notice-error" role="alert">
    <${Icon} name="error" />
    <p class="notice-title">${error.message}</p>
    ${error.hint && html`<p class="notice-text">${error.hint}</p>`}
    ${onRetry && html`<button type="button" class="button" onClick=${onRetry}>Try again</button>`}
  </div>`;
}
