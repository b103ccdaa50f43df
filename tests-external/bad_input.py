#!/usr/bin/env python3
"""Gives Sabot files, queries and data directories it cannot use, and reads what it says.

Each must end in a message that names the place and the problem, and in the exit code the command line promises: 1 for
what failed, 2 for a file or query that cannot be used as it stands, 3 for a server that is not there. A server that runs
goes on running.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sabot import AgentRun, CheckFailed, Sabot

FAILED, UNUSABLE, UNREACHABLE = 1, 2, 3

# Stands in a row, so that a byte of committed data can be found on disk whatever the format.
MARKER = "marker-of-a-row-on-disk"

SABOT_YAML = """\
streams:
  - name: readings
    event_time: measured
    schema: { value: int64 }
    source: { file: readings.csv }
    on_error: dead_letter
"""
AGENT_YAML = """\
name: copy
kind: stream
sql: SELECT measured, value, note FROM readings
output: { stream: copies }
"""
READINGS_CSV = f"""\
measured,value,note
2013-01-01T10:00:00Z,1,first
2013-01-01T11:00:00Z,2,{MARKER}
2013-01-01T12:00:00Z,3,last
"""
# Lines 3, 4 and 5 do not fit: a value that is no number, a field too many, no instant.
BROKEN_CSV = """\
measured,value,note
2013-01-01T10:00:00Z,1,first
2013-01-01T11:00:00Z,many,second
2013-01-01T12:00:00Z,3,third,more
yesterday,4,fourth
2013-01-01T13:00:00Z,5,last
"""


def write_project(directory: Path, **changed: str) -> Path:
    """A small valid project with some files changed; a file's name is spelled `agents__copy_yaml`."""
    files = {"sabot_yaml": SABOT_YAML, "agents__copy_yaml": AGENT_YAML, "readings_csv": READINGS_CSV} | changed
    for name, text in files.items():
        stem, extension = name.replace("__", "/").rsplit("_", 1)
        path = directory / f"{stem}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def says(text: str, *patterns: str) -> None:
    """Fails unless every pattern is found."""
    for pattern in patterns:
        if not re.search(pattern, text):
            raise CheckFailed(f"nothing in this says /{pattern}/:\n{text}")


def ended_with(code: int | None, expected: int, stderr: str) -> None:
    """Fails on another exit code, and on a panic whatever the code."""
    if code != expected:
        raise CheckFailed(f"exit code {code}, not {expected}:\n{stderr}")
    if "panicked at" in stderr:
        raise CheckFailed(f"a panic:\n{stderr}")


@dataclass(frozen=True)
class Refused:
    """A project `up` refuses to start, and `config check` finds no good."""

    says: list[str]
    files: dict[str, str]

    def __call__(self, sabot: Sabot, scratch: Path) -> None:
        project = write_project(scratch / "project", **self.files)
        for done in sabot.run_to_end(project), sabot.command("config", "check", project):
            ended_with(done.code, UNUSABLE, done.stderr)
            says(done.stderr, *self.says)


def agent(sql: str) -> dict[str, str]:
    """The project with this SQL in its agent."""
    return {"agents__copy_yaml": AGENT_YAML.replace("SELECT measured, value, note FROM readings", sql)}


IN_AGENT = r'agents/copy\.yaml|agent "copy"'

