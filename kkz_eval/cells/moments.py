"""Cells that know the covariates of their children by first and second moments, for covariates of any kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel, FloatArray, _need_columns, _numbers
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
        return cls(
            **_inherited(base), covariate_names=names, moments=moments, cross=cross, missing=np.zeros(len(base.units))
        )

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
    ) -> "MomentPanel":
        """Cells from one row per child; rows without an outcome or a covariate are left out, the latter counted.

        Arguments and errors as `ProfilePanel.from_children`.
        """
        profiles = ProfilePanel.from_children(
            frame, outcome, covariates, unit=unit, period=period, cohort=cohort, cluster=cluster, weight=weight,
            value=value, child_weight=child_weight,
        )  # fmt: skip
        return cls.from_profile_panel(profiles)

    @classmethod
    def from_profile_panel(cls, panel: ProfilePanel) -> "MomentPanel":
        """The moments of cells by profile."""
        n_covariates = len(panel.covariate_names)
        z = np.column_stack([np.ones(len(panel.profiles)), panel.profiles])[panel.row_profile]
        cell = (panel.row_unit, panel.row_period)
        moments = np.zeros((*panel.n.shape, n_covariates + 1, n_covariates + 1))
        cross = np.zeros((*panel.n.shape, n_covariates + 1))
        np.add.at(moments, cell, panel.sums[:, W, None, None] * z[:, :, None] * z[:, None, :])
        np.add.at(cross, cell, panel.sums[:, WY, None] * z)
        return cls(
            **_inherited(panel),
            covariate_names=panel.covariate_names,
            moments=moments,
            cross=cross,
            missing=panel.missing,
        )

    def select(self, keep: NDArray[np.bool_]) -> "MomentPanel":
        """The panel with only the units where keep (U,) holds. The periods stay."""
        return MomentPanel(
            **_inherited(super().select(keep)),
            covariate_names=self.covariate_names,
            moments=self.moments[keep],
            cross=self.cross[keep],
            missing=self.missing[keep],
        )

    def select_periods(self, keep: NDArray[np.bool_]) -> "MomentPanel":
        """The panel with only the periods where keep (T,) holds. The units stay."""
        return MomentPanel(
            **_inherited(super().select_periods(keep)),
            covariate_names=self.covariate_names,
            moments=self.moments[:, keep],
            cross=self.cross[:, keep],
            missing=self.missing,
        )

    def child_sums(self) -> tuple[FloatArray, FloatArray]:
        """Σw and Σwy of the children, each (U, T)."""
        return self.moments[..., 0, 0], self.cross[..., 0]

    def outcome_cells(self) -> CellPanel:
        """The same cells without covariates, every child counting by its weight."""
        mass, total = self.child_sums()
        return self._of(self.outcome, mass, total)

    def covariate_cells(self, position: int) -> CellPanel:
        """The same cells with a covariate in the place of the outcome."""
        return self._of(self.covariate_names[position], self.moments[..., 0, 0], self.moments[..., 0, position + 1])

    def missing_note(self) -> str:
        """What was left out for lack of covariates, in plain words; empty when nothing was."""
        n_units, n_children = int((self.missing > 0).sum()), self.missing.sum()
        return f"{n_children:.0f} children in {n_units} units without covariate values left out" if n_units else ""

    def _of(self, name: str, mass: FloatArray, total: FloatArray) -> CellPanel:
        value = np.divide(total, mass, out=np.full(mass.shape, np.nan), where=mass > 0)
        squares = np.full(mass.shape, np.nan)
        return CellPanel(
            **{
                **_inherited(self),
                "outcome": name,
                "n": mass,
                "total": total,
                "total_of_squares": squares,
                "value": value,
            }
        )


def _inherited(base: CellPanel) -> dict[str, Any]:
    return {field.name: getattr(base, field.name) for field in fields(CellPanel)}
