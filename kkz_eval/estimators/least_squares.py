"""Least squares with unit and period fixed effects on cells, exact and with all leave-one-cluster-out solutions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray, sum_by

COLLINEAR = 1e-9
"""A column counts as explained by the ones before it when less than this share of its variation is left."""
ROUNDING = 1e-24
"""A column is constant within units when its squared deviations are below this share of its squares."""
ESTIMABLE = 1e-7
"""A combination counts as determined when a change of the solution moves it by less than this, relative to its size."""


@dataclass(frozen=True, eq=False)
class WithinDesign:
    """Regression of a mean on k regressors with unit and period effects; unit effects are already removed.

    panel: the units that may enter; y (R,), x (R, T−1+k) deviations from the unit's weighted mean for the R cells that
    enter (`enters` (U, T)), period dummies (all but the first) in front; weight (R,); row_unit (R,) the cell's unit;
    n_observations: cells, or children when children are the observations.
    """

    panel: CellPanel
    enters: BoolArray
    y: FloatArray
    x: FloatArray
    weight: FloatArray
    row_unit: NDArray[np.intp]
    n_periods: int
    n_observations: int


@dataclass(frozen=True, eq=False)
class Reduced:
    """Coefficients (p,) of all p columns, 0 where a column is explained by earlier ones (`kept` (p,) is False there).

    alias (kept, dropped): what the dropped columns are in terms of the kept ones.
    """

    coefficient: FloatArray
    kept: BoolArray
    alias: FloatArray

    def estimable(self, rows: FloatArray) -> BoolArray:
        """(m,) whether the combinations rows (m, p) of the coefficients are the same in every solution."""
        if self.kept.all():
            return np.ones(len(rows), dtype=bool)
        gap = np.abs(rows[:, ~self.kept] - rows[:, self.kept] @ self.alias).max(axis=1)
        fits: BoolArray = gap <= ESTIMABLE * np.maximum(1.0, np.abs(rows).max(axis=1))
        return fits


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients (k,), NaN where collinear; influence functions of units (U, k); rank with period dummies.

    whole: the same with the period dummies in front, without NaN; all_influence (U, T−1+k).
    """

    coefficient: FloatArray
    influence: FloatArray
    rank: int
    whole: Reduced
    all_influence: FloatArray


def within_design(
    panel: CellPanel, regressors: FloatArray, keep: BoolArray, *, weighted: bool, by_children: bool
) -> WithinDesign:
    """Remove unit effects from the outcome, the period dummies and the regressors (U, T, k).

    `keep` (U, T) says which cells may enter; cells without a value do not, nor units with a single cell. Weights are
    the unit's, times the children of the cell when `by_children` (then the result equals the regression on children).

    Raises EstimationError when numbers of children are needed and unknown, or nothing is left.
    """
    if by_children and np.isnan(panel.n).any():
        raise EstimationError(
            f"cells of {panel.outcome}: design cross_section needs the number of children in every cell, "
            f"unknown in {int(np.isnan(panel.n).sum())}; use design panel."
        )
    enters = keep & np.isfinite(panel.value) & np.isfinite(regressors).all(axis=2)
    enters &= enters.sum(axis=1, keepdims=True) > 1
    if not enters.any():
        raise EstimationError(f"cells of {panel.outcome}: no unit has values in two periods; fixed effects need them.")
    weight = (panel.weight if weighted else np.ones(len(panel.units)))[:, None] * enters
    if by_children:
        weight = weight * panel.n
    stacked = np.concatenate(
        [np.nan_to_num(panel.value)[:, :, None], period_dummies(panel), np.nan_to_num(regressors)], axis=2
    )
    total = weight.sum(axis=1)
    mean = np.einsum("ut,utk->uk", weight, stacked) / np.where(total > 0, total, 1.0)[:, None]
    deviation = stacked - mean[:, None, :]
    spread, size = (np.einsum("ut,utk->k", weight, part**2) for part in (deviation, stacked))
    deviation[:, :, spread <= ROUNDING * size] = 0.0
    row_unit, _ = np.nonzero(enters)
    return WithinDesign(
        panel=panel,
        enters=enters,
        y=deviation[enters][:, 0],
        x=deviation[enters][:, 1:],
        weight=weight[enters],
        row_unit=row_unit,
        n_periods=len(panel.periods),
        n_observations=int(panel.n[enters].sum()) if by_children else int(enters.sum()),
    )


def absorbed_covariates(design: WithinDesign, names: tuple[str, ...], *, first: int = 0) -> str:
    """In words, which covariates the unit effects leave nothing of; their k columns start at regressor `first`."""
    start = design.n_periods - 1 + first
    absorbed = [name for j, name in enumerate(names) if not design.x[:, start + j].any()]
    return f"covariate {', '.join(absorbed)} does not vary within units: not adjusted for" if absorbed else ""


