"""Goodman-Bacon (2021) decomposition of two-way fixed effects into two-by-two comparisons, on cells."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import small_sample_factor, solve, within_design
from kkz_eval.estimators.regression import comparable, event_times
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, InfluenceMatrix, Parameter, sum_by

NAME = "bacon"
TOTAL = (
    "two-way fixed effects: weighted mean of all two-by-two comparisons; differs from Callaway–Sant'Anna because units "
    "already treated serve as comparison and the weights come from the timing"
)


@dataclass(frozen=True, eq=False)
class Comparisons:
    """K two-by-twos: position of the treated and the comparison cohort (K,) among the cohorts.

    after and before (K, T): periods whose means are compared, as weights that sum to one.
    """

    treated: NDArray[np.intp]
    comparison: NDArray[np.intp]
    after: FloatArray
    before: FloatArray


def bacon(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """All two-by-two comparisons behind the two-way fixed effects coefficient, with their weights.

    Estimand: none of its own; it shows where `two_way_fixed_effects` comes from. A comparison (`decomposition`) has
    the treated cohort as `cohort` and the first treated period of its comparison as `period`, none for never-treated
    units; its note says the kind and the weight, and `extra["weight"]` (K,) holds the weights. `static` is their
    weighted mean, the two-way fixed effects coefficient on the same cells. Units with a missing cell, weights by
    children and anticipation do not belong to the decomposition: such units are left out, cells of a unit weigh alike.

    Raises EstimationError with covariates, and when no two cohorts are complete.
    Source: Goodman-Bacon (2021), Journal of Econometrics 225, theorem 1; R bacondecomp.
    """
    if options.covariates is not None:
        raise EstimationError(f"cells of {panel.outcome}: the decomposition takes no covariates; leave them out.")
    options = replace(options, anticipation=0, covariate_names=())
    sample, note = _complete(panel, options)
    weight = sample.weight if options.weighted else np.ones(len(sample.units))
    cohorts, code = np.unique(sample.cohort, return_inverse=True)
    pairs = _comparisons(sample, cohorts)
    mass = sum_by(code, len(cohorts), weight)[None]
    total = sum_by(code, len(cohorts), weight[:, None] * sample.value)[None]
    estimate, share = _decompose(pairs, cohorts, sample.periods, mass, total)
    design = within_design(
        sample,
        (event_times(sample) >= 0)[:, :, None].astype(np.float64),
        np.isfinite(sample.value),
        weighted=options.weighted,
        by_children=False,
    )
    solution = solve(design)
    influence = np.column_stack([_influence(sample, weight, pairs, code, mass[0], total[0]), solution.influence])
    n_clusters = len(np.unique(sample.cluster))
    parameters = (*_parameters(pairs, cohorts), Parameter("static"))
    own = np.column_stack([code[:, None] == pairs.treated, np.isfinite(sample.cohort)])
    other = np.column_stack([code[:, None] == pairs.comparison, np.ones(len(sample.units), dtype=bool)])
    return Fit(
        estimator=NAME,
        parameters=parameters,
        estimate=np.append(estimate[0], estimate[0] @ share[0]),
        influence=InfluenceMatrix(sample.units, sample.cluster, influence),
        treated_weight=weight[:, None] * own,
        used=own | other,
        n_children=_children(sample, pairs, own),
        is_reference=np.zeros(len(parameters), dtype=bool),
        reason=(None,) * len(parameters),
        notes=(*_notes(pairs, cohorts, share[0], note), "; ".join(filter(None, [TOTAL, note]))),
        leave_out=lambda: _leave_out(sample, weight, pairs, cohorts, code),
        variance_factor=small_sample_factor(design.n_observations, solution.rank + 1, n_clusters),
        analytic_df=np.full(len(parameters), n_clusters - 1.0),
        extra={"weight": share[0], "pairs": pairs, "cohorts": cohorts, "regression": float(solution.coefficient[0])},
    )


def _complete(panel: CellPanel, options: EstimatorOptions) -> tuple[CellPanel, str]:
    """Units with a value in every period that can be compared."""
    sample, _, note = comparable(panel, options)
    complete: NDArray[np.bool_] = np.asarray(np.isfinite(sample.value).all(axis=1))
    if not complete.all():
        note = "; ".join(filter(None, [note, f"{int((~complete).sum())} units with missing values left out"]))
        if np.isinf(sample.cohort).any() and np.isfinite(sample.cohort[complete]).all():
            note += ", all never-treated units among them"
    sample = sample.select(complete)
    treated = np.isfinite(sample.cohort)
    if not treated.any() or len(np.unique(sample.cohort)) < 2:
        raise EstimationError(
            f"cells of {panel.outcome}: the decomposition needs two cohorts, or one and untreated units, with a value "
            f"in every period; {len(sample.units)} of {len(complete)} units have one."
        )
    return sample, note


def _comparisons(sample: CellPanel, cohorts: FloatArray) -> Comparisons:
    """Every ordered pair of a treated cohort with another: never treated, treated later, treated earlier."""
    periods = sample.periods
    rows = []
    for k, start in enumerate(cohorts):
        for other, second in enumerate(cohorts):
            if k == other or np.isinf(start):
                continue
            window = periods < second if second > start else periods >= second
            after, before = window & (periods >= start), window & (periods < start)
            rows.append((k, other, after / after.sum(), before / before.sum()))
    treated, comparison, after, before = zip(*rows, strict=True)
    return Comparisons(
        np.array(treated, dtype=np.intp), np.array(comparison, dtype=np.intp), np.array(after), np.array(before)
    )


def _decompose(
    pairs: Comparisons, cohorts: FloatArray, periods: NDArray[np.int64], mass: FloatArray, total: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Estimates and weights (R, K) from R replicates of mass (R, G) and total (R, G, T) of the cohorts.

    NaN where a cohort is absent; the weights then sum to one over the rest.
    """
    mean = np.divide(total, mass[:, :, None], out=np.full(total.shape, np.nan), where=mass[:, :, None] > 0)
    change = pairs.after - pairs.before
    estimate = np.einsum("rkt,kt->rk", mean[:, pairs.treated] - mean[:, pairs.comparison], change)
    size = mass / mass.sum(axis=1, keepdims=True)
    treated_share = np.array([(periods >= g).mean() for g in cohorts])
    k, other = pairs.treated, pairs.comparison
    both = size[:, k] + size[:, other]
    part = np.divide(size[:, k], both, out=np.zeros_like(both), where=both > 0)
    spread = _spread(treated_share[k], treated_share[other])
    raw = both**2 * part * (1 - part) * spread
    everything = raw.sum(axis=1, keepdims=True)
    return estimate, np.divide(raw, everything, out=np.full(raw.shape, np.nan), where=everything > 0)


