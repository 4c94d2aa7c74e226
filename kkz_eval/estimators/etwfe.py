"""Extended two-way fixed effects of Wooldridge (2021, 2023) on cells: straight, logit and exponential mean."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import period_dummies, small_sample_factor
from kkz_eval.estimators.quasi_likelihood import Mean, MeanModel, compress, fit_mean
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray, sum_by
from kkz_eval.estimators.saturated import saturated_fit
from kkz_eval.estimators.staggered import Cells, Effects, Sample, cells_of, fit_of, sample_of, without
from kkz_eval.estimators.sun_abraham import reference_cells
from kkz_eval.estimators.untreated import NOT_IDENTIFIED

NAMES: dict[Mean, str] = {"linear": "etwfe", "logit": "etwfe_logit", "exponential": "etwfe_poisson"}
SENTENCES: dict[Mean, str] = {
    "linear": "extended two-way fixed effects: one coefficient per cohort and period, averaged by treated cells; "
    "differs from Callaway–Sant'Anna because every period before adoption serves as base",
    "logit": "extended two-way fixed effects, logit mean: parallel trends on the log-odds scale, effect as a "
    "difference of shares; differs from Callaway–Sant'Anna, which assumes parallel trends of the shares themselves",
    "exponential": "extended two-way fixed effects, exponential mean (Poisson): trends parallel as ratios, effect in "
    "the outcome's unit; differs from Callaway–Sant'Anna, which assumes parallel trends of the means themselves",
}


def etwfe(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Effects by cohort and period from one linear regression, and their averages.

    Estimand: average effect on each cohort in each treated period, under parallel trends in all periods and no
    anticipation beyond `options.anticipation`. `not_yet_treated`: every untreated cell is comparison;
    `never_treated`: also the periods before adoption have their own coefficients, and only the last one is the base.
    Unit and period effects; with design `cross_section` cohort instead of unit effects, cells weighed by children.
    `options.covariates` x enter with x × cohort and x × period, and the effect may vary with x; it is given at the
    mean of x. Analytic errors are fixest's default (clusters, t with clusters minus one).

    Raises EstimationError when no treated cell has a comparison.
    Source: Wooldridge (2021), SSRN 3906345; R etwfe (`emfx` for the averages).
    """
    return _etwfe(panel, options, "linear")


