"""Programs of others that Sabot is checked against: each on free ports, with its files in a scratch directory.

A program is only ever ended through the handle that started it, and has ended when its `with` block has.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb

from sabot import CheckFailed

SECONDS = 60.0
# More traces than any of these checks makes, so that an answer never holds fewer than there are.
MAX_TRACES = 100_000

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

COLLECTOR = """
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
    logs: {{ receivers: [otlp], exporters: [debug] }}
"""
SPAN = re.compile(r"Span #\d+\n\s+Trace ID\s+: (\w+)\n\s+Parent ID\s+: ?(\w*)\n\s+ID\s+: (\w+)\n\s+Name\s+: (.*)\n")

JAEGER = """
receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: "{host}:{grpc}" }}
      http: {{ endpoint: "{host}:{http}" }}
exporters:
  jaeger_storage_exporter: {{ trace_storage: memory }}
extensions:
  jaeger_storage: {{ backends: {{ memory: {{ memory: {{ max_traces: {traces} }} }} }} }}
  jaeger_query:
    storage: {{ traces: memory }}
    http: {{ endpoint: "{host}:{query}" }}
    grpc: {{ endpoint: "{host}:{query_grpc}" }}
service:
  extensions: [jaeger_storage, jaeger_query]
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines:
    traces: {{ receivers: [otlp], exporters: [jaeger_storage_exporter] }}
"""


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as taken:
        taken.bind((host, 0))
        return taken.getsockname()[1]


def reachable(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise CheckFailed(f"waited {SECONDS:.0f} s for {what}")
        time.sleep(0.1)


def get_json(url: str, **parameters: object) -> object:
    """The answer to a GET request that has to succeed, nothing if it says that nothing was found."""
    full = f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url
    try:
        with _opener.open(full, timeout=SECONDS) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise CheckFailed(f"{full}: HTTP {error.code}: {error.read().decode(errors='replace')[:500]}") from error
    except OSError as error:
        raise CheckFailed(f"{full}: {error}") from error


class Program:
    """A program that goes on until it is ended; started again, its output goes behind what it said before."""

    name = "the program"

    def __init__(self, command: list[object], scratch: Path, ports: list[tuple[str, int]], log: str):
        self._command, self._ports, self._log = command, ports, scratch / log
        self._process: subprocess.Popen | None = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                list(map(str, self._command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
            )
        try:
            wait_for(f"{self.name} to listen", self._listens)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise CheckFailed(f"{self.name} ended before it listened:\n{self.printed()[-2_000:]}")
        return all(reachable(port, host) for host, port in self._ports)


class Collector(Program):
    """An OpenTelemetry Collector that prints all it receives."""

    name = "the Collector"

    def __init__(self, binary: str, scratch: Path):
        self.grpc, self.http = free_port(), free_port()
        config = scratch / "collector.yaml"
        config.write_text(COLLECTOR.format(grpc=self.grpc, http=self.http))
        ports = [("127.0.0.1", self.grpc), ("127.0.0.1", self.http)]
        super().__init__([binary, "--config", config], scratch, ports, "collector.log")

    def spans(self) -> list[tuple[str, str, str, str]]:
        """Trace, parent, id and name of each span received, as often as it was received."""
        return SPAN.findall(self.printed())


class Jaeger(Program):
    """Jaeger with its store in memory, and what its API answers."""

    name = "Jaeger"

    def __init__(self, binary: str, scratch: Path, host: str = "127.0.0.1", grpc: int | None = None):
        self.host, self.grpc, self.http = host, grpc or free_port(host), free_port(host)
        self._query, query_grpc = free_port(host), free_port(host)
        config = scratch / "jaeger.yaml"
        config.write_text(JAEGER.format(
            host=host, grpc=self.grpc, http=self.http, query=self._query, query_grpc=query_grpc, traces=MAX_TRACES
        ))
        ports = [(host, port) for port in [self.grpc, self.http, self._query]]
        super().__init__([binary, "--config", config], scratch, ports, "jaeger.log")

    def services(self) -> list[str]:
        """The services it knows."""
        return sorted(get_json(f"http://{self.host}:{self._query}/api/v3/services").get("services", []))

    def spans(self, service: str) -> list[tuple[dict, dict]]:
        """Resource attributes and span, as OTLP's JSON has them, of each trace a service has a part in."""
        now, day = datetime.now(timezone.utc), timedelta(days=1)
        answer = get_json(f"http://{self.host}:{self._query}/api/v3/traces", **{
            "query.service_name": service,
            "query.start_time_min": (now - day).isoformat(),
            "query.start_time_max": (now + day).isoformat(),
            "query.num_traces": MAX_TRACES,
            # As received: without it, clocks are "mended" and links to what is missing are left out.
            "query.raw_traces": "true",
        })
        return [
            (attributes(resource.get("resource", {})), span)
            for resource in answer.get("result", {}).get("resourceSpans", [])
            for scope in resource.get("scopeSpans", [])
            for span in scope.get("spans", [])
        ]


