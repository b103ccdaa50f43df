/** @file A page whose code is fetched when it is first shown. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';
import { ApiError } from '../base/api.js';
import { html } from '../base/html.js';
import { Boundary } from './boundary.js';
import { Failure, Loading } from './notice.js';

/** @typedef {(props: any) => unknown} Component */

/** @param {{load: () => Promise<Component>, what: string, props: object}} props `load` must stay the same function for the same page */
export function Lazy({ load, what, props }) {
  const [ready, setReady] = useState(/** @type {{load: unknown, page: Component} | null} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    setFailed(false);
    load().then((page) => setReady({ load, page }), () => setFailed(true));
  }, [load]);
  if (ready?.load === load) return html`<${Boundary} key=${what}><${ready.page} ...${props} /><//>`;
  if (!failed) return html`<${Loading} what=${what} />`;
  const error = new ApiError('this page could not be loaded', { code: 'unreachable', hint: 'Is `sabot up` still running?' });
  return html`<${Failure} error=${error} onRetry=${() => location.reload()} />`;
}
