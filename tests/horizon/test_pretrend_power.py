"""Power of the usual look at earlier periods: against exact integrals, other software's rectangles, and draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.pretrend_power import passing_moments, pretrend_power, slope_for_power


def example(seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, size + 3))
    return factor @ factor.T / (size + 3)


def one_factor(drift: np.ndarray, correlation: float) -> float:
    """P(pass) with unit variances and equal correlations: one integral over the common part, on a fine grid."""
    common = np.linspace(-10, 10, 20_001)
    mass = stats.norm.pdf(common)
    spread = np.sqrt(1 - correlation)
    centre = drift[:, None] + np.sqrt(correlation) * common
    inside = stats.norm.cdf((1.96 - centre) / spread) - stats.norm.cdf((-1.96 - centre) / spread)
    return float(inside.prod(axis=0) @ mass / mass.sum())


@pytest.mark.parametrize(("correlation", "gauss"), [(0.0, 1e-12), (0.5, 1e-12), (0.9, 1e-12), (0.99, 1e-6)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 12])
def test_passing_probability_with_equal_correlations(size: int, correlation: float, gauss: float) -> None:
    """Up to four periods the rule is nearly exact; beyond, the error of the Sobol points is at most 2e-4."""
    error = gauss if size <= 4 else 2e-4
    drift = np.linspace(-2, 0.5, size)
    sigma = correlation + (1 - correlation) * np.eye(size)
    assert passing_moments(drift, sigma)[0] == pytest.approx(one_factor(drift, correlation), abs=error)


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_mean_inside_the_limits_matches_draws(size: int) -> None:
    sigma, drift = example(1, size), np.linspace(0.8, -0.3, size)
    draws = np.random.default_rng(2).multivariate_normal(drift, sigma, 400_000)
    kept = draws[(np.abs(draws) <= 1.96 * np.sqrt(np.diag(sigma))).all(axis=1)]
    passing, mean = passing_moments(drift, sigma)
    assert passing == pytest.approx(len(kept) / len(draws), abs=4 * np.sqrt(passing * (1 - passing) / 400_000))
    assert np.abs(mean - kept.mean(axis=0)).max() <= 4.5 * (kept.std(axis=0) / np.sqrt(len(kept))).max()


def test_later_periods_follow_the_earlier_ones_after_passing() -> None:
    sigma, drift = example(3, 5), np.array([-0.9, -0.6, -0.3, 0.3, 0.6])
    draws = np.random.default_rng(4).multivariate_normal(drift, sigma, 400_000)
    kept = draws[(np.abs(draws[:, :3]) <= 1.96 * np.sqrt(np.diag(sigma)[:3])).all(axis=1)]
    found = pretrend_power(np.zeros(5), sigma, 3, drift)
    assert np.abs(found.mean_after_passing - kept.mean(axis=0)).max() <= 4.5 * kept.std() / np.sqrt(len(kept))
    assert found.bayes_factor == pytest.approx((1 - found.power) / (1 - found.size))


def test_likelihood_ratio_rests_on_earlier_periods_only() -> None:
    sigma, drift = example(5, 4), np.array([0.4, 0.2, -0.2, -0.4])
    beta = np.array([0.3, -0.1, 9.0, -9.0])
    before = sigma[:2, :2]
    expected = stats.multivariate_normal(drift[:2], before).pdf(beta[:2]) / stats.multivariate_normal(
        np.zeros(2), before
    ).pdf(beta[:2])
    assert pretrend_power(beta, sigma, 2, drift).likelihood_ratio == pytest.approx(expected)


def test_without_drift_nothing_is_distorted() -> None:
    found = pretrend_power(np.zeros(4), example(6, 4), 2, np.zeros(4))
    assert found.power == found.size
    assert found.bayes_factor == 1
    assert found.mean_after_passing == pytest.approx(np.zeros(4), abs=1e-12)


def test_slope_of_one_earlier_period_in_closed_form() -> None:
    """One coefficient with error 0.2 at −2: power 1/2 when the drift is 1.96·0.2 but for the far tail."""
    slope = slope_for_power(np.array([[0.04]]), 1, 0.5, times=[-2])
    shift = 2 * slope / 0.2
    assert stats.norm.sf(1.96 - shift) + stats.norm.cdf(-1.96 - shift) == pytest.approx(0.5, abs=1e-10)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 4), scale=st.sampled_from([1e-4, 1e3]))
def test_the_slope_has_its_power_and_follows_the_unit(seed: int, size: int, scale: float) -> None:
    sigma = example(seed, size)
    slope = slope_for_power(sigma, size, 0.8)
    assert pretrend_power(np.zeros(size), sigma, size, slope * np.arange(-size, 0)).power == pytest.approx(
        0.8, abs=1e-9
    )
    assert slope_for_power(sigma * scale**2, size, 0.8) == pytest.approx(slope * scale, rel=1e-8)


def test_sobol_points_are_the_same_every_time() -> None:
    sigma, drift = example(7, 6), np.linspace(-1, 0, 6)
    first, again = passing_moments(drift, sigma), passing_moments(drift, sigma)
    assert first[0] == again[0]
    assert (first[1] == again[1]).all()


def test_far_drifts_keep_their_digits() -> None:
    """Limits 20 standard errors away: the passing probability of one period from the tail itself."""
    passing, mean = passing_moments(np.array([22.0]), np.eye(1))
    assert passing == pytest.approx(stats.norm.cdf(-20.04), rel=1e-9)
    assert 1.9 < mean[0] < 1.96
    for size in (3, 5):
        assert passing_moments(np.full(size, 9.0), np.eye(size))[0] == pytest.approx(
            stats.norm.cdf(-7.04) ** size, rel=1e-2
        )


@pytest.mark.parametrize("power", [0.0, 0.04, 1.0, 1.5, np.nan])
def test_a_power_that_cannot_be_had_is_refused(power: float) -> None:
    with pytest.raises(EstimationError, match="no drift is found with probability"):
        slope_for_power(np.eye(2), 2, power)


def test_bad_input_is_refused() -> None:
    with pytest.raises(EstimationError, match="at least one before"):
        slope_for_power(np.eye(2), 0)
    with pytest.raises(EstimationError, match="singular"):
        slope_for_power(np.ones((2, 2)), 2)
    with pytest.raises(EstimationError, match="times"):
        slope_for_power(np.eye(2), 2, times=[-1, 1])
    with pytest.raises(EstimationError, match="critical"):
        slope_for_power(np.eye(2), 2, critical_value=0)
    with pytest.raises(EstimationError, match="drift"):
        pretrend_power(np.zeros(2), np.eye(2), 1, [0.1])
    with pytest.raises(EstimationError, match="missing"):
        pretrend_power(np.array([np.nan, 0]), np.eye(2), 1, [0.1, 0.1])
    with pytest.raises(EstimationError, match="cannot pass"):
        pretrend_power(np.zeros(2), np.eye(2), 1, [100.0, 0.1])
