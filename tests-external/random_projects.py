#!/usr/bin/env python3
"""Runs random projects and compares all they write, row for row, with DuckDB on the same rows.

A project is a stream of events out of order, two tables filled from files, and agents that filter, join, aggregate in
windows, read each other's stream and table, and write streams, files and a table. A seed decides on formats, values,
partitions, expressions and outputs. Every project runs twice: with one instance of each agent, and with two or four.
The second run of every third seed is killed with SIGKILL once rows are committed, and started again. Which rows are late
is decided by a model in Python, from the rule alone. Only processes this script started are killed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from compare import same_rows
from sabot import CheckFailed, Sabot, Server

KILLED_EVERY = 3
# How long a run that is to be killed would take, so that the kill falls into its middle.
REPLAY = "2s"
ROWS_PER_RUN = 1_024
EVENT_ROWS = 4_000
# Takes several commits to fill: an agent that joins it too early misses rows.
ITEM_ROWS = 22_000
PLACE_ROWS = 40
# Nothing is so late.
LONG_WATERMARK = "9000h"

POSITION = {"_partition": "BIGINT", "_offset": "BIGINT"}
EVENTS = {
    **{"id": "BIGINT", "moment": "TIMESTAMP", "item": "VARCHAR", "place": "VARCHAR", "kind": "BIGINT"},
    **{"quantity": "BIGINT", "amount": "DOUBLE", "ok": "BOOLEAN", "note": "VARCHAR"},
}
ITEMS = {"item": "VARCHAR", "title": "VARCHAR", "price": "DOUBLE"}
PLACES = {"place": "VARCHAR", "kind": "BIGINT", "owner": "VARCHAR", "opened": "TIMESTAMP"}
DEAD = {"line": "BIGINT", "raw": "VARCHAR"}
IN_SCHEMA = {"BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "boolean", "VARCHAR": "text", "TIMESTAMP": "timestamp"}

NAMES = ["tea", "Cup", "a,b", 'q"uote', "日本"]
WORDS = [*NAMES, "", "it's", "two\nlines", " padded ", "Ünï", "😀", "null", "true", "007", "-"]
NOT_FINITE = [math.nan, math.inf, -math.inf]
BROKEN = {
    ".csv": [
        "1,2024-01-01T00:00:00Z,too few",
        "2,2024-01-01T00:00:00Z,tea,here,1,2,0.5,true,note,too many",
        "3,2024-01-01T00:00:00Z,tea,here,1,many,0.5,true,note",
        "4,yesterday,tea,here,1,2,0.5,true,note",
        '5,2024-01-01T00:00:00Z,"tea"s,here,1,2,0.5,true,note',
        "6,,tea,here,1,2,0.5,true,no instant",
    ],
    ".jsonl": ["[1]", "nonsense", '{"id": 3, "moment": "yesterday"}', '{"id": "four", "moment": "2024-01-01"}', '{"id": 5}'],
}

# For these DuckDB and DataFusion agree. Amounts are halves, so that their sums are exact in any order. A cast is never
# all there is, because DataFusion takes max(a) and max(CAST(a AS DOUBLE)) for one column.
LITERALS = {
    "BIGINT": ["0", "7", "(-3)"],
    "DOUBLE": ["CAST(2.5 AS DOUBLE)"],
    "VARCHAR": ["'tea'", "'it''s'", "'日本'"],
    "BOOLEAN": ["true", "false"],
    "TIMESTAMP": ["TIMESTAMP '2024-01-02 00:00:00'"],
}
KINDS = list(LITERALS)
EXPRESSIONS = {
    "BIGINT": [
        *("(<BIGINT> + <BIGINT>)", "(<BIGINT> - 5)", "(<BIGINT> * 3)", "(<BIGINT> / nullif(<BIGINT>, 0))", "(<BIGINT> % 7)"),
        *("abs(<BIGINT>)", "character_length(<VARCHAR>)", "(1 + TRY_CAST(note AS BIGINT))"),
        "(1 + CAST(date_part('hour', <TIMESTAMP>) AS BIGINT))",
    ],
    "DOUBLE": ["(<DOUBLE> + 0.5)", "(<DOUBLE> * 2)", "floor(<DOUBLE>)", "abs(<DOUBLE>)", "(CAST(<BIGINT> AS DOUBLE) - 1.5)"],
    "VARCHAR": [
        *("(<VARCHAR> || <VARCHAR>)", "concat(<VARCHAR>, <VARCHAR>)", "upper(<VARCHAR>)", "lower(<VARCHAR>)"),
        *("substr(<VARCHAR>, 2, 3)", "left(<VARCHAR>, 2)", "replace(<VARCHAR>, 'e', 'Ω')", "split_part(<VARCHAR>, ',', 1)"),
        *("concat('n', CAST(<BIGINT> AS VARCHAR))", "concat('is ', CAST(<BOOLEAN> AS VARCHAR))"),
    ],
    "BOOLEAN": [
        *(f"(<{kind}> {sign} <{kind}>)" for kind in KINDS for sign in ("=", "<>", "<", ">=")),
        *("(<BOOLEAN> AND <BOOLEAN>)", "(<BOOLEAN> OR <BOOLEAN>)", "(NOT <BOOLEAN>)", "(<DOUBLE> IS NULL)"),
        *("(<VARCHAR> LIKE '%e%')", "(<VARCHAR> IN ('tea', '', 'a,b'))", "(<BIGINT> BETWEEN 1 AND <BIGINT>)"),
    ],
    "TIMESTAMP": ["date_trunc('hour', <TIMESTAMP>)", "date_trunc('month', <TIMESTAMP>)", "(<TIMESTAMP> + INTERVAL '90 seconds')"],
}
OF_ANY_KIND = [
    *("coalesce(<SAME>, <SAME>)", "nullif(<SAME>, <SAME>)", "CASE WHEN <BOOLEAN> THEN <SAME> ELSE <SAME> END"),
    "CASE WHEN <BOOLEAN> THEN <SAME> WHEN <BOOLEAN> THEN <SAME> END",
]
AGGREGATES = {
    "counted": ("BIGINT", ["count(*)", "count(<DOUBLE>)", "count(*) FILTER (WHERE <BOOLEAN>)"]),
    "distinct_values": ("BIGINT", ["count(DISTINCT <VARCHAR>)", "count(DISTINCT <BIGINT>)"]),
    "added": ("BIGINT", ["sum(<BIGINT>)", "sum(CASE WHEN <BOOLEAN> THEN 1 ELSE 0 END)"]),
    "total": ("DOUBLE", ["sum(<DOUBLE>)", "sum(<DOUBLE>) FILTER (WHERE <BOOLEAN>)"]),
    "lowest": ("DOUBLE", ["min(<DOUBLE>)"]),
    "highest": ("DOUBLE", ["max(<DOUBLE>)"]),
    "most": ("BIGINT", ["max(<BIGINT>)"]),
    "first_text": ("VARCHAR", ["min(<VARCHAR>)"]),
    "newest": ("TIMESTAMP", ["max(<TIMESTAMP>)"]),
}


class Sql:
    """Random expressions over columns."""

    def __init__(self, chance: random.Random, columns: dict[str, str]):
        self.chance = chance
        self.columns = columns

    def expression(self, kind: str, depth: int = 2) -> str:
        """One of a type."""
        if depth == 0 or self.chance.random() < 0.2:
            names = [name for name, its in self.columns.items() if its == kind]
            return self.chance.choice(3 * names + LITERALS[kind])
        templates = OF_ANY_KIND if self.chance.random() < 0.4 else EXPRESSIONS[kind]
        return self.filled(self.chance.choice(templates), kind, depth - 1)

    def filled(self, template: str, same: str = "", depth: int = 1) -> str:
        """A template with expressions in it."""
        return re.sub(r"<(\w+)>", lambda found: self.expression(same if found[1] == "SAME" else found[1], depth), template)

    def computed(self, *names: str) -> tuple[str, dict[str, str]]:
        """Items of a SELECT list under these names, and their types."""
        kinds = {name: self.chance.choice(KINDS) for name in names}
        return ", ".join(f"{self.expression(kind, 3)} AS {name}" for name, kind in kinds.items()), kinds

    def where(self) -> str:
        """A filter that a third of the rows passes at least; or none."""
        return self.chance.choice(["", f" WHERE {self.expression('BOOLEAN')} OR id % 3 = 0"])


@dataclass(frozen=True)
class Windows:
    """Aggregates in windows, in the spelling of either engine."""

    query: str
    where: str
    columns: dict[str, str]
    size: str
    offset: str

    def in_sabot(self, stream: str) -> str:
        """Over a stream."""
        return self.query.replace("WINDOWS", f"TUMBLE({stream}, moment, INTERVAL '{self.size}', INTERVAL '{self.offset}')")

    def in_duckdb(self, rows: str) -> str:
        """Over a table or subquery."""
        start = f"time_bucket(INTERVAL '{self.size}', moment, TIMESTAMP '1970-01-01' + INTERVAL '{self.offset}')"
        return self.query.replace("WINDOWS", f"(SELECT *, {start} AS window_start FROM {rows})")


def random_windows(chance: random.Random, columns: dict[str, str], groups: list[str], joins: str, size: str = "") -> Windows:
    """Every aggregate once, for each combination of these columns, which are called g0, g1 and so on."""
    sql = Sql(chance, columns)
    where = sql.where()
    items = [f"{group} AS g{number}" for number, group in enumerate(groups)]
    items += [f"{sql.filled(chance.choice(templates))} AS {name}" for name, (_, templates) in AGGREGATES.items()]
    grouped = ", ".join(["e.window_start", *groups])
    query = f"SELECT e.window_start, {', '.join(items)} FROM WINDOWS e{joins}{where} GROUP BY {grouped}"
    kinds = {f"g{number}": columns[group] for number, group in enumerate(groups)}
    kinds |= {name: kind for name, (kind, _) in AGGREGATES.items()}
    offset = "0 hours" if size else chance.choice(["0 hours", "3 hours"])
    size = size or chance.choice(["10 minutes", "1 hour", "7 hours", "1 day"])
    return Windows(query, where, {"window_start": "TIMESTAMP", **kinds}, size, offset)


@dataclass(frozen=True)
class Result:
    """What Sabot has to write: the rows of the DuckDB table of this name."""

    name: str
    columns: dict[str, str]
    output: dict


class Project:
    """The project of a seed, and what it has to give."""

    def __init__(self, seed: int, directory: Path):
        self.chance = random.Random(seed)
        self.directory = directory
        self.con = duckdb.connect()
        self.con.execute("SET integer_division = true; SET TimeZone = 'UTC'")
        self.settings = {"performance": {"commit_interval": self.chance.choice(["5ms", "100ms"])}, "streams": [], "tables": []}
        self.agents: list[dict] = []
        self.results: list[Result] = []
        for name in ("data", "agents", "out"):
            (directory / name).mkdir(parents=True)
        self.events = self._add_events()
        self._add_table("items", ITEMS, 1, random_items(self.chance))
        self._add_table("places", PLACES, 2, random_places(self.chance))
        chosen = self._add_selection("chosen", "events", self.events, {"stream": "chosen"})
        self._add_selection("chosen_again", "chosen", chosen)
        self._add_join("joined")
        self._add_windows("in_windows", "events", self.events)
        self._add_windows("chosen_in_windows", "chosen", chosen)
        self._add_windows_with_late_rows("timely")
        self._add_table_and_join("totals", "with_totals")

    def configure(self, counts: list[int]) -> None:
        """Writes the settings and the agents, each with one of these counts of instances."""
        (self.directory / "sabot.yaml").write_text(json.dumps(self.settings, indent=2))
        for agent in self.agents:
            text = json.dumps(agent | {"count": self.chance.choice(counts)}, indent=2, ensure_ascii=False)
            (self.directory / "agents" / f"{agent['name']}.yaml").write_text(text)

    def check(self, server: Server, run_name: str) -> int:
        """Compares what is there with what has to be; the rows."""
        rows = 0
        for result in self.results:
            actual, file = f"actual_{result.name}", result.output.get("file", "")
            if file:
                load_file(self.con, self.directory / file, result.columns, actual)
            else:
                server.load(self.con, result.output["stream"], result.columns, actual)
            doubles = [] if file.endswith(".parquet") else [name for name, kind in result.columns.items() if kind == "DOUBLE"]
            in_json = [f"if(isfinite({name}), {name}, NULL) AS {name}" if name in doubles else name for name in result.columns]
            expected = f"(SELECT {', '.join(in_json)} FROM {result.name})"
            same_rows(self.con, f"{result.name}, {run_name}", actual, expected, list(result.columns))
            rows += self.con.execute(f"SELECT count(*) FROM {actual}").fetchall()[0][0]
        return rows

    def _source(self, name: str, columns: dict[str, str], rows: list[tuple]) -> tuple[dict, list[tuple], list[tuple]]:
        """Writes a file of any format; what a stream or table says of it, the rows in it, and the lines that do not fit."""
        path = self.directory / "data" / f"{name}.{self.chance.choice(['csv', 'jsonl', 'parquet'])}"
        if path.suffix == ".csv":
            rows = [tuple(None if value == "" else value for value in row) for row in rows]
        if path.suffix != ".parquet":
            rows = [tuple(None if value in NOT_FINITE else value for value in row) for row in rows]
        schema = {column: IN_SCHEMA[kind] for column, kind in columns.items()}
        broken = BROKEN.get(path.suffix, []) if name == "events" else []
        dead = write_file(self.con, self.chance, path, columns, rows, broken)
        return {"name": name, "schema": schema, "source": {"file": f"data/{path.name}"}}, rows, dead

    def _add_events(self) -> dict[str, str]:
        """The stream; its columns."""
        stream, rows, dead = self._source("events", EVENTS, random_events(self.chance))
        derived, kinds = Sql(self.chance, EVENTS).computed("derived")
        stream["source"]["derive"] = {"derived": derived.removesuffix(" AS derived")}
        partitions = self.chance.randint(1, 3)
        self.settings["streams"].append(stream | {"event_time": "moment", "partitions": partitions})
        runs = [divmod(number, ROWS_PER_RUN) for number in range(len(rows))]
        positions = [(run % partitions, run // partitions * ROWS_PER_RUN + in_run) for run, in_run in runs]
        behind = behind_newest([partition for partition, _ in positions], [row[1] for row in rows])
        columns = {**POSITION, "behind": "INTERVAL", **EVENTS}
        fill(self.con, "read_events", columns, [(*position, late, *row) for position, late, row in zip(positions, behind, rows)])
        self._expect(Result("events", columns | kinds, {"stream": "events"}), f"SELECT *, {derived} FROM read_events")
        self.results[-1] = Result("events", POSITION | EVENTS | kinds, {"stream": "events"})
        if dead:
            fill(self.con, "events_dead", DEAD, dead)
            self.results.append(Result("events_dead", DEAD, {"stream": "events.dead"}))
        return EVENTS | kinds

    def _add_table(self, name: str, columns: dict[str, str], keys: int, rows: list[tuple]) -> None:
        table, rows, _ = self._source(name, columns, rows)
        fill(self.con, name, columns, list({row[:keys]: row for row in rows}.values()))
        backend = self.chance.choice(["memory", "embedded"])
        self.settings["tables"].append(table | {"key": list(columns)[:keys], "backend": backend})

    def _add(self, name: str, sql: str, columns: dict[str, str], output: dict | None = None, query: str = "", **more) -> None:
        """An agent that has to write the rows of a DuckDB query, by default the same as its own."""
        output = output or self.chance.choice([{"stream": name}, {"file": f"out/{name}.jsonl"}, {"file": f"out/{name}.parquet"}])
        self.agents.append({"name": name, "kind": "stream", "sql": sql, "output": output, **more})
        self._expect(Result(name, columns, output), query or sql)

    def _expect(self, result: Result, query: str) -> None:
        typed = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in result.columns.items())
        self.con.execute(f"CREATE TABLE {result.name} AS SELECT {typed} FROM ({query})")
        # What is in a table is seen in the agent that joins it.
        if "table" not in result.output:
            self.results.append(result)

    def _event_columns(self, columns: dict[str, str]) -> dict[str, str]:
        return {f"e.{column}": kind for column, kind in columns.items()}

    def _add_selection(self, name: str, stream: str, columns: dict[str, str], output: dict | None = None) -> dict[str, str]:
        """An agent that filters and computes; the columns that come out."""
        sql = Sql(self.chance, columns)
        items, kinds = sql.computed(*(f"{name}_{number}" for number in range(4)))
        kept = {column: columns[column] for column in ("id", "moment", "item", "place", "note")}
        self._add(name, f"SELECT {', '.join(kept)}, {items} FROM {stream}{sql.where()}", kept | kinds, output)
        return kept | kinds

    def _random_join(self, table: str, condition: str) -> str:
        return f" {self.chance.choice(['JOIN', 'LEFT JOIN'])} {table} ON {condition}"

    def _join_items(self) -> tuple[str, dict[str, str]]:
        return self._random_join("items i", "e.item = i.item"), {"i.title": "VARCHAR", "i.price": "DOUBLE"}

    def _add_join(self, name: str) -> None:
        """An agent that looks up in the large table, and at random in the small one."""
        joins, found = self._join_items()
        if self.chance.random() < 0.5:
            more = self.chance.choice(["", " AND e.quantity > 3"])
            joins += self._random_join("places p", f"e.place = p.place AND e.kind = p.kind{more}")
            found |= {"p.owner": "VARCHAR", "p.opened": "TIMESTAMP"}
        sql = Sql(self.chance, self._event_columns(self.events) | found)
        items, kinds = sql.computed("a", "b", "c")
        kept = {"id": "BIGINT", **{column[2:]: kind for column, kind in found.items()}}
        self._add(name, f"SELECT {', '.join(kept)}, {items} FROM events e{joins}{sql.where()}", kept | kinds)

    def _add_windows(self, name: str, stream: str, columns: dict[str, str]) -> None:
        """An agent with aggregates that nothing is late for, at random behind a join."""
        columns, joins = self._event_columns(columns), ""
        if self.chance.random() < 0.5:
            joins, found = self._join_items()
            columns |= found
        keys = [column for column, kind in columns.items() if kind in ("VARCHAR", "BOOLEAN")]
        windows = random_windows(self.chance, columns, self.chance.sample(keys, self.chance.randint(0, 2)), joins)
        query = windows.in_duckdb(stream)
        self._add(name, windows.in_sabot(stream), windows.columns, None, query, watermark=LONG_WATERMARK)

    def _add_windows_with_late_rows(self, name: str) -> None:
        """An agent with a watermark that rows are behind; at random some of them are still added."""
        groups = self.chance.choice([["e.place"], ["e.kind", "e.ok"]])
        windows = random_windows(self.chance, self._event_columns(self.events), groups, "")
        watermark, allowed = self.chance.choice([0, 10, 60]), self.chance.choice([0, 30, 90])
        too_late, late = f"INTERVAL '{watermark + allowed} minutes'", f"INTERVAL '{watermark} minutes'"
        fired = windows.in_duckdb(f"(FROM events WHERE behind <= {late})")
        corrected = f"{windows.in_duckdb(f'(FROM events WHERE behind <= {too_late})')} HAVING bool_or(e.behind > {late})"
        output = {"stream": name, "partitions": self.chance.randint(1, 3)}
        settings = {"watermark": f"{watermark}m", "late": {"allowed": f"{allowed}m", "to": f"{name}.late"}}
        self._add(name, windows.in_sabot("events"), windows.columns, output, f"{fired} UNION ALL {corrected}", **settings)
        left_over = f"FROM (SELECT e.* FROM events e{windows.where}) WHERE behind > {too_late}"
        self._expect(Result(f"{name}_late", self.events, {"stream": f"{name}.late"}), left_over)

    def _add_table_and_join(self, table: str, name: str) -> None:
        """An agent that fills a table, and one that joins it."""
        windows = random_windows(self.chance, self._event_columns(self.events), ["e.place"], "", "1 hour")
        output = {"table": table, "key": ["window_start", "g0"], "backend": self.chance.choice(["memory", "embedded"])}
        query = windows.in_duckdb("events")
        self._add(table, windows.in_sabot("events"), windows.columns, output, query, watermark=LONG_WATERMARK)
        join = self._random_join(f"{table} t", "t.window_start = date_trunc('hour', e.moment) AND t.g0 = e.place")
        columns = {"id": "BIGINT", **windows.columns}
        self._add(name, f"SELECT {', '.join(columns)} FROM events e{join}", columns)


def random_events(chance: random.Random) -> list[tuple]:
    """Events whose instants go on and jump back, some of them twice."""
    now, rows = datetime(2024, 1, 1), []
    for number in range(EVENT_ROWS):
        now += timedelta(seconds=chance.randrange(240) / 2)
        hours_back = chance.random() ** 3 * 4 if chance.random() < 0.4 else 0
        values = [
            f"item-{chance.randrange(ITEM_ROWS)}",
            chance.choice([*NAMES, ""]),
            chance.randrange(4),
            chance.randrange(-1_000, 1_000),
            chance.randrange(-999, 999) / 2 if chance.random() < 0.9 else chance.choice(NOT_FINITE),
            chance.random() < 0.5,
            chance.choice(WORDS),
        ]
        nullable = (value if chance.random() < 0.9 else None for value in values)
        row = (number, now - timedelta(seconds=round(hours_back * 3_600)), *nullable)
        rows.append(chance.choice(rows) if rows and chance.random() < 0.03 else row)
    return rows


def random_items(chance: random.Random) -> list[tuple]:
    """Rows of the large table, many of them replaced by later ones."""
    keys = [f"item-{chance.randrange(ITEM_ROWS)}" for _ in range(ITEM_ROWS)]
    return [(key, chance.choice(WORDS), chance.choice([None, number / 2])) for number, key in enumerate(keys)]


def random_places(chance: random.Random) -> list[tuple]:
    """Rows of the small table, whose key are two columns."""
    opened = [datetime(2020, 1, 1) + timedelta(days=number) for number in range(PLACE_ROWS)]
    return [(chance.choice(NAMES), chance.randrange(4), chance.choice([None, *WORDS]), day) for day in opened]


def behind_newest(partitions: list[int], moments: list[datetime]) -> list[timedelta]:
    """How far each row is behind the newest one of its partition so far, itself included."""
    newest: dict[int, datetime] = {}
    behind = []
    for partition, moment in zip(partitions, moments):
        newest[partition] = max(moment, newest.get(partition, moment))
        behind.append(newest[partition] - moment)
    return behind


def fill(con, table: str, columns: dict[str, str], rows: list[tuple]) -> None:
    """Makes a DuckDB table of rows."""
    con.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    con.execute(f"INSERT INTO {table} SELECT {', '.join(['unnest(?)'] * len(columns))}", [list(values) for values in zip(*rows)])


def write_file(
    con, chance: random.Random, path: Path, columns: dict[str, str], rows: list[tuple], broken: list[str]
) -> list[tuple]:
    """Writes rows, and broken lines in between; the numbers and texts of those."""
    if path.suffix == ".parquet":
        fill(con, "written", columns, rows)
        con.execute(f"COPY written TO '{path}'")
        return []
    records = [_csv(row) if path.suffix == ".csv" else _json(chance, columns, row) for row in rows]
    for text in broken:
        records.insert(chance.randint(0, len(records)), text)
    if path.suffix == ".csv":
        records.insert(0, ",".join(columns))
    path.write_text("".join(f"{record}\n" for record in records))
    dead, line = [], 1
    for record in records:
        if record in broken:
            dead.append((line, record))
        line += record.count("\n") + 1
    return dead


def _csv(row: tuple) -> str:
    text = io.StringIO()
    values = [str(value).lower() if isinstance(value, bool) else _plain(value) for value in row]
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().removesuffix("\n")


def _json(chance: random.Random, columns: dict[str, str], row: tuple) -> str:
    """An object, some of whose nulls are left out."""
    members = {name: value for name, value in zip(columns, row) if value is not None or chance.random() < 0.5}
    return json.dumps(members, ensure_ascii=chance.random() < 0.5, default=_plain)


def _plain(value: object) -> object:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def load_file(con, path: Path, columns: dict[str, str], table: str) -> None:
    """Copies an agent's file into a DuckDB table of these column types."""
    if not path.exists():
        raise CheckFailed(f"{path} was not written")
    source = f"read_parquet('{path}')"
    if path.suffix == ".jsonl":
        read_as = {name: "VARCHAR" if kind == "TIMESTAMP" else kind for name, kind in columns.items()}
        source = f"read_json('{path}', format = 'newline_delimited', columns = {read_as})"
    typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {typed} FROM {source}")


