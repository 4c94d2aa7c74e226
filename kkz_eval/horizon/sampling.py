"""The part of a cell mean's variance that comes from the children examined, and how many there will be.

What belongs here: sampling variances of cell means. What does not: variation between municipality-years (variogram).
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.result import BoolArray, FloatArray

RARE = 0.02
RECENT = 3


@dataclass(frozen=True, eq=False)
class SamplingVariance:
    """cell (U, T): unbiased estimates from each cell; expected (U, T): smoothed, for planning and weights.

    Both are variances of the cell mean, 0 where the sampling part is unknown (is_known is False); is_pooled: all
    cells share one variance per child, because the outcome is rare.
    """

    cell: FloatArray
    expected: FloatArray
    is_known: bool
    is_pooled: bool


def sampling_variance(panel: CellPanel, n_later: int = 0) -> SamplingVariance:
    """Sampling variances of the cell means; `expected` goes on for `n_later` periods after the data.

    cell: within-cell variance over n, for a share ȳ(1−ȳ)/(n−1); the pooled variance per child for cells with one
    child. For shares below 2 % or above 98 % all cells take the pooled variance, because an empty cell would count as
    exact. expected: variance per child of the unit over all its periods, over n; later periods have the unit's mean
    number of children in its last three measured periods. Without numbers of children, or without squares of an
    outcome that is no share, the sampling part is unknown and stays in the variogram. Source: methods.md §2.3, §10.2.
    """
    shape = panel.value.shape
    within = _within_sum(panel)
    if within is None:
        return SamplingVariance(np.zeros(shape), np.zeros((shape[0], shape[1] + n_later)), False, False)
    has = panel.n > 0
    n = np.where(has, panel.n, 1.0)
    freedom = np.where(has, np.maximum(panel.n - 1, 0.0), 0.0)
    pooled = within.sum() / max(freedom.sum(), 1.0)
    rare = _is_share(panel) and _is_rare(panel)
    own = np.divide(within, freedom, out=np.full(shape, pooled), where=freedom > 0)
    per_child = np.full(shape, pooled) if rare else own
    by_unit = np.divide(
        within.sum(axis=1), freedom.sum(axis=1), out=np.full(shape[0], pooled), where=freedom.sum(axis=1) > 0
    )
    # A small unit that never had a case is not exact for it.
    smooth = np.full(shape[0], pooled) if rare else np.where(by_unit > 0, by_unit, pooled)
    children = np.hstack([n, np.repeat(_recent(panel.n)[:, None], n_later, axis=1)])
    return SamplingVariance(np.where(has, per_child / n, 0.0), smooth[:, None] / children, True, rare)


def _within_sum(panel: CellPanel) -> FloatArray | None:
    """(U, T) sum of squared deviations within cells, 0 in empty cells; None when it is unknown in any cell."""
    has_value: BoolArray = np.asarray(np.isfinite(panel.value))
    if not has_value.any() or not (np.isfinite(panel.n) & (panel.n > 0))[has_value].all():
        return None
    n = np.where(has_value, panel.n, 0.0)
    mean = np.where(has_value, panel.value, 0.0)
    if np.isfinite(panel.total_of_squares[has_value]).all():
        squares = np.where(has_value, panel.total_of_squares, 0.0)
    elif _is_share(panel):
        squares = n * mean
    else:
        return None
    spread: FloatArray = np.maximum(squares - n * mean**2, 0.0)
    return spread


def _is_share(panel: CellPanel) -> bool:
    """Whether children count 0 or 1: squares equal sums, or are unknown and all means lie between 0 and 1."""
    has = np.isfinite(panel.value)
    value = panel.value[has]
    if not ((value >= 0) & (value <= 1)).all():
        return False
    squares = panel.total_of_squares[has]
    return bool(np.isnan(squares).all() or np.allclose(squares, panel.n[has] * value, rtol=1e-9, atol=1e-9))


def _is_rare(panel: CellPanel) -> bool:
    has = np.isfinite(panel.value)
    share = float((panel.n[has] * panel.value[has]).sum() / panel.n[has].sum())
    return min(share, 1 - share) < RARE


def _recent(n: FloatArray) -> FloatArray:
    """(U,) mean number of children in the last three periods with children; 1 for units that never have any."""
    has = np.isfinite(n) & (n > 0)
    rank_from_end = np.cumsum(has[:, ::-1], axis=1)[:, ::-1]
    recent = has & (rank_from_end <= RECENT)
    count = recent.sum(axis=1)
    mean: FloatArray = np.divide(np.where(recent, n, 0.0).sum(axis=1), count, out=np.ones(len(n)), where=count > 0)
    return mean
