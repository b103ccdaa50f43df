/** @file Trace search: the form, and what was found. */
import { useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { useKeys } from '../base/keys.js';
import { useLoad } from '../base/load.js';
import { Icon } from '../parts/icon.js';
import { Empty, Failure, Loading } from '../parts/notice.js';
import { howMany } from './count.js';
import { SearchForm } from './form.js';
import { isNarrow, readSearch, searchPath } from './query.js';
import { Results } from './results.js';
import { Scatter } from './scatter.js';

/** @typedef {import('../types.js').TraceList} TraceList */

/** @param {{query: URLSearchParams}} props */
export function TracesPage({ query }) {
  const [attempt, setAttempt] = useState(0);
  const search = readSearch(query);
  /** @type {import('../base/load.js').Loaded<TraceList>} */
  const loaded = useLoad(searchPath(search), 'the trace search', attempt);
  const again = () => setAttempt((old) => old + 1);
  useKeys({ '/': focusTags });
  const answer = loaded.state === 'ready' ? loaded.data : loaded.state === 'loading' ? loaded.old : null;
  return html`<div class="page">
    <h1 class="visually-hidden">Traces</h1>
    <${SearchForm} search=${search} onSame=${again} />
    ${loaded.state === 'failed' && html`<${Failure} error=${loaded.error} onRetry=${again} />`}
    ${loaded.state === 'loading' && !answer && html`<${Loading} what="traces" />`}
    ${answer && html`<div class=${loaded.state === 'loading' ? 'stale' : ''}>
      <${Found} found=${answer} operation=${search.operation} narrow=${isNarrow(search)} limit=${Number(search.limit)} onAgain=${again} />
    </div>`}
  </div>`;
}

function focusTags() {
  const field = document.querySelector('input[name="tags"]');
  if (field instanceof HTMLInputElement) field.focus();
}

/** @param {{found: TraceList, operation: string, narrow: boolean, limit: number, onAgain: () => void}} props */
function Found({ found, operation, narrow, limit, onAgain }) {
  const { traces } = found;
  if (traces.length === 0) return html`<${Nothing} narrow=${narrow} />`;
  const failed = traces.filter((trace) => trace.errors > 0).length;
  return html`
    <div class="found">
      <p role="status">${howMany(found, limit)}${failed > 0 && html`; <strong class="failed-text">${failed} failed</strong>`}</p>
      <button type="button" class="button" onClick=${onAgain}><${Icon} name="refresh" />Refresh</button>
    </div>
    ${traces.length > 1 && html`<${Scatter} traces=${traces} find=${operation} />`}
    <${Results} traces=${traces} find=${operation} />`;
}

/** @param {{narrow: boolean}} props */
function Nothing({ narrow }) {
  if (narrow) {
    return html`<${Empty} title="No trace matches">Widen the time range, lower the duration, or <a href="/traces">clear the search</a>.
      Tags match whole values: <code>sabot.agent=hourly-delays</code>.<//>`;
  }
  return html`<${Empty} title="No traces yet">Sabot traces its own agents as they run: the first trace appears here
    soon after an agent has processed a batch. <a href="/">See what is running</a>.<//>`;
}
