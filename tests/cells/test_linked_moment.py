"""Sums over children of exam and school: the real SQL on a handful of children."""

from collections.abc import Sequence
from decimal import Decimal

import duckdb
import pytest

from kkz_eval.cells.known import known_outcomes
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, write_plan

CATALOG = read_catalog()
SURROGATES = {"grade_3_low": ("german_insufficient", "sopess_flagged"), "gymnasium": ("bmi",)}
EXAM = known_outcomes(CATALOG)["school_entry_exam"]
EDUCATION = ("grade_3_low", "gymnasium", "grade_repeated", "leaving_without_certificate")
#: pseudonym, ags, entry year, german_insufficient, sopess_flagged, bmi
EXAMINED = (
    ("a", "05111000", 2015, 1, 3, "15.25"),
    ("b", "05111000", 2015, 0, 1, "16.50"),
    ("c", "05111000", 2015, 0, 0, None),
    ("d", "05111000", 2015, 1, None, "15.00"),
    ("e", "05158004", 2015, 1, 2, "14.00"),
    ("f", "05158008", 2016, 1, 9, "15.00"),
    ("g", "05111000", 2020, 1, 5, "15.00"),
)
#: pseudonym, entry year, stage, grade_3_low, gymnasium
AT_SCHOOL = (
    ("a", 2015, 3, 1, None),
    ("a", 2015, 5, None, 0),
    ("b", 2015, 3, 0, None),
    ("b", 2015, 5, None, 1),
    ("d", 2015, 3, 1, None),
    ("e", 2016, 3, 1, None),
    ("f", 2016, 3, 1, None),
    ("g", 2020, 3, 1, None),
    ("z", 2015, 3, 1, None),
)


def database(unit: str = "ags", unused: Sequence[tuple[str, str, int]] = ()) -> duckdb.DuckDBPyConnection:
    """The children above; estimation uses every cell but those of 2020 at the exam and the unused ones."""
    connection = in_memory()
    for schema in ("plan", "reference", "staging", "cells", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    plan = parse_plan(shipped_plan("demo"), "demo")
    outcomes = tuple(o.model_copy(update={"surrogates": SURROGATES.get(o.name, ())}) for o in plan.outcomes)
    study = plan.study.model_copy(update={"unit": unit})
    write_plan(connection, plan.model_copy(update={"outcomes": outcomes, "study": study}))
    build_table(connection, CATALOG["reference.gemeinde"])
    columns = ", ".join(f"{name} {'DECIMAL(5, 2)' if name in ('bmi', 'height') else 'INTEGER'}" for name in EXAM)
    connection.execute(
        f"CREATE TABLE staging.school_entry_exam (pseudonym VARCHAR, ags VARCHAR, period INT, {columns})"
    )
    for child in EXAMINED:
        connection.execute(
            "INSERT INTO staging.school_entry_exam (pseudonym, ags, period, german_insufficient, sopess_flagged, bmi)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            list(child),
        )
    flags = ", ".join(f"{name} INTEGER" for name in EDUCATION)
    connection.execute(f"CREATE TABLE staging.education (pseudonym VARCHAR, period INTEGER, stage INTEGER, {flags})")
    for row in AT_SCHOOL:
        connection.execute("INSERT INTO staging.education VALUES (?, ?, ?, ?, ?, NULL, NULL)", list(row))
    connection.execute("CREATE TABLE cells.panel (outcome VARCHAR, unit VARCHAR, period INTEGER, is_used BOOLEAN)")
    for outcome in (*SURROGATES, *{name for names in SURROGATES.values() for name in names}):
        for ags, period in {(child[1], child[2]) for child in EXAMINED}:
            key = (outcome, ags if unit == "ags" else ags[:5], period)
            is_used = key not in unused and not (period == 2020 and outcome not in SURROGATES)
            connection.execute("INSERT INTO cells.panel VALUES (?, ?, ?, ?)", [*key, is_used])
    build_table(connection, CATALOG["cells.linked_moment"])
    return connection


def sums(connection: duckdb.DuckDBPyConnection, outcome: str, unit: str, period: int) -> dict[str, tuple[object, ...]]:
    rows = connection.execute(
        "SELECT first_factor || ' ' || second_factor, n_examined, total_examined, n_linked, total_linked"
        " FROM cells.linked_moment WHERE outcome = ? AND unit = ? AND period = ?",
        [outcome, unit, period],
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_sums_of_products_over_examined_and_over_linked_children() -> None:
    """Child c is examined only; child d has one of the two findings and counts nowhere."""
    found = sums(database(), "grade_3_low", "05111000", 2015)
    assert found == {
        "1 1": (3, 3, 2, 2),
        "1 german_insufficient": (3, 1, 2, 1),
        "1 sopess_flagged": (3, 4, 2, 4),
        "1 y": (3, None, 2, 1),
        "german_insufficient german_insufficient": (3, 1, 2, 1),
        "german_insufficient sopess_flagged": (3, 3, 2, 3),
        "german_insufficient y": (3, None, 2, 1),
        "sopess_flagged sopess_flagged": (3, 10, 2, 10),
        "sopess_flagged y": (3, None, 2, 3),
        "y y": (3, None, 2, 1),
    }


def test_each_outcome_needs_only_its_own_findings_and_sums_are_exact() -> None:
    found = sums(database(), "gymnasium", "05111000", 2015)
    assert found["1 1"] == (3, 3, 2, 2)
    assert found["bmi bmi"][1] == Decimal("15.25") ** 2 + Decimal("16.50") ** 2 + Decimal("15.00") ** 2
    assert found["bmi y"][3] == Decimal("16.50")


def test_every_outcome_of_the_exam_and_of_school_can_be_named_by_a_plan() -> None:
    query = CATALOG["cells.linked_moment"].query
    assert all(query.count(f"WHEN '{name}' THEN child.{name}") == 2 for name in EXAM)
    assert all(f"WHEN '{name}' THEN" in query for name in known_outcomes(CATALOG)["education"])


def test_an_entry_year_that_the_sources_disagree_on_is_no_link() -> None:
    found = sums(database(), "grade_3_low", "05158004", 2015)
    assert found["1 1"] == (1, 1, 0, 0)
    assert found["sopess_flagged y"] == (1, None, 0, 0)


def test_only_children_with_both_findings_of_periods_that_are_used() -> None:
    rows = database().execute("SELECT DISTINCT period FROM cells.linked_moment ORDER BY 1").fetchall()
    assert rows == [(2015,), (2016,)]


def test_where_the_outcome_at_school_is_not_used_children_are_examined_but_not_linked() -> None:
    found = sums(database(unused=[("grade_3_low", "05111000", 2015)]), "grade_3_low", "05111000", 2015)
    assert found["1 1"] == (3, 3, 0, 0)


def test_where_one_finding_is_not_used_nobody_counts() -> None:
    assert not sums(database(unused=[("sopess_flagged", "05111000", 2015)]), "grade_3_low", "05111000", 2015)


@pytest.mark.parametrize(("unit", "period", "n_linked"), [("05158", 2015, 0), ("05158", 2016, 1), ("05111", 2015, 2)])
def test_a_study_of_kreise_adds_up_their_children(unit: str, period: int, n_linked: int) -> None:
    assert sums(database("kreis"), "grade_3_low", unit, period)["1 1"][2] == n_linked
