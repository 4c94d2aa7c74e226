"""Leave-one-cluster-out jackknife (CV3): the default with few treated clusters."""

from collections.abc import Callable

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, Parameter
from kkz_eval.inference.uncertainty import Uncertainty, few_cluster_df, missing_reasons, with_reasons

NEEDS_CLUSTER = "does not exist without one of its clusters: no standard error"


def jackknife(fit: Fit) -> Uncertainty:
    """Var = (G−1)/G · Σ_c (θ_(−c) − θ)² about the full estimate; t with effective treated clusters − 1, at least 1.

    Each θ_(−c) is the estimator applied without cluster c: an average then takes the effects that are left.
    Source: MacKinnon, Nielsen and Webb (2023), CV3; Hansen (2022).
    """
    return from_replicates(fit, fit.leave_out())


def from_replicates(fit: Fit, replicates: FloatArray) -> Uncertainty:
    """The same from given leave-one-cluster-out estimates (C, P); NaN = the parameter does not exist without c."""
    n_clusters = len(replicates)
    reason = missing_reasons(fit)
    lost = np.asarray(np.isnan(replicates).any(axis=0)) & ~fit.is_reference
    reason = [NEEDS_CLUSTER if r is None and lost[p] else r for p, r in enumerate(reason)]
    deviation = np.where(np.isnan(replicates), 0.0, replicates - fit.estimate)
    covariance = (n_clusters - 1) / max(n_clusters, 1) * (deviation.T @ deviation)
    return with_reasons(fit, covariance, few_cluster_df(fit), reason)


def refit_without_each_cluster(
    estimator: Callable[[CellPanel, EstimatorOptions], Fit], panel: CellPanel, options: EstimatorOptions, fit: Fit
) -> FloatArray:
    """Leave-one-cluster-out estimates (C, P) of any estimator, by estimating anew without each cluster of `fit`.

    Slow and general; the reference for the fast `leave_out` of the estimators. NaN where the parameter is gone.
    """
    clusters, _ = fit.influence.by_cluster()
    replicates = np.full((len(clusters), len(fit.parameters)), np.nan)
    position: dict[Parameter, int] = {parameter: p for p, parameter in enumerate(fit.parameters)}
    for c, label in enumerate(clusters):
        try:
            again = estimator(panel.without_cluster(str(label)), options)
        except EstimationError:  # nothing can be estimated without this cluster: all its parameters stay NaN
            continue
        for parameter, value in zip(again.parameters, again.estimate, strict=True):
            if parameter in position:
                replicates[c, position[parameter]] = value
    return replicates
