"""Fixed-length and conditional intervals under bounded bends."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.honest_magnitudes import magnitudes_interval
from kkz_eval.horizon.honest_smoothness import FixedLengthInterval, folded_quantile, smoothness_interval, smoothness_set

SHAPES = [(1, 1), (1, 3), (2, 2), (4, 1), (5, 3), (7, 4)]


def example(seed: int, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = n_pre + n_post
    factor = rng.normal(size=(size, size + 3))
    return rng.normal(size=size), factor @ factor.T / (size + 3), rng.uniform(-0.3, 1, n_post)


def worst_difference(weights: np.ndarray, contrast: np.ndarray, n_pre: int, bound: float) -> tuple[float, np.ndarray]:
    """The largest weights'δ over Δ^SD(bound) by linear programming, and that δ."""
    assert weights[n_pre:] == pytest.approx(contrast)
    bends = np.delete(np.diff(np.eye(len(weights) + 1), n=2, axis=0), n_pre, axis=1)
    rows, limits = np.vstack([bends, -bends]), np.full(2 * len(bends), bound)
    found = optimize.linprog(-weights, rows, limits, bounds=(None, None))
    return -found.fun, found.x


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 4.0, 60.0])
def test_folded_quantile_covers_exactly(shift: float) -> None:
    for alpha in (0.05, 0.1):
        for law, df in ((stats.norm(), None), (stats.t(5), 5.0)):
            value = folded_quantile(shift, alpha, df)
            assert law.cdf(value - shift) - law.cdf(-value - shift) == pytest.approx(1 - alpha, abs=1e-12)


@pytest.mark.parametrize(("n_pre", "n_post"), SHAPES)
def test_without_bends_it_is_the_best_linear_extrapolation(n_pre: int, n_post: int) -> None:
    """Generalised least squares of all coefficients on one slope and one effect per later period."""
    beta, sigma, contrast = example(1, n_pre, n_post)
    times = np.concatenate([np.arange(-n_pre, 0), np.arange(1, n_post + 1)])
    design = np.column_stack([times, np.vstack([np.zeros((n_pre, n_post)), np.eye(n_post)])])
    covariance = np.linalg.inv(design.T @ np.linalg.solve(sigma, design))
    effects = covariance @ design.T @ np.linalg.solve(sigma, beta)
    found = smoothness_interval(beta, sigma, n_pre, 0.0, contrast)
    assert found.estimate == pytest.approx(contrast @ effects[1:], rel=1e-9)
    assert found.std_error == pytest.approx(np.sqrt(contrast @ covariance[1:, 1:] @ contrast), rel=1e-9)
    assert found.half_length == pytest.approx(stats.norm.isf(0.025) * found.std_error, rel=1e-9)
    assert found.worst_bias == 0


def test_one_period_before_extrapolates_its_slope() -> None:
    beta, sigma = np.array([0.3, 1.0, 1.5]), np.diag([0.04, 0.09, 0.16])
    found = smoothness_interval(beta, sigma, 1, 0.1, [0.0, 1.0])
    # δ_2 = −2δ_{−1} + 2κ_0 + κ_1: the weight of δ_{−1} is 2, the bias at most 3·0.1.
    assert found.weights == pytest.approx([2.0, 0.0, 1.0])
    assert found.worst_bias == pytest.approx(0.3)
    assert found.std_error == pytest.approx(np.sqrt(4 * 0.04 + 0.16))


@pytest.mark.parametrize(("n_pre", "n_post"), SHAPES)
@pytest.mark.parametrize("bound", [0.02, 0.3, 5.0])
def test_the_worst_bias_is_reached_and_no_estimator_is_shorter(n_pre: int, n_post: int, bound: float) -> None:
    beta, sigma, contrast = example(2, n_pre, n_post)
    found = smoothness_interval(beta, sigma, n_pre, bound, contrast)
    bias, _ = worst_difference(found.weights, contrast, n_pre, bound)
    assert found.worst_bias == pytest.approx(bias, rel=1e-7)
    rng = np.random.default_rng(3)
    times = np.arange(-n_pre, 0)
    for size in (1e-4, 1e-2, 0.3):
        for _ in range(4):
            # A straight line must not enter, so the move is at right angles to time.
            move = rng.normal(size=n_pre) * size
            move -= times * (move @ times) / (times @ times)
            other = found.weights + np.concatenate([move, np.zeros(n_post)])
            spread = np.sqrt(other @ sigma @ other)
            half = spread * folded_quantile(worst_difference(other, contrast, n_pre, bound)[0] / spread)
            assert half >= found.half_length * (1 - 1e-7)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), n_pre=st.integers(1, 6), n_post=st.integers(1, 4), scale=st.sampled_from([1e-4, 50.0])
)
def test_length_grows_with_the_bound_and_units_do_not_matter(seed: int, n_pre: int, n_post: int, scale: float) -> None:
    beta, sigma, contrast = example(seed, n_pre, n_post)
    bounds = (0.0, 0.05, 0.2, 1.0)
    found = [smoothness_interval(beta, sigma, n_pre, bound, contrast) for bound in bounds]
    lengths = [one.half_length for one in found]
    assert all(longer >= shorter * (1 - 1e-9) for shorter, longer in pairwise(lengths))
    for bound, one in zip(bounds, found, strict=True):
        other = smoothness_interval(beta * scale, sigma * scale**2, n_pre, bound * scale, contrast)
        assert [other.low, other.high] == pytest.approx([one.low * scale, one.high * scale], rel=1e-5, abs=1e-6 * scale)


