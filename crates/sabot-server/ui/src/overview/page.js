/** @file The overview: polls once a second and hands the answer down. The open node is part of the address. */
import { useEffect, useMemo, useRef } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { compact, seconds } from '../base/format.js';
import { useKeys } from '../base/keys.js';
import { usePoll } from '../base/poll.js';
import { setParameter } from '../base/router.js';
import { Chart } from '../parts/chart.js';
import { Connection } from '../parts/connection.js';
import { Failure, Loading } from '../parts/notice.js';
import { Graph } from './graph/graph.js';
import { Legend } from './graph/legend.js';
import { GROWING } from './history.js';
import { Panel } from './panel/panel.js';
import { toSeries } from './series.js';
import { isUncounted } from './stored.js';
import { Strip } from './strip.js';
import { Tiles } from './tiles.js';

/** Seconds that read well: 1 ms to 2 s decimal, then as clocks and calendars count. */
const DURATION_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200,
  86_400, 172_800, 432_000, 864_000, 2_592_000, 8_640_000, 31_557_600, 157_788_000, 315_576_000,
];

/** @typedef {import('../types.js').Overview} Overview */

/** @param {{query: URLSearchParams}} props */
export function OverviewPage({ query }) {
  /** @type {import('../base/poll.js').Polled<Overview>} */
  const polled = usePoll('/overview', 1000, GROWING);
  const { data, error, retry } = polled;
  const selected = query.get('node');
  const open = data?.graph.nodes.find((node) => node.id === selected) ?? null;
  const close = useReturnOfFocus(selected);
  useKeys({ Escape: close });
  if (!data) return error ? html`<${Failure} error=${error} onRetry=${retry} />` : html`<${Loading} what="the overview" />`;
  return html`
    <${Connection} polled=${polled} />
    <div class=${`overview ${open ? 'with-panel' : ''} ${error ? 'stale' : ''}`}>
      <div class="overview-main">
        <${Strip} status=${data.status} uncounted=${isUncounted(data)} />
        <${Figures} overview=${data}>
          <section class="card" aria-labelledby="graph-title">
            <div class="card-head"><h2 id="graph-title">Flow</h2><${Legend} nodes=${data.graph.nodes} /></div>
            <${Graph} graph=${data.graph} selected=${open?.id ?? null} still=${error !== null}
              onOpen=${(/** @type {string} */ id) => setParameter('node', id)} />
          </section>
        <//>
      </div>
      ${open && html`<${Panel} key=${open.id} node=${open} onClose=${close} />`}
    </div>`;
}

/** Tiles above and charts below what is put between them. @param {{overview: Overview, children: unknown}} props */
function Figures({ overview, children }) {
  const series = useMemo(() => toSeries(overview.history), [overview.history]);
  return html`
    <${Tiles} overview=${overview} series=${series} />
    ${children}
    <div class="charts">
      <${Chart} title="Throughput (events/s)" times=${series.times} values=${series.rate} format=${compact} colour="--accent" />
      <${Chart} title="Watermark lag" times=${series.times} values=${series.lag} format=${seconds} colour="--accent-2" increments=${DURATION_STEPS} />
    </div>`;
}

/**
 * Closing the panel gives the focus back to the node it was opened from.
 * @param {string | null} selected
 */
function useReturnOfFocus(selected) {
  const from = useRef(selected);
  useEffect(() => {
    if (selected !== null) from.current = selected;
  }, [selected]);
  return () => {
    if (selected === null) return;
    setParameter('node', null);
    const node = [...document.querySelectorAll('[data-node]')].find((element) => element.getAttribute('data-node') === from.current);
    if (node instanceof SVGElement) node.focus();
  };
}
