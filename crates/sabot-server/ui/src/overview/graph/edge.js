/** @file One edge of the graph: a line as thick as its rate, moving while events flow. */
import { html } from '../../base/html.js';
import { rate } from '../../base/format.js';

const MAX_SPEED = 6;

/**
 * Thickness grows with the rate's order of magnitude.
 * @param {number} perSecond
 */
function thickness(perSecond) {
  return 1.25 + Math.min(2.5, Math.log10(1 + Math.max(0, perSecond)) * 0.45);
}

/**
 * The class that sets the pace: whole powers of ten, so that a changing rate does not restart the animation.
 * @param {number} perSecond
 */
function paceClass(perSecond) {
  return `pace-${Math.min(MAX_SPEED, Math.max(1, Math.ceil(Math.log10(perSecond + 1))))}`;
}

/** @param {{path: string, perSecond: number, dim: boolean}} props */
export function Edge({ path, perSecond, dim }) {
  const flowing = perSecond > 0;
  return html`<g class=${`edge ${flowing ? 'flowing' : ''} ${dim ? 'dim' : ''}`}>
    <path class="edge-line" d=${path} marker-end="url(#arrow)" stroke-width=${thickness(perSecond)} />
    ${flowing && html`<path class=${`edge-flow ${paceClass(perSecond)}`} d=${path} stroke-width=${thickness(perSecond)} />`}
  </g>`;
}

/** @param {{x: number, y: number, perSecond: number, dim: boolean}} props */
export function EdgeLabel({ x, y, perSecond, dim }) {
  return html`<text class=${`edge-label ${dim ? 'dim' : ''}`} x=${x} y=${y + 3.5}>${rate(perSecond)}</text>`;
}