@pytest.mark.parametrize("method", ["conditional", "least_favourable", "fixed_length_hybrid"])
def test_conditional_sets_grow_with_the_bound_and_scale(method: str) -> None:
    beta, sigma, contrast = example(4, 4, 3)
    lengths = []
    for bound in (0.0, 0.2, 1.0):
        one = smoothness_set(beta, sigma, 4, bound, contrast, method=method)
        other = smoothness_set(beta * 7, sigma * 49, 4, bound * 7, contrast, method=method)
        assert [other.low, other.high] == pytest.approx([one.low * 7, one.high * 7], rel=1e-6)
        lengths.append(one.high - one.low)
    assert lengths == sorted(lengths)


def test_the_hybrid_lies_within_its_first_stage() -> None:
    beta, sigma, contrast = example(5, 4, 2)
    first = smoothness_interval(beta, sigma, 4, 0.1, contrast, alpha=0.005)
    found = smoothness_set(beta, sigma, 4, 0.1, contrast, method="fixed_length_hybrid")
    assert first.low <= found.low < found.high <= first.high


def test_few_clusters_widen_by_the_t_value_only() -> None:
    beta, sigma, contrast = example(6, 3, 2)
    normal = smoothness_interval(beta, sigma, 3, 0.0, contrast)
    few = smoothness_interval(beta, sigma, 3, 0.0, contrast, df=6)
    assert few.estimate == normal.estimate
    assert few.half_length / few.std_error == pytest.approx(stats.t.isf(0.025, 6))
    many = smoothness_interval(beta, sigma, 3, 0.4, contrast, df=1e7)
    assert many.half_length == pytest.approx(smoothness_interval(beta, sigma, 3, 0.4, contrast).half_length, rel=1e-5)


@pytest.mark.slow
def test_coverage_in_the_worst_case() -> None:
    """Exact by construction for the fixed-length interval; 40,000 draws, Monte-Carlo error 0.0011."""
    _, sigma, contrast = example(7, 5, 3)
    rng = np.random.default_rng(8)
    for bound in (0.1, 1.0):
        plan: FixedLengthInterval = smoothness_interval(np.zeros(8), sigma, 5, bound, contrast)
        _, worst = worst_difference(plan.weights, contrast, 5, bound)
        draws = rng.multivariate_normal(worst, sigma, 40_000) @ plan.weights
        assert np.mean(np.abs(draws) <= plan.half_length) == pytest.approx(0.95, abs=4 * 0.0011)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["conditional", "least_favourable", "fixed_length_hybrid"])
def test_coverage_of_the_conditional_sets_in_the_worst_case(method: str) -> None:
    """600 draws at the δ that is worst for the fixed-length interval; Monte-Carlo error 0.009."""
    _, sigma, contrast = example(9, 3, 2)
    plan = smoothness_interval(np.zeros(5), sigma, 3, 0.3, contrast)
    _, worst = worst_difference(plan.weights, contrast, 3, 0.3)
    rng = np.random.default_rng(10)
    covered = [
        not smoothness_set(beta, sigma, 3, 0.3, contrast, method=method).excludes(0.0)
        for beta in rng.multivariate_normal(worst, sigma, 600)
    ]
    assert np.mean(covered) >= 0.95 - 3 * 0.009


GOOD = (np.zeros(4), np.eye(4), 2)


@pytest.mark.parametrize("interval", [smoothness_interval, smoothness_set, magnitudes_interval])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros(3), np.eye(3), 0), "at least one before"),
        ((np.zeros(3), np.eye(3), 3), "one after"),
        ((np.zeros(3), np.eye(4), 2), "one row and one column per coefficient"),
        ((np.array([0, np.nan, 0]), np.eye(3), 2), "missing"),
        ((np.zeros(3), np.full((3, 3), np.nan), 2), "missing"),
        ((np.zeros(3), np.ones((3, 3)), 2), "singular"),
        ((np.zeros(3), np.diag([1.0, 0.0, 1.0]), 2), "variances above zero"),
        ((np.zeros(2), np.array([[1.0, 0.5], [0.1, 1.0]]), 1), "symmetric"),
    ],
)
def test_bad_input_is_named(interval: object, arguments: tuple, words: str) -> None:
    with pytest.raises(EstimationError, match=words):
        interval(*arguments, 0.1)


@pytest.mark.parametrize("interval", [smoothness_interval, smoothness_set, magnitudes_interval])
@pytest.mark.parametrize(
    ("bound", "more", "words"),
    [
        (-1.0, {}, "bound"),
        (np.nan, {}, "bound"),
        (0.1, {"alpha": 0.0}, "alpha"),
        (0.1, {"df": 0.0}, "degrees of freedom"),
        (0.1, {"contrast": [0.0, 0.0]}, "contrast"),
        (0.1, {"contrast": [1.0]}, "contrast"),
    ],
)
def test_bad_choices_are_named(interval: object, bound: float, more: dict, words: str) -> None:
    with pytest.raises(EstimationError, match=words):
        interval(*GOOD, bound, **more)
