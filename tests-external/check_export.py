#!/usr/bin/env python3
"""Sends Sabot's own telemetry to an OpenTelemetry Collector, and compares what that received with what Sabot stored.

Over gRPC, HTTP with protocol buffers and HTTP with JSON, each span has to arrive once and whole, metrics with their
exemplars. Then the Collector is killed half-way (kill -9) and started again: still each span has to arrive. At last
Sabot is killed while nobody takes what it sends, and what waited on disk has to be sent by the next process.

The Collector is given with --collector; see .ci/run for how it is built.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from flights import copy_example, set_telemetry
from programs import Collector, run_cases, same_spans, stored, wait_for
from sabot import CheckFailed, Sabot, Server


def exported(server: Server) -> dict[str, float]:
    """The counters of the one exporter."""
    text = server.get("/metrics").body["text"]
    found = re.findall(r"^sabot_export_(\w+?)(?:_total|_spans)?\{([^}]*)\} (\S+)$", text, re.MULTILINE)
    counts: dict[str, float] = {}
    for name, _, value in found:
        counts[name] = counts.get(name, 0.0) + float(value)
    return counts


def all_arrived(project: Path, collector: Collector) -> int:
    return same_spans(stored(project, "trace_id, coalesce(parent_span_id, ''), span_id, operation"), collector.spans())


def every_protocol(sabot: Sabot, binary: str) -> None:
    """Whatever is spoken, everything arrives once and whole."""
    for protocol in ["grpc", "http/protobuf", "http/json"]:
        with tempfile.TemporaryDirectory(prefix="sabot-export-") as scratch, Collector(binary, Path(scratch)) as collector:
            project = copy_example(Path(scratch) / "flights", "24h")
            port = collector.grpc if protocol == "grpc" else collector.http
            export_to(project, f"http://127.0.0.1:{port}", protocol)
            sabot.process(project, "--speed", "max")
            spans = all_arrived(project, collector)
            printed = collector.printed()
            for wanted in ["Name: sabot_messages_processed_total", "Name: sabot_commit_duration_seconds", "Exemplar #0"]:
                if wanted not in printed:
                    raise CheckFailed(f"{protocol}: the Collector did not print \"{wanted}\"")
            print(f"  {protocol}: {spans:,} spans equal", flush=True)


def export_to(project: Path, endpoint: str, protocol: str) -> None:
    set_telemetry(project, f"""
telemetry:
  tracing:
    otlp_endpoint: {endpoint}
    otlp_protocol: {protocol}
    batch: {{ scheduled_delay: 500ms }}""")


def outage(sabot: Sabot, binary: str) -> None:
    """A Collector that is killed and comes back gets everything."""
    with tempfile.TemporaryDirectory(prefix="sabot-export-") as scratch, Collector(binary, Path(scratch)) as collector:
        project = copy_example(Path(scratch) / "flights", "24h")
        export_to(project, f"http://127.0.0.1:{collector.grpc}", "grpc")
        with sabot.serve(project) as server:
            server.wait_until_listening()
            wait_for("spans to arrive", lambda: len(collector.spans()) > 0)
            collector.kill()
            before = len(collector.spans())
            wait_for("spans to wait", lambda: exported(server).get("queue", 0) > 1_000)
            counts = exported(server)
            balance = counts["sent"] + counts["dropped"] + counts["queue"] - counts["accepted"]
            # The counters are read one after another while spans are on their way.
            if abs(balance) > 1_024:
                raise CheckFailed(f"the ledger does not balance during the outage: {counts}")
            collector.start()
            server.wait_until_finished()
            wait_for("what waited to be sent", lambda: exported(server).get("queue") == 0)
            if server.stop() != 0:
                raise CheckFailed(f"the server did not stop well:\n{server.stderr}")
        spans = all_arrived(project, collector)
        print(f"  the Collector killed after {before:,} spans: {spans:,} spans equal", flush=True)


def killed_with_a_queue(sabot: Sabot, binary: str) -> None:
    """What waits on disk when Sabot is killed is sent by the next process."""
    with tempfile.TemporaryDirectory(prefix="sabot-export-") as scratch, Collector(binary, Path(scratch)) as collector:
        collector.kill()
        project = copy_example(Path(scratch) / "flights", "24h")
        export_to(project, f"http://127.0.0.1:{collector.grpc}", "grpc")
        waiting = project / ".sabot" / "telemetry" / "export" / "otlp" / "traces"
        with sabot.serve(project) as server:
            server.wait_until_listening()
            wait_for("batches to wait on disk", lambda: waiting.is_dir() and len(list(waiting.glob("*.otlp"))) >= 3)
            server.kill()
        batches = len(list(waiting.glob("*.otlp")))
        collector.start()
        with sabot.serve(project) as server:
            server.wait_until_finished()
            wait_for("what waited to be sent", lambda: exported(server).get("queue") == 0)
            counts = exported(server)
            server.stop()
        ids = [span[2] for span in collector.spans()]
        if len(ids) != len(set(ids)):
            raise CheckFailed(f"{len(ids) - len(set(ids)):,} spans were sent twice, though no request was cut off")
        if counts["dropped"] > 0 or counts["sent"] != counts["accepted"]:
            raise CheckFailed(f"not everything was sent: {counts}")
        print(f"  Sabot killed with {batches} batches on disk: {len(ids):,} spans arrived", flush=True)


CASES = {"every_protocol": every_protocol, "outage": outage, "killed_with_a_queue": killed_with_a_queue}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--collector", required=True, help="a Collector with the OTLP receiver and the debug exporter")
    parser.add_argument("--only", choices=sorted(CASES), help="one case")
    arguments = parser.parse_args()
    sabot = Sabot(arguments.sabot)
    chosen = {name: case for name, case in CASES.items() if arguments.only in (None, name)}
    cases = {name: lambda case=case: case(sabot, arguments.collector) for name, case in chosen.items()}
    return run_cases(cases, {"Collector": arguments.collector})


if __name__ == "__main__":
    sys.exit(main())
