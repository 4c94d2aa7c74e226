"""Bounds of yearly looks: published numbers, an independent integral, and what the looks do to simulated data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.simulated_bounds import simulated_bounds
from kkz_eval.horizon.spending import (
    SPENDING,
    crossing_probability,
    cumulative_alpha,
    detectable_effect,
    t_bounds,
    z_bounds,
)

ALPHA = 0.05
DRIFT = stats.norm.isf(0.025) + stats.norm.ppf(0.8)


def equal(n_looks):
    return np.arange(1, n_looks + 1) / n_looks


def bounds_of(information, spending, gamma=-4.0):
    return z_bounds(information, cumulative_alpha(np.divide(information, np.max(information)), ALPHA, spending, gamma))


def canonical(information):
    return np.sqrt(np.minimum.outer(information, information) / np.maximum.outer(information, information))


@pytest.mark.parametrize(
    ("spending", "expected", "decimals"),
    [
        ("obrien_fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310], 4),
        ("obrien_fleming", [3.7103, 2.5114, 1.9930], 4),
        ("obrien_fleming", [4.333, 2.963, 2.359, 2.014], 3),
        ("obrien_fleming", [6.991, 4.877, 3.930, 3.367, 2.989, 2.715, 2.504, 2.336, 2.198, 2.081], 3),
        ("pocock", [2.4380, 2.4268, 2.4102, 2.3966, 2.3860], 4),
        ("hwang_shih_decani", [3.253, 2.986, 2.692, 2.374, 2.025], 3),
        ("hwang_shih_decani", [3.0107, 2.5465, 1.9992], 4),
    ],
)
def test_bounds_are_those_of_gsdesign_and_rpact(spending, expected, decimals):
    found = bounds_of(equal(len(expected)), spending)
    np.testing.assert_allclose(found, expected, atol=0.51 * 10.0**-decimals)


def test_hwang_shih_decani_spends_as_gsdesign_prints():
    one_sided = np.diff(cumulative_alpha(equal(5), ALPHA, "hwang_shih_decani", -4.0), prepend=0.0) / 2
    np.testing.assert_allclose(one_sided, [0.0006, 0.0013, 0.0028, 0.0063, 0.0140], atol=5.1e-5)


def test_two_sided_alpha_in_the_one_sided_formula_is_another_convention():
    """2·[1 − Φ(z_{1−α/2}/√t)] with two-sided α is the mistake; its bounds must not come out of ours."""
    mistaken = 2 * stats.norm.sf(stats.norm.isf(ALPHA / 2) / np.sqrt(equal(5)))
    wrong = z_bounds(equal(5), mistaken)
    np.testing.assert_allclose(wrong, [4.383, 3.100, 2.553, 2.254, 2.064], atol=6e-4)
    assert (np.abs(bounds_of(equal(5), "obrien_fleming") - wrong) > 0.02).all()


@pytest.mark.parametrize(("shape", "constant"), [(0.5, 2.0401), (0.0, 2.4132)])
def test_classical_constants(shape, constant):
    """O'Brien–Fleming (bound ∝ t^−½) and Pocock (constant) at five looks: the value at the last look."""
    profile = equal(5) ** -shape
    error = lambda at_end: crossing_probability(equal(5), at_end * profile)[-1] - ALPHA  # noqa: E731
    assert optimize.brentq(error, 1.5, 4.0) == pytest.approx(constant, abs=6e-5)


@pytest.mark.parametrize(
    ("bounds", "inflation_80", "inflation_90"),
    [
        (2.0401 * equal(5) ** -0.5, 1.0284, 1.0265),
        (np.full(5, 2.4132), 1.2284, 1.2065),
        (bounds_of(equal(5), "obrien_fleming"), 1.0247, 1.0231),
    ],
)
def test_inflation_of_maximum_information(bounds, inflation_80, inflation_90):
    for power, expected in ((0.8, inflation_80), (0.9, inflation_90)):
        drift = detectable_effect(equal(5), bounds, power)
        assert (drift / (stats.norm.isf(0.025) + stats.norm.ppf(power))) ** 2 == pytest.approx(expected, abs=1e-4)


