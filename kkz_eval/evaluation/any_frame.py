"""A frame of anyone's making, checked; what was left out is counted in words.

What belongs here: rules about columns and rows. What does not: cells (any_cells.py), estimators, files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import NEVER, FloatArray
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import ControlGroup
from kkz_eval.warehouse import nearest

if TYPE_CHECKING:
    import pandas as pd

Unbalanced = Literal["keep", "balance"]
SampleDesign = Literal["panel", "cross_section"]


@dataclass(frozen=True)
class Roles:
    """Which column is what. `never`: the cohort of never-treated units besides empty and infinite ones."""

    outcome: str
    unit: str
    period: str
    cohort: str
    cluster: str | None = None
    weights: str | None = None
    covariates: tuple[str, ...] = ()
    never: float | None = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns named, each once."""
        named = (self.outcome, self.unit, self.period, self.cohort, self.cluster, self.weights, *self.covariates)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns whose values are names, not numbers."""
        return tuple(name for name in (self.unit, self.cluster) if name is not None)


def checked_rows(
    frame: "pd.DataFrame", roles: Roles, *, design: SampleDesign, unbalanced: Unbalanced, control: ControlGroup
) -> tuple["pd.DataFrame", list[str]]:
    """Rows by role, complete and comparable, and in words what was left out.

    Columns: unit, cluster (numbers in the order of the labels' text), period, cohort (inf: never), y, weight, x0, x1, …
    Raises EstimationError for everything that would change a result silently.
    """
    rows = _read(frame, roles)
    _check_units(rows, roles, design)
    notes = _cohort_notes(rows)
    rows, left_out = _complete_rows(rows, roles)
    notes += left_out
    if design == "panel" and unbalanced == "balance":
        rows, left_out = _balanced(rows, roles, control)
        notes += left_out
    _need_treated_and_control(rows, roles)
    return rows, notes + _gap_notes(rows, roles)


def _read(frame: "pd.DataFrame", roles: Roles) -> "pd.DataFrame":
    """The columns by role: unit and cluster as text, all others as numbers; cohort infinite for never treated."""
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    names = [str(name) for name in frame.columns]
    for name in roles.columns:
        if names.count(name) != 1:
            raise EstimationError(
                f"column {name} occurs {names.count(name)} times; rename all but one."
                if name in names
                else f"there is no column {name}; {nearest(name, names)}"
            )
    if frame.empty:
        raise EstimationError("the data have no rows; check the filter that made them.")
    rows = pd.DataFrame({"unit": _labels(frame, roles.unit), "period": _numbers(frame, roles.period)})
    whole = np.isfinite(rows["period"]) & (rows["period"] == rows["period"].round())
    if not whole.all():
        raise EstimationError(
            f"column {roles.period} is empty or no whole number in {int((~whole).sum())} of {len(rows)} rows; number "
            "the periods 1, 2, 3 … or give years, and fill or remove these rows."
        )
    rows["cohort"] = _first_periods(_numbers(frame, roles.cohort), rows["period"].to_numpy(), roles)
    rows["y"] = _numbers(frame, roles.outcome)
    if roles.cluster is not None:
        rows["cluster"] = _labels(frame, roles.cluster)
    if roles.weights is not None:
        rows["weight"] = _numbers(frame, roles.weights)
    for position, name in enumerate(roles.covariates):
        rows[f"x{position}"] = _numbers(frame, name)
    return rows


def _labels(frame: "pd.DataFrame", name: str) -> NDArray[np.int64]:
    """Codes of the labels, in the order of their text; numbers are faster than text with millions of rows."""
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    column: Any = frame[name]
    codes, labels = pd.factorize(column)
    if n_empty := int((codes < 0).sum()):
        raise EstimationError(
            f"column {name} is empty in {n_empty} of {len(column)} rows; fill it, or remove these rows."
        )
    _, order = np.unique(np.array([str(label) for label in labels], dtype=np.str_), return_inverse=True)
    code = order.astype(np.int64) + 10 ** len(str(len(labels)))  # equal length: sorted as text as they are as numbers
    labelled: NDArray[np.int64] = code[codes]
    return labelled


def _numbers(frame: "pd.DataFrame", name: str) -> FloatArray:
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    column: Any = frame[name]
    if pd.api.types.is_datetime64_any_dtype(column):
        raise EstimationError(f"column {name} holds dates; give whole numbers, for example the year.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    n_bad = int((np.isnan(values) & column.notna().to_numpy()).sum())
    if n_bad:
        raise EstimationError(
            f"column {name} holds text that is no number in {n_bad} of {len(values)} rows; convert it to numbers "
            "(categories to columns of 0 and 1) and leave missing values empty."
        )
    return np.asarray(values, dtype=np.float64)


def _first_periods(cohort: FloatArray, period: FloatArray, roles: Roles) -> FloatArray:
    never = roles.never
    if never is not None and period.min() < never <= period.max() and (cohort == never).any():
        raise EstimationError(
            f"column {roles.cohort}: {never:g} may be a first treated period or mean never treated, as the periods run "
            f"from {period.min():.0f} to {period.max():.0f}; name another value as never treated, or inf."
        )
    is_never = ~np.isfinite(cohort) if never is None else ~np.isfinite(cohort) | (cohort == never)
    first: FloatArray = np.where(is_never, NEVER, cohort)
    odd = np.isfinite(first) & (first != np.round(first))
    if odd.any():
        raise EstimationError(
            f"column {roles.cohort} is no whole period in {int(odd.sum())} of {len(first)} rows; give the unit's "
            "first treated period."
        )
    if low := int((first <= 0).sum()):
        raise EstimationError(
            f"column {roles.cohort} is 0 or negative in {low} of {len(first)} rows; name this value as never treated, "
            "or number periods and cohorts from 1."
        )
    return first


def _check_units(rows: "pd.DataFrame", roles: Roles, design: SampleDesign) -> None:
    if roles.weights is not None:
        weight = rows["weight"]
        n_bad = int((~np.isfinite(weight) | (weight <= 0)).sum())
        if n_bad:
            raise EstimationError(
                f"column {roles.weights} is missing, infinite, zero or negative in {n_bad} of {len(rows)} rows; give "
                "every row a positive weight, or remove these rows."
            )
    fixed = {"cohort": roles.cohort, "cluster": roles.cluster}
    if design == "panel":
        fixed["weight"] = roles.weights
    for role, name in fixed.items():
        if name is not None:
            _need_constant(rows, role, name, roles)
    if design == "panel":
        twice = rows.duplicated(["unit", "period"], keep="first")
        if twice.any():
            raise EstimationError(
                f"{int(twice.sum())} of {len(rows)} rows repeat a pair of {roles.unit} and {roles.period}, in "
                f"{rows.loc[twice, 'unit'].nunique()} units; keep one row per pair, or use design cross_section."
            )


def _need_constant(rows: "pd.DataFrame", role: str, name: str, roles: Roles) -> None:
    n_bad = n_varying(rows, role, ("unit",))
    if n_bad:
        way = "use its value before adoption" if role == "weight" else "mend the data, or split the unit"
        raise EstimationError(
            f"column {name} varies within {n_bad} of {rows['unit'].nunique()} units of column {roles.unit}; it "
            f"must be one value per unit: {way}."
        )


def n_varying(rows: "pd.DataFrame", column: str, by: Sequence[str]) -> int:
    """Number of groups with more than one value; the groups are numbered, the values not empty."""
    values = rows[column].to_numpy()
    group = group_numbers(rows, by)
    first = np.zeros(int(group.max(initial=-1)) + 1)
    first[group[::-1]] = values[::-1]
    return len(np.unique(group[values != first[group]]))


def group_numbers(rows: "pd.DataFrame", by: Sequence[str]) -> NDArray[np.int64]:
    """One number per unit, or per pair of unit and period."""
    code = rows["unit"].to_numpy(dtype=np.int64)
    unit: NDArray[np.int64] = code - code.min()
    if by == ("unit",):
        return unit
    period = rows["period"].to_numpy().astype(np.int64)
    low, high = period.min(), period.max()
    key: NDArray[np.int64] = unit * (high - low + 1) + period - low
    return key


def _cohort_notes(rows: "pd.DataFrame") -> list[str]:
    units = rows.drop_duplicates("unit")
    late = np.isfinite(units["cohort"]) & (units["cohort"] > rows["period"].max())
    return [f"{int(late.sum())} units first treated after the last period count as never treated"] if late.any() else []


def _complete_rows(rows: "pd.DataFrame", roles: Roles) -> tuple["pd.DataFrame", list[str]]:
    """Rows with outcome and covariates."""
    notes = []
    n_all, n_units = len(rows), rows["unit"].nunique()
    values = {roles.outcome: "y", **{name: f"x{i}" for i, name in enumerate(roles.covariates)}}
    for name, column in values.items():
        if n_infinite := int(np.isinf(rows[column]).sum()):
            raise EstimationError(f"column {name} is infinite in {n_infinite} of {n_all} rows; mend or empty them.")
        n_empty = int(rows[column].isna().sum())
        if n_empty == len(rows):
            raise EstimationError(f"column {name} is empty in all {n_empty} rows that are left; fill it.")
        if n_empty:
            notes.append(f"{n_empty} of {n_all} rows left out because column {name} is empty")
            rows = rows[rows[column].notna()]
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
