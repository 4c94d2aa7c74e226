"""Honest intervals when the difference in trend may bend by at most M per period: Δ^SD(M) of Rambachan and Roth 2023.

δ_t is the difference in trend (violation of parallel trends) at t, with δ_0 = 0 at the reference period. Δ^SD(M) holds
all δ with |δ_{t+1} − 2δ_t + δ_{t−1}| ≤ M. M = 0 lets trends differ by a straight line.

Few clusters: `df` replaces the normal by Student's t with df degrees of freedom (usually clusters − 1) when the
critical value is taken. Bias over standard error stays a shift of the statistic. The theory is for known covariances,
so this is the usual repair, not a theorem; df=None gives the published method. The estimator does not depend on df.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.honest_input import (
    EventStudy,
    HonestInterval,
    check_bound,
    check_level,
    event_study,
)
from kkz_eval.horizon.moment_inequalities import Moments, Window, conditional_interval, paired_moments

SmoothnessMethod = Literal["conditional", "least_favourable", "fixed_length_hybrid"]


@dataclass(frozen=True, kw_only=True)
class FixedLengthInterval(HonestInterval):
    """`estimate` ± `half_length` of the best affine estimator.

    `weights` (K,) of the coefficients, `std_error` of the estimate and `worst_bias`, the largest bias within the bound.
    """

    low: float
    high: float
    estimate: float
    std_error: float
    worst_bias: float
    half_length: float
    weights: FloatArray


@dataclass(frozen=True)
class _Family:
    """All affine estimators of l'τ with finite worst bias: weights start + directions @ c, c free (n_pre − 1,).

    Their worst bias within Δ^SD(M) is M·(fixed + Σ|c|), because c are the weights of the bends before the reference.
    """

    start: FloatArray
    directions: FloatArray
    fixed: float


def _cdf(value: float, df: float | None) -> float:
    return float(special.ndtr(value) if df is None else special.stdtr(df, value))


def _density(value: float) -> float:
    return float(np.exp(-0.5 * value**2))


def folded_quantile(shift: float, alpha: float = 0.05, df: float | None = None) -> float:
    """cv: the (1 − alpha) quantile of |Z + shift|, Z standard normal, or Student's t with `df`.

    Exact by root search. `shift` ≥ 0 is worst bias over standard error. Without bias: the two-sided critical value.
    """
    one_sided, two_sided = (
        float(special.ndtri(1 - level) if df is None else special.stdtrit(df, 1 - level))
        for level in (alpha, alpha / 2)
    )

    def excess(value: float) -> float:
        return 1 - alpha - _cdf(value - shift, df) + _cdf(-value - shift, df)

    low, high = max(two_sided, shift + one_sided), shift + two_sided
    if excess(low) <= 0 or high - low < 1e-14:
        return low
    return float(optimize.brentq(excess, low, high + 1e-12, xtol=1e-14, rtol=1e-14))


def _family(study: EventStudy) -> _Family:
    n_pre, after = study.n_pre, np.arange(1, study.n_post + 1)
    tilt = float(study.contrast @ after)
    # Weight of the period s before the reference is c[s−1] − 2c[s] + c[s+1], c[k] being the weight of the k-th bend.
    to_weights = (
        np.eye(n_pre) + np.diag(np.full(n_pre - 1, -2.0), 1) + np.diag(np.ones(max(n_pre - 2, 0)), 2)[:n_pre, :n_pre]
    )
    before = to_weights[::-1]
    start = np.concatenate([before[:, 0] * tilt, study.contrast])
    directions = np.vstack([before[:, 1:], np.zeros((study.n_post, n_pre - 1))])
    later = sum(abs(float(study.contrast @ np.maximum(after - k, 0))) for k in range(1, study.n_post))
    return _Family(start, directions, abs(tilt) + later)


def _best_free_weights(family: _Family, sigma: FloatArray, bound: float, alpha: float) -> FloatArray:
    """The free weights c with the shortest interval.

    For each price λ of bias, ½σ² + λΣ|c| has one minimiser: c = −Q⁻¹(q + w) with the shortest Q^(−½)(q + w), |w| ≤ λ.
    Half-length is convex in the budget Σ|c|, so its slope changes sign once along λ.
    """
    within = family.directions.T @ sigma @ family.directions
    across = family.directions.T @ sigma @ family.start
    factor = np.linalg.cholesky(within)
    root, target = np.linalg.inv(factor), -np.linalg.solve(factor, across)
    base = float(family.start @ sigma @ family.start)

    def minimiser(price: float) -> FloatArray:
        if price <= 0:
            return np.asarray(-np.linalg.solve(within, across))
        box = optimize.lsq_linear(root, target, (-price, price), method="bvls", tol=1e-14, lsq_solver="exact")
        return np.asarray(-np.linalg.solve(within, across + box.x))

    def slope(price: float) -> float:
        free = minimiser(price)
        spread = float(np.sqrt(base + 2 * across @ free + free @ within @ free))
        shift = bound * (family.fixed + float(np.abs(free).sum())) / spread
        value = folded_quantile(shift, alpha)
        near, far = _density(value - shift), _density(value + shift)
        by_bias = (near - far) / (near + far)
        return bound * by_bias - (value - shift * by_bias) * price / spread

    if bound == 0:
        return minimiser(0.0)
    highest = float(np.abs(across).max())
    if slope(highest) >= 0:
        return np.zeros(len(across))
    return minimiser(float(optimize.brentq(slope, 0.0, highest, xtol=1e-13 * highest, rtol=1e-12)))


def smoothness_interval(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    bound: float,
    contrast: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    df: float | None = None,
) -> FixedLengthInterval:
    """Optimal fixed-length confidence interval of l'τ over Δ^SD(bound).

    Shapes as in EventStudy; `bound` M in units of the coefficients per period². The affine estimator minimises
    cv(b/σ)·σ, b its worst bias, σ its standard error; the worst case covers with 1 − alpha, exactly so under normality.
    One period before the reference leaves nothing to choose: the interval then extrapolates that one slope.
    Raises EstimationError for bad input. Source: Rambachan and Roth 2023, section 4.1; Armstrong and Kolesár 2018.
    """
    study = event_study(beta, sigma, n_pre, contrast)
    check_level(alpha, df)
    check_bound(bound)
    return _fixed_length(study, bound, alpha, df)


def _fixed_length(study: EventStudy, bound: float, alpha: float, df: float | None) -> FixedLengthInterval:
    family = _family(study)
    weights, scale = family.start, study.std_error
    free = np.zeros(family.directions.shape[1])
    if len(free):
        free = _best_free_weights(family, study.sigma / scale**2, bound / scale, alpha)
        weights = weights + family.directions @ free
    std_error = float(np.sqrt(weights @ study.sigma @ weights))
    bias = bound * (family.fixed + float(np.abs(free).sum()))
    half = std_error * folded_quantile(bias / std_error, alpha, df)
    estimate = float(weights @ study.beta)
    return FixedLengthInterval(
        bound=bound,
        low=estimate - half,
        high=estimate + half,
        estimate=estimate,
        std_error=std_error,
        worst_bias=bias,
        half_length=half,
        weights=weights,
    )


def smoothness_set(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    bound: float,
    contrast: ArrayLike | None = None,
    *,
    method: SmoothnessMethod = "fixed_length_hybrid",
    alpha: float = 0.05,
    df: float | None = None,
) -> HonestInterval:
    """Conditional confidence set of l'τ over Δ^SD(bound), by inverting tests of moment inequalities.

    `method`: conditional, its hybrid with least-favourable critical values, or its hybrid with the fixed-length
    interval; the first stage of a hybrid takes alpha/10. Only moments that involve a period after the reference enter,
    so of the earlier periods only the last counts. `smoothness_interval` is the better default: it uses all of them.
    Raises EstimationError for bad input. Source: Rambachan and Roth 2023, section 4.2; Andrews, Roth and Pakes 2023.
    """
    study = event_study(beta, sigma, n_pre, contrast)
    check_level(alpha, df)
    check_bound(bound)
    moments = _moments(study, bound)
    window = None
    if method == "fixed_length_hybrid":
        first = _fixed_length(study, bound, alpha / 10, df)
        covariance = np.asarray(moments.weights[0] @ study.sigma @ first.weights)
        window = Window(first.estimate, first.half_length, covariance)
    return conditional_interval(
        moments, bound, alpha, hybrid=method == "least_favourable", df=df, window=window, unit=study.std_error
    )


def _moments(study: EventStudy, bound: float) -> Moments:
    """Bends at 0, 1, …, n_post − 1, each between −bound and bound; δ_0 = 0 has no column."""
    periods = np.concatenate([np.arange(-study.n_pre, 0), np.arange(1, study.n_post + 1)])
    middle = np.arange(study.n_post)[:, None]
    rows = 1.0 * (np.abs(periods - middle) == 1) - 2.0 * (periods == middle)
    return paired_moments(study, rows, np.zeros((1, len(periods))), bound)
