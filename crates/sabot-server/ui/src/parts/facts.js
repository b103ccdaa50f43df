/** @file Names and values in two columns; a fact without a value is left out. */
import { html } from '../base/html.js';

/** @typedef {[string, unknown]} Fact a name, and text or markup */

/** @param {{facts: Fact[]}} props */
export function Facts({ facts }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl class="facts">${known.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
