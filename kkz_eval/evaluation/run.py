"""A plan's specifications run over the cells.

What belongs here: who is estimated with what. What does not: formulas.
"""

from collections.abc import Iterator
from dataclasses import replace

import duckdb

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Estimate
from kkz_eval.evaluation.made import ESTIMATE_COLUMNS, Row
from kkz_eval.evaluation.specification import Specification, gap_rows, not_estimable, run_specification
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.plan.model import Comparison, Estimator, Gap, Plan

#: Estimators that take cells split by stratum.
ADJUSTS = frozenset({"callaway_santanna_adjusted"})


def estimate_rows(connection: duckdb.DuckDBPyConnection, plan: Plan, estimator: Estimator) -> Iterator[Row]:
    """One estimator over all outcomes and comparisons, as rows of `estimates.<estimator>`.

    An estimator that the plan does not name gives none, so that released tables can always be built.
    """
    if estimator not in plan.estimation.estimators:
        return
    cells = StudyCells(connection)
    for outcome in plan.outcomes:
        for comparison in plan.comparisons:
            for estimate in _one(cells, outcome.name, comparison, specification_of(plan, comparison, estimator)):
                yield [getattr(estimate, column.name) for column, _ in ESTIMATE_COLUMNS]


def gap_estimates(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `estimates.triple_differences`: every gap of the plan in the first comparison, where strata are known.

    The comparison of a row is "gap: first", "gap: second" or "gap: first minus second".
    """
    cells = StudyCells(connection)
    for outcome in plan.outcomes:
        if plan.gaps and cells.has_strata(outcome.name):
            for gap in plan.gaps:
                for estimate in _gap(cells, outcome.name, plan, gap):
                    yield [getattr(estimate, column.name) for column, _ in ESTIMATE_COLUMNS]


def _gap(cells: StudyCells, outcome: str, plan: Plan, gap: Gap) -> list[Estimate]:
    comparison = plan.comparisons[0]
    specification = replace(specification_of(plan, comparison, "callaway_santanna"), comparison=gap.name)
    try:
        first, second = (cells.stratum_panel(outcome, comparison, strata) for strata in (gap.first, gap.second))
        rows = gap_rows(first, second, replace(specification, fully_exposed=cells.fully_exposed(outcome)))
    except EstimationError as reason:
        return [not_estimable(outcome, specification, str(reason))]
    # Each group's many cohort and year effects stay out: few children stand behind one.
    return [row for row in rows if row.aggregation != "group_time"]


def specification_of(plan: Plan, comparison: Comparison, estimator: Estimator) -> Specification:
    """How the plan has one estimator make one comparison."""
    return Specification(
        comparison=comparison.name,
        estimator=estimator,
        control_group=comparison.control_group,
        base_period=comparison.base_period,
        anticipation=comparison.anticipation,
        inference=plan.estimation.inference,
        confidence_level=plan.estimation.confidence,
        seed=plan.estimation.seed,
        draws=plan.estimation.draws,
        method=comparison.method,
    )


def _one(cells: StudyCells, outcome: str, comparison: Comparison, specification: Specification) -> list[Estimate]:
    """All rows of one specification; when the data do not allow it, one row that says why."""
    by_stratum = specification.estimator in ADJUSTS
    if by_stratum and comparison.covariates:
        held = ", ".join(comparison.covariates)
        reason = f"this estimator adjusts for the children's composition only and does not hold {held} constant"
        return [not_estimable(outcome, specification, reason)]
    try:
        compared = cells.compared(outcome, comparison, by_stratum=by_stratum)
        exposed = replace(specification, fully_exposed=cells.fully_exposed(outcome))
        dose = cells.dose(outcome, compared.panel) if specification.estimator == "dose" else None
        rows = run_specification(compared.panel, exposed, compared.covariates, compared.covariate_names, dose)
    except EstimationError as reason:
        return [not_estimable(outcome, specification, str(reason))]
    if not compared.note:
        return rows
    return [replace(row, note="; ".join(part for part in (row.note, compared.note) if part)) for row in rows]
