/** @file Entry: the address decides the page, and each page brings its own code. */
import { render } from '../vendor/preact.js';
import { useEffect, useRef } from '../vendor/preact-hooks.js';
import { html } from './base/html.js';
import { useRoute } from './base/router.js';
import { Lazy } from './parts/lazy.js';
import { Empty } from './parts/notice.js';
import { Shell } from './parts/shell.js';

const TITLES = { overview: 'Overview', traces: 'Traces', trace: 'Trace', missing: 'Not found' };

const loadOverview = () => import('./overview/page.js').then((module) => module.OverviewPage);
const loadTraces = () => import('./traces/page.js').then((module) => module.TracesPage);
const loadTrace = () => import('./trace/page.js').then((module) => module.TracePage);

function App() {
  const { page, query } = useRoute();
  useEffect(() => {
    document.title = `${TITLES[page.page]} · Sabot`;
  }, [page.page]);
  useFocusOfPage(location.pathname);
  switch (page.page) {
    case 'overview':
      return html`<${Shell} section="overview"><${Lazy} load=${loadOverview} what="the overview" props=${{ query }} /><//>`;
    case 'traces':
      return html`<${Shell} section="traces"><${Lazy} load=${loadTraces} what="traces" props=${{ query }} /><//>`;
    case 'trace':
      return html`<${Shell} section="traces"><${Lazy} load=${loadTrace} what="the trace" props=${{ key: page.id, id: page.id, query }} /><//>`;
    default:
      return html`<${Shell} section="none">
        <${Empty} title="There is no page here">Go to the <a href="/">overview</a> or to <a href="/traces">traces</a>.<//>
      <//>`;
  }
}

/**
 * What had the focus goes with the old page; the new one then takes it, so that Tab goes on there and not in the top bar.
 * @param {string} pathname
 */
function useFocusOfPage(pathname) {
  const shown = useRef(pathname);
  useEffect(() => {
    if (pathname === shown.current) return;
    shown.current = pathname;
    if (document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true });
  }, [pathname]);
}

const root = document.getElementById('app');
if (root) render(html`<${App} />`, root);
