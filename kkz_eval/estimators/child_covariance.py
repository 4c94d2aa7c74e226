"""The covariance of repeated cross-sections when every child is its own cluster, from squares of cells."""

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.observations import Observations
from kkz_eval.estimators.group_time import Arms, Coefficients, IndexArray, Pairs, Sample, cohort_sizes
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray


def child_covariance(fit: Fit) -> FloatArray:
    """Covariance (P, P) of design `cross_section` when every child is its own cluster.

    The influence function of a child is w·(A + B·y) with A, B constant among the children of a cell with equal
    covariates, so Σw², Σw²y and Σw²y² suffice (without weights n, Σy and Σy²).
    Raises EstimationError for the other designs and for covariates that are known by their moments only.
    """
    sample: Sample = fit.extra["sample"]
    options: EstimatorOptions = fit.extra["options"]
    if options.design != "cross_section":
        raise EstimationError(f"design {options.design} has units as observations: use their influence functions.")
    coefficients: Coefficients | None = fit.extra["effects"].coefficients
    if coefficients is None:
        raise EstimationError(
            f"cells of {sample.panel.outcome}: moments of covariates hold no fourth powers, which errors of single "
            "children need; use clusters, or cells by profile."
        )
    pairs: Pairs = fit.extra["pairs"]
    loading: FloatArray = fit.extra["loading"]
    position, size = cohort_sizes(sample, pairs, sample.panel.weight)
    in_cohort = (position[None] == np.arange(len(size))[:, None]).astype(np.float64)
    from_sizes = np.vstack([np.zeros((len(pairs.cohort), len(size))), fit.extra["derivative"]])
    covariance = np.zeros((len(loading), len(loading)))
    observations: Observations | None = fit.extra["effects"].observations
    for period in range(len(sample.panel.periods)):
        unit, profile, squares = _children(sample.panel, observations, period)
        active, level, slope = _at(fit.extra["arms"], pairs, coefficients, period, unit, profile)
        a, b = np.vstack([level, in_cohort[:, unit]]), np.vstack([slope, np.zeros((len(size), len(unit)))])
        mixed = (a * squares[:, 1]) @ b.T
        gram = (a * squares[:, 0]) @ a.T + mixed + mixed.T + (b * squares[:, 2]) @ b.T
        weight = np.hstack([loading[:, active], from_sizes])
        covariance += weight @ gram @ weight.T
    return covariance


def _children(
    panel: CellPanel, observations: Observations | None, period: int
) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Unit and profile (R,) of the rows of a period, and their Σw², Σw²y, Σw²y² (R, 3)."""
    if observations is not None:
        rows = observations.by_period[period]
        return rows.unit, rows.profile, observations.squares[period]
    unit = np.flatnonzero(panel.n[:, period] > 0).astype(np.intp)
    sums = np.column_stack([array[unit, period] for array in (panel.n, panel.total, panel.total_of_squares)])
    return unit, np.zeros(len(unit), dtype=np.intp), (panel.weight[unit] ** 2)[:, None] * sums


def _at(
    arms: Arms, pairs: Pairs, coefficients: Coefficients, period: int, unit: IndexArray, profile: IndexArray
) -> tuple[IndexArray, FloatArray, FloatArray]:
    """The N group-time effects that read a period (N,); level and slope (N, R) of its rows in them."""
    reads = [(moments[0][0] == period) & ~pairs.is_reference for moments in arms.moments]
    active = np.flatnonzero(np.any(reads, axis=0)).astype(np.intp)
    level, slope = np.zeros((len(active), len(unit))), np.zeros((len(active), len(unit)))
    for j, read in enumerate(reads):
        here = np.flatnonzero(read)
        at = np.searchsorted(active, here)
        member = arms.member[j][np.ix_(unit, here)].T
        level[at] += member * coefficients.level[here, j][:, profile]
        slope[at] += member * coefficients.slope[here, j][:, profile]
    return active, level, slope
