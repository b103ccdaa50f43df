/**
 * @file Makes `navigator.language` one that Intl accepts. Some builds of Chromium hand on the system's locale as it is, such
 * as `en-US@posix` under LANG=C.UTF-8; uPlot gives it to Intl when it is imported, and Intl throws. To be imported first.
 */

const FALLBACK = 'en-US';

/**
 * The language itself if Intl accepts it, else what of it is a tag, else English.
 * @param {string | undefined} language
 */
export function acceptedLanguage(language) {
  const candidates = [language, language?.split(/[@.]/)[0]?.replaceAll('_', '-')];
  return candidates.find((candidate) => candidate !== undefined && isAccepted(candidate)) ?? FALLBACK;
}

/** @param {string} language */
function isAccepted(language) {
  try {
    return Intl.getCanonicalLocales(language).length > 0;
  } catch {
    return false;
  }
}

/** A good language stays as it is and keeps following the browser's. @param {Navigator} navigator */
export function mendLanguage(navigator) {
  const accepted = acceptedLanguage(navigator.language);
  if (accepted !== navigator.language) Object.defineProperty(navigator, 'language', { value: accepted, configurable: true });
}

// The tests may run where there is no browser.
if ('navigator' in globalThis) mendLanguage(globalThis.navigator);
