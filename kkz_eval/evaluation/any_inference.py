"""P-values and intervals by resampling, put into rows that hold analytic ones.

What belongs here: which bootstrap or reassignment serves which estimator. What does not: how either works.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.estimators.result import Estimate, Fit
from kkz_eval.evaluation.specification import is_row
from kkz_eval.inference.randomisation import placebo_test, reassignments
from kkz_eval.inference.wild import WildTest, multipliers
from kkz_eval.inference.wild_influence import cluster_leverage, wild_influence
from kkz_eval.inference.wild_regression import cluster_products, wild_regression

CALLAWAY = "callaway_santanna"
REGRESSIONS = ("two_way_fixed_effects", "event_study")


def with_wild(rows: Sequence[Estimate], fit: Fit, *, confidence_level: float, draws: int, seed: int) -> list[Estimate]:
    """The rows with p-value and interval of the restricted wild cluster bootstrap; errors stay analytic.

    Regressions are re-estimated exactly, other estimators by their influence functions. Bands stay as they are.
    """
    test, said = _wild_test(fit, draws, seed)
    place = _places(fit)
    return [
        _bootstrapped(row, test(place[_key(row)]), said, confidence_level)
        if row.p_value is not None and _key(row) in place
        else row
        for row in rows
    ]


def with_reassignment(rows: Sequence[Estimate], fit: Fit, *, draws: int, seed: int) -> list[Estimate]:
    """The rows with p-values by placebo reassignment of cohorts between units; errors and intervals stay analytic.

    Clusters whose units adopt together are reassigned as a whole. Raises EstimationError for fits other than
    `callaway_santanna` without covariates on a complete panel.
    """
    place = _places(fit)
    assigned = reassignments(fit, draws=draws, seed=seed, blocks=_blocks(fit) if fit.estimator == CALLAWAY else None)
    chosen = [place[_key(row)] for row in rows if row.p_value is not None and _key(row) in place]
    p_values = dict(zip(chosen, placebo_test(fit, chosen, assigned).p_value.tolist(), strict=True))
    kind = "possible" if assigned.is_complete else "random"
    said = f"p-value from {len(assigned.cohort)} {kind} placebo reassignments of cohorts; interval analytic"
    return [
        replace(row, p_value=p_values[place[_key(row)]], note=_joined(row.note, said))
        if place.get(_key(row)) in p_values
        else row
        for row in rows
    ]


def _wild_test(fit: Fit, draws: int, seed: int) -> tuple[Callable[[int], WildTest], str]:
    """The bootstrap of the parameter at a position, and in words how it was drawn."""
    labels, sums = fit.influence.by_cluster()
    if fit.estimator in REGRESSIONS:
        products, contrasts = cluster_products(fit)
        drawn = multipliers(len(products.clusters), draws=draws, seed=seed)

        def test(p: int) -> WildTest:
            return wild_regression(products, contrasts[p], drawn)
    else:
        drawn = multipliers(len(labels), draws=draws, seed=seed)

        def test(p: int) -> WildTest:
            leverage = cluster_leverage(fit, p)
            return wild_influence(sums[:, p], leverage, float(fit.estimate[p]), drawn, factor=fit.variance_factor)

    kind = "all possible" if drawn.is_complete else "random"
    return test, f"p-value and interval from {len(drawn.values)} {kind} wild bootstrap draws ({drawn.scheme} weights)"


def _bootstrapped(row: Estimate, test: WildTest, said: str, confidence_level: float) -> Estimate:
    low, high = test.interval(confidence_level)
    return replace(
        row,
        df=None,
        ci_low=low if np.isfinite(low) else None,
        ci_high=high if np.isfinite(high) else None,
        p_value=test.p_value(),
        note=_joined(row.note, said, "" if np.isfinite([low, high]).all() else "an empty limit is infinite"),
    )


def _blocks(fit: Fit) -> NDArray[np.str_] | None:
    """Clusters as blocks when the units of every cluster adopt together."""
    cohort, clusters = fit.extra["sample"].panel.cohort, fit.influence.clusters
    _, first, code = np.unique(clusters, return_index=True, return_inverse=True)
    return clusters if (cohort[first][code] == cohort).all() else None


def _key(row: Estimate) -> tuple[object, ...]:
    name = row.note.split("; ")[0] if row.aggregation == "dose" else ""
    return row.aggregation, row.cohort, row.period, row.event_time, name


def _places(fit: Fit) -> dict[tuple[object, ...], int]:
    """Position of the parameter behind a row."""
    return {
        (p.aggregation, p.cohort, p.period, p.event_time, note.split("; ")[0] if p.aggregation == "dose" else ""): i
        for i, (p, note) in enumerate(zip(fit.parameters, fit.notes, strict=True))
        if is_row(p)
    }


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
