"""Intervals when later steps are bounded by the largest earlier one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kkz_eval.horizon.honest_magnitudes import agrees_with_magnitudes, magnitudes_interval

METHODS = ["conditional", "least_favourable"]


def example(seed: int, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = n_pre + n_post
    factor = rng.normal(size=(size, size + 3))
    return rng.normal(size=size), factor @ factor.T / (size + 3), rng.uniform(-0.3, 1, n_post)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n_pre", "n_post"), [(1, 1), (1, 3), (4, 1), (3, 4)])
@pytest.mark.parametrize("df", [None, 7.0])
def test_bound_zero_is_the_interval_under_parallel_trends(
    method: str, n_pre: int, n_post: int, df: float | None
) -> None:
    beta, sigma, contrast = example(1, n_pre, n_post)
    found = magnitudes_interval(beta, sigma, n_pre, 0.0, contrast, method=method, df=df)
    centre = contrast @ beta[n_pre:]
    quantile = stats.norm.isf(0.025) if df is None else stats.t.isf(0.025, df)
    half = quantile * np.sqrt(contrast @ sigma[n_pre:, n_pre:] @ contrast)
    assert [found.low, found.high] == pytest.approx([centre - half, centre + half], rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_pre=st.integers(1, 5),
    n_post=st.integers(1, 4),
    method=st.sampled_from(METHODS),
    scale=st.sampled_from([-1.0, 1e-4, 300.0]),
)
def test_intervals_grow_with_the_bound_and_follow_unit_and_sign(
    seed: int, n_pre: int, n_post: int, method: str, scale: float
) -> None:
    beta, sigma, contrast = example(seed, n_pre, n_post)
    found = [magnitudes_interval(beta, sigma, n_pre, bound, contrast, method=method) for bound in (0, 0.5, 2)]
    for inner, outer in pairwise(found):
        slack = 1e-6 * (outer.high - outer.low)
        assert outer.low <= inner.low + slack
        assert outer.high >= inner.high - slack
    other = magnitudes_interval(beta * scale, sigma * scale**2, n_pre, 2, contrast, method=method)
    ends = sorted([found[2].low * scale, found[2].high * scale])
    assert [other.low, other.high] == pytest.approx(ends, abs=1e-6 * (ends[1] - ends[0]))


def test_without_noise_it_is_the_identified_set() -> None:
    """δ steps 0.1, −0.3, 0.2 before; l'τ = τ_2 may be off by 2·M̄·0.3."""
    beta = np.array([0.0, 0.1, -0.2, 1.0, 2.0])
    found = magnitudes_interval(beta, 1e-12 * np.eye(5), 3, 1.5, [0.0, 1.0])
    assert [found.low, found.high] == pytest.approx([2 - 2 * 1.5 * 0.3, 2 + 2 * 1.5 * 0.3], abs=1e-4)


def test_one_period_before_rests_on_one_step() -> None:
    found = magnitudes_interval([-0.5, 1.0], 1e-12 * np.eye(2), 1, 1.0)
    assert [found.low, found.high] == pytest.approx([0.5, 1.5], abs=1e-4)
    noisy = magnitudes_interval([-0.5, 1.0], 0.04 * np.eye(2), 1, 1.0)
    assert noisy.low < 0.5 - 1.6 * np.sqrt(0.08)
    assert noisy.high > 1.5 + 1.6 * np.sqrt(0.08)


def test_few_clusters_widen_and_many_do_not() -> None:
    beta, sigma, contrast = example(5, 4, 2)
    normal, few, many = (magnitudes_interval(beta, sigma, 4, 1.0, contrast, df=df) for df in (None, 6, 1e7))
    assert few.low < normal.low < normal.high < few.high
    assert [many.low, many.high] == pytest.approx([normal.low, normal.high], rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_end_points_are_where_agreement_ends(method: str) -> None:
    beta, sigma, contrast = example(6, 4, 3)
    found = magnitudes_interval(beta, sigma, 4, 1.0, contrast, method=method)
    values = [found.low - 1e-6, found.low + 1e-6, found.high - 1e-6, found.high + 1e-6]
    stands = agrees_with_magnitudes(beta, sigma, 4, 1.0, values, contrast, method=method)
    assert stands.tolist() == [False, True, True, False]
    outside = np.concatenate([found.low - np.linspace(1e-6, 20, 500), found.high + np.linspace(1e-6, 20, 500)])
    assert not agrees_with_magnitudes(beta, sigma, 4, 1.0, outside, contrast, method=method).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [(0.0, 2.0), (0.0, 0.3), (-1.0, 1.0), (0.0, 0.0)])
def test_coverage_at_the_boundary(method: str, steps: tuple[float, float]) -> None:
    """The later step is as large as M̄ allows; 1,500 draws, Monte-Carlo error 0.0056, three of them allowed."""
    bound, n_draws = 0.8, 1500
    _, sigma, _ = example(7, 2, 2)
    step = bound * max(np.abs(steps))
    difference = np.array([-sum(steps), -steps[1], step, 2 * step])
    rng = np.random.default_rng(8)
    covered = [
        agrees_with_magnitudes(beta, 0.3 * sigma, 2, bound, [0.0], [0.0, 1.0], method=method)[0]
        for beta in rng.multivariate_normal(difference, 0.3 * sigma, n_draws)
    ]
    assert np.mean(covered) >= 0.95 - 3 * 0.0056
