"""The slope in dose: simple cases by hand, its weights, its errors, and whether intervals cover."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.contrasts import Layout, group_time_contrasts
from kkz_eval.horizon.detectability import look_weights
from kkz_eval.horizon.dose_slope import (
    dose_curve,
    effects_of,
    left_out_slopes,
    shape_statistic,
    shape_test,
    slope_estimate,
    slope_influence,
)
from kkz_eval.horizon.dose_weights import factor, gls_weights, nonnegative_weights, pseudo_inverse_weights
from kkz_eval.horizon.exposure import SHAPES, dose_share, doses
from kkz_eval.horizon.outcome_horizon import HorizonOptions, horizon
from kkz_eval.horizon.variance import VarianceAssumptions, assumed_model, effect_covariance
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster

Array = NDArray[np.float64]
MakeLayout = Callable[..., Layout]
Dose = Callable[[NDArray[np.int64], NDArray[np.int64]], Array]
ASSUMED = VarianceAssumptions(sd=0.018, rho=0.6, random_walk_sd=0.004, child_sd=0.4, children=100.0)


def random_covariance(seed: int, n: int) -> Array:
    root = np.random.default_rng(seed).normal(size=(n, n))
    return root @ root.T + 0.1 * np.eye(n)


def test_equal_doses_and_variances_give_the_simple_mean() -> None:
    lower = factor(3.0 * np.eye(5))
    for weights in (gls_weights(np.ones(5), lower), nonnegative_weights(np.ones(5), lower)):
        assert weights is not None
        np.testing.assert_allclose(weights.k, 0.2, rtol=1e-12)
        assert weights.variance == pytest.approx(3 / 5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 25))
def test_weights_are_the_best_of_their_kind(seed: int, n: int) -> None:
    """k'h = 1; no change that keeps k'h = 1 (and k ≥ 0) lowers k'Vk; the free ones are at least as good."""
    rng = np.random.default_rng(seed)
    covariance, share = random_covariance(seed, n), rng.uniform(0, 1, n)
    lower = factor(covariance)
    free, kept = gls_weights(share, lower), nonnegative_weights(share, lower)
    assert free is not None
    assert kept is not None
    for weights in (free, kept):
        assert weights.k @ share == pytest.approx(1, abs=1e-9)
        assert weights.variance == pytest.approx(weights.k @ covariance @ weights.k, rel=1e-9)
    assert (kept.k >= 0).all()
    assert kept.negative_share == 0
    assert free.variance <= kept.variance * (1 + 1e-9)
    other = rng.uniform(0, 1, n) * (rng.random(n) < 0.5) + kept.k
    other = other / (other @ share)
    assert other @ covariance @ other >= kept.variance * (1 - 1e-9)
    step = rng.normal(size=n)
    step -= share * (step @ share) / (share @ share)
    assert (free.k + step) @ covariance @ (free.k + step) >= free.variance * (1 - 1e-9)


def test_nonnegative_weights_as_methods_state_them() -> None:
    """NNLS on [L'/s; 10⁴ h'], rescaled (methods.md §1), gives the same weights."""
    for seed in range(5):
        covariance, share = random_covariance(seed, 12), np.random.default_rng(seed).uniform(0, 1, 12)
        lower = factor(covariance)
        stacked = np.vstack([lower.T / np.sqrt(np.trace(covariance) / 12), 1e4 * share])
        raw, _ = optimize.nnls(stacked, np.append(np.zeros(12), 1e4))
        weights = nonnegative_weights(share, lower)
        assert weights is not None
        np.testing.assert_allclose(weights.k, raw / (raw @ share), atol=1e-6)


def test_no_dose_no_weights_and_no_valid_covariance_no_factor() -> None:
    lower = factor(np.eye(3))
    assert gls_weights(np.zeros(3), lower) is None
    assert nonnegative_weights(np.zeros(3), lower) is None
    assert pseudo_inverse_weights(np.zeros(3), np.eye(3)) is None
    for bad in (np.zeros((3, 3)), np.ones((3, 3)), -np.eye(3), np.full((3, 3), np.nan)):
        with pytest.raises(EstimationError, match=r"\.$"):
            factor(bad)


