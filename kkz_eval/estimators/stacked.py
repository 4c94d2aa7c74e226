"""Stacked difference-in-differences with corrective weights (Wing, Freedman and Hollingsworth 2024) on cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.aggregation import single_cluster_warnings
from kkz_eval.estimators.group_time import (
    Arms,
    Pairs,
    Sample,
    build_arms,
    group_time_effects,
    leave_one_out_effects,
    prepare,
)
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray, InfluenceMatrix, Parameter
from kkz_eval.estimators.staggered import without

NAME = "stacked"
SENTENCE = (
    "stacked: every cohort with the same event window and comparison units untreated throughout its window, averaged "
    "by the weight of the cohorts; differs from Callaway–Sant'Anna because all event times rest on the same "
    "cohorts and comparison units"
)


@dataclass(frozen=True, eq=False)
class Stack:
    """Cohorts (G,) in the stack and the event times (E,) all of them are observed at; base: their event time zero."""

    cohorts: NDArray[np.int64]
    events: NDArray[np.int64]
    base: int
    note: str


def stacked(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Effects by event time, each the average of the cohorts' two-by-two comparisons by the weight of the cohorts.

    Estimand: trimmed aggregate effect: the same cohorts, by treated weight, at every event time from
    `options.min_event` to `options.max_event`, under parallel trends and no anticipation beyond
    `options.anticipation`. Without limits the window is the widest that every cohort is observed in; cohorts that do
    not cover given limits are left out. Comparison units stay untreated until the end of the cohort's window. With
    complete cells it equals least squares on the stacked cells with Wing's corrective weights; with gaps each event
    time takes the units with values at it and at the base. Errors centre units within their own cohort's comparison
    and take the cohorts' weights as given: Wing's regression centres on event times across cohorts, which lets calendar
    trends common to all units into the errors.

    Parameters: the two-by-twos (group_time), event times, and `overall`, the mean since adoption.
    Raises EstimationError with covariates, and when no cohort covers the window with comparison units.
    Source: Wing, Freedman and Hollingsworth (2024), NBER working paper 32054.
    """
    if options.covariates is not None:
        raise EstimationError(f"cells of {panel.outcome}: stacked comparisons take no covariates; leave them out.")
    sample = prepare(panel, options)
    if len(sample.cohorts) == 0:
        raise EstimationError(
            f"cells of {panel.outcome}: no treated cohort has a period before adoption and a comparison group "
            f"({'; '.join(sample.notes) or 'no cohort adopts within the observed periods'}); add earlier periods."
        )
    stack = _stack(sample, options)
    pairs = _pairs(sample, stack, options)
    arms = build_arms(sample, pairs, options)
    effect, influence, reason = group_time_effects(arms)
    reference = pairs.is_reference
    effect = np.where(reference & np.isfinite(effect), 0.0, effect)
    influence[:, reference] = 0.0
    size = _sizes(sample, stack).sum(axis=0)[_codes(stack, pairs)]
    share = np.nan_to_num(_shares(_member(sample, stack, pairs), size[None], np.isfinite(effect)[None])[0])
    exists: BoolArray = np.asarray(share.any(axis=1))
    mean = _mean_since_adoption(stack, exists[None])[0]
    loading = np.vstack([np.eye(len(effect)), share, mean @ share])
    averages = np.append(np.where(exists, share @ np.nan_to_num(effect), np.nan), mean @ share @ np.nan_to_num(effect))
    parameters = (*_pair_parameters(sample, pairs), *_averages(stack))
    return Fit(
        estimator=NAME,
        parameters=parameters,
        estimate=np.concatenate([effect, averages]),
        influence=InfluenceMatrix(sample.panel.units, sample.panel.cluster, influence @ loading.T),
        treated_weight=_treated_share(arms) @ loading.T,
        used=(arms.member.any(axis=0).astype(np.float64) @ (loading != 0).T) > 0,
        n_children=_children(sample, pairs, arms, loading),
        is_reference=np.concatenate([reference, stack.events == stack.base, [False]]),
        reason=(*reason, *("no cohort of the stack has this effect" if np.isnan(a) else None for a in averages)),
        notes=_notes(sample, stack, parameters, pairs, arms, loading),
        leave_out=lambda: _leave_out(sample, stack, pairs, arms),
        extra={"stack": stack, "pairs": pairs, "loading": loading},
    )


def _stack(sample: Sample, options: EstimatorOptions) -> Stack:
    """The window, and the cohorts that cover it."""
    periods, cohorts = sample.panel.periods, sample.cohorts
    low = max(periods[0] - cohorts) if options.min_event is None else options.min_event
    high = min(periods[-1] - cohorts) if options.max_event is None else options.max_event
    covers = (cohorts + low >= periods[0]) & (cohorts + high <= periods[-1])
    kept = cohorts[covers]
    window = f"event times {low} to {high}"
    if len(kept) == 0:
        raise EstimationError(f"cells of {sample.panel.outcome}: no cohort is observed at all {window}; narrow them.")
    events = np.array([e for e in range(int(low), int(high) + 1) if np.isin(kept + e, periods).all()], dtype=np.int64)
    before = events[events < -options.anticipation]
    if len(before) == 0 or not (events >= 0).any():
        raise EstimationError(
            f"cells of {sample.panel.outcome}: the cohorts share no period before and after adoption within {window}; "
            "widen the window or leave out a cohort."
        )
    left = cohorts[~covers]
    note = f"cohorts {', '.join(map(str, left))} do not cover {window} and are left out" if len(left) else window
    return Stack(kept, events, int(before[-1]), note)


