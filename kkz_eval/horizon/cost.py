"""Money: cost per fully exposed child, cost per averted case, break-even effect.

What belongs here: arithmetic on stated inputs, each with its source. What does not: the inputs themselves, the value of
public funds (`public_funds`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

Kind = Literal["bounded", "one ray", "two rays", "unbounded"]
NO_EFFECT = "the effect is zero, so that no case is averted and the cost per case does not exist"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its unit, the year of its prices and where it comes from.

    Raises EstimationError for an amount that is no finite number and for a missing source.
    """

    amount: float
    source: str
    currency: str = "EUR"
    price_year: int = 2017

    def __post_init__(self) -> None:
        if not math.isfinite(self.amount) or not self.source.strip():
            raise EstimationError("An amount of money needs a finite number and a source; state both in the plan.")

    @property
    def unit(self) -> str:
        """Currency and year of prices."""
        return f"{self.currency} of {self.price_year}"


def require_equal_units(*amounts: Money) -> None:
    """Raise EstimationError unless all amounts are in the same currency and prices of the same year."""
    units = sorted({amount.unit for amount in amounts})
    if len(units) > 1:
        raise EstimationError(
            f"Amounts in {' and '.join(units)} cannot be compared; convert them to one currency and price year first."
        )


def yearly_cost(per_municipality: Money, central: Money, *, n_municipalities: int, is_additive: bool) -> Money:
    """Cost of the programme in one year, of all municipalities together.

    is_additive: the central amount comes on top of the municipal ones; otherwise it already contains them. The sources
    leave this open, so that the caller has to choose. Raises EstimationError for unequal units, negative amounts, and
    municipal amounts above a central one that is said to contain them.
    """
    require_equal_units(per_municipality, central)
    municipal = per_municipality.amount * n_municipalities
    if min(per_municipality.amount, central.amount) < 0 or n_municipalities < 1:
        raise EstimationError("Yearly cost needs amounts from 0 on and at least one municipality; check the inputs.")
    if not is_additive and municipal > central.amount:
        raise EstimationError(
            f"{municipal:.0f} for {n_municipalities} municipalities is more than the central {central.amount:.0f} that "
            "should contain it; set is_additive or check the amounts."
        )
    how = "added to" if is_additive else "contained in"
    source = f"{per_municipality.source}, {how} {central.source}"
    return replace(central, amount=central.amount + (municipal if is_additive else 0.0), source=source)


def cost_per_fully_exposed_child(yearly: Money, *, children_per_cohort: float) -> Money:
    """C / N_T: in steady state each year of the programme costs C and makes one cohort of N_T children fully exposed.

    children_per_cohort: children of one entry year in treated municipalities, exposed or not to single measures.
    Raises EstimationError when there are none.
    """
    if not 0 < children_per_cohort < math.inf:
        raise EstimationError("Cost per child needs a positive number of children per entry year; check the cells.")
    return replace(yearly, amount=yearly.amount / children_per_cohort)


def present_value(amounts: Sequence[float], *, rate: float, first_year: float = 0.0) -> float:
    """Σ amount_i / (1+rate)^(first_year + i): yearly amounts from `first_year` years ahead on, valued today.

    Raises EstimationError for a rate of −1 or less.
    """
    _need_rate(rate)
    years = first_year + np.arange(len(amounts))
    return float(np.asarray(amounts, dtype=np.float64) @ (1.0 + rate) ** -years)


def valued_at_start(cost_per_child: Money, *, rate: float, years_exposed: float) -> Money:
    """Cost per child, spread evenly over d years, valued at the start of exposure: c·(1−(1+r)^−d)/(d·ln(1+r)).

    Raises EstimationError for a rate of −1 or less or years that are not positive.
    """
    _need_rate(rate)
    if not years_exposed > 0:
        raise EstimationError("Discounting over the exposure needs a positive number of years; check the exposure.")
    force = math.log1p(rate) * years_exposed
    factor = 1.0 if force == 0 else -math.expm1(-force) / force
    return replace(cost_per_child, amount=cost_per_child.amount * factor)


def _need_rate(rate: float) -> None:
    if not -1 < rate < math.inf:
        raise EstimationError(f"The discount rate {rate} is not above −1; give 0.03 for three per cent.")


@dataclass(frozen=True, slots=True)
class CostPerCase:
    """Cost per averted case with its Fieller set.

    estimate: None where `reason` says why; kind and intervals (low, high), None = without limit: "bounded" one
    interval, "one ray", "two rays" (the effect may be zero: either at least the positive limit per case, or the
    programme adds cases), "unbounded" the whole line.
    """

    estimate: float | None
    kind: Kind
    intervals: tuple[tuple[float | None, float | None], ...]
    unit: str
    reason: str | None = None


