/** @file A titled part of the panel, and the state of the request behind it. */
import { html } from '../../base/html.js';
import { usePoll } from '../../base/poll.js';
import { Loading } from '../../parts/notice.js';

const INTERVAL_MS = 2000;

/** @param {{title: string, note?: string, children: unknown}} props */
export function Section({ title, note = '', children }) {
  return html`<section class="panel-section"><h3>${title}${note && html`<span class="panel-note">${note}</span>`}</h3>${children}</section>`;
}

/**
 * Polls `path` and shows it with `view`; says so when that fails.
 * @template T
 * @param {{path: string, what: string, view: (data: T) => unknown}} props
 */
export function Live({ path, what, view }) {
  /** @type {import('../../base/poll.js').Polled<T>} */
  const { data, error } = usePoll(path, INTERVAL_MS);
  if (data) return view(data);
  if (error) return html`<p class="panel-error" role="alert">${what}: ${error.message}. ${error.hint}</p>`;
  return html`<${Loading} what=${what} />`;
}