def _spread(own: FloatArray, other: FloatArray) -> FloatArray:
    """(K,) variance of treatment within each two-by-two: shares of treated periods of both cohorts.

    Theorem 1, equations 10e to 10g without the common denominator; the squared length of the window is multiplied in.
    """
    never, earlier = other == 0, own > other
    against_treated = np.where(earlier, (own - other) * (1 - own), own * (other - own))
    return np.where(never, own * (1 - own), against_treated)


def _influence(
    sample: CellPanel,
    weight: FloatArray,
    pairs: Comparisons,
    code: NDArray[np.intp],
    mass: FloatArray,
    total: FloatArray,
) -> FloatArray:
    """(U, K) contributions of the units to each comparison: deviations of their change from the cohort's."""
    change = pairs.after - pairs.before
    own = (sample.value - (total / mass[:, None])[code]) @ change.T * (weight / mass[code])[:, None]
    side = (code[:, None] == pairs.treated) * 1.0 - (code[:, None] == pairs.comparison) * 1.0
    return np.asarray(own * side)


def _parameters(pairs: Comparisons, cohorts: FloatArray) -> list[Parameter]:
    return [
        Parameter("decomposition", cohort=int(cohorts[k]), period=None if np.isinf(cohorts[j]) else int(cohorts[j]))
        for k, j in zip(pairs.treated, pairs.comparison, strict=True)
    ]


def _notes(pairs: Comparisons, cohorts: FloatArray, weight: FloatArray, note: str) -> list[str]:
    notes = []
    for k, j, share in zip(pairs.treated, pairs.comparison, weight, strict=True):
        if np.isinf(cohorts[j]):
            against = "never-treated units"
        else:
            kind = "not yet treated" if cohorts[j] > cohorts[k] else "already treated"
            against = f"cohort {cohorts[j]:.0f}, {kind}"
        notes.append("; ".join(filter(None, [f"cohort {cohorts[k]:.0f} against {against}, weight {share:.4f}", note])))
    return notes


def _children(sample: CellPanel, pairs: Comparisons, own: NDArray[np.bool_]) -> FloatArray:
    after = sample.n @ (pairs.after > 0).T
    overall = sample.n[event_times(sample) >= 0].sum()
    return np.append((after * own[:, :-1]).sum(axis=0), overall)


def _leave_out(
    sample: CellPanel, weight: FloatArray, pairs: Comparisons, cohorts: FloatArray, code: NDArray[np.intp]
) -> FloatArray:
    labels, cluster = np.unique(sample.cluster, return_inverse=True)
    place = cluster * len(cohorts) + code
    n_places = len(labels) * len(cohorts)
    shape = (len(labels), len(cohorts))
    mass = sum_by(place, n_places, weight).reshape(shape)
    total = sum_by(place, n_places, weight[:, None] * sample.value).reshape(*shape, -1)
    counts = sum_by(place, n_places, np.ones(len(weight))).reshape(shape)
    gone = counts.sum(axis=0)[None] - counts < 0.5
    rest = np.where(gone, 0.0, mass.sum(axis=0)[None] - mass)
    estimate, share = _decompose(pairs, cohorts, sample.periods, rest, total.sum(axis=0)[None] - total)
    overall = (np.nan_to_num(estimate) * share).sum(axis=1)
    return np.column_stack([estimate, overall])
