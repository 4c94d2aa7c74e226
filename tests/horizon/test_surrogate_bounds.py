"""Bounds of a surrogate index: by its history, and by the share the surrogates leave out."""

import numpy as np
import pytest
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.surrogate_bounds import (
    ALREADY,
    NEVER_MISSED,
    cell_bound,
    history_bound,
    surrogate_index,
    unexplained_share_bound,
)
from kkz_eval.horizon.surrogate_unlinked import two_way_residuals


def test_history_bound_and_its_breakdown_by_hand() -> None:
    """Largest miss .02; at M̄ = breakdown the interval touches zero."""
    misses = np.array([0.01, -0.02, np.nan])
    bound = history_bound(-0.10, 0.01, misses, df=10.0, multiples=(0.0, 1.0))
    half = stats.t.ppf(0.975, 10) * 0.01
    assert bound.largest_miss == 0.02
    assert bound.n_misses == 2
    np.testing.assert_allclose(
        bound.intervals, [(0.0, -0.10 - half, -0.10 + half), (1.0, -0.12 - half, -0.08 + half)], rtol=1e-12
    )
    touching = history_bound(-0.10, 0.01, misses, df=10.0, multiples=(bound.breakdown or 0.0,)).intervals[0]
    assert touching[2] == pytest.approx(0.0, abs=1e-12)
    careful = history_bound(-0.10, 0.01, misses, miss_errors=np.full(3, 0.01))
    assert careful.largest_miss == pytest.approx(0.02 + stats.norm.ppf(0.975) * 0.01)


def test_where_there_is_no_breakdown_a_reason_stands() -> None:
    assert history_bound(0.01, 0.01, np.array([0.02])).reason == ALREADY
    assert history_bound(1.0, 0.01, np.array([0.0])).reason == NEVER_MISSED
    assert history_bound(0.01, 0.01, np.array([0.02])).breakdown is None
    with pytest.raises(EstimationError, match="no history"):
        history_bound(0.1, 0.01, np.array([np.nan]))
    with pytest.raises(EstimationError, match="positive standard error"):
        history_bound(0.1, 0.0, np.array([0.1]))


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_among_cells_is_attained_at_the_true_share(seed: int) -> None:
    """|D'(Y − β'S)|/D'D = bound at ρ = partial R² of Y on D given S, whatever the data."""
    rng = np.random.default_rng(seed)
    treated = (rng.random((20, 1)) < 0.5) & (np.arange(8) >= 4)
    surrogates = rng.normal(size=(20, 8, 2)) - 0.4 * treated[..., None]
    outcome = surrogates @ [0.3, -0.2] - 0.3 * treated + rng.normal(size=(20, 8))
    values = np.concatenate([outcome[..., None], surrogates, treated[..., None]], axis=2)
    residuals, _ = two_way_residuals(values, rng.random((20, 8)) < 0.9)
    first = cell_bound(residuals[:, 0], residuals[:, 1:3], residuals[:, 3], assumed_share=0.05)
    again = cell_bound(residuals[:, 0], residuals[:, 1:3], residuals[:, 3], assumed_share=first.share)
    assert again.bound == pytest.approx(abs(first.bias), rel=1e-10)
    assert first.bound == pytest.approx(again.bound * np.sqrt(0.05 / first.share), rel=1e-10)


def test_the_plain_index_equals_two_stages_and_its_error_counts_the_link() -> None:
    """Prediction by least squares with an intercept, then the difference of mean predictions."""
    rng = np.random.default_rng(3)
    n = 400
    arm = rng.random(n) < 0.6
    surrogates = rng.normal(size=(n, 3)) + 0.3 * arm[:, None]
    outcome = surrogates @ [1.0, 0.5, -0.2] + rng.normal(size=n)
    index = surrogate_index(outcome, surrogates, arm, arm)
    x = np.column_stack([np.ones(n), surrogates])
    beta, *_ = np.linalg.lstsq(x[arm], outcome[arm], rcond=None)
    predicted = x @ beta
    assert index.estimate == pytest.approx(predicted[arm].mean() - predicted[~arm].mean(), rel=1e-12)
    given = np.sqrt(predicted[arm].var() / arm.sum() + predicted[~arm].var() / (~arm).sum())
    assert index.std_error_given_link == pytest.approx(given, rel=1e-10)
    assert index.outcome_fit == pytest.approx(np.corrcoef(predicted[arm], outcome[arm])[0, 1] ** 2, rel=1e-10)
    w_hat = x @ np.linalg.lstsq(x, arm * 1.0, rcond=None)[0]
    assert index.treatment_fit == pytest.approx(np.corrcoef(w_hat, arm)[0, 1] ** 2, rel=1e-10)
    assert index.bound(0.05) == pytest.approx(index.bound(0.01) * np.sqrt(5), rel=1e-12)


def test_the_errors_of_the_plain_index_match_leaving_out_one_observation() -> None:
    rng = np.random.default_rng(4)
    n = 300
    arm = rng.random(n) < 0.5
    surrogates = rng.normal(size=(n, 2)) + 0.5 * arm[:, None]
    outcome = surrogates @ [1.0, -0.5] + rng.normal(size=n)
    index = surrogate_index(outcome, surrogates, arm, arm)
    rows = np.arange(n)
    left = [surrogate_index(outcome[k], surrogates[k], arm[k], arm[k]).estimate for k in (rows != i for i in rows)]
    jackknife = np.sqrt((n - 1) / n * ((np.array(left) - index.estimate) ** 2).sum())
    assert index.std_error == pytest.approx(jackknife, rel=0.03)


def test_bad_input_is_refused_in_a_sentence() -> None:
    arm = np.array([True, False] * 5)
    s = np.arange(10.0)[:, None]
    with pytest.raises(EstimationError, match="reference sample"):
        surrogate_index(s[:, 0], s, arm, np.zeros(10, dtype=bool))
    with pytest.raises(EstimationError, match="collinear"):
        surrogate_index(s[:, 0], np.hstack([s, s]), arm, np.ones(10, dtype=bool))
    with pytest.raises(EstimationError, match="shares from 0 to 1"):
        unexplained_share_bound(1.0, 1.0, 0.5, 0.5, 1.5)
    with pytest.raises(EstimationError, match="do not vary"):
        cell_bound(np.ones(5), np.arange(5.0)[:, None], np.zeros(5), assumed_share=0.01)
