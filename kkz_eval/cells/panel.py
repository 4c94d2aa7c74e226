"""One outcome as a rectangle of cells: units × periods, with adoption cohorts, clusters and fixed weights.

Everything an estimator needs and nothing that belongs to a child.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
NEVER = np.inf


@dataclass(frozen=True, eq=False)
class CellPanel:
    """Cells of one outcome. U units in ascending order of their label, T periods in ascending order.

    outcome: name; units (U,) labels; periods (T,) whole numbers; cohort (U,) first treated period, inf = never;
    cluster (U,) labels; weight (U,) fixed, positive, the same in all periods;
    n (U, T) children, 0 = none examined, NaN = unknown (official rates); total (U, T) sum of the outcome;
    total_of_squares (U, T); value (U, T) mean, NaN where there is none.
    """

    outcome: str
    units: NDArray[np.str_]
    periods: NDArray[np.int64]
    cohort: FloatArray
    cluster: NDArray[np.str_]
    weight: FloatArray
    n: FloatArray
    total: FloatArray
    total_of_squares: FloatArray
    value: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.units), len(self.periods))
        for name in ("n", "total", "total_of_squares", "value"):
            if getattr(self, name).shape != shape:
                raise EstimationError(
                    f"cells of {self.outcome}: {name} has shape {getattr(self, name).shape}, not {shape}."
                )
        for name in ("cohort", "cluster", "weight"):
            if getattr(self, name).shape != shape[:1]:
                raise EstimationError(
                    f"cells of {self.outcome}: {name} has shape {getattr(self, name).shape}, not {shape[:1]}."
                )

    @property
    def is_treated(self) -> NDArray[np.bool_]:
        """(U,) units that adopt within the observed periods."""
        treated: NDArray[np.bool_] = self.cohort <= (self.periods[-1] if len(self.periods) else -NEVER)
        return treated

    @property
    def clusters(self) -> NDArray[np.str_]:
        """Labels of the clusters in ascending order."""
        return np.unique(self.cluster)

    def child_sums(self) -> tuple[FloatArray, FloatArray]:
        """(U, T) weight of the children and weighted sum of their outcome; here children count alike."""
        return self.n, np.where(self.n > 0, self.total, 0.0)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        outcome: str,
        *,
        unit: str = "unit",
        period: str = "period",
        cohort: str = "cohort",
        cluster: str | None = None,
        weight: str | None = None,
        value: str | None = None,
        n: str | None = None,
        total: str | None = None,
        total_of_squares: str | None = None,
    ) -> "CellPanel":
        """Cells from a frame with one row per unit and period; the arguments name its columns.

        Give `n` and `total` (and `total_of_squares`), or `value` (and `n` where known). Cohort: missing or inf = never
        treated. Without `cluster` each unit is its own cluster, without `weight` all units count alike. Unit-periods
        without a row count as cells without children, or as missing where the number of children is unknown.

        Raises EstimationError for missing columns, duplicates, values that vary within a unit, non-numeric entries,
        and data without treated or without comparison units.
        """
        if value is None and (n is None or total is None):
            raise EstimationError(f"cells of {outcome}: name the columns n and total, or the column value.")
        _need_columns(frame, outcome, unit, period, cohort, cluster, weight, value, n, total, total_of_squares)
        row, column, units, periods = _positions(frame, outcome, unit, period)
        shape = (len(units), len(periods))

        def cells(name: str | None, empty: float) -> FloatArray:
            filled = np.full(shape, empty)
            if name is not None:
                filled[row, column] = _numbers(frame, name, outcome)
            return filled

        children = cells(n, np.nan if n is None else 0.0)
        _need_not_negative(children, n or "n", outcome)
        if value is None:
            sums, squares = cells(total, 0.0), cells(total_of_squares, np.nan if total_of_squares is None else 0.0)
            means = np.divide(sums, children, out=np.full(shape, np.nan), where=children > 0)
        else:
            means = cells(value, np.nan)
            sums, squares = means * children, cells(total_of_squares, np.nan)
        panel = CellPanel(
            outcome=outcome,
            units=units,
            periods=periods,
            cohort=_cohorts(frame, cohort, row, len(units), outcome),
            cluster=units if cluster is None else _per_unit_label(frame, cluster, row, len(units), outcome),
            weight=np.ones(len(units)) if weight is None else _weights(frame, weight, row, len(units), outcome),
            n=children,
            total=sums,
            total_of_squares=squares,
            value=means,
        )
        panel._need_comparison(cohort)
        return panel

    @classmethod
    def from_micro(
        cls,
        frame: "pd.DataFrame",
        outcome: str,
        *,
        unit: str = "unit",
        period: str = "period",
        cohort: str = "cohort",
        cluster: str | None = None,
        weight: str | None = None,
        value: str = "value",
    ) -> "CellPanel":
        """Cells from one row per child (repeated cross-section); rows without an outcome are left out.

        Errors as `from_frame`.
        """
        _need_columns(frame, outcome, unit, period, cohort, cluster, weight, value)
        measured = frame.assign(_y=_numbers(frame, value, outcome)).dropna(subset=["_y"])
        measured = measured.sort_values([unit, period, "_y"], kind="stable")  # order of rows must not move the last bit
        measured["_yy"] = measured["_y"] ** 2
        fixed = [name for name in (cohort, cluster, weight) if name is not None and name != unit]
        for name in fixed:
            _need_constant(measured, unit, name, outcome)
        grouped = measured.groupby([unit, period], sort=True, observed=True)
        table = grouped.agg(_n=("_y", "size"), _total=("_y", "sum"), _squares=("_yy", "sum")).reset_index()
        attributes = measured.drop_duplicates(unit)[[unit, *fixed]]
        return cls.from_frame(
            table.merge(attributes, on=unit, how="left", validate="many_to_one"),
            outcome,
            unit=unit,
            period=period,
            cohort=cohort,
            cluster=cluster,
            weight=weight,
            n="_n",
            total="_total",
            total_of_squares="_squares",
        )

    def select(self, keep: NDArray[np.bool_]) -> "CellPanel":
        """The panel with only the units where keep (U,) holds. The periods stay."""
        return CellPanel(
            self.outcome, self.units[keep], self.periods, self.cohort[keep], self.cluster[keep], self.weight[keep],
            self.n[keep], self.total[keep], self.total_of_squares[keep], self.value[keep],
        )  # fmt: skip

    def select_periods(self, keep: NDArray[np.bool_]) -> "CellPanel":
        """The panel with only the periods where keep (T,) holds. The units stay."""
        return CellPanel(
            self.outcome, self.units, self.periods[keep], self.cohort, self.cluster, self.weight,
            self.n[:, keep], self.total[:, keep], self.total_of_squares[:, keep], self.value[:, keep],
        )  # fmt: skip

    def without_cluster(self, label: str) -> "CellPanel":
        """The panel without one cluster.

        Raises EstimationError when there is no such cluster.
        """
        keep = self.cluster != label
        if keep.all():
            raise EstimationError(
                f"cells of {self.outcome}: there is no cluster {label}; choose one of {len(self.clusters)}."
            )
        return self.select(keep)

    def _need_comparison(self, column: str) -> None:
        treated = self.is_treated
        if not treated.any():
            raise EstimationError(
                f"cells of {self.outcome}: none of the {len(self.units)} units has a first treated period in column "
                f"{column} up to {self.periods[-1]}; add treated units or an outcome that is measured after adoption."
            )
        if np.all(self.cohort == self.cohort[0]):
            raise EstimationError(
                f"cells of {self.outcome}: all {len(self.units)} units have the same first treated period in column "
                f"{column}; add units that are treated later or never."
            )


def _need_columns(frame: "pd.DataFrame", outcome: str, *names: str | None) -> None:
    absent = sorted({name for name in names if name is not None and name not in frame.columns})
    if absent:
        raise EstimationError(
            f"cells of {outcome}: the frame has no column {', '.join(absent)}; "
            f"it has {', '.join(map(str, frame.columns))}."
        )
    if frame.empty:
        raise EstimationError(f"cells of {outcome}: the frame has no rows; check the filter that made it.")


def _positions(
    frame: "pd.DataFrame", outcome: str, unit: str, period: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.str_], NDArray[np.int64]]:
    """Row and column of each line of the frame, labels of units, periods; every cell must occur at most once."""
    if int(frame[unit].isna().sum()):
        raise EstimationError(
            f"cells of {outcome}: column {unit} is empty in {int(frame[unit].isna().sum())} rows; fill it."
        )
    years = _numbers(frame, period, outcome)
    if not np.isfinite(years).all() or (years != np.round(years)).any():
        raise EstimationError(
            f"cells of {outcome}: column {period} must hold whole numbers without gaps in the rows; mend it."
        )
    units, row = np.unique(frame[unit].astype(str).to_numpy(dtype=np.str_), return_inverse=True)
    periods, column = np.unique(years.astype(np.int64), return_inverse=True)
    cell = row * len(periods) + column
    n_twice = len(cell) - len(np.unique(cell))
    if n_twice:
        raise EstimationError(
            f"cells of {outcome}: {n_twice} rows repeat a pair of {unit} and {period}; aggregate to one row per pair "
            "(for rows of children use CellPanel.from_micro)."
        )
    return row, column, units, periods


def _numbers(frame: "pd.DataFrame", name: str, outcome: str) -> FloatArray:
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    column: Any = frame[name]
    try:
        # pandas has no converter for DECIMAL columns (objects), float() has
        numbers = column.map(float, na_action="ignore") if column.dtype == object else pd.to_numeric(column)
        converted: FloatArray = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise EstimationError(
            f"cells of {outcome}: column {name} has type {column.dtype} and cannot be read as numbers; "
            "convert it first."
        ) from None
    return converted


def _need_not_negative(children: FloatArray, name: str, outcome: str) -> None:
    n_bad = int(((children < 0) | np.isinf(children)).sum())
    if n_bad:
        raise EstimationError(
            f"cells of {outcome}: column {name} is negative or infinite in {n_bad} cells; counts start at 0."
        )


def _per_unit(values: FloatArray, row: NDArray[np.intp], n_units: int, name: str, outcome: str) -> FloatArray:
    """The one value of each unit; it must not vary between the periods of a unit."""
    chosen = np.full(n_units, np.nan)
    chosen[row[::-1]] = values[::-1]
    n_varying = len(np.unique(row[values != chosen[row]]))
    if n_varying:
        raise EstimationError(
            f"cells of {outcome}: column {name} varies between periods in {n_varying} of {n_units} units; "
            "it must be one value per unit: mend the source or split the unit."
        )
    return chosen


def _cohorts(frame: "pd.DataFrame", name: str, row: NDArray[np.intp], n_units: int, outcome: str) -> FloatArray:
    first = _numbers(frame, name, outcome)
    first = np.where(np.isnan(first), NEVER, first)
    n_bad = int((first <= 0).sum())
    if n_bad:
        raise EstimationError(
            f"cells of {outcome}: column {name} is 0 or negative in {n_bad} rows; "
            "leave it empty for units that are never treated."
        )
    finite = first[np.isfinite(first)]
    if (finite != np.round(finite)).any():
        raise EstimationError(
            f"cells of {outcome}: column {name} must hold whole periods or be empty; round it to a period."
        )
    return _per_unit(first, row, n_units, name, outcome)


def _weights(frame: "pd.DataFrame", name: str, row: NDArray[np.intp], n_units: int, outcome: str) -> FloatArray:
    weights = _numbers(frame, name, outcome)
    n_bad = int((~np.isfinite(weights) | (weights <= 0)).sum())
    if n_bad:
        raise EstimationError(
            f"cells of {outcome}: column {name} is missing, infinite, zero or negative in {n_bad} rows; "
            "give every unit one positive weight or leave the unit out."
        )
    return _per_unit(weights, row, n_units, name, outcome)


def _per_unit_label(
    frame: "pd.DataFrame", name: str, row: NDArray[np.intp], n_units: int, outcome: str
) -> NDArray[np.str_]:
    n_empty = int(frame[name].isna().sum())
    if n_empty:
        raise EstimationError(
            f"cells of {outcome}: column {name} is empty in {n_empty} rows; every unit needs a cluster."
        )
    labels, code = np.unique(frame[name].astype(str).to_numpy(dtype=np.str_), return_inverse=True)
    chosen = _per_unit(code.astype(np.float64), row, n_units, name, outcome)
    return labels[chosen.astype(np.intp)]


def _need_constant(frame: "pd.DataFrame", unit: str, name: str, outcome: str) -> None:
    varying = int((frame.groupby(unit, observed=True)[name].nunique(dropna=False) > 1).sum())
    if varying:
        raise EstimationError(
            f"cells of {outcome}: column {name} varies between rows in {varying} units; it must be one value per unit."
        )
