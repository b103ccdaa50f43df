#!/usr/bin/env python3
"""Sends Sabot's own telemetry to an OpenTelemetry Collector, and compares what that received with what Sabot stored.

Over gRPC, HTTP with protocol buffers and HTTP with JSON, each span has to arrive once and whole, metrics with their
exemplars. Then the Collector is killed half-way (kill -9) and started again: still each span has to arrive. At last
Sabot is killed while nobody takes what it sends, and what waited on disk has to be sent by the next process.

The Collector is given with --collector; see .ci/run for how it is built.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from flights import copy_example
from sabot import CheckFailed, Sabot, Server

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: 127.0.0.1:{grpc} }}
      http: {{ endpoint: 127.0.0.1:{http} }}
exporters:
  debug: {{ verbosity: detailed }}
service:
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines:
    traces: {{ receivers: [otlp], exporters: [debug] }}
    metrics: {{ receivers: [otlp], exporters: [debug] }}
"""
SPAN = re.compile(r"Span #\d+\n\s+Trace ID\s+: (\w+)\n\s+Parent ID\s+: ?(\w*)\n\s+ID\s+: (\w+)\n\s+Name\s+: (.*)\n")
SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Collector:
    """A Collector that prints all it receives; started again, it prints behind what it printed before."""

    def __init__(self, binary: str, scratch: Path):
        self.grpc, self.http = free_port(), free_port()
        self._binary, self._log = binary, scratch / "collector.log"
        self._config = scratch / "collector.yaml"
        self._config.write_text(CONFIG.format(grpc=self.grpc, http=self.http))
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen([self._binary, "--config", self._config], stdout=log, stderr=log)
        wait_for("the Collector to listen", lambda: reachable(self.grpc) and reachable(self.http))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def spans(self) -> list[tuple[str, str, str, str]]:
        """Trace, parent, id and name of each span received, as often as it was received."""
        return SPAN.findall(self.printed())


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(what: str, holds) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise CheckFailed(f"waited {SECONDS:.0f} s for {what}")
        time.sleep(0.1)


def stored_spans(project: Path) -> list[tuple[str, str, str, str]]:
    """The same of each span in Sabot's own store."""
    blocks = project / ".sabot" / "telemetry" / "spans" / "*.parquet"
    return duckdb.sql(
        f"SELECT trace_id, coalesce(parent_span_id, ''), span_id, operation FROM read_parquet('{blocks}')"
    ).fetchall()


def exported(server: Server) -> dict[str, float]:
    """The counters of the one exporter."""
    text = server.get("/metrics").body["text"]
    found = re.findall(r"^sabot_export_(\w+?)(?:_total|_spans)?\{([^}]*)\} (\S+)$", text, re.MULTILINE)
    counts: dict[str, float] = {}
    for name, _, value in found:
        counts[name] = counts.get(name, 0.0) + float(value)
    return counts


def same_spans(project: Path, collector: Collector) -> int:
    stored, received = sorted(stored_spans(project)), sorted(collector.spans())
    if not stored:
        raise CheckFailed("no spans are stored; this check would test nothing")
    if stored != received:
        missing, extra = set(stored) - set(received), set(received) - set(stored)
        raise CheckFailed(
            f"{len(stored):,} spans are stored, {len(received):,} were received; missing {len(missing):,}, such as "
            f"{sorted(missing)[:3]}, extra {len(extra):,}, such as {sorted(extra)[:3]}"
        )
    return len(stored)


def every_protocol(sabot: Sabot, binary: str) -> None:
    """Whatever is spoken, everything arrives once and whole."""
    for protocol in ["grpc", "http/protobuf", "http/json"]:
        with tempfile.TemporaryDirectory(prefix="sabot-export-") as scratch, Collector(binary, Path(scratch)) as collector:
            project = copy_example(Path(scratch) / "flights", "24h")
            port = collector.grpc if protocol == "grpc" else collector.http
            export_to(project, f"http://127.0.0.1:{port}", protocol)
            sabot.process(project, "--speed", "max")
            spans = same_spans(project, collector)
            printed = collector.printed()
            for wanted in ["Name: sabot_messages_processed_total", "Name: sabot_commit_duration_seconds", "Exemplar #0"]:
                if wanted not in printed:
                    raise CheckFailed(f"{protocol}: the Collector did not print \"{wanted}\"")
            print(f"  {protocol}: {spans:,} spans equal", flush=True)


def export_to(project: Path, endpoint: str, protocol: str) -> None:
    settings = project / "sabot.yaml"
    text, replaced = re.subn(
        r"(?m)^telemetry: .*$",
        f"telemetry:\n  tracing:\n    otlp_endpoint: {endpoint}\n    otlp_protocol: {protocol}\n"
        "    batch: { scheduled_delay: 500ms }",
        settings.read_text(),
    )
    if replaced != 1:
        raise CheckFailed(f"{settings} has {replaced} lines that begin with telemetry:, not one")
    settings.write_text(text)


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
        spans = same_spans(project, collector)
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
    if not os.access(arguments.collector, os.X_OK):
        if os.environ.get("CI"):
            print(f"there is no Collector at {arguments.collector}", file=sys.stderr)
            return 1
        print(f"skipped: there is no Collector at {arguments.collector}")
        return 0
    sabot, failed = Sabot(arguments.sabot), 0
    for name, case in CASES.items():
        if arguments.only in (None, name):
            try:
                case(sabot, arguments.collector)
            except CheckFailed as problem:
                failed += 1
                print(f"  {name}: FAILED: {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
