"""The link from means: errors in variables recovers what naive least squares pulls towards zero."""

import numpy as np
import pytest

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.surrogate_unlinked import ECOLOGICAL, UnlinkedLink, errors_in_variables, two_way_residuals

TRUTH = np.array([-0.20, -0.12])
NAMES = ("language", "counting")


def means(
    seed: int, *, n_units: int = 200, n_cohorts: int = 8, children: int = 40, spread: float = 0.14
) -> UnlinkedLink:
    """True means vary by `spread` around unit and cohort effects; two findings of a child correlate by .3."""
    rng = np.random.default_rng(seed)
    shape = (n_units, n_cohorts)
    within = np.array([[1.0, 0.3], [0.3, 1.0]])
    true = spread * rng.normal(size=(*shape, 2)) + rng.normal(size=(n_units, 1, 2)) + rng.normal(size=(1, n_cohorts, 2))
    n = rng.integers(children // 2, 2 * children, shape)
    noise = rng.normal(size=(*shape, 2)) @ np.linalg.cholesky(within).T / np.sqrt(n)[..., None]
    outcome = true @ TRUTH + rng.normal(size=(n_units, 1)) + 0.02 * rng.normal(size=shape)
    units = np.array([f"u{u:03d}" for u in range(n_units)])
    return errors_in_variables(
        outcome, true + noise, within / n[..., None, None], np.ones(shape, dtype=bool),
        names=NAMES, units=units, clusters=units,
    )  # fmt: skip


@pytest.mark.slow
def test_recovers_the_truth_within_monte_carlo_error() -> None:
    """40 seeded draws; three Monte-Carlo errors of the mean; naive slopes are off by far more."""
    draws = [means(seed) for seed in range(40)]
    slopes = np.array([draw.link.slope for draw in draws])
    error = slopes.std(axis=0, ddof=1) / np.sqrt(40)
    assert (np.abs(slopes.mean(axis=0) - TRUTH) < 3 * error).all()
    naive = np.mean([draw.naive for draw in draws], axis=0)
    assert (np.abs(naive - TRUTH) > 10 * error).all()
    assert (np.abs(naive) < 0.7 * np.abs(TRUTH)).all()
    assert 0.3 < np.mean([draw.eigenvalues[0] for draw in draws]) < np.mean([draw.reliability for draw in draws]) < 0.7
    reported = np.mean([draw.std_error for draw in draws], axis=0)
    np.testing.assert_allclose(reported, slopes.std(axis=0, ddof=1), rtol=0.35)


def test_share_of_error_left_in_a_full_rectangle_is_deatons_factor() -> None:
    values = np.random.default_rng(1).normal(size=(7, 5, 2))
    residuals, left = two_way_residuals(values, np.ones((7, 5), dtype=bool))
    np.testing.assert_allclose(left, (1 - 1 / 5) * (1 - 1 / 7), rtol=1e-12)
    by_hand = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean(axis=(0, 1))
    np.testing.assert_allclose(residuals, by_hand.reshape(35, 2), atol=1e-12)


def test_residuals_where_cells_are_missing_have_no_unit_or_period_mean() -> None:
    rng = np.random.default_rng(2)
    enters = rng.random((12, 6)) < 0.6
    residuals, left = two_way_residuals(rng.normal(size=(12, 6, 1)), enters)
    filled = np.zeros((12, 6))
    filled[enters] = residuals[:, 0]
    np.testing.assert_allclose(filled.sum(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(filled.sum(axis=1), 0.0, atol=1e-10)
    n_effects = enters.any(axis=1).sum() + enters.any(axis=0).sum() - 1
    assert left.sum() == pytest.approx(enters.sum() - n_effects, rel=1e-10)


def test_without_sampling_error_it_is_least_squares_and_says_what_it_is() -> None:
    rng = np.random.default_rng(3)
    surrogates = rng.normal(size=(30, 6, 2))
    outcome = surrogates @ TRUTH + rng.normal(size=(30, 1)) + rng.normal(size=(1, 6))
    units = np.array([f"u{u:02d}" for u in range(30)])
    outcome[0, 0] = np.nan
    result = errors_in_variables(
        outcome, surrogates, np.zeros((30, 6, 2, 2)), np.ones((30, 6), dtype=bool), names=NAMES, units=units,
        clusters=units,
    )  # fmt: skip
    np.testing.assert_allclose(result.link.slope, TRUTH, atol=1e-10)
    np.testing.assert_allclose(result.naive, TRUTH, atol=1e-10)
    assert result.reliability == pytest.approx(1.0)
    assert result.n_cells == 179
    assert result.link.label == ECOLOGICAL
    assert result.link.leave_out().shape == (30, 2)


def test_too_little_reliability_and_too_few_cells_are_refused() -> None:
    with pytest.raises(EstimationError, match="mostly sampling error"):
        means(1, spread=0.05)
    with pytest.raises(EstimationError, match="no reference sample"):
        means(1, n_units=2, n_cohorts=2)
