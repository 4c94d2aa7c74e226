"""Bounds of yearly looks for statistics that do not follow the canonical law, by simulation.

What belongs here: sequential quantiles of a multivariate normal or t. What does not: the recursion (`spending`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.spending import checked_alpha

FEWEST_CROSSINGS = 20  # simulated crossings below which a quantile is too uncertain to use
CHUNK = 100_000


def _root(correlation: ArrayLike) -> FloatArray:
    """A with A·A' = correlation."""
    matrix = np.atleast_2d(np.asarray(correlation, dtype=np.float64))
    is_square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not is_square or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, atol=1e-10):
        raise EstimationError("The correlation of the looks must be a symmetric matrix without gaps.")
    value, vector = np.linalg.eigh(matrix)
    if not np.allclose(np.diag(matrix), 1.0, atol=1e-8) or value.min() < -1e-8:
        raise EstimationError("The correlation of the looks must have ones on its diagonal and no negative eigenvalue.")
    return np.asarray(vector * np.sqrt(np.maximum(value, 0.0)), dtype=np.float64)


def _absolute(root: FloatArray, draws: int, seed: int, df: float | None) -> FloatArray:
    """|Z| (K, draws) from N(0, R), or from the multivariate t with one common scale per draw."""
    rng = np.random.default_rng(seed)
    n_looks = len(root)
    drawn = np.empty((n_looks, draws))
    for first in range(0, draws, CHUNK):
        size = min(CHUNK, draws - first)
        drawn[:, first : first + size] = root @ rng.standard_normal((n_looks, size))
    if df is not None:
        drawn /= np.sqrt(rng.chisquare(df, draws) / df)
    return np.abs(drawn, out=drawn)


def simulated_bounds(
    correlation: ArrayLike,
    cumulative: ArrayLike,
    given: Sequence[float] = (),
    *,
    df: float | None = None,
    draws: int = 2_000_000,
    seed: int = 1,
) -> FloatArray:
    """Two-sided bounds (K,) for looks with `correlation` (K, K) under no effect that spend `cumulative` (K,) alpha.

    The correlation must come from the model (ω_s' V ω_t), not from influence functions of few clusters (methods.md
    §4.1). `given` are bounds of the first looks, already used and kept. With `df` the looks are a t mixture: normal
    statistics divided by one common √(χ²_df / df), so the bounds are for |estimate/se| directly. That is right when all
    looks share one variance estimate; with standard errors estimated anew at each look `t_bounds` errs less.
    The bound of look k is the quantile among the draws that crossed none of the earlier ones; the first is exact.
    Where fewer than 20 draws would cross, the bound is infinite and the amount passes to the next look.
    Same seed, same bounds. Memory: 8·K·draws bytes.
    """
    root = _root(correlation)
    alpha = checked_alpha(cumulative, len(root))
    drawn = _absolute(root, draws, seed, df)
    bounds: list[float] = []
    spent = 0.0
    inside = np.ones(draws, dtype=np.bool_)
    for position, target in enumerate(alpha.tolist()):
        if position < len(given):
            bound, spent = given[position], target
        elif position == 0:
            bound, spent = _exact(target, df), target
        else:
            bound = _quantile(drawn[position][inside], round((target - spent) * draws))
            spent = spent if np.isinf(bound) else target
        bounds.append(bound)
        inside &= drawn[position] < bound
    return np.array(bounds)


def _exact(alpha: float, df: float | None) -> float:
    return float(stats.norm.isf(alpha / 2) if df is None else stats.t.isf(alpha / 2, df))


def _quantile(survivors: FloatArray, n_crossing: int) -> float:
    """The value that `n_crossing` of the survivors reach; infinite when too few would."""
    if n_crossing < FEWEST_CROSSINGS:
        return float("inf")
    if n_crossing >= len(survivors):
        return 0.0
    position = len(survivors) - n_crossing
    return float(np.partition(survivors, position)[position])