REFUSED = {
    "malformed_yaml": Refused([r"agents/copy\.yaml:1:\d+: "], {"agents__copy_yaml": "name: [copy\n"}),
    "unknown_key": Refused(
        [r"sabot\.yaml:3:5: ", "evnt_time", 'did you mean "event_time"'],
        {"sabot_yaml": SABOT_YAML.replace("event_time", "evnt_time")},
    ),
    "not_a_duration": Refused(
        [r"agents/copy\.yaml:5:\d+: ", "soon", "24h"],
        {"agents__copy_yaml": AGENT_YAML + "watermark: soon\n"},
    ),
    "two_writers_of_a_stream": Refused(
        ['"readings" is declared already', r"sabot\.yaml"],
        {"agents__copy_yaml": AGENT_YAML.replace("copies", "readings")},
    ),
    "sql_that_does_not_parse": Refused([IN_AGENT, "SELEC", r"agents/copy\.yaml:\d+:\d+: "], agent("SELEC value FROM readings")),
    "sql_with_an_unknown_stream": Refused(
        [IN_AGENT, '"raedings" does not exist', 'did you mean "readings"'], agent("SELECT value FROM raedings")
    ),
    "sql_that_agents_do_not_run": Refused(
        [IN_AGENT, "ORDER BY", "order the result when you query it"], agent("SELECT value FROM readings ORDER BY value")
    ),
    "missing_column_in_sql": Refused(
        [IN_AGENT, "valeu", r"did you mean '(readings\.)?value'"], agent("SELECT valeu FROM readings")
    ),
    "missing_event_time_column": Refused(
        ["event_time", '"mesured" is not in', r"readings\.csv", 'did you mean "measured"'],
        {"sabot_yaml": SABOT_YAML.replace("measured", "mesured")},
    ),
    "missing_file": Refused(
        [r"source\.file", r"nothing\.csv does not exist"],
        {"sabot_yaml": SABOT_YAML.replace("readings.csv", "nothing.csv")},
    ),
    "type_clash_in_sql": Refused(
        [IN_AGENT, "Int64|bigint", "Interval|INTERVAL"], agent("SELECT value FROM readings WHERE value > INTERVAL '1 day'")
    ),
    "event_time_that_is_a_number": Refused(
        ["event_time", '"value"', "Int64", "timestamp"],
        {"sabot_yaml": SABOT_YAML.replace("event_time: measured", "event_time: value")},
    ),
    "unknown_type": Refused(
        ["schema", '"int46" is not a type', 'did you mean "int64"'],
        {"sabot_yaml": SABOT_YAML.replace("int64", "int46")},
    ),
    "empty_csv": Refused([r"readings\.csv is empty"], {"readings_csv": ""}),
    "parquet_that_is_none": Refused(
        [r"readings\.parquet"],
        {"sabot_yaml": SABOT_YAML.replace("readings.csv", "readings.parquet"), "readings_parquet": "not Parquet"},
    ),
}


def broken_rows(scratch: Path, on_error: str) -> Path:
    """A project whose file has three rows that do not fit."""
    yaml = SABOT_YAML.replace("on_error: dead_letter", f"on_error: {on_error}")
    return write_project(scratch / "project", sabot_yaml=yaml, readings_csv=BROKEN_CSV)


def broken_csv_row_fails(sabot: Sabot, scratch: Path) -> None:
    """The run fails at the row; a server that goes on stays up and says it is degraded."""
    project = broken_rows(scratch, "fail")
    told = [r'stream "readings"', r"readings\.csv:3: ", '"many"', "on_error"]
    done = sabot.run_to_end(project, "--data-dir", str(scratch / "data"))
    ended_with(done.code, FAILED, done.stderr)
    says(done.stderr, *told)
    with sabot.serve(project) as server:
        server.wait_until_listening()
        server.wait_for("be degraded", lambda: server.get("/api/v1/status").body["status"] == "degraded")
        says(str(server.get("/api/v1/status").body) + server.stderr, *told)
        says(str(server.get("/health").status), "200")


def broken_csv_row_is_skipped(sabot: Sabot, scratch: Path) -> None:
    """Good rows go on; bad ones are counted."""
    project = broken_rows(scratch, "skip")
    _good_rows_go_on(sabot, project)
    with sabot.serve(project) as server:
        server.wait_until_finished()
        if server.get("/api/v1/status").body["errors_total"] != 0:
            raise CheckFailed("a run that read nothing counts errors")
        says(str(server.query("SELECT * FROM readings.dead").status), "422|404")


