/** @file The search form. It owns no state: fields start from the address, and searching changes the address. */
import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { typed } from '../base/input.js';
import { usePoll } from '../base/poll.js';
import { navigate, tracePath } from '../base/router.js';
import { Icon } from '../parts/icon.js';
import { isDuration } from './duration.js';
import { operationsOf } from './operations.js';
import { badTags, traceIdIn, writeSearch } from './query.js';

const SERVICES_INTERVAL_MS = 15_000;
/** Fields that a small screen shows only when asked. */
const RARE = /** @type {const} */ (['min_duration', 'max_duration', 'status', 'since', 'where']);
const STATUSES = [['', 'any'], ['error', 'error'], ['ok', 'ok']];
const SINCE = [['', 'any time'], ['15m', '15 minutes'], ['1h', '1 hour'], ['6h', '6 hours'], ['24h', '24 hours'], ['7d', '7 days']];
const LIMITS = ['20', '50', '100', '500'].map((limit) => [limit, limit]);

/** @typedef {import('./query.js').Search} Search */
/** @typedef {import('../types.js').Service} Service */

/** @param {{search: Search, onSame: () => void}} props `onSame` is called when the search did not change */
export function SearchForm({ search, onSame }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const [service, setService] = useState(search.service);
  const rare = RARE.some((name) => search[name] !== '');
  const [more, setMore] = useState(rare);
  /** @type {import('../base/poll.js').Polled<Service[]>} */
  const { data } = usePoll('/telemetry/services', SERVICES_INTERVAL_MS);
  const services = data ?? [];
  useEffect(() => {
    // The fields are kept, so that the focus is: they only start again from the address.
    form.current?.reset();
    for (const field of form.current?.querySelectorAll('input') ?? []) field.setCustomValidity('');
    setService(search.service);
    if (rare) setMore(true);
  }, [JSON.stringify(search)]);

  /** @param {Event} event */
  function onSubmit(event) {
    event.preventDefault();
    const search = fieldsOf(form.current);
    const id = traceIdIn(search.tags);
    const url = id ? tracePath(id) : location.pathname + writeSearch(search);
    if (url === location.pathname + location.search) onSame();
    else navigate(url);
  }

  return html`<form class=${`search card ${more ? '' : 'fewer'}`} role="search" aria-label="Search traces"
    ref=${form} onSubmit=${onSubmit} onInvalidCapture=${() => setMore(true)}>
    <${Field} label="Service" name="service" value=${search.service} list="services" placeholder="any"
      onInput=${(/** @type {InputEvent} */ event) => setService(typed(event))} />
    <${Field} label="Operation" name="operation" value=${search.operation} list="operations" placeholder="any" />
    <${Field} label="Tags, or a trace id" name="tags" value=${search.tags} placeholder=${'sabot.agent=delays http.route="/a b"'} check=${checkTags} />
    <${Field} label="At least" name="min_duration" value=${search.min_duration} placeholder="100ms" check=${checkDuration} />
    <${Field} label="At most" name="max_duration" value=${search.max_duration} placeholder="5s" check=${checkDuration} />
    <${Choice} label="Status" name="status" value=${search.status} options=${STATUSES} />
    <${Choice} label="Since" name="since" value=${search.since} options=${SINCE} />
    <${Choice} label="Limit" name="limit" value=${search.limit} options=${LIMITS} />
    <${Field} label="Where (SQL)" name="where" value=${search.where} placeholder="duration_ms > 100 and kind = 'server'" />
    <div class="search-actions">
      <button class="button button-more" type="button" aria-expanded=${more} onClick=${() => setMore(!more)}>
        ${more ? 'Fewer filters' : 'More filters'}</button>
      <a class="button" href="/traces">Clear</a>
      <button class="button button-main" type="submit"><${Icon} name="search" />Search</button>
    </div>
    <datalist id="services">${services.map((one) => html`<option key=${one.service} value=${one.service}></option>`)}</datalist>
    <datalist id="operations">${operationsOf(services, service).map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
  </form>`;
}

/**
 * @param {HTMLFormElement | null} form
 * @returns {Search}
 */
function fieldsOf(form) {
  const data = new FormData(form ?? undefined);
  const text = (/** @type {string} */ name) => String(data.get(name) ?? '');
  return {
    service: text('service'), operation: text('operation'), tags: text('tags'), status: text('status'), limit: text('limit'),
    min_duration: text('min_duration'), max_duration: text('max_duration'), since: text('since'), where: text('where'),
  };
}

/** @param {string} text */
function checkTags(text) {
  const bad = badTags(text);
  return bad.length === 0 || traceIdIn(text) ? '' : `"${bad[0]}" is neither key=value nor a trace id`;
}

/** @param {string} text */
function checkDuration(text) {
  return text.trim() === '' || isDuration(text) ? '' : 'numbers and units, such as 250ms, 1.5s or 1h30m';
}

/**
 * @param {{label: string, name: string, value: string, placeholder?: string, list?: string,
 *   check?: (text: string) => string, onInput?: (event: InputEvent) => void}} props `check` says what is wrong, or nothing
 */
function Field({ label, name, value, placeholder = '', list, check, onInput }) {
  /** @param {InputEvent} event */
  function input(event) {
    if (check && event.target instanceof HTMLInputElement) event.target.setCustomValidity(check(event.target.value));
    onInput?.(event);
  }
  return html`<label class=${`field field-${name}`}><span>${label}</span>
    <input name=${name} defaultValue=${value} placeholder=${placeholder} list=${list} autocomplete="off" spellcheck=${false} onInput=${input} />
  </label>`;
}

/** @param {{label: string, name: string, value: string, options: string[][]}} props */
function Choice({ label, name, value, options }) {
  const known = options.some(([option]) => option === value) ? options : [...options, [value, value]];
  return html`<label class=${`field field-${name}`}><span>${label}</span>
    <select name=${name}>${known.map(([option, text]) => html`
      <option key=${option} value=${option} defaultSelected=${option === value}>${text}</option>`)}</select>
  </label>`;
}
