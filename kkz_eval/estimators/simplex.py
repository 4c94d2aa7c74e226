"""Weights that are not negative and sum to one, exactly: least squares over the simplex with a ridge."""

import numpy as np
from scipy.optimize import nnls

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

GAP = 1e-7
"""The certified distance to the optimum that is accepted, relative to the objective with equal weights."""
MOST_STEPS = 50


def simplex_weights(columns: FloatArray, target: FloatArray, ridge: float, *, intercept: bool) -> FloatArray:
    """w (k,) ≥ 0 with sum 1 that minimises mean((columns·w + c − target)²) + ridge²·Σ w²; columns (n, k), target (n,).

    c is free with `intercept`, else zero. Where all weights fit alike they are equal. With weights that sum to one the
    objective is a quadratic form, and the smallest form on the simplex lies on the ray of the non-negative least
    squares problem with an added row Σ w = 1; that problem is solved by active sets, without iteration limits that
    stop short. Raises EstimationError when the result is not the optimum.
    """
    gaps = _gaps(columns, target, intercept=intercept)
    n, k = gaps.shape
    stacked = np.vstack([gaps / np.sqrt(max(n, 1)), ridge * np.eye(k)])
    equal = np.full(k, 1 / k)
    size = float(np.linalg.norm(stacked @ equal))
    if k == 1 or not size > 0:
        return equal
    weights = _by_support(gaps / np.sqrt(max(n, 1)), ridge) if ridge > 0 and n < k else None
    if weights is None or not _is_optimal(stacked, weights, size):  # a small ridge is too ill-conditioned for it
        weights = _by_active_set(stacked / size)
    if not _is_optimal(stacked, weights, size):
        raise EstimationError(
            f"weights of {k} units or periods could not be found to the optimum; check for values of very different "
            "size in the same outcome."
        )
    return weights


def _is_optimal(stacked: FloatArray, weights: FloatArray, size: float) -> bool:
    gradient = stacked.T @ (stacked @ weights)
    return 2 * float(weights @ gradient - gradient.min()) <= GAP * size**2


def _by_active_set(stacked: FloatArray) -> FloatArray:
    k = stacked.shape[1]
    system = np.vstack([stacked, np.ones(k)])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    raw, _ = nnls(system, goal, maxiter=100 * k)
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def _by_support(gaps: FloatArray, ridge: float) -> FloatArray | None:
    """The same optimum where the ridge keeps most weights positive: start with all, drop the negative, check the rest.

    gaps (n, k) with few rows, so that each step solves n equations only. None when no support settles.
    """
    n, k = gaps.shape
    kept = np.ones(k, dtype=bool)
    for _ in range(MOST_STEPS):
        own = gaps[:, kept]
        inner = np.linalg.solve(ridge**2 * np.eye(n) + own @ own.T, own.sum(axis=1))
        ray = 1 - own.T @ inner
        if (ray <= 0).any():
            kept[np.flatnonzero(kept)[ray <= 0]] = False
            if not kept.any():
                return None
            continue
        weights = np.zeros(k)
        weights[kept] = ray / ray.sum()
        gradient = gaps.T @ (gaps @ weights) + ridge**2 * weights
        level = float(weights @ gradient)
        back = ~kept & (gradient < level * (1 - 1e-12))
        if not back.any():
            return weights
        kept |= back
    return None


def simplex_objective(
    weights: FloatArray, columns: FloatArray, target: FloatArray, ridge: float, *, intercept: bool
) -> tuple[float, float]:
    """The objective of `simplex_weights`, and a bound on how far it can lie above the optimum (Frank–Wolfe gap)."""
    gaps = _gaps(columns, target, intercept=intercept)
    n, k = gaps.shape
    gradient = gaps.T @ (gaps @ weights) / n + ridge**2 * weights
    return float(weights @ gradient), 2 * float(weights @ gradient - gradient.min()) if k else 0.0


def _gaps(columns: FloatArray, target: FloatArray, *, intercept: bool) -> FloatArray:
    """(n, k) each column minus the target, without its mean when the intercept is free."""
    gaps = columns - target[:, None]
    return gaps - gaps.mean(axis=0) if intercept and len(gaps) else gaps
