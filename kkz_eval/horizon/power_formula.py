"""Closed-form variance of a difference-in-differences with one date of adoption and equal units: a reference.

Source: Burlig, Preonas and Woerman (2020), Journal of Development Economics 144, 102458; Stata `pcpanel`
(pc_dd_analytic 3.2). Methods for staggered adoption and unequal units: `variance`.
"""

import numpy as np
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise EstimationError(message)


def _need_design(n_pre: int, n_post: int, n_units: int, share_treated: float) -> None:
    _need(n_pre >= 1 and n_post >= 1, "The power formula needs at least one period before and one after adoption.")
    _need(n_units >= 2, "The power formula needs at least two units.")
    _need(0 < share_treated < 1, "The share of treated units must lie between 0 and 1.")


def panel_variance(
    *,
    n_pre: int,
    n_post: int,
    n_units: int,
    share_treated: float,
    residual_variance: float,
    within_pre: float = 0.0,
    within_post: float = 0.0,
    across: float = 0.0,
) -> float:
    """Variance of the difference-in-differences of means over n_pre = m and n_post = r periods.

    1/(P(1−P)J) · [(m+r)/(mr)·σ² + (m−1)/m·ψᴮ + (r−1)/r·ψᴬ − 2ψˣ] with J units, share P treated, residual variance σ²
    and the average covariances of two periods of a unit: both before (ψᴮ), both after (ψᴬ), one each (ψˣ).
    Raises EstimationError for impossible designs and for covariances that give a negative variance.
    """
    _need_design(n_pre, n_post, n_units, share_treated)
    m, r = n_pre, n_post
    inner = (m + r) / (m * r) * residual_variance + (m - 1) / m * within_pre + (r - 1) / r * within_post - 2 * across
    return _scaled(inner, n_units, share_treated)


def panel_variance_from_residuals(
    *,
    n_pre: int,
    n_post: int,
    n_units: int,
    share_treated: float,
    n_units_estimated: int,
    residual_variance: float,
    within_pre: float = 0.0,
    within_post: float = 0.0,
) -> float:
    """The same from moments of two-way fixed-effects residuals, estimated in windows of n_pre + n_post periods.

    The bracket becomes I(m+r)²/(I−1) · [(m+r)/(2m²r²)·σ̂² + (m−1)/(2mr²)·ψ̂ᴮ + (r−1)/(2m²r)·ψ̂ᴬ] with I units behind
    the residuals: residuals of unit and period means are less variable than the errors, and correlated.
    """
    _need_design(n_pre, n_post, n_units, share_treated)
    _need(n_units_estimated >= 2, "Residual moments need at least two units.")
    m, r, i = n_pre, n_post, n_units_estimated
    inner = (m + r) / (2 * m**2 * r**2) * residual_variance
    inner += (m - 1) / (2 * m * r**2) * within_pre + (r - 1) / (2 * m**2 * r) * within_post
    return _scaled(i * (m + r) ** 2 / (i - 1) * inner, n_units, share_treated)


def _scaled(inner: float, n_units: int, share_treated: float) -> float:
    _need(inner > 0, "The variance moments give no positive variance; check the covariances of periods.")
    return inner / (share_treated * (1 - share_treated) * n_units)


def minimum_detectable_effect(variance: float, df: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """(t_{df, 1−α/2} + t_{df, power})·√variance: the effect found with this power by a two-sided test."""
    _need(variance > 0 and df > 0, "A minimum detectable effect needs a positive variance and degrees of freedom.")
    _need(0 < alpha < 1 and 0 < power < 1, "Alpha and power must lie between 0 and 1.")
    quantiles = np.asarray(stats.t.ppf([1 - alpha / 2, power], df))
    return float(quantiles.sum() * np.sqrt(variance))


def average_covariances(covariance: FloatArray, n_pre: int) -> tuple[float, float, float]:
    """ψᴮ, ψᴬ, ψˣ: mean covariances of two periods before, two after, one each, from covariance (m+r, m+r) of a unit.

    0 for an average over nothing (one period).
    """
    pre, post = covariance[:n_pre, :n_pre], covariance[n_pre:, n_pre:]
    return _off_diagonal_mean(pre), _off_diagonal_mean(post), float(covariance[:n_pre, n_pre:].mean())


def _off_diagonal_mean(square: FloatArray) -> float:
    n = len(square)
    return float((square.sum() - np.trace(square)) / (n * (n - 1))) if n > 1 else 0.0


def autoregressive_covariance(n_periods: int, variance: float, rho: float) -> FloatArray:
    """(n, n) covariance variance·rho^|t−s| of a unit's periods."""
    step = np.arange(n_periods)
    covariance: FloatArray = variance * np.asarray(rho, dtype=np.float64) ** np.abs(step[:, None] - step[None, :])
    return covariance
