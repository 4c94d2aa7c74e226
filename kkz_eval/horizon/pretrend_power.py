"""What the usual look at the years before the start can miss (Roth 2022).

The usual check passes when no coefficient before the reference period differs from zero on its own,
|β̂_s| ≤ critical·se_s. Its power against a drift δ is 1 − P(pass | δ). With few clusters the caller may pass Student's t
quantile as `critical_value`; the coefficients stay jointly normal with known covariance.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special
from scipy.stats import qmc

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.honest_input import event_study

MAX_GAUSS = 4
N_GAUSS = 32
N_SOBOL = 2**15
FAR = 9.0
"""Beyond this many standard deviations the normal density adds nothing."""
CRITICAL = 1.96


@dataclass(frozen=True)
class PretrendPower:
    """The check of the earlier periods against one drift (K,) = δ, coefficients ordered as in EventStudy.

    `power`: P(at least one earlier coefficient differs from 0 | δ); `size`: the same without any drift.
    `bayes_factor`: P(pass | δ)/P(pass | no drift); near 1, passing says nothing about δ.
    `likelihood_ratio`: density of the earlier coefficients under δ over that under no drift.
    `mean_after_passing` (K,): expected coefficients if the effect is zero, the drift is δ and the check passes.
    """

    power: float
    size: float
    bayes_factor: float
    likelihood_ratio: float
    drift: FloatArray
    mean_after_passing: FloatArray


def pretrend_power(
    beta: ArrayLike, sigma: ArrayLike, n_pre: int, drift: ArrayLike, *, critical_value: float = CRITICAL
) -> PretrendPower:
    """Power, Bayes factor, likelihood ratio and distortion of the check against `drift` (K,), units of `beta`.

    Only the earlier coefficients enter the likelihood ratio. Raises EstimationError for bad input, and when passing
    is so unlikely under the drift that nothing can be said about it. Source: Roth 2022.
    """
    _check_critical(critical_value)
    study = event_study(beta, sigma, n_pre, needs_post=False)
    delta = np.asarray(drift, dtype=float)
    if delta.shape != study.beta.shape or not np.isfinite(delta).all():
        raise EstimationError("the drift needs one finite number per coefficient of the event study.")
    before, earlier = study.sigma[:n_pre, :n_pre], delta[:n_pre]
    passing, mean = passing_moments(earlier, before, critical_value)
    without, _ = passing_moments(np.zeros(n_pre), before, critical_value)
    if passing < np.finfo(float).tiny:
        raise EstimationError("the check cannot pass under this drift; ask for a smaller drift.")
    precise = np.linalg.solve(before, earlier)
    later = delta[n_pre:] + study.sigma[n_pre:, :n_pre] @ np.linalg.solve(before, mean - earlier)
    return PretrendPower(
        power=1 - passing,
        size=1 - without,
        bayes_factor=passing / without,
        likelihood_ratio=float(np.exp(precise @ study.beta[:n_pre] - precise @ earlier / 2)),
        drift=delta,
        mean_after_passing=np.concatenate([mean, later]),
    )


def slope_for_power(
    sigma: ArrayLike,
    n_pre: int,
    power: float = 0.5,
    *,
    times: ArrayLike | None = None,
    critical_value: float = CRITICAL,
) -> float:
    """The slope γ per period of a straight drift γ·t that the check finds with probability `power`; root search.

    sigma (K, K) or only (n_pre, n_pre); `times` (n_pre,) are the earlier periods counted from the reference,
    −n_pre … −1 if None. A drift of this slope alone would fake γ·t at the period t after the reference.
    Raises EstimationError for bad input and when the check reports a drift that often even without one.
    """
    _check_critical(critical_value)
    covariance = np.asarray(sigma, dtype=float)
    study = event_study(np.zeros(len(covariance)), covariance, n_pre, needs_post=False)
    before = study.sigma[:n_pre, :n_pre]
    periods = np.arange(-n_pre, 0.0) if times is None else np.asarray(times, dtype=float)
    if periods.shape != (n_pre,) or not np.isfinite(periods).all() or not (periods < 0).all():
        raise EstimationError(
            f"the times need one number below 0 for each of the {n_pre} periods before the reference."
        )

    def excess(slope: float) -> float:
        return 1 - passing_moments(slope * periods, before, critical_value)[0] - power

    if not power < 1 or excess(0.0) >= 0:
        raise EstimationError(
            f"no drift is found with probability {power:g}: it must lie below 1 and above {excess(0.0) + power:.3f}, "
            "how often the check reports a drift where there is none."
        )
    high = float((np.sqrt(np.diag(before)) / -periods).min())
    while excess(high) <= 0:
        high *= 2
    return float(optimize.brentq(excess, 0.0, high, xtol=1e-12 * high, rtol=1e-12))


def _check_critical(critical_value: float) -> None:
    if not (np.isfinite(critical_value) and critical_value > 0):
        raise EstimationError("the critical value of the check must be above 0, for example 1.96.")


def passing_moments(drift: FloatArray, sigma: FloatArray, critical_value: float = CRITICAL) -> tuple[float, FloatArray]:
    """P(pass) and E[β̂ | pass] (n,) for β̂ ~ N(drift, sigma), sigma (n, n) positive definite.

    Genz's sequential conditioning: one coefficient after the other inside its limits, given the earlier ones, the last
    one in closed form. Up to n = 4 by Gauss–Legendre rules (error below 1e-12, below
    1e-6 at correlations of 0.99), beyond it by 2^15 scrambled Sobol points with a fixed seed (error below 2e-4 up to
    n = 12, mostly near 1e-5).
    """
    n = len(drift)
    se = np.sqrt(np.diag(sigma))
    factor = np.linalg.cholesky(sigma / np.outer(se, se))
    shift = drift / se
    cube, mass = _nodes(n - 1)
    draws = np.zeros((len(cube), n))
    for i in range(n):
        centre = shift[i] + draws[:, :i] @ factor[i, :i]
        low, high = (-critical_value - centre) / factor[i, i], (critical_value - centre) / factor[i, i]
        if i == n - 1:
            inside, draws[:, i] = _inside(low, high)
        elif n <= MAX_GAUSS:
            low, high = np.clip(low, -FAR, FAR), np.clip(high, -FAR, FAR)
            draws[:, i] = low + cube[:, i] * (high - low)
            inside = (high - low) * np.exp(-(draws[:, i] ** 2) / 2) / np.sqrt(2 * np.pi)
        else:
            inside, _ = _inside(low, high)
            draws[:, i] = _quantile(low, high, cube[:, i] * inside)
        mass = mass * inside
    total = float(mass.sum())
    if total <= 0:
        return 0.0, np.full(n, np.nan)
    return total, drift + se * (factor @ (mass @ draws / total))


def _lower_tail(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The limits mirrored into the lower tail, where the normal distribution keeps its digits, and the sign for it."""
    sign = np.where(low + high > 0, -1.0, 1.0)
    return np.where(sign < 0, -high, low), np.where(sign < 0, -low, high), sign


