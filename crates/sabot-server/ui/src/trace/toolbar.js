/** @file Search within a trace, and the buttons for what the keys do. */
import { html } from '../base/html.js';
import { count } from '../base/format.js';
import { typed } from '../base/input.js';
import { Icon } from '../parts/icon.js';
import { isFull } from './state.js';

/** @typedef {import('./state.js').TraceState} TraceState */

/** @param {{state: TraceState, field: {current: HTMLInputElement | null}, onLeave: () => void}} props */
export function Toolbar({ state, field, onLeave }) {
  const { query, found, failed, collapsed, window, full } = state;
  const folded = collapsed.size > 0;
  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.key === 'Enter') state.nextMatch(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') {
      state.setQuery('');
      onLeave();
    }
  }
  return html`<div class="toolbar" role="search">
    <label class="toolbar-search"><${Icon} name="search" /><span class="visually-hidden">Search this trace</span>
      <input type="search" ref=${field} placeholder="Search spans (/)" value=${query} spellcheck=${false} autocomplete="off" onKeyDown=${onKeyDown}
        onInput=${(/** @type {InputEvent} */ event) => state.setQuery(typed(event))} />
    </label>
    <span class="toolbar-found" role="status">${query.trim() && `${count(found.length)} ${found.length === 1 ? 'match' : 'matches'}`}</span>
    ${failed.length > 0 && html`<button type="button" class="button button-failed" onClick=${state.nextFailed}>
      <${Icon} name="error" />Next failed</button>`}
    <button type="button" class="button" onClick=${folded ? state.expandAll : state.collapseAll}>${folded ? 'Expand all' : 'Collapse all'}</button>
    ${!isFull(window, full) && html`<button type="button" class="button" onClick=${() => state.setWindow(full)}>Show all time</button>`}
  </div>`;
}
