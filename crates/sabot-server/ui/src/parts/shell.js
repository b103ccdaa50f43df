/** @file The frame of every page: skip link, top bar, shortcuts, help. */
import { useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';
import { useKeys } from '../base/keys.js';
import { navigate } from '../base/router.js';
import { currentTheme, toggleTheme, useThemeVersion } from '../base/theme.js';
import { Help } from './help.js';
import { Icon } from './icon.js';

const GO_WITHIN_MS = 1200;
/** @type {Record<string, string>} */
const GO = { o: '/', t: '/traces' };

/** @param {{section: 'overview' | 'traces' | 'none', children: unknown}} props */
export function Shell({ section, children }) {
  const [help, setHelp] = useState(false);
  useGoKeys();
  useKeys({ '?': () => setHelp(true) });
  return html`
    <a class="skip" href="#main">Skip to content</a>
    <header class="topbar">
      <a class="brand" href="/"><img src="/favicon.svg" alt="" width="24" height="24" />Sabot</a>
      <nav aria-label="Pages">
        <a href="/" aria-current=${section === 'overview' ? 'page' : undefined}>Overview</a>
        <a href="/traces" aria-current=${section === 'traces' ? 'page' : undefined}>Traces</a>
      </nav>
      <div class="topbar-end">
        <${ThemeToggle} />
        <button type="button" class="button-icon" aria-label="Keyboard help" title="Keyboard help (?)" onClick=${() => setHelp(true)}>?</button>
      </div>
    </header>
    <main id="main" tabindex="-1">${children}</main>
    <${Help} open=${help} onClose=${() => setHelp(false)} />`;
}

/** `g` and then a letter goes to a page. */
function useGoKeys() {
  const pressedAt = useRef(0);
  /** @param {string} letter */
  function go(letter) {
    const url = GO[letter];
    if (url && performance.now() - pressedAt.current < GO_WITHIN_MS) navigate(url);
    pressedAt.current = 0;
  }
  useKeys({
    g: () => {
      pressedAt.current = performance.now();
    },
    o: () => go('o'),
    t: () => go('t'),
  });
}

function ThemeToggle() {
  useThemeVersion();
  const theme = currentTheme();
  const label = `Theme: ${theme}. Change`;
  return html`<button type="button" class="button-icon" aria-label=${label} title=${label} onClick=${toggleTheme}>
    <${Icon} name="theme" /><span class="theme-word">${theme}</span>
  </button>`;
}
