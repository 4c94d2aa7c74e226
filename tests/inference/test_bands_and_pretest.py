"""Simultaneous critical values and the joint test before adoption."""

import numpy as np
import pytest
from scipy import stats

from kkz_eval.inference.multiplier import few_cluster_critical_values, simultaneous_critical_value
from kkz_eval.inference.pretest import wald_pretest


def critical(influence: np.ndarray, seed: int = 1, draws: int = 30_000, **more: object) -> float:
    return simultaneous_critical_value(influence, 0.95, draws=draws, seed=seed, **more)


@pytest.mark.parametrize("scheme", ["rademacher", "mammen"])
@pytest.mark.parametrize("n_parameters", [1, 5, 20])
def test_independent_estimates_need_the_sidak_value(scheme: str, n_parameters: int) -> None:
    influence = np.random.default_rng(1).normal(size=(1_000, n_parameters))
    sidak = stats.norm.ppf(0.5 + 0.95 ** (1 / n_parameters) / 2)
    assert critical(influence, scheme=scheme) == pytest.approx(sidak, abs=0.06)


def test_copies_of_one_estimate_need_the_pointwise_value() -> None:
    influence = np.random.default_rng(2).normal(size=(500, 1)) * np.array([[1.0, 10.0, -0.001]])
    assert critical(influence) == pytest.approx(stats.norm.ppf(0.975), abs=0.03)


def test_same_seed_same_value_and_scale_does_not_matter() -> None:
    influence = np.random.default_rng(3).normal(size=(50, 6))
    assert critical(influence) == critical(influence)
    assert critical(influence) == pytest.approx(critical(influence * 1e-12))
    assert critical(influence, seed=2) != critical(influence, seed=3)


def test_parameters_without_variation_are_left_out() -> None:
    influence = np.random.default_rng(4).normal(size=(200, 3))
    padded = np.column_stack([influence, np.zeros(200)])
    assert critical(influence) == critical(padded)
    assert critical(np.zeros((20, 2))) == pytest.approx(stats.norm.ppf(0.975))


def test_few_clusters_widen_the_band() -> None:
    carried = few_cluster_critical_values(stats.norm.ppf(0.975), np.array([5.0, 1e9, np.nan]))
    np.testing.assert_allclose(carried[:2], [stats.t.ppf(0.975, 5), stats.norm.ppf(0.975)], rtol=1e-6)
    assert np.isnan(carried[2])


def test_pretest_of_one_effect_is_the_t_test() -> None:
    test = wald_pretest(np.array([1.2]), np.array([[0.25]]), n_clusters=12)
    assert test is not None
    assert test.p_value == pytest.approx(2 * stats.t.sf(1.2 / 0.5, 11))
    plain = wald_pretest(np.array([1.2]), np.array([[0.25]]))
    assert plain is not None
    assert plain.p_value == pytest.approx(2 * stats.norm.sf(1.2 / 0.5))


def test_pretest_rejects_as_often_as_it_says() -> None:
    """Hotelling's test on means of 10 clusters and 3 effects: 5 in 100 rejections without any effect; χ² far more."""
    rng = np.random.default_rng(5)
    rejected, rejected_plain = 0, 0
    for _ in range(2_000):
        x = rng.normal(size=(10, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 2.0]])
        few = wald_pretest(x.mean(axis=0), np.cov(x.T) / 10, n_clusters=10)
        many = wald_pretest(x.mean(axis=0), np.cov(x.T) / 10)
        assert few is not None
        assert many is not None
        rejected += few.p_value < 0.05
        rejected_plain += many.p_value < 0.05
    assert rejected / 2_000 == pytest.approx(0.05, abs=0.02)
    assert rejected_plain / 2_000 > 0.15


def test_pretest_is_refused_when_the_covariance_is_not_of_full_rank() -> None:
    assert wald_pretest(np.zeros(0), np.zeros((0, 0))) is None
    assert wald_pretest(np.ones(2), np.ones((2, 2))) is None
    assert wald_pretest(np.ones(2), np.full((2, 2), np.nan)) is None
    assert wald_pretest(np.ones(3), np.eye(3), n_clusters=3.0) is None
