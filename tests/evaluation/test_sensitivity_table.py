"""The table of what would change the conclusion: rates of Kreise, its order, and what does not leave."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from threat_worlds import CATALOG, OUTCOME, TAU, effect, number, recovers, study

from kkz_eval.evaluation.made import PLAN_HASH
from kkz_eval.evaluation.sensitivity import findings_of, sensitivity_rows
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.evaluation.threats.columns import SENSITIVITY_COLUMNS, Finding
from kkz_eval.evaluation.threats.surroundings import read_surroundings
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.warehouse import build_table, in_memory, write_plan


def official() -> Iterator[tuple[str, Finding]]:
    """Kreise with rates only: half of them begin in 2012, and their trend follows child poverty as all others' does."""
    plan = parse_plan(shipped_plan("official"), "official")
    name = "kita_under_3_of_births"
    made = study(effect)
    write_plan(made.connection, plan)
    kreise = [row[0] for row in made.connection.execute("SELECT kreis FROM reference.kreis ORDER BY 1").fetchall()]
    rng = np.random.default_rng(5)
    poverty = {kreis: rng.uniform(0.1, 0.3) + 0.1 * (i % 2) for i, kreis in enumerate(kreise)}
    cells = []
    for i, kreis in enumerate(kreise):
        for year in range(2007, 2017):
            value = 0.1 + 0.1 * poverty[kreis] * (year - 2007) + TAU * (i % 2 and year >= 2012)
            cells.append((name, kreis, year, None, None, None, value + 1e-5 * rng.normal(), True, None))
    adoption = [
        (
            name,
            k,
            k,
            "rheinland" if k[2] in "13" else "westfalen",
            2012 if i % 2 else None,
            2012 if i % 2 else None,
            k,
            1.0,
        )
        for i, k in enumerate(kreise)
    ]
    frames = {
        "cells.panel": (cells, "outcome unit period n total total_of_squares value is_used reason"),
        "cells.adoption": (adoption, "outcome unit kreis region wave cohort cluster weight"),
        "cells.covariate": (
            [("sgb2_under_15", k, year, poverty[k]) for k in kreise for year in (2010, 2011, 2012)],
            "covariate unit period value",
        ),
    }
    for table, (rows, columns) in frames.items():
        made.connection.register("given", pd.DataFrame(rows, columns=columns.split()))
        made.connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM given")
    made.connection.execute("DELETE FROM staging.registered_children")
    cells_of, around = StudyCells(made.connection), read_surroundings(made.connection, plan)
    for row in findings_of(cells_of, plan, plan.outcome(name), around):
        yield f"{row.threat} {row.assumption}".strip(), row


def test_rates_of_kreise_give_rows_where_children_are_not_needed_and_reasons_where_they_are() -> None:
    found = dict(official())
    biased, right = found["main as planned"], found["with_covariate_sgb2_under_15 held constant"]
    assert number(biased) > 1.2 * TAU
    assert recovers(right)
    assert number(found["with_covariate_sgb2_under_15 without it, same cells"]) == pytest.approx(number(biased))
    assert biased.n is None
    for name in ("spillover", "exposed_controls_dropped", "within_kreis", "ratio_scale", "coverage", "mobility"):
        assert found[name].status == "not estimable" and found[name].note
    assert found["honest_smoothness average, bend 0"].status == "estimated"


def released(*findings: Finding) -> list[tuple[object, ...]]:
    """threat, status, estimate, n_children of disclosure.sensitivity, threshold 10."""
    connection = in_memory()
    for schema in ("plan", "horizon", "disclosure", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 10 AS threshold")
    columns = ", ".join(f"{column.name} {kind}" for column, kind in (*SENSITIVITY_COLUMNS, PLAN_HASH))
    connection.execute(f"CREATE TABLE horizon.sensitivity ({columns})")
    for row in findings:
        connection.execute(
            "INSERT INTO horizon.sensitivity (outcome, threat, assumption, estimate, n, status, note)"
            " VALUES ('y', ?, ?, ?, ?, ?, ?)",
            [row.threat, row.assumption, row.estimate, row.n, row.status, row.note],
        )
    build_table(connection, CATALOG["disclosure.sensitivity"])
    return connection.execute(
        "SELECT threat, status, estimate, n_children FROM disclosure.sensitivity ORDER BY threat"
    ).fetchall()


def test_rows_on_few_children_or_few_others_than_the_main_result_are_taken_out() -> None:
    row = Finding("main", estimate=1.0, n=500)
    rows = released(
        row,
        replace(row, threat="a_same_children"),
        replace(row, threat="b_few_others", n=495),
        replace(row, threat="c_many_others", n=400),
        replace(row, threat="d_few", n=9),
        replace(row, threat="e_unknown", n=None),
    )
    assert rows == [
        ("a_same_children", "estimated", 1.0, 500),
        ("b_few_others", "suppressed", None, None),
        ("c_many_others", "estimated", 1.0, 400),
        ("d_few", "suppressed", None, None),
        ("e_unknown", "estimated", 1.0, None),
        ("main", "estimated", 1.0, 500),
    ]


def test_rows_of_the_table_are_those_of_primary_outcomes_in_a_fixed_order() -> None:
    made = study(effect)
    first, second = (
        list(sensitivity_rows(made.connection, made.plan)),
        list(sensitivity_rows(made.connection, made.plan)),
    )
    assert first == second
    assert {row[0] for row in first} == {OUTCOME}
    assert [row[3] for row in first] == list(range(1, len(first) + 1))
    assert len({(row[0], row[1], row[2]) for row in first}) == len(first)
