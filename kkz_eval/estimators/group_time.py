"""Group-time average treatment effects without covariates, from cells (Callaway and Sant'Anna 2021, R did 2.5.1).

Each ATT(g,t) is a signed sum of weighted means ("arms"): two means of differences in a panel, four means of levels in
repeated cross-sections. Numerators and denominators are kept per unit, so that estimates, influence functions,
leave-one-cluster-out estimates and cell weights are all sums of the same arrays; no step loops over units.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import NEVER, CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, FloatArray, sum_by

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sample:
    """The panel an estimate rests on, the treated cohorts, and in plain words what was left out of the delivery."""

    panel: CellPanel
    cohorts: NDArray[np.int64]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pairs:
    """K comparisons of a cohort's change with its controls' change.

    cohort (K,), period (K,), base (K,) as index into the periods, comparison (K,): controls are untreated beyond it.
    """

    cohort: NDArray[np.int64]
    period: IndexArray
    base: IndexArray
    comparison: FloatArray

    @property
    def is_reference(self) -> BoolArray:
        """(K,) the period is its own base: zero by construction."""
        same: BoolArray = self.period == self.base
        return same


@dataclass(frozen=True, eq=False)
class Arms:
    """J weighted means whose signed sum is the effect: sign (J,); numerator, denominator, member (J, U, K).

    `moments[j]` lists the periods (K,) an arm reads with their signs; `labels[j]` what the arm is.
    """

    sign: FloatArray
    numerator: FloatArray
    denominator: FloatArray
    member: BoolArray
    moments: tuple[tuple[tuple[IndexArray, float], ...], ...]
    labels: tuple[str, ...]
    n_incomplete: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Influence of one observation of weight w and outcome y on an effect: w·(level + slope·y).

    level, slope (K, J, P) by effect, arm and profile of covariates (P = 1 without covariates); zero for references.
    """

    level: FloatArray
    slope: FloatArray


@dataclass(frozen=True, eq=False)
class GroupTimeEffects:
    """K group-time effects: effect (K,), NaN where `reason[k]` says why; influence (U, K) in sums over units.

    leave_one_out(code, n_clusters): effects (C, K) without each cluster; coefficients: None where only sums over units
    are known; observations: what the profiles of the coefficients are; note: what the effects are adjusted for.
    """

    effect: FloatArray
    influence: FloatArray
    reason: list[str | None]
    leave_one_out: Callable[[IndexArray, int], FloatArray]
    coefficients: Coefficients | None
    observations: Any = None
    note: str = ""


def prepare(panel: CellPanel, options: EstimatorOptions) -> Sample:
    """Leave out what no comparison can use, as R did does before it estimates.

    Left out: periods without any value, units without any value, units treated up to the first period plus
    anticipation. Cohorts after the last period plus anticipation count as never treated. Without a never-treated unit
    the last cohort serves as one, and the periods from its adoption minus anticipation on are left out.

    Raises EstimationError when the design needs numbers of children that are unknown.
    """
    notes: list[str] = []
    if options.design == "cross_section" and np.isnan(panel.n).any():
        raise EstimationError(
            f"cells of {panel.outcome}: design cross_section needs the number of children in every cell, "
            f"unknown in {int(np.isnan(panel.n).sum())}; use design panel."
        )
    panel = panel.select_periods(np.asarray(np.isfinite(panel.value).any(axis=0)))
    has_value: BoolArray = np.asarray(np.isfinite(panel.value).any(axis=1))
    if not has_value.all():
        notes.append(f"{int((~has_value).sum())} units without any value left out")
        panel = panel.select(has_value)
    if len(panel.periods) == 0:
        return Sample(panel, np.array([], dtype=np.int64), tuple(notes))
    cohort = np.where(panel.cohort > panel.periods[-1] + options.anticipation, NEVER, panel.cohort)
    last = np.inf
    if not np.isinf(cohort).any():
        last = cohort.max()
        notes.append(f"no unit is never treated: cohort {last:.0f} serves as comparison, later periods left out")
        if options.control_group == "never_treated":
            cohort = np.where(cohort == last, NEVER, cohort)
        panel = panel.select_periods(panel.periods < last - options.anticipation)
    panel = replace(panel, cohort=cohort)
    if len(panel.periods):
        always = panel.cohort <= panel.periods[0] + options.anticipation
        if always.any():
            notes.append(f"{int(always.sum())} units treated before any base period left out")
            panel = panel.select(~always)
    cohorts = np.unique(panel.cohort[np.isfinite(panel.cohort) & (panel.cohort < last)]).astype(np.int64)
    if not options.weighted:
        panel = replace(panel, weight=np.ones(len(panel.units)))
    return Sample(panel, cohorts, tuple(notes))


