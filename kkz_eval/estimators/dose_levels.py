"""Doses: what a valid one is, bins of them, and whether they follow from time alone. No outcomes here."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray

TIE = 1e-9
"""Doses that differ by less than this share are the same: 0.1 · 30 is 3."""
FEW_VALUES = 4
MOST_WHOLE_NUMBERS = 50


@dataclass(frozen=True)
class DoseBin:
    """Doses over `low` up to `high`; is_value: all doses in it are equal to `high`."""

    low: float
    high: float
    is_value: bool = False

    @property
    def label(self) -> str:
        """In words, the same whatever the data hold."""
        if self.is_value:
            return f"dose {self.high:.6g}"
        return f"dose over {self.low:.6g}" + (f" up to {self.high:.6g}" if np.isfinite(self.high) else "")

    def holds(self, dose: FloatArray) -> BoolArray:
        """Which doses lie in the bin."""
        inside: BoolArray = (dose > self.low * (1 + TIE)) & (dose <= self.high * (1 + TIE))
        return inside


def dose_of(panel: CellPanel, dose: FloatArray | None) -> FloatArray:
    """Doses (U, T), 0 before adoption; None: periods since adoption, the first as 1.

    Raises EstimationError for another shape and for doses that are negative, infinite, positive before adoption, or
    missing after adoption where there is an outcome.
    """
    since = panel.periods[None, :] - panel.cohort[:, None] + 1.0
    adopted = since > 0
    if dose is None:
        return np.where(adopted, since, 0.0)
    where = f"cells of {panel.outcome}"
    if dose.shape != panel.value.shape:
        raise EstimationError(
            f"{where}: dose has shape {dose.shape}, not units by periods {panel.value.shape}; give one per cell."
        )
    bad = {
        "negative": (dose < 0, "give how much of the programme a unit had, from 0 on"),
        "infinite": (np.isinf(dose), "give a finite number"),
        "above 0 before the unit's first treated period, or in a unit never treated,": (
            ~adopted & (dose > 0),
            "set it to 0 there, or let the unit's cohort begin with its first dose",
        ),
        "missing after adoption": (adopted & np.isnan(dose) & np.isfinite(panel.value), "fill it"),
    }
    for said, (is_bad, way) in bad.items():
        if n_bad := int(is_bad.sum()):
            n_units = int(is_bad.any(axis=1).sum())
            raise EstimationError(f"{where}: dose is {said} in {n_bad} unit-periods of {n_units} units; {way}.")
    return np.where(adopted, np.nan_to_num(dose), 0.0)


def dose_bins(dose: FloatArray, edges: tuple[float, ...] = ()) -> tuple[DoseBin, ...]:
    """Bins of positive doses that hold at least one of them.

    edges: increasing upper ends, with a last open bin where doses go beyond. Without them one bin per value for up to
    four values, whole numbers (0 to 1, 1 to 2, …) when a dose is above 1 and none above 50, else quartiles.
    Raises EstimationError for edges that do not increase from above 0.
    """
    ends = np.array(edges, dtype=np.float64) if edges else _ends(dose)
    if not np.isfinite(ends).all() or ends[0] <= 0 or (np.diff(ends) <= 0).any():
        raise EstimationError(f"dose_edges = {', '.join(map(str, edges))} must increase from above 0; sort them.")
    bins = [DoseBin(float(low), float(high)) for low, high in zip([0.0, *ends], [*ends, np.inf], strict=True)]
    found = [(b, dose[b.holds(dose)]) for b in bins]
    found = [(b, inside) for b, inside in found if len(inside)]
    by_value = all(inside.min() >= b.high * (1 - TIE) for b, inside in found)
    return tuple(DoseBin(b.low, b.high, by_value) for b, _ in found)


def _ends(dose: FloatArray) -> FloatArray:
    values = np.unique(dose)
    values = values[np.append(np.diff(values) > TIE * values[1:], True)]
    most = np.ceil(values[-1] * (1 - TIE))
    if len(values) <= FEW_VALUES:
        return np.asarray(values)
    if 1 < most <= MOST_WHOLE_NUMBERS:
        return np.arange(1.0, most + 1)
    return np.unique(np.quantile(dose, [0.25, 0.5, 0.75, 1.0], method="inverted_cdf"))


def is_one_dose(dose: FloatArray) -> bool:
    """Whether all doses are the same."""
    return bool(dose.max() - dose.min() <= TIE * dose.max())


def follows_from_time(dose: FloatArray, event_time: NDArray[Any]) -> bool:
    """Whether doses differ, but never between unit-periods (N,) with the same time since adoption."""
    if is_one_dose(dose):
        return False
    return all(is_one_dose(dose[event_time == e]) for e in np.unique(event_time))