def period_dummies(panel: CellPanel) -> FloatArray:
    """(U, T, T−1) one column per period but the first."""
    dummies = np.zeros((*panel.value.shape, max(len(panel.periods) - 1, 0)))
    for column in range(dummies.shape[2]):
        dummies[:, column + 1, column] = 1.0
    return dummies


def solve(design: WithinDesign) -> Solution:
    """Weighted least squares by statsmodels on the columns that are not collinear with earlier ones."""
    from statsmodels.regression.linear_model import WLS  # noqa: PLC0415  (slow to import)

    gram = design.x.T @ (design.weight[:, None] * design.x)
    kept = independent_columns(gram, np.diag(gram))
    x = design.x[:, kept]
    fitted = WLS(design.y, x, weights=design.weight, hasconst=False).fit(method="qr")  # hasconst: no search for one
    score = x * (design.weight * fitted.resid)[:, None]
    by_row = score @ np.linalg.inv(x.T @ (design.weight[:, None] * x))
    influence = sum_by(design.row_unit, len(design.panel.units), by_row)
    n_columns, first = design.x.shape[1], design.n_periods - 1
    coefficient, all_influence = np.zeros(n_columns), np.zeros((len(influence), n_columns))
    coefficient[kept], all_influence[:, kept] = fitted.params, influence
    reduced = Reduced(coefficient, kept, alias_of(gram, kept))
    named = np.where(kept, coefficient, np.nan)[first:]
    return Solution(named, all_influence[:, first:], int(kept.sum()), reduced, all_influence)


def solve_without_each_cluster(design: WithinDesign) -> FloatArray:
    """Coefficients (C, k) without each cluster in turn, NaN where collinear then; clusters in ascending order."""
    first = design.n_periods - 1
    solutions = reduced_without_each_cluster(design)
    return np.array([np.where(left.kept, left.coefficient, np.nan)[first:] for left in solutions])


def reduced_without_each_cluster(design: WithinDesign) -> list[Reduced]:
    """The solutions with period dummies without each cluster in turn; clusters of the panel in ascending order.

    Unit effects lie within clusters, so cross-products without a cluster are the whole minus the cluster's own.
    """
    labels, code = np.unique(design.panel.cluster, return_inverse=True)
    row_cluster = code[design.row_unit]
    xy = np.column_stack([design.x, design.y])
    products = np.zeros((len(labels), design.x.shape[1], xy.shape[1]))
    for c in range(len(labels)):
        rows = row_cluster == c
        products[c] = (design.x[rows] * design.weight[rows, None]).T @ xy[rows]
    total = products.sum(axis=0)
    return [reduce(total[:, :-1] - own[:, :-1], total[:, -1] - own[:, -1], np.diag(total[:, :-1])) for own in products]


def reduce(gram: FloatArray, moment: FloatArray, scale: FloatArray) -> Reduced:
    """Solve gram (p, p) · b = moment (p,) on the columns that vary, relative to scale (p,), beyond earlier ones."""
    kept = independent_columns(gram, scale)
    coefficient = np.zeros(len(gram))
    coefficient[kept] = np.linalg.solve(gram[np.ix_(kept, kept)], moment[kept])
    return Reduced(coefficient, kept, alias_of(gram, kept))


def alias_of(gram: FloatArray, kept: BoolArray) -> FloatArray:
    """(kept, dropped) coefficients of the dropped columns on the kept ones."""
    return np.asarray(np.linalg.solve(gram[np.ix_(kept, kept)], gram[np.ix_(kept, ~kept)]), dtype=np.float64)


def independent_columns(gram: FloatArray, scale: FloatArray) -> BoolArray:
    """(k,) columns not explained by the ones before them, from their cross-products (k, k), relative to scale (k,)."""
    rest = gram.copy()
    kept = np.zeros(len(gram), dtype=bool)
    for j in range(len(gram)):
        if rest[j, j] <= COLLINEAR * scale[j]:
            continue
        kept[j] = True
        rest[j + 1 :, j + 1 :] -= np.outer(rest[j + 1 :, j], rest[j, j + 1 :] / rest[j, j])
    return kept


def small_sample_factor(n_observations: int, n_parameters: int, n_clusters: int) -> float:
    """(N−1)/(N−K) · G/(G−1), fixest's default; K counts unit effects that lie within clusters as one."""
    if n_clusters < 2 or n_observations <= n_parameters:
        return float("nan")
    return (n_observations - 1) / (n_observations - n_parameters) * n_clusters / (n_clusters - 1)