def _inside(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(low ≤ Z ≤ high) and the mean of Z inside."""
    left, right, sign = _lower_tail(low, high)
    inside = special.ndtr(right) - special.ndtr(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (np.exp(-(left**2) / 2) - np.exp(-(right**2) / 2)) / np.sqrt(2 * np.pi) / inside
    return inside, sign * np.clip(np.nan_to_num(mean), left, right)


def _quantile(low: FloatArray, high: FloatArray, mass: FloatArray) -> FloatArray:
    """The point of [low, high] with `mass` of Z between it and the end that lies lower in the mirrored tail."""
    left, right, sign = _lower_tail(low, high)
    return np.asarray(sign * np.clip(special.ndtri(special.ndtr(left) + mass), left, right))


@lru_cache(maxsize=16)
def _nodes(dimension: int) -> tuple[FloatArray, FloatArray]:
    """Points (N, dimension) of the unit cube and their weights (N,), which add up to 1."""
    if dimension == 0:
        return np.zeros((1, 0)), np.ones(1)
    if dimension < MAX_GAUSS:
        nodes, weights = np.polynomial.legendre.leggauss(N_GAUSS)
        indices = np.indices((N_GAUSS,) * dimension).reshape(dimension, -1).T
        return (nodes[indices] + 1) / 2, (weights[indices] / 2).prod(axis=1)
    sobol = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(20220722))
    return sobol.random(N_SOBOL), np.full(N_SOBOL, 1 / N_SOBOL)
