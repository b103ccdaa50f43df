/** @file SVG text does not shorten itself: this does, with the font the card uses. */

const FONT = '600 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** @type {CanvasRenderingContext2D | null} */
let pen = null;

/** In pixels. @param {string} text */
export function widthOf(text) {
  if (!pen) {
    pen = document.createElement('canvas').getContext('2d');
    if (pen) pen.font = FONT;
  }
  return pen ? pen.measureText(text).width : text.length * 7.5;
}

/**
 * The text, or its start and an ellipsis, in at most `room` pixels.
 * @param {string} text
 * @param {number} room
 */
export function fitText(text, room) {
  if (widthOf(text) <= room) return text;
  let end = text.length - 1;
  while (end > 1 && widthOf(`${text.slice(0, end)}…`) > room) end -= 1;
  return `${text.slice(0, end)}…`;
}
