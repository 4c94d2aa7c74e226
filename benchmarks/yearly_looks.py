"""What yearly looks promise and what they gain, on simulated histories: `python benchmarks/yearly_looks.py`.

Prints the page and writes it to docs/yearly_looks.md. Every history goes through the library from cells to looks, with
a variance model estimated from it alone. The same numbers of histories and the same seed give the same page, whatever
the number of processes; progress goes to standard error.
"""

import argparse
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from looks_world import (
    ALPHA,
    N_LOOKS,
    NO_GAP,
    PLANTED,
    REAL,
    SMALL,
    Design,
    FloatArray,
    Land,
    history,
    known_variance,
    look_horizon,
    read_land,
    readings,
    rivals,
    year_by_year,
)
from scipy import stats

from kkz_eval.horizon.looks import Look, take_looks

SEED = 2016
EFFECTS = (PLANTED, -0.03)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "yearly_looks.md"
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

    @property
    def covered(self) -> FloatArray:
        """(R,) 1 where the intervals of all looks taken hold the planted effect."""
        outside = np.abs(self.estimate - self.effect) > self.t_bound * self.std_error
        return 1.0 - outside.any(axis=1)

    def first(self, finds: np.ndarray) -> FloatArray:
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
    """Standard deviations (K,) of the slope with fixed weights: simulated from n histories, and by the formula."""

    simulated: FloatArray
    formula: FloatArray
    n: int

    @property
    def error(self) -> float:
        """Monte-Carlo error of simulated/formula."""
        return float(1 / np.sqrt(2 * self.n))


def _cells(design: Design, seed: int) -> tuple[FloatArray, FloatArray]:
    (panel,) = history(land(), design, seed, (0.0,))
    return panel.value, panel.value * (1 - panel.value) / np.maximum(panel.n - 1, 1)


def check_formula(design: Design, n: int, *, seed: int = SEED, processes: int = 1) -> FormulaCheck:
    """The variance formula, with drift as the demo has it, against n histories without effect."""
    started = time.perf_counter()
    work = partial(_cells, design)
    # the expected sampling variance of each cell: v(1−v)/(n−1) is unbiased for it
    sampling = np.mean([part for _, part in _mapped(work, seeds(seed + 1, max(n // 10, 50)), processes)], axis=0)
    known = known_variance(land(), design, sampling)
    values = np.array([value for value, _ in _mapped(work, seeds(seed + 2, n), processes)])
    slopes = np.einsum("kut,rut->rk", known.weights, values)
    print(f"variance formula, {n} histories: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return FormulaCheck(slopes.std(axis=0, ddof=1), np.sqrt(known.variance), n)