def test_looks_cost_little_power():
    power = {name: crossing_probability(equal(5), bounds_of(equal(5), name), DRIFT)[-1] for name in SPENDING}
    assert crossing_probability([1.0], [stats.norm.isf(0.025)], DRIFT)[-1] == pytest.approx(0.80, abs=1e-4)
    assert power["obrien_fleming"] == pytest.approx(0.79, abs=0.005)
    assert power["pocock"] == pytest.approx(0.72, abs=0.005)


def test_uncorrected_looks_err_more_each_year():
    error = crossing_probability(equal(5), np.full(5, 1.96))
    np.testing.assert_allclose(error, [0.050, 0.083, 0.107, 0.126, 0.142], atol=5.1e-4)


@pytest.mark.parametrize("effect", [0.0, 0.7])
def test_recursion_equals_the_multivariate_normal_integral(effect):
    """Independent oracle: Genz' rectangle probability of scipy, uneven information."""
    information = np.array([3.0, 4.0, 11.0])
    bounds = np.array([2.6, 2.9, 2.0])
    found = crossing_probability(information, bounds, effect)
    for looks in (1, 2, 3):
        law = stats.multivariate_normal(effect * np.sqrt(information[:looks]), canonical(information[:looks]))
        inside = law.cdf(bounds[:looks], lower_limit=-bounds[:looks])
        assert found[looks - 1] == pytest.approx(1 - inside, abs=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    growth=st.lists(st.floats(1.01, 3.0), min_size=1, max_size=8),
    spending=st.sampled_from(SPENDING),
    unit=st.floats(1e-3, 1e6),
)
def test_any_pattern_of_information_spends_exactly_its_alpha(growth, spending, unit):
    information = unit * np.cumprod(growth)
    spent = cumulative_alpha(information / information[-1], ALPHA, spending)
    bounds = z_bounds(information, spent)
    np.testing.assert_allclose(bounds, z_bounds(information / unit, spent), rtol=1e-6)
    assert crossing_probability(information, bounds)[-1] == pytest.approx(ALPHA, abs=1e-8)


def test_close_looks_are_resolved():
    """Looks a thousandth apart are nearly one look: splitting adds nothing that more nodes would change."""
    once = crossing_probability([1.0], [2.0])[-1]
    twice = crossing_probability([1.0, 1.001], [2.0, 2.0])[-1]
    law = stats.multivariate_normal(np.zeros(2), canonical(np.array([1.0, 1.001])))
    assert once < twice
    assert twice == pytest.approx(1 - law.cdf([2.0, 2.0], lower_limit=[-2.0, -2.0]), abs=1e-7)


def test_tiny_spend_has_an_infinite_bound_and_is_kept_for_later():
    information = np.array([0.02, 0.08, 0.5, 1.0])
    spent = cumulative_alpha(information, ALPHA, "obrien_fleming")
    bounds = z_bounds(information, spent)
    assert np.isinf(bounds[:2]).all()
    np.testing.assert_allclose(bounds[2:], z_bounds(information[2:], spent[2:]), atol=1e-8)


def test_given_bounds_stay_and_later_ones_follow_from_them():
    spent = cumulative_alpha(equal(4), ALPHA, "obrien_fleming")
    all_at_once = z_bounds(equal(4), spent)
    given_first = z_bounds(equal(4), spent, all_at_once[:2])
    np.testing.assert_allclose(given_first, all_at_once, atol=1e-9)
    assert (z_bounds(equal(4), spent, [5.0, 4.0])[:2] == [5.0, 4.0]).all()


def test_spending_functions_begin_at_zero_rise_and_end_at_alpha():
    for name in SPENDING:
        for gamma in (-4.0, 0.0, 2.0):
            spent = cumulative_alpha(np.linspace(0, 1.3, 40), ALPHA, name, gamma)
            assert spent[0] == 0
            assert (np.diff(spent) >= 0).all()
            assert spent[-1] == pytest.approx(ALPHA, abs=1e-15)


