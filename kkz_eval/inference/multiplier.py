"""Simultaneous bands: how far the largest of several estimates strays by chance."""

from typing import Literal

import numpy as np
from scipy import stats

from kkz_eval.estimators.result import FloatArray

LARGEST_CHUNK = 4_000_000
"""Random weights held at once, so that memory grows neither with draws nor with clusters."""
DEGENERATE = 10 * np.sqrt(np.finfo(np.float64).eps)


def simultaneous_critical_value(
    influence: FloatArray,
    confidence_level: float,
    *,
    draws: int,
    seed: int,
    scheme: Literal["mammen", "rademacher"] = "rademacher",
) -> float:
    """Critical value on the normal scale of the largest |t| among K parameters.

    influence (G, K): cluster sums of influence functions. Each draw multiplies the clusters with independent random
    weights of mean 0 and variance 1 (±1 as in R did, or Mammen's two points); the scale of each parameter is the
    interquartile range of its draws, as in R did. Parameters without variation are left out. The same seed gives the
    same value. Never below the pointwise value.
    Source: Callaway and Sant'Anna (2021), Algorithm 1; R did `mboot`.
    """
    pointwise = float(stats.norm.ppf(0.5 + confidence_level / 2))
    varies = (influence**2).sum(axis=0) > 0
    size = np.sqrt((influence[:, varies] ** 2).sum(axis=0))
    scaled: FloatArray = influence[:, varies] / size  # the scale cancels below; unit size avoids underflow
    if scaled.shape[1] == 0:
        return pointwise
    rng = np.random.default_rng(seed)
    chunk = max(1, LARGEST_CHUNK // len(scaled))
    shifts = np.concatenate(
        [_weights(rng, min(chunk, draws - start), len(scaled), scheme) @ scaled for start in range(0, draws, chunk)]
    )
    quartiles = np.quantile(shifts, [0.25, 0.75], axis=0, method="inverted_cdf")
    scale = (quartiles[1] - quartiles[0]) / (stats.norm.ppf(0.75) - stats.norm.ppf(0.25))
    usable = scale > DEGENERATE
    if not usable.any():
        return pointwise
    largest = np.abs(shifts[:, usable] / scale[usable]).max(axis=1)
    return max(pointwise, float(np.quantile(largest, confidence_level, method="inverted_cdf")))


def _weights(
    rng: np.random.Generator, n_draws: int, n_clusters: int, scheme: Literal["mammen", "rademacher"]
) -> FloatArray:
    uniform = rng.random((n_draws, n_clusters))
    if scheme == "rademacher":
        return np.where(uniform < 0.5, 1.0, -1.0)
    root = 5.0**0.5
    return np.asarray(np.where(uniform < (root + 1) / (2 * root), (1 - root) / 2, (1 + root) / 2), dtype=np.float64)


def few_cluster_critical_values(critical_value: float, df: FloatArray) -> FloatArray:
    """The critical value (P,) carried from the normal to Student's t at equal tail probability; NaN for NaN df."""
    return np.asarray(stats.t.isf(stats.norm.sf(critical_value), df))
