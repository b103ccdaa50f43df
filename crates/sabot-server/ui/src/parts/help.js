/** @file The keyboard help: one list of every shortcut. */
import { useEffect, useRef } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { Icon } from './icon.js';

/** @type {[string, [string[], string][]][]} */
const SECTIONS = [
  ['Everywhere', [
    [['?'], 'this help'],
    [['g', 'o'], 'go to the overview'],
    [['g', 't'], 'go to traces'],
    [['/'], 'search'],
    [['Esc'], 'close'],
  ]],
  ['Overview', [
    [['Tab'], 'next node of the graph'],
    [['Enter'], 'details of the node'],
  ]],
  ['Traces', [
    [['↓', 'j'], 'next trace'],
    [['↑', 'k'], 'previous trace'],
    [['Enter'], 'open'],
  ]],
  ['One trace', [
    [['↓', '↑'], 'next, previous span'],
    [['→', '←'], 'expand, collapse; then child, parent'],
    [['Enter'], 'details of the span'],
    [['n', 'p'], 'next, previous match'],
    [['e'], 'next failed span'],
    [['z'], 'zoom to the span, and back'],
  ]],
];

/** @param {{open: boolean, onClose: () => void}} props */
export function Help({ open, onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return html`<dialog class="help" ref=${dialog} aria-labelledby="help-title" onClose=${onClose}>
    <header><h2 id="help-title">Keyboard</h2>
      <button type="button" class="button-icon" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    <div class="help-grid">${SECTIONS.map(([title, keys]) => html`<section key=${title}>
      <h3>${title}</h3>
      <dl>${keys.map(([names, what]) => html`<div key=${what}>
        <dt>${names.map((name) => html`<kbd key=${name}>${name}</kbd>`)}</dt><dd>${what}</dd>
      </div>`)}</dl>
    </section>`)}</div>
  </dialog>`;
}
