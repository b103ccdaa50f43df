/** @file The one place where the markup tag is bound to the renderer. */
import { h } from '../../vendor/preact.js';
import htm from '../../vendor/htm.js';

/** Tagged template for markup: html`<p>${text}</p>`. Values are inserted as text, never as HTML. */
export const html = htm.bind(h);
