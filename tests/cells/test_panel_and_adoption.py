"""Which cells estimation may use, and who counts as what: the real SQL on hand-made places, waves and values."""

import datetime as dt

import duckdb
import pytest

from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, write_plan

CATALOG = read_catalog()
KREISE = {
    "05111": ("treated", 2012, None),
    "05113": ("never", None, None),
    "05158": ("partial", None, 2017),
    "05162": ("partial", None, 2012),
    "05114": ("excluded", None, None),
}


def database(**study: object) -> duckdb.DuckDBPyConnection:
    """A study of Kreise with one official outcome (leavers, measured in July of their year) from 2008 to 2018."""
    connection = in_memory()
    for schema in ("plan", "reference", "staging", "cells", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    plan = parse_plan(shipped_plan("official"), "official")
    leavers = plan.outcome("leavers_without_degree").model_copy(
        update={"first_valid_period": 2009, "last_valid_period": 2018}
    )
    asked = plan.study.model_copy(update={"first_period": 2008, "last_period": 2018} | study)
    write_plan(connection, plan.model_copy(update={"outcomes": (leavers,), "study": asked}))
    for name in ("reference.wave", "reference.kreis", "reference.gemeinde", "reference.exposure"):
        build_table(connection, CATALOG[name])
    connection.execute(
        "CREATE TABLE reference.unit (unit VARCHAR, kreis VARCHAR, region VARCHAR, role VARCHAR, wave INTEGER,"
        " partial_wave INTEGER, reason VARCHAR)"
    )
    for kreis, (role, wave, partial) in KREISE.items():
        reason = None if role in ("treated", "never") else f"{role} for a reason"
        connection.execute(
            "INSERT INTO reference.unit VALUES (?, ?, 'rheinland', ?, ?, ?, ?)",
            [kreis, kreis, role, wave, partial, reason],
        )
    cell = "(outcome VARCHAR, {} VARCHAR, period INTEGER, stratum VARCHAR, n BIGINT, total DECIMAL(38, 4),"
    for table, key in (("gemeinde", "ags"), ("kreis", "kreis")):
        connection.execute(f"CREATE TABLE cells.{table} {cell.format(key)} total_of_squares DECIMAL(38, 8))")
    connection.execute(
        "CREATE TABLE cells.official_rate (outcome VARCHAR, kreis VARCHAR, period INTEGER, value DOUBLE)"
    )
    for kreis in KREISE:
        connection.execute(
            "INSERT INTO cells.kreis SELECT 'leavers_without_degree', ?, period, stratum, 50, 5, 5"
            " FROM range(2008, 2019) AS t(period), (VALUES ('a'), ('b')) AS s(stratum)",
            [kreis],
        )
    build_table(connection, CATALOG["cells.panel"])
    build_table(connection, CATALOG["cells.adoption"])
    return connection


def used(connection: duckdb.DuckDBPyConnection, unit: str) -> list[int]:
    rows = connection.execute("SELECT period FROM cells.panel WHERE unit = ? AND is_used ORDER BY 1", [unit]).fetchall()
    return [row[0] for row in rows]


def test_strata_are_added_up_and_the_mean_is_that_of_all_children() -> None:
    row = (
        database()
        .execute("SELECT n, total, value FROM cells.panel WHERE unit = '05111' AND period = 2010")
        .fetchall()[0]
    )
    assert (row[0], float(row[1]), row[2]) == (100, 10.0, 0.1)


def test_full_participants_and_others_are_used_in_all_valid_periods() -> None:
    connection = database()
    assert used(connection, "05111") == used(connection, "05113") == list(range(2009, 2019))


def test_a_kreis_that_takes_part_in_part_is_a_comparison_until_then_and_no_longer() -> None:
    connection = database()
    assert used(connection, "05158") == list(range(2009, 2017))
    assert used(connection, "05162") == list(range(2009, 2012))
    reasons = connection.execute(
        "SELECT DISTINCT reason FROM cells.panel WHERE unit = '05158' AND period >= 2017"
    ).fetchall()
    assert reasons == [("partial for a reason",)]


def test_excluded_units_are_kept_with_their_reason_and_never_used() -> None:
    connection = database()
    assert used(connection, "05114") == []
    assert connection.execute("SELECT count(*), min(reason) FROM cells.panel WHERE unit = '05114'").fetchall() == [
        (11, "excluded for a reason")
    ]


@pytest.mark.parametrize(("as_of", "last"), [("2015-06-30", 2014), ("2015-07-01", 2015)])
def test_what_is_measured_after_the_day_of_the_study_is_not_used(as_of: str, last: int) -> None:
    connection = database(as_of=dt.date.fromisoformat(as_of))
    assert max(used(connection, "05113")) == last


def test_adoption_names_the_first_exposed_period_and_leaves_out_who_cannot_be_compared() -> None:
    rows = database().execute("SELECT unit, wave, cohort, cluster FROM cells.adoption ORDER BY unit").fetchall()
    assert rows == [
        ("05111", 2012, 2012, "05111"),
        ("05113", None, None, "05113"),
        ("05158", None, None, "05158"),
        ("05162", None, None, "05162"),
    ]


def test_a_participant_without_enough_exposure_is_no_comparison() -> None:
    """Were its cohort simply empty, it would count as never treated."""
    connection = database()
    connection.execute("UPDATE reference.exposure SET first_exposed_period = NULL WHERE wave = 2012")
    build_table(connection, CATALOG["cells.adoption"])
    assert "05111" not in [row[0] for row in connection.execute("SELECT unit FROM cells.adoption").fetchall()]


def test_years_under_the_programme_are_those_of_the_cells_that_are_used() -> None:
    connection = database()
    build_table(connection, CATALOG["cells.event_exposure"])
    rows = dict(
        connection.execute(
            "SELECT event_time, years_under_programme FROM cells.event_exposure WHERE comparison = 'main'"
        ).fetchall()
    )
    assert sorted(rows) == list(range(-3, 7))
    assert rows[-1] == 0
    assert rows[0] == pytest.approx(0.5, abs=0.01)
    assert rows[6] == pytest.approx(6.5, abs=0.01)
    assert not connection.execute("SELECT * FROM cells.event_exposure WHERE comparison = 'westphalia'").fetchall()