def broken_csv_row_is_a_dead_letter(sabot: Sabot, scratch: Path) -> None:
    """Good rows go on; bad ones are in a stream of their own, with line and reason."""
    project = broken_rows(scratch, "dead_letter")
    _good_rows_go_on(sabot, project)
    with sabot.serve(project) as server:
        server.wait_until_finished()
        dead = server.rows("SELECT source, line, error, raw FROM readings.dead ORDER BY line")
        if [row["line"] for row in dead] != [3, 4, 5]:
            raise CheckFailed(f"dead letters are {dead}")
        says(dead[0]["error"], "value", '"many"')
        says(dead[1]["error"], "4 fields", "3")
        says(dead[2]["error"], "measured", '"yesterday"')
        for row in dead:
            says(row["source"], r"readings\.csv$")
            says(row["raw"], "second|third,more|fourth")


def _good_rows_go_on(sabot: Sabot, project: Path) -> None:
    summary = sabot.process(project)
    if summary["copy"] != AgentRun(events_in=2, events_out=2, late=0, errors=0):
        raise CheckFailed(f"the summary tells {summary}")
    with sabot.serve(project) as server:
        server.wait_until_finished()
        values = [row["value"] for row in server.rows("SELECT value FROM copies ORDER BY value")]
        if values != [1, 5]:
            raise CheckFailed(f"copies holds {values}, not [1, 5]")


def bad_agents_leave_the_server_up(sabot: Sabot, scratch: Path) -> None:
    """Deploying what does not parse or plan is refused, and changes nothing."""
    with sabot.serve(write_project(scratch / "project")) as server:
        server.wait_until_finished()
        before = server.get("/api/v1/agents").body
        other = AGENT_YAML.replace("name: copy", "name: other").replace("copies", "others")
        for yaml, told in [
            ("name: [other\n", ["1:"]),
            (other.replace("kind: stream", "kind: streem"), ["streem", "stream"]),
            (other.replace("value", "valeu"), ["valeu", "value"]),
            (other.replace("FROM readings", "FROM raedings"), ["raedings", 'did you mean "readings"']),
            (other.replace("others", "copies"), ["copies"]),
        ]:
            answer = server.deploy(yaml)
            if answer.status not in (400, 409, 422):
                raise CheckFailed(f"deploying this answered {answer.status}: {answer.body}\n{yaml}")
            says(answer.error, *told)
        after = server.get("/api/v1/agents").body
        if [agent["name"] for agent in after] != [agent["name"] for agent in before]:
            raise CheckFailed(f"refused agents are there: {after}")
        file = scratch / "other.yaml"
        file.write_text(other.replace("value", "valeu"))
        done = sabot.command("--server", server.url, "agents", "deploy", "--file", file)
        ended_with(done.code, UNUSABLE, done.stderr)
        says(done.stderr, "valeu")
        ended_with(server.stop(), 0, server.stderr)


def bad_queries_leave_the_server_up(sabot: Sabot, scratch: Path) -> None:
    """What does not parse, plan or only reads is refused."""
    with sabot.serve(write_project(scratch / "project")) as server:
        server.wait_until_finished()
        for query, told in [
            ("SELEC 1", "SELEC"),
            ("SELECT valeu FROM readings", "valeu"),
            ("SELECT * FROM raedings", 'did you mean "readings"'),
            ("DROP TABLE readings", "DROP|DDL|read|not allowed|not supported"),
        ]:
            done = sabot.command("--server", server.url, "sql", query)
            ended_with(done.code, UNUSABLE, done.stderr)
            says(done.stderr, told)
        if server.row_count("readings") != 3:
            raise CheckFailed("readings changed")


def second_process_on_a_data_directory(sabot: Sabot, scratch: Path) -> None:
    """Is refused with the directory's name; the first goes on."""
    project = write_project(scratch / "project")
    with sabot.serve(project) as first:
        first.wait_until_finished()
        done = sabot.run_to_end(project)
        ended_with(done.code, FAILED, done.stderr)
        says(done.stderr, r"\.sabot", "another|in use|lock")
        if first.row_count("copies") != 3:
            raise CheckFailed("copies changed")
        ended_with(first.stop(), 0, first.stderr)


def api_port_taken(sabot: Sabot, scratch: Path) -> None:
    """Is refused with the port and the flag that changes it."""
    project = write_project(scratch / "project")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = sabot.command("up", project, "--port", str(port), "--exit-when-idle")
    ended_with(done.code, FAILED, done.stderr)
    says(done.stderr, str(port), "--port")


