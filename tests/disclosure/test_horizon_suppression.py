"""Early signal and cost: what rests on few children is taken out, what does not stays."""

import duckdb
import pytest

from kkz_eval.evaluation.made import MADE_TABLES, PLAN_HASH
from kkz_eval.warehouse import build_table, in_memory, read_catalog

CATALOG = read_catalog()
SIGNAL = ("estimate", "std_error", "df", "ci_low", "ci_high", "largest_miss", "breakdown")
COST = ("averted", "std_error", "df", "cost_per_case", "set_low", "set_high", "acceptability")


def database(table: str) -> duckdb.DuckDBPyConnection:
    connection = in_memory()
    for schema in ("plan", "horizon", "disclosure", "release", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 10 AS threshold")
    columns = (*MADE_TABLES[f"horizon.{table}"].columns, PLAN_HASH)
    listed = ", ".join(f"{column.name} {kind}" for column, kind in columns)
    connection.execute(f"CREATE TABLE horizon.{table} ({listed})")
    return connection


def released(connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...]) -> list[tuple[object, ...]]:
    for schema in ("disclosure", "release"):
        build_table(connection, CATALOG[f"{schema}.{table}"])
    return connection.execute(f"SELECT status, {', '.join(columns)} FROM release.{table}").fetchall()


@pytest.mark.parametrize(
    ("n", "n_linked", "is_shown"),
    [(9, 5000, False), (500, 9, False), (10, 10, True), (500, None, True), (None, None, True)],
)
def test_an_early_signal_needs_enough_children_behind_effect_and_link(
    n: int | None, n_linked: int | None, is_shown: bool
) -> None:
    connection = database("early_signal")
    connection.execute(
        f"INSERT INTO horizon.early_signal (outcome, span, kind, n, n_linked, status, {', '.join(SIGNAL)})"
        " VALUES ('y', 'ahead', 'bound', ?, ?, 'estimated', 1, 1, 1, 1, 1, 1, 1)",
        [n, n_linked],
    )
    (row,) = released(connection, "early_signal", (*SIGNAL, "n_children", "n_linked"))
    shown = ("estimated", *[1.0] * 7, n, n_linked)
    assert row == (shown if is_shown else ("suppressed", *[None] * 9))


@pytest.mark.parametrize(("n", "is_shown"), [(9, False), (10, True)])
def test_cost_per_case_needs_enough_children_and_cost_per_child_does_not(n: int, is_shown: bool) -> None:
    connection = database("cost")
    connection.execute(
        "INSERT INTO horizon.cost (outcome, is_additive, discount_rate, cost_per_child, n, set_kind, status,"
        f" {', '.join(COST)}) VALUES ('y', true, 0.03, 41, ?, 'bounded', 'estimated', 1, 1, 1, 1, 1, 1, 1)",
        [n],
    )
    (row,) = released(connection, "cost", ("cost_per_child", "set_kind", *COST))
    shown = ("estimated", 41.0, "bounded", *[1.0] * 7)
    assert row == (shown if is_shown else ("suppressed", 41.0, *[None] * 8))
