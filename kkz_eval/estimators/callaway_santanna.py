"""Callaway and Sant'Anna (2021) difference-in-differences from cells: ATT(g,t) and its averages."""

from dataclasses import replace

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.aggregation import (
    OVERALL_NOTES,
    AggregationPlan,
    aggregation_weights,
    averages,
    plan_aggregations,
    single_cluster_warnings,
    size_derivative,
)
from kkz_eval.estimators.child_covariance import child_covariance
from kkz_eval.estimators.covariates.group_time import covariate_effects
from kkz_eval.estimators.covariates.moments import moment_effects
from kkz_eval.estimators.group_time import (
    Arms,
    GroupTimeEffects,
    Pairs,
    Sample,
    build_arms,
    cell_coefficients,
    cohort_sizes,
    comparisons,
    prepare,
    unadjusted_effects,
    unit_mass,
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

__all__ = ["NAME", "callaway_santanna", "cell_weights", "child_covariance"]


def callaway_santanna(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """ATT(g,t) for every cohort and period, and their averages: overall, group, calendar, event.

    Estimand: average effect on cohort g in period t, under parallel trends with the comparison units and no
    anticipation beyond `options.anticipation` periods. Design `panel`: unit means with fixed unit weights; a unit
    enters a comparison when it has a value in both periods. `cross_section`: children are the observations and
    cohorts weigh by children over all periods. `unbalanced`: unit-period values are the observations, as R did does
    with allow_unbalanced_panel = TRUE.

    Covariates, by `options.method`: the same for a unit in `options.covariates`; of children in a `ProfilePanel`
    (any method) or a `MomentPanel` (method reg), both in design `cross_section`.

    Parameters that do not exist have NaN and a reason. Raises EstimationError when there is no comparison at all.
    Source: Callaway and Sant'Anna (2021), Journal of Econometrics 225; R did 2.5.1; Remark 10 for clusters.
    """
    panel = _with_covariates(panel, options)
    sample = prepare(panel, options)
    pairs = comparisons(sample, options)
    if len(pairs.cohort) == 0:
        raise EstimationError(
            f"cells of {panel.outcome}: no treated cohort has a period before adoption and a comparison group "
            f"({'; '.join(sample.notes) or 'no cohort adopts within the observed periods'}); add earlier periods."
        )
    arms = build_arms(sample, pairs, options)
    effects = _effects(sample, pairs, arms, options)
    missing = panel.missing_note() if isinstance(panel, ProfilePanel | MomentPanel) else ""
    return fit_of_effects(sample, pairs, arms, effects, options, missing)


def fit_of_effects(
    sample: Sample, pairs: Pairs, arms: Arms, effects: GroupTimeEffects, options: EstimatorOptions, missing: str = ""
) -> Fit:
    """Group-time effects, however they were estimated, with their averages and everything inference needs.

    missing: in words, which children were left out for lack of covariates.
    """
    sample = replace(sample, notes=tuple(note for note in (*sample.notes, missing, effects.note) if note))
    effect, influence = effects.effect, effects.influence
    effect = np.where(pairs.is_reference & np.isfinite(effect), 0.0, effect)
    influence[:, pairs.is_reference] = 0.0
    plan = plan_aggregations(pairs.cohort, sample.panel.periods[pairs.period], options)
    mass = unit_mass(sample.panel, options)
    position, size = cohort_sizes(sample, pairs, mass)
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
        reason=(*effects.reason, *("no group-time effect to average" if np.isnan(a) else None for a in average)),
        notes=_notes(sample, pairs, arms, plan, loading, np.isfinite(effect)),
        leave_out=lambda: _leave_out(sample, pairs, effects, plan, mass),
        extra={
            "sample": sample,
            "pairs": pairs,
            "arms": arms,
            "effects": effects,
            "loading": loading,
            "derivative": derivative,
            "options": options,
        },
    )


def _with_covariates(panel: CellPanel, options: EstimatorOptions) -> CellPanel:
    if options.covariates is None:
        return panel
    if isinstance(panel, ProfilePanel | MomentPanel):
        raise EstimationError(
            f"cells of {panel.outcome}: the cells hold covariates and so do the options; give them in one place."
        )
    return ProfilePanel.from_cells(panel, options.covariates, options.covariate_names)


def _effects(sample: Sample, pairs: Pairs, arms: Arms, options: EstimatorOptions) -> GroupTimeEffects:
    if isinstance(sample.panel, ProfilePanel):
        return covariate_effects(sample.panel, pairs, arms, options)
    if isinstance(sample.panel, MomentPanel):
        return moment_effects(sample.panel, pairs, arms, options)
    return unadjusted_effects(arms)


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


def _notes(
    sample: Sample, pairs: Pairs, arms: Arms, plan: AggregationPlan, loading: FloatArray, exists: BoolArray
) -> tuple[str, ...]:
    n_pairs = len(pairs.cohort)
    alone = single_cluster_warnings(sample.panel.cohort, sample.panel.cluster, pairs.cohort, loading)
    notes = []
    for row, parameter in enumerate((*_group_time_parameters(sample, pairs), *plan.parameters)):
        enters = loading[row] != 0
        parts = [OVERALL_NOTES[parameter.aggregation]] if parameter.label == "overall" else []
        if n_pairs <= row < n_pairs + len(plan.member):
            wanted = plan.member[row - n_pairs]
            if not exists[wanted].all():
                parts.append(f"{int((wanted & ~exists).sum())} of {int(wanted.sum())} group-time effects do not exist")
        if alone[row]:
            parts.append(alone[row])
        n_incomplete = int(arms.n_incomplete[enters].max(initial=0))
        if n_incomplete:
            parts.append(f"up to {n_incomplete} units without values in both periods left out")
        notes.append("; ".join([*parts, *sample.notes]))
    return tuple(notes)


def _leave_out(
    sample: Sample, pairs: Pairs, effects: GroupTimeEffects, plan: AggregationPlan, mass: FloatArray
) -> FloatArray:
    labels, code = np.unique(sample.panel.cluster, return_inverse=True)
    effect = effects.leave_one_out(code.astype(np.intp), len(labels))
    effect[:, pairs.is_reference] *= 0.0  # rounding of the subtraction; NaN stays
    position, size = cohort_sizes(sample, pairs, mass)
    is_of_cohort = position[:, None] == np.arange(len(size))[None]
    left = is_of_cohort.sum(axis=0)[None] - sum_by(code, len(labels), is_of_cohort.astype(np.float64))
    rest = size[None] - sum_by(code, len(labels), is_of_cohort * mass[:, None])
    weights = aggregation_weights(plan, np.where(left > 0, rest, 0.0), np.isfinite(effect))
    return np.hstack([effect, averages(weights, effect)])


def cell_weights(fit: Fit) -> FloatArray:
    """Weights (P, U, T) of the cell means whose weighted sum is each estimate of `callaway_santanna`.

    U and T are those of `fit.extra["sample"].panel`. In design `panel` they sum to zero over the periods of each unit
    as long as no value is missing, which makes variance formulas of long differences exact.
    Raises EstimationError for fits with covariates.
    """
    sample: Sample = fit.extra["sample"]
    if isinstance(sample.panel, ProfilePanel | MomentPanel):
        raise EstimationError(
            f"cells of {sample.panel.outcome}: with covariates an effect is no weighted sum of cell means; "
            "use the influence functions of the fit."
        )
    return cell_coefficients(fit.extra["arms"], fit.extra["loading"], len(sample.panel.periods))