def test_pseudo_inverse_takes_effects_that_repeat_each_other() -> None:
    covariance, share = random_covariance(1, 4), np.array([0.2, 0.4, 0.6, 0.8])
    double = np.kron(np.ones((2, 2)), covariance)
    once, twice = gls_weights(share, factor(covariance)), pseudo_inverse_weights(np.tile(share, 2), double)
    assert once is not None
    assert twice is not None
    assert twice.variance == pytest.approx(once.variance)
    np.testing.assert_allclose(twice.k[:4] + twice.k[4:], once.k, atol=1e-9)


def test_looks_have_independent_increments(make_layout: MakeLayout, dose: Dose) -> None:
    """Under the working covariance Cov(δ̂_s, δ̂_t) = Var(δ̂_t) for s ≤ t, which sequential bounds rest on."""
    layout = make_layout()
    contrasts = group_time_contrasts(layout, EstimatorOptions())
    share = dose_share(dose(contrasts.cohort, contrasts.period), 6.75)
    covariance = effect_covariance(contrasts, assumed_model(layout, ASSUMED))
    looks = look_weights(contrasts, share, factor(covariance))
    k = np.array([np.concatenate([x.gls.k, np.zeros(len(share) - x.n_effects)]) for x in looks if x.gls])
    joint = k @ covariance @ k.T
    later = np.maximum.outer(np.arange(len(k)), np.arange(len(k)))
    np.testing.assert_allclose(joint, np.diag(joint)[later], rtol=1e-9)
    assert (np.diff(np.diag(joint)) < 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_slope_without_noise_is_the_truth(
    shape: str, simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel], dose: Dose
) -> None:
    """Effect −2·h(d) of the stated shape in every treated cell comes back as −2 at every look."""

    def effect(_cohort: float, event: int) -> float:
        return -2.0 * float(dose_share(np.array([event + 0.5]), 6.75, shape)[0])

    panel = cells(simulated(1, effect=effect, noise=0))
    layout = Layout.from_panel(panel)
    contrasts = group_time_contrasts(layout, EstimatorOptions())
    years = dose(contrasts.cohort, contrasts.period)
    share = dose_share(years, 6.75, shape)
    lower = factor(effect_covariance(contrasts, assumed_model(layout, ASSUMED)))
    effects = effects_of(callaway_santanna(panel, EstimatorOptions()), contrasts)
    found = 0
    for look in look_weights(contrasts, share, lower):
        part = effects.select(np.arange(look.n_effects))
        for method, weights in (("gls", look.gls), ("gls_nonnegative", look.nonnegative)):
            n = look.n_effects
            row = slope_estimate(part, share[:n], years[:n], weights, period=look.period, shape=shape, method=method)
            if weights is None:
                assert row.estimate is None
                assert row.reason
            else:
                assert row.estimate == pytest.approx(-2.0, abs=1e-9)
                found += 1
    assert found >= 6
    assert shape_statistic(effects.effect, share, lower)[0] == pytest.approx(0, abs=1e-12)


def test_error_is_that_of_estimating_without_each_cluster(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel], dose: Dose
) -> None:
    panel = cells(simulated(2))
    options = EstimatorOptions()
    contrasts = group_time_contrasts(Layout.from_panel(panel), options)
    fit = callaway_santanna(panel, options)
    effects = effects_of(fit, contrasts)
    share = dose_share(dose(contrasts.cohort, contrasts.period), 6.75)
    weights = gls_weights(share, factor(random_covariance(3, len(share))))
    assert weights is not None
    anew = refit_without_each_cluster(callaway_santanna, panel, options, fit)
    where = [
        fit.index(aggregation="group_time", cohort=int(g), period=int(t))[0]
        for g, t in zip(contrasts.cohort, contrasts.period, strict=True)
    ]
    np.testing.assert_allclose(left_out_slopes(effects, share, weights.k), anew[:, where] @ weights.k, rtol=1e-9)
    row = slope_estimate(effects, share, share, weights, period=2019, shape="linear", method="gls")
    deviation = anew[:, where] @ weights.k - fit.estimate[where] @ weights.k
    assert row.std_error == pytest.approx(np.sqrt(15 / 16 * (deviation**2).sum()), rel=1e-9)
    covariance = jackknife(fit).covariance[np.ix_(where, where)]
    assert row.std_error == pytest.approx(np.sqrt(weights.k @ covariance @ weights.k), rel=1e-9)
    np.testing.assert_allclose(slope_influence(effects, weights.k), fit.influence.values[:, where] @ weights.k)


