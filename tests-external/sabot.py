"""Runs a Sabot binary and reads its streams into DuckDB.

Everything these checks know about Sabot's command line and REST API is in this file; the checks themselves speak of
projects, streams and rows. A process is only ever ended through the handle that started it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

URL = re.compile(r"http://127\.0\.0\.1:\d+")
START_SECONDS = 60
STOP_SECONDS = 60
POLL_SECONDS = 0.02
RUN_SECONDS = 900
QUERY_SECONDS = 300
# More rows than any partition of these checks has, so that a truncated answer is an error and never a small result.
MAX_ROWS = 1_000_000

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CheckFailed(Exception):
    """Sabot did something else than it promises."""


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class AgentRun:
    """An agent's line in the summary that `up --exit-when-idle` prints."""

    events_in: int
    events_out: int
    late: int
    errors: int


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; errors are answers too."""

    status: int
    body: object

    @property
    def error(self) -> str:
        """The message of an error answer, with its hint."""
        error = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        return f"{error.get('message', '')} {error.get('hint') or ''}".strip()


class Sabot:
    """A binary to check."""

    def __init__(self, binary: str | Path):
        self.binary = str(Path(binary).resolve())
        if not os.access(self.binary, os.X_OK):
            raise CheckFailed(f"{binary} is not an executable file")

    def command(self, *arguments: str | Path) -> Finished:
        """Runs a command to its end."""
        try:
            done = subprocess.run(
                [self.binary, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise CheckFailed(f"sabot {arguments[0]} did not end within {RUN_SECONDS} s") from expired
        return Finished(done.returncode, done.stdout, done.stderr)

    def run_to_end(self, project: Path, *flags: str) -> Finished:
        """`up` until everything is processed and committed."""
        return self.command("up", project, "--port", "0", "--exit-when-idle", *flags)

    def process(self, project: Path, *flags: str) -> dict[str, AgentRun]:
        """The same, for a run that has to succeed: the summary's lines by agent."""
        done = self.run_to_end(project, *flags)
        if done.code != 0:
            raise CheckFailed(f"up --exit-when-idle ended with {done.code}:\n{done.stderr}")
        agents = _summary(done.stderr)
        if not agents:
            raise CheckFailed(f"up --exit-when-idle printed no summary:\n{done.stderr}")
        return agents

    def serve(self, project: Path, *flags: str) -> Server:
        """`up` that goes on; use it as a context manager."""
        return Server(self.binary, project, flags)


def _summary(stderr: str) -> dict[str, AgentRun]:
    """Reads AGENT, EVENTS IN, EVENTS OUT, SECONDS, EVENTS/S, LATE, ERRORS."""
    lines = iter(stderr.splitlines())
    if not any(line.lstrip().startswith("AGENT ") for line in lines):
        return {}
    agents = {}
    for line in lines:
        cells = line.split()
        if len(cells) == 7:
            counts = [int(cells[i].replace(",", "")) for i in (1, 2, 5, 6)]
            agents[cells[0]] = AgentRun(*counts)
    return agents