def cost_per_averted_case(
    cost_per_child: Money,
    averted: float,
    std_error: float,
    *,
    df: float | None = None,
    unit_of_measure: str = "share",
    cost_std_error: float = 0.0,
    confidence_level: float = 0.95,
) -> CostPerCase:
    """(C/N_T)/δ with {r: (C/N_T − r·δ̂)² ≤ z²(se_C² + r²·se²)} (Fieller 1954).

    averted: effect on the share of children, positive = fewer cases; df None: normal law.
    Raises EstimationError for an outcome that is no share, a standard error that is not positive, a negative cost.
    """
    _need_share(unit_of_measure)
    cost = cost_per_child.amount
    if not (0 < std_error < math.inf and math.isfinite(averted) and cost_std_error >= 0 and cost >= 0):
        raise EstimationError(
            "Cost per averted case needs an effect, a positive standard error and a cost from 0 on; check the inputs."
        )
    z = _quantile(0.5 + confidence_level / 2, df)
    kind, intervals = _fieller(cost, averted, z * cost_std_error, z * std_error)
    estimate = cost / averted if averted != 0 else None
    reason = NO_EFFECT if averted == 0 else None
    return CostPerCase(estimate, kind, intervals, cost_per_child.unit, reason)


def _need_share(unit_of_measure: str) -> None:
    if unit_of_measure != "share":
        raise EstimationError(
            f"An outcome in {unit_of_measure} has no cases to avert; take an outcome that is a share of children."
        )


def _quantile(level: float, df: float | None) -> float:
    return float(stats.norm.ppf(level) if df is None else stats.t.ppf(level, df))


def _fieller(
    cost: float, effect: float, cost_half: float, half: float
) -> tuple[Kind, tuple[tuple[float | None, float | None], ...]]:
    """{r: a·r² − 2·b·r + k ≤ 0} with a = δ² − half², b = cost·δ, k = cost² − cost_half²."""
    a, b, k = effect**2 - half**2, cost * effect, cost**2 - cost_half**2
    if a == 0:  # then the effect is not zero, because its half width is not
        if b == 0:
            return "unbounded", ((None, None),)
        limit = k / (2 * b)
        return "one ray", (((limit, None) if b > 0 else (None, limit)),)
    inside = cost**2 * half**2 + effect**2 * cost_half**2 - half**2 * cost_half**2  # b² − a·k without cancellation
    if a < 0 and inside <= 0:
        return "unbounded", ((None, None),)
    root = math.sqrt(max(inside, 0.0))
    low, high = sorted(((b - root) / a, (b + root) / a))
    return ("bounded", ((low, high),)) if a > 0 else ("two rays", ((None, low), (high, None)))


def acceptability(
    cost_per_child: Money, averted: float, std_error: float, values: Sequence[Money], *, df: float | None = None
) -> FloatArray:
    """(V,) P(λδ > C/N_T) = Φ((λδ̂ − C/N_T)/(λ·se)) for the values λ of an averted case: the acceptability curve.

    The probability is that of the sampling distribution of δ̂ read as belief (flat prior); df: Student's t instead.
    Raises EstimationError for unequal units, negative values, a standard error that is not positive.
    """
    require_equal_units(cost_per_child, *values)
    amount = np.array([value.amount for value in values])
    if not (0 < std_error < math.inf and math.isfinite(averted)) or (amount < 0).any():
        raise EstimationError(
            "The acceptability curve needs an effect, a positive standard error and values from 0 on; check the inputs."
        )
    gain = amount * averted - cost_per_child.amount
    worthless = np.where(gain > 0, np.inf, -np.inf)  # a case without value leaves only the cost
    score = np.divide(gain, amount * std_error, out=worthless, where=amount > 0)
    return np.asarray(stats.norm.cdf(score) if df is None else stats.t.cdf(score, df), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Effect at which the programme pays for itself, and whether these data could see it.

    effect: averted cases per child; is_below_detectable: it is smaller than the detectable effect, so that a null
    finding does not show that the programme does not pay; None where no detectable effect was given.
    """

    effect: float
    detectable: float | None
    is_below_detectable: bool | None


def break_even(cost_per_child: Money, benefit_per_case: Money, *, detectable: float | None = None) -> BreakEven:
    """δ_BE = (C/N_T)/B, B = present value of the benefit of one averted case; detectable: MDE of methods and data.

    Raises EstimationError for unequal units or a benefit that is not positive.
    """
    require_equal_units(cost_per_child, benefit_per_case)
    if not benefit_per_case.amount > 0:
        raise EstimationError("The break-even effect needs a positive benefit per averted case; check the inputs.")
    effect = cost_per_child.amount / benefit_per_case.amount
    return BreakEven(effect, detectable, None if detectable is None else effect < detectable)
