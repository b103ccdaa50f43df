/** @file Details of an agent. */
import { html } from '../../base/html.js';
import { cell, count, seconds } from '../../base/format.js';
import { Copy } from '../../parts/copy.js';
import { Facts } from '../../parts/facts.js';
import { Grid } from '../../parts/grid.js';
import { Icon } from '../../parts/icon.js';
import { Instant } from '../../parts/instant.js';
import { nodeFacts } from './facts.js';
import { StreamRows } from './rows.js';
import { Live, Section } from './section.js';
import { Sql } from './sql.js';

/** @typedef {import('../../types.js').AgentDetail} AgentDetail */
/** @typedef {import('../../types.js').Position} Position */

/** @param {{node: import('../../types.js').GraphNode}} props */
export function AgentDetails({ node }) {
  const tag = encodeURIComponent(`sabot.agent=${node.name}`);
  return html`
    <a class="button" href=${`/traces?tag=${tag}`}><${Icon} name="search" />Traces of this agent</a>
    <${Live} path=${`/agents/${encodeURIComponent(node.name)}`} what="agent" view=${(/** @type {AgentDetail} */ agent) => html`
      ${agent.error && html`<p class="panel-error" role="alert">${agent.error}</p>`}
      <${Facts} facts=${[
        ...nodeFacts(node),
        ['processing lag', typeof agent.lag_seconds === 'number' ? seconds(agent.lag_seconds) : null],
        ['not read yet', count(agent.lag_events)],
        ['version', agent.version],
        ['instances', agent.count],
        ['epoch', count(agent.epoch)],
        ['input', label(agent.input)],
        ['output', label(agent.output)],
      ]} />
      ${agent.sql && html`<${Section} title="SQL"><${Sql} text=${agent.sql} /><//>`}
      ${outputStreams(agent).map((stream) => html`<${StreamRows} key=${stream} stream=${stream} />`)}
      <${Operators} operators=${agent.operators} />
      <${Positions} title="Inputs" positions=${agent.inputs} />
      <${Positions} title="Outputs" positions=${agent.outputs} />
      ${agent.plan && html`<${Plan} text=${planText(agent.plan)} />`}
    `} />`;
}

/** Several inputs read as a list. @param {unknown} value */
function label(value) {
  return Array.isArray(value) ? value.map(cell).join(', ') : value ? cell(value) : null;
}

/** @param {AgentDetail} agent */
function outputStreams(agent) {
  return [...new Set(agent.outputs.map((output) => output.stream))];
}

/** @param {unknown} plan */
function planText(plan) {
  return typeof plan === 'string' ? plan : JSON.stringify(plan, null, 2);
}

/** @param {{text: string}} props */
function Plan({ text }) {
  return html`<${Section} title="Plan"><div class="code">
    <pre tabindex="0" aria-label="Plan">${text}</pre><${Copy} text=${text} label="plan" />
  </div><//>`;
}

/** @param {{operators: import('../../types.js').Operator[]}} props */
function Operators({ operators }) {
  if (operators.length === 0) return null;
  const heads = [{ title: 'operator' }, ...['rows in', 'rows out', 'busy'].map((title) => ({ title, numeric: true }))];
  const rows = operators.map((operator) => [operator.name, count(operator.rows_in), count(operator.rows_out), seconds(operator.busy_seconds)]);
  return html`<${Section} title="Operators"><${Grid} label="Operators" heads=${heads} rows=${rows} /><//>`;
}

/** @param {{title: string, positions: Position[]}} props */
function Positions({ title, positions }) {
  if (positions.length === 0) return null;
  const watermarks = positions.some((position) => position.watermark);
  const heads = [
    { title: 'stream' }, { title: 'partition', numeric: true }, { title: 'offset', numeric: true },
    ...(watermarks ? [{ title: 'watermark' }] : []),
  ];
  const rows = positions.map((position) => [
    position.stream, position.partition, count(position.offset), ...(watermarks ? [html`<${Instant} at=${position.watermark} />`] : []),
  ]);
  return html`<${Section} title=${title}><${Grid} label=${title} heads=${heads} rows=${rows} /><//>`;
}
