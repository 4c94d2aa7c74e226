"""Tables that Python writes: their columns, the tables they are computed from, and how.

What belongs here: the list of such tables. What does not: how a row comes about. Loading this file imports neither
pandas nor statsmodels.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import duckdb

from kkz_eval.evaluation.horizon_columns import (
    DETECTABILITY_COLUMNS,
    DOSE_RESPONSE_COLUMNS,
    LOOK_COLUMNS,
    PLACEBO_COLUMNS,
)
from kkz_eval.evaluation.signal_columns import COST_COLUMNS, EARLY_SIGNAL_COLUMNS
from kkz_eval.evaluation.threats.columns import SENSITIVITY_COLUMNS
from kkz_eval.plan.model import PLAN_ESTIMATORS, Estimator, Plan
from kkz_eval.warehouse import Column, write_rows
from kkz_eval.warehouse.build import fingerprints

Columns = tuple[tuple[Column, str], ...]
Row = Sequence[object]


@dataclass(frozen=True)
class MadeTable:
    """One table: `schema.table`, what a row is, its columns without the plan's hash, what it reads, and its rows."""

    name: str
    grain: str
    columns: Columns
    reads: tuple[str, ...]
    rows: Callable[[duckdb.DuckDBPyConnection, Plan], Iterable[Row]]


#: Tables that estimates are computed from.
INPUTS = (
    "cells.panel", "cells.adoption", "cells.covariate", "cells.profile", "reference.exposure", "plan.document",
)  # fmt: skip
#: What a threat may need besides: names of places, the second programme, children expected, years left out.
SENSITIVITY_INPUTS = (
    *INPUTS, "reference.gemeinde", "reference.kreis", "reference.second_programme", "staging.registered_children",
    "plan.excluded_period",
)  # fmt: skip
ESTIMATE_COLUMNS: Columns = (
    (Column("outcome", "id", "outcome of the plan"), "VARCHAR"),
    (Column("comparison", "text", "comparison of the plan"), "VARCHAR"),
    (Column("estimator", "text", "estimator"), "VARCHAR"),
    (Column("aggregation", "text", "what is summed up"), "VARCHAR"),
    (Column("cohort", "year", "adoption cohort: first exposed period"), "INTEGER"),
    (Column("period", "year", "period"), "INTEGER"),
    (Column("event_time", "number", "periods since adoption"), "INTEGER"),
    (Column("label", "text", "overall for the mean of an aggregation, the name of a dose row, else empty"), "VARCHAR"),
    (Column("estimate", "estimate", "effect in the outcome's own unit"), "DOUBLE"),
    (Column("std_error", "estimate", "its standard error"), "DOUBLE"),
    (Column("df", "number", "degrees of freedom"), "DOUBLE"),
    (Column("ci_low", "estimate", "lower end of the interval"), "DOUBLE"),
    (Column("ci_high", "estimate", "upper end of the interval"), "DOUBLE"),
    (Column("band_low", "estimate", "lower end of the simultaneous band"), "DOUBLE"),
    (Column("band_high", "estimate", "upper end of the simultaneous band"), "DOUBLE"),
    (Column("p_value", "number", "two-sided p-value of one look"), "DOUBLE"),
    (Column("n", "count", "children behind the row"), "BIGINT"),
    (Column("n_units", "number", "units compared"), "INTEGER"),
    (Column("n_treated_units", "number", "of these, taking part"), "INTEGER"),
    (Column("n_clusters", "number", "clusters of the errors"), "INTEGER"),
    (Column("status", "text", "estimated, or not estimable"), "VARCHAR"),
    (Column("note", "note", "reason, or what a reader of the row must know"), "VARCHAR"),
)
CROSS_CHECK_COLUMNS: Columns = (
    (Column("outcome", "id", "outcome of the plan"), "VARCHAR"),
    (Column("comparison", "text", "comparison of the plan"), "VARCHAR"),
    (Column("estimator", "text", "estimator"), "VARCHAR"),
    (Column("family", "text", "outcomes that are corrected together: those of one role"), "VARCHAR"),
    (Column("n_outcomes", "number", "outcomes of the family"), "INTEGER"),
    (Column("estimate", "estimate", "overall effect in the outcome's own unit"), "DOUBLE"),
    (Column("p_value", "number", "two-sided p-value with jackknife errors"), "DOUBLE"),
    (Column("p_wild", "number", "p-value of the wild cluster bootstrap with no effect imposed"), "DOUBLE"),
    (Column("p_placebo", "number", "share of placebo reassignments with at least as large a t"), "DOUBLE"),
    (Column("p_family", "number", "Romano–Wolf p-value: corrected for the outcomes of the family"), "DOUBLE"),
    (Column("n_draws", "number", "bootstrap draws and reassignments asked for"), "INTEGER"),
    (Column("n", "count", "children behind the row"), "BIGINT"),
    (Column("status", "text", "estimated, or not estimable"), "VARCHAR"),
    (Column("note", "note", "what could not be calculated, and why"), "VARCHAR"),
)
PLAN_HASH = (Column("plan_sha256", "id", "hash of the plan"), "VARCHAR")


