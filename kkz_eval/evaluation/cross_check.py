"""The main result's chance, measured in other ways: wild bootstrap, placebo reassignment, many outcomes at once.

What belongs here: which result is checked by what. What does not: how a bootstrap or reassignment works.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import adjusted_cells
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import Fit
from kkz_eval.evaluation.made import CROSS_CHECK_COLUMNS, Row
from kkz_eval.evaluation.run import ADJUSTS, specification_of
from kkz_eval.evaluation.specification import Specification, fit_specification, uncertainty_of
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.inference.many_outcomes import adjusted_p_values, joint_tests
from kkz_eval.inference.randomisation import placebo_test, reassignments
from kkz_eval.inference.uncertainty import t_intervals
from kkz_eval.inference.wild import WildTest
from kkz_eval.plan.model import Outcome, Plan

#: Estimators whose comparisons can be made again under other years of adoption.
REASSIGNABLE = ADJUSTS | {"callaway_santanna"}


@dataclass(frozen=True, eq=False)
class _Checked:
    """One outcome's main result: the overall effect, its place in the fit, and p-values."""

    outcome: Outcome
    fit: Fit
    place: int
    p_value: float
    p_placebo: float | None
    note: str


def cross_check_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `estimates.cross_check`: the primary estimator's overall effect of the first comparison, by outcome."""
    cells = StudyCells(connection)
    specification = replace(
        specification_of(plan, plan.comparisons[0], plan.estimation.estimators[0]),
        draws=plan.estimation.cross_check_draws,
    )
    for role in ("primary", "secondary", "placebo"):
        outcomes = [outcome for outcome in plan.outcomes if outcome.role == role]
        found: dict[str, _Checked] = {}
        reasons: dict[str, str] = {}
        for outcome in outcomes:
            try:
                found[outcome.name] = _checked(cells, plan, outcome, specification)
            except EstimationError as reason:
                reasons[outcome.name] = str(reason)
        wild, family = _family(list(found.values()), specification)
        for outcome in outcomes:
            row: dict[str, object] = {
                "outcome": outcome.name, "comparison": specification.comparison, "estimator": specification.estimator,
                "family": role, "n_outcomes": len(found), "n_draws": specification.draws,
            }  # fmt: skip
            if outcome.name in found:
                checked = found[outcome.name]
                position = list(found).index(outcome.name)
                row |= _figures(checked) | {"p_wild": wild[position].p_value(), "p_family": float(family[position])}
            else:
                row |= {"status": "not estimable", "note": reasons[outcome.name]}
            yield [row.get(column.name) for column, _ in CROSS_CHECK_COLUMNS]


def _figures(checked: _Checked) -> dict[str, object]:
    n = checked.fit.n_children[checked.place]
    return {
        "estimate": float(checked.fit.estimate[checked.place]),
        "p_value": checked.p_value,
        "p_placebo": checked.p_placebo,
        "n": round(float(n)) if np.isfinite(n) else None,
        "status": "estimated",
        "note": checked.note,
    }


def _checked(cells: StudyCells, plan: Plan, outcome: Outcome, specification: Specification) -> _Checked:
    comparison = plan.comparisons[0]
    compared = cells.compared(outcome.name, comparison, by_stratum=specification.estimator in ADJUSTS)
    fit = fit_specification(compared.panel, specification, compared.covariates, compared.covariate_names)
    place = (fit.index(aggregation="overall") or fit.index(aggregation="static") or fit.index(label="overall"))[0]
    uncertainty = uncertainty_of(fit, specification)
    reason = uncertainty.reason[place]
    if reason is not None:
        raise EstimationError(reason)
    p_value = float(t_intervals(fit.estimate, uncertainty, specification.confidence_level).p_value[place])
    p_placebo, note = _placebo(compared.panel, fit, specification) if compared.covariates is None else (None, "")
    return _Checked(outcome, fit, place, p_value, p_placebo, note)


def _placebo(panel: CellPanel, fit: Fit, specification: Specification) -> tuple[float | None, str]:
    """Share of placebo reassignments with at least as large a t, and in words how they were drawn."""
    if specification.estimator not in REASSIGNABLE:
        return None, f"{specification.estimator} is not reassigned"
    again = callaway_santanna(adjusted_cells(panel, fit), specification.options())
    sample: CellPanel = again.extra["sample"].panel
    blocks = np.array([f"{kreis} {year}" for kreis, year in zip(sample.cluster, sample.cohort, strict=True)])
    try:
        assigned = reassignments(
            again, draws=specification.draws, seed=specification.seed, strata=_strata(sample, blocks), blocks=blocks
        )
        test = placebo_test(again, [again.index(aggregation="overall")[0]], assigned)
    except EstimationError as reason:
        return None, f"placebo reassignment: {reason}"
    return float(test.p_value[0]), "years of adoption exchanged between Kreise of like size, places of a Kreis together"


def _strata(panel: CellPanel, blocks: NDArray[np.str_]) -> NDArray[np.str_]:
    """Labels of the units: blocks of one place or of several, in halves by their children (fixed weights)."""
    _, code, count = np.unique(blocks, return_inverse=True, return_counts=True)
    children = np.bincount(code, weights=panel.weight)
    is_single = count == 1
    is_large = np.zeros(len(count), dtype=bool)
    for single in (True, False):
        own = is_single == single
        if own.any():
            is_large[own] = children[own] > np.median(children[own])
    labels = np.array([f"{one} {large}" for one, large in zip(is_single, is_large, strict=True)])
    return np.asarray(labels[code], dtype=np.str_)


def _family(found: Sequence[_Checked], specification: Specification) -> tuple[list[WildTest], NDArray[np.float64]]:
    if not found:
        return [], np.empty(0)
    fits, places = [checked.fit for checked in found], [checked.place for checked in found]
    tests = joint_tests(fits, places, draws=specification.draws, seed=specification.seed)
    return tests, adjusted_p_values(tests)
