"""Cluster-robust inference from influence functions."""

import numpy as np

from kkz_eval.estimators.result import Fit, FloatArray
from kkz_eval.inference.uncertainty import Uncertainty, few_cluster_df, missing_reasons, with_reasons


def cluster_covariance(fit: Fit) -> FloatArray:
    """Covariance (P, P): products of the cluster sums of influence functions, times the estimator's own factor.

    Equals what R did gives without bootstrap, clustered: sums within clusters, not means (Callaway and Sant'Anna 2021,
    Remark 10).
    """
    _, sums = fit.influence.by_cluster()
    return fit.variance_factor * (sums.T @ sums)


def analytic(fit: Fit) -> Uncertainty:
    """Cluster-robust standard errors; Student's t with the estimator's degrees of freedom.

    Where the estimator names none: effective treated clusters minus one, because the normal distribution finds
    effects in 6 to 20 of 100 samples without any when few clusters are treated.
    """
    df = few_cluster_df(fit) if fit.analytic_df is None else np.asarray(fit.analytic_df)
    return with_reasons(fit, cluster_covariance(fit), df, missing_reasons(fit))