def run(sabot: Sabot, project: Project, name: str, killed_after: int) -> int:
    """Runs a project from its beginning to its end, with a kill after so many committed events if any; the rows compared."""
    flags = ["--fresh"]
    if killed_after:
        with sabot.serve(project.directory, *flags, "--speed", REPLAY) as server:
            server.wait_until_ready()
            events = "/api/v1/streams/events"
            server.wait_for(f"commit {killed_after} events", lambda: server.get(events).body["latest"] >= killed_after)
            server.kill()
        flags = []
    sabot.process(project.directory, "--speed", "max", *flags)
    with sabot.serve(project.directory) as server:
        server.wait_until_finished()
        rows = project.check(server, name)
        server.stop()
    return rows


def check(sabot: Sabot, seed: int, directory: Path) -> None:
    """Both runs of a seed."""
    started = time.monotonic()
    project = Project(seed, directory)
    killed_after = project.chance.randrange(1, EVENT_ROWS * 3 // 4) if seed % KILLED_EVERY == 0 else 0
    told = f", killed after {killed_after:,} events" if killed_after else ""
    project.configure([1])
    run(sabot, project, "one instance each", 0)
    project.configure([2, 4])
    rows = run(sabot, project, f"two or four instances each{told}", killed_after)
    print(f"  seed {seed}: {rows:,} rows equal{told}, {time.monotonic() - started:.1f} s", flush=True)


def main() -> int:
    """Exit code 1 when a row differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--seeds", type=int, default=8, help="how many projects")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new directory to leave the projects in")
    arguments = parser.parse_args()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        with tempfile.TemporaryDirectory(prefix="sabot-random-") as scratch:
            try:
                check(Sabot(arguments.sabot), seed, (arguments.keep or Path(scratch)) / f"seed-{seed}")
            except CheckFailed as failure:
                print(f"FAILED (--first-seed {seed} --seeds 1): {failure}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
