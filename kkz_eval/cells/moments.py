"""Cells that know the covariates of their children by first and second moments, for covariates of any kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel, FloatArray, _need_columns, _need_constant, _numbers
from kkz_eval.cells.profiles import WY, ProfilePanel, W
from kkz_eval.errors import EstimationError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class MomentPanel(CellPanel):
    """A panel with moments of z = (1, x) for k covariates x of the children behind n and total.

    covariate_names (k,); moments (U, T, k+1, k+1) Σw·zz'; cross (U, T, k+1) Σw·zy; w = 1 unless children are weighted;
    zero in cells without children. missing (U,) children left out because a covariate is missing.
    """

    covariate_names: tuple[str, ...]
    moments: FloatArray
    cross: FloatArray
    missing: FloatArray

    @classmethod
    def from_moments(
        cls,
        frame: "pd.DataFrame",
        outcome: str,
        x: Mapping[str, str],
        xx: Mapping[tuple[str, str], str],
        xy: Mapping[str, str],
        *,
        unit: str = "unit",
        period: str = "period",
        cohort: str = "cohort",
        cluster: str | None = None,
        weight: str | None = None,
        n: str = "n",
        total: str = "total",
        total_of_squares: str | None = None,
    ) -> "MomentPanel":
        """Cells from a frame with one row per unit and period, of the children with outcome and all covariates.

        x: covariate → column of Σx; xx: pair of covariates → column of Σxx (either order); xy: covariate → column of
        Σxy. Other arguments and errors as `CellPanel.from_frame`.
        """
        names = tuple(x)
        squares = {(a, b): xx.get((a, b), xx.get((b, a), "")) for i, a in enumerate(names) for b in names[i:]}
        absent = [f"{a}·{b}" for (a, b), column in squares.items() if not column]
        if absent or set(xy) != set(names):
            raise EstimationError(
                f"cells of {outcome}: name a column for every product of covariates and of covariate and outcome; "
                f"missing: {', '.join(absent) or 'products with the outcome'}."
            )
        _need_columns(frame, outcome, *x.values(), *squares.values(), *xy.values())
        base = CellPanel.from_frame(
            frame, outcome, unit=unit, period=period, cohort=cohort, cluster=cluster, weight=weight, n=n, total=total,
            total_of_squares=total_of_squares,
        )  # fmt: skip
        row = np.searchsorted(base.units, frame[unit].astype(str).to_numpy(dtype=np.str_))
        column = np.searchsorted(base.periods, _numbers(frame, period, outcome))

        def cells(name: str) -> FloatArray:
            filled = np.zeros(base.n.shape)
            filled[row, column] = _numbers(frame, name, outcome)
            return np.where(base.n > 0, filled, 0.0)

        moments = np.zeros((*base.n.shape, len(names) + 1, len(names) + 1))
        cross = np.zeros((*base.n.shape, len(names) + 1))
        moments[..., 0, 0], cross[..., 0] = base.n, np.where(base.n > 0, base.total, 0.0)
        for i, a in enumerate(names, start=1):
            moments[..., 0, i] = moments[..., i, 0] = cells(x[a])
            cross[..., i] = cells(xy[a])
            for j, b in enumerate(names[i - 1 :], start=i):
                moments[..., i, j] = moments[..., j, i] = cells(squares[(a, b)])
        n_bad = int((~np.isfinite(moments).all(axis=(2, 3)) | ~np.isfinite(cross).all(axis=2)).sum())
        if n_bad:
            raise EstimationError(
                f"cells of {outcome}: moments of covariates are missing in {n_bad} cells with children; "
                "compute them from the children who have all covariates, and n and total from the same children."
            )
        return cls(**_inherited(base), covariate_names=names, moments=moments, cross=cross, missing=np.zeros(len(row)))

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
    ) -> "MomentPanel":
        """Cells from one row per child; rows without an outcome or a covariate are left out, the latter counted.

        Errors as `CellPanel.from_frame`.
        """
        _need_columns(frame, outcome, unit, period, cohort, cluster, weight, value, *covariates)
        measured = frame.assign(_y=_numbers(frame, value, outcome)).dropna(subset=["_y"])
        fixed = [name for name in dict.fromkeys((cohort, cluster, weight)) if name is not None and name != unit]
        for name in fixed:
            _need_constant(measured, unit, name, outcome)
        x = np.column_stack([np.empty((len(measured), 0)), *(_numbers(measured, c, outcome) for c in covariates)])
        complete = np.isfinite(x).all(axis=1)
        measured = measured.sort_values([unit, period, "_y"], kind="stable").assign(_n=1.0)
        raise NotImplementedError
