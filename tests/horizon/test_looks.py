"""Yearly looks: what is spent stays spent, what cannot be a look says why, and the intervals hold together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kkz_eval.errors import EstimationError, PlanError
from kkz_eval.horizon.futility import conditional_power, predictive_power
from kkz_eval.horizon.looks import (
    LookCorrelation,
    LookPlan,
    PastLook,
    Reading,
    first_crossing,
    take_looks,
    taken_looks,
)
from kkz_eval.horizon.spending import SPENDING, crossing_probability, cumulative_alpha, z_bounds

YEARS = (2016, 2017, 2018, 2019, 2020)
PLAN = LookPlan(YEARS, maximum_information=5.0, margin=1.5, planned_effect=1.2)


def reading(period, information, z=0.0, df=None):
    return Reading(period, information, z / math.sqrt(information), 1 / math.sqrt(information), df)


def readings(z=(0.0,) * 5):
    return [reading(year, k + 1.0, value) for k, (year, value) in enumerate(zip(YEARS, z, strict=True))]


def test_all_planned_looks_have_the_published_bounds():
    looks = take_looks(PLAN, (), readings())
    np.testing.assert_allclose([look.z_bound for look in looks], [4.8769, 3.3570, 2.6803, 2.2898, 2.0310], atol=6e-5)
    assert [look.alpha_spent for look in looks] == pytest.approx(
        cumulative_alpha(np.arange(1, 6) / 5, 0.05, "obrien_fleming").tolist()
    )
    assert [look.fraction for look in looks] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(look.reason is None for look in looks)


def test_year_by_year_equals_all_at_once():
    past = ()
    for position, new in enumerate(readings()):
        looks = take_looks(PLAN, past, readings()[: position + 1])
        past = taken_looks(past, looks)
        assert past[-1].period == new.period
    at_once = take_looks(PLAN, (), readings())
    assert [look.z_bound for look in past] == pytest.approx([look.z_bound for look in at_once], abs=1e-9)


def test_status_words_and_repeated_intervals():
    looks = take_looks(PLAN, (), readings((4.0, 2.0, 0.1, 2.3, -2.1)))
    assert [look.status for look in looks] == ["undecided", "undecided", "undecided", "effect", "effect"]
    assert take_looks(PLAN, (), readings())[-1].status == "no_relevant_effect"
    assert first_crossing(looks).period == 2019
    assert first_crossing(looks[:3]) is None
    for look in looks:
        assert look.ci_high - look.estimate == pytest.approx(look.t_bound * look.std_error)
        assert look.crossed == (abs(look.z) >= look.t_bound) == (look.p_value <= 2 * stats.norm.sf(look.z_bound))


def test_few_clusters_compare_p_values():
    few, many = (take_looks(PLAN, (), [reading(2018, 3.0, 2.5, df)])[0] for df in (6.7, None))
    assert few.z_bound == many.z_bound == pytest.approx(many.t_bound)
    assert stats.t.sf(few.t_bound, 6.7) == pytest.approx(stats.norm.sf(few.z_bound))
    assert few.p_value == pytest.approx(2 * stats.t.sf(2.5, 6.7))
    assert few.ci_low < many.ci_low


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (reading(2015, 2.0), "before_first_look"),
        (reading(2024, 6.0), "not_planned"),
        (reading(2017, 2.0), "before_a_look_already_taken"),
        (Reading(2019, 4.0, None, None), "no_estimate"),
        (Reading(2019, 4.0, 0.3, math.nan), "no_estimate"),
        (Reading(2019, None, 0.3, 0.4), "no_information"),
        (reading(2019, 2.5), "information_shrinks"),
        (reading(2019, 3.0), "information_does_not_grow"),
        (reading(2019, 3.002), "information_does_not_grow"),
    ],
)
def test_no_look_no_alpha_and_the_reason(new, reason):
    past = taken_looks((), take_looks(PLAN, (), [reading(2018, 3.0)]))
    (look,) = take_looks(PLAN, past, [new])
    assert look.reason == reason
    assert (look.z_bound, look.ci_low, look.status, look.crossed) == (None, None, None, None)
    assert look.alpha_spent == (past[0].alpha_spent if new.period > 2018 else 0.0)
    assert taken_looks(past, [look]) == past
    (alone,) = take_looks(PLAN, past, [reading(2020, 5.0)])
    assert alone in take_looks(PLAN, past, [new, reading(2020, 5.0)])


def test_too_little_alpha_is_no_look():
    first, second = take_looks(PLAN, (), [reading(2016, 0.3), reading(2017, 2.0)])
    assert first.reason == "too_little_alpha"
    assert first.alpha_spent == 0
    assert second == take_looks(PLAN, (), [reading(2017, 2.0)])[0]


def test_skipped_look_leaves_its_alpha_to_the_next():
    looks = take_looks(PLAN, (), [readings()[1], readings()[4]])
    spent = cumulative_alpha([0.4, 1.0], 0.05, "obrien_fleming")
    np.testing.assert_allclose([look.z_bound for look in looks], z_bounds([2.0, 5.0], spent), atol=1e-9)


def test_delivered_again_the_statistic_moves_and_the_bound_stays():
    first = take_looks(PLAN, (), readings((0.0, 0.0, 2.0, 0.0, 0.0))[:3])
    past = taken_looks((), first)
    corrected = [*readings((0.0, 0.0, 3.0, 0.0, 0.0))[:2], reading(2018, 2.6, 3.0)]
    again = take_looks(PLAN, past, corrected)
    assert [look.z_bound for look in again] == [look.z_bound for look in first]
    assert [look.alpha_spent for look in again] == [look.alpha_spent for look in first]
    assert (first[2].crossed, again[2].crossed) == (False, True)
    assert again[2].information == 3.0
    assert taken_looks(past, again) == past


def test_old_look_without_a_new_estimate_keeps_its_bound():
    past = taken_looks((), take_looks(PLAN, (), readings()[:3]))
    (look,) = take_looks(PLAN, past, [Reading(2018, None, None, None)])
    assert look.reason == "no_estimate"
    assert (look.z_bound, look.alpha_spent) == (past[2].z_bound, past[2].alpha_spent)
    assert look.status is None


@pytest.mark.parametrize("spending", SPENDING)
def test_moved_last_year_keeps_alpha_and_rescales(spending):
    plan = replace(PLAN, spending=spending)
    past = taken_looks((), take_looks(plan, (), readings()[:3]))
    longer = replace(plan, periods=(*YEARS, 2021, 2022), maximum_information=8.0)
    looks = take_looks(longer, past, [*readings(), reading(2021, 6.5), reading(2022, 8.0)])
    taken = [look for look in looks if look.reason is None]
    assert [look.z_bound for look in taken[:3]] == [look.z_bound for look in past]
    assert taken[-1].alpha_spent == pytest.approx(0.05)
    information = [look.information for look in taken]
    error = crossing_probability(information, [look.z_bound for look in taken])
    assert error[-1] == pytest.approx(0.05, abs=1e-6)


def test_moved_last_year_can_leave_a_look_without_alpha():
    past = taken_looks((), take_looks(PLAN, (), readings()[:3]))
    longer = replace(PLAN, periods=(*YEARS, 2030), maximum_information=20.0)
    assert take_looks(longer, past, [readings()[3]])[0].reason == "too_little_alpha"


def test_last_planned_look_spends_what_is_left_and_then_nothing_is():
    plan = replace(PLAN, maximum_information=9.0)
    looks = take_looks(plan, (), readings())
    assert looks[-1].alpha_spent == pytest.approx(0.05)
    early = take_looks(PLAN, (), [reading(2017, 5.5), reading(2018, 7.0, 6.0)])
    assert [look.reason for look in early] == [None, "no_alpha_left"]
    assert early[1].p_value is not None
    assert early[1].crossed is None


def test_calendar_spending_uses_the_rank_of_the_year():
    plan = replace(PLAN, maximum_information=None)
    new = [reading(year, information) for year, information in zip(YEARS, (0.5, 0.9, 2.0, 2.1, 7.0), strict=True)]
    looks = take_looks(plan, (), new)
    spent = cumulative_alpha(np.arange(1, 6) / 5, 0.05, "obrien_fleming")
    expected = z_bounds([0.5, 0.9, 2.0, 2.1, 7.0], spent)
    np.testing.assert_allclose([look.z_bound for look in looks], expected, atol=1e-9)
    assert all(look.conditional_power_current is None for look in looks)


def test_outlook_uses_the_bound_of_the_last_look():
    looks = take_looks(PLAN, (), readings((0.3, 0.8, 0.5, 1.0, 1.2)))
    look = looks[1]
    last = z_bounds([1.0, 2.0, 5.0], cumulative_alpha([0.2, 0.4, 1.0], 0.05, "obrien_fleming"))[-1]
    drift = 1.2 * math.sqrt(5.0)
    assert look.conditional_power_planned == pytest.approx(conditional_power(0.4, 0.8, drift, last))
    assert look.conditional_power_current == pytest.approx(conditional_power(0.4, 0.8, 0.8 / math.sqrt(0.4), last))
    assert look.predictive_power == pytest.approx(predictive_power(0.4, 0.8, last))
    assert looks[-1].predictive_power is None


def test_outlook_follows_the_side_of_the_planned_effect():
    upward = take_looks(PLAN, (), [reading(2017, 2.0, 0.8)])[0]
    downward = take_looks(replace(PLAN, planned_effect=-1.2), (), [reading(2017, 2.0, -0.8)])[0]
    against = take_looks(replace(PLAN, planned_effect=-1.2), (), [reading(2017, 2.0, 0.8)])[0]
    assert downward.conditional_power_planned == pytest.approx(upward.conditional_power_planned)
    assert downward.predictive_power == pytest.approx(upward.predictive_power)
    assert against.conditional_power_planned < 0.2 < upward.conditional_power_planned
    none_planned = take_looks(replace(PLAN, planned_effect=None), (), [reading(2017, 2.0, -0.8)])[0]
    assert none_planned.conditional_power_planned is None
    assert none_planned.conditional_power_current == pytest.approx(upward.conditional_power_current)


def test_other_statistics_bring_their_correlation():
    alike = LookCorrelation(YEARS, 0.5 + 0.5 * np.eye(5), draws=200_000, seed=5)
    looks = take_looks(replace(PLAN, spending="pocock"), (), readings(), correlation=alike)
    canonical = take_looks(replace(PLAN, spending="pocock"), (), readings())
    assert looks[0].z_bound == pytest.approx(canonical[0].z_bound)
    assert all(ours.z_bound > theirs.z_bound for ours, theirs in zip(looks[1:], canonical[1:], strict=True))
    assert looks[1].conditional_power_current is None
    past = taken_looks((), looks[:2])
    assert take_looks(replace(PLAN, spending="pocock"), past, readings(), correlation=alike) == looks
    with pytest.raises(EstimationError, match="lacks a period"):
        take_looks(PLAN, (), readings(), correlation=replace(alike, periods=(1, 2, 3, 4, 5)))


def test_no_row_holds_a_number_that_is_none():
    new = [Reading(2015, math.nan, math.nan, 1.0), Reading(2016, math.inf, 1.0, 1.0), reading(2018, 3.0, 60.0, 2.0)]
    for look in take_looks(PLAN, (), new):
        numbers = [getattr(look, name) for name in look.__dataclass_fields__]
        assert all(math.isfinite(value) for value in numbers if isinstance(value, float))


@pytest.mark.parametrize(
    "past",
    [
        [PastLook(2016, 1.0, 0.01, 2.6), PastLook(2017, 0.9, 0.02, 2.5)],
        [PastLook(2016, 1.0, 0.02, 2.6), PastLook(2017, 2.0, 0.01, 2.5)],
        [PastLook(2016, 1.0, 0.01, 2.6), PastLook(2016, 2.0, 0.02, 2.5)],
        [PastLook(2016, 1.0, 0.08, 2.6)],
        [PastLook(2016, math.nan, 0.01, 2.6)],
    ],
)
def test_broken_record_is_refused(past):
    with pytest.raises(EstimationError, match="recorded look"):
        take_looks(PLAN, past, [reading(2019, 4.0)])


def test_two_readings_of_a_year_are_refused():
    with pytest.raises(EstimationError, match="two readings"):
        take_looks(PLAN, (), [reading(2019, 4.0), reading(2019, 4.0)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"periods": ()},
        {"periods": (2018, 2017)},
        {"alpha": 1.0},
        {"spending": "whatever"},
        {"maximum_information": 0.0},
        {"margin": -1.0},
        {"planned_effect": 0.0},
    ],
)
def test_contradictory_plan_is_refused(wrong):
    with pytest.raises(PlanError, match="look"):
        replace(PLAN, **wrong)


@pytest.mark.slow
@pytest.mark.parametrize(("spending", "maximum"), [("obrien_fleming", 5.0), ("pocock", None)])
def test_repeated_intervals_hold_together(spending, maximum):
    """1 000 histories of an effect of .4 with random information, looked at year by year with the record kept.

    All intervals of a history hold the truth together in 95 % (tolerance 2.5 Monte-Carlo errors, .017).
    """
    rng, effect, n_histories = np.random.default_rng(41), 0.4, 1000
    plan = replace(PLAN, spending=spending, maximum_information=maximum)
    missed = 0
    for _ in range(n_histories):
        information = np.cumsum(rng.uniform(0.5, 1.5, 5))
        score = effect * information + np.cumsum(rng.standard_normal(5) * np.sqrt(np.diff(information, prepend=0.0)))
        past, looks = (), ()
        for year, known, value in zip(YEARS, information.tolist(), (score / information).tolist(), strict=True):
            (look,) = take_looks(plan, past, [Reading(year, known, value, known**-0.5)])
            past, looks = taken_looks(past, [look]), (*looks, look)
        missed += any(look.ci_low is not None and not look.ci_low <= effect <= look.ci_high for look in looks)
    assert missed / n_histories == pytest.approx(0.05, abs=2.5 * math.sqrt(0.05 * 0.95 / n_histories))
