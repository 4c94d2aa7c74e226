"""Averages of group-time effects: overall, by cohort, by period, by event time (R did's `aggte`), fully exposed.

An aggregation is a set of weights that depend only on cohort sizes. The same code therefore gives the estimate, the
part of the influence function that comes from estimated weights, and all leave-one-cluster-out estimates at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.estimators.result import BoolArray, EstimatorOptions, FloatArray, Parameter


@dataclass(frozen=True, eq=False)
class AggregationPlan:
    """M averages over K group-time effects of G cohorts.

    member (M1, K): which effects the first M1 averages take; by_size (M1,): weighted by cohort size, else equally;
    cohort_code (K,): position of each effect's cohort; the averages of averages follow: `groups`, `calendars`,
    `events` hold the positions of the averages that the overall by cohort, by period, by event time is made of.
    """

    parameters: tuple[Parameter, ...]
    member: BoolArray
    by_size: BoolArray
    cohort_code: NDArray[np.intp]
    n_cohorts: int
    groups: NDArray[np.intp]
    group_codes: NDArray[np.intp]
    calendars: NDArray[np.intp]
    events: NDArray[np.intp]


OVERALL_NOTES = {
    "group": "mean of the cohorts' effects, by cohort size",
    "calendar": "mean of the periods' effects",
    "event": "mean of the effects since adoption",
}


def plan_aggregations(
    cohort: NDArray[np.int64], period: NDArray[np.int64], options: EstimatorOptions
) -> AggregationPlan:
    """Which averages the group-time effects of `cohort` (K,) in `period` (K,) allow.

    Event times are restricted by `balance_event` (cohorts observed at least that long, and the event times all of
    them have), `min_event` and `max_event`.
    """
    post, event = cohort <= period, period - cohort
    parameters = [Parameter("overall")]
    members = [post]
    for g in np.unique(cohort[post]):
        parameters.append(Parameter("group", cohort=int(g)))
        members.append(post & (cohort == g))
    for t in np.unique(period[post]):
        parameters.append(Parameter("calendar", period=int(t)))
        members.append(post & (period == t))
    kept, in_balance = _event_times(cohort, period, options)
    for e in kept:
        parameters.append(Parameter("event", event_time=int(e)))
        members.append((event == e) & in_balance)
    full = np.array(
        [pair in options.fully_exposed for pair in zip(cohort.tolist(), period.tolist(), strict=True)], bool
    )
    if full.any():
        parameters.append(Parameter("fully_exposed"))
        members.append(full)
    for g in np.unique(cohort[full]):
        parameters.append(Parameter("fully_exposed", cohort=int(g)))
        members.append(full & (cohort == g))
    kinds = np.array([p.aggregation for p in parameters])
    events = np.flatnonzero([p.aggregation == "event" and (p.event_time or 0) >= 0 for p in parameters])
    cohorts, code = np.unique(cohort, return_inverse=True)
    groups = np.flatnonzero(kinds == "group")
    return AggregationPlan(
        parameters=(*parameters, *(Parameter(kind, label="overall") for kind in ("group", "calendar", "event"))),
        member=np.array(members, dtype=bool).reshape(len(members), len(cohort)),
        by_size=kinds != "group",
        cohort_code=code.astype(np.intp),
        n_cohorts=len(cohorts),
        groups=groups,
        group_codes=np.searchsorted(cohorts, [parameters[i].cohort or 0 for i in groups]).astype(np.intp),
        calendars=np.flatnonzero(kinds == "calendar"),
        events=events,
    )


def _event_times(
    cohort: NDArray[np.int64], period: NDArray[np.int64], options: EstimatorOptions
) -> tuple[NDArray[np.int64], BoolArray]:
    event = np.unique(period - cohort)
    in_balance = np.ones(len(cohort), dtype=bool)
    if options.balance_event is not None and len(period):
        event = event[(event <= options.balance_event) & (event >= options.balance_event - period.max() + period.min())]
        in_balance = period.max() - cohort >= options.balance_event
    low = -np.inf if options.min_event is None else options.min_event
    high = np.inf if options.max_event is None else options.max_event
    return event[(event >= low) & (event <= high)], in_balance


def aggregation_weights(plan: AggregationPlan, size: FloatArray, exists: BoolArray) -> FloatArray:
    """Weights (R, M, K) of the effects in R replicates with cohort sizes (R, G); NaN where nothing is left to average.

    exists (R, K): effects that do not exist in a replicate are left out, as R did does with na.rm = TRUE.
    """
    per_effect = np.where(plan.by_size[None, :, None], size[:, None, plan.cohort_code], 1.0)
    raw = per_effect * (plan.member[None] & exists[:, None, :])
    total = raw.sum(axis=2, keepdims=True)
    first = np.divide(raw, total, out=np.full(raw.shape, np.nan), where=total > 0)
    means = [
        _mean_of_means(first[:, plan.groups], size[:, plan.group_codes]),
        _mean_of_means(first[:, plan.calendars], None),
        _mean_of_means(first[:, plan.events], None),
    ]
    return np.concatenate([first, *means], axis=1)


def _mean_of_means(weights: FloatArray, size: FloatArray | None) -> FloatArray:
    """(R, 1, K) average over the second axis of those averages that exist, weighted by size (R, second axis)."""
    exists = np.isfinite(weights).all(axis=2)
    raw = exists.astype(np.float64) if size is None else size * exists
    total = raw.sum(axis=1, keepdims=True)
    share = np.divide(raw, total, out=np.full(raw.shape, np.nan), where=total > 0)
    mean: FloatArray = np.einsum("rm,rmk->rk", share, np.nan_to_num(weights))
    return mean[:, None, :]


def averages(weights: FloatArray, effect: FloatArray) -> FloatArray:
    """(R, M) averages of effects (R, K) that may be NaN where their weight is zero."""
    average: FloatArray = np.einsum("rmk,rk->rm", weights, np.nan_to_num(effect))
    return average


def single_cluster_warnings(
    cohort: FloatArray, cluster: NDArray[np.str_], effect_cohort: NDArray[np.int64], loading: FloatArray
) -> list[str]:
    """(P,) for averages over several cohorts of which some lie in one cluster: which; otherwise empty.

    The effect of such a cohort does not vary between clusters, so that errors of the average leave its noise out.
    cohort, cluster (U,) of the units; effect_cohort (K,); loading (P, K) of the effects in each parameter.
    """
    single = [g for g in np.unique(effect_cohort) if len(np.unique(cluster[cohort == g])) == 1]
    warnings = []
    for row in loading != 0:
        cohorts = np.unique(effect_cohort[row])
        alone = [str(g) for g in single if g in cohorts and len(cohorts) > 1]
        warnings.append(f"cohort {', '.join(alone)} rests on one cluster" if alone else "")
    return warnings


def size_derivative(plan: AggregationPlan, size: FloatArray, effect: FloatArray) -> FloatArray:
    """Derivative (M, G) of each average with respect to the size (G,) of each cohort.

    θ = Σ s_k·a_k/Σ s_k moves with s_k by (a_k − θ)/Σ s_k; averages with equal weights do not move.
    """
    exists = np.isfinite(effect)
    cohort = np.eye(plan.n_cohorts)[plan.cohort_code]
    raw = size[plan.cohort_code][None] * (plan.member & exists[None])
    total = raw.sum(axis=1, keepdims=True)
    safe = np.where(total > 0, total, 1.0)
    filled = np.nan_to_num(effect)
    mean = (raw * filled[None]).sum(axis=1, keepdims=True) / safe
    slope = np.where(plan.by_size[:, None] & plan.member & exists[None], (filled[None] - mean) / safe, 0.0)
    first = slope @ cohort
    weights = aggregation_weights(plan, size[None], exists[None])[0]
    return np.vstack([first, *_overall_derivatives(plan, size, filled, weights, first)])


def _overall_derivatives(
    plan: AggregationPlan, size: FloatArray, effect: FloatArray, weights: FloatArray, first: FloatArray
) -> list[FloatArray]:
    by_group = np.zeros(plan.n_cohorts)
    groups = [(i, g) for i, g in zip(plan.groups, plan.group_codes, strict=True) if np.isfinite(weights[i]).all()]
    if groups:
        rows, codes = (np.array(column) for column in zip(*groups, strict=True))
        means = weights[rows] @ effect
        total = size[codes].sum()
        by_group[codes] = (means - (size[codes] * means).sum() / total) / total
    rest = []
    for part in (plan.calendars, plan.events):
        kept = [i for i in part if np.isfinite(weights[i]).all()]
        rest.append(first[kept].mean(axis=0) if kept else np.zeros(plan.n_cohorts))
    return [by_group, *rest]
