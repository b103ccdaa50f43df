"""What examples/flights has to give, computed by DuckDB from the same files, independently of Sabot.

The rules: rows are replayed in order of `actual_departure`, ties in file order, and go to partitions in runs of 1,024.
A row is late iff its event time is behind its own partition's newest event time so far, itself included, less the
watermark. Late rows are kept out of the windows; nothing else is.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sabot import CheckFailed

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "flights"
ROWS_PER_RUN = 1_024
PARTITIONS = 4

SCHEDULE = ["year", "month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time"]
MEASURED = ["dep_time", "dep_delay", "arr_time", "arr_delay", "flight", "air_time", "distance"]
FLIGHTS = {
    **dict.fromkeys(SCHEDULE + MEASURED, "BIGINT"),
    **dict.fromkeys(["carrier", "tailnum", "origin", "dest"], "VARCHAR"),
    **dict.fromkeys(["time_hour", "actual_departure"], "TIMESTAMP"),
}
DELAYS = {
    "window_start": "TIMESTAMP",
    "origin": "VARCHAR",
    "carrier": "VARCHAR",
    "flights": "BIGINT",
    "mean_delay": "DOUBLE",
    "max_delay": "BIGINT",
    "delayed": "BIGINT",
}
VERY_LATE = {
    "time_hour": "TIMESTAMP",
    "actual_departure": "TIMESTAMP",
    "origin": "VARCHAR",
    "dest": "VARCHAR",
    "carrier": "VARCHAR",
    "flight": "BIGINT",
    "tailnum": "VARCHAR",
    "dep_delay": "BIGINT",
}
ENRICHED = VERY_LATE | {"airline": "VARCHAR", "manufacturer": "VARCHAR", "model": "VARCHAR", "plane_year": "BIGINT"}

# Each stream of the example, with the columns that are compared.
STREAMS = {
    "flights": FLIGHTS,
    "flights.late": FLIGHTS,
    "delays": DELAYS,
    "flights_enriched": ENRICHED,
    "very_late": VERY_LATE,
}
DERIVED = [name for name in STREAMS if name != "flights"]


def table_of(kind: str, stream: str) -> str:
    """The DuckDB table that holds a stream's rows of one kind, such as `expected`."""
    return f"{kind}_{stream.replace('.', '_')}"


def copy_example(to: Path, watermark: str) -> Path:
    """A project of its own, with the watermark of hourly-delays set."""
    shutil.copytree(EXAMPLE, to, ignore=shutil.ignore_patterns(".sabot"))
    agent = to / "agents" / "hourly-delays.yaml"
    text = agent.read_text()
    if text.count("\nwatermark: 24h\n") != 1:
        raise CheckFailed(f"{agent} does not set `watermark: 24h`; this check would test nothing")
    agent.write_text(text.replace("\nwatermark: 24h\n", f"\nwatermark: {watermark}\n"))
    return to


def set_telemetry(project: Path, yaml: str) -> None:
    """Puts these settings where the project's one line about telemetry was."""
    settings = project / "sabot.yaml"
    text, replaced = re.subn(r"(?m)^telemetry: .*$", lambda _: yaml.strip(), settings.read_text())
    if replaced != 1:
        raise CheckFailed(f"{settings} has {replaced} lines that begin with telemetry:, not one")
    settings.write_text(text)


def create_expected(con, watermark_hours: int) -> dict[str, int]:
    """Creates `expected_STREAM` for every stream; the rows of each."""
    _create_replayed(con)
    con.execute(f"""
        CREATE OR REPLACE TABLE judged AS
        SELECT *, time_hour < newest - INTERVAL {watermark_hours} HOUR AS late
        FROM (SELECT *, max(time_hour) OVER so_far AS newest FROM expected_flights
              WINDOW so_far AS (PARTITION BY _partition ORDER BY _offset ROWS UNBOUNDED PRECEDING))
    """)
    con.execute("CREATE OR REPLACE TABLE expected_flights_late AS SELECT * EXCLUDE (newest, late) FROM judged WHERE late")
    con.execute("""
        CREATE OR REPLACE TABLE expected_delays AS
        SELECT time_bucket(INTERVAL 1 HOUR, time_hour) AS window_start, origin, carrier, count(*) AS flights,
               avg(dep_delay) AS mean_delay, max(dep_delay) AS max_delay,
               sum(CASE WHEN dep_delay > 15 THEN 1 ELSE 0 END)::BIGINT AS delayed
        FROM judged WHERE NOT late GROUP BY ALL
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE expected_flights_enriched AS
        SELECT f.*, a.name AS airline, p.manufacturer, p.model, p.year AS plane_year
        FROM (SELECT {', '.join(VERY_LATE)} FROM expected_flights) f
        LEFT JOIN read_csv('{EXAMPLE}/data/airlines.csv') a ON f.carrier = a.carrier
        LEFT JOIN read_csv('{EXAMPLE}/data/planes.csv') p ON f.tailnum = p.tailnum
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE expected_very_late AS
        SELECT {', '.join(VERY_LATE)} FROM expected_flights WHERE dep_delay >= 180
    """)
    return {stream: _count(con, table_of("expected", stream)) for stream in STREAMS}


def _count(con, table: str) -> int:
    return con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]


def _create_replayed(con) -> None:
    con.execute(f"""
        CREATE OR REPLACE TABLE expected_flights AS
        WITH typed AS (
            SELECT * REPLACE (CAST(time_hour AS TIMESTAMP) AS time_hour)
            FROM read_parquet('{EXAMPLE}/data/flights.parquet', file_row_number = true)
        ), departed AS (
            SELECT *, time_hour + to_minutes(minute + coalesce(dep_delay, 0)) AS actual_departure FROM typed
        ), replayed AS (
            SELECT * EXCLUDE (file_row_number),
                   row_number() OVER (ORDER BY actual_departure, file_row_number) - 1 AS position
            FROM departed
        )
        SELECT * EXCLUDE (position),
               position // {ROWS_PER_RUN} % {PARTITIONS} AS _partition,
               position // {ROWS_PER_RUN * PARTITIONS} * {ROWS_PER_RUN} + position % {ROWS_PER_RUN} AS _offset
        FROM replayed
    """)
