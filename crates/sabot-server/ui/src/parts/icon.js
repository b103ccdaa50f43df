/** @file Small line icons, drawn here so that nothing is fetched. Decoration only: a word always stands beside them. */
import { html } from '../base/html.js';

/** 16 by 16 outlines. */
const PATHS = {
  source: 'M1.5 8h8M6.5 4.5 10 8l-3.5 3.5M9 2.5h4.5v11H9',
  stream: 'M1.5 4.5h9m2 0h2M1.5 8h4m2 0h7M1.5 11.5h7m2 0h4',
  table: 'M2 3h12v10H2zM2 6.5h12M6.5 6.5V13',
  agent: 'M8 1.8 13.4 4.9v6.2L8 14.2l-5.4-3.1V4.9zM8 5.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4',
  sink: 'M6.5 8h8M11 4.5 14.5 8 11 11.5M7 2.5H2.5v11H7',
  error: 'M8 1.5 15 14H1zM8 6v3.8M8 11.8v.4',
  ok: 'M2.5 8.5 6.2 12l7.3-8',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.3 10.3 14 14',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3',
  theme: 'M8 1.8a6.2 6.2 0 1 0 0 12.4zM8 1.8a6.2 6.2 0 0 1 0 12.4',
  link: 'M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.5L4.5 7',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.5V5H10',
  down: 'M4 6.5 8 10.5l4-4',
};

/**
 * @param {{name: string, class?: string}} props
 */
export function Icon({ name, class: extra = '' }) {
  const path = PATHS[/** @type {keyof typeof PATHS} */ (name)] ?? PATHS.link;
  return html`<svg class=${`icon ${extra}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><path d=${path} /></svg>`;
}
