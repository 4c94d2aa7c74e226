"""The curve D(L) = nugget + 2σ²(1 − ρ^L) + κL through measured variograms, by weighted least squares.

What belongs here: the curve and its fit. What does not: measuring (variogram).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kkz_eval.estimators.result import FloatArray

REPEATED = 1e-10
RHO_GRID = np.round(np.arange(0.0, 0.995, 0.01), 2)


@dataclass(frozen=True, eq=False)
class Curves:
    """R curves: nugget, twice_variance (2σ²), rho, slope (κ), each (R,), none negative, so that each is a variogram."""

    nugget: FloatArray
    twice_variance: FloatArray
    rho: FloatArray
    slope: FloatArray

    def at(self, lags: FloatArray) -> FloatArray:
        """(R, L) the curves at lags (L,) of 0 or more; 0 at lag 0."""
        lag = np.asarray(lags, dtype=np.float64)[None, :]
        rising = self.twice_variance[:, None] * (1 - self.rho[:, None] ** lag)
        return np.where(lag > 0, self.nugget[:, None] + rising + self.slope[:, None] * lag, 0.0)


def fit_curves(lags: FloatArray, measured: FloatArray, pairs: FloatArray, *, with_nugget: bool = False) -> Curves:
    """Curves through R measured variograms (R, L) at lags (L,), each seen in `pairs` (L,) long differences.

    Weighted twice, as Cressie (1985) does: by the number of pairs, then by pairs over the squared first curve of the
    first row, because the error of D grows with D. ρ is searched on a grid of hundredths, the rest is exact
    non-negative least squares. The nugget is for variation that does not last at all (sampling that is unknown).
    """
    first = _fit(lags, measured[:1], pairs, with_nugget)
    largest = float(np.abs(measured[0]).max())
    level = np.maximum(first.at(lags)[0], 1e-3 * largest if largest > 0 else 1.0)
    return _fit(lags, measured, pairs / level**2, with_nugget)


def _fit(lags: FloatArray, measured: FloatArray, weight: FloatArray, with_nugget: bool) -> Curves:
    """The best of all curves with these weights: over the grid of ρ and over which terms are above zero."""
    root = np.sqrt(weight / weight.sum())
    target = (measured * root).T
    n_curves = len(measured)
    least = (target**2).sum(axis=0)
    chosen, rho = np.zeros((n_curves, 3)), np.zeros(n_curves)
    rising = 1 - RHO_GRID[:, None] ** lags[None, :]
    columns = (np.ones_like(rising), rising, np.broadcast_to(lags, rising.shape))
    terms = (0, 1, 2) if with_nugget else (1, 2)
    for used in (c for size in range(1, len(terms) + 1) for c in combinations(terms, size)):
        design = np.stack([columns[term] for term in used], axis=2) * root[None, :, None]
        coefficient, loss = _least_squares(design, target)
        at = loss.argmin(axis=0)
        curve = np.arange(n_curves)
        better = loss[at, curve] < least
        full = np.zeros((n_curves, 3))
        full[:, used] = coefficient[at, :, curve]
        chosen = np.where(better[:, None], full, chosen)
        rho = np.where(better, RHO_GRID[at], rho)
        least = np.where(better, loss[at, curve], least)
    return Curves(chosen[:, 0], chosen[:, 1], rho, chosen[:, 2])


def _least_squares(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients (G, k, R) and loss (G, R) of R targets (L, R) under G designs (G, L, k).

    The loss is infinite where a coefficient is negative or columns repeat each other (ρ = 0 is a nugget).
    """
    transposed = np.swapaxes(design, 1, 2)
    gram = transposed @ design
    scale = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    repeats = np.linalg.det(gram / (scale[:, :, None] * scale[:, None, :])) < REPEATED
    gram = np.where(repeats[:, None, None], np.eye(gram.shape[1]), gram)
    coefficient = np.asarray(np.linalg.solve(gram, transposed @ target), dtype=np.float64)
    loss = np.asarray(((target - design @ coefficient) ** 2).sum(axis=1), dtype=np.float64)
    return coefficient, np.where(repeats[:, None] | (coefficient < 0).any(axis=1), np.inf, loss)
