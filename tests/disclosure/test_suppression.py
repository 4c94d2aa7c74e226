"""Small numbers in estimates and in coverage: taken out, marked, and what is missing stays visible."""

import duckdb
import pytest

from kkz_eval.evaluation.made import ESTIMATE_COLUMNS, MADE_TABLES, PLAN_HASH
from kkz_eval.warehouse import build_table, in_memory, read_catalog

CATALOG = read_catalog()
NUMBERS = ("estimate", "std_error", "df", "ci_low", "ci_high", "band_low", "band_high", "p_value")


def estimates(*n: int | None) -> list[tuple[object, ...]]:
    """Status, children and all numbers of estimates that rest on the given numbers of children, threshold 10."""
    connection = in_memory()
    for schema in ("plan", "estimates", "disclosure", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 10 AS threshold")
    columns = ", ".join(f"{column.name} {kind}" for column, kind in (*ESTIMATE_COLUMNS, PLAN_HASH))
    for table in MADE_TABLES.values():
        if table.columns is ESTIMATE_COLUMNS:
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
    for period, children in enumerate(n, start=2012):
        connection.execute(
            f"INSERT INTO estimates.callaway_santanna (outcome, comparison, estimator, aggregation, period, n, status,"
            f" {', '.join(NUMBERS)}) VALUES ('y', 'main', 'cs', 'calendar', ?, ?, 'estimated', 1, 1, 1, 1, 1, 1, 1, 1)",
            [period, children],
        )
    build_table(connection, CATALOG["disclosure.estimate"])
    return connection.execute(
        f"SELECT status, n_children, {', '.join(NUMBERS)} FROM disclosure.estimate ORDER BY period"
    ).fetchall()


def test_an_estimate_on_few_children_is_taken_out_whole() -> None:
    small, enough, none, unknown = estimates(9, 10, 0, None)
    assert small == ("suppressed", *[None] * 9)
    assert enough == ("estimated", 10, *[1.0] * 8)
    assert none[0] == unknown[0] == "estimated"


def coverage(registered: dict[tuple[str, int], int], examined: dict[tuple[str, int], int]) -> duckdb.DuckDBPyConnection:
    """The real SQL of disclosure.coverage_cell on Gemeinden with registered and examined children by (ags, year)."""
    connection = in_memory()
    for schema in ("plan", "intake", "reference", "staging", "disclosure", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 'ags' AS unit, 10 AS threshold")
    connection.execute("CREATE TABLE plan.outcome AS SELECT 'leavers' AS outcome")
    connection.execute("CREATE TABLE reference.gemeinde AS SELECT '05111000' AS ags, '05111' AS kreis UNION ALL"
                       " SELECT '05113000', '05113'")  # fmt: skip
    connection.execute("CREATE TABLE reference.kreis AS SELECT DISTINCT kreis FROM reference.gemeinde")
    connection.execute("CREATE TABLE intake.delivery (delivery_id INTEGER, source VARCHAR, year INTEGER,"
                       " n_accepted BIGINT,"
                       " n_quarantined BIGINT, is_active BOOLEAN)")  # fmt: skip
    for source in ("school_entry_exam", "kita_attendance", "education"):
        connection.execute(f"CREATE TABLE intake.{source} (delivery_id INTEGER, ags VARCHAR)")
    connection.execute("CREATE TABLE intake.quarantine (delivery_id INTEGER, ags VARCHAR)")
    connection.execute("CREATE TABLE staging.registered_children (ags VARCHAR, period INTEGER, n_children INTEGER)")
    connection.execute("CREATE TABLE staging.official_count (series VARCHAR, kreis VARCHAR, year INTEGER)")
    connection.execute("CREATE TABLE staging.official_rate (series VARCHAR, kreis VARCHAR, year INTEGER)")
    connection.execute("INSERT INTO staging.official_count VALUES ('leavers', '05111', 2010)")
    for (ags, year), n in registered.items():
        connection.execute("INSERT INTO staging.registered_children VALUES (?, ?, ?)", [ags, year, n])
    for year in sorted({year for _, year in examined}):
        total = sum(n for (_, other), n in examined.items() if other == year)
        connection.execute(
            "INSERT INTO intake.delivery VALUES (?, 'school_entry_exam', ?, ?, 0, true)", [year, year, total]
        )
    for (ags, year), n in examined.items():
        connection.execute("INSERT INTO intake.school_entry_exam SELECT ?, ? FROM range(?)", [year, ags, n])
    build_table(connection, CATALOG["disclosure.coverage_cell"])
    return connection


def row(connection: duckdb.DuckDBPyConnection, unit: str, year: int) -> tuple[object, ...]:
    return connection.execute(
        "SELECT status, n_accepted, n_expected, share_examined FROM disclosure.coverage_cell"
        " WHERE source = 'school_entry_exam' AND unit = ? AND year = ?",
        [unit, year],
    ).fetchall()[0]


def test_coverage_sets_examined_against_expected() -> None:
    connection = coverage(
        {("05111000", 2015): 100, ("05113000", 2015): 60}, {("05111000", 2015): 80, ("05113000", 2015): 40}
    )
    assert row(connection, "05111000", 2015) == ("released", 80, 100, 0.8)
    assert row(connection, "all", 2015) == ("released", 120, 160, 0.75)


def test_a_place_and_a_year_from_which_nothing_came_are_seen() -> None:
    connection = coverage(
        {("05111000", 2015): 100, ("05113000", 2015): 60, ("05111000", 2016): 100}, {("05111000", 2015): 80}
    )
    assert row(connection, "05113000", 2015) == ("nothing delivered", 0, 60, 0.0)
    assert row(connection, "05111000", 2016) == ("nothing delivered", 0, 100, 0.0)
    assert row(connection, "all", 2016) == ("nothing delivered", 0, 100, 0.0)


@pytest.mark.parametrize(
    ("examined", "expected", "seen"),
    [
        (9, 100, ("suppressed", None, None, None)),
        (10, 20, ("released", 10, 20, 0.5)),
        (91, 100, ("share suppressed", 91, None, None)),
        (100, 100, ("released", 100, 100, 1.0)),
        (5, 9, ("suppressed", None, None, None)),
    ],
)
def test_few_examined_or_few_not_examined_are_hidden(examined: int, expected: int, seen: tuple[object, ...]) -> None:
    connection = coverage({("05111000", 2015): expected}, {("05111000", 2015): examined})
    assert row(connection, "05111000", 2015) == seen


def test_an_official_series_counts_kreise_and_is_never_taken_for_children() -> None:
    found = (
        coverage({}, {})
        .execute(
            "SELECT n_accepted, n_regions, n_regions_expected, status FROM disclosure.coverage_cell"
            " WHERE source = 'leavers'"
        )
        .fetchall()
    )
    assert found == [(None, 1, 2, "released")]