def test_cohort_of_one_cluster_is_left_out_with_it_and_noted(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel], dose: Dose
) -> None:
    panel = cells(simulated(3))
    first = panel.units[panel.cohort == 2017][0]
    panel = panel.select((panel.cohort != 2017) | (panel.units == first))
    settings_ = HorizonOptions(shapes=("linear",))
    found = horizon(panel, dose, EstimatorOptions(), full_years=6.75, last_year=2019, settings=settings_)
    last = found.slopes[-1]
    assert last.std_error is not None
    assert last.note == "cohort 2017 rests on one cluster"
    only = panel.select(np.isinf(panel.cohort) | (panel.units == first))
    alone = horizon(only, dose, EstimatorOptions(), full_years=6.75, last_year=2021, settings=settings_)
    for row in alone.slopes:
        assert row.estimate is not None
        assert row.std_error is None
        assert "one treated cluster" in row.reason
    assert all(year.mde_full is None and "one treated cluster" in year.reason for year in alone.years)


def test_dose_curve_is_the_mean_of_the_effects_in_each_bin(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel], dose: Dose
) -> None:
    panel = cells(simulated(4, effect=lambda _g, e: float(e), noise=0))
    contrasts = group_time_contrasts(Layout.from_panel(panel), EstimatorOptions())
    effects = effects_of(callaway_santanna(panel, EstimatorOptions()), contrasts)
    years = dose(contrasts.cohort, contrasts.period)
    bins = dose_curve(effects, years, contrasts.cohort_size, (0, 1, 3, 5.5, 20, 21))
    assert [b.n_effects for b in bins] == [2, 4, 2, 1, 0]
    assert bins[0].estimate == pytest.approx(0, abs=1e-9)
    assert bins[1].estimate == pytest.approx(1.5)  # one and two years after adoption, each of both cohorts
    assert bins[2].estimate == pytest.approx(3.5)
    assert bins[2].mean_dose == pytest.approx(4.0)
    assert bins[4].estimate is None
    assert bins[4].reason
    (all_of_them,) = dose_curve(effects, years, contrasts.cohort_size, (0.5, 5.5))  # the last bin holds its upper edge
    size = contrasts.cohort_size
    event = contrasts.period - contrasts.cohort
    assert all_of_them.estimate == pytest.approx((event * size).sum() / size.sum())
    with pytest.raises(EstimationError, match="ascend"):
        dose_curve(effects, years, contrasts.cohort_size, (3, 1))


def test_shape_test_against_its_formula_and_with_placebo_draws() -> None:
    rng = np.random.default_rng(5)
    covariance, share = random_covariance(6, 7), np.linspace(0.1, 1, 7)
    lower = factor(covariance)
    effect = rng.multivariate_normal(share, covariance)
    inverse = np.linalg.inv(covariance)
    slope = share @ inverse @ effect / (share @ inverse @ share)
    rest = effect - share * slope
    test = shape_test(effect, share, lower)
    assert test is not None
    assert test.statistic == pytest.approx(rest @ inverse @ rest)
    assert test.n_restrictions == 6
    assert test.p_value == pytest.approx(stats.chi2.sf(test.statistic, 6))
    draws = rng.multivariate_normal(np.zeros(7), covariance, size=20_000)
    drawn = shape_test(effect, share, lower, draws)
    assert drawn is not None
    assert drawn.p_value == pytest.approx(test.p_value, abs=0.015)  # 4 Monte-Carlo errors
    assert shape_test(effect[:1], share[:1], lower[:1, :1]) is None


def test_doses_from_a_table_or_a_function_and_bad_ones() -> None:
    cohort, period = np.array([2012, 2012]), np.array([2013, 2014])
    table = {(2012, 2013): 1.5, (2012, 2014): 2.5}
    np.testing.assert_array_equal(doses(table, cohort, period), [1.5, 2.5])
    np.testing.assert_array_equal(doses(lambda g, t: (t - g) * 1.0, cohort, period), [1, 2])
    with pytest.raises(EstimationError, match="cohort 2012 in period 2014"):
        doses({(2012, 2013): 1.5}, cohort, period)
    for bad in (lambda g, _t: -1.0 * g, lambda g, _t: g * np.nan, lambda _g, _t: np.ones(3)):
        with pytest.raises(EstimationError, match="missing or negative"):
            doses(bad, cohort, period)


