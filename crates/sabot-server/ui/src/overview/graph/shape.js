/** @file The outline of a card, by kind: sources point out, sinks take in, streams flow, tables are square. */
import { CARD } from './layout.js';

const POINT = 9;

/** @type {Record<string, (w: number, h: number) => string>} */
const OUTLINES = {
  source: (w, h) => `M6 0H${w - POINT}L${w} ${h / 2}L${w - POINT} ${h}H6Q0 ${h} 0 ${h - 6}V6Q0 0 6 0Z`,
  sink: (w, h) => `M0 0H${w - 6}Q${w} 0 ${w} 6V${h - 6}Q${w} ${h} ${w - 6} ${h}H0L${POINT} ${h / 2}Z`,
  stream: (w, h) => `M${h / 2} 0H${w - h / 2}A${h / 2} ${h / 2} 0 0 1 ${w - h / 2} ${h}H${h / 2}A${h / 2} ${h / 2} 0 0 1 ${h / 2} 0Z`,
  table: (w, h) => `M0 0H${w}V${h}H0Z`,
  agent: (w, h) => `M9 0H${w - 9}Q${w} 0 ${w} 9V${h - 9}Q${w} ${h} ${w - 9} ${h}H9Q0 ${h} 0 ${h - 9}V9Q0 0 9 0Z`,
};

/** @param {string} kind @param {number} width */
export function outline(kind, width) {
  return (OUTLINES[kind] ?? OUTLINES.agent)?.(width, CARD.height) ?? '';
}
