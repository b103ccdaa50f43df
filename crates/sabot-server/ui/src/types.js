/**
 * @file The shapes the REST API answers with, as far as the UI reads them. docs/api.md is the contract; this file
 * only gives it types. Nothing here runs.
 */

/** @typedef {{name: string, status: string, message?: string | null}} Component `status` is ok or degraded */

/**
 * @typedef {object} Status
 * @property {string} status running, finished or degraded
 * @property {string} version
 * @property {string} project
 * @property {string} started_at
 * @property {number} uptime_seconds
 * @property {boolean} finished
 * @property {number} source_events_total what came into streams from their sources
 * @property {number} events_total what agents have read, each for itself
 * @property {number} events_per_second
 * @property {number} late_total
 * @property {number} errors_total
 * @property {number} lag_events
 * @property {number} memory_bytes
 * @property {number} cpu_ratio
 * @property {Component[]} components
 */

/** @typedef {'source' | 'stream' | 'table' | 'agent' | 'sink'} NodeKind */

/**
 * @typedef {object} GraphNode
 * @property {string} id
 * @property {NodeKind} kind
 * @property {string} name
 * @property {string} status waiting, running, disk_full, draining, stopped, finished or failed; ready of what only rests
 * @property {number} events_total
 * @property {number} events_per_second
 * @property {number} late_total
 * @property {number} errors_total
 * @property {string | null} watermark
 * @property {number | null} watermark_lag_seconds
 * @property {unknown} detail
 */

/** @typedef {{from: string, to: string, events_total: number, events_per_second: number}} GraphEdge */
/** @typedef {{nodes: GraphNode[], edges: GraphEdge[]}} Graph */

/**
 * @typedef {object} Sample
 * @property {string} at
 * @property {number | null} events_per_second
 * @property {number | null} late_total
 * @property {number | null} errors_total
 * @property {number | null} watermark_lag_seconds
 * @property {number | null} memory_bytes
 */

/** @typedef {{status: Status, graph: Graph, history: Sample[]}} Overview */

/** @typedef {{stream: string, partition: number, offset: number, watermark?: string | null}} Position */
/** @typedef {{name: string, rows_in: number, rows_out: number, busy_seconds: number}} Operator */

/**
 * @typedef {object} AgentDetail
 * @property {string} name
 * @property {string} kind
 * @property {string} status
 * @property {number | string} version
 * @property {number} count
 * @property {unknown} input
 * @property {unknown} output
 * @property {number} events_total
 * @property {number} events_per_second
 * @property {number | null} lag_seconds
 * @property {number} errors_total
 * @property {number} late_total
 * @property {string | null} watermark
 * @property {number} lag_events
 * @property {string | null} error
 * @property {string | null} sql
 * @property {unknown} plan
 * @property {unknown} config
 * @property {number} epoch
 * @property {Position[]} inputs
 * @property {Position[]} outputs
 * @property {Operator[]} operators
 */

/** @typedef {{name: string, type: string, nullable?: boolean}} Column */
/** @typedef {Record<string, unknown>} Row */

/**
 * @typedef {object} StreamDetail
 * @property {string} name
 * @property {number} partitions
 * @property {string} backend
 * @property {number} events_total
 * @property {number} bytes
 * @property {number} earliest
 * @property {number} latest
 * @property {number} events_per_second
 * @property {string | null} writer
 * @property {Column[]} schema
 * @property {string | null} event_time
 * @property {boolean} finished
 * @property {{agent: string, lag_events: number}[]} readers
 * @property {{partition: number, earliest: number, latest: number, bytes: number}[]} partition_details
 */

/**
 * @typedef {object} TableDetail
 * @property {string} name
 * @property {string} backend
 * @property {string[]} key
 * @property {number} rows
 * @property {number} bytes
 * @property {string | null} writer
 * @property {Column[]} schema
 */

/**
 * @typedef {object} TraceSummary
 * @property {string} trace_id
 * @property {string | null} root_service
 * @property {string | null} root_operation
 * @property {string} started_at
 * @property {number} duration_ms
 * @property {number} spans
 * @property {number} errors
 * @property {string | null} keep_reason
 */

/** @typedef {{traces: TraceSummary[], truncated?: boolean}} TraceList `truncated`: more match than are listed */
/** @typedef {{service: string, operations: string[]}} Service */

/** Instants of a trace are nanoseconds since 1970; they exceed a double, so they arrive as strings (see api.js). */
/** @typedef {string | number} UnixNano */
/** @typedef {Record<string, unknown>} Attributes */
/** @typedef {{name: string, at_unix_nano: UnixNano, attributes?: Attributes | null}} SpanEvent */
/** @typedef {{trace_id: string, span_id: string}} SpanLink */

/**
 * @typedef {object} Span
 * @property {string} span_id
 * @property {string | null} parent_span_id
 * @property {string} service
 * @property {string} name
 * @property {string} kind
 * @property {UnixNano} start_unix_nano
 * @property {UnixNano} end_unix_nano
 * @property {string} status
 * @property {string | null} [status_message]
 * @property {Attributes | null} [attributes]
 * @property {SpanEvent[] | null} [events]
 * @property {SpanLink[] | null} [links]
 */

/** @typedef {{trace_id: string, spans: Span[], truncated?: boolean}} Trace `truncated`: there are more spans than these */

/** @typedef {'ok' | 'done' | 'warn' | 'error' | 'idle'} Tone How a status is coloured. */

export {};
