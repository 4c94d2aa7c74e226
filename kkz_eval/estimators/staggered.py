"""What estimators of effects by cohort and period share: the cells of each effect, their averages, the fit they make.

Each effect belongs to one cohort in one period and rests on a mass of cells. Averages weigh by that mass, so that the
overall effect is the mean over treated cells, as the packages behind these estimators do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import NEVER, CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.aggregation import (
    OVERALL_NOTES,
    AggregationPlan,
    plan_aggregations,
    single_cluster_warnings,
)
from kkz_eval.estimators.regression import EXPLAINED, comparable, event_times
from kkz_eval.estimators.result import (
    BoolArray,
    EstimatorOptions,
    Fit,
    FloatArray,
    InfluenceMatrix,
    Parameter,
    sum_by,
)

MEANS = ("group", "calendar", "event")


@dataclass(frozen=True, eq=False)
class Sample:
    """Cells that can be compared.

    covariates (U, T, k); event (U, T) periods since adoption, −inf for units never treated; weight (U, T) of the
    cells, 0 where there is no value; size (U,) what a unit adds to the size of its cohort; note: what was left out.
    """

    panel: CellPanel
    covariates: FloatArray
    event: FloatArray
    weight: FloatArray
    size: FloatArray
    note: str

    @property
    def codes(self) -> tuple[int, NDArray[np.intp]]:
        """Number of clusters and each unit's position (U,) among them."""
        labels, code = np.unique(self.panel.cluster, return_inverse=True)
        return len(labels), code.astype(np.intp)


@dataclass(frozen=True, eq=False)
class Cells:
    """K groups of cells: cohort (K,), place (K,) of the period, year (K,) the period; mass (U, K) of their cells."""

    cohort: NDArray[np.int64]
    place: NDArray[np.intp]
    year: NDArray[np.int64]
    mass: FloatArray


@dataclass(frozen=True, eq=False)
class Effects:
    """K effects: estimate (K,), NaN with a `reason`; influence (U, K); is_reference (K,): zero by construction.

    without_each_cluster gives the estimates (C, K) without each cluster in turn.
    """

    estimate: FloatArray
    influence: FloatArray
    is_reference: BoolArray
    reason: tuple[str | None, ...]
    without_each_cluster: Callable[[], FloatArray]


def sample_of(panel: CellPanel, options: EstimatorOptions) -> Sample:
    """Leave out what has no period before adoption; without never-treated units the last cohort serves as one.

    Then the periods from that cohort's adoption minus anticipation on are left out, because nobody is untreated.

    Raises EstimationError when no treated unit has comparisons, covariates do not fit the cells, or children are
    unknown that the design needs.
    """
    if options.design == "cross_section" and np.isnan(panel.n).any():
        raise EstimationError(
            f"cells of {panel.outcome}: design cross_section needs the number of children in every cell, "
            f"unknown in {int(np.isnan(panel.n).sum())}; use design panel."
        )
    panel, layers, note = comparable(panel, options)
    if not np.isinf(panel.cohort).any():
        panel, layers, note = _last_cohort_as_comparison(panel, layers, note, options)
    weight = panel.weight if options.weighted else np.ones(len(panel.units))
    has_value = np.isfinite(panel.value) & np.isfinite(layers).all(axis=2)
    cells = weight[:, None] * has_value * (panel.n if options.design == "cross_section" else 1.0)
    size = weight * panel.n.sum(axis=1) if options.design == "cross_section" else weight
    return Sample(panel, np.nan_to_num(layers), event_times(panel), cells, size * (cells > 0).any(axis=1), note)


def _last_cohort_as_comparison(
    panel: CellPanel, layers: FloatArray, note: str, options: EstimatorOptions
) -> tuple[CellPanel, FloatArray, str]:
    last = panel.cohort.max()
    early: BoolArray = np.asarray(panel.periods < last - options.anticipation)
    panel, layers = panel.select_periods(early), layers[:, early]
    end = panel.periods[-1] if len(panel.periods) else -np.inf
    panel = replace(panel, cohort=np.where(panel.cohort > end + options.anticipation, NEVER, panel.cohort))
    if not (panel.cohort <= end).any():
        raise EstimationError(
            f"cells of {panel.outcome}: every unit is treated and none adopts while another is still untreated; "
            "add units that are treated later or never."
        )
    said = f"no unit is never treated: cohort {last:.0f} serves as comparison, later periods left out"
    return panel, layers, "; ".join(filter(None, [note, said]))


