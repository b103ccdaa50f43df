/**
 * @file The search as the address says it. The page's query string is the API's, so a search can be pasted into curl;
 * only the tags are written together in one field of the form.
 */

const SINGLE = /** @type {const} */ (['service', 'operation', 'status', 'min_duration', 'max_duration', 'since', 'limit', 'where']);

/** @typedef {Record<typeof SINGLE[number] | 'tags', string>} Search what each field of the form says; empty means any */

const DEFAULT_LIMIT = '20';

/**
 * @param {URLSearchParams} query
 * @returns {Search}
 */
export function readSearch(query) {
  const search = Object.fromEntries(SINGLE.map((name) => [name, query.get(name) ?? '']));
  return /** @type {Search} */ ({ ...search, limit: search.limit || DEFAULT_LIMIT, tags: query.getAll('tag').map(quoteTag).join(' ') });
}

/**
 * The query string of a search for the address bar: without what is empty or the default.
 * @param {Search} search
 */
export function writeSearch(search) {
  const query = parameters(search);
  if (search.limit === DEFAULT_LIMIT) query.delete('limit');
  const text = query.toString();
  return text && `?${text}`;
}

/** The request for a search: the limit is always said. @param {Search} search */
export function searchPath(search) {
  return `/traces?${parameters(search)}`;
}

/** @param {Search} search */
function parameters(search) {
  const query = new URLSearchParams();
  for (const name of SINGLE) if (search[name].trim()) query.set(name, search[name].trim());
  for (const tag of splitTags(search.tags)) query.append('tag', tag);
  return query;
}

/**
 * `a=1 b="two words"` to `a=1` and `b=two words`.
 * @param {string} text
 * @returns {string[]}
 */
export function splitTags(text) {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([tag]) => tag.replaceAll('"', ''));
}

/** The trace id that was typed instead of tags, if it is one. @param {string} text */
export function traceIdIn(text) {
  return /^[0-9a-f]{32}$/i.test(text.trim()) ? text.trim().toLowerCase() : null;
}

/** Tags that are not `key=value`, so that the form can say so. @param {string} text */
export function badTags(text) {
  return splitTags(text).filter((tag) => !/^[^=]+=/.test(tag));
}

/** @param {string} tag */
function quoteTag(tag) {
  const split = tag.indexOf('=') + 1;
  return /\s/.test(tag) ? `${tag.slice(0, split)}"${tag.slice(split)}"` : tag;
}

/** Whether the search asks for less than everything. @param {Search} search */
export function isNarrow(search) {
  return [search.tags, ...SINGLE.filter((name) => name !== 'limit').map((name) => search[name])].some((value) => value !== '');
}