def test_shapes_of_the_dose() -> None:
    given_doses = np.array([0.0, 1.6875, 3.0, 4.875, 6.75, 9.0])
    np.testing.assert_allclose(dose_share(given_doses, 6.75), given_doses.clip(max=6.75) / 6.75)
    np.testing.assert_allclose(dose_share(given_doses, 6.75, "square_root")[[0, 1, 4, 5]], [0, 0.5, 1, 1])
    np.testing.assert_allclose(dose_share(given_doses, 6.75, "threshold"), [0, 0, 0, 0.5, 1, 1])
    with pytest.raises(EstimationError, match="needs more than 3"):
        dose_share(given_doses, 2.0, "threshold")
    with pytest.raises(EstimationError, match="dose shape"):
        dose_share(given_doses, 6.75, "cubic")  # type: ignore[arg-type]


@pytest.mark.slow
def test_intervals_cover_and_estimates_centre(
    make_layout: MakeLayout,
    make_shocks: Callable[..., Array],
    make_share_cells: Callable[..., CellPanel],
    dose: Dose,
) -> None:
    """1,000 histories, true δ = −5 points, variogram estimated anew each time, unequal sizes.

    Coverage 95 ± 1 % plus two Monte-Carlo errors (0.7 points each); bias within 4 errors; δ̂'s own standard deviation
    within 6 % of the model's (2.2 % Monte-Carlo error).
    """
    layout, rng = make_layout(n_units=120, n_kreise=30, n_periods=14, each=15), np.random.default_rng(7)
    under = np.where(
        layout.untreated(),
        0.0,
        np.clip(layout.periods[None] - np.nan_to_num(layout.cohort, posinf=9999)[:, None] + 0.5, 0, 6.75),
    )
    level = 0.3 - 0.05 * under / 6.75
    options, settings_ = EstimatorOptions(), HorizonOptions(shapes=("linear",))
    rows = []
    for draw in make_shocks(rng, 1000, layout.kreis, 14):
        panel = make_share_cells(rng, layout, level + draw)
        found = horizon(panel, dose, options, full_years=6.75, last_year=2019, settings=settings_)
        rows.append(found.slopes[-2:])
    for method in (0, 1):
        of_method = [pair[method] for pair in rows]
        estimate = np.array([row.estimate for row in of_method])
        inside = [low <= -0.05 <= high for row in of_method if (limits := row.interval()) for low, high in [limits]]
        assert len(inside) == 1000
        assert abs(np.mean(inside) - 0.95) < 0.01 + 2 * 0.007
        assert abs(estimate.mean() + 0.05) < 4 * estimate.std() / np.sqrt(1000)
        model = np.mean([row.model_std_error for row in of_method])
        assert estimate.std() / model == pytest.approx(1, abs=0.06)


def test_weights_do_not_depend_on_outcomes_beyond_the_variance_model(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel], dose: Dose
) -> None:
    """A shift of treated cells moves the estimate by its weights and leaves errors and information as they are."""
    panel = cells(simulated(8))
    treated = panel.periods[None, :] >= panel.cohort[:, None]
    moved = replace(panel, value=panel.value + treated, total=panel.total + treated * panel.n,
                    total_of_squares=panel.total_of_squares + treated * (2 * panel.total + panel.n))  # fmt: skip
    one, other = (horizon(p, dose, EstimatorOptions(), full_years=6.75, last_year=2022) for p in (panel, moved))
    np.testing.assert_allclose([y.information for y in one.years], [y.information for y in other.years], rtol=1e-9)
    for before, after in zip(one.slopes, other.slopes, strict=True):
        if before.std_error is not None:
            assert after.std_error == pytest.approx(before.std_error, rel=1e-9)
        if before.method == "gls_nonnegative" and before.estimate is not None:
            assert after.estimate >= before.estimate + 1  # Σk ≥ k'h = 1
