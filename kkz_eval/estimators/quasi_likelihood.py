"""Quasi-likelihood fits of means on few regressors: straight, logit and exponential mean.

Rows with equal regressors are one row, so that a fit costs the same for any number of units and children; every step
of the iteration is least squares on the columns that vary.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import Reduced, reduce
from kkz_eval.estimators.result import BoolArray, FloatArray

Mean = Literal["linear", "logit", "exponential"]
STEPS = 100
CHANGE = 1e-13
LARGEST = 30.0
"""Bound of the linear predictor of logit and exponential means within the iteration."""


@dataclass(frozen=True, eq=False)
class MeanModel:
    """Fitted coefficients and the inverse information (p, p), zero for columns that were dropped."""

    mean: Mean
    reduced: Reduced
    bread: FloatArray

    def predict(self, x: FloatArray) -> FloatArray:
        """Means at regressors (…, p)."""
        return response(self.mean, x @ self.reduced.coefficient)

    def slope(self, x: FloatArray) -> FloatArray:
        """Derivative of the mean with respect to the linear predictor at regressors (…, p)."""
        return derivative(self.mean, self.predict(x))


def response(mean: Mean, predictor: FloatArray) -> FloatArray:
    """The mean at a linear predictor."""
    if mean == "linear":
        return predictor
    if mean == "exponential":
        return np.asarray(np.exp(predictor), dtype=np.float64)
    return np.asarray(1.0 / (1.0 + np.exp(-predictor)), dtype=np.float64)


def derivative(mean: Mean, mu: FloatArray) -> FloatArray:
    """Derivative of the mean, and variance function up to scale, at the mean."""
    if mean == "linear":
        return np.ones_like(mu)
    return mu if mean == "exponential" else mu * (1.0 - mu)


def compress(x: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Distinct rows (R, p) of x (N, p), and the position (N,) of each row among them."""
    rows, code = np.unique(x, axis=0, return_inverse=True)
    return rows, code.reshape(-1).astype(np.intp)


def fit_mean(mean: Mean, x: FloatArray, weight: FloatArray, total: FloatArray) -> MeanModel:
    """Maximise the quasi-likelihood of R rows: regressors x (R, p), weight (R,), weight times outcome `total` (R,).

    The estimate solves Σ x (total − weight · mean) = 0. Raises EstimationError when there is no finite solution.
    """
    some: BoolArray = weight > 0
    x, weight, total = x[some], weight[some], total[some]
    outcome = total / weight
    predictor = _start(mean, outcome, total.sum() / weight.sum())
    reduced, information = _step(mean, x, weight, outcome, predictor)
    for _ in range(STEPS if mean != "linear" else 0):
        predictor = (x @ reduced.coefficient).clip(-LARGEST, LARGEST)
        before = reduced.coefficient
        reduced, information = _step(mean, x, weight, outcome, predictor)
        if np.abs(reduced.coefficient - before).max() <= CHANGE * max(1.0, float(np.abs(before).max())):
            break
    else:
        if mean != "linear" and not _solved(mean, x, weight, total, reduced):
            raise EstimationError(
                f"the {mean} mean has no finite solution: the outcome is all at its bound in some cohort or period "
                "of the comparison; use the linear estimator."
            )
    kept = reduced.kept
    bread = np.zeros(information.shape)
    bread[np.ix_(kept, kept)] = np.linalg.inv(information[np.ix_(kept, kept)])
    return MeanModel(mean, reduced, bread)


def _start(mean: Mean, outcome: FloatArray, overall: float) -> FloatArray:
    if mean == "linear":
        return outcome
    pulled = (outcome + overall) / 2
    if mean == "exponential":
        return np.asarray(np.log(np.maximum(pulled, 1e-12)), dtype=np.float64)
    pulled = pulled.clip(1e-12, 1 - 1e-12)
    return np.asarray(np.log(pulled / (1 - pulled)), dtype=np.float64)


def _step(
    mean: Mean, x: FloatArray, weight: FloatArray, outcome: FloatArray, predictor: FloatArray
) -> tuple[Reduced, FloatArray]:
    mu = response(mean, predictor)
    slope = derivative(mean, mu)
    working = predictor + (outcome - mu) / slope
    gram = x.T @ ((weight * slope)[:, None] * x)
    return reduce(gram, x.T @ (weight * slope * working), np.diag(gram)), gram


def _solved(mean: Mean, x: FloatArray, weight: FloatArray, total: FloatArray, reduced: Reduced) -> bool:
    gap = x.T @ (total - weight * response(mean, x @ reduced.coefficient))
    return bool(np.abs(gap).max() <= 1e-9 * max(1.0, float(np.abs(total).sum())))