def cells_of(sample: Sample, chosen: BoolArray) -> Cells:
    """The chosen cells (U, T) of treated cohorts by cohort and period; only those that exist."""
    panel = sample.panel
    mass = sample.weight * chosen
    cohorts = np.unique(panel.cohort[np.isfinite(panel.cohort)])
    present = [(g, t) for g in cohorts for t in np.flatnonzero((mass[panel.cohort == g] > 0).any(axis=0))]
    if not present:
        raise EstimationError(f"cells of {panel.outcome}: no treated cell can be compared; add periods.")
    cohort = np.array([g for g, _ in present]).astype(np.int64)
    place = np.array([t for _, t in present]).astype(np.intp)
    return Cells(cohort, place, panel.periods[place], mass[:, place] * (panel.cohort[:, None] == cohort[None, :]))


def reasons(estimate: FloatArray) -> tuple[str | None, ...]:
    """(K,) why an effect is missing in a regression: explained by other terms."""
    return tuple(EXPLAINED if np.isnan(value) else None for value in estimate)


def average_weights(
    plan: AggregationPlan, mass: FloatArray, size: FloatArray, exists: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Weights (R, M1, K) of the first averages, by mass (R, K); (R, 3, M1) of the averages of averages. NaN: none.

    Cohorts enter their average by size (R, G), periods and event times alike.
    """
    raw = mass[:, None, :] * (plan.member[None] & exists[:, None, :])
    total = raw.sum(axis=2, keepdims=True)
    first = np.divide(raw, total, out=np.full(raw.shape, np.nan), where=total > 0)
    present = (total[:, :, 0] > 0).astype(np.float64)
    means = np.zeros((len(mass), 3, plan.member.shape[0]))
    means[:, 0, plan.groups] = size[:, plan.group_codes] * present[:, plan.groups]
    means[:, 1, plan.calendars] = present[:, plan.calendars]
    means[:, 2, plan.events] = present[:, plan.events]
    total = means.sum(axis=2, keepdims=True)
    return first, np.divide(means, total, out=np.full(means.shape, np.nan), where=total > 0)


def _combined(first: FloatArray, means: FloatArray) -> FloatArray:
    """(R, M1 + 3, K) weights of all averages."""
    second = np.einsum("rsm,rmk->rsk", means, np.nan_to_num(first))
    return np.concatenate([first, second], axis=1)


def fit_of(
    name: str,
    sample: Sample,
    cells: Cells,
    effects: Effects,
    options: EstimatorOptions,
    sentence: str,
    *,
    shares_vary: bool = False,
    variance_factor: float = 1.0,
    df: float | None = None,
) -> Fit:
    """Effects and their averages as a `Fit`. `sentence` says on the overall rows what the estimator does.

    shares_vary: the influence function of an average counts that its weights are estimated, as a regression on the
    average's own indicator does; otherwise weights are taken as given.
    """
    plan = plan_aggregations(cells.cohort, cells.year, options)
    exists = np.isfinite(effects.estimate)
    cohort_size = _cohort_sizes(sample, cells)
    total = cells.mass.sum(axis=0)
    first, means = average_weights(plan, total[None], cohort_size.sum(axis=0)[None], exists[None])
    weights = _combined(first, means)[0]
    filled = np.nan_to_num(effects.estimate)
    average = weights @ filled
    loading = np.vstack([np.eye(len(filled)), np.nan_to_num(weights)])
    influence = effects.influence @ loading.T
    if shares_vary:
        influence[:, len(filled) :] += _share_influence(plan, cells, filled, exists, np.nan_to_num(means[0]))
    share = cells.mass / np.where(total > 0, total, 1.0)
    n_parameters = len(loading)
    alone = single_cluster_warnings(sample.panel.cohort, sample.panel.cluster, cells.cohort, loading)
    parameters = (*_group_time_parameters(cells), *plan.parameters)
    return Fit(
        estimator=name,
        parameters=parameters,
        estimate=np.concatenate([effects.estimate, average]),
        influence=InfluenceMatrix(sample.panel.units, sample.panel.cluster, influence),
        treated_weight=share @ loading.T,
        used=np.repeat((sample.size > 0)[:, None], n_parameters, axis=1),
        n_children=_children(sample, cells, loading),
        is_reference=_references(effects.is_reference, loading),
        reason=(*effects.reason, *("no group-time effect to average" if np.isnan(a) else None for a in average)),
        notes=tuple(
            _note(parameter, "; ".join(filter(None, [one, sample.note])), sentence)
            for one, parameter in zip(alone, parameters, strict=True)
        ),
        leave_out=lambda: _leave_out(sample, cells, effects, plan),
        variance_factor=variance_factor,
        analytic_df=None if df is None else np.full(n_parameters, df),
        extra={"sample": sample, "cells": cells, "loading": loading},
    )


def _group_time_parameters(cells: Cells) -> list[Parameter]:
    return [
        Parameter("group_time", cohort=int(g), period=int(t), event_time=int(t - g))
        for g, t in zip(cells.cohort, cells.year, strict=True)
    ]


def _cohort_sizes(sample: Sample, cells: Cells) -> FloatArray:
    """(U, G) what each unit adds to the size of its cohort."""
    belongs: BoolArray = sample.panel.cohort[:, None] == np.unique(cells.cohort)[None, :]
    return sample.size[:, None] * belongs


def _children(sample: Sample, cells: Cells, loading: FloatArray) -> FloatArray:
    children = np.where(cells.mass > 0, sample.panel.n[:, cells.place], 0.0).sum(axis=0)
    return np.array([children[row].sum() for row in loading != 0])


def _references(is_reference: BoolArray, loading: FloatArray) -> BoolArray:
    enters = loading != 0
    only: BoolArray = enters.any(axis=1) & ~(enters & ~is_reference[None]).any(axis=1)
    return only


def _note(parameter: Parameter, note: str, sentence: str) -> str:
    is_mean = parameter.label == "overall"
    parts = [OVERALL_NOTES[parameter.aggregation] if is_mean else "", note]
    if is_mean or parameter.aggregation == "overall":
        parts.append(sentence)
    return "; ".join(part for part in parts if part)


def _share_influence(
    plan: AggregationPlan, cells: Cells, effect: FloatArray, exists: BoolArray, means: FloatArray
) -> FloatArray:
    """(U, M1 + 3) what the units' masses add: an average moves with a cell's mass by (effect − average) / mass."""
    member = (plan.member & exists[None]).astype(np.float64)
    total = member @ cells.mass.sum(axis=0)
    average = (member * cells.mass.sum(axis=0)) @ effect / np.where(total > 0, total, 1.0)
    slope = member * (effect[None] - average[:, None]) / np.where(total > 0, total, 1.0)[:, None]
    first: FloatArray = cells.mass @ slope.T
    return np.hstack([first, first @ means.T])


def _leave_out(sample: Sample, cells: Cells, effects: Effects, plan: AggregationPlan) -> FloatArray:
    n_clusters, code = sample.codes
    left = effects.without_each_cluster()
    mass = without(code, n_clusters, cells.mass)
    gone = without(code, n_clusters, (cells.mass > 0).astype(np.float64)) < 0.5
    left[:, effects.is_reference] = 0.0
    left[gone] = np.nan
    size = without(code, n_clusters, _cohort_sizes(sample, cells))
    first, means = average_weights(plan, np.where(gone, 0.0, mass), size, np.isfinite(left))
    averages: FloatArray = np.einsum("rmk,rk->rm", _combined(first, means), np.nan_to_num(left))
    return np.hstack([left, averages])


def without(code: NDArray[np.intp], n_clusters: int, values: FloatArray) -> FloatArray:
    """(C, …) sums of values (U, …) over all units outside each cluster."""
    rest: FloatArray = values.sum(axis=0)[None] - sum_by(code, n_clusters, values)
    return rest