def test_t_bounds_have_the_same_p_value():
    bounds, df = np.array([4.9, 3.0, 2.03, math.inf]), np.array([6.7, 12.0, np.inf, 5.0])
    adjusted = t_bounds(bounds, df)
    np.testing.assert_allclose(stats.t.sf(adjusted[:2], df[:2]), stats.norm.sf(bounds[:2]), rtol=1e-8)
    assert adjusted[2] == pytest.approx(2.03)
    assert math.isinf(adjusted[3])


@pytest.mark.parametrize("information", [[1.0, 1.0], [2.0, 1.0], [0.0, 1.0], [1.0, math.nan]])
def test_information_that_does_not_grow_is_refused(information):
    with pytest.raises(EstimationError, match=r"nformation"):
        z_bounds(information, [0.01, 0.05])


def test_contradictions_are_refused():
    with pytest.raises(EstimationError, match="must not fall"):
        z_bounds([1.0, 2.0], [0.04, 0.01])
    with pytest.raises(EstimationError, match="numbers of both differ"):
        z_bounds([1.0, 2.0], [0.05])
    with pytest.raises(EstimationError, match="no spending function"):
        cumulative_alpha(0.5, ALPHA, "all_at_once")
    with pytest.raises(EstimationError, match="finite bound"):
        detectable_effect([1.0], [math.inf])
    with pytest.raises(EstimationError, match="eigenvalue"):
        simulated_bounds([[1.0, 2.0], [2.0, 1.0]], [0.01, 0.05], draws=1000)


def test_simulated_bounds_keep_given_ones_and_repeat_with_the_seed():
    spent = cumulative_alpha(equal(3), ALPHA, "pocock")
    first = simulated_bounds(canonical(equal(3)), spent, draws=50_000, seed=3)
    again = simulated_bounds(canonical(equal(3)), spent, first[:2], draws=50_000, seed=3)
    assert (first == again).all()
    assert first[0] == pytest.approx(stats.norm.isf(spent[0] / 2))
    assert np.isinf(simulated_bounds(canonical(equal(2)), [0.01, 0.01001], draws=50_000)[1])


# -- slow: what the looks do to simulated histories ------------------------------------------------------------------


def histories(rng, correlation, draws):
    return rng.multivariate_normal(np.zeros(len(correlation)), correlation, size=draws, method="cholesky")


