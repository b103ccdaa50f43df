/** @file A browser's language that Intl refuses is mended before anything gives it to Intl; any other is left alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptedLanguage, mendLanguage } from '../src/base/language.js';

test('a tag stays as it is, of anything else its tag is kept, or English is taken', () => {
  const languages = ['de-CH', 'en-US@posix', 'de_AT.UTF-8', 'C.UTF-8', '', undefined];
  assert.deepEqual(languages.map(acceptedLanguage), ['de-CH', 'en-US', 'de-AT', 'en-US', 'en-US', 'en-US']);
});

test('only a language that Intl refuses is covered', () => {
  const mended = (/** @type {string} */ language) => {
    const navigator = Object.create({ language });
    mendLanguage(navigator);
    return [navigator.language, Object.hasOwn(navigator, 'language')];
  };
  assert.deepEqual(mended('en-US@posix'), ['en-US', true]);
  assert.deepEqual(mended('fr'), ['fr', false]);
});