def comparisons(sample: Sample, options: EstimatorOptions) -> Pairs:
    """All (cohort, period) with their base period and the last period in which controls must be untreated.

    Universal base: the last observed period before adoption minus anticipation, for all periods. Varying base: the
    same after adoption, the period just before otherwise.
    """
    periods = sample.panel.periods
    rows: list[tuple[int, int, int, float]] = []
    for cohort in sample.cohorts:
        before = np.flatnonzero(periods + options.anticipation < cohort)
        if len(before) == 0:
            continue
        last_before = int(before[-1])
        for period in range(0 if options.base_period == "universal" else 1, len(periods)):
            is_post = cohort <= periods[period]
            base = last_before if is_post or options.base_period == "universal" else period - 1
            untreated_until = periods[max(period, base)] + options.anticipation
            rows.append((int(cohort), period, base, float(untreated_until)))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 4)
    return Pairs(
        table[:, 0].astype(np.int64), table[:, 1].astype(np.intp), table[:, 2].astype(np.intp), table[:, 3]
    )  # fmt: skip


def build_arms(sample: Sample, pairs: Pairs, options: EstimatorOptions) -> Arms:
    """Numerators and denominators of all arms, per unit."""
    panel = sample.panel
    treated = panel.cohort[:, None] == pairs.cohort[None, :]
    if options.control_group == "never_treated":
        control = np.broadcast_to(np.isinf(panel.cohort)[:, None], treated.shape)
    else:
        control = (panel.cohort[:, None] > pairs.comparison[None, :]) & ~treated
    if options.design == "panel":
        return _panel_arms(panel, pairs, treated, control)
    return _cross_section_arms(panel, pairs, treated, control, by_children=options.design == "cross_section")


def _panel_arms(panel: CellPanel, pairs: Pairs, treated: BoolArray, control: BoolArray) -> Arms:
    change = panel.value[:, pairs.period] - panel.value[:, pairs.base]
    complete = np.isfinite(change)
    member = np.stack([treated & complete, control & complete])
    denominator = panel.weight[None, :, None] * member
    return Arms(
        sign=np.array([1.0, -1.0]),
        numerator=denominator * np.where(complete, change, 0.0)[None],
        denominator=denominator,
        member=member,
        moments=2 * (((pairs.period, 1.0), (pairs.base, -1.0)),),
        labels=("treated unit with values in both periods", "comparison unit with values in both periods"),
        n_incomplete=((treated | control) & ~complete).sum(axis=0).astype(np.int64),
    )


def observations(panel: CellPanel, *, by_children: bool) -> tuple[FloatArray, FloatArray]:
    """(weight, weighted total), each (U, T), of what counts as an observation: children, or unit-period values."""
    if by_children:
        return panel.child_sums()
    return np.isfinite(panel.value).astype(np.float64), np.nan_to_num(panel.value)


def _cross_section_arms(
    panel: CellPanel, pairs: Pairs, treated: BoolArray, control: BoolArray, *, by_children: bool
) -> Arms:
    n, total = observations(panel, by_children=by_children)
    groups = ((treated, pairs.period), (treated, pairs.base), (control, pairs.period), (control, pairs.base))
    member = np.stack([group & (n[:, period] > 0) for group, period in groups])
    weight = panel.weight[:, None]
    return Arms(
        sign=np.array([1.0, -1.0, -1.0, 1.0]),
        numerator=np.stack([weight * total[:, period] * m for (_, period), m in zip(groups, member, strict=True)]),
        denominator=np.stack([weight * n[:, period] * m for (_, period), m in zip(groups, member, strict=True)]),
        member=member,
        moments=tuple(((period, 1.0),) for _, period in groups),
        labels=(
            "observation of the cohort in the period",
            "observation of the cohort in the base period",
            "observation of comparison units in the period",
            "observation of comparison units in the base period",
        ),
        n_incomplete=np.zeros(len(pairs.cohort), dtype=np.int64),
    )


