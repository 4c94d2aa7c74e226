"""What yearly looks promise on histories of the demo's Land: the claims of docs/yearly_looks.md, simulated anew.

Fewer histories than the page and another seed; tolerances are three Monte-Carlo errors.
"""

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kkz_eval.demo.world import planted_effects

SEED, WITHOUT, PLANTED, YEARLY, FORMULA, ESTIMATED = 7, 250, 60, 25, 800, 30
SIZE = 0.05
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def three_errors(share: float, n: int) -> float:
    """Three Monte-Carlo errors of a share of n histories."""
    return float(3 * np.sqrt(share * (1 - share) / n))


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    """The simulation behind docs/yearly_looks.md."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("looks_measured")


@pytest.fixture(scope="module")
def world(study: ModuleType) -> ModuleType:  # noqa: ARG001  (its path)
    """The Land behind the study."""
    return importlib.import_module("looks_world")


@cache
def runs(study: ModuleType, design: str, *effects: float, n: int, is_yearly: bool = False) -> list[Any]:
    world = importlib.import_module("looks_world")
    return list(study.measure(getattr(world, design), effects, n, seed=SEED, is_yearly=is_yearly))


def median(first: Any) -> float:
    return float(np.sort(first)[(len(first) - 1) // 2])


@pytest.mark.slow
def test_ten_looks_together_find_nothing_where_there_is_nothing(study: ModuleType) -> None:
    """At most 5 % of the histories; the same t values judged each year at 5 % find something far more often."""
    (without,) = runs(study, "REAL", 0.0, n=WITHOUT)
    assert np.isfinite(without.found).mean() <= SIZE + three_errors(SIZE, WITHOUT)
    assert np.isfinite(without.naive).mean() >= 2 * SIZE
    assert np.isfinite(without.naive_normal).mean() >= np.isfinite(without.naive).mean()


@pytest.mark.slow
def test_intervals_of_all_looks_hold_the_effect_at_once(study: ModuleType) -> None:
    """Around the slope's own mean: the demo's dose table makes slopes 1 to 3 % smaller than what was planted."""
    for run in (*runs(study, "REAL", 0.0, n=WITHOUT), *runs(study, "REAL", *study.EFFECTS, n=PLANTED)):
        n = len(run.covers_own_mean)
        assert run.covers_own_mean.mean() >= 1 - SIZE - three_errors(SIZE, n)
        assert run.estimate.mean(axis=0)[-1] == pytest.approx(run.effect, rel=0.05, abs=0.001)


@pytest.mark.slow
def test_when_a_planted_effect_is_found(study: ModuleType) -> None:
    """With real numbers of children: no later than by waiting; with Pocock spending no later than by the average."""
    for run in runs(study, "REAL", *study.EFFECTS, n=PLANTED):
        assert median(run.found) <= median(run.waited) == 2019
        assert median(run.found_pocock) <= median(run.split)
        assert median(run.found_pocock) < median(run.found)
        assert np.isfinite(run.found).mean() >= 0.95


@pytest.mark.slow
def test_with_few_children_early_looks_of_obrien_and_fleming_are_late(study: ModuleType) -> None:
    """Five points: waiting finds them in 2019, these looks later. Three points: waiting finds them seldom, looks do."""
    five, three = runs(study, "SMALL", *study.EFFECTS, n=PLANTED)
    assert median(five.found) > median(five.waited) == 2019
    assert median(five.found_pocock) <= 2019
    assert np.isfinite(three.waited).mean() <= 0.34 + three_errors(0.34, PLANTED)
    assert np.isfinite(three.found).mean() >= 0.97 - three_errors(0.97, PLANTED)


@pytest.mark.slow
def test_looks_with_the_data_of_their_year_err_no_more(study: ModuleType) -> None:
    """The variance model changes from year to year, and the ledger keeps what was spent."""
    (yearly,) = runs(study, "REAL", 0.0, n=YEARLY, is_yearly=True)
    assert np.isfinite(yearly.found).mean() <= SIZE + three_errors(SIZE, YEARLY)
    assert np.isfinite(yearly.t_bound).any(axis=1).all()


@pytest.mark.slow
def test_the_variance_formula_agrees_with_simulation(study: ModuleType) -> None:
    """Within 3 % where drift is known, and where it is estimated and places of all sizes move alike.

    In the demo large places move less than small ones: one variogram for all then overstates the variance, more size
    classes do so less.
    """
    check = study.check_formula(FORMULA, ESTIMATED, seed=SEED)
    assert check.simulated == pytest.approx(np.ones(10), abs=0.03 + 3 * check.error)
    alike = check.estimated[study.ALIKE]
    assert alike == pytest.approx(np.ones(10), abs=0.03 + 3 * float(check.estimated_error[study.ALIKE].max()))
    errors = [check.estimated_error[name] for name in study.CASES]
    one, three, ten, _ = (check.estimated[name] for name in study.CASES)
    assert (one >= three - 3 * errors[0]).all()
    assert (three >= ten - 3 * errors[1]).all()
    assert (ten >= 0.97 - 3 * errors[2]).all()


def test_the_land_is_that_of_the_demo(study: ModuleType, world: ModuleType) -> None:
    """Places, cohorts and planted effects; one history has its shocks in common whatever the effect."""
    land = study.land()
    assert len(land.units) == 396
    assert {cohort for cohort in land.cohort.tolist() if np.isfinite(cohort)} == {2013, 2018, 2021}
    truth = planted_effects()
    truth = truth[truth["outcome"] == "german_insufficient"].set_index(["wave", "period"])["effect"]
    shares = world.planted_share(land, world.REAL.periods)
    for period, column in zip(world.REAL.periods.tolist(), shares.T, strict=True):
        for wave in (2012, 2017, 2020):
            if period <= 2025:
                found = study.EFFECTS[0] * column[land.wave == wave]
                assert found == pytest.approx(truth[wave, period], abs=1e-6)
    nothing, planted = world.history(land, world.REAL, 5, (0.0, study.EFFECTS[0]))
    never = land.wave == 0
    assert (nothing.n == planted.n).all()
    assert np.abs(nothing.value - planted.value)[never].mean() < np.abs(nothing.value - planted.value)[~never].mean()
    assert 140_000 < nothing.n[:, -1].sum() < 180_000


def test_designs_have_ten_looks_without_the_gap(study: ModuleType, world: ModuleType) -> None:
    assert world.REAL.looks == (2016, 2017, 2018, 2019, 2023, 2024, 2025, 2026, 2027, 2028)
    assert not set(world.REAL.periods.tolist()) & {2020, 2021, 2022}
    assert study.land().first_full == (2013, 2019)
