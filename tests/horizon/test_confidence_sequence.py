"""The open-ended interval: closed form, published numbers, cover at all looks together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.confidence_sequence import confidence_sequence, log_e_value, score_bound, tuned_rho
from kkz_eval.horizon.spending import crossing_probability

DRIFT = stats.norm.isf(0.025) + stats.norm.ppf(0.8)


def test_numbers_of_the_confseq_package():
    rho = tuned_rho(100, 0.05)
    assert rho == pytest.approx(12.60056, abs=5e-6)
    assert log_e_value(10, 100, rho) == pytest.approx(-0.6510052, abs=5e-8)
    assert score_bound(100, rho) == pytest.approx(30.35209, abs=5e-6)


def test_e_value_is_the_normal_mixture_of_likelihood_ratios():
    """E = ∫ exp(λS − λ²I/2) dN(λ; 0, 1/ρ)."""
    score, information, rho = 4.0, 9.0, 2.5
    ratio = lambda rate: math.exp(rate * score - rate**2 * information / 2)  # noqa: E731
    mixture, _ = integrate.quad(lambda rate: ratio(rate) * stats.norm.pdf(rate, scale=rho**-0.5), -10, 10)
    assert math.exp(log_e_value(score, information, rho)) == pytest.approx(mixture, rel=1e-9)


@given(
    estimate=st.floats(-5, 5),
    information=st.floats(0.1, 1e4),
    rho=st.floats(0.01, 1e3),
    alpha=st.floats(0.001, 0.5),
)
def test_interval_leaves_out_zero_where_the_e_value_rejects(estimate, information, rho, alpha):
    found = confidence_sequence([estimate], [information], rho, alpha)
    distance = found.log_e_value[0] + math.log(alpha)
    if abs(distance) > 1e-9:
        assert (found.low[0] > 0 or found.high[0] < 0) == (distance > 0)
        assert (found.p_value[0] < alpha) == (distance > 0)


def test_p_value_never_rises_and_never_exceeds_one():
    found = confidence_sequence([0.1, 1.2, 0.4], [2.0, 9.0, 12.0], rho=1.0)
    assert found.p_value[0] == 1.0
    assert found.p_value[1] == pytest.approx(math.exp(-found.log_e_value[1]))
    assert found.p_value[2] == found.p_value[1]


def test_tuned_year_has_nearly_the_narrowest_interval():
    widths = np.array([score_bound(50.0, rho) for rho in np.geomspace(0.1, 500, 4000)])
    assert score_bound(50.0, tuned_rho(50.0)) == pytest.approx(widths.min(), rel=1e-3)


def test_power_is_about_half_of_planned_looks():
    information = np.arange(1, 6) / 5
    bounds = score_bound(information, tuned_rho(1.0)) / np.sqrt(information)
    assert crossing_probability(information, bounds, DRIFT)[-1] == pytest.approx(0.45, abs=0.005)


def test_gaps_are_refused():
    with pytest.raises(EstimationError, match="estimate and its information"):
        confidence_sequence([math.nan], [1.0], 1.0)
    with pytest.raises(EstimationError, match="must be positive"):
        confidence_sequence([0.0], [0.0], 1.0)
    with pytest.raises(EstimationError, match="positive information"):
        tuned_rho(0.0)


@pytest.mark.slow
def test_all_intervals_hold_together_over_two_hundred_looks():
    """True effect .3; misses at any look must stay below alpha whatever the number of looks (mc error .0015)."""
    rng, draws, effect = np.random.default_rng(21), 20_000, 0.3
    information = np.arange(1, 201) * 0.5
    score = effect * information + rng.standard_normal((draws, 200)).cumsum(axis=1) * math.sqrt(0.5)
    width = score_bound(information, tuned_rho(20.0)) / information
    missed = (np.abs(score / information - effect) > width).any(axis=1).mean()
    assert 0.005 < missed < 0.05
