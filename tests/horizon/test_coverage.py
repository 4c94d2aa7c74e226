"""Bounds that hold for every completion of what is missing, and are reached by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.coverage import coverage_bounds, rounding_variance, suppressed_bounds, with_rounding


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_every_answer_of_the_children_not_examined_lies_within_the_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, coverage, weights = rng.random((6, 4)), rng.random((6, 4)), rng.normal(size=(6, 4))
    bounds = coverage_bounds(value, coverage, weights)
    unseen = rng.random((6, 4))
    full = float((weights * (value * coverage + unseen * (1 - coverage))).sum())
    assert bounds.low - 1e-12 <= full <= bounds.high + 1e-12
    worst = float((weights * (value * coverage + (weights < 0) * (1 - coverage))).sum())
    assert bounds.low == pytest.approx(worst, abs=1e-12)
    assert bounds.width == pytest.approx(float((np.abs(weights) * (1 - coverage)).sum()), abs=1e-12)


def test_full_coverage_leaves_the_contrast_and_cells_without_weight_are_not_read() -> None:
    value = np.array([[0.2, np.nan], [0.4, 0.1]])
    weights = np.array([[1.0, 0.0], [-0.5, 0.25]])
    bounds = coverage_bounds(value, np.where(np.isnan(value), np.nan, 1.0), weights)
    assert bounds.low == pytest.approx(0.2 - 0.2 + 0.025)
    assert bounds.low == bounds.high == bounds.as_observed
    empty = coverage_bounds(np.array([[np.nan]]), np.array([[0.0]]), np.array([[2.0]]))
    assert (empty.low, empty.high, empty.as_observed) == (0.0, 2.0, None)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_every_suppressed_count_lies_within_the_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 60, (6, 4)).astype(float)
    count = np.minimum(rng.integers(0, 12, (6, 4)), n)
    weights = rng.normal(size=(6, 4))
    published = np.where((count >= 1) & (count <= 4), np.nan, count)
    bounds = suppressed_bounds(published, n, weights, largest=4)
    assert bounds.low - 1e-12 <= float((weights * count / n).sum()) <= bounds.high + 1e-12
    ends = [np.where(np.isnan(published), np.minimum(end, n), published) / n for end in (1, 4)]
    assert bounds.high == pytest.approx(float((weights * np.where(weights > 0, ends[1], ends[0])).sum()), abs=1e-12)
    assert (bounds.as_observed is None) == bool(np.isnan(published).any())


def test_rounding_variances_are_those_of_the_rules() -> None:
    """(b²−1)/12 to the nearest, (b²−1)/6 at random: 2/3 and 2, 4/3 and 4; by enumerating remainders."""
    assert [rounding_variance(b) for b in (3, 5)] == pytest.approx([2 / 3, 2.0])
    assert [rounding_variance(b, rule="random") for b in (3, 5)] == pytest.approx([4 / 3, 4.0])
    for b in (3, 5, 7, 11):
        counts = np.arange(10 * b, 20 * b)
        assert rounding_variance(b) == pytest.approx(np.mean((b * np.round(counts / b) - counts) ** 2))
    for b in (2, 3, 4, 5, 10):
        rest = np.arange(b)
        random = np.mean((1 - rest / b) * rest**2 + rest / b * (b - rest) ** 2)
        assert rounding_variance(b, rule="random") == pytest.approx(random)
    np.testing.assert_allclose(with_rounding(np.array([0.01]), np.array([10.0]), 5), [0.01 + 2 / 100])
    assert np.isnan(with_rounding(np.array([0.01]), np.array([0.0]), 5)).all()


def test_bad_input_is_refused_in_a_sentence() -> None:
    one = np.ones((1, 1))
    with pytest.raises(EstimationError, match="1 cells of the contrast have a coverage outside 0 to 1"):
        coverage_bounds(one, 1.2 * one, one)
    with pytest.raises(EstimationError, match="no value between 0 and 1"):
        coverage_bounds(7 * one, one, one)
    with pytest.raises(EstimationError, match="no known number of children"):
        suppressed_bounds(one, np.nan * one, one, largest=4)
    with pytest.raises(EstimationError, match="fewer children than"):
        suppressed_bounds(np.nan * one, one, one, smallest=2, largest=4)
    with pytest.raises(EstimationError, match="no range"):
        suppressed_bounds(one, one, one, smallest=5, largest=4)
    with pytest.raises(EstimationError, match="odd base"):
        rounding_variance(10)