def share_crossed(statistic, bounds):
    return np.mean((np.abs(statistic) >= bounds).any(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("spending", SPENDING)
def test_overall_error_is_alpha_with_canonical_looks(spending):
    information = np.array([1.0, 2.5, 4.0, 9.0, 14.0, 16.0])
    draws = 1_000_000
    statistic = histories(np.random.default_rng(11), canonical(information), draws)
    crossed = np.maximum.accumulate(np.abs(statistic) >= bounds_of(information, spending), axis=1).mean(axis=0)
    planned = cumulative_alpha(information / 16, ALPHA, spending)
    np.testing.assert_array_less(np.abs(crossed - planned), 4 * np.sqrt(planned / draws) + 1e-9)


@pytest.mark.slow
def test_uncorrected_looks_in_simulated_histories():
    statistic = histories(np.random.default_rng(12), canonical(equal(5)), 1_000_000)
    error = np.maximum.accumulate(np.abs(statistic) >= 1.96, axis=1).mean(axis=0)
    np.testing.assert_allclose(error, [0.050, 0.083, 0.107, 0.126, 0.142], atol=5e-4 + 4 * 3.5e-4)


@pytest.mark.slow
def test_only_canonical_statistics_may_be_fed():
    """Looks with equal correlation ½, or independent ones (yearly event-time estimates), break the canonical bounds.

    The past then tells less about the present than the recursion takes for granted. Bounds simulated from the true
    correlation repair it. Monte-Carlo error of a share: 4·√(.07/400 000) = .0017.
    """
    draws, noise = 400_000, 0.0022
    rng = np.random.default_rng(13)
    alike = 0.5 + 0.5 * np.eye(5)
    for correlation, by_obf, by_pocock in ((alike, 0.065, 0.064), (np.eye(5), 0.071, 0.077)):
        statistic = histories(rng, correlation, draws)
        assert share_crossed(statistic, bounds_of(equal(5), "obrien_fleming")) == pytest.approx(by_obf, abs=noise)
        assert share_crossed(statistic, np.full(5, 2.4132)) == pytest.approx(by_pocock, abs=noise)
        spent = cumulative_alpha(equal(5), ALPHA, "obrien_fleming")
        repaired = simulated_bounds(correlation, spent, seed=14)
        assert share_crossed(statistic, repaired) == pytest.approx(ALPHA, abs=noise)


@pytest.mark.slow
def test_simulated_bounds_agree_with_the_recursion():
    """Within ±.03, and within 4 Monte-Carlo errors: the tail at c shrinks by a share of c per unit, and has n draws."""
    draws = 2_000_000
    for spending in SPENDING:
        spent = cumulative_alpha(equal(5), ALPHA, spending)
        exact = z_bounds(equal(5), spent)
        gap = np.abs(simulated_bounds(canonical(equal(5)), spent, draws=draws, seed=15) - exact)
        noise = 1 / np.sqrt(np.diff(spent) * draws) / exact[1:]
        assert gap[0] < 1e-9
        assert (gap[1:] < np.minimum(4 * noise, 0.03)).all()


def cluster_looks(rng, n_clusters, draws, n_looks=5):
    """t statistics (draws, looks): mean of the clusters' scores over its error from the clusters, anew at each look."""
    score = rng.standard_normal((draws, n_looks, n_clusters)).cumsum(axis=1)
    return score.mean(axis=2) / (score.std(axis=2, ddof=1) / math.sqrt(n_clusters))


@pytest.mark.slow
@pytest.mark.parametrize("spending", SPENDING)
def test_few_clusters_p_value_conversion_errs_near_alpha(spending):
    """Comparing p-values gives each look its exact error; the overall one is only near alpha.

    Standard errors move between looks, so t statistics hang together a little less than the normal law says: with 8
    clusters up to a sixth more than alpha, with 20 up to a twelfth. Plain z bounds err with more than twice alpha at 8.
    Monte-Carlo error: 4·√(.05/100 000) = .0028.
    """
    rng, draws, noise = np.random.default_rng(16), 100_000, 0.0028
    bounds = bounds_of(equal(5), spending)
    for n_clusters, most in ((8, ALPHA * 7 / 6), (20, ALPHA * 13 / 12)):
        statistic = cluster_looks(rng, n_clusters, draws)
        adjusted = t_bounds(bounds, n_clusters - 1.0)
        assert ALPHA - noise < share_crossed(statistic, adjusted) < most + noise
        for look, own in enumerate(2 * stats.norm.sf(bounds)):
            crossed = share_crossed(statistic[:, [look]], adjusted[[look]])
            assert crossed == pytest.approx(own, abs=4 * math.sqrt(own / draws) + 1e-5)
        assert n_clusters > 8 or share_crossed(statistic, bounds) > 2 * ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("spending", SPENDING)
def test_few_clusters_one_common_variance(spending):
    """With one variance for all looks the t mixture spends alpha exactly, and p-value conversion spends less."""
    df, draws = 7.0, 400_000
    rng = np.random.default_rng(17)
    statistic = histories(rng, canonical(equal(5)), draws) / np.sqrt(rng.chisquare(df, (draws, 1)) / df)
    spent = cumulative_alpha(equal(5), ALPHA, spending)
    mixture = simulated_bounds(canonical(equal(5)), spent, df=df, seed=18)
    assert share_crossed(statistic, mixture) == pytest.approx(ALPHA, abs=0.002)
    assert share_crossed(statistic, t_bounds(z_bounds(equal(5), spent), df)) < ALPHA