class Server:
    """A running `sabot up`."""

    def __init__(self, binary: str, project: Path, flags: tuple[str, ...]):
        self.stderr_lines: list[str] = []
        self.url = ""
        self._listening = threading.Event()
        self._process = subprocess.Popen(
            [binary, "up", str(project), "--port", "0", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running():
            self.kill()

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return "\n".join(self.stderr_lines)

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_until_listening(self) -> Server:
        """Waits for the line that says where it listens."""
        self.wait_for("say where it listens", self._listening.is_set)
        return self

    def wait_until_ready(self) -> Server:
        """Waits until streams are recovered and agents started."""
        self.wait_until_listening()
        self.wait_for("become ready", lambda: self.get("/ready").status == 200)
        return self

    def wait_until_finished(self) -> Server:
        """Waits until every source is read to its end and committed."""
        self.wait_until_ready()
        self.wait_for("finish", lambda: self.get("/api/v1/status").body.get("finished") is True, RUN_SECONDS)
        return self

    def stop(self) -> int:
        """Asks it to drain and commit, as Ctrl-C does; its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._ended(STOP_SECONDS)

    def kill(self) -> int:
        """Ends it at once, with no chance to save anything."""
        self._process.kill()
        return self._ended(STOP_SECONDS)

    def ended_within(self, seconds: float) -> int | None:
        """Its exit code, if it ends by itself in this time."""
        deadline = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return None if self.is_running() else self._ended(seconds)

    def get(self, path: str) -> Answer:
        """A GET request."""
        return self._request(urllib.request.Request(self.url + path))

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        """A POST request."""
        return self._request(urllib.request.Request(self.url + path, body, {"content-type": content_type}))

    def deploy(self, agent_yaml: str) -> Answer:
        """`agents deploy`."""
        return self.post("/api/v1/agents", agent_yaml.encode(), "application/yaml")

    def query(self, sql: str) -> Answer:
        """An ad-hoc query."""
        request = {"query": sql, "max_rows": MAX_ROWS, "timeout_ms": QUERY_SECONDS * 1_000}
        return self.post("/api/v1/sql", json.dumps(request).encode(), "application/json")

    def rows(self, sql: str) -> list[dict]:
        """All rows of a query that has to succeed."""
        answer = self.query(sql)
        if answer.status != 200:
            raise CheckFailed(f"{sql}: HTTP {answer.status}: {answer.error}")
        if answer.body["truncated"]:
            raise CheckFailed(f"{sql}: the server cut the answer off at {len(answer.body['rows'])} rows")
        return answer.body["rows"]

    def row_count(self, stream: str) -> int:
        """Committed rows of a stream."""
        return self.rows(f"SELECT count(*) AS rows FROM {stream}")[0]["rows"]

    def load(self, con, stream: str, columns: dict[str, str], table: str) -> int:
        """Copies a stream into a DuckDB table of these column types, with `_partition` and `_offset`; its rows."""
        shape = {"_partition": "BIGINT", "_offset": "BIGINT", **columns}
        con.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in shape.items())})")
        partitions = self.get(f"/api/v1/streams/{stream}").body["partitions"]
        for partition in range(partitions):
            rows = self.rows(f"SELECT {', '.join(shape)} FROM {stream} WHERE _partition = {partition}")
            _insert(con, table, shape, rows)
        return con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]

    def _read_stderr(self) -> None:
        for line in self._process.stderr:
            self.stderr_lines.append(line.rstrip("\n"))
            found = URL.search(line)
            if found and not self.url:
                self.url = found.group()
                self._listening.set()

    def _request(self, request: urllib.request.Request) -> Answer:
        try:
            with _opener.open(request, timeout=QUERY_SECONDS + 30) as response:
                return Answer(response.status, _body(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _body(error.read()))
        except OSError as error:
            raise CheckFailed(f"{request.full_url}: {error}\n{self.stderr}") from error

    def wait_for(self, what: str, is_so: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Waits until something is so; failing names it as `the server did not …`."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if not self.is_running():
                code = self._ended(STOP_SECONDS)
                raise CheckFailed(f"the server ended with {code} before it could {what}:\n{self.stderr}")
            if time.monotonic() > deadline:
                raise CheckFailed(f"the server did not {what} within {seconds} s:\n{self.stderr}")
            time.sleep(POLL_SECONDS)

    def _ended(self, seconds: float) -> int:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired as expired:
            raise CheckFailed(f"the server did not end within {seconds} s:\n{self.stderr}") from expired
        self._reader.join(STOP_SECONDS)
        return code


def _environment() -> dict[str, str]:
    """Ours without what would configure Sabot."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("SABOT_", "OTEL_"))} | {"NO_COLOR": "1"}


def _body(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else {}
    except json.JSONDecodeError:
        return {"text": raw.decode(errors="replace")}


def _insert(con, table: str, shape: dict[str, str], rows: list[dict]) -> None:
    """Goes through a file: DuckDB reads instants and numbers from JSON exactly."""
    if not rows:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        # Instants are cast from text, because the JSON reader would take only some spellings of RFC 3339.
        read_as = {name: "VARCHAR" if kind == "TIMESTAMP" else kind for name, kind in shape.items()}
        columns = ", ".join(f"CAST({name} AS {kind})" for name, kind in shape.items())
        source = f"read_json('{file.name}', format = 'newline_delimited', columns = {read_as})"
        con.execute(f"INSERT INTO {table} SELECT {columns} FROM {source}")
