/** @file Details of a stream. */
import { html } from '../../base/html.js';
import { bytes, count } from '../../base/format.js';
import { Facts } from '../../parts/facts.js';
import { Grid } from '../../parts/grid.js';
import { nodeFacts } from './facts.js';
import { StreamRows } from './rows.js';
import { Schema } from './schema.js';
import { Live, Section } from './section.js';

/** @typedef {import('../../types.js').StreamDetail} StreamDetail */
/** @typedef {import('../../types.js').GraphNode} GraphNode */

/** @param {{node: GraphNode}} props */
export function StreamDetails({ node }) {
  return html`
    <${Facts} facts=${nodeFacts(node)} />
    <${StreamRows} stream=${node.name} />
    <${Live} path=${`/streams/${encodeURIComponent(node.name)}`} what="stream" view=${(/** @type {StreamDetail} */ stream) => html`
      <${Section} title="Storage"><${Facts} facts=${[
        ['backend', stream.backend],
        ['size', bytes(stream.bytes)],
        ['rows kept', `${count(stream.earliest)} to ${count(stream.latest)}`],
        ['writer', stream.writer ?? 'the server'],
        ['finished', stream.finished ? 'yes' : 'no'],
      ]} /><//>
      <${Schema} columns=${stream.schema} marks=${new Map(stream.event_time ? [[stream.event_time, 'event time']] : [])} />
      ${stream.readers.length > 0 && html`<${Section} title="Readers"><${Grid} label="Readers"
        heads=${[{ title: 'agent' }, { title: 'not read yet', numeric: true }]}
        rows=${stream.readers.map((reader) => [reader.agent, count(reader.lag_events)])} /><//>`}
      <${Section} title="Partitions"><${Grid} label="Partitions"
        heads=${['partition', 'earliest', 'latest', 'size'].map((title) => ({ title, numeric: true }))}
        rows=${stream.partition_details.map((part) => [part.partition, count(part.earliest), count(part.latest), bytes(part.bytes)])} /><//>
    `} />`;
}
