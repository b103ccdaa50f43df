/** @file The facts every node of the graph has. */
import { count, rate, seconds } from '../../base/format.js';
import { html } from '../../base/html.js';
import { Instant } from '../../parts/instant.js';
import { eventsLabel } from '../stored.js';

/**
 * @param {import('../../types.js').GraphNode} node
 * @returns {import('../../parts/facts.js').Fact[]}
 */
export function nodeFacts(node) {
  return [
    ['kind', node.kind],
    ['rate', rate(node.events_per_second)],
    [eventsLabel(node.kind), count(node.events_total)],
    ['watermark', node.watermark ? html`<${Instant} at=${node.watermark} />` : null],
    ['watermark lag', typeof node.watermark_lag_seconds === 'number' ? seconds(node.watermark_lag_seconds) : null],
    ['late', count(node.late_total)],
    ['errors', count(node.errors_total)],
  ];
}
