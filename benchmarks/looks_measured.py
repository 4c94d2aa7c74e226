"""Many histories of the demo's Land, and what each test found in them.

What belongs here: running histories and what is counted. What does not: one history (looks_world.py), the page
(yearly_looks.py). Every history goes through the library from cells to looks, with a variance model estimated from it
alone. The same number of histories and seed give the same numbers, whatever the number of processes; progress goes to
standard error.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
from looks_world import (
    ALPHA,
    N_LOOKS,
    PLANTED,
    REAL,
    Design,
    FloatArray,
    Land,
    cell_weights,
    estimated_over_true,
    history,
    look_horizon,
    moving_alike,
    read_land,
    readings,
    rivals,
    year_by_year,
)
from numpy.typing import NDArray
from scipy import stats

from kkz_eval.horizon.looks import Look, take_looks
from kkz_eval.horizon.spending import SMALLEST_GROWTH, cumulative_alpha, t_bounds, z_bounds

SEED = 2016
EFFECTS = (PLANTED, -0.03)
ALIKE = "one variogram, if places of all sizes moved alike"
CASES = {"one variogram for all places": 1, "a variogram for each of 3 size classes": 3,
         "a variogram for each of 10 size classes": 10, ALIKE: 1}  # fmt: skip
"""Ways to estimate the variogram, by number of size classes; the library's default is one."""
NUMBERS = ("estimate", "std_error", "df", "p_value", "information", "t_bound")


@cache
def land() -> Land:
    """The Land, read once in each process."""
    return read_land()


@dataclass(frozen=True, eq=False)
class Runs:
    """R histories of one design and effect, seen at K looks: arrays (R, K), NaN where there is none.

    t_bound is NaN where no look was taken; average: p-values of the average effect at each look; first_full (R,):
    p-value of the first fully exposed cohort.
    """

    design: Design
    effect: float
    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    p_value: FloatArray
    information: FloatArray
    t_bound: FloatArray
    average: FloatArray
    first_full: FloatArray

    @property
    def found(self) -> FloatArray:
        """(R,) first look beyond its bound, infinity for none."""
        return self.first(np.abs(self.estimate / self.std_error) > self.t_bound)

    @cached_property
    def found_pocock(self) -> FloatArray:
        """(R,) first look beyond its bound if alpha were spent as Pocock does; the same statistics and information."""
        bounds = np.full(self.estimate.shape, np.nan)
        for row, (information, df) in enumerate(zip(self.information, self.df, strict=True)):
            before = np.concatenate([[0.0], np.maximum.accumulate(information)[:-1]])
            new = information >= before * (1 + SMALLEST_GROWTH)
            alpha = cumulative_alpha(information[new] / information.max(), ALPHA, "pocock")
            bounds[row, new] = t_bounds(z_bounds(information[new], alpha), df[new])
        return self.first(np.abs(self.estimate / self.std_error) > bounds)

    @property
    def naive(self) -> FloatArray:
        """(R,) first look with p ≤ alpha."""
        return self.first(self.p_value <= ALPHA)

    @property
    def naive_normal(self) -> FloatArray:
        """(R,) first look beyond the normal quantile."""
        return self.first(np.abs(self.estimate / self.std_error) > stats.norm.isf(ALPHA / 2))

    @property
    def split(self) -> FloatArray:
        """(R,) first look at which the average effect has p ≤ alpha divided by the number of looks."""
        return self.first(self.average <= ALPHA / N_LOOKS)

    @property
    def waited(self) -> FloatArray:
        """(R,) year of the first fully exposed cohort where its effect has p ≤ alpha, else infinity."""
        return np.where(self.first_full <= ALPHA, float(land().first_full[1]), np.inf)

    def covers(self, effect: float | FloatArray) -> NDArray[np.bool_]:
        """(R,) whether the intervals of all looks taken hold the effect, or one effect for each look (K,)."""
        outside = np.abs(self.estimate - effect) > self.t_bound * self.std_error
        held: NDArray[np.bool_] = ~outside.any(axis=1)
        return held

    @property
    def covers_own_mean(self) -> NDArray[np.bool_]:
        """(R,) whether all intervals hold the mean of the slopes, whatever the effect planted."""
        return self.covers(self.estimate.mean(axis=0))

    def first(self, finds: NDArray[np.bool_]) -> FloatArray:
        """(R,) first look that finds something, infinity where none does."""
        years = np.array(self.design.looks, dtype=np.float64)
        return np.where(finds.any(axis=1), years[finds.argmax(axis=1)], np.inf)


def recorded(design: Design, looks: Iterable[Look]) -> FloatArray:
    """(6, K) the NUMBERS of the looks, NaN where there is none."""
    by_period = {look.period: look for look in looks}
    rows = [[getattr(by_period.get(period), name, None) for period in design.looks] for name in NUMBERS]
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)


