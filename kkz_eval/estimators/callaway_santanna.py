"""Callaway and Sant'Anna (2021) difference-in-differences from cells: ATT(g,t) and its averages, no covariates."""

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.aggregation import (
    OVERALL_NOTES,
    AggregationPlan,
    aggregation_weights,
    averages,
    plan_aggregations,
    size_derivative,
)
from kkz_eval.estimators.group_time import (
    Arms,
    Pairs,
    Sample,
    build_arms,
    cell_coefficients,
    comparisons,
    group_time_effects,
    leave_one_out_effects,
    observations,
    prepare,
)
from kkz_eval.estimators.result import (
    BoolArray,
    EstimatorOptions,
    Fit,
    FloatArray,
    InfluenceMatrix,
    Parameter,
    sum_by,
)

NAME = "callaway_santanna"


def callaway_santanna(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """ATT(g,t) for every cohort and period, and their averages: overall, group, calendar, event.

    Estimand: average effect on cohort g in period t, under parallel trends with the comparison units and no
    anticipation beyond `options.anticipation` periods. Design `panel`: unit means with fixed unit weights; a unit
    enters a comparison when it has a value in both periods. `cross_section`: children are the observations and
    cohorts weigh by children over all periods. `unbalanced`: unit-period values are the observations, as R did does
    with allow_unbalanced_panel = TRUE.

    Parameters that do not exist have NaN and a reason. Raises EstimationError when there is no comparison at all.
    Source: Callaway and Sant'Anna (2021), Journal of Econometrics 225; R did 2.5.1; Remark 10 for clusters.
    """
    sample = prepare(panel, options)
    pairs = comparisons(sample, options)
    if len(pairs.cohort) == 0:
        raise EstimationError(
            f"cells of {panel.outcome}: no treated cohort has a period before adoption and a comparison group "
            f"({'; '.join(sample.notes) or 'no cohort adopts within the observed periods'}); add earlier periods."
        )
    arms = build_arms(sample, pairs, options)
    effect, influence, reason = group_time_effects(arms)
    effect = np.where(pairs.is_reference & np.isfinite(effect), 0.0, effect)
    influence[:, pairs.is_reference] = 0.0
    plan = plan_aggregations(pairs.cohort, sample.panel.periods[pairs.period], options)
    mass = _unit_mass(sample.panel, options)
    position, size = _cohort_sizes(sample, pairs, mass)
    weights = aggregation_weights(plan, size[None], np.isfinite(effect)[None])[0]
    derivative = size_derivative(plan, size, effect)
    loading = np.vstack([np.eye(len(effect)), np.nan_to_num(weights)])
    size_influence = np.where(position[:, None] >= 0, derivative.T[position] * mass[:, None], 0.0)
    average = averages(weights[None], effect[None])[0]
    treated_weight, used, n_children = _support(sample, pairs, arms, loading)
    return Fit(
        estimator=NAME,
        parameters=(*_group_time_parameters(sample, pairs), *plan.parameters),
        estimate=np.concatenate([effect, average]),
        influence=InfluenceMatrix(
            units=sample.panel.units,
            clusters=sample.panel.cluster,
            values=np.hstack([influence, influence @ loading[len(effect) :].T + size_influence]),
        ),
        treated_weight=treated_weight,
        used=used,
        n_children=n_children,
        is_reference=_is_reference(pairs, loading),
        reason=(*reason, *("no group-time effect to average" if np.isnan(a) else None for a in average)),
        notes=_notes(sample, pairs, arms, plan, loading),
        leave_out=lambda: _leave_out(sample, pairs, arms, plan, mass),
        extra={
            "sample": sample,
            "pairs": pairs,
            "arms": arms,
            "loading": loading,
            "derivative": derivative,
            "options": options,
        },
    )


def _unit_mass(panel: CellPanel, options: EstimatorOptions) -> FloatArray:
    """(U,) what a unit adds to the size of its cohort: its weight, or its weighted children over all periods."""
    return panel.weight * panel.n.sum(axis=1) if options.design == "cross_section" else panel.weight


def _cohort_sizes(sample: Sample, pairs: Pairs, mass: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Position (U,) of each unit's cohort, −1 for comparison units, and the size (G,) of each cohort."""
    cohorts = np.unique(pairs.cohort)
    position = np.searchsorted(cohorts, sample.panel.cohort).clip(max=len(cohorts) - 1)
    position = np.where(cohorts[position] == sample.panel.cohort, position, -1)
    size = np.array([mass[position == g].sum() for g in range(len(cohorts))])
    return position, size


def _group_time_parameters(sample: Sample, pairs: Pairs) -> list[Parameter]:
    years = sample.panel.periods[pairs.period]
    return [
        Parameter("group_time", cohort=int(g), period=int(t), event_time=int(t - g))
        for g, t in zip(pairs.cohort, years, strict=True)
    ]


def _support(sample: Sample, pairs: Pairs, arms: Arms, loading: FloatArray) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Treated weight (U, P), used units (U, P) and children of treated cells (P,) behind each parameter."""
    treated = arms.member[0]
    total = arms.denominator[0].sum(axis=0)
    share = np.divide(arms.denominator[0], total[None], out=np.zeros_like(arms.denominator[0]), where=treated)
    enters = loading != 0
    children = np.where(treated, sample.panel.n[:, pairs.period], 0.0).sum(axis=0)  # NaN: unknown
    used: BoolArray = (arms.member.any(axis=0).astype(np.float64) @ enters.T.astype(np.float64)) > 0
    return share @ loading.T, used, np.array([children[row].sum() for row in enters])


def _is_reference(pairs: Pairs, loading: FloatArray) -> BoolArray:
    enters = loading != 0
    only_reference: BoolArray = ~(enters & ~pairs.is_reference[None]).any(axis=1) & enters.any(axis=1)
    return only_reference


def _notes(sample: Sample, pairs: Pairs, arms: Arms, plan: AggregationPlan, loading: FloatArray) -> tuple[str, ...]:
    n_pairs = len(pairs.cohort)
    exists = (arms.member.sum(axis=1) > 0).all(axis=0)
    single = [g for g in sample.cohorts if len(np.unique(sample.panel.cluster[sample.panel.cohort == g])) == 1]
    notes = []
    for row, parameter in enumerate((*_group_time_parameters(sample, pairs), *plan.parameters)):
        enters = loading[row] != 0
        parts = [OVERALL_NOTES[parameter.aggregation]] if parameter.label == "overall" else []
        if n_pairs <= row < n_pairs + len(plan.member):
            wanted = plan.member[row - n_pairs]
            if not exists[wanted].all():
                parts.append(f"{int((wanted & ~exists).sum())} of {int(wanted.sum())} group-time effects do not exist")
        alone = [str(g) for g in single if (pairs.cohort[enters] == g).any()]
        if alone and len(np.unique(pairs.cohort[enters])) > 1:
            parts.append(f"cohort {', '.join(alone)} rests on one cluster")
        n_incomplete = int(arms.n_incomplete[enters].max(initial=0))
        if n_incomplete:
            parts.append(f"up to {n_incomplete} units without values in both periods left out")
        notes.append("; ".join([*parts, *sample.notes]))
    return tuple(notes)


def _leave_out(sample: Sample, pairs: Pairs, arms: Arms, plan: AggregationPlan, mass: FloatArray) -> FloatArray:
    labels, code = np.unique(sample.panel.cluster, return_inverse=True)
    effect = leave_one_out_effects(arms, code, len(labels))
    effect[:, pairs.is_reference] *= 0.0  # rounding of the subtraction; NaN stays
    position, size = _cohort_sizes(sample, pairs, mass)
    is_of_cohort = position[:, None] == np.arange(len(size))[None]
    left = is_of_cohort.sum(axis=0)[None] - sum_by(code, len(labels), is_of_cohort.astype(np.float64))
    rest = size[None] - sum_by(code, len(labels), is_of_cohort * mass[:, None])
    weights = aggregation_weights(plan, np.where(left > 0, rest, 0.0), np.isfinite(effect))
    return np.hstack([effect, averages(weights, effect)])


def cell_weights(fit: Fit) -> FloatArray:
    """Weights (P, U, T) of the cell means whose weighted sum is each estimate of `callaway_santanna`.

    U and T are those of `fit.extra["sample"].panel`. In design `panel` they sum to zero over the periods of each unit
    as long as no value is missing, which makes variance formulas of long differences exact.
    """
    sample: Sample = fit.extra["sample"]
    return cell_coefficients(fit.extra["arms"], fit.extra["loading"], len(sample.panel.periods))


def child_covariance(fit: Fit) -> FloatArray:
    """Covariance (P, P) of design `cross_section` when every child is its own cluster.

    The influence function of a child is w·(A + B·y) with A, B constant in a cell, so n, Σy and Σy² suffice.
    Raises EstimationError for the other designs.
    """
    sample: Sample = fit.extra["sample"]
    options: EstimatorOptions = fit.extra["options"]
    if options.design != "cross_section":
        raise EstimationError(f"design {options.design} has units as observations: use their influence functions.")
    arms: Arms = fit.extra["arms"]
    pairs: Pairs = fit.extra["pairs"]
    panel = sample.panel
    n, total, squares = observations(panel, by_children=True)
    counts, sums, totals = arms.member.sum(axis=1), arms.numerator.sum(axis=1), arms.denominator.sum(axis=1)
    safe = np.where(counts > 0, totals, 1.0)
    slope = np.zeros((len(pairs.cohort), *n.shape))
    level = np.zeros_like(slope)
    pair = np.arange(len(pairs.cohort))
    for j, moments in enumerate(arms.moments):
        for period, sign in moments:
            b = arms.sign[j] * sign * arms.member[j] * panel.weight[:, None] / safe[j]
            slope[pair, :, period] += b.T
            level[pair, :, period] -= (b * sums[j] / safe[j]).T
    slope[pairs.is_reference], level[pairs.is_reference] = 0.0, 0.0
    loading: FloatArray = fit.extra["loading"]
    b_all = np.einsum("pk,kut->put", loading, slope)
    a_all = np.einsum("pk,kut->put", loading, level)
    position, _ = _cohort_sizes(sample, pairs, panel.weight)
    from_sizes = np.where(position[:, None] >= 0, fit.extra["derivative"].T[position] * panel.weight[:, None], 0.0)
    a_all[len(pair) :] += from_sizes.T[:, :, None]
    a, b = a_all.reshape(len(a_all), -1), b_all.reshape(len(b_all), -1)
    mixed = (a * total.ravel()) @ b.T
    covariance: FloatArray = (a * n.ravel()) @ a.T + mixed + mixed.T + (b * squares.ravel()) @ b.T
    return covariance
