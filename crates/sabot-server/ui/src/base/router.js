/** @file Paths to pages and back. The address is the only page state that survives a reload, so links can be shared. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';

/** @typedef {{page: 'overview'} | {page: 'traces'} | {page: 'trace', id: string} | {page: 'missing'}} Page */
/** @typedef {{page: Page, query: URLSearchParams}} Route */

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * @param {string} pathname
 * @returns {Page}
 */
export function parsePath(pathname) {
  const parts = pathname.split('/').filter(Boolean);
  if (parts.length === 0) return { page: 'overview' };
  if (parts[0] !== 'traces' || parts.length > 2) return { page: 'missing' };
  if (parts[1] === undefined) return { page: 'traces' };
  const id = decode(parts[1]);
  return id === null ? { page: 'missing' } : { page: 'trace', id };
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/**
 * @param {string} id
 * @param {string} [find] what its spans were looked for by, to start at one of those
 */
export function tracePath(id, find) {
  const path = `/traces/${encodeURIComponent(id)}`;
  return find ? `${path}?find=${encodeURIComponent(find)}` : path;
}

/**
 * Goes to a page of this site. `replace` keeps the browser's history as it is.
 * @param {string} url
 * @param {{replace?: boolean}} [options]
 */
export function navigate(url, { replace = false } = {}) {
  const before = location.pathname;
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  if (location.pathname !== before) scrollTo(0, 0);
  for (const listener of listeners) listener();
}

/**
 * Sets or removes one parameter of the current address in place.
 * @param {string} name
 * @param {string | null} value
 */
export function setParameter(name, value) {
  const query = new URLSearchParams(location.search);
  if (value === null) query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  navigate(location.pathname + (text && `?${text}`), { replace: true });
}

/** @returns {Route} */
function currentRoute() {
  return { page: parsePath(location.pathname), query: new URLSearchParams(location.search) };
}

/** The page to show; changes with the address. */
export function useRoute() {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    listeners.add(update);
    addEventListener('popstate', update);
    document.addEventListener('click', followLink);
    return () => {
      listeners.delete(update);
      removeEventListener('popstate', update);
      document.removeEventListener('click', followLink);
    };
  }, []);
  return route;
}

/**
 * Plain clicks on links to pages of this site change the address without a reload; all others stay the browser's.
 * @param {MouseEvent} event
 */
function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target || link.origin !== location.origin) return;
  // The skip link only moves the focus.
  if (link.hash || parsePath(link.pathname).page === 'missing') return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
