"""Who takes part when, how many children live there and how long they are under the programme: known before outcomes.

What belongs here: reading the reference tables of a plan. What does not: variances, effects, outcomes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np

from kkz_eval.errors import EstimationError, WarehouseError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.contrasts import Layout
from kkz_eval.plan.model import Outcome, Plan
from kkz_eval.warehouse import SqlFile, build_table, in_memory, read_catalog, write_plan

#: Tables from which a plan's places, cohorts and exposure are read; none of them holds an outcome.
TABLES = ("cells.adoption", "reference.exposure")
#: Years of birth behind `children_under_6_2015`: children under 6, as one year of birth.
YEARS_OF_BIRTH = 6


@dataclass(frozen=True)
class WaveStart:
    """When the children of one wave are exposed. Periods are the outcome's own, years those of measurement.

    n_places: units of the wave that are compared; None where there is no such period within the table of exposure.
    """

    wave: int
    n_places: int
    first_period: int | None
    first_year: int | None
    full_period: int | None
    full_year: int | None


@dataclass(frozen=True, eq=False)
class Places:
    """The units of one outcome in the plan's first comparison, U of them, in ascending order of their key.

    kreis (U,) clusters; cohort (U,) first exposed period, inf = never; weight (U,); children (U,) of one year of birth;
    unusable_from (U,) first period in which only a part of a Kreis takes part, inf = never; dose: years under the
    programme by (cohort, period), full_years of a child conceived after the start.
    """

    units: tuple[str, ...]
    kreis: tuple[str, ...]
    cohort: FloatArray
    weight: FloatArray
    children: FloatArray
    unusable_from: FloatArray
    dose: dict[tuple[int, int], float]
    full_years: float

    def layout(self, periods: range, left_out: frozenset[int] = frozenset()) -> Layout:
        """Cells that will exist in these periods, without those the plan leaves out."""
        kept = np.array([period for period in periods if period not in left_out], dtype=np.int64)
        return Layout(
            units=np.array(self.units, dtype=np.str_),
            kreis=np.array(self.kreis, dtype=np.str_),
            cohort=self.cohort,
            weight=self.weight,
            periods=kept,
            is_observed=np.asarray(kept[None, :] < self.unusable_from[:, None], dtype=bool),
        )


@contextmanager
def reference_tables(plan: Plan) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the plan and the tables of `TABLES`; it reads no delivery and no study."""
    connection = in_memory()
    try:
        for schema in ("plan", "reference", "cells"):
            connection.execute(f"CREATE SCHEMA {schema}")
        write_plan(connection, plan)
        for file in _needed_files():
            build_table(connection, file)
        yield connection
    finally:
        connection.close()


@cache
def _needed_files() -> tuple[SqlFile, ...]:
    """Files of `TABLES` and of everything they read, in building order."""
    catalog = read_catalog()
    needed: set[str] = set()
    waiting = list(TABLES)
    while waiting:
        name = waiting.pop()
        if name in catalog and name not in needed:
            needed.add(name)
            waiting += sorted(catalog[name].reads)
    return tuple(file for name, file in catalog.items() if name in needed)


def places_of(connection: duckdb.DuckDBPyConnection, plan: Plan, outcome: Outcome) -> Places:
    """The places of one outcome in the first comparison. Raises EstimationError when none takes part, or all do."""
    region = plan.comparisons[0].region
    rows = connection.execute(
        "WITH first_exposed AS ("
        " SELECT outcome, wave, MIN(first_exposed_period) AS period FROM reference.exposure GROUP BY outcome, wave"
        ") SELECT a.unit, a.cluster, a.cohort, a.weight, SUM(g.children_under_6_2015),"
        " CASE WHEN ANY_VALUE(u.role) = 'partial' THEN COALESCE(MIN(f.period), 0) END"
        " FROM cells.adoption AS a"
        " JOIN reference.unit AS u ON u.unit = a.unit"
        " JOIN reference.gemeinde AS g ON g.ags = a.unit OR g.kreis = a.unit"
        " LEFT JOIN first_exposed AS f ON f.outcome = a.outcome AND f.wave = u.partial_wave"
        " WHERE a.outcome = ? AND ? IN ('all', a.region)"
        " GROUP BY a.unit, a.cluster, a.cohort, a.weight ORDER BY a.unit",
        [outcome.name, region],
    ).fetchall()
    if not any(row[2] is not None for row in rows):
        raise EstimationError(
            f"plan {plan.study.name}, outcome {outcome.name}: no place takes part in the waves "
            f"{', '.join(map(str, plan.treatment.waves))} of this plan; check waves, participation_rule, "
            "excluded_units and the region of the first comparison."
        )
    dose, full_years = _exposure(connection, outcome)
    return Places(
        units=tuple(str(row[0]) for row in rows),
        kreis=tuple(str(row[1]) for row in rows),
        cohort=_column(rows, 2),
        weight=_column(rows, 3),
        children=_column(rows, 4) / YEARS_OF_BIRTH,
        unusable_from=_column(rows, 5),
        dose=dose,
        full_years=full_years,
    )


def _column(rows: list[tuple[object, ...]], position: int) -> FloatArray:
    """A column of numbers; inf where there is none."""
    return np.array([np.inf if row[position] is None else float(str(row[position])) for row in rows])


def _exposure(connection: duckdb.DuckDBPyConnection, outcome: Outcome) -> tuple[dict[tuple[int, int], float], float]:
    rows = connection.execute(
        "SELECT first_exposed_period, period, years_under_programme, full_years FROM reference.exposure"
        " WHERE outcome = ? AND first_exposed_period IS NOT NULL ORDER BY wave, period",
        [outcome.name],
    ).fetchall()
    return {(int(cohort), int(period)): float(years) for cohort, period, years, _ in rows}, float(rows[0][3])


def wave_starts(connection: duckdb.DuckDBPyConnection, plan: Plan, outcome: Outcome) -> tuple[WaveStart, ...]:
    """First and first fully exposed period of each wave with places. The tables of `TABLES` must be there."""
    try:
        rows = connection.execute(
            "SELECT e.wave, COUNT(DISTINCT a.unit), ANY_VALUE(e.first_exposed_period), ANY_VALUE(e.first_exposed_year),"
            " ANY_VALUE(e.first_fully_exposed_period), ANY_VALUE(e.first_fully_exposed_year)"
            " FROM reference.exposure AS e"
            " JOIN cells.adoption AS a ON a.outcome = e.outcome AND a.wave = e.wave AND a.cohort IS NOT NULL"
            " WHERE e.outcome = ? AND ? IN ('all', a.region) GROUP BY e.wave ORDER BY e.wave",
            [outcome.name, plan.comparisons[0].region],
        ).fetchall()
    except duckdb.CatalogException:
        raise WarehouseError("the study has not been run yet; run `kkz-eval run` first.") from None
    return tuple(
        WaveStart(int(wave), int(n), _whole(first), _whole(first_year), _whole(full), _whole(full_year))
        for wave, n, first, first_year, full, full_year in rows
    )


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
