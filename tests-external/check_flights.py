#!/usr/bin/env python3
"""Runs examples/flights and compares every stream, row for row, with DuckDB on the same files.

Twice: with the example's watermark of 24 hours, at which nothing is late, and with 1 hour, at which the rule for late
rows decides what is in which window.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from compare import same_numbers, same_rows
from flights import DELAYS, STREAMS, copy_example, create_expected, table_of
from sabot import CheckFailed, Sabot, Server

WATERMARK_HOURS = [24, 1]


def check(sabot: Sabot, watermark_hours: int) -> None:
    """One run with one watermark."""
    con = duckdb.connect()
    expected = create_expected(con, watermark_hours)
    with tempfile.TemporaryDirectory(prefix="sabot-flights-") as scratch:
        project = copy_example(Path(scratch) / "flights", f"{watermark_hours}h")
        started = time.monotonic()
        summary = sabot.process(project, "--speed", "max")
        print(f"  processed in {time.monotonic() - started:.1f} s", flush=True)
        _check_summary(summary, expected)
        with sabot.serve(project) as server:
            server.wait_until_finished()
            _check_command_line(sabot, server, expected)
            for stream in STREAMS:
                _check_stream(con, server, stream, expected)
            code = server.stop()
            if code != 0:
                raise CheckFailed(f"a stopped server ended with {code}:\n{server.stderr}")


def _check_summary(summary: dict, expected: dict[str, int]) -> None:
    outputs = {"hourly-delays": "delays", "enriched": "flights_enriched", "very-late": "very_late"}
    for agent, stream in outputs.items():
        if agent not in summary:
            raise CheckFailed(f"the summary has no line for {agent}, only {sorted(summary)}")
        late = expected["flights.late"] if agent == "hourly-delays" else summary[agent].late
        wanted = (expected["flights"], expected[stream], late, 0)
        line = summary[agent]
        told = (line.events_in, line.events_out, line.late, line.errors)
        if told != wanted:
            raise CheckFailed(f"the summary of {agent} tells {told} (in, out, late, errors), not {wanted}")


def _check_command_line(sabot: Sabot, server: Server, expected: dict[str, int]) -> None:
    done = sabot.command("--server", server.url, "sql", "SELECT count(*) AS rows FROM delays", "--format", "json")
    if done.code != 0 or json.loads(done.stdout) != [{"rows": expected["delays"]}]:
        raise CheckFailed(f"sabot sql ended with {done.code}: {done.stdout}{done.stderr}")


def _check_stream(con, server: Server, stream: str, expected: dict[str, int]) -> None:
    columns = STREAMS[stream]
    actual, wanted = table_of("actual", stream), table_of("expected", stream)
    rows = server.load(con, stream, columns, actual)
    if stream == "flights":
        # Partition and offset follow from a row's position alone.
        same_rows(con, stream, actual, wanted, ["_partition", "_offset", *columns])
    else:
        exact = [name for name, kind in columns.items() if kind != "DOUBLE"]
        same_rows(con, stream, actual, wanted, exact)
    if stream == "delays":
        for name in (name for name, kind in DELAYS.items() if kind == "DOUBLE"):
            same_numbers(con, stream, actual, wanted, ["window_start", "origin", "carrier"], name)
    if rows != expected[stream]:
        raise CheckFailed(f"{stream}: {rows:,} rows, not {expected[stream]:,}")
    print(f"  {stream}: {rows:,} rows equal", flush=True)


def main() -> int:
    """Exit code 1 when a row differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--sabot", help="the binary")
    what.add_argument("--expected-only", action="store_true", help="print DuckDB's row counts and run nothing")
    arguments = parser.parse_args()
    for hours in WATERMARK_HOURS:
        print(f"flights, watermark {hours}h", flush=True)
        if arguments.expected_only:
            print(json.dumps(create_expected(duckdb.connect(), hours), indent=2))
            continue
        try:
            check(Sabot(arguments.sabot), hours)
        except CheckFailed as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