def row_of(columns: Columns, **values: object) -> Row:
    """Values in the order of the columns; what is not given is empty."""
    return [values.get(column.name) for column, _ in columns]


def make_table(connection: duckdb.DuckDBPyConnection, plan: Plan, name: str) -> int:
    """Compute one table and write it, all or nothing. Returns its number of rows."""
    table = MADE_TABLES[name]
    sha256 = connection.execute("SELECT plan_sha256 FROM plan.study").fetchall()[0][0]
    rows = [(*(_without_nan(value) for value in row), sha256) for row in table.rows(connection, plan)]
    return write_rows(connection, name, table.grain, (*table.columns, PLAN_HASH), rows, _made_from(connection, table))


def fingerprint_now(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The fingerprint that the table would have if it were computed now."""
    return hashlib.sha256(_made_from(connection, MADE_TABLES[name]).encode()).hexdigest()


def _made_from(connection: duckdb.DuckDBPyConnection, table: MadeTable) -> str:
    prints = fingerprints(connection)
    return f"{table.name} {[prints.get(name) for name in table.reads]}"


def _without_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _estimates(estimator: Estimator) -> MadeTable:
    def rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterable[Row]:
        from kkz_eval.evaluation.run import estimate_rows  # noqa: PLC0415  (pandas is slow to import)

        return estimate_rows(connection, plan, estimator)

    grain = f"Estimates of {estimator.replace('_', ' ')}: one row per outcome, comparison and summary."
    return MadeTable(f"estimates.{estimator}", grain, ESTIMATE_COLUMNS, INPUTS, rows)


def _rows(module: str, function: str) -> Callable[[duckdb.DuckDBPyConnection, Plan], Iterable[Row]]:
    """A function of a module beside this one, imported only when rows are asked for: pandas is slow to import."""

    def rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterable[Row]:
        make: Callable[[duckdb.DuckDBPyConnection, Plan], Iterable[Row]]
        make = getattr(import_module(f"kkz_eval.evaluation.{module}"), function)
        return make(connection, plan)

    return rows


_ALL = (
    *(_estimates(name) for name in PLAN_ESTIMATORS),
    MadeTable(
        "estimates.triple_differences",
        "Whether gaps between groups of children close: one row per outcome, group or gap, and summary.",
        ESTIMATE_COLUMNS,
        INPUTS,
        _rows("run", "gap_estimates"),
    ),
    MadeTable(
        "estimates.cross_check",
        "One row per outcome: how likely the main result is by chance, measured in other ways and for many outcomes.",
        CROSS_CHECK_COLUMNS,
        INPUTS,
        _rows("cross_check", "cross_check_rows"),
    ),
    MadeTable(
        "horizon.detectability",
        "One row per outcome and period: the smallest effects that could be told from chance, seen and to come.",
        DETECTABILITY_COLUMNS,
        INPUTS,
        _rows("monitor", "detectability_rows"),
    ),
    MadeTable(
        "horizon.dose_response",
        "One row per outcome, kind, shape, method, period and bin: effects by years under the programme.",
        DOSE_RESPONSE_COLUMNS,
        INPUTS,
        _rows("monitor", "dose_response_rows"),
    ),
    MadeTable(
        "horizon.placebo_adoption",
        "One row per primary outcome: fake adoptions among places that never took part, beside the variance formula.",
        PLACEBO_COLUMNS,
        INPUTS,
        _rows("monitor", "placebo_rows"),
    ),
    MadeTable(
        "horizon.looks",
        "One row per primary outcome and period: the yearly look, its bound and its interval.",
        LOOK_COLUMNS,
        ("horizon.detectability", "horizon.dose_response", "plan.document"),
        _rows("look_rows", "look_rows"),
    ),
    MadeTable(
        "horizon.early_signal",
        "What the exam says about outcomes at school before they are due: one row per outcome, span, kind and cohort.",
        EARLY_SIGNAL_COLUMNS,
        (*INPUTS, "cells.linked_moment"),
        _rows("early_signal", "early_signal_rows"),
    ),
    MadeTable(
        "horizon.cost",
        "What an averted case costs: one row per outcome, reading of the programme's cost, and discount rate.",
        COST_COLUMNS,
        (
            *(f"estimates.{name}" for name in PLAN_ESTIMATORS),
            "horizon.detectability",
            "reference.exposure",
            "reference.gemeinde",
            "reference.participation",
            "reference.unit",
            "plan.document",
        ),
        _rows("cost_table", "cost_rows"),
    ),
    MadeTable(
        "horizon.sensitivity",
        "One row per primary outcome, threat and assumption: what would change the conclusion.",
        SENSITIVITY_COLUMNS,
        SENSITIVITY_INPUTS,
        _rows("sensitivity", "sensitivity_rows"),
    ),
)
#: Every table that Python computes from others, by name.
MADE_TABLES: Mapping[str, MadeTable] = {table.name: table for table in _ALL}
