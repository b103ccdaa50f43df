/** @file What the streams hold, whoever wrote it: events are counted anew with each start of the server, rows stay. */

/** @typedef {import('../types.js').Overview} Overview */

/** Rows of all streams. @param {Overview['graph']} graph */
export function storedRows(graph) {
  const streams = graph.nodes.filter((node) => node.kind === 'stream');
  return streams.reduce((/** @type {number} */ sum, node) => sum + node.events_total, 0);
}

/**
 * Whether agents have read nothing since this server started though there are rows: its zeros then say nothing of them.
 * @param {Pick<Overview, 'status' | 'graph'>} overview
 */
export function isUncounted({ status, graph }) {
  return status.events_total === 0 && storedRows(graph) > 0;
}

/** What flows is counted from the server's start on; what rests is all there is. @param {import('../types.js').NodeKind} kind */
export function eventsLabel(kind) {
  return kind === 'agent' || kind === 'sink' ? 'events since the start' : 'events';
}
