"""Histories of cell means with known shocks. What belongs here: simulation. What does not: assertions."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.horizon.contrasts import Layout

Array = NDArray[np.float64]
FIRST_YEAR = 2006


def fading(rng: np.random.Generator, shape: tuple[int, ...], sd: float, rho: float) -> Array:
    """Stationary first-order autoregressions along the last axis."""
    shock = rng.normal(size=shape)
    path = np.empty(shape)
    path[..., 0] = sd * shock[..., 0]
    for t in range(1, shape[-1]):
        path[..., t] = rho * path[..., t - 1] + sd * np.sqrt(1 - rho**2) * shock[..., t]
    return path


def shocks(
    rng: np.random.Generator,
    n_draws: int,
    kreis: NDArray[np.str_],
    n_periods: int,
    *,
    sd: float = 0.018,
    rho: float = 0.6,
    random_walk_sd: float = 0.004,
    kreis_sd: float = 0.0,
    kreis_rho: float = 0.0,
) -> Array:
    """(R, U, T) deviations of municipality-years: fading shocks, random walks, and fading shocks of their Kreis."""
    labels, code = np.unique(kreis, return_inverse=True)
    shape = (n_draws, len(kreis), n_periods)
    drift = random_walk_sd * rng.normal(size=shape).cumsum(axis=2) if random_walk_sd else 0.0
    shared = fading(rng, (n_draws, len(labels), n_periods), kreis_sd, kreis_rho)[:, code] if kreis_sd else 0.0
    return fading(rng, shape, sd, rho) + drift + shared


def staggered(
    n_units: int = 60, n_kreise: int = 15, n_periods: int = 14, cohorts: tuple[int, ...] = (2010, 2014), each: int = 8
) -> Layout:
    """A layout with `each` adopters per cohort, sizes from 20 to 400 children, Kreise that mix adopters and others."""
    rng = np.random.default_rng(20120101)
    cohort = np.full(n_units, np.inf)
    place = rng.permutation(n_units)
    for i, year in enumerate(cohorts):
        cohort[place[i * each : (i + 1) * each]] = year
    return Layout(
        units=np.array([f"u{u:03d}" for u in range(n_units)]),
        kreis=np.array([f"k{u % n_kreise:02d}" for u in range(n_units)]),
        cohort=cohort,
        weight=np.round(np.exp(rng.uniform(np.log(20), np.log(400), n_units))),
        periods=np.arange(FIRST_YEAR, FIRST_YEAR + n_periods, dtype=np.int64),
        is_observed=np.ones((n_units, n_periods), dtype=bool),
    )


def share_cells(rng: np.random.Generator, layout: Layout, mean: Array) -> CellPanel:
    """Cells of a share: as many children as the unit's weight, each with the probability of its cell in mean (U, T)."""
    n = np.repeat(layout.weight[:, None], len(layout.periods), axis=1)
    total = rng.binomial(n.astype(int), np.clip(mean, 0, 1)).astype(np.float64)
    return CellPanel(
        "y", layout.units, layout.periods, layout.cohort, layout.kreis, layout.weight, n, total, total.copy(), total / n
    )  # fmt: skip


def years_under(cohort: NDArray[np.int64], period: NDArray[np.int64]) -> Array:
    """Half a year in the first treated period, then one more each year, up to 6.75."""
    return np.clip(period - cohort + 0.5, 0.0, 6.75)


@pytest.fixture(scope="session")
def make_shocks() -> Callable[..., Array]:
    return shocks


@pytest.fixture(scope="session")
def make_layout() -> Callable[..., Layout]:
    return staggered


@pytest.fixture(scope="session")
def make_share_cells() -> Callable[..., CellPanel]:
    return share_cells


@pytest.fixture(scope="session")
def dose() -> Callable[[NDArray[np.int64], NDArray[np.int64]], Array]:
    return years_under
