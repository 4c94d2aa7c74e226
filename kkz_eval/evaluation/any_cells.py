"""Cells from checked rows of any data, in a panel or a repeated cross-section.

What belongs here: how rows become cells, weights and covariates. What does not: checks of rows (any_frame.py).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel, FloatArray
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import ControlGroup, Design, Method
from kkz_eval.evaluation.any_frame import Roles, SampleDesign, Unbalanced, checked_rows, group_numbers, n_varying

if TYPE_CHECKING:
    import pandas as pd

WEIGHT_SUMS = ("sum_w", "sum_ww", "sum_wy", "sum_wwy", "sum_wwyy")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Cells, covariates that the options of an estimator take (U, T, k), the design, and in words what was left out.

    knows_children: False when `n` of the cells is a sum of weights.
    """

    panel: CellPanel
    covariates: FloatArray | None
    design: Design
    notes: tuple[str, ...]
    knows_children: bool = True


def prepare(
    frame: "pd.DataFrame",
    roles: Roles,
    *,
    design: SampleDesign,
    unbalanced: Unbalanced,
    by_profile: bool,
    method: Method,
    control: ControlGroup,
) -> Prepared:
    """Cells of the frame.

    by_profile: the estimator takes covariates of children (`callaway_santanna`); in a panel their covariates are then
    one value per unit. Raises EstimationError for everything that would change a result silently.
    """
    rows, notes = checked_rows(frame, roles, design=design, unbalanced=unbalanced, control=control)
    if design == "cross_section":
        return _cross_section(rows, roles, notes, by_profile=by_profile, method=method)
    if by_profile:
        _need_constant_covariates(rows, roles)
    panel = _cells(rows.assign(one=1.0, squares=rows["y"] ** 2), roles)
    covariates = _layers(rows, roles, panel) if roles.covariates else None
    is_balanced = len(rows) == rows["unit"].nunique() * rows["period"].nunique()
    return Prepared(panel, covariates, "panel" if is_balanced else "unbalanced", tuple(notes))


def _cells(rows: "pd.DataFrame", roles: Roles) -> CellPanel:
    return CellPanel.from_frame(
        rows,
        roles.outcome,
        cluster=None if roles.cluster is None else "cluster",
        weight=None if roles.weights is None else "weight",
        n="one",
        total="y",
        total_of_squares="squares",
    )


def _need_constant_covariates(rows: "pd.DataFrame", roles: Roles) -> None:
    for position, name in enumerate(roles.covariates):
        if n := n_varying(rows, f"x{position}", ("unit",)):
            raise EstimationError(
                f"covariate {name} varies within {n} of {rows['unit'].nunique()} units; callaway_santanna needs one "
                "value per unit in a panel: take its value before adoption."
            )


def _layers(rows: "pd.DataFrame", roles: Roles, panel: CellPanel) -> FloatArray:
    """(U, T, k) covariates of the cells, zero where a cell has no row."""
    layers = np.zeros((*panel.value.shape, len(roles.covariates)))
    row = np.searchsorted(panel.units, rows["unit"].to_numpy().astype(np.str_))
    column = np.searchsorted(panel.periods, rows["period"].to_numpy())
    for position in range(len(roles.covariates)):
        layers[row, column, position] = rows[f"x{position}"].to_numpy()
    return layers


def _cross_section(
    rows: "pd.DataFrame", roles: Roles, notes: list[str], *, by_profile: bool, method: Method
) -> Prepared:
    names = {f"x{i}": name for i, name in enumerate(roles.covariates)}
    varies = roles.weights is not None and n_varying(rows, "weight", ("unit",)) > 0
    for_units: dict[str, Any] = {
        "cluster": None if roles.cluster is None else "cluster",
        "weight": None if roles.weights is None or varies else "weight",
        "n": "n",
        "total": "total",
        "total_of_squares": "squares",
    }
    covariates = _constant_in_cells(rows, names) if names and not by_profile else None
    taken = names if by_profile else {}
    sums = _summed(rows, tuple(taken), weighted=varies)
    if not taken and not varies:
        panel = CellPanel.from_frame(sums, roles.outcome, **for_units)
        layers = None if covariates is None else _layers(covariates, roles, panel)
        return Prepared(panel, layers, "cross_section", tuple(notes))
    profiles = ProfilePanel.from_profiles(
        sums, roles.outcome, tuple(taken), weight_sums=WEIGHT_SUMS if varies else None, **for_units
    )
    profiles = replace(profiles, covariate_names=tuple(taken.values()))
    if not by_profile:  # regressions of cell means: a child counts by its weight
        weighted = MomentPanel.from_profile_panel(profiles).outcome_cells()
        layers = None if covariates is None else _layers(covariates, roles, weighted)
        return Prepared(weighted, layers, "cross_section", tuple(notes), knows_children=False)
    panel = MomentPanel.from_profile_panel(profiles) if names and method == "reg" else profiles
    return Prepared(panel, None, "cross_section", tuple(notes))


def _summed(rows: "pd.DataFrame", covariates: tuple[str, ...], *, weighted: bool) -> "pd.DataFrame":
    """One row per unit, period and profile of covariates, with the sums that `ProfilePanel.from_profiles` reads."""
    y = rows["y"].to_numpy()
    w = rows["weight"].to_numpy() if weighted else np.ones(0)
    x = [rows[name].to_numpy() for name in covariates]
    keys = [*x[::-1], group_numbers(rows, ("unit", "period"))]
    order = np.lexsort((*([w] if weighted else []), y, *keys))  # order of rows must not move the last bit
    change = np.zeros(len(order), dtype=bool)
    change[0] = True
    for key in keys:
        change[1:] |= key[order[1:]] != key[order[:-1]]
    start = np.flatnonzero(change)

    def total(values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values[order], start), dtype=np.float64)

    sums = rows.iloc[order[start]].reset_index(drop=True)
    added = {"n": np.diff(np.append(start, len(order))), "total": total(y), "squares": total(y**2)}
    if weighted:
        added |= dict(zip(WEIGHT_SUMS, map(total, (w, w**2, w * y, w**2 * y, w**2 * y**2)), strict=True))
    return sums.assign(**added)


def _constant_in_cells(rows: "pd.DataFrame", names: dict[str, str]) -> "pd.DataFrame":
    for column, name in names.items():
        if n := n_varying(rows, column, ("unit", "period")):
            raise EstimationError(
                f"covariate {name} varies within {n} pairs of unit and period; in design cross_section only "
                "callaway_santanna takes covariates of single rows: use it, or give the mean of each pair."
            )
    return rows.drop_duplicates(["unit", "period"])
