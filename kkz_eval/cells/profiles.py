"""Cells that also know the covariates of their children: one row per unit, period and profile of covariates."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel, FloatArray, _need_columns, _need_constant, _numbers
from kkz_eval.errors import EstimationError

if TYPE_CHECKING:
    import pandas as pd

CodeArray = NDArray[np.intp]
N, W, WW, WY, WWY, WWYY = range(6)


@dataclass(frozen=True, eq=False)
class ProfilePanel(CellPanel):
    """A panel whose cells are split by profile: a combination of k covariate values. R rows, P profiles.

    covariate_names (k,); profiles (P, k); row_unit, row_period, row_profile (R,) positions, ordered by period, unit,
    profile, every combination once; sums (R, 6): children n, Σw, Σw², Σwy, Σw²y, Σw²y² with w the weight of a child
    within its unit (1 without), squares NaN where unknown, n NaN where unknown; missing (U,) children (NaN: number
    unknown) left out because a covariate is missing; has_missing (U,).
    The inherited cells are those of the rows together; `value` is Σwy/Σw.
    """

    covariate_names: tuple[str, ...]
    profiles: FloatArray
    row_unit: CodeArray
    row_period: CodeArray
    row_profile: CodeArray
    sums: FloatArray
    missing: FloatArray
    has_missing: NDArray[np.bool_]

    @classmethod
    def from_profiles(
        cls,
        frame: "pd.DataFrame",
        outcome: str,
        covariates: Sequence[str],
        *,
        unit: str = "unit",
        period: str = "period",
        cohort: str = "cohort",
        cluster: str | None = None,
        weight: str | None = None,
        n: str = "n",
        total: str = "total",
        total_of_squares: str | None = None,
        weight_sums: tuple[str, str, str, str, str] | None = None,
    ) -> "ProfilePanel":
        """Cells from a frame with rows of unit, period and profile; rows of the same three are added up.

        covariates: numeric columns (code categories as indicators). weight_sums: the columns Σw, Σw², Σwy, Σw²y, Σw²y²
        of weighted children. Rows with a missing covariate are left out and counted. Other arguments and errors as
        `CellPanel.from_frame`, but a pair of unit and period may occur often.
        """
        names = (n, total, *([total_of_squares] if total_of_squares else []), *(weight_sums or ()))
        _need_columns(frame, outcome, unit, period, cohort, cluster, weight, *names, *covariates)
        x = np.column_stack([np.empty((len(frame), 0)), *(_numbers(frame, name, outcome) for name in covariates)])
        sums = _row_sums(frame, outcome, n, total, total_of_squares, weight_sums)
        complete = np.isfinite(x).all(axis=1)
        kept = complete & (sums[:, N] > 0)
        plain = {"n": n, "total": total, "total_of_squares": total_of_squares}
        base = _whole_cells(frame, outcome, kept, plain, unit, period, cohort, cluster, weight)
        row = np.searchsorted(base.units, frame[unit].astype(str).to_numpy(dtype=np.str_)).astype(np.intp)
        column = np.searchsorted(base.periods, _numbers(frame, period, outcome)).astype(np.intp)
        left_out = ~complete & (sums[:, N] > 0)
        missing = sum_rows(row[left_out], sums[left_out, N], len(base.units))
        panel = _assemble(base, tuple(covariates), x[kept], row[kept], column[kept], sums[kept], missing, missing > 0)
        mass, weighted = panel.child_sums()
        return replace(panel, value=np.divide(weighted, mass, out=np.full(mass.shape, np.nan), where=mass > 0))

    @classmethod
    def from_children(
        cls,
        frame: "pd.DataFrame",
        outcome: str,
        covariates: Sequence[str],
        *,
        unit: str = "unit",
        period: str = "period",
        cohort: str = "cohort",
        cluster: str | None = None,
        weight: str | None = None,
        value: str = "value",
        child_weight: str | None = None,
    ) -> "ProfilePanel":
        """Cells from one row per child; rows without an outcome are left out. Arguments as `from_profiles`.

        child_weight: weight of a child within its unit, positive. Errors as `from_profiles`.
        """
        _need_columns(frame, outcome, unit, period, cohort, cluster, weight, value, child_weight, *covariates)
        measured = frame.assign(_y=_numbers(frame, value, outcome)).dropna(subset=["_y"])
        w = np.ones(len(measured)) if child_weight is None else _numbers(measured, child_weight, outcome)
        n_bad = int((~np.isfinite(w) | (w <= 0)).sum())
        if n_bad:
            raise EstimationError(
                f"cells of {outcome}: column {child_weight} is missing, infinite, zero or negative in {n_bad} rows; "
                "give every child a positive weight or leave the child out."
            )
        y = measured["_y"].to_numpy()
        sums = {"_n": 1, "_yy": y**2, "_w": w, "_ww": w**2, "_wy": w * y, "_wwy": w**2 * y, "_wwyy": w**2 * y**2}
        return cls.from_profiles(
            measured.assign(**sums), outcome, covariates, unit=unit, period=period, cohort=cohort, cluster=cluster,
            weight=weight, n="_n", total="_y", total_of_squares="_yy",
            weight_sums=("_w", "_ww", "_wy", "_wwy", "_wwyy"),
        )  # fmt: skip

    @classmethod
    def from_cells(cls, panel: CellPanel, covariates: FloatArray, names: Sequence[str]) -> "ProfilePanel":
        """A panel with covariates (U, T, k) or (U, k) that are the same for all children of a cell.

        Cells with a missing covariate are left out and counted. Raises EstimationError for a wrong shape.
        """
        n_units, n_periods = panel.value.shape
        if covariates.ndim == 2:
            covariates = np.broadcast_to(covariates[:, None], (len(covariates), n_periods, covariates.shape[1]))
        if covariates.shape != (n_units, n_periods, len(names)):
            raise EstimationError(
                f"cells of {panel.outcome}: covariates have shape {covariates.shape}, not "
                f"{(n_units, n_periods, len(names))} for the units, periods and {len(names)} names."
            )
        has_value, complete = np.isfinite(panel.value), np.isfinite(covariates).all(axis=2)
        gone = has_value & ~complete
        base = replace(
            panel,
            n=np.where(gone, 0.0, panel.n),
            total=np.where(gone, 0.0, panel.total),
            total_of_squares=np.where(gone, 0.0, panel.total_of_squares),
            value=np.where(gone, np.nan, panel.value),
        )
        row, column = np.nonzero(has_value & complete)
        n, total, squares = (array[row, column] for array in (base.n, base.total, base.total_of_squares))
        sums = np.column_stack([n, n, n, total, total, squares])
        missing = np.where(gone, panel.n, 0.0).sum(axis=1)
        has_missing: NDArray[np.bool_] = np.asarray(gone.any(axis=1))
        return _assemble(base, tuple(names), covariates[row, column], row, column, sums, missing, has_missing)

    def select(self, keep: NDArray[np.bool_]) -> "ProfilePanel":
        """The panel with only the units where keep (U,) holds. The periods stay."""
        rows = keep[self.row_unit]
        unit = (np.cumsum(keep) - 1)[self.row_unit[rows]].astype(np.intp)
        base = super().select(keep)
        return self._with(base, rows, unit, self.row_period[rows], self.missing[keep], self.has_missing[keep])

    def select_periods(self, keep: NDArray[np.bool_]) -> "ProfilePanel":
        """The panel with only the periods where keep (T,) holds. The units stay."""
        rows = keep[self.row_period]
        period = (np.cumsum(keep) - 1)[self.row_period[rows]].astype(np.intp)
        base = super().select_periods(keep)
        return self._with(base, rows, self.row_unit[rows], period, self.missing, self.has_missing)

    def child_sums(self) -> tuple[FloatArray, FloatArray]:
        """Σw and Σwy of the children, each (U, T)."""
        cell = self.row_unit * len(self.periods) + self.row_period
        size = len(self.units) * len(self.periods)
        mass, total = (sum_rows(cell, self.sums[:, s], size).reshape(self.n.shape) for s in (W, WY))
        return mass, total

    def missing_note(self) -> str:
        """What was left out for lack of covariates, in plain words; empty when nothing was."""
        n_units, n_children = int(self.has_missing.sum()), self.missing.sum()
        if n_units == 0:
            return ""
        counted = f"{n_children:.0f} children in " if np.isfinite(n_children) else ""
        return f"{counted}{n_units} units without covariate values left out"

    def _with(
        self,
        base: CellPanel,
        rows: NDArray[np.bool_],
        unit: CodeArray,
        period: CodeArray,
        missing: FloatArray,
        has_missing: NDArray[np.bool_],
    ) -> "ProfilePanel":
        return ProfilePanel(
            **_inherited(base),
            covariate_names=self.covariate_names,
            profiles=self.profiles,
            row_unit=unit,
            row_period=period,
            row_profile=self.row_profile[rows],
            sums=self.sums[rows],
            missing=missing,
            has_missing=has_missing,
        )


def sum_rows(code: CodeArray, values: FloatArray, size: int) -> FloatArray:
    """Sums (size,) of values (R,) by code (R,), in row order."""
    return np.bincount(code, values, size).astype(np.float64)


def _inherited(base: CellPanel) -> dict[str, Any]:
    return {field.name: getattr(base, field.name) for field in fields(CellPanel)}


def _row_sums(
    frame: "pd.DataFrame",
    outcome: str,
    n: str,
    total: str,
    total_of_squares: str | None,
    weight_sums: tuple[str, str, str, str, str] | None,
) -> FloatArray:
    children = _numbers(frame, n, outcome)
    n_bad = int((~np.isfinite(children) | (children < 0)).sum())
    if n_bad:
        raise EstimationError(
            f"cells of {outcome}: column {n} is missing, negative or infinite in {n_bad} rows; counts start at 0."
        )
    if weight_sums is not None:
        return np.column_stack([children, *(_numbers(frame, name, outcome) for name in weight_sums)])
    y = _numbers(frame, total, outcome)
    squares = np.full(len(y), np.nan) if total_of_squares is None else _numbers(frame, total_of_squares, outcome)
    return np.column_stack([children, children, children, y, y, squares])


def _whole_cells(
    frame: "pd.DataFrame",
    outcome: str,
    kept: NDArray[np.bool_],
    plain: dict[str, str | None],
    unit: str,
    period: str,
    cohort: str,
    cluster: str | None,
    weight: str | None,
) -> CellPanel:
    """The cells without their profiles, from the rows kept; units without such rows stay, empty."""
    attributes = list(dict.fromkeys(name for name in (cohort, cluster, weight) if name is not None and name != unit))
    for name in attributes:
        _need_constant(frame, unit, name, outcome)
    given = {f"_{key}": _numbers(frame, name, outcome) for key, name in plain.items() if name is not None}
    table = frame[[unit, period]].assign(**{key: np.where(kept, column, 0.0) for key, column in given.items()})
    table = table.sort_values([unit, period, *given], kind="stable")  # order of rows must not move the last bit
    table = table.groupby([unit, period], sort=True, observed=True).sum().reset_index()
    return CellPanel.from_frame(
        table.merge(frame.drop_duplicates(unit)[[unit, *attributes]], on=unit, how="left", validate="many_to_one"),
        outcome, unit=unit, period=period, cohort=cohort, cluster=cluster, weight=weight, n="_n", total="_total",
        total_of_squares="_total_of_squares" if "_total_of_squares" in given else None,
    )  # fmt: skip


def _assemble(
    base: CellPanel,
    names: tuple[str, ...],
    x: FloatArray,
    unit: CodeArray,
    period: CodeArray,
    sums: FloatArray,
    missing: FloatArray,
    has_missing: NDArray[np.bool_],
) -> ProfilePanel:
    """Rows in their order, each combination of unit, period and profile once."""
    if x.shape[1]:
        profiles, profile = np.unique(x, axis=0, return_inverse=True)
    else:
        profiles, profile = np.zeros((1, 0)), np.zeros(len(x), dtype=np.intp)
    profile = profile.reshape(-1).astype(np.intp)
    order = np.lexsort((*sums.T, profile, unit, period))
    key = np.column_stack([period, unit, profile])[order]
    starts = np.ones(len(key), dtype=bool)
    starts[1:] = (key[1:] != key[:-1]).any(axis=1)
    added = np.zeros((int(starts.sum()), sums.shape[1]))
    np.add.at(added, np.cumsum(starts) - 1, sums[order])
    return ProfilePanel(
        **_inherited(base),
        covariate_names=names,
        profiles=profiles,
        row_unit=key[starts, 1],
        row_period=key[starts, 0],
        row_profile=key[starts, 2],
        sums=added,
        missing=missing,
        has_missing=has_missing,
    )
