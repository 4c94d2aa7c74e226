"""Known truth in, right answer out: a comparison of changes finds the effect, a comparison of levels misleads."""

import numpy as np
import pandas as pd
import pytest

from kkz_eval.demo import World
from kkz_eval.demo.effects import exam_exposure, slope
from kkz_eval.demo.exam import exam_findings

BEFORE, FULLY_EXPOSED = 2012, 2019


def kreis_sums(land: World, year: int, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    """Children and sum of the outcome per Kreis, for places of wave 2012 and places that never take part."""
    cohort = land.cohort(year)
    found = exam_findings(land.places, cohort, land.seed, effects=land.effects)
    y = found.sopess_flagged if outcome == "sopess_flagged" else found.events[outcome]
    group = np.select([land.places.wave == 2012, land.places.wave == 0], [1, 0], default=2)[cohort.place]
    shape = (len(land.places.kreise), 3)
    n, total = np.zeros(shape), np.zeros(shape)
    np.add.at(n, (land.places.kreis[cohort.place], group), 1)
    np.add.at(total, (land.places.kreis[cohort.place], group), y)
    return n[:, :2], total[:, :2]


def change_and_error(land: World, outcome: str) -> tuple[float, float, float]:
    """Difference in differences 2012 to 2019, its jackknife error over Kreise, and the difference in 2019."""
    before, after = kreis_sums(land, BEFORE, outcome), kreis_sums(land, FULLY_EXPOSED, outcome)

    def estimate(keep: np.ndarray) -> float:
        b, a = (total[keep].sum(axis=0) / n[keep].sum(axis=0) for n, total in (before, after))
        return float((a[1] - b[1]) - (a[0] - b[0]))

    n_kreise = len(land.places.kreise)
    everyone = np.arange(n_kreise)
    left_out = np.array([estimate(np.delete(everyone, i)) for i in everyone])
    whole = estimate(everyone)
    error = np.sqrt((n_kreise - 1) / n_kreise * ((left_out - whole) ** 2).sum())
    levels = after[1].sum(axis=0) / after[0].sum(axis=0)
    return whole, float(error), float(levels[1] - levels[0])


@pytest.mark.parametrize("seed", [2012, 5])
def test_primary_effects_are_recovered_and_levels_mislead(
    real_lists: tuple[pd.DataFrame, pd.DataFrame], seed: int
) -> None:
    land = World(*real_lists, scale=0.3, seed=seed)
    for outcome in ("german_insufficient", "sopess_flagged", "u8_u9_complete"):
        effect = slope(outcome) * (exam_exposure(2012, FULLY_EXPOSED) - exam_exposure(2012, BEFORE))
        change, error, levels = change_and_error(land, outcome)
        assert abs(change - effect) < 3 * error, outcome
        assert abs(change) > 2 * error, outcome
        assert abs(levels) < 0.6 * abs(effect), outcome


def test_a_world_without_effects_shows_none(real_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    land = World(*real_lists, scale=0.3, effects=False)
    for outcome in ("german_insufficient", "sopess_flagged", "u8_u9_complete"):
        change, error, _ = change_and_error(land, outcome)
        assert abs(change) < 3 * error, outcome


def test_places_that_take_part_are_poorer_and_cities_more_so(real_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    land = World(*real_lists)
    deprivation, wave = land.places.deprivation, land.places.wave
    means = [deprivation[wave == w].mean() for w in (2012, 2017, 0)]
    assert means == sorted(means, reverse=True)
    cities = np.array([ags.endswith("000") for ags in land.places.ags])
    assert deprivation[cities].mean() > deprivation[~cities].mean() + 0.5