class Service(Program):
    """A service with its own environment, which uses no server named in ours."""

    def __init__(self, name: str, command: list[object], scratch: Path, port: int, environment: dict[str, str]):
        self.name, self.url, self._settings = name, f"http://127.0.0.1:{port}", environment
        super().__init__(command, scratch, [("127.0.0.1", port)], f"{name}.log")

    def ask(self, path: str, headers: dict[str, str] | None = None, body: dict | None = None) -> str:
        """The answer to a request that has to succeed."""
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, kind | (headers or {}))
        try:
            with _opener.open(request, timeout=SECONDS) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:500]
            raise CheckFailed(f"{self.name}: {path}: HTTP {error.code}: {said}") from error
        except OSError as error:
            raise CheckFailed(f"{self.name}: {path}: {error}\n{self.printed()[-2_000:]}") from error

    def _environment(self) -> dict[str, str]:
        elsewhere = ("REDIS_URL", "DATABASE_URL", "PORT", "ADDRESS", "USER_ID_KEY")
        return {key: value for key, value in super()._environment().items() if key not in elsewhere} | self._settings


def attributes(of: dict) -> dict[str, object]:
    """OTLP's attributes as plain values."""
    return {pair["key"]: _plain(pair.get("value", {})) for pair in of.get("attributes", [])}


def _plain(value: dict) -> object:
    for kind, held in value.items():
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [_plain(one) for one in held.get("values", [])]
        return held
    return None


def stored(project: Path, columns: str) -> list[tuple]:
    """Columns of every span in Sabot's own store, read by DuckDB once Sabot has ended."""
    directory = project / ".sabot" / "telemetry" / "spans"
    # Blocks whose rows are in another one by now stay for a while; docs/telemetry-storage.md says how they are known.
    replaced = duckdb.sql(
        f"SELECT decode(value) FROM parquet_kv_metadata('{directory}/*.parquet') WHERE decode(key) = 'sabot.replaces'"
    ).fetchall()
    gone = {int(number) for (numbers,) in replaced for number in numbers.split(",") if number}
    blocks = [str(block) for block in directory.glob("*.parquet") if int(block.stem) not in gone]
    return duckdb.sql(f"SELECT {columns} FROM read_parquet({blocks})").fetchall()


def same_spans(kept: list[tuple], received: list[tuple]) -> int:
    """Fails unless each span that Sabot stored was received once and as it is; their number."""
    kept, received = sorted(kept), sorted(received)
    if not kept:
        raise CheckFailed("no spans are stored; this check would test nothing")
    if kept != received:
        missing, extra = set(kept) - set(received), set(received) - set(kept)
        raise CheckFailed(
            f"{len(kept):,} spans are stored, {len(received):,} were received; missing {len(missing):,}, such as "
            f"{sorted(missing)[:3]}, extra {len(extra):,}, such as {sorted(extra)[:3]}"
        )
    return len(kept)


def run_cases(cases: dict[str, Callable[[], None]], programs: dict[str, str]) -> int:
    """Runs each case; the exit code. Without one of the programs nothing is run, which fails in CI."""
    for name, path in programs.items():
        if not os.access(path, os.X_OK):
            missing = f"there is no {name} at {path}"
            if os.environ.get("CI"):
                print(missing, file=sys.stderr)
                return 1
            print(f"skipped: {missing}")
            return 0
    failed = 0
    for name, case in cases.items():
        try:
            case()
        except CheckFailed as problem:
            failed += 1
            print(f"  {name}: FAILED: {problem}", flush=True)
    return 1 if failed else 0
