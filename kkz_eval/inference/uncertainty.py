"""What every kind of inference gives: standard errors, degrees of freedom, covariance; and intervals from them."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from kkz_eval.estimators.result import Fit, FloatArray, sum_by

ONE_TREATED = "rests on one treated cluster: no standard error"
ROUNDING = 1e-12
NO_VARIATION = "no variation between clusters: no standard error"
ONE_COMPARISON = "rests on one comparison cluster: no standard error"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """For P parameters: std_error (P,) and df (P,), NaN where `reason[p]` says why; covariance (P, P).

    The covariance is complete only among parameters that have a standard error; other entries are NaN.
    """

    std_error: FloatArray
    df: FloatArray
    covariance: FloatArray
    reason: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Two-sided confidence limits and p-values (P,) from Student's t; NaN where there is no standard error."""

    low: FloatArray
    high: FloatArray
    p_value: FloatArray


def cluster_counts(fit: Fit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Clusters (P,) with treated units, with comparison units, and with any unit behind each parameter."""
    _, code = np.unique(fit.influence.clusters, return_inverse=True)
    n_clusters = int(code.max(initial=-1)) + 1
    treated = sum_by(code, n_clusters, (fit.treated_weight != 0).astype(np.float64)) > 0
    used = sum_by(code, n_clusters, fit.used.astype(np.float64)) > 0
    comparison = sum_by(code, n_clusters, (fit.used & (fit.treated_weight == 0)).astype(np.float64)) > 0
    return treated.sum(axis=0) * 1.0, comparison.sum(axis=0) * 1.0, used.sum(axis=0) * 1.0


def effective_treated_clusters(fit: Fit) -> FloatArray:
    """(P,) number of equally weighted treated clusters with the same concentration: (Σ a)²/Σ a², at least 0."""
    _, code = np.unique(fit.influence.clusters, return_inverse=True)
    weight = sum_by(code, int(code.max(initial=-1)) + 1, fit.treated_weight)
    squares = (weight**2).sum(axis=0)
    effective: FloatArray = np.divide(weight.sum(axis=0) ** 2, squares, out=np.zeros(len(squares)), where=squares > 0)
    return effective


def few_cluster_df(fit: Fit) -> FloatArray:
    """(P,) effective treated clusters minus one, at least one."""
    return np.maximum(effective_treated_clusters(fit) - 1.0, 1.0)


def missing_reasons(fit: Fit) -> list[str | None]:
    """(P,) why a parameter has no standard error whatever the method: no estimate, or one cluster on one side.

    No comparison unit at all means that units serve as their own comparison (regressions where everybody adopts).
    """
    n_treated, n_comparison, _ = cluster_counts(fit)
    reasons: list[str | None] = []
    for p, reason in enumerate(fit.reason):
        if reason is not None or fit.is_reference[p]:
            reasons.append(reason)
        elif n_treated[p] <= 1:
            reasons.append(ONE_TREATED)
        elif n_comparison[p] == 1:
            reasons.append(ONE_COMPARISON)
        else:
            reasons.append(None)
    return reasons


def with_reasons(fit: Fit, covariance: FloatArray, df: FloatArray, reason: list[str | None]) -> Uncertainty:
    """Blank what has a reason (or is the reference period) and take standard errors from the diagonal."""
    variance = np.diag(covariance)
    constant = ~(variance > (ROUNDING * np.maximum(1.0, np.abs(fit.estimate))) ** 2)
    reason = [
        NO_VARIATION if r is None and constant[p] and not fit.is_reference[p] else r for p, r in enumerate(reason)
    ]
    absent = np.array([r is not None for r in reason], dtype=bool) | fit.is_reference
    std_error = np.sqrt(np.where(absent, np.nan, variance))
    covariance = np.where(absent[:, None] | absent[None, :], np.nan, covariance)
    return Uncertainty(std_error, np.where(absent, np.nan, df), covariance, tuple(reason))


def t_intervals(estimate: FloatArray, uncertainty: Uncertainty, confidence_level: float) -> Intervals:
    """Limits estimate ± t·SE and p-values of "no effect", with each parameter's own degrees of freedom."""
    std_error, df = uncertainty.std_error, uncertainty.df
    half = np.asarray(stats.t.ppf(0.5 + confidence_level / 2, df)) * std_error
    ratio = np.divide(np.abs(estimate), std_error, out=np.full(len(estimate), np.nan), where=std_error > 0)
    return Intervals(estimate - half, estimate + half, np.asarray(2 * stats.t.sf(ratio, df)))