def _pairs(sample: Sample, stack: Stack, options: EstimatorOptions) -> Pairs:
    """Every cohort at every event time against the base; comparison units untreated beyond the window."""
    cohort = np.repeat(stack.cohorts, len(stack.events))
    event = np.tile(stack.events, len(stack.cohorts))
    place = np.searchsorted(sample.panel.periods, cohort + event)
    base = np.searchsorted(sample.panel.periods, cohort + stack.base)
    until = (cohort + stack.events[-1] + options.anticipation).astype(np.float64)
    return Pairs(cohort, place.astype(np.intp), base.astype(np.intp), until)


def _codes(stack: Stack, pairs: Pairs) -> NDArray[np.intp]:
    return np.searchsorted(stack.cohorts, pairs.cohort).astype(np.intp)


def _sizes(sample: Sample, stack: Stack) -> FloatArray:
    """(U, G) weight of each unit in its cohort."""
    belongs: BoolArray = sample.panel.cohort[:, None] == stack.cohorts[None, :]
    return sample.panel.weight[:, None] * belongs


def _member(sample: Sample, stack: Stack, pairs: Pairs) -> BoolArray:
    """(E, K) which pairs belong to each event time."""
    event = sample.panel.periods[pairs.period] - pairs.cohort
    return np.asarray(event[None, :] == stack.events[:, None])


def _shares(member: BoolArray, size: FloatArray, exists: BoolArray) -> FloatArray:
    """(R, E, K) weights of the pairs in each event time, by the size (R, K) of their cohort; NaN: none."""
    raw: FloatArray = member[None] * (size * exists)[:, None, :]
    total = raw.sum(axis=2, keepdims=True)
    share: FloatArray = np.divide(raw, total, out=np.full(raw.shape, np.nan), where=total > 0)
    return share


def _mean_since_adoption(stack: Stack, exists: BoolArray) -> FloatArray:
    """(R, E) equal weights of the event times since adoption that exist (R, E); NaN: none."""
    raw: FloatArray = (exists & (stack.events >= 0)).astype(np.float64)
    total = raw.sum(axis=1, keepdims=True)
    share: FloatArray = np.divide(raw, total, out=np.full(raw.shape, np.nan), where=total > 0)
    return share


def _pair_parameters(sample: Sample, pairs: Pairs) -> list[Parameter]:
    years = sample.panel.periods[pairs.period]
    return [
        Parameter("group_time", cohort=int(g), period=int(t), event_time=int(t - g))
        for g, t in zip(pairs.cohort, years, strict=True)
    ]


def _averages(stack: Stack) -> list[Parameter]:
    return [*(Parameter("event", event_time=int(e)) for e in stack.events), Parameter("overall")]


def _treated_share(arms: Arms) -> FloatArray:
    own: FloatArray = arms.denominator[0]
    share: FloatArray = np.divide(own, own.sum(axis=0)[None], out=np.zeros_like(own), where=arms.member[0])
    return share


def _children(sample: Sample, pairs: Pairs, arms: Arms, loading: FloatArray) -> FloatArray:
    children = np.where(arms.member[0], sample.panel.n[:, pairs.period], 0.0).sum(axis=0)
    return np.array([children[row].sum() for row in loading != 0])


def _notes(
    sample: Sample, stack: Stack, parameters: tuple[Parameter, ...], pairs: Pairs, arms: Arms, loading: FloatArray
) -> tuple[str, ...]:
    alone = single_cluster_warnings(sample.panel.cohort, sample.panel.cluster, pairs.cohort, loading)
    notes = []
    for p, parameter in enumerate(parameters):
        n_incomplete = int(arms.n_incomplete[loading[p] != 0].max(initial=0))
        gap = f"up to {n_incomplete} units without values in both periods left out" if n_incomplete else ""
        sentence = SENTENCE if parameter.aggregation == "overall" else ""
        notes.append("; ".join(filter(None, [alone[p], gap, *sample.notes, stack.note, sentence])))
    return tuple(notes)


def _leave_out(sample: Sample, stack: Stack, pairs: Pairs, arms: Arms) -> FloatArray:
    labels, code = np.unique(sample.panel.cluster, return_inverse=True)
    left = leave_one_out_effects(arms, code, len(labels))
    left[:, pairs.is_reference] = np.where(np.isfinite(left[:, pairs.is_reference]), 0.0, np.nan)
    size = without(code, len(labels), _sizes(sample, stack))[:, _codes(stack, pairs)]
    share = _shares(_member(sample, stack, pairs), size, np.isfinite(left))
    exists: BoolArray = np.asarray(np.isfinite(share).all(axis=2))
    events = np.where(exists, np.einsum("rek,rk->re", np.nan_to_num(share), np.nan_to_num(left)), np.nan)
    mean = _mean_since_adoption(stack, exists)
    return np.column_stack([left, events, (mean * np.nan_to_num(events)).sum(axis=1)])
