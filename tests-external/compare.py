"""Compares DuckDB tables row for row and says which rows differ."""

from __future__ import annotations

from sabot import CheckFailed

EXAMPLES = 3
RELATIVE_TOLERANCE = 1e-9


def same_rows(con, what: str, actual: str, expected: str, columns: list[str]) -> None:
    """Equal as multisets of these columns."""
    listed = ", ".join(columns)
    differences = []
    for title, left, right in [("missing", expected, actual), ("unexpected", actual, expected)]:
        query = f"SELECT {listed} FROM {left} EXCEPT ALL SELECT {listed} FROM {right}"
        count = con.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
        if count:
            rows = con.execute(f"SELECT * FROM ({query}) ORDER BY ALL LIMIT {EXAMPLES}").fetchall()
            shown = "\n".join(f"    {dict(zip(columns, map(str, row)))}" for row in rows)
            differences.append(f"  {count:,} {title}, such as\n{shown}")
    if differences:
        raise CheckFailed(f"{what}: rows differ\n" + "\n".join(differences))


def same_numbers(con, what: str, actual: str, expected: str, key: list[str], column: str) -> None:
    """Equal to nine digits, row by row of a unique key. Wants the key's rows compared already."""
    same_key = " AND ".join(f"a.{name} IS NOT DISTINCT FROM e.{name}" for name in key)
    rows = con.execute(f"""
        SELECT {', '.join(f'e.{name}' for name in key)}, a.{column}, e.{column}
        FROM {expected} e LEFT JOIN {actual} a ON {same_key}
        WHERE (a.{column} IS NULL) <> (e.{column} IS NULL)
           OR abs(a.{column} - e.{column}) > {RELATIVE_TOLERANCE} * greatest(abs(e.{column}), 1e-300)
        ORDER BY ALL
    """).fetchall()
    if rows:
        shown = "\n".join(f"    {[str(value) for value in row]}" for row in rows[:EXAMPLES])
        raise CheckFailed(f"{what}: {len(rows):,} values of {column} differ (key, actual, expected)\n{shown}")
