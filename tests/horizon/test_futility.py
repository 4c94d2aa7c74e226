"""Equivalence, status words, conditional and predictive power: published numbers and independent integrals."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.weightstats import ttost_paired

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.futility import (
    conditional_power,
    current_trend,
    equivalence,
    predictive_power,
    status_word,
)

PLANNED = 2.8016


def test_conditional_power_of_methods():
    assert conditional_power(0.4, 0.8, PLANNED) == pytest.approx(0.615, abs=5e-4)


def test_predictive_power_of_methods():
    assert predictive_power(0.4, 0.8) == pytest.approx(0.2852, abs=5e-5)


def test_predictive_power_averages_conditional_power_over_the_drift():
    """Flat prior: the drift at full information is N(z/√t, 1/t) given the data."""
    fraction, z = 0.4, 0.8
    law = stats.norm(z / math.sqrt(fraction), fraction**-0.5)
    averaged, _ = integrate.quad(lambda drift: conditional_power(fraction, z, drift) * law.pdf(drift), -20, 25)
    assert averaged == pytest.approx(predictive_power(fraction, z), abs=1e-8)


def test_conditional_power_in_simulated_continuations():
    rng, draws, fraction, z = np.random.default_rng(31), 400_000, 0.4, 0.8
    score = z * math.sqrt(fraction) + PLANNED * (1 - fraction) + rng.standard_normal(draws) * math.sqrt(1 - fraction)
    share = np.mean(score > stats.norm.isf(0.025))
    assert share == pytest.approx(conditional_power(fraction, z, PLANNED), abs=4 * math.sqrt(0.24 / draws))


def test_current_trend_expects_the_same_z_path():
    """Under the current trend the expected final z is z/√t, so at that critical value the power is one half."""
    assert conditional_power(0.25, 1.1, current_trend(0.25, 1.1), critical=2.2) == pytest.approx(0.5)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.2])
def test_nothing_is_left_at_the_end(fraction):
    with pytest.raises(EstimationError, match="before the last look"):
        conditional_power(fraction, 1.0, 2.0)


@pytest.mark.parametrize(
    ("low", "high", "margin", "word"),
    [
        (0.1, 0.4, 1.0, "effect"),
        (-3.0, -0.1, 1.0, "effect"),
        (-0.5, 0.9, 1.0, "no_relevant_effect"),
        (-0.5, 1.0, 1.0, "undecided"),
        (-0.5, 0.9, None, "undecided"),
        (0.0, 2.0, 1.0, "undecided"),
    ],
)
def test_three_words(low, high, margin, word):
    assert status_word(low, high, margin) == word


def test_equivalence_is_two_one_sided_tests():
    """Oracle: TOST of statsmodels on raw differences."""
    difference = np.random.default_rng(32).normal(0.2, 1.0, 40)
    estimate, std_error = difference.mean(), difference.std(ddof=1) / math.sqrt(40)
    for margin in (0.2, 0.5, 0.9):
        oracle = ttost_paired(difference, np.zeros(40), -margin, margin)[0]
        found = equivalence(float(estimate), float(std_error), margin, df=39)
        assert found.p_value == pytest.approx(oracle, rel=1e-9)
        assert found.is_inside == (found.p_value < 0.05)


def test_equivalence_uses_the_wider_alpha_on_each_side():
    found = equivalence(0.0, 1.0, 2.0)
    assert found.high == pytest.approx(stats.norm.isf(0.05))
    assert found.low == -found.high
    assert found.is_inside
    assert not equivalence(0.0, 1.0, 1.6).is_inside


def test_equivalence_refuses_what_has_no_error():
    with pytest.raises(EstimationError, match="positive standard error"):
        equivalence(0.0, 0.0, 1.0)


@pytest.mark.slow
def test_equivalence_errs_at_most_with_alpha_at_the_margin():
    estimates = 1.0 + 0.2 * np.random.default_rng(33).standard_normal(20_000)
    claimed = np.mean([equivalence(value, 0.2, 1.0).is_inside for value in estimates.tolist()])
    assert claimed == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 20_000))
