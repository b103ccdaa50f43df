/** @file A button that copies text and says so. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { Icon } from './icon.js';

const SHOWN_MS = 1500;
/** @type {Record<string, string>} */
const ICONS = { '': 'copy', copied: 'ok', 'not allowed': 'error' };

/** @param {{text: string, label: string, children?: unknown}} props */
export function Copy({ text, label, children }) {
  const [done, setDone] = useState('');
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(''), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [done]);
  /** @param {MouseEvent} event */
  async function copy(event) {
    event.stopPropagation();
    setDone(await write(text) ? 'copied' : 'not allowed');
  }
  return html`<button type="button" class="copy" aria-label=${`Copy ${label}`} title=${done || `Copy ${label}`} onClick=${copy}>
    ${children}<${Icon} name=${ICONS[done] ?? 'copy'} /><span class="visually-hidden" role="status">${done}</span>
  </button>`;
}

/**
 * The clipboard exists only on localhost and https; elsewhere the copy is refused rather than faked.
 * @param {string} text
 */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
