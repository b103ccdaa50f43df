/** @file Page-wide keyboard shortcuts. Keys pressed while typing, or with a modifier, stay the browser's. */
import { useEffect, useRef } from '../../vendor/preact-hooks.js';

/** @typedef {Record<string, (event: KeyboardEvent) => void>} KeyMap key names as in KeyboardEvent.key */

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');
}

/** Lets shortcuts work again. @param {EventTarget | null} field */
function leave(field) {
  if (field instanceof HTMLElement) field.blur();
}

/**
 * Calls the entry for a pressed key. The newest map is always the one used.
 * @param {KeyMap} map
 */
export function useKeys(map) {
  const newest = useRef(map);
  newest.current = map;
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    function onKeyDown(event) {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'Escape' && isTyping(event.target)) leave(event.target);
      if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
      const handle = newest.current[event.key];
      if (!handle) return;
      event.preventDefault();
      handle(event);
    }
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
}
