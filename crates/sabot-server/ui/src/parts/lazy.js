/** @file A page whose code is fetched when it is first shown. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';
import { ApiError, getJson } from '../base/api.js';
import { html } from '../base/html.js';
import { Boundary } from './boundary.js';
import { Failure, Loading } from './notice.js';

/** @typedef {(props: any) => unknown} Component */

/** @param {{load: () => Promise<Component>, what: string, props: object}} props `load` must stay the same function for the same page */
export function Lazy({ load, what, props }) {
  const [ready, setReady] = useState(/** @type {{load: unknown, page: Component} | null} */ (null));
  const [error, setError] = useState(/** @type {ApiError | null} */ (null));
  useEffect(() => {
    let current = true;
    setError(null);
    load().then((page) => setReady({ load, page }), async (cause) => {
      const why = await reasonOf(cause);
      if (current) setError(why);
    });
    return () => {
      current = false;
    };
  }, [load]);
  if (ready?.load === load) return html`<${Boundary} key=${what}><${ready.page} ...${props} /><//>`;
  if (!error) return html`<${Loading} what=${what} />`;
  return html`<${Failure} error=${error} onRetry=${() => location.reload()} />`;
}

/**
 * A script that could not be fetched and one that failed as it ran are told apart by whether the server answers: browsers
 * say the first in words of their own.
 * @param {unknown} cause
 */
async function reasonOf(cause) {
  console.error(cause);
  const message = 'this page could not be loaded';
  try {
    await getJson('/status', { poll: true });
    return new ApiError(message, { code: 'script', hint: `The server answers; a script of the page failed: ${cause}` });
  } catch (unanswered) {
    const hint = unanswered instanceof ApiError ? `${unanswered.message}. ${unanswered.hint}` : String(unanswered);
    return new ApiError(message, { code: 'unreachable', hint });
  }
}
