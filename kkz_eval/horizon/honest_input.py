"""The checked event study that honest bounds and pre-trend power start from, and the interval they answer with.

Time in this layer counts from the reference period: the reference is 0, the period before it −1, the first period
after it 1. Where event studies leave out event time −1, event time e is period e + 1 here. Periods must follow one
another without a gap, because the restrictions compare neighbouring periods.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

SINGULAR = 1e-10
"""A correlation matrix whose smallest eigenvalue is below this share of its largest counts as singular."""


@dataclass(frozen=True)
class EventStudy:
    """Coefficients `beta` (K,): `n_pre` before the reference period, oldest first, then those after it, in order.

    `sigma` (K, K) is their covariance, `contrast` (K − n_pre,) the weights l of the effect l'τ of interest.
    """

    beta: FloatArray
    sigma: FloatArray
    n_pre: int
    contrast: FloatArray

    @property
    def n_post(self) -> int:
        return len(self.contrast)

    @property
    def estimate(self) -> float:
        """l'β: the effect if trends were parallel."""
        return float(self.contrast @ self.beta[self.n_pre :])

    @property
    def std_error(self) -> float:
        """Standard error of `estimate`."""
        return float(np.sqrt(self.contrast @ self.sigma[self.n_pre :, self.n_pre :] @ self.contrast))


@dataclass(frozen=True)
class HonestInterval:
    """Values of the effect that agree with the data when differences in trend are restricted by `bound`.

    `low` is −inf or `high` inf where the search found no end. Both are None when no value at all agrees with the data
    and the restriction; `note` then says so.
    """

    bound: float
    low: float | None
    high: float | None
    note: str = ""

    def excludes(self, value: float = 0.0) -> bool:
        """Whether `value` lies outside; an empty interval excludes every value."""
        return self.low is None or self.high is None or not self.low <= value <= self.high


def event_study(
    beta: ArrayLike, sigma: ArrayLike, n_pre: int, contrast: ArrayLike | None = None, *, needs_post: bool = True
) -> EventStudy:
    """The checked input; `contrast` None asks for the first period after the reference.

    Raises EstimationError: no period before the reference, none after it (if `needs_post`), numbers missing, shapes
    that differ, a covariance that is not symmetric or singular (for example with no more clusters than coefficients).
    """
    coefficients, covariance = np.asarray(beta, dtype=float), np.asarray(sigma, dtype=float)
    n_coefficients = len(coefficients) if coefficients.ndim == 1 else -1
    if covariance.shape != (n_coefficients, n_coefficients):
        raise EstimationError(
            "the covariance of an event study must have one row and one column per coefficient; "
            "pass both from the same estimate and without the reference period."
        )
    if not 1 <= n_pre <= n_coefficients - needs_post:
        raise EstimationError(
            f"an event study with {n_coefficients} coefficients and {n_pre} of them before the reference period cannot "
            "say how trends differ; it takes at least one before and one after it."
        )
    check_covariance(coefficients, covariance)
    n_post = n_coefficients - n_pre
    weights = np.eye(1, n_post)[0] if contrast is None else np.asarray(contrast, dtype=float)
    if weights.shape != (n_post,) or not np.isfinite(weights).all() or (n_post and not weights.any()):
        raise EstimationError(
            f"the contrast needs one finite weight for each of the {n_post} periods after the reference, not all zero."
        )
    return EventStudy(coefficients, covariance, n_pre, weights)


def check_covariance(coefficients: FloatArray, covariance: FloatArray) -> None:
    """Raises EstimationError when numbers are missing or the covariance is not symmetric and positive definite."""
    if not (np.isfinite(coefficients).all() and np.isfinite(covariance).all()):
        raise EstimationError(
            "an event study has coefficients or covariances that are missing; "
            "use the unbroken run of periods around the reference that all have an estimate."
        )
    variances = np.diag(covariance)
    if (variances <= 0).any() or not np.allclose(covariance, covariance.T, rtol=1e-6, atol=1e-9 * variances.max()):
        raise EstimationError("the covariance of an event study must be symmetric with variances above zero.")
    eigenvalues = np.linalg.eigvalsh(covariance / np.sqrt(np.outer(variances, variances)))
    if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
        raise EstimationError(
            f"the covariance of the {len(coefficients)} coefficients of an event study is singular, as with no more "
            "clusters than coefficients; ask for fewer periods."
        )


def check_level(alpha: float, df: float | None) -> None:
    """Raises EstimationError unless 0 < alpha < 0.5 and df is None or above 0."""
    if not 0 < alpha < 0.5:
        raise EstimationError("the level alpha of an interval must lie between 0 and 0.5, for example 0.05.")
    if df is not None and not df > 0:
        raise EstimationError("the degrees of freedom must be above 0, or None for the normal distribution.")


def check_bound(bound: float) -> None:
    """Raises EstimationError unless the bound on differences in trend is a finite number of at least 0."""
    if not (np.isfinite(bound) and bound >= 0):
        raise EstimationError("the bound on differences in trend must be a finite number of at least 0.")
