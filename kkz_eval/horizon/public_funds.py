"""Marginal value of public funds (Hendren and Sprung-Keyser 2020): what a euro of net cost is worth to children.

What belongs here: willingness to pay over net cost, its interval. What does not: prices and tax rates; they are given.
"""

import math
from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.cost import Money, require_equal_units

PAYS_ITSELF = "net cost is zero or negative: the programme pays for itself"
NO_GAIN = "neither gain nor net cost is positive: the ratio has no meaning"


@dataclass(frozen=True, slots=True)
class PublicFunds:
    """value: willingness to pay / net cost; infinite when the programme pays for itself; None where it has no meaning.

    `reason` says why it is infinite or None.
    """

    value: float | None
    net_cost: float
    revenue: float
    reason: str | None


def tax_revenue(earnings: Money, *, tax_rate: float) -> Money:
    """Present value of what the state gets back: present value of the children's added earnings × tax rate.

    Raises EstimationError for a rate outside 0 to 1.
    """
    if not 0 <= tax_rate <= 1:
        raise EstimationError(f"The tax rate {tax_rate} is not between 0 and 1; give 0.19 for 19 per cent.")
    return Money(
        earnings.amount * tax_rate, f"{earnings.source}, tax rate {tax_rate:g}", earnings.currency, earnings.price_year
    )


def marginal_value(cost: Money, willingness_to_pay: Money, returns: Money) -> PublicFunds:
    """WTP / (C − ΔG), per child or in total; returns ΔG: taxes and avoided costs. Net cost ≤ 0 < WTP: infinite.

    Raises EstimationError for unequal units or a negative cost.
    """
    require_equal_units(cost, willingness_to_pay, returns)
    if cost.amount < 0:
        raise EstimationError("The value of public funds needs a cost from 0 on; check the inputs.")
    net = cost.amount - returns.amount
    value = _ratio(willingness_to_pay.amount, net)
    reason = PAYS_ITSELF if value == math.inf else NO_GAIN if value is None else None
    return PublicFunds(value, net, returns.amount, reason)


def _ratio(gain: float, net: float) -> float | None:
    if net > 0:
        return gain / net
    return math.inf if gain > 0 else None


@dataclass(frozen=True, slots=True)
class PublicFundsInterval:
    """Bootstrap limits of the value (low, high), infinite where the programme pays for itself in that share of draws.

    None with a reason where draws without meaning reach the limits; share_pays_itself, share_without_meaning: of draws.
    """

    low: float | None
    high: float | None
    share_pays_itself: float
    share_without_meaning: float
    reason: str | None


def marginal_value_interval(
    cost: Money,
    gain_per_case: Money,
    return_per_case: Money,
    *,
    averted: float,
    std_error: float,
    seed: int,
    chain: float = 1.0,
    chain_error: float = 0.0,
    draws: int = 9999,
    confidence_level: float = 0.95,
) -> PublicFundsInterval:
    """Parametric bootstrap of δ, and of the link β (`chain`) where a later outcome is averted through an earlier one.

    cost per child; gain and return per averted case, both times δ·β. Draws are normal and independent.
    Raises EstimationError for unequal units, a standard error that is not positive, or fewer than 100 draws.
    """
    require_equal_units(cost, gain_per_case, return_per_case)
    if not (0 < std_error < math.inf and chain_error >= 0 and draws >= 100 and cost.amount >= 0):
        raise EstimationError(
            "The bootstrap needs a positive standard error, a cost from 0 on and at least 100 draws; check the inputs."
        )
    normal = np.random.default_rng(seed).standard_normal((draws, 2))
    cases = (averted + std_error * normal[:, 0]) * (chain + chain_error * normal[:, 1])
    gain, net = cases * gain_per_case.amount, cost.amount - cases * return_per_case.amount
    value = np.divide(gain, net, out=np.where(gain > 0, np.inf, np.nan), where=net > 0)
    lost = float(np.isnan(value).mean())
    pays = float(np.isposinf(value).mean())
    if lost > 0:
        reason = f"in {lost:.1%} of draws {NO_GAIN}"
        return PublicFundsInterval(None, None, pays, lost, reason)
    tail = (1 - confidence_level) / 2
    ordered = np.sort(value)  # order statistics, because infinity cannot be interpolated
    low, high = (float(ordered[min(int(level * draws), draws - 1)]) for level in (tail, 1 - tail))
    return PublicFundsInterval(low, high, pays, lost, None)
