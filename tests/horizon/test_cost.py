"""Money: the worked example, the shapes of the Fieller set, break-even, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.cost import (
    NO_EFFECT,
    Money,
    acceptability,
    break_even,
    cost_per_averted_case,
    cost_per_fully_exposed_child,
    present_value,
    valued_at_start,
    yearly_cost,
)

Z = stats.norm.ppf(0.975)


def euro(amount: float, price_year: int = 2017) -> Money:
    return Money(amount, "a stated source", price_year=price_year)


def test_the_worked_example_81_euro() -> None:
    """18 places, 30,000 € each, 2.3 million € central on top, 22 % of 160,000 children."""
    total = yearly_cost(
        Money(30_000, "press release 2017"), Money(2_300_000, "press release 2017, total"), n_municipalities=18,
        is_additive=True,
    )  # fmt: skip
    assert total.amount == 2_840_000
    assert "added to" in total.source
    child = cost_per_fully_exposed_child(total, children_per_cohort=0.22 * 160_000)
    assert round(child.amount) == 81
    within = yearly_cost(euro(30_000), euro(2_300_000), n_municipalities=18, is_additive=False)
    assert within.amount == 2_300_000
    assert "contained in" in within.source
    assert round(break_even(child, euro(20_000)).effect, 3) == 0.004


def test_break_even_says_whether_the_data_could_see_it() -> None:
    found = break_even(euro(81), euro(20_000), detectable=0.02)
    assert found.is_below_detectable is True
    assert break_even(euro(81), euro(2_000), detectable=0.02).is_below_detectable is False
    assert break_even(euro(81), euro(2_000)).is_below_detectable is None


def test_discounting_by_hand() -> None:
    assert present_value([100, 100], rate=0.0) == 200
    assert present_value([100, 100], rate=0.03, first_year=1) == pytest.approx(100 / 1.03 + 100 / 1.03**2)
    assert valued_at_start(euro(81), rate=0.0, years_exposed=6.75).amount == 81
    steps = np.linspace(0, 6.75, 200_001)
    by_hand = 81 * np.mean(1.03 ** -((steps[1:] + steps[:-1]) / 2))
    assert valued_at_start(euro(81), rate=0.03, years_exposed=6.75).amount == pytest.approx(by_hand, rel=1e-9)
    with pytest.raises(EstimationError, match="discount rate"):
        present_value([1.0], rate=-1.0)


def test_an_effect_away_from_zero_has_a_bounded_set() -> None:
    result = cost_per_averted_case(euro(80), 0.04, 0.01)
    assert result.kind == "bounded"
    assert result.estimate == pytest.approx(2000)
    np.testing.assert_allclose(result.intervals, [(80 / (0.04 + Z * 0.01), 80 / (0.04 - Z * 0.01))], rtol=1e-12)
    adds = cost_per_averted_case(euro(80), -0.04, 0.01)
    np.testing.assert_allclose(adds.intervals, [(80 / (-0.04 + Z * 0.01), 80 / (-0.04 - Z * 0.01))], rtol=1e-12)


def test_an_effect_that_may_be_zero_has_two_rays() -> None:
    result = cost_per_averted_case(euro(80), 0.01, 0.01)
    assert result.kind == "two rays"
    (_, low), (high, _) = result.intervals
    assert low == pytest.approx(80 / (0.01 - Z * 0.01), rel=1e-12)
    assert high == pytest.approx(80 / (0.01 + Z * 0.01), rel=1e-12)
    assert result.intervals[0][0] is None
    assert result.intervals[1][1] is None


def test_no_effect_has_no_cost_per_case_and_says_so() -> None:
    result = cost_per_averted_case(euro(80), 0.0, 0.01)
    assert result.estimate is None
    assert result.reason == NO_EFFECT
    assert result.kind == "two rays"


def test_on_the_edge_one_ray_and_with_uncertain_cost_the_whole_line() -> None:
    one = cost_per_averted_case(euro(80), Z, 1.0)
    assert one.kind == "one ray"
    np.testing.assert_allclose(one.intervals[0][0], 80 / (2 * Z))
    assert cost_per_averted_case(euro(1), 0.001, 1.0, cost_std_error=10.0).kind == "unbounded"
    assert cost_per_averted_case(euro(0), 0.001, 1.0).kind == "unbounded"


@given(
    averted=st.floats(-0.1, 0.1),
    error=st.floats(0.001, 0.1),
    cost_error=st.floats(0, 60),
    ratio=st.floats(-1e5, 1e5),
)
def test_the_set_is_what_the_definition_says(averted: float, error: float, cost_error: float, ratio: float) -> None:
    result = cost_per_averted_case(euro(80), averted, error, cost_std_error=cost_error)
    left = (80 - ratio * averted) ** 2
    right = Z**2 * (cost_error**2 + ratio**2 * error**2)
    if abs(left - right) <= 1e-6 * (left + right):
        return  # on an end
    inside = any(
        (-math.inf if low is None else low) <= ratio <= (math.inf if high is None else high)
        for low, high in result.intervals
    )
    assert inside == (left <= right)


def test_acceptability_curve_by_hand() -> None:
    curve = acceptability(euro(80), 0.01, 0.005, [euro(v) for v in (0, 8_000, 20_000)])
    np.testing.assert_allclose(curve, [0.0, 0.5, stats.norm.cdf((200 - 80) / 100)], rtol=1e-12)


def test_unequal_units_and_other_bad_input_are_refused_in_a_sentence() -> None:
    with pytest.raises(EstimationError, match="EUR of 2012 and EUR of 2017"):
        break_even(euro(81), euro(20_000, price_year=2012))
    with pytest.raises(EstimationError, match="cannot be compared"):
        acceptability(euro(81), 0.1, 0.1, [Money(1, "a stated source", currency="USD")])
    with pytest.raises(EstimationError, match="no cases to avert"):
        cost_per_averted_case(euro(80), 0.1, 0.01, unit_of_measure="points")
    with pytest.raises(EstimationError, match="set is_additive"):
        yearly_cost(euro(30_000), euro(100_000), n_municipalities=18, is_additive=False)
    with pytest.raises(EstimationError, match="source"):
        Money(1.0, " ")
    with pytest.raises(EstimationError, match="positive number of children"):
        cost_per_fully_exposed_child(euro(1), children_per_cohort=0)
    with pytest.raises(EstimationError, match="positive standard error"):
        cost_per_averted_case(euro(80), 0.1, 0.0)
    with pytest.raises(EstimationError, match="positive benefit"):
        break_even(euro(1), euro(0))
