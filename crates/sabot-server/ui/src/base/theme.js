/** @file Light, dark, or whatever the system prefers. theme-boot.js applies the stored choice before the first paint. */
import { useEffect, useState } from '../../vendor/preact-hooks.js';

/** @typedef {'system' | 'light' | 'dark'} Theme */

const KEY = 'sabot.theme';
/** @type {Record<Theme, Theme>} */
const NEXT = { system: 'light', light: 'dark', dark: 'system' };
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Theme} */
export function currentTheme() {
  const { theme } = document.documentElement.dataset;
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

/** Steps system, light, dark. */
export function toggleTheme() {
  const theme = NEXT[currentTheme()];
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice lasts as long as this page.
  }
  for (const listener of listeners) listener();
}

/** A number that changes when colours change; canvases depend on it to draw again. */
export function useThemeVersion() {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const update = () => setVersion((old) => old + 1);
    const system = matchMedia('(prefers-color-scheme: dark)');
    listeners.add(update);
    system.addEventListener('change', update);
    return () => {
      listeners.delete(update);
      system.removeEventListener('change', update);
    };
  }, []);
  return version;
}

/**
 * What custom properties mean right now, for canvases, which cannot read them.
 * @param {string[]} names such as `--accent`
 * @returns {Record<string, string>}
 */
export function resolveColours(names) {
  const probe = document.createElement('span');
  document.body.append(probe);
  /** @type {Record<string, string>} */
  const colours = {};
  for (const name of names) {
    probe.style.color = `var(${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}
