/** @file What the search for an operation can be given. */

/** @typedef {import('../types.js').Service} Service */

/**
 * Names of the chosen service's operations, or of all while none is chosen. The first word of a name finds every
 * operation that starts with it, as `process_batch` finds `process_batch hourly-delays`: it stands once, before them.
 * @param {Service[]} services
 * @param {string} service
 * @returns {string[]}
 */
export function operationsOf(services, service) {
  const chosen = services.filter((one) => one.service === service);
  const names = (chosen.length > 0 ? chosen : services).flatMap((one) => one.operations);
  // A space sorts before all that can be part of a word, so a first word comes directly before its full names.
  return [...new Set(names.flatMap((name) => [firstWord(name), name]))].sort();
}

/** @param {string} name */
function firstWord(name) {
  return name.split(' ', 1)[0] || name;
}
