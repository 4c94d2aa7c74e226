"""The plan as tables, so that SQL files need no parameters.

What belongs here: the schema `plan`, written and read back. What does not: decisions.
"""

from collections.abc import Sequence
from statistics import NormalDist

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.plan.model import Plan
from kkz_eval.plan.read import plan_from_json, plan_sha256, plan_to_json
from kkz_eval.warehouse.build import write_rows
from kkz_eval.warehouse.sqlfile import Column

_STUDY = (
    (Column("name", "id", "name of the study"), "VARCHAR"),
    (Column("unit", "text", "unit of evaluation: ags (Gemeinde) or kreis"), "VARCHAR"),
    (
        Column("participation_rule", "text", "named (only places named) or with_kreis (a Kreis includes its members)"),
        "VARCHAR",
    ),
    (Column("first_period", "year", "first period evaluated"), "INTEGER"),
    (Column("last_period", "year", "last period evaluated"), "INTEGER"),
    (Column("as_of", "date", "day as of which the study speaks"), "DATE"),
    (Column("threshold", "count", "smallest number of children a released figure may rest on"), "INTEGER"),
    (Column("minimum_exposure", "years", "years under the programme from which a cohort counts as exposed"), "DOUBLE"),
    (Column("cluster_level", "text", "level at which errors are clustered: kreis or unit"), "VARCHAR"),
    (Column("weights", "text", "weights of units: children or equal"), "VARCHAR"),
    (Column("normal_quantile", "number", "quantile of the normal distribution at the plan's confidence"), "DOUBLE"),
    (Column("plan_sha256", "id", "hash of the plan"), "VARCHAR"),
)
_OUTCOME = (
    (Column("outcome", "id", "name of the outcome"), "VARCHAR"),
    (Column("position", "number", "place in the plan's order"), "INTEGER"),
    (Column("source", "text", "where it is measured"), "VARCHAR"),
    (Column("role", "text", "primary, secondary or placebo"), "VARCHAR"),
    (Column("label_de", "text", "German label"), "VARCHAR"),
    (Column("label_en", "text", "English label"), "VARCHAR"),
    (Column("unit_of_measure", "text", "unit of the outcome"), "VARCHAR"),
    (Column("direction", "text", "direction that is wanted: lower or higher"), "VARCHAR"),
    (Column("first_valid_period", "year", "first period in which it is measured as defined"), "INTEGER"),
    (Column("last_valid_period", "year", "last period in which it is measured as defined"), "INTEGER"),
    (Column("period_kind", "text", "what a period is: entry_year, calendar_year or kita_year"), "VARCHAR"),
    (Column("measured_months", "number", "months from 1 January of the period's year to the measurement"), "INTEGER"),
    (Column("age_years", "years", "mean age at measurement"), "DOUBLE"),
    (Column("window_years", "years", "age up to which years under the programme count"), "DOUBLE"),
)
_SURROGATE = (
    (Column("outcome", "id", "later outcome"), "VARCHAR"),
    (Column("surrogate", "id", "outcome of the exam that may tell of it"), "VARCHAR"),
    (Column("position", "number", "place in the plan's order"), "INTEGER"),
)
_COMPARISON = (
    (Column("comparison", "id", "name of the comparison"), "VARCHAR"),
    (Column("position", "number", "place in the plan's order; the first is the main one"), "INTEGER"),
    (Column("region", "text", "all, rheinland or westfalen"), "VARCHAR"),
    (Column("control_group", "text", "never_treated or not_yet_treated"), "VARCHAR"),
)
_WAVE = ((Column("wave", "year", "wave that counts as treatment"), "INTEGER"),)
_EXCLUDED_UNIT = (
    (Column("unit", "id", "key of the excluded unit"), "VARCHAR"),
    (Column("reason", "text", "why"), "VARCHAR"),
)
_EXCLUDED_PERIOD = (
    (Column("source", "text", "source concerned"), "VARCHAR"),
    (Column("period", "year", "excluded period"), "INTEGER"),
    (Column("reason", "text", "why"), "VARCHAR"),
)
_DOCUMENT = ((Column("document", "text", "the plan as canonical JSON"), "VARCHAR"),)

PLAN_TABLES = (
    "study", "outcome", "surrogate", "comparison", "wave", "excluded_unit", "excluded_period", "document",
)  # fmt: skip


def write_plan(connection: duckdb.DuckDBPyConnection, plan: Plan) -> str:
    """Replace the schema `plan` by this plan. Returns the plan's hash."""
    sha256 = plan_sha256(plan)
    study, treatment, estimation = plan.study, plan.treatment, plan.estimation
    _write(
        connection, "study", "One row: the study's frame.", _STUDY,
        [(study.name, study.unit, treatment.participation_rule, study.first_period, study.last_period,
          study.as_of, plan.disclosure.threshold, treatment.minimum_exposure_years, estimation.cluster,
          estimation.weights, NormalDist().inv_cdf(0.5 + estimation.confidence / 2), sha256)],
    )  # fmt: skip
    _write(
        connection, "outcome", "One row per outcome of the plan.", _OUTCOME,
        [(o.name, position, o.source, o.role, o.label_de, o.label_en, o.unit_of_measure, o.direction,
          o.first_valid_period, o.last_valid_period, o.period_kind, o.measured_months, o.age_years, o.window_years)
         for position, o in enumerate(plan.outcomes, start=1)],
    )  # fmt: skip
    signals = [(o.name, name, place) for o in plan.outcomes for place, name in enumerate(o.surrogates, start=1)]
    _write(connection, "surrogate", "One row per outcome and surrogate.", _SURROGATE, signals)
    compared = [(c.name, position, c.region, c.control_group) for position, c in enumerate(plan.comparisons, start=1)]
    _write(connection, "comparison", "One row per comparison of the plan.", _COMPARISON, compared)
    _write(connection, "wave", "One row per wave that counts.", _WAVE, [(wave,) for wave in treatment.waves])
    units = [(excluded.unit, excluded.reason_en) for excluded in plan.excluded_units]
    _write(connection, "excluded_unit", "One row per excluded unit.", _EXCLUDED_UNIT, units)
    periods = [(excluded.source, excluded.period, excluded.reason_en) for excluded in plan.excluded_periods]
    _write(connection, "excluded_period", "One row per source and excluded period.", _EXCLUDED_PERIOD, periods)
    _write(connection, "document", "One row: the plan in full.", _DOCUMENT, [(plan_to_json(plan),)])
    return sha256


def stored_plan(connection: duckdb.DuckDBPyConnection) -> Plan:
    """The plan with which the warehouse was built. Raises `WarehouseError` when none was loaded."""
    try:
        rows = connection.execute("SELECT document FROM plan.document").fetchall()
    except duckdb.CatalogException:
        raise WarehouseError("the study has not been run yet; run `kkz-eval run` first.") from None
    return plan_from_json(rows[0][0])


def _write(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    grain: str,
    columns: Sequence[tuple[Column, str]],
    rows: Sequence[Sequence[object]],
) -> None:
    write_rows(connection, f"plan.{table}", grain, columns, rows, repr(rows))