def one_history(design: Design, effects: tuple[float, ...], seed: int) -> FloatArray:
    """(E, 8, K): the NUMBERS, then both rivals, for each effect of full exposure."""
    results = []
    for panel in history(land(), design, seed, effects):
        found = look_horizon(land(), design, panel)
        plan, seen = readings(found, design)
        other = rivals(land(), design, panel, found)
        last = np.full(N_LOOKS, other.first_full)
        results.append(np.vstack([recorded(design, take_looks(plan, (), seen)), other.average, last]))
    return np.array(results)


def one_yearly_history(design: Design, effects: tuple[float, ...], seed: int) -> FloatArray:
    """(E, 8, K): the NUMBERS as they were when each look was taken, 1 where any row shown was beyond, nothing."""
    results = []
    for panel in history(land(), design, seed, effects):
        looks, shown = year_by_year(land(), design, panel)
        beyond = np.array([year in shown for year in design.looks], dtype=np.float64)
        results.append(np.vstack([recorded(design, looks), beyond, np.full(N_LOOKS, np.nan)]))
    return np.array(results)


def seeds(seed: int, n: int) -> range:
    """Seeds of n histories."""
    return range(seed * 1_000_000, seed * 1_000_000 + n)


def measure(
    design: Design,
    effects: Sequence[float],
    n: int,
    *,
    seed: int = SEED,
    processes: int = 1,
    is_yearly: bool = False,
) -> list[Runs]:
    """n histories of a design; one Runs for each effect. is_yearly: each look with the data of its year only."""
    started = time.perf_counter()
    work = partial(one_yearly_history if is_yearly else one_history, design, tuple(effects))
    results = np.array(_mapped(work, seeds(seed, n), processes))
    seconds = time.perf_counter() - started
    print(f"{design.name}, effects {effects}, {n} histories: {seconds:.0f} s", file=sys.stderr, flush=True)
    return [
        Runs(design, effect, *results[:, e, :7].swapaxes(0, 1), results[:, e, 7, 0])  # type: ignore[call-arg]
        for e, effect in enumerate(effects)
    ]  # fmt: skip


def _mapped(work: "partial[FloatArray]", numbers: range, processes: int) -> list[FloatArray]:
    if processes == 1:
        return [work(number) for number in numbers]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, numbers, chunksize=10))


@dataclass(frozen=True, eq=False)
class FormulaCheck:
    """The slope's standard deviation by look (K,), relative to what the formula says.

    simulated: over n histories with fixed weights, the formula with the demo's own drift. estimated, by CASES: the
    formula with drift estimated from one history, relative to the demo's own, root mean square of n_estimated
    histories; estimated_error its Monte-Carlo error.
    """

    simulated: FloatArray
    n: int
    estimated: dict[str, FloatArray]
    estimated_error: dict[str, FloatArray]
    n_estimated: int

    @property
    def error(self) -> float:
        """Monte-Carlo error of `simulated`."""
        return float(1 / np.sqrt(2 * self.n))


def _cells(design: Design, seed: int) -> FloatArray:
    (panel,) = history(land(), design, seed, (0.0,))
    # v(1−v)/(n−1) is unbiased for the sampling variance of a share
    return np.stack([panel.value, panel.value * (1 - panel.value) / np.maximum(panel.n - 1, 1)])


def _estimated(design: Design, sampling: FloatArray, seed: int) -> FloatArray:
    results = []
    for case, classes in CASES.items():
        place = moving_alike(land()) if case == ALIKE else land()
        (panel,) = history(place, design, seed, (0.0,))
        results.append(estimated_over_true(place, design, panel, sampling, classes))
    return np.array(results)


def check_formula(
    n: int, n_estimated: int, *, design: Design = REAL, seed: int = SEED, processes: int = 1
) -> FormulaCheck:
    """The variance formula against simulation, and its estimate against the truth; histories without effect."""
    started = time.perf_counter()
    cells = partial(_cells, design)
    sampling = np.mean([part for _, part in _mapped(cells, seeds(seed + 1, max(n // 10, 50)), processes)], axis=0)
    weights, variance = cell_weights(land(), design, sampling)
    slopes = np.array([np.tensordot(weights, value, 2) for value, _ in _mapped(cells, seeds(seed + 2, n), processes)])
    ratios = np.array(_mapped(partial(_estimated, design, sampling), seeds(seed, n_estimated), processes))
    print(f"variance formula: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    root = np.sqrt(ratios.mean(axis=0))
    error = ratios.std(axis=0) / np.sqrt(n_estimated) / (2 * root)
    return FormulaCheck(
        simulated=slopes.std(axis=0, ddof=1) / np.sqrt(variance),
        n=n,
        estimated=dict(zip(CASES, root, strict=True)),
        estimated_error=dict(zip(CASES, error, strict=True)),
        n_estimated=n_estimated,
    )