def etwfe_logit(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """As `etwfe` for shares: quasi-likelihood of a logit mean with cohort and period effects.

    Estimand: average difference of the share in treated cells to the share they would have with parallel log-odds.
    Raises EstimationError for values outside 0 to 1. Source: Wooldridge (2023), Econometrics Journal 26.
    """
    return _etwfe(panel, options, "logit")


def etwfe_poisson(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """As `etwfe` for counts and rates: quasi-likelihood of an exponential mean with cohort and period effects.

    Estimand: average difference of the outcome in treated cells to the one they would have with parallel ratios.
    Raises EstimationError for negative values. Source: Wooldridge (2023), Econometrics Journal 26.
    """
    return _etwfe(panel, options, "exponential")


def _etwfe(panel: CellPanel, options: EstimatorOptions, mean: Mean) -> Fit:
    sample = sample_of(panel, options)
    _need_range(sample, mean)
    reference = reference_cells(sample, options)
    if options.control_group == "never_treated":
        sample, chosen = _based(sample, reference), np.isfinite(sample.event)
    else:
        chosen = sample.event >= -options.anticipation
        reference = np.zeros_like(reference)
    cells = cells_of(sample, chosen)
    is_reference = reference[:, cells.place][np.argmax(cells.mass > 0, axis=0), np.arange(len(cells.cohort))]
    if mean == "linear" and options.design != "cross_section":
        moderators = _around_cohort_mean(sample)
        return saturated_fit(
            NAMES[mean], sample, cells, is_reference, options, SENTENCES[mean],
            extra_terms=_interactions(sample), moderators=moderators,
        )  # fmt: skip
    return _pooled(mean, sample, cells, is_reference, (sample.weight > 0) & (~chosen | reference), options)


def _need_range(sample: Sample, mean: Mean) -> None:
    value = sample.panel.value[sample.weight > 0]
    if mean == "logit" and ((value < 0) | (value > 1)).any():
        raise EstimationError(
            f"cells of {sample.panel.outcome}: {int(((value < 0) | (value > 1)).sum())} values lie outside 0 to 1; "
            "the logit mean is for shares, use etwfe or etwfe_poisson."
        )
    if mean == "exponential" and (value < 0).any():
        raise EstimationError(
            f"cells of {sample.panel.outcome}: {int((value < 0).sum())} values are negative; "
            "the exponential mean is for counts and rates, use etwfe."
        )


def _based(sample: Sample, reference: BoolArray) -> Sample:
    """Without the cohorts that have no base period."""
    based = reference.any(axis=1) | np.isinf(sample.panel.cohort)
    if based.all():
        return sample
    lost = f"{int((~based).sum())} units of cohorts without a value before adoption left out"
    return replace(
        sample,
        weight=sample.weight * based[:, None],
        size=sample.size * based,
        note="; ".join(filter(None, [sample.note, lost])),
    )


def _around_cohort_mean(sample: Sample) -> FloatArray:
    """(U, T, k) covariates minus their mean over the cells of the unit's cohort."""
    centred = sample.covariates.copy()
    for cohort in np.unique(sample.panel.cohort):
        units = sample.panel.cohort == cohort
        weight = sample.weight[units]
        if weight.sum() > 0:
            centred[units] -= np.einsum("ut,utk->k", weight, sample.covariates[units]) / weight.sum()
    return centred


def _interactions(sample: Sample) -> FloatArray:
    """(U, T, j) covariates times cohort and times period."""
    cohorts = np.unique(sample.panel.cohort[np.isfinite(sample.panel.cohort)])
    groups = (sample.panel.cohort[:, None] == cohorts)[:, None, :] * np.ones((1, len(sample.panel.periods), 1))
    dummies = np.concatenate([groups, period_dummies(sample.panel)], axis=2)
    layers = [sample.covariates[:, :, [j]] * dummies for j in range(sample.covariates.shape[2])]
    return np.concatenate([np.zeros((*sample.panel.value.shape, 0)), *layers], axis=2)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Cohort and period effects on comparison cells.

    x (U, T, p) regressors of all cells; rows (R, p) the distinct ones among comparison cells `fitted` (U, T);
    row (N,) of each of those N cells; unit (N,); model: the fit.
    """

    x: FloatArray
    rows: FloatArray
    row: NDArray[np.intp]
    unit: NDArray[np.intp]
    fitted: BoolArray
    model: MeanModel


def _pooled(
    mean: Mean, sample: Sample, cells: Cells, is_reference: BoolArray, fitted: BoolArray, options: EstimatorOptions
) -> Fit:
    """Fit comparison cells, and compare treated cells with what they would have.

    The treated cells of a cohort and period have their own coefficients, so that this equals the one regression.
    """
    if not fitted[np.isinf(sample.panel.cohort)].any():
        raise EstimationError(f"cells of {sample.panel.outcome}: no comparison unit has a value; add untreated units.")
    pooled = _fit_comparison(mean, sample, fitted)
    own = _own_means(mean, sample, cells)
    estimate, level, gap = _differences(pooled.model, pooled.x, sample, cells)
    known = pooled.model.reduced.estimable(level) | is_reference
    total = cells.mass.sum(axis=0)
    influence = cells.mass * own / total - _scores(pooled, sample) @ pooled.model.bread @ level.T
    influence[:, is_reference | ~known] = 0.0
    estimate = np.where(is_reference, 0.0, np.where(known, estimate, np.nan))
    effects = Effects(
        estimate=estimate,
        influence=influence,
        is_reference=is_reference,
        reason=tuple(None if k else NOT_IDENTIFIED for k in known),
        without_each_cluster=lambda: _pooled_without(mean, pooled, sample, cells, gap),
    )
    n_clusters = len(np.unique(sample.panel.cluster[sample.size > 0]))
    n_own = int((~is_reference).sum()) * (1 + sample.covariates.shape[2])
    entering = sample.weight > 0
    n = int(sample.panel.n[entering].sum() if options.design == "cross_section" else entering.sum())
    n_parameters = int(pooled.model.reduced.kept.sum()) + n_own
    fit = fit_of(
        NAMES[mean], sample, cells, effects, options, SENTENCES[mean],
        variance_factor=small_sample_factor(n, n_parameters, n_clusters),
        df=n_clusters - 1.0,
    )  # fmt: skip
    return replace(fit, extra={**fit.extra, "model": pooled.model, "n_parameters": n_parameters})


def _fit_comparison(mean: Mean, sample: Sample, fitted: BoolArray) -> Pooled:
    shape = sample.panel.value.shape
    cohorts = np.unique(sample.panel.cohort[np.isfinite(sample.panel.cohort)])
    groups = (sample.panel.cohort[:, None] == cohorts)[:, None, :] * np.ones((1, shape[1], 1))
    x = np.concatenate(
        [np.ones((*shape, 1)), groups, period_dummies(sample.panel), sample.covariates, _interactions(sample)], axis=2
    )
    rows, row = compress(x[fitted])
    unit, _ = np.nonzero(fitted)
    weight = sum_by(row, len(rows), sample.weight[fitted])
    total = sum_by(row, len(rows), (sample.weight * np.nan_to_num(sample.panel.value))[fitted])
    return Pooled(x, rows, row, unit.astype(np.intp), fitted, fit_mean(mean, rows, weight, total))


def _differences(
    model: MeanModel, x: FloatArray, sample: Sample, cells: Cells
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Effects (K,), their derivative (K, p) by the comparison's coefficients, outcome times mass (U, K)."""
    total = cells.mass.sum(axis=0)
    outcome = cells.mass * np.nan_to_num(sample.panel.value)[:, cells.place]
    expected = cells.mass * model.predict(x)[:, cells.place]
    slope = cells.mass * model.slope(x)[:, cells.place]
    level = np.einsum("uk,ukp->kp", slope, x[:, cells.place]) / total[:, None]
    return (outcome - expected).sum(axis=0) / total, level, outcome


def _own_means(mean: Mean, sample: Sample, cells: Cells) -> FloatArray:
    """(U, K) outcome minus its fit by the effect's own coefficients: a mean, or a fit on the covariates."""
    value = np.nan_to_num(sample.panel.value)[:, cells.place]
    if not sample.covariates.shape[2]:
        mean_value: FloatArray = (cells.mass * value).sum(axis=0) / cells.mass.sum(axis=0)
        return value - mean_value
    gap = np.zeros_like(value)
    for k, place in enumerate(cells.place):
        units = cells.mass[:, k] > 0
        x = np.column_stack([np.ones(units.sum()), sample.covariates[units, place]])
        weight = cells.mass[units, k]
        gap[units, k] = value[units, k] - fit_mean(mean, x, weight, weight * value[units, k]).predict(x)
    return gap


def _scores(pooled: Pooled, sample: Sample) -> FloatArray:
    """(U, p) each unit's part of the estimating equations of the comparison."""
    fitted = pooled.fitted
    gap = sample.weight[fitted] * (sample.panel.value[fitted] - pooled.model.predict(pooled.rows)[pooled.row])
    score: FloatArray = pooled.rows[pooled.row] * gap[:, None]
    return sum_by(pooled.unit, len(sample.panel.units), score)


def _pooled_without(mean: Mean, pooled: Pooled, sample: Sample, cells: Cells, outcome: FloatArray) -> FloatArray:
    n_clusters, code = sample.codes
    fitted = pooled.fitted
    weight = sample.weight[fitted]
    moments = np.column_stack([weight, weight * sample.panel.value[fitted], np.ones(len(weight))])
    own = np.zeros((n_clusters, len(pooled.rows), 3))
    np.add.at(own, (code[pooled.unit], pooled.row), moments)
    rest = own.sum(axis=0)[None] - own
    rest[rest[:, :, 2] < 0.5] = 0.0  # what subtraction leaves of an empty row is rounding
    outcomes, masses = without(code, n_clusters, outcome), without(code, n_clusters, cells.mass)
    left = np.full(masses.shape, np.nan)
    for c in range(n_clusters):
        model = _model_or_none(mean, pooled.rows, rest[c])
        some = masses[c] > 1e-12 * cells.mass.sum(axis=0)
        if model is None or not some.any():
            continue
        others = cells.mass * (code != c)[:, None]
        expected = (others * model.predict(pooled.x)[:, cells.place]).sum(axis=0)
        slope = others * model.slope(pooled.x)[:, cells.place]
        level = np.einsum("uk,ukp->kp", slope, pooled.x[:, cells.place])[some] / masses[c, some, None]
        effect = (outcomes[c] - expected)[some] / masses[c, some]
        left[c, some] = np.where(model.reduced.estimable(level), effect, np.nan)
    return left


def _model_or_none(mean: Mean, rows: FloatArray, moments: FloatArray) -> MeanModel | None:
    try:
        return fit_mean(mean, rows, moments[:, 0], moments[:, 1])
    except EstimationError:  # without this cluster there is no finite solution
        return None
