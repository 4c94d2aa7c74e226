"""Yearly looks at one effect: which look may be taken, what it costs, what it shows.

What belongs here: the ledger of alpha over the years and the reading of each look. What does not: bounds (`spending`),
words and sentences for readers. Alpha that is spent stays spent, and a bound that was used stays as recorded; the
statistic of an old look may be recomputed when data were delivered again.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy import special, stats

from kkz_eval.errors import EstimationError, PlanError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.futility import StatusWord, conditional_power, current_trend, predictive_power, status_word
from kkz_eval.horizon.simulated_bounds import simulated_bounds
from kkz_eval.horizon.spending import (
    SMALLEST_GROWTH,
    SMALLEST_SPEND,
    SPENDING,
    Spending,
    cumulative_alpha,
    t_bounds,
    z_bounds,
)

Reason = Literal[
    "before_first_look",
    "not_planned",
    "before_a_look_already_taken",
    "no_estimate",
    "no_information",
    "no_alpha_left",
    "information_shrinks",
    "information_does_not_grow",
    "too_little_alpha",
]


@dataclass(frozen=True, slots=True)
class LookPlan:
    """What is fixed before the first look.

    `periods` are the planned looks in order; the last one spends all alpha that is left. `maximum_information` is the
    information planned for that look; None spends by the calendar, by the rank of the period among the planned ones.
    `margin` is the smallest effect worth knowing, without sign; `planned_effect` the one the study was planned for,
    with sign. Moving the last year is a new plan with the same alpha: fractions are rescaled, spent alpha stays. It is
    allowed as long as the estimate has no part in the decision.
    Raises PlanError when the entries contradict each other.
    """

    periods: tuple[int, ...]
    maximum_information: float | None = None
    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    gamma: float = -4.0
    margin: float | None = None
    planned_effect: float | None = None

    def __post_init__(self) -> None:
        if not self.periods or list(self.periods) != sorted(set(self.periods)):
            raise PlanError("The planned looks must be at least one period, in ascending order and each only once.")
        if not 0 < self.alpha < 1 or not math.isfinite(self.gamma):
            raise PlanError("The alpha of the looks must lie between 0 and 1 and gamma must be a number.")
        if self.spending not in SPENDING:
            raise PlanError(f"The spending function of the looks must be one of {', '.join(SPENDING)}.")
        for size in (self.maximum_information, self.margin):
            if size is not None and not 0 < size < math.inf:
                raise PlanError("The planned information and the margin of the looks must be positive numbers.")
        if self.planned_effect is not None and not 0 < abs(self.planned_effect) < math.inf:
            raise PlanError("The planned effect of the looks must be a number other than zero.")


@dataclass(frozen=True, slots=True)
class PastLook:
    """A look that was taken: its information then, cumulative alpha spent up to it, and its bound on |z|."""

    period: int
    information: float
    alpha_spent: float
    z_bound: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The effect as estimated with the data up to `period`.

    `information` is 1/variance under the model; `std_error` may come from clusters, with `df` of its t (None: normal).
    """

    period: int
    information: float | None
    estimate: float | None
    std_error: float | None
    df: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One row of the yearly looks. None stands for what does not exist.

    `reason` None: the look was taken. Otherwise no look was taken, no alpha was spent, and there is no bound, interval
    or status; only an old look without a new estimate keeps its bound (`no_estimate`).
    `fraction` is information over the planned maximum (may exceed 1), or calendar time; `alpha_spent` is cumulative.
    `z` is estimate / std_error, compared with `t_bound`; `p_value` is nominal, for this look alone.
    ci_low … ci_high is estimate ± t_bound·std_error: over all looks together these intervals miss the true effect with
    probability alpha at most. `status` is read from this look's interval; `first_crossing` gives the series' verdict.
    Conditional and predictive power concern the last planned look as the next one, in the direction of the planned
    effect (without one: of the estimate), on the scale of z.
    """

    period: int
    information: float | None
    fraction: float | None
    alpha_spent: float
    z_bound: float | None = None
    t_bound: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    df: float | None = None
    z: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    crossed: bool | None = None
    status: StatusWord | None = None
    conditional_power_current: float | None = None
    conditional_power_planned: float | None = None
    predictive_power: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, eq=False)
class LookCorrelation:
    """Model-based correlation (K, K) of the statistics at `periods` (K,), for statistics that are not canonical."""

    periods: tuple[int, ...]
    matrix: FloatArray
    draws: int = 2_000_000
    seed: int = 1

    def among(self, periods: Sequence[int]) -> FloatArray:
        """Rows and columns of `periods`; EstimationError when one is absent."""
        if not set(periods) <= set(self.periods):
            raise EstimationError("The correlation of the looks lacks a period of a look; give every past and new one.")
        chosen = [self.periods.index(period) for period in periods]
        return np.asarray(self.matrix, dtype=np.float64)[np.ix_(chosen, chosen)]


def take_looks(
    plan: LookPlan, past: Sequence[PastLook], new: Iterable[Reading], *, correlation: LookCorrelation | None = None
) -> tuple[Look, ...]:
    """One look per reading in `new`, in the order of periods.

    A reading whose period is in `past` keeps its recorded alpha and bound and gets a new statistic. Any other reading
    is a new look if the plan has it, it comes after all looks taken, and information has grown by a thousandth since;
    otherwise it carries the reason and costs nothing. Bounds assume the canonical law unless `correlation` is given.
    Store `taken_looks(past, looks)` and give it as `past` next year.
    Raises EstimationError when `past` contradicts itself or the plan's alpha, or a period has two readings.
    """
    readings = sorted(new, key=lambda reading: reading.period)
    if len({reading.period for reading in readings}) < len(readings):
        raise EstimationError("A period has two readings; give one estimate per look.")
    ledger = _checked_past(plan, past)
    recorded = {look.period: position for position, look in enumerate(ledger)}
    looks = []
    for reading in readings:
        position = recorded.get(reading.period)
        reason: Reason | None = None
        if position is None:
            reason = _refusal(plan, ledger, reading)
            taken = None if reason else _spend(plan, ledger, reading, correlation)
            if taken is not None:
                ledger.append(taken)
                position = len(ledger) - 1
        if position is None:
            looks.append(_not_taken(plan, ledger, reading, reason or "too_little_alpha"))
        else:
            looks.append(_read(plan, ledger[: position + 1], reading, is_canonical=correlation is None))
    return tuple(looks)


def taken_looks(past: Sequence[PastLook], looks: Iterable[Look]) -> tuple[PastLook, ...]:
    """The ledger after `looks`: what was recorded stays, looks taken for the first time are added."""
    known = {look.period for look in past}
    added = [
        PastLook(look.period, look.information, look.alpha_spent, look.z_bound)
        for look in looks
        if look.period not in known and look.reason is None and look.information and look.z_bound
    ]
    return tuple(sorted((*past, *added), key=lambda look: look.period))


def first_crossing(looks: Iterable[Look]) -> Look | None:
    """The first look that crossed its bound; later looks inside theirs do not take it back."""
    crossed = (look for look in looks if look.crossed)
    return min(crossed, key=lambda look: look.period, default=None)


def _checked_past(plan: LookPlan, past: Sequence[PastLook]) -> list[PastLook]:
    ledger = sorted(past, key=lambda look: look.period)
    for before, after in pairwise(ledger):
        is_later = after.period > before.period and after.information >= before.information * (1 + SMALLEST_GROWTH)
        if not is_later or after.alpha_spent < before.alpha_spent:
            raise EstimationError("The recorded looks contradict each other; period, information and alpha must grow.")
    if any(not (look.information > 0 and look.z_bound > 0 and look.alpha_spent > 0) for look in ledger):
        raise EstimationError("A recorded look lacks information, alpha or bound; restore the record of the looks.")
    if ledger and ledger[-1].alpha_spent > plan.alpha + SMALLEST_SPEND:
        raise EstimationError("The recorded looks have spent more alpha than the plan has; alpha must stay as planned.")
    return ledger


def _refusal(plan: LookPlan, ledger: Sequence[PastLook], reading: Reading) -> Reason | None:
    last = ledger[-1] if ledger else None
    information = _information(reading)
    growth = math.inf if last is None or information is None else information / last.information - 1
    refused: tuple[tuple[Reason, bool], ...] = (
        ("before_first_look", reading.period < plan.periods[0]),
        ("not_planned", reading.period not in plan.periods),
        ("before_a_look_already_taken", last is not None and reading.period < last.period),
        ("no_estimate", not _has_estimate(reading)),
        ("no_information", information is None),
        ("no_alpha_left", last is not None and last.alpha_spent > plan.alpha - SMALLEST_SPEND),
        ("information_shrinks", growth < 0),
        ("information_does_not_grow", growth < SMALLEST_GROWTH),
    )
    return next((reason for reason, applies in refused if applies), None)


def _has_estimate(reading: Reading) -> bool:
    estimate, std_error = reading.estimate, reading.std_error
    if estimate is None or std_error is None:
        return False
    return math.isfinite(estimate) and 0 < std_error < math.inf and (reading.df is None or reading.df > 0)


def _information(reading: Reading) -> float | None:
    known = reading.information
    return known if known is not None and 0 < known < math.inf else None


def _fraction(plan: LookPlan, period: int, information: float | None) -> float | None:
    if plan.maximum_information is None:
        return (plan.periods.index(period) + 1) / len(plan.periods) if period in plan.periods else None
    return None if information is None else information / plan.maximum_information


def _spend(
    plan: LookPlan, ledger: Sequence[PastLook], reading: Reading, correlation: LookCorrelation | None
) -> PastLook | None:
    """The new entry of the ledger; None when there is too little alpha to have a bound."""
    now = _information(reading) or math.nan
    fraction = _fraction(plan, reading.period, now)
    if fraction is None or reading.period == plan.periods[-1]:
        fraction = 1.0
    target = min(float(cumulative_alpha(fraction, plan.alpha, plan.spending, plan.gamma)), plan.alpha)
    spent = ledger[-1].alpha_spent if ledger else 0.0
    if target - spent < SMALLEST_SPEND:
        return None
    alpha = [*(look.alpha_spent for look in ledger), target]
    given = [look.z_bound for look in ledger]
    if correlation is None:
        information = [*(look.information for look in ledger), now]
        bound = float(z_bounds(information, alpha, given)[-1])
    else:
        matrix = correlation.among([*(look.period for look in ledger), reading.period])
        bound = float(simulated_bounds(matrix, alpha, given, draws=correlation.draws, seed=correlation.seed)[-1])
    return PastLook(reading.period, now, target, bound) if math.isfinite(bound) else None


def _not_taken(plan: LookPlan, ledger: Sequence[PastLook], reading: Reading, reason: Reason) -> Look:
    spent = max((look.alpha_spent for look in ledger if look.period < reading.period), default=0.0)
    information = _information(reading)
    fraction = _fraction(plan, reading.period, information)
    return _with_statistic(Look(reading.period, information, fraction, spent, reason=reason), reading)


def _with_statistic(look: Look, reading: Reading) -> Look:
    """The look with estimate, statistic and nominal p-value, if there is an estimate."""
    estimate, std_error, df = reading.estimate, reading.std_error, reading.df
    if estimate is None or std_error is None or not _has_estimate(reading):
        return look
    z = estimate / std_error
    p_value = float(2 * stats.t.sf(abs(z), math.inf if df is None else df))
    return replace(look, estimate=estimate, std_error=std_error, df=df, z=z, p_value=p_value)


def _read(plan: LookPlan, ledger: Sequence[PastLook], reading: Reading, *, is_canonical: bool) -> Look:
    """The look of the ledger's last entry with the statistic of `reading`."""
    entry = ledger[-1]
    fraction = _fraction(plan, entry.period, entry.information)
    t_bound = float(t_bounds(entry.z_bound, math.inf if reading.df is None else reading.df)[0])
    bare = Look(entry.period, entry.information, fraction, entry.alpha_spent, entry.z_bound, t_bound)
    look = _with_statistic(bare, reading)
    if look.estimate is None or look.std_error is None or look.z is None or look.p_value is None:
        return replace(bare, reason="no_estimate")
    low, high = look.estimate - t_bound * look.std_error, look.estimate + t_bound * look.std_error
    current, planned, predictive = (
        _prospects(plan, ledger, look.z, look.p_value) if is_canonical else (None, None, None)
    )
    return replace(
        look,
        ci_low=low,
        ci_high=high,
        crossed=low > 0 or high < 0,
        status=status_word(low, high, plan.margin),
        conditional_power_current=current,
        conditional_power_planned=planned,
        predictive_power=predictive,
    )


def _prospects(
    plan: LookPlan, ledger: Sequence[PastLook], z: float, p_value: float
) -> tuple[float | None, float | None, float | None]:
    """Conditional power under the current trend and the planned effect, and predictive power; None at the end."""
    maximum, entry = plan.maximum_information, ledger[-1]
    if maximum is None or entry.period >= plan.periods[-1] or maximum < entry.information * (1 + SMALLEST_GROWTH):
        return None, None, None
    information = [*(look.information for look in ledger), maximum]
    alpha = [*(look.alpha_spent for look in ledger), max(plan.alpha, entry.alpha_spent)]
    critical = float(z_bounds(information, alpha, [look.z_bound for look in ledger])[-1])
    fraction = entry.information / maximum
    towards = math.copysign(1.0, plan.planned_effect if plan.planned_effect is not None else z)
    score = towards * math.copysign(-float(special.ndtri(p_value / 2)), z)  # z with the p-value of the t statistic
    current = conditional_power(fraction, score, current_trend(fraction, score), critical)
    planned = None
    if plan.planned_effect is not None:
        planned = conditional_power(fraction, score, abs(plan.planned_effect) * math.sqrt(maximum), critical)
    return current, planned, predictive_power(fraction, score, critical)
