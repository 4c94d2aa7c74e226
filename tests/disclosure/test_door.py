"""The door: small numbers, closed inputs and infinite values do not pass; a refusal tells counts, never values."""

from dataclasses import replace

import duckdb
import pytest

from kkz_eval.disclosure import RELEASED_TABLES, open_door, write_dictionary
from kkz_eval.errors import DisclosureError
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.plan.read import plan_sha256
from kkz_eval.warehouse import SqlFile, build_table, in_memory, read_catalog

PLAN = parse_plan(shipped_plan("demo"), "demo")


@pytest.fixture
def door() -> tuple[duckdb.DuckDBPyConnection, dict[str, SqlFile]]:
    """Empty released tables with the columns of the real catalogue."""
    connection = in_memory()
    for schema in ("release", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    catalog = {name: file for name, file in read_catalog().items() if file.schema == "release"}
    types = {"count": "BIGINT", "year": "INTEGER", "flag": "BOOLEAN", "date": "DATE"} | dict.fromkeys(
        ("id", "text", "note"), "VARCHAR"
    )
    for name, file in catalog.items():
        columns = ", ".join(f'"{column.name}" {types.get(column.unit, "DOUBLE")}' for column in file.columns)
        connection.execute(f"CREATE TABLE {name} ({columns})")
    write_dictionary(connection, catalog)
    return connection, catalog


def insert(connection: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    names, marks = ", ".join(values), ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO release.{table} ({names}) VALUES ({marks})", list(values.values()))


def test_all_released_tables_pass_when_nothing_is_small(door) -> None:
    connection, catalog = door
    insert(connection, "description", outcome="a", comparison_group="never", period=2012, n=10, mean=0.5)
    insert(connection, "description", outcome="a", comparison_group="never", period=2013, n=0)
    tables = open_door(connection, catalog, PLAN)
    assert tuple(tables.frames) == RELEASED_TABLES
    assert len(tables.frames["description"]) == 2


@pytest.mark.parametrize("table", ["description", "effects", "group_time", "coverage"])
def test_a_number_below_the_threshold_closes_the_door(door, table: str) -> None:
    connection, catalog = door
    counted = next(c.name for c in catalog[f"release.{table}"].columns if c.unit == "count")
    insert(connection, table, **{counted: PLAN.disclosure.threshold - 1})
    with pytest.raises(DisclosureError, match=f"release.{table}: 1 rows of {counted}"):
        open_door(connection, catalog, PLAN)


def test_the_threshold_of_the_plan_is_the_one_that_counts(door) -> None:
    connection, catalog = door
    insert(connection, "description", outcome="a", n=12)
    stricter = PLAN.model_copy(update={"disclosure": PLAN.disclosure.model_copy(update={"threshold": 13})})
    open_door(connection, catalog, PLAN)
    with pytest.raises(DisclosureError):
        open_door(connection, catalog, stricter)


@pytest.mark.parametrize("closed", ["cells.panel", "staging.school_entry_exam", "intake.school_entry_exam"])
def test_a_released_table_may_not_read_what_is_not_controlled(door, closed: str) -> None:
    connection, catalog = door
    file = catalog["release.description"]
    catalog["release.description"] = replace(file, reads=file.reads | {closed})
    with pytest.raises(DisclosureError, match=f"reads {closed}"):
        open_door(connection, catalog, PLAN)


def test_estimates_of_another_plan_do_not_leave(door) -> None:
    connection, catalog = door
    insert(connection, "effects", outcome="a", plan_sha256=plan_sha256(PLAN))
    open_door(connection, catalog, PLAN)
    insert(connection, "effects", outcome="b", plan_sha256="0" * 64)
    with pytest.raises(DisclosureError, match="under another plan"):
        open_door(connection, catalog, PLAN)


def test_infinite_estimates_do_not_leave(door) -> None:
    connection, catalog = door
    insert(connection, "effects", outcome="a", estimate=float("inf"), plan_sha256=plan_sha256(PLAN))
    with pytest.raises(DisclosureError, match="not finite"):
        open_door(connection, catalog, PLAN)


def test_every_column_of_every_released_table_is_in_the_dictionary(door) -> None:
    connection, catalog = door
    described = set(connection.execute("SELECT table_name, column_name FROM release.dictionary").fetchall())
    wanted = {(file.table, column.name) for file in catalog.values() for column in file.columns}
    assert wanted <= described


def group_cells(unit_of_measure: str, cells: list[tuple[str, int, int, int]]) -> dict[str, tuple[object, ...]]:
    """The SQL of disclosure.group_cell on hand-made cells (unit, n, total, squares) of never-participants."""
    connection = in_memory()
    for schema in ("plan", "cells", "reference", "disclosure", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 10 AS threshold, 2006 AS first_period, 2025 AS last_period")
    connection.execute("CREATE TABLE plan.outcome AS SELECT 'y' AS outcome, ? AS unit_of_measure", [unit_of_measure])
    connection.execute("CREATE TABLE reference.unit (unit VARCHAR, role VARCHAR, wave INTEGER)")
    connection.execute(
        "CREATE TABLE cells.panel (outcome VARCHAR, unit VARCHAR, period INTEGER, n BIGINT, total DECIMAL(38, 4),"
        " total_of_squares DECIMAL(38, 8), value DOUBLE, reason VARCHAR)"
    )
    for unit, n, total, squares in cells:
        connection.execute("INSERT INTO reference.unit VALUES (?, 'never', NULL)", [unit])
        connection.execute(
            "INSERT INTO cells.panel VALUES ('y', ?, 2012, ?, ?, ?, ?, NULL)", [unit, n, total, squares, total / n]
        )
    build_table(connection, read_catalog()["disclosure.group_cell"])
    rows = connection.execute("SELECT status, n, mean FROM disclosure.group_cell").fetchall()
    return dict(enumerate(rows))


@pytest.mark.parametrize(
    ("unit_of_measure", "cells", "status"),
    [
        ("share", [("a", 20, 10, 10), ("b", 20, 10, 10)], "released"),
        ("share", [("a", 9, 5, 5)], "suppressed"),
        ("share", [("a", 40, 9, 9)], "suppressed"),
        ("share", [("a", 40, 31, 31)], "suppressed"),
        ("points", [("a", 40, 2, 2)], "released"),
        ("points", [("a", 5, 20, 90), ("b", 4, 20, 90)], "suppressed"),
    ],
)
def test_groups_are_suppressed_on_both_sides_of_a_share(
    unit_of_measure: str, cells: list[tuple[str, int, int, int]], status: str
) -> None:
    found = group_cells(unit_of_measure, cells)[0]
    assert found[0] == status
    if status == "suppressed":
        assert found[1:] == (None, None)
    else:
        n = sum(cell[1] for cell in cells)
        assert found[1:] == (n, sum(cell[2] for cell in cells) / n)
