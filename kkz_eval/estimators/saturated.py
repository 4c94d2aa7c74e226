"""Regression with unit and period effects and one coefficient per effect by cohort and period."""

from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import (
    Reduced,
    WithinDesign,
    absorbed_covariates,
    reduced_without_each_cluster,
    small_sample_factor,
    solve,
    within_design,
)
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray
from kkz_eval.estimators.staggered import Cells, Effects, Sample, fit_of, reasons, without


@dataclass(frozen=True, eq=False)
class Saturated:
    """The regression, and how its coefficients make the effects.

    position (K,): column of each effect's indicator, −1 for references; moderators (U, T, q) have one column per
    effect and moderator behind the indicators: effect = indicator + Σ mean of the moderator · its coefficient.
    """

    design: WithinDesign
    is_reference: BoolArray
    moderators: FloatArray
    first: int


def saturated_fit(
    name: str,
    sample: Sample,
    cells: Cells,
    is_reference: BoolArray,
    options: EstimatorOptions,
    sentence: str,
    *,
    extra_terms: FloatArray | None = None,
    moderators: FloatArray | None = None,
) -> Fit:
    """Fit with unit effects; errors as R fixest: clusters, unit effects nested, clusters minus one df.

    extra_terms (U, T, j) follow the covariates. moderators (U, T, q): the effect may vary with them; it is given at
    their mean over the cells of the effect.

    Raises EstimationError when no unit is left outside the treated cohorts.
    """
    panel = sample.panel
    if not (np.isinf(panel.cohort) & (sample.weight > 0).any(axis=1)).any():
        raise EstimationError(f"cells of {panel.outcome}: no comparison unit has a value; add untreated units.")
    q = np.zeros((*panel.value.shape, 0)) if moderators is None else moderators
    more = np.zeros((*panel.value.shape, 0)) if extra_terms is None else extra_terms
    indicator = _indicators(sample, cells)[:, :, ~is_reference]
    interactions = [indicator * q[:, :, [j]] for j in range(q.shape[2])]
    terms = np.concatenate([sample.covariates, more, indicator, *interactions], axis=2)
    design = within_design(
        panel,
        terms,
        sample.weight > 0,
        weighted=options.weighted,
        by_children=options.design == "cross_section",
    )
    if moderators is None:
        absorbed = absorbed_covariates(design, options.covariate_names)
        sample = replace(sample, note="; ".join(filter(None, [sample.note, absorbed])))
    cells = replace(cells, mass=cells.mass * design.enters[:, cells.place])
    first = len(panel.periods) - 1 + sample.covariates.shape[2] + more.shape[2]
    return _fit(name, sample, cells, Saturated(design, is_reference, q, first), options, sentence)


def _fit(
    name: str, sample: Sample, cells: Cells, regression: Saturated, options: EstimatorOptions, sentence: str
) -> Fit:
    design = regression.design
    solution = solve(design)
    total = cells.mass.sum(axis=0)
    averages = _moderator_sums(regression, cells).sum(axis=0) / np.where(total > 0, total, 1.0)[:, None]
    rows = _rows(regression, averages, design.x.shape[1])
    known = solution.whole.estimable(rows) & (total > 0)
    estimate = np.where(known, rows @ solution.whole.coefficient, np.nan)
    influence = np.where(known[None], solution.all_influence @ rows.T, 0.0)
    n_clusters = len(np.unique(sample.panel.cluster[np.unique(design.row_unit)]))
    effects = Effects(
        estimate=estimate,
        influence=influence,
        is_reference=regression.is_reference,
        reason=reasons(estimate),
        without_each_cluster=lambda: _without_each_cluster(sample, cells, regression),
    )
    entering = replace(sample, size=sample.size * design.enters.any(axis=1))
    n_single = int(((sample.size > 0) & (entering.size == 0)).sum())
    if n_single:
        single = f"{n_single} units with fewer than two values left out"
        entering = replace(entering, note="; ".join(filter(None, [sample.note, single])))
    fit = fit_of(
        name, entering, cells, effects, options, sentence,
        variance_factor=small_sample_factor(design.n_observations, solution.rank + 1, n_clusters),
        df=n_clusters - 1.0,
    )  # fmt: skip
    return replace(fit, extra={**fit.extra, "design": design, "rank": solution.rank, "solution": solution})


def _indicators(sample: Sample, cells: Cells) -> FloatArray:
    """(U, T, K) one where a unit of the cohort is in the period."""
    n_units, n_periods = sample.panel.value.shape
    indicator = np.zeros((n_units, n_periods, len(cells.cohort)))
    for k, (cohort, place) in enumerate(zip(cells.cohort, cells.place, strict=True)):
        indicator[sample.panel.cohort == cohort, place, k] = 1.0
    return indicator


def _moderator_sums(regression: Saturated, cells: Cells) -> FloatArray:
    """(U, K, q) moderators times mass."""
    return cells.mass[:, :, None] * regression.moderators[:, cells.place]


def _rows(regression: Saturated, averages: FloatArray, n_columns: int) -> FloatArray:
    """(K, p) the effects as combinations of all coefficients, at moderators (K, q)."""
    rows = np.zeros((len(averages), n_columns))
    own = np.flatnonzero(~regression.is_reference)
    for j in range(averages.shape[1] + 1):
        column = regression.first + j * len(own) + np.arange(len(own))
        rows[own, column] = 1.0 if j == 0 else averages[own, j - 1]
    return rows


def _without_each_cluster(sample: Sample, cells: Cells, regression: Saturated) -> FloatArray:
    n_clusters, code = sample.codes
    mass = without(code, n_clusters, cells.mass)
    sums = without(code, n_clusters, _moderator_sums(regression, cells))
    never = np.isinf(sample.panel.cohort) & regression.design.enters.any(axis=1)
    left = np.full(mass.shape, np.nan)
    for c, reduced in enumerate(reduced_without_each_cluster(regression.design)):
        if (never & (code != c)).any():
            averages = sums[c] / np.where(np.abs(mass[c]) > 0, mass[c], 1.0)[:, None]
            left[c] = _effects_from(reduced, _rows(regression, averages, regression.design.x.shape[1]))
    return left


def _effects_from(reduced: Reduced, rows: FloatArray) -> FloatArray:
    return np.where(reduced.estimable(rows), rows @ reduced.coefficient, np.nan)
