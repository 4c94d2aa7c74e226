"""Groups of rows of anyone's making, checked; what was left out is counted in words.

What belongs here: rules about columns and rows. What does not: SQL (any_groups.py), cells (any_cells.py), estimators.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel, FloatArray
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import ControlGroup
from kkz_eval.evaluation.any_groups import Roles, SampleDesign

if TYPE_CHECKING:
    import pandas as pd

Unbalanced = Literal["keep", "balance"]


def checked_rows(
    rows: "pd.DataFrame", roles: Roles, *, design: SampleDesign, unbalanced: Unbalanced, control: ControlGroup
) -> tuple["pd.DataFrame", list[str]]:
    """The groups of `coded` that are complete and comparable, and in words what was left out.

    Raises EstimationError for everything that would change a result silently.
    """
    _check_units(rows, roles, design)
    notes = _cohort_notes(rows)
    rows, left_out = _complete_rows(rows, roles)
    notes += left_out
    if design == "panel" and unbalanced == "balance":
        rows, left_out = _balanced(rows, roles, control)
        notes += left_out
    _need_treated_and_control(rows, roles)
    return rows, notes + _gap_notes(rows, roles)


def coded(groups: "pd.DataFrame", roles: Roles) -> "pd.DataFrame":
    """Groups (`any_groups.grouped`) in one order, unit and cluster as numbers in the order of the labels' text.

    Raises EstimationError for empty labels, and periods and cohorts that are no periods.
    """
    rows = groups.assign(unit=_labels(groups, "unit", roles.unit))
    period, n_all = rows["period"], rows["rows"].sum()
    if n_bad := int(rows["rows"][~(np.isfinite(period) & (period == period.round()))].sum()):
        raise EstimationError(
            f"column {roles.period} is empty or no whole number in {n_bad} of {n_all} rows; number "
            "the periods 1, 2, 3 … or give years, and fill or remove these rows."
        )
    _check_cohorts(rows, roles)
    if roles.cluster is not None:
        rows["cluster"] = _labels(groups, "cluster", roles.cluster)
    covariates = [f"x{i}" for i in range(len(roles.covariates)) if f"x{i}" in rows]
    return rows.sort_values(["unit", "period", *covariates], kind="stable", ignore_index=True)


def dose_layer(rows: "pd.DataFrame", roles: Roles, panel: CellPanel) -> FloatArray:
    """Doses (U, T) of the cells that were made from coded groups; NaN where the column is empty.

    Raises EstimationError when a dose differs between rows of a unit and period.
    """
    labels = rows["unit"].to_numpy().astype(np.str_)
    row = np.searchsorted(panel.units, labels).clip(max=len(panel.units) - 1)
    column = np.searchsorted(panel.periods, rows["period"].to_numpy()).clip(max=len(panel.periods) - 1)
    is_cell = (panel.units[row] == labels) & (panel.periods[column] == rows["period"].to_numpy())
    varies = is_cell & (rows["dose"] != rows["dose_high"]).to_numpy() & rows["dose"].notna().to_numpy()
    if varies.any():
        raise EstimationError(
            f"column {roles.dose} varies within {int(varies.sum())} pairs of {roles.unit} and {roles.period}; give "
            "one dose per pair."
        )
    layer = np.full(panel.value.shape, np.nan)
    layer[row[is_cell], column[is_cell]] = rows["dose"].to_numpy(dtype=np.float64)[is_cell]
    return layer


def _labels(groups: "pd.DataFrame", column: str, name: str) -> NDArray[np.int64]:
    """Codes of the labels, in the order of their text; numbers are faster than text with millions of groups."""
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    codes, labels = pd.factorize(groups[column])
    if n_empty := int(groups["rows"][codes < 0].sum()):
        raise EstimationError(
            f"column {name} is empty in {n_empty} of {groups['rows'].sum()} rows; fill it, or remove these rows."
        )
    _, order = np.unique(np.array([str(label) for label in labels], dtype=np.str_), return_inverse=True)
    code = order.astype(np.int64) + 10 ** len(str(len(labels)))  # equal length: sorted as text as they are as numbers
    labelled: NDArray[np.int64] = code[codes]
    return labelled


def _check_cohorts(rows: "pd.DataFrame", roles: Roles) -> None:
    first, n_all = rows["cohort"], rows["rows"].sum()
    if n_odd := int(rows["rows"][np.isfinite(first) & (first != first.round())].sum()):
        raise EstimationError(
            f"column {roles.cohort} is no whole period in {n_odd} of {n_all} rows; give the unit's first treated "
            "period."
        )
    if n_low := int(rows["rows"][first <= 0].sum()):
        raise EstimationError(
            f"column {roles.cohort} is 0 or negative in {n_low} of {n_all} rows; name this value as never treated, "
            "or number periods and cohorts from 1."
        )


def _check_units(rows: "pd.DataFrame", roles: Roles, design: SampleDesign) -> None:
    fixed = {"cohort": roles.cohort, "cluster": roles.cluster}
    if design == "panel":
        fixed["weight"] = roles.weights
    for role, name in fixed.items():
        if name is not None:
            _need_constant(rows, role, name, roles)
    if design == "panel":
        twice = rows["rows"] > 1
        if twice.any():
            raise EstimationError(
                f"{int((rows['rows'] - 1).sum())} of {rows['rows'].sum()} rows repeat a pair of {roles.unit} and "
                f"{roles.period}, in {rows.loc[twice, 'unit'].nunique()} units; keep one row per pair, or use design "
                "cross_section."
            )


def _need_constant(rows: "pd.DataFrame", role: str, name: str, roles: Roles) -> None:
    n_bad = n_varying(rows, role)
    if n_bad:
        way = "use its value before adoption" if role == "weight" else "mend the data, or split the unit"
        raise EstimationError(
            f"column {name} varies within {n_bad} of {rows['unit'].nunique()} units of column {roles.unit}; it "
            f"must be one value per unit: {way}."
        )


def n_varying(rows: "pd.DataFrame", column: str) -> int:
    """Number of units with more than one value, between groups or (`column`_high) within one."""
    high = rows[f"{column}_high"] if f"{column}_high" in rows else rows[column]
    by_unit = rows["unit"].to_numpy()
    return int((rows[column].groupby(by_unit).min() < high.groupby(by_unit).max()).sum())


def _cohort_notes(rows: "pd.DataFrame") -> list[str]:
    units = rows.drop_duplicates("unit")
    late = np.isfinite(units["cohort"]) & (units["cohort"] > rows["period"].max())
    return [f"{int(late.sum())} units first treated after the last period count as never treated"] if late.any() else []


def _complete_rows(rows: "pd.DataFrame", roles: Roles) -> tuple["pd.DataFrame", list[str]]:
    """Groups with a row that has outcome and covariates."""
    notes = []
    n_all, n_units = rows["rows"].sum(), rows["unit"].nunique()
    before = n_all
    for i, name in enumerate((roles.outcome, *roles.covariates)):
        n_left = rows[f"left{i}"].sum()
        if before and not n_left:
            raise EstimationError(f"column {name} is empty in all {before} rows that are left; fill it.")
        if n_left < before:
            notes.append(f"{before - n_left} of {n_all} rows left out because column {name} is empty")
        before = n_left
    rows = rows[rows["n"] > 0]
    if notes and (n_gone := n_units - rows["unit"].nunique()):
        notes.append(f"{n_gone} of {n_units} units have no row left")
    return rows, notes


def _balanced(rows: "pd.DataFrame", roles: Roles, control: ControlGroup) -> tuple["pd.DataFrame", list[str]]:
    """Units with a row in every period, as R did keeps them without allow_unbalanced_panel."""
    n_periods = rows["period"].nunique()
    complete = rows["unit"].map(rows["unit"].value_counts()) == n_periods
    if complete.all():
        return rows, []
    kept = rows[complete]
    n_gone, n_units = rows["unit"].nunique() - kept["unit"].nunique(), rows["unit"].nunique()
    if kept.empty:
        raise EstimationError(
            f"none of the {n_units} units of column {roles.unit} has a row in each of the {n_periods} periods; keep "
            "incomplete units (unbalanced = keep), or remove periods."
        )
    had, has = (table.loc[np.isinf(table["cohort"]), "unit"].nunique() for table in (rows, kept))
    if had and not has and control == "never_treated":
        raise EstimationError(
            f"none of the {had} never-treated units has a row in each of the {n_periods} periods; keep incomplete "
            "units (unbalanced = keep), or compare with units not yet treated (control = not_yet_treated)."
        )
    return kept, [f"{n_gone} of {n_units} units without a row in every period left out"]


def _need_treated_and_control(rows: "pd.DataFrame", roles: Roles) -> None:
    units = rows.drop_duplicates("unit")
    cohort, n_units = units["cohort"], len(units)
    first, last = rows["period"].min(), rows["period"].max()
    treated = cohort <= last
    if not treated.any():
        raise EstimationError(
            f"column {roles.cohort}: none of the {n_units} units is treated in the periods {first:.0f} to {last:.0f}; "
            "add treated units or later periods, or check which value means never treated."
        )
    if (cohort[treated] <= first).all():
        raise EstimationError(
            f"column {roles.cohort}: all {int(treated.sum())} treated units of {n_units} are treated from the first "
            f"period {first:.0f} on, so that nothing is known of them before; add earlier periods."
        )
    if treated.all() and cohort.nunique() == 1:
        raise EstimationError(
            f"column {roles.cohort}: all {n_units} units are treated from the same period on, so that there is no "
            "control unit; add units that are treated later or never."
        )


def _gap_notes(rows: "pd.DataFrame", roles: Roles) -> list[str]:
    present = np.unique(rows["period"].to_numpy()).astype(np.int64)
    n_gone = int(present[-1] - present[0] + 1 - len(present))
    if not n_gone:
        return []
    gaps = np.flatnonzero(np.diff(present) > 1)
    named = ", ".join(f"between {present[g]} and {present[g + 1]}" for g in gaps[:5])
    return [
        f"column {roles.period} has no rows in {n_gone} periods ({named}{' …' if len(gaps) > 5 else ''}); event times "
        "count calendar periods"
    ]
