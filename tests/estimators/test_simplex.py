"""Weights on the simplex: the optimum, found in another way and certified."""

import numpy as np
import pytest
from scipy.optimize import minimize

from kkz_eval.estimators.result import FloatArray
from kkz_eval.estimators.simplex import simplex_objective, simplex_weights


def problem(seed: int, n: int, k: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) + 5, rng.normal(size=n) + 7


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("n", "k", "ridge"), [(12, 5, 0.0), (12, 5, 0.7), (4, 30, 0.2), (19, 38, 3.0), (40, 1, 0.1)])
def test_no_general_optimiser_finds_better(n: int, k: int, ridge: float, intercept: bool) -> None:
    columns, target = problem(n + k, n, k)
    weights = simplex_weights(columns, target, ridge, intercept=intercept)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights >= 0).all()
    ours, gap = simplex_objective(weights, columns, target, ridge, intercept=intercept)
    assert gap < 1e-9 * max(ours, 1.0)

    def value(w: FloatArray) -> float:
        shift = np.mean(target - columns @ w) if intercept else 0.0
        return float(np.mean((columns @ w + shift - target) ** 2) + ridge**2 * (w**2).sum())

    assert value(weights) == pytest.approx(ours)
    found = minimize(
        value,
        np.full(k, 1 / k),
        method="SLSQP",
        bounds=[(0, None)] * k,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"maxiter": 2_000, "ftol": 1e-14},
    )
    assert ours <= value(found.x) + 1e-9
    if ridge > 0:
        np.testing.assert_allclose(weights, found.x, atol=1e-4)


def test_a_mixture_is_found() -> None:
    columns, _ = problem(1, 20, 6)
    mixture = np.array([0.0, 0.3, 0.0, 0.5, 0.2, 0.0])
    np.testing.assert_allclose(simplex_weights(columns, columns @ mixture, 0.0, intercept=False), mixture, atol=1e-10)
    shifted = columns @ mixture + 11
    np.testing.assert_allclose(simplex_weights(columns, shifted, 0.0, intercept=True), mixture, atol=1e-10)


def test_equal_weights_where_all_fit_alike() -> None:
    np.testing.assert_array_equal(simplex_weights(np.ones((3, 4)), np.ones(3), 0.0, intercept=False), np.full(4, 0.25))
    one_period = np.array([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(simplex_weights(one_period, np.ones(1), 2.0, intercept=True), np.full(3, 1 / 3))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_measure_does_not_matter(scale: float) -> None:
    columns, target = problem(3, 15, 25)
    plain = simplex_weights(columns, target, 0.5, intercept=True)
    np.testing.assert_allclose(
        simplex_weights(scale * columns, scale * target, scale * 0.5, intercept=True), plain, atol=1e-9
    )
