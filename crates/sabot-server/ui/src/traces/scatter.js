/** @file The traces found as dots: when they started, how long they took (logarithmic), which failed. */
import { html } from '../base/html.js';
import { count, millis } from '../base/format.js';
import { navigate, tracePath } from '../base/router.js';
import { clockLabels, instant } from '../base/time.js';
import { useSize } from '../parts/size.js';

const HEIGHT = 126;
const PAD = { left: 58, right: 14, top: 10, bottom: 28 };
const LEAST_MS = 0.001;

/** @typedef {import('../types.js').TraceSummary} TraceSummary */

/** @param {{traces: TraceSummary[], find: string}} props */
export function Scatter({ traces, find }) {
  const { ref, width } = useSize();
  const failed = traces.filter((trace) => trace.errors > 0).length;
  return html`<figure class="card scatter" ref=${ref} role="img"
    aria-label=${`Duration over time of ${traces.length} traces, ${failed} of them failed. The table below has the same traces.`}>
    ${width > 0 && html`<${Dots} traces=${traces} find=${find} width=${width} />`}
  </figure>`;
}

/** @param {{traces: TraceSummary[], find: string, width: number}} props */
function Dots({ traces, find, width }) {
  const place = scales(traces, width);
  const spans = Math.max(...traces.map((trace) => trace.spans), 1);
  // Failed traces are drawn last so that none is hidden below another.
  const ordered = [...traces].sort((one, other) => Number(one.errors > 0) - Number(other.errors > 0));
  return html`<svg width=${width} height=${HEIGHT} aria-hidden="true">
    ${place.decades.map((ms) => html`<g key=${ms} class="scatter-grid">
      <line x1=${PAD.left} x2=${width - PAD.right} y1=${place.y(ms)} y2=${place.y(ms)} />
      <text x=${PAD.left - 8} y=${place.y(ms) + 4} text-anchor="end">${decade(ms)}</text>
    </g>`)}
    <text x=${PAD.left - 8} y=${HEIGHT - 6} text-anchor="end">UTC</text>
    ${place.times.map(({ at, label, anchor }) => html`
      <text key=${at} class="scatter-time" x=${place.x(at)} y=${HEIGHT - 6} text-anchor=${anchor}>${label}</text>`)}
    ${ordered.map((trace) => html`<circle key=${trace.trace_id} class=${trace.errors > 0 ? 'failed' : ''}
      cx=${place.x(Date.parse(trace.started_at))} cy=${place.y(trace.duration_ms)} r=${3 + 4 * Math.sqrt(trace.spans / spans)}
      onClick=${() => navigate(tracePath(trace.trace_id, find))}>
      <title>${`${trace.root_operation ?? 'root span missing'}, ${millis(trace.duration_ms)}${trace.errors > 0 ? ', failed' : ''}, ${instant(trace.started_at)}`}</title>
    </circle>`)}
  </svg>`;
}

/**
 * @param {TraceSummary[]} traces
 * @param {number} width
 */
function scales(traces, width) {
  const starts = traces.map((trace) => Date.parse(trace.started_at));
  const logs = traces.map((trace) => Math.log10(Math.max(LEAST_MS, trace.duration_ms)));
  const first = Math.min(...starts);
  const range = Math.max(...starts) - first || 1;
  const low = Math.floor(Math.min(...logs));
  const high = Math.max(low + 1, Math.ceil(Math.max(...logs)));
  const inner = width - PAD.left - PAD.right - 24;
  const step = Math.max(1, Math.ceil((high - low) / 4));
  return {
    decades: Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => 10 ** (low + index * step)),
    times: timeLabels(first, range),
    x: (/** @type {number} */ at) => PAD.left + 12 + ((at - first) / range) * inner,
    y: (/** @type {number} */ ms) => {
      const share = (Math.log10(Math.max(LEAST_MS, ms)) - low) / (high - low);
      return HEIGHT - PAD.bottom - share * (HEIGHT - PAD.top - PAD.bottom);
    },
  };
}

/** A power of ten as one unit: `100 s` and not `1 min 40 s`, which has no room and hides that the axis is logarithmic. @param {number} ms */
function decade(ms) {
  return ms >= 1000 ? `${count(ms / 1000)} s` : millis(ms);
}

/**
 * The start, the middle and the end, each label within the plot; one that says what the one before says is left out.
 * @param {number} first ms since 1970
 * @param {number} range ms
 */
function timeLabels(first, range) {
  const ats = [first, first + range / 2, first + range];
  const labels = clockLabels(ats);
  const anchors = ['start', 'middle', 'end'];
  const times = ats.map((at, index) => ({ at, label: labels[index], anchor: anchors[index] }));
  return times.filter(({ label }, index) => label !== labels[index - 1]);
}
