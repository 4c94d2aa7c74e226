"""How strong a difference in trend would have to be before a finding goes away, and what can be found despite one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.honest_input import EventStudy, HonestInterval, check_level, event_study
from kkz_eval.horizon.honest_magnitudes import MagnitudesMethod, magnitudes_interval
from kkz_eval.horizon.honest_smoothness import folded_quantile, smoothness_interval

N_DOUBLINGS = 20
PRECISION = 1e-6
FAR = 1e100
"""Stands in for the distance to an empty or open interval, so that the root search can do arithmetic."""


@dataclass(frozen=True)
class Breakdown:
    """`value`: the bound up to which the interval excludes the null value; just above it the interval holds it.

    None unless `status` is found: with "never excluded" the interval holds the null value even at bound 0, with
    "always excluded" it still excludes it at the largest bound searched, which `note` names.
    """

    value: float | None
    status: Literal["found", "never excluded", "always excluded"]
    note: str = ""


def breakdown_value(interval: Callable[[float], HonestInterval], start: float, null: float = 0.0) -> Breakdown:
    """The bound at which interval(bound) stops excluding `null`, to a relative 1e-6.

    The bound doubles from `start` > 0 until the interval holds `null`; a bracketing root search follows on how far
    `null` lies outside. Wider bounds give longer intervals, but the fixed-length one may move its centre: should
    exclusion come and go with the bound, the answer is one of the crossings.
    """

    def outside(bound: float) -> float:
        found = interval(bound)
        if found.low is None or found.high is None:
            return FAR
        return float(np.clip(max(found.low - null, null - found.high), -FAR, FAR))

    if outside(0.0) <= 0:
        return Breakdown(None, "never excluded", f"the interval holds {null:g} even at bound 0")
    low, high = 0.0, start
    for _ in range(N_DOUBLINGS):
        if outside(high) <= 0:
            break
        low, high = high, 2 * high
    else:
        return Breakdown(None, "always excluded", f"the interval excludes {null:g} up to bound {low:g}")
    root = optimize.brentq(outside, low, high, xtol=1e-12 * high, rtol=PRECISION / 4)
    # On the side where the interval still excludes.
    return Breakdown(float(root * (1 - PRECISION)), "found")


def smoothness_breakdown(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    contrast: ArrayLike | None = None,
    *,
    null: float = 0.0,
    alpha: float = 0.05,
    df: float | None = None,
) -> Breakdown:
    """The bend M per period² up to which the fixed-length interval of l'τ excludes `null`. Errors as there."""
    study = _checked(beta, sigma, n_pre, contrast, alpha, df)

    def interval(bound: float) -> HonestInterval:
        return smoothness_interval(beta, sigma, n_pre, bound, contrast, alpha=alpha, df=df)

    return breakdown_value(interval, study.std_error / 8, null)


def magnitudes_breakdown(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    contrast: ArrayLike | None = None,
    *,
    null: float = 0.0,
    method: MagnitudesMethod = "least_favourable",
    alpha: float = 0.05,
    df: float | None = None,
) -> Breakdown:
    """The multiple M̄ of the largest earlier step up to which the interval of l'τ excludes `null`. Errors as there."""
    _checked(beta, sigma, n_pre, contrast, alpha, df)

    def interval(bound: float) -> HonestInterval:
        return magnitudes_interval(beta, sigma, n_pre, bound, contrast, method=method, alpha=alpha, df=df)

    return breakdown_value(interval, 0.25, null)


def _checked(
    beta: ArrayLike, sigma: ArrayLike, n_pre: int, contrast: ArrayLike | None, alpha: float, df: float | None
) -> EventStudy:
    check_level(alpha, df)
    return event_study(beta, sigma, n_pre, contrast)


def honest_mde(
    worst_bias: float, std_error: float, *, alpha: float = 0.05, power: float = 0.8, df: float | None = None
) -> float:
    """Smallest effect found with probability `power` by an honest interval, in the worst case of the bias.

    MDE = b + (cv(b/σ) + z_power)·σ, b = `worst_bias` ≥ 0 and σ = `std_error` > 0 of a fixed-length interval, in units
    of the effect; without bias the usual (z_{1−alpha/2} + z_power)·σ. With df Student's t replaces the normal twice.
    Raises EstimationError for other input. Source: methods of Rambachan and Roth 2023, section 4.1.
    """
    check_level(alpha, df)
    if not (np.isfinite(worst_bias) and np.isfinite(std_error) and worst_bias >= 0 and std_error > 0):
        raise EstimationError("the smallest detectable effect takes a bias of at least 0 and a standard error above 0.")
    if not 0.5 <= power < 1:
        raise EstimationError("the power must be at least 0.5 and below 1, for example 0.8.")
    quantile = float(special.ndtri(power) if df is None else special.stdtrit(df, power))
    return worst_bias + (folded_quantile(worst_bias / std_error, alpha, df) + quantile) * std_error