def group_time_effects(arms: Arms) -> tuple[FloatArray, FloatArray, list[str | None]]:
    """ATT (K,), NaN where an arm is empty; influence functions (U, K); reasons (K,) why there is no estimate."""
    sums, totals, counts = arms.numerator.sum(axis=1), arms.denominator.sum(axis=1), arms.member.sum(axis=1)
    effect = signed_means(arms.sign, sums, totals, counts)
    reason = [_reason(arms, counts[:, k]) for k in range(counts.shape[1])]
    safe = np.where(counts > 0, totals, 1.0)
    mean = sums / safe
    deviation = (arms.numerator - mean[:, None, :] * arms.denominator) / safe[:, None, :]
    influence = np.einsum("j,juk->uk", arms.sign, deviation)
    influence[:, np.isnan(effect)] = 0.0
    return effect, influence, reason


def unadjusted_effects(arms: Arms) -> GroupTimeEffects:
    """The effects as differences of the arms' means."""
    effect, influence, reason = group_time_effects(arms)
    sums, totals = arms.numerator.sum(axis=1), arms.denominator.sum(axis=1)
    exists = np.isfinite(effect)[None] & (totals > 0)
    slope = np.divide(arms.sign[:, None], totals, out=np.zeros_like(totals), where=exists)
    mean = np.divide(sums, totals, out=np.zeros_like(totals), where=exists)
    return GroupTimeEffects(
        effect=effect,
        influence=influence,
        reason=reason,
        leave_one_out=lambda code, n_clusters: leave_one_out_effects(arms, code, n_clusters),
        coefficients=Coefficients((-slope * mean).T[:, :, None], slope.T[:, :, None]),
    )


def _reason(arms: Arms, counts: NDArray[np.int64]) -> str | None:
    empty = np.flatnonzero(counts == 0)
    return f"no {arms.labels[empty[0]]}" if len(empty) else None


def signed_means(sign: FloatArray, sums: FloatArray, totals: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """Σ_j sign_j · sums_j / totals_j over the first axis (J, …), NaN where an arm has no member."""
    means = np.divide(sums, totals, out=np.full(sums.shape, np.nan), where=counts > 0)
    return np.tensordot(sign, means, axes=1)


def leave_one_out_effects(arms: Arms, code: IndexArray, n_clusters: int) -> FloatArray:
    """ATT (C, K) without each cluster in turn, by subtracting the cluster's sums. NaN where an arm becomes empty."""

    def without(values: FloatArray | BoolArray) -> FloatArray:
        by_unit = np.moveaxis(values, 1, 0).astype(np.float64)
        sums = sum_by(code, n_clusters, by_unit)
        rest: FloatArray = np.moveaxis(by_unit.sum(axis=0)[None] - sums, 0, 1)
        return rest

    counts = np.rint(without(arms.member)).astype(np.int64)
    return signed_means(arms.sign, without(arms.numerator), without(arms.denominator), counts)


def cell_coefficients(arms: Arms, loading: FloatArray, n_periods: int) -> FloatArray:
    """Weights (P, U, T) of the cell means whose sum is each parameter; loading (P, K) of the group-time effects."""
    totals = arms.denominator.sum(axis=1)
    share = np.divide(arms.denominator, totals[:, None, :], out=np.zeros_like(arms.denominator), where=arms.member)
    n_units, n_pairs = share.shape[1:]
    weights = np.zeros((n_pairs, n_units, n_periods))
    pair = np.arange(n_pairs)
    for j, moments in enumerate(arms.moments):
        for period, sign in moments:
            weights[pair, :, period] += (arms.sign[j] * sign * share[j]).T
    combined: FloatArray = np.einsum("pk,kut->put", loading, weights)
    return combined


def unit_mass(panel: CellPanel, options: EstimatorOptions) -> FloatArray:
    """(U,) what a unit adds to the size of its cohort: its weight, or its weighted children over all periods."""
    if options.design != "cross_section":
        return panel.weight
    children, _ = panel.child_sums()
    mass: FloatArray = panel.weight * children.sum(axis=1)
    return mass


def cohort_sizes(sample: Sample, pairs: Pairs, mass: FloatArray) -> tuple[IndexArray, FloatArray]:
    """Position (U,) of each unit's cohort, −1 for comparison units, and the size (G,) of each cohort."""
    cohorts = np.unique(pairs.cohort)
    position = np.searchsorted(cohorts, sample.panel.cohort).clip(max=len(cohorts) - 1)
    position = np.where(cohorts[position] == sample.panel.cohort, position, -1)
    size = np.array([mass[position == g].sum() for g in range(len(cohorts))])
    return position, size
