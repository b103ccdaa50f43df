/** @file What was typed. */

/** The text of the field an event came from. @param {Event} event */
export function typed(event) {
  return event.target instanceof HTMLInputElement ? event.target.value : '';
}
