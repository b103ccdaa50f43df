#!/usr/bin/env python3
"""Kills a run of examples/flights with SIGKILL again and again, and compares its results with an uninterrupted run.

The moments are random, from a printed seed: shares of the rows that are committed when the kill comes, so that a slow
machine is killed in the middle as well. Every fifth kill comes right after the start, so that recovery itself is
interrupted. After the last kill the run is finished, and every stream must equal the uninterrupted run's row for row:
same partition, same offset, same values. Only processes this script started are killed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from compare import same_rows
from flights import DERIVED, STREAMS, copy_example, table_of
from sabot import CheckFailed, Sabot, Server

# At one hour rows are late, so that flights.late is compared as well.
WATERMARK = "1h"
# Kills fall into this share of the rows, well before the end.
SHARE_OF_ROWS = 0.8
# A kill follows the rows it waits for by up to this time, which is a commit's interval: so it hits any part of a commit.
COMMIT_SECONDS = 0.1
# Longest wait for a kill that is to interrupt recovery.
RECOVERY_SECONDS = 0.3


@dataclass(frozen=True)
class Moment:
    """When to kill: so long after so many rows are committed or, without rows, after the process was started."""

    rows: int | None
    seconds: float


def moments(seed: int, kills: int, total: int) -> list[Moment]:
    """Random moments, in the order of the rows they wait for."""
    chance = random.Random(seed)
    points = sorted(chance.uniform(0, SHARE_OF_ROWS * total) for _ in range(kills))
    return [
        Moment(None, chance.uniform(0, RECOVERY_SECONDS))
        if number % 5 == 4
        else Moment(int(rows), chance.uniform(0, COMMIT_SECONDS))
        for number, rows in enumerate(points)
    ]


def run_uninterrupted(sabot: Sabot, project: Path, con) -> int:
    """Runs a project to its end and reads every stream; the source stream's rows."""
    sabot.process(project, "--speed", "max")
    return _read(sabot, project, con, "uninterrupted")


def run_with_kills(sabot: Sabot, project: Path, con, plan: list[Moment], replay_seconds: float) -> list[int]:
    """The same with kills; what was committed before each of them but those during recovery."""
    committed = []
    for number, moment in enumerate(plan, start=1):
        with sabot.serve(project, "--speed", f"{replay_seconds:g}s") as server:
            if moment.rows is not None:
                server.wait_until_ready()
                wanted = moment.rows
                server.wait_for(f"commit {wanted:,} rows", lambda: _committed(server) >= wanted, 2 * replay_seconds)
            time.sleep(moment.seconds)
            if not server.is_running():
                raise CheckFailed(f"the server ended by itself before kill {number}:\n{server.stderr}")
            if moment.rows is not None:
                committed.append(_committed(server))
            server.kill()
        told = "during recovery" if moment.rows is None else f"after {committed[-1]:,} committed rows"
        print(f"  kill {number} {told}", flush=True)
    sabot.process(project, "--speed", "max")
    _read(sabot, project, con, "killed")
    return committed


def _committed(server: Server) -> int:
    """Rows of the source stream that no kill may take back."""
    return server.get("/api/v1/streams/flights").body["latest"]


def _read(sabot: Sabot, project: Path, con, kind: str) -> int:
    with sabot.serve(project) as server:
        server.wait_until_finished()
        rows = {stream: server.load(con, stream, columns, table_of(kind, stream)) for stream, columns in STREAMS.items()}
        server.stop()
    return rows["flights"]


def _check_progress(committed: list[int], total: int) -> None:
    """The kills meant something: rows were committed and not lost, and the run was not over."""
    if any(after < before for before, after in zip(committed, committed[1:])):
        raise CheckFailed(f"committed rows were lost: {committed}")
    in_the_middle = [rows for rows in committed if 0 < rows < total]
    if len(in_the_middle) * 2 < len(committed):
        raise CheckFailed(f"of {total:,} rows these were committed at the kills: {committed}; kills must fall in between")


def check(sabot: Sabot, kills: int, seed: int, replay_seconds: float) -> None:
    """The whole comparison."""
    con = duckdb.connect()
    with tempfile.TemporaryDirectory(prefix="sabot-crash-") as scratch:
        total = run_uninterrupted(sabot, copy_example(Path(scratch) / "uninterrupted", WATERMARK), con)
        print(f"  uninterrupted: {total:,} rows", flush=True)
        plan = moments(seed, kills, total)
        killed = copy_example(Path(scratch) / "killed", WATERMARK)
        committed = run_with_kills(sabot, killed, con, plan, replay_seconds)
    _check_progress(committed, total)
    for stream in ["flights", *DERIVED]:
        columns = list(STREAMS[stream])
        tables = table_of("killed", stream), table_of("uninterrupted", stream)
        # First without the place, to tell a lost or doubled row from one that only moved.
        same_rows(con, f"{stream}, wherever a row stands", *tables, columns)
        same_rows(con, f"{stream}, by partition and offset", *tables, ["_partition", "_offset", *columns])
        print(f"  {stream}: equal", flush=True)


def main() -> int:
    """Exit code 1 when a row differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--speed-seconds", type=float, default=30, help="how long the replay would take undisturbed")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"flights with {arguments.kills} kills, seed {seed}", flush=True)
    try:
        check(Sabot(arguments.sabot), arguments.kills, seed, arguments.speed_seconds)
    except CheckFailed as failure:
        print(f"FAILED (--seed {seed}): {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
