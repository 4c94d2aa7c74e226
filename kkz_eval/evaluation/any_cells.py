"""Cells from the groups of any data, in a panel or a repeated cross-section.

What belongs here: how groups become cells, weights and covariates. What does not: checks of groups (any_frame.py).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel, FloatArray
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import ControlGroup, Design, Method
from kkz_eval.evaluation.any_frame import Unbalanced, checked_rows, coded, dose_layer, n_varying
from kkz_eval.evaluation.any_groups import WEIGHT_SUMS, Kept, Roles, SampleDesign, grouped
from kkz_eval.warehouse import Rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Prepared:
    """Cells, covariates that the options of an estimator take (U, T, k), the design, and in words what was left out.

    knows_children: False when `n` of the cells is a sum of weights. dose (U, T): where a column of doses is named.
    """

    panel: CellPanel
    covariates: FloatArray | None
    design: Design
    notes: tuple[str, ...]
    knows_children: bool = True
    dose: FloatArray | None = None


def prepare(
    rows: Rows,
    roles: Roles,
    *,
    design: SampleDesign,
    unbalanced: Unbalanced,
    by_profile: bool,
    method: Method,
    control: ControlGroup,
) -> Prepared:
    """Cells of the rows.

    by_profile: the estimator takes covariates of children (`callaway_santanna`); in a panel their covariates are then
    one value per unit. Raises EstimationError for everything that would change a result silently.
    """
    kept = _kept(roles, design=design, by_profile=by_profile, method=method)
    all_groups = coded(grouped(rows, roles, design=design, kept=kept), roles)
    groups, notes = checked_rows(all_groups, roles, design=design, unbalanced=unbalanced, control=control)
    if kept == "value":
        prepared = _panel(groups, roles, by_profile=by_profile)
    elif kept == "sums":
        prepared = _sums(groups, roles)
    else:
        prepared = _of_children(groups, roles, kept)
    dose = None if roles.dose is None else dose_layer(all_groups, roles, prepared.panel)
    return replace(prepared, notes=tuple(notes), dose=dose)


def _kept(roles: Roles, *, design: SampleDesign, by_profile: bool, method: Method) -> Kept:
    """What the estimator needs of the rows. Regression on covariates needs their moments alone, of any kind."""
    if design == "panel":
        return "value"
    if not by_profile or not (roles.covariates or roles.weights):
        return "sums"
    return "moments" if roles.covariates and method == "reg" else "profiles"


def _panel(groups: "pd.DataFrame", roles: Roles, *, by_profile: bool) -> Prepared:
    if by_profile:
        _need_constant_covariates(groups, roles)
    groups = groups.assign(total=groups["y"], squares=groups["y"] ** 2)
    panel = CellPanel.from_frame(groups, roles.outcome, **_columns(roles, has_unit_weight=roles.weights is not None))
    covariates = _layers(groups, roles, panel) if roles.covariates else None
    is_balanced = len(groups) == groups["unit"].nunique() * groups["period"].nunique()
    return Prepared(panel, covariates, "panel" if is_balanced else "unbalanced", ())


def _columns(roles: Roles, *, has_unit_weight: bool) -> dict[str, Any]:
    return {
        "cluster": None if roles.cluster is None else "cluster",
        "weight": "weight" if has_unit_weight else None,
        "n": "n",
        "total": "total",
        "total_of_squares": "squares",
    }


def _need_constant_covariates(groups: "pd.DataFrame", roles: Roles) -> None:
    for position, name in enumerate(roles.covariates):
        if n := n_varying(groups, f"x{position}"):
            raise EstimationError(
                f"covariate {name} varies within {n} of {groups['unit'].nunique()} units; callaway_santanna needs one "
                "value per unit in a panel: take its value before adoption."
            )


def _layers(groups: "pd.DataFrame", roles: Roles, panel: CellPanel) -> FloatArray:
    """(U, T, k) covariates of the cells, zero where a cell has no row."""
    layers = np.zeros((*panel.value.shape, len(roles.covariates)))
    row = np.searchsorted(panel.units, groups["unit"].to_numpy().astype(np.str_))
    column = np.searchsorted(panel.periods, groups["period"].to_numpy())
    for position in range(len(roles.covariates)):
        layers[row, column, position] = groups[f"x{position}"].to_numpy()
    return layers


def _sums(groups: "pd.DataFrame", roles: Roles) -> Prepared:
    """Cells for regressions of cell means, in which a child counts by its weight if weights vary within units."""
    for position, name in enumerate(roles.covariates):
        if n := int((groups[f"x{position}"] < groups[f"x{position}_high"]).sum()):
            raise EstimationError(
                f"covariate {name} varies within {n} pairs of unit and period; in design cross_section only "
                "callaway_santanna takes covariates of single rows: use it, or give the mean of each pair."
            )
    varies = _varies(groups, roles)
    columns = _columns(roles, has_unit_weight=roles.weights is not None and not varies)
    panel = CellPanel.from_frame(groups, roles.outcome, **columns)
    if varies:
        whole = ProfilePanel.from_profiles(groups, roles.outcome, (), weight_sums=WEIGHT_SUMS, **columns)
        panel = MomentPanel.from_profile_panel(whole).outcome_cells()
    covariates = _layers(groups, roles, panel) if roles.covariates else None
    return Prepared(panel, covariates, "cross_section", (), knows_children=not varies)


def _of_children(groups: "pd.DataFrame", roles: Roles, kept: Kept) -> Prepared:
    """Cells that know the covariates and weights of their children."""
    varies = _varies(groups, roles)
    columns = _columns(roles, has_unit_weight=roles.weights is not None and not varies)
    if kept == "moments":
        return Prepared(_moments(groups, roles, columns, varies=varies), None, "cross_section", ())
    if not roles.covariates and not varies:
        return Prepared(CellPanel.from_frame(groups, roles.outcome, **columns), None, "cross_section", ())
    names = [f"x{position}" for position in range(len(roles.covariates))]
    weight_sums = WEIGHT_SUMS if varies else None
    panel = ProfilePanel.from_profiles(groups, roles.outcome, names, weight_sums=weight_sums, **columns)
    return Prepared(replace(panel, covariate_names=roles.covariates), None, "cross_section", ())


def _varies(groups: "pd.DataFrame", roles: Roles) -> bool:
    return roles.weights is not None and n_varying(groups, "weight") > 0


def _moments(groups: "pd.DataFrame", roles: Roles, columns: dict[str, Any], *, varies: bool) -> MomentPanel:
    x = {name: f"m{i}" for i, name in enumerate(roles.covariates)}
    pairs = [(i, j) for i in range(len(x)) for j in range(i, len(x))]
    xx = {(roles.covariates[i], roles.covariates[j]): f"m{i}_{j}" for i, j in pairs}
    xy = {name: f"m{i}_y" for i, name in enumerate(roles.covariates)}
    if roles.weights is not None and not varies:  # one weight per unit stands beside the moments, not in them
        plain = [*x.values(), *xx.values(), *xy.values()]
        groups = groups.assign(**{name: groups[name] / groups["weight"] for name in plain})
    panel = MomentPanel.from_moments(groups, roles.outcome, x, xx, xy, **columns)
    if not varies:
        return panel
    whole = ProfilePanel.from_profiles(groups, roles.outcome, (), weight_sums=WEIGHT_SUMS, **columns)
    moments, cross = panel.moments.copy(), panel.cross.copy()
    moments[..., 0, 0], cross[..., 0] = whole.child_sums()
    return replace(panel, moments=moments, cross=cross, value=whole.value)
