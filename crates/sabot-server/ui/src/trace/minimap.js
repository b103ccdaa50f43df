/** @file The whole trace in one strip, and a drag over it that sets the window of the waterfall. */
import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { resolveColours, useThemeVersion } from '../base/theme.js';
import { useSize } from '../parts/size.js';
import { COLOURS } from './model.js';
import { position } from './ruler.js';
import { isFull } from './state.js';

const HEIGHT = 52;
const LEAST_DRAG = 4;
const SERVICE_COLOURS = Array.from({ length: COLOURS }, (_, index) => `--svc-${index}`);

/** @typedef {import('./ruler.js').Window} Window */
/** @typedef {import('./model.js').TraceTree} TraceTree */

/** @param {{tree: TraceTree, window: Window, full: Window, onWindow: (window: Window) => void}} props */
export function Minimap({ tree, window, full, onWindow }) {
  const { ref, width } = useSize();
  const theme = useThemeVersion();
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const { drag, handlers } = useDrag(width, (from, to) => onWindow({ from: from * full.to, to: to * full.to }));
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, width, tree, full.to);
  }, [tree, width, theme]);
  const left = drag ? Math.min(drag.from, drag.to) * 100 : position(window.from, full);
  const right = drag ? Math.max(drag.from, drag.to) * 100 : position(window.to, full);
  return html`<div class="minimap" ref=${ref} title="Drag to zoom, double-click for all" ...${handlers} onDblClick=${() => onWindow(full)}>
    <canvas ref=${canvas} aria-hidden="true"></canvas>
    <span class="minimap-off" style=${{ left: '0%', width: `${left}%` }}></span>
    <span class="minimap-off" style=${{ left: `${right}%`, width: `${100 - right}%` }}></span>
    ${(drag || !isFull(window, full)) && html`<span class="minimap-window" style=${{ left: `${left}%`, width: `${right - left}%` }}></span>`}
  </div>`;
}

/**
 * Drags across an element as two shares of its width.
 * @param {number} width
 * @param {(from: number, to: number) => void} onDone
 */
function useDrag(width, onDone) {
  const [drag, setDrag] = useState(/** @type {{from: number, to: number} | null} */ (null));
  const share = (/** @type {PointerEvent} */ event) => {
    const box = event.currentTarget instanceof HTMLElement ? event.currentTarget.getBoundingClientRect() : null;
    return box ? Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) : 0;
  };
  const handlers = {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      if (event.currentTarget instanceof HTMLElement) event.currentTarget.setPointerCapture(event.pointerId);
      setDrag({ from: share(event), to: share(event) });
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      if (drag) setDrag({ from: drag.from, to: share(event) });
    },
    onPointerUp: () => {
      if (drag && Math.abs(drag.to - drag.from) * width >= LEAST_DRAG) onDone(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
      setDrag(null);
    },
    onPointerCancel: () => setDrag(null),
  };
  return { drag, handlers };
}

/**
 * A line per span, thin enough that all fit; failed ones last, so that they stay visible.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {TraceTree} tree
 * @param {number} ns of the whole width; not 0, as the trace may be
 */
function draw(canvas, width, tree, ns) {
  const density = devicePixelRatio;
  canvas.width = width * density;
  canvas.height = HEIGHT * density;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.scale(density, density);
  const colours = resolveColours([...SERVICE_COLOURS, '--error']);
  const room = HEIGHT - 6;
  const line = Math.min(4, Math.max(1, room / tree.spans.length));
  const ordered = [...tree.spans].sort((one, other) => Number(one.failed) - Number(other.failed));
  for (const span of ordered) {
    pen.fillStyle = colours[span.failed ? '--error' : `--svc-${span.colour}`] ?? '';
    const y = 3 + (span.index * Math.min(room, tree.spans.length * (line + 1))) / tree.spans.length;
    pen.fillRect((span.startNs / ns) * width, y, Math.max(1, (span.durationNs / ns) * width), line);
  }
}
