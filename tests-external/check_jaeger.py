#!/usr/bin/env python3
"""Sends Sabot's own spans to Jaeger v2, and compares what its API hands out with what Sabot stored.

Each span has to be there once: its trace, parent, name, kind, times, status, attributes, events and links, below the
same parents. Then the address that Jaeger's clients had before OTLP, with port 14268 and a path, has to arrive at the
same place, and Sabot has to say so once.

Jaeger is given with --jaeger; see .ci/run for how it is built.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from flights import copy_example, set_telemetry
from programs import Jaeger, attributes, reachable, run_cases, same_spans, stored
from sabot import CheckFailed, Sabot

SERVICE = "flights"
OTLP_PORT = 4317
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUS = ["unset", "ok", "error"]
# The same of a span on both sides.
COLUMNS = """trace_id, coalesce(parent_span_id, ''), span_id, operation, kind, status, coalesce(status_message, ''),
    start_unix_nano, end_unix_nano, len(map_keys(attributes)),
    list_sort([event.name for event in events])::VARCHAR, list_sort([link.span_id for link in links])::VARCHAR"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--jaeger", required=True, help="a Jaeger of version 2")
    arguments = parser.parse_args()
    sabot = Sabot(arguments.sabot)
    cases = {
        "otlp_target": lambda: otlp_target(sabot, arguments.jaeger),
        "address_of_old": lambda: address_of_old(sabot, arguments.jaeger),
    }
    return run_cases(cases, {"Jaeger": arguments.jaeger})


def otlp_target(sabot: Sabot, binary: str) -> None:
    """A target of OTLP over gRPC gets every span whole."""
    with tempfile.TemporaryDirectory(prefix="sabot-jaeger-") as scratch, Jaeger(binary, Path(scratch)) as jaeger:
        project = copy_example(Path(scratch) / "flights", "24h")
        set_telemetry(project, f"""
telemetry: {{ service_name: {SERVICE} }}
exporters:
  targets:
    - {{ name: jaeger, type: otlp, endpoint: "http://127.0.0.1:{jaeger.grpc}", protocol: grpc, signals: [traces] }}""")
        sabot.process(project, "--speed", "max")
        print(f"  target of OTLP: {compare(project, jaeger)}", flush=True)


def address_of_old(sabot: Sabot, binary: str) -> None:
    """An address with Jaeger's Thrift port leads to its OTLP port, with one warning."""
    host = host_with_free_port()
    with tempfile.TemporaryDirectory(prefix="sabot-jaeger-") as scratch:
        with Jaeger(binary, Path(scratch), host, OTLP_PORT) as jaeger:
            project = copy_example(Path(scratch) / "flights", "24h")
            old = f"http://{host}:14268/api/traces"
            set_telemetry(project, f"""
telemetry:
  service_name: {SERVICE}
  tracing: {{ jaeger_endpoint: "{old}" }}""")
            done = sabot.run_to_end(project, "--speed", "max")
            if done.code != 0:
                raise CheckFailed(f"up --exit-when-idle ended with {done.code}:\n{done.stderr}")
            said = [line for line in done.stderr.splitlines() if "14268" in line]
            if len(said) != 1 or "WARN" not in said[0] or f"http://{host}:{OTLP_PORT}" not in said[0]:
                raise CheckFailed(f"there is not one warning that {old} is understood as port {OTLP_PORT}, but: {said}")
            print(f"  {old}: {compare(project, jaeger)}, one warning", flush=True)


def host_with_free_port() -> str:
    """An address of this machine where nobody listens at the port of OTLP, which such an address is translated to."""
    for _ in range(20):
        host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        if not reachable(OTLP_PORT, host):
            return host
    raise CheckFailed(f"something listens at port {OTLP_PORT} of every address")


def compare(project: Path, jaeger: Jaeger) -> str:
    """Fails unless Jaeger has exactly the spans Sabot stored; what was compared."""
    if jaeger.services() != [SERVICE]:
        raise CheckFailed(f"Jaeger knows the services {jaeger.services()}, not {SERVICE} alone")
    received = jaeger.spans(SERVICE)
    spans = same_spans(stored(project, COLUMNS), [row(span) for _, span in received])
    traces = {span["traceId"] for _, span in received}
    ids = {(span["traceId"], span["spanId"]) for _, span in received}
    below = [span for _, span in received if (span["traceId"], span.get("parentSpanId")) in ids]
    links = sum(len(span.get("links", [])) for _, span in received)
    if not below or not links:
        raise CheckFailed(f"{len(below)} spans have a parent and {links} a link; this check would test nothing")
    return f"{spans:,} spans equal, of {len(traces):,} traces, {len(below):,} below others, {links:,} links"


def row(span: dict) -> tuple:
    """A span of OTLP's JSON as COLUMNS has it."""
    status = span.get("status", {})
    return (
        span["traceId"], span.get("parentSpanId", ""), span["spanId"], span["name"],
        KINDS[int(span.get("kind", 0))], STATUS[int(status.get("code", 0))], status.get("message", ""),
        int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]), len(attributes(span)),
        listed(event["name"] for event in span.get("events", [])),
        listed(link["spanId"] for link in span.get("links", [])),
    )


def listed(values) -> str:
    return f"[{', '.join(sorted(values))}]"


if __name__ == "__main__":
    sys.exit(main())
