"""Weights of group-time effects that give the effect of full exposure: generalised least squares, free or not negative.

What belongs here: linear algebra on a covariance. What does not: estimates (dose_slope), outcomes.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

NEGLIGIBLE = 1e-12
SCALE = 1e-10
SINGULAR = (
    "The covariance of the effects is singular or not positive: the cell means vary too little, or the measured "
    "variogram is no valid one; use the fitted curve, or leave out effects that repeat others."
)


@dataclass(frozen=True, eq=False)
class SlopeWeights:
    """k (K,) with k'h = 1: the slope is k'θ; variance = k'Vk under the covariance V that made it."""

    k: FloatArray
    variance: float

    @property
    def negative_share(self) -> float:
        """Σ|negative k| / Σ|k|."""
        return float(np.maximum(-self.k, 0).sum() / np.abs(self.k).sum())

    @property
    def negative_sum(self) -> float:
        """Σ of the negative k."""
        return float(np.minimum(self.k, 0).sum())


def factor(covariance: FloatArray) -> FloatArray:
    """Lower Cholesky factor L (K, K), L L' = V; its leading blocks factor the leading blocks of V.

    Raises EstimationError when V is no covariance of different effects.
    """
    if not np.isfinite(covariance).all():
        raise EstimationError("The covariance of the effects has missing entries; check the variance model.")
    try:
        lower: FloatArray = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise EstimationError(SINGULAR) from None
    if (np.diag(lower) ** 2 <= SCALE * np.diag(covariance)).any():
        raise EstimationError(SINGULAR)
    return lower


def gls_weights(share: FloatArray, lower: FloatArray) -> SlopeWeights | None:
    """k' = (h'V⁻¹h)⁻¹h'V⁻¹, the best linear weights for θ = δh, from h (K,) and the factor of V; None if h is 0.

    Effects without dose keep a weight: they serve as controls for what the effects with dose share with them.
    """
    if not (share > NEGLIGIBLE).any():
        return None
    half = linalg.solve_triangular(lower, share, lower=True)
    information = float(half @ half)
    return SlopeWeights(linalg.solve_triangular(lower, half, lower=True, trans="T") / information, 1 / information)


def nonnegative_weights(share: FloatArray, lower: FloatArray) -> SlopeWeights | None:
    """The k ≥ 0 with k'h = 1 and the smallest k'Vk; None if h is 0.

    min k'Vk − 2h'k over k ≥ 0 is non-negative least squares of L'k on L⁻¹h; its solution scaled to k'h = 1 is the
    wanted one, because both problems have the same conditions up to scale.
    """
    if not (share > NEGLIGIBLE).any():
        return None
    scale = np.sqrt(np.mean(np.diag(lower) ** 2))
    half = linalg.solve_triangular(lower, share, lower=True)
    try:
        raw, _ = optimize.nnls(lower.T / scale, half * scale)
    except RuntimeError:
        raise EstimationError(
            "The weights that must not be negative were not found; the covariance of the effects is nearly singular."
        ) from None
    k = raw / (raw @ share)
    return SlopeWeights(k, float(((lower.T @ k) ** 2).sum()))


def pseudo_inverse_weights(share: FloatArray, covariance: FloatArray) -> SlopeWeights | None:
    """GLS weights with the pseudo-inverse of V, for effects that repeat each other (long baseline); None if h is 0."""
    if not (share > NEGLIGIBLE).any():
        return None
    inverse = np.linalg.pinv(covariance, rcond=SCALE, hermitian=True)
    weighted = inverse @ share
    information = float(share @ weighted)
    if information <= 0:
        raise EstimationError("The covariance of the effects has no part that the doses can be compared in.")
    return SlopeWeights(weighted / information, 1 / information)
