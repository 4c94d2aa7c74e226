"""Small studies in memory whose one threat is known. What belongs here: simulation. What does not: tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from kkz_eval.evaluation.sensitivity import findings_of
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.evaluation.threats.columns import Finding
from kkz_eval.evaluation.threats.surroundings import read_surroundings
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, write_plan

CATALOG = read_catalog()
RHINELAND = ("05154", "05158", "05166", "05362", "05374", "05378")
WESTPHALIA = ("05554", "05558", "05562", "05566", "05754", "05758")
YEARS = range(2008, 2025)
LEFT_OUT = (2020, 2021, 2022)
START = 2013
TAU = 0.05
OUTCOME, CONTROL = "german_insufficient", "hearing_finding"


@dataclass(frozen=True)
class Place:
    """A real Gemeinde; `kreis_number` and `number` count Kreise and the Gemeinden of one from 0."""

    ags: str
    kreis: str
    kreis_number: int
    number: int

    @property
    def is_rhineland(self) -> bool:
        return self.kreis in RHINELAND


World = Callable[[Place, int], float]
Findings = dict[tuple[str, str], Finding]


def two_of_every_second_kreis(place: Place) -> int | None:
    return START if place.kreis_number % 2 == 0 and place.number < 2 else None


def is_treated(place: Place, year: int) -> bool:
    first = two_of_every_second_kreis(place)
    return first is not None and year >= first


def effect(place: Place, year: int) -> float:
    """A world without any threat."""
    return TAU * is_treated(place, year)


def reference_tables(connection: duckdb.DuckDBPyConnection) -> list[Place]:
    for name in ("reference.gemeinde", "reference.kreis", "reference.second_programme"):
        build_table(connection, CATALOG[name])
    rows = connection.execute("SELECT ags, kreis FROM reference.gemeinde ORDER BY ags").fetchall()
    kreise = [kreis for pair in zip(RHINELAND, WESTPHALIA, strict=True) for kreis in pair]
    # Neighbouring numbers would put all participants into one part of the Land.
    kreise = [kreise[i] for i in (0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11)]
    return [
        Place(ags, kreis, number, position)
        for number, kreis in enumerate(kreise)
        for position, ags in enumerate([ags for ags, own in rows if own == kreis][:7])
    ]


def plan_of(**changes: Any) -> Plan:
    plan = parse_plan(shipped_plan("demo"), "demo")
    outcomes = tuple(o for o in plan.outcomes if o.name in (OUTCOME, CONTROL))
    estimation = plan.estimation.model_copy(update={"estimators": ("callaway_santanna",)})
    small = {"outcomes": outcomes, "comparisons": plan.comparisons[:1], "estimation": estimation, "gaps": ()}
    return plan.model_copy(update=small | changes)


@dataclass
class Study:
    """A warehouse in memory with one world in it."""

    connection: duckdb.DuckDBPyConnection
    plan: Plan

    def findings(self) -> Findings:
        cells, around = StudyCells(self.connection), read_surroundings(self.connection, self.plan)
        found = findings_of(cells, self.plan, self.plan.outcome(OUTCOME), around)
        rows = {(row.threat, row.assumption): row for row in found}
        assert len(rows) == len(found)
        return rows


def study(
    world: World,
    *,
    control: World = lambda _place, _year: 0.0,
    cohort: Callable[[Place], int | None] = two_of_every_second_kreis,
    plan: Plan | None = None,
    noise: float = 1e-5,
    examined: float = 1.0,
    n: int = 200,
    years_under_programme: float = 3.0,
) -> Study:
    """Level of the place + year + world + noise, in cells of n children; `examined` of them in the years left out."""
    plan = plan_of() if plan is None else plan
    connection = in_memory()
    for schema in ("plan", "reference", "staging", "cells", "horizon", "ledger", "disclosure"):
        connection.execute(f"CREATE SCHEMA {schema}")
    places = reference_tables(connection)
    write_plan(connection, plan)
    reason = connection.execute("SELECT min(reason) FROM plan.excluded_period").fetchall()[0][0]
    rng = np.random.default_rng(7)
    cells, adoption, expected = [], [], []
    for outcome, own in ((OUTCOME, world), (CONTROL, control)):
        for place in places:
            level = rng.uniform(0.2, 0.4)
            adoption.append(
                (outcome, place.ags, place.kreis, "rheinland" if place.is_rhineland else "westfalen",
                 2012 if cohort(place) else None, cohort(place), place.kreis, float(100 + place.number))
            )  # fmt: skip
            for year in YEARS:
                value = level + 0.01 * np.sin(year) + own(place, year) + noise * rng.normal()
                seen = round(n * examined) if year in LEFT_OUT else n
                is_used = year not in LEFT_OUT
                cells.append(
                    (outcome, place.ags, year, seen, seen * value, seen * value, value, is_used, reason)
                )  # fmt: skip
    expected = [(place.ags, year, n) for place in places for year in YEARS]
    exposure = [(o, 2012, year, 6.0, years_under_programme, False) for o in (OUTCOME, CONTROL) for year in YEARS]
    for name, rows, columns in (
        ("cells.panel", cells, "outcome unit period n total total_of_squares value is_used reason"),
        ("cells.adoption", adoption, "outcome unit kreis region wave cohort cluster weight"),
        ("reference.exposure", exposure, "outcome wave period full_years years_under_programme is_fully_exposed"),
        ("staging.registered_children", expected, "ags period n_children"),
    ):
        connection.register("given", pd.DataFrame(rows, columns=columns.split()))
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    connection.execute("CREATE TABLE cells.covariate (covariate VARCHAR, unit VARCHAR, period INTEGER, value DOUBLE)")
    return Study(connection, plan)


def number(row: Finding) -> float:
    assert row.status == "estimated", row.note
    assert row.estimate is not None
    return row.estimate


def recovers(row: Finding) -> bool:
    return abs(number(row) - TAU) < 1e-3