def no_server(sabot: Sabot, _: Path) -> None:
    """A client says how to start one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = sabot.command("--server", url, "status")
    ended_with(done.code, UNREACHABLE, done.stderr)
    says(done.stderr, re.escape(url), "sabot up")


def corrupt_segment_byte(sabot: Sabot, scratch: Path) -> None:
    """A changed byte of committed data is an error with file and offset, and never fewer or other rows."""
    project, data = write_project(scratch / "project"), scratch / "data"
    sabot.process(project, "--data-dir", str(data))
    of_stream = [path for path in _files(data) if "readings" in str(path.relative_to(data))]
    files = [path for path in of_stream if MARKER.encode() in path.read_bytes()]
    if not files:
        raise CheckFailed(f"no file of stream readings under the data directory holds the row: {_files(data)}")
    for path in files:
        raw = path.read_bytes()
        path.write_bytes(raw.replace(MARKER.encode(), MARKER.replace("row", "rot").encode()))
    told = [re.escape(files[0].name), r"(offset|byte|at) \d+", "CRC|checksum|corrupt"]
    with sabot.serve(project, "--data-dir", str(data)) as server:
        code = server.ended_within(5)
        if code is not None:
            ended_with(code, FAILED, server.stderr)
            says(server.stderr, *told)
            return
        server.wait_until_listening()
        answer = server.query("SELECT * FROM readings")
        if answer.status == 200:
            raise CheckFailed(f"a corrupt stream was read: {answer.body}")
        says(answer.error, *told)
        if server.row_count("copies") != 3 or server.get("/health").status != 200:
            raise CheckFailed("the server does not go on with what is whole")


def unknown_format_version(sabot: Sabot, scratch: Path) -> None:
    """A data directory of a later Sabot is left alone."""
    project, data = write_project(scratch / "project"), scratch / "data"
    sabot.process(project, "--data-dir", str(data))
    named = [path for path in _files(data) if path.parent == data and re.search("format|version", path.name, re.I)]
    if len(named) != 1:
        raise CheckFailed(f"the file with the format version is not to be told from {_files(data)}")
    [file] = named
    file.write_text(re.sub(r"\d+", "9999", file.read_text(), count=1))
    before = {path: path.read_bytes() for path in _files(data)}
    done = sabot.run_to_end(project, "--data-dir", str(data))
    ended_with(done.code, FAILED, done.stderr)
    says(done.stderr, "9999", re.escape(data.name))
    if {path: path.read_bytes() for path in before} != before:
        raise CheckFailed("a data directory of an unknown version was changed")


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


Case = Callable[[Sabot, Path], None]

CASES: dict[str, Case] = REFUSED | {
    case.__name__: case
    for case in [
        broken_csv_row_fails,
        broken_csv_row_is_skipped,
        broken_csv_row_is_a_dead_letter,
        bad_agents_leave_the_server_up,
        bad_queries_leave_the_server_up,
        second_process_on_a_data_directory,
        api_port_taken,
        no_server,
        corrupt_segment_byte,
        unknown_format_version,
    ]
}


def main() -> int:
    """Runs every case and tells all that fail; exit code 1 when one does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--only", choices=sorted(CASES), help="one case")
    arguments = parser.parse_args()
    sabot = Sabot(arguments.sabot)
    failed = 0
    for name, case in CASES.items():
        if arguments.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory(prefix="sabot-bad-") as scratch:
            try:
                case(sabot, Path(scratch))
                print(f"  {name}: ok", flush=True)
            except CheckFailed as failure:
                failed += 1
                print(f"  {name}: FAILED: {failure}", flush=True)
            except (AttributeError, KeyError, TypeError) as surprise:
                # An answer of another shape than docs/api.md gives it.
                failed += 1
                print(f"  {name}: FAILED: {type(surprise).__name__}: {surprise}", flush=True)
    print(f"{failed} failed" if failed else "all as promised", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
