"""What links findings of the exam to an outcome at school: sums over linked children, or means of municipalities.

What belongs here: reading cells into a link. What does not: effects, indices, bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.surrogate import SurrogateLink, surrogate_link
from kkz_eval.horizon.surrogate_unlinked import errors_in_variables
from kkz_eval.plan.model import Comparison, Outcome
from kkz_eval.warehouse import read_frame

if TYPE_CHECKING:
    import pandas as pd

SAME_CHILDREN = "treats the children of exam and school as different ones"


@dataclass(frozen=True, eq=False)
class Link:
    """A link and, in words, what it is and what it rests on; n_linked: children behind it, None where not linked."""

    link: SurrogateLink
    note: str
    n_linked: int | None


class LinkedCells:
    """Reads `cells.linked_moment`, adoption and the cells that estimation uses once from an open warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._moments = read_frame(
            connection, "cells.linked_moment", ("outcome", "unit", "period", "first_factor", "second_factor")
        ).astype({"total_examined": "float64", "total_linked": "float64"})
        self._adoption = read_frame(connection, "cells.adoption", ("outcome", "unit"))
        panel = read_frame(connection, "cells.panel", ("outcome", "unit", "period"))
        self._used = panel[panel["is_used"]]

    def due(self, outcome: str) -> list[int]:
        """Entry years for which estimation uses the outcome, in ascending order."""
        return sorted({int(t) for t in self._used.loc[self._used["outcome"] == outcome, "period"]})

    def link(self, outcome: Outcome, comparison: Comparison) -> Link:
        """The link among linked children; where no child is linked, that of municipal means with its label.

        Raises EstimationError when neither can be estimated.
        """
        own = self._moments[self._moments["outcome"] == outcome.name]
        if own.empty:
            raise EstimationError(
                f"{outcome.name}: no child of the exam has all of {', '.join(outcome.surrogates)} in a period that is "
                "used; deliver the exam or name other outcomes of it."
            )
        if (own["n_linked"] > 0).any():
            return self._linked(outcome, comparison)
        return self._unlinked(outcome, comparison)

    def _linked(self, outcome: Outcome, comparison: Comparison) -> Link:
        link = surrogate_link(self.linked_panel(outcome, comparison), anticipation=comparison.anticipation)
        n = round(link.n_children)
        return Link(link, f"{link.label}; {n} children; {_slopes(link)}", n)

    def linked_panel(self, outcome: Outcome, comparison: Comparison) -> MomentPanel:
        """Moments of the children whose findings and outcome are known under one pseudonym.

        Unlike cells that effects are estimated from, it may hold no year after adoption: the link needs none.
        """
        own = self._moments[(self._moments["outcome"] == outcome.name) & (self._moments["n_linked"] > 0)]
        place = self._place(outcome.name, comparison, own)
        layers = place.layers(_wide(own, "total_linked"))
        factors = ("1", *outcome.surrogates)
        moments = np.stack([[layers[_pair(factors, i, j)] for i in range(len(factors))] for j in range(len(factors))])
        cross = np.stack([layers[f"{name} y"] for name in factors])
        moments, cross = np.nan_to_num(moments), np.nan_to_num(cross)
        n, total = moments[0, 0], cross[0]
        return MomentPanel(
            outcome=outcome.name,
            units=place.units,
            periods=place.periods,
            cohort=place.cohort,
            cluster=place.cluster,
            weight=place.weight,
            n=n,
            total=total,
            total_of_squares=np.nan_to_num(layers["y y"]),
            value=np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0),
            covariate_names=outcome.surrogates,
            moments=np.moveaxis(moments, (0, 1), (2, 3)),
            cross=np.moveaxis(cross, 0, 2),
            missing=np.zeros(len(place.units)),
        )

    def _unlinked(self, outcome: Outcome, comparison: Comparison) -> Link:
        own = self._used[self._used["outcome"] == outcome.name]
        place = self._place(outcome.name, comparison, own)
        later = place.layers(own.set_index(["unit", "period"])[["value"]])["value"]
        means, sampling = self._examined(outcome, place)
        found = errors_in_variables(
            later, means, sampling, place.cohort[:, None] > place.periods[None] + comparison.anticipation,
            names=outcome.surrogates, units=place.units, clusters=place.cluster,
        )  # fmt: skip
        note = (
            f"{found.link.label}; reliability {found.reliability:.2f}, {found.n_cells} means of {found.n_units} units; "
            f"{SAME_CHILDREN}; {_slopes(found.link)}"
        )
        return Link(found.link, note, None)

    def _examined(self, outcome: Outcome, place: "_Place") -> tuple[FloatArray, FloatArray]:
        """Means (U, T, k) of the findings and their sampling covariance (U, T, k, k); NaN where not known."""
        names = outcome.surrogates
        own = self._moments[(self._moments["outcome"] == outcome.name) & (self._moments["second_factor"] != "y")]
        layers = place.layers(_wide(own, "total_examined"))
        n = layers["1 1"]
        means = np.stack([layers[f"1 {name}"] / n for name in names], axis=2)
        sampling = np.full((*n.shape, len(names), len(names)), np.nan)
        several = np.where(n > 1, n, np.nan)  # one child says nothing of the spread between children
        for i, a in enumerate(names):
            for j, b in enumerate(names[i:], start=i):
                spread = layers[f"{a} {b}"] - n * means[..., i] * means[..., j]
                sampling[..., i, j] = sampling[..., j, i] = spread / (several - 1) / several
        return means, sampling

    def _place(self, outcome: str, comparison: Comparison, rows: "pd.DataFrame") -> "_Place":
        """The units of the comparison with rows, and the periods of these."""
        adoption = self._adoption[self._adoption["outcome"] == outcome]
        if comparison.region != "all":
            adoption = adoption[adoption["region"] == comparison.region]
        adoption = adoption[adoption["unit"].isin(rows["unit"])].sort_values("unit")
        if adoption.empty:
            raise EstimationError(f"{outcome}: no unit of this comparison has children both at the exam and at school.")
        return _Place(
            units=adoption["unit"].to_numpy(dtype=np.str_),
            periods=np.unique(rows.loc[rows["unit"].isin(adoption["unit"]), "period"].to_numpy(dtype=np.int64)),
            cohort=np.asarray(adoption["cohort"].astype("Float64").fillna(np.inf), dtype=np.float64),
            cluster=adoption["cluster"].to_numpy(dtype=np.str_),
            weight=adoption["weight"].to_numpy(dtype=np.float64),
        )


@dataclass(frozen=True, eq=False)
class _Place:
    """Units (U,) in ascending order with what is fixed for them, and periods (T,)."""

    units: NDArray[np.str_]
    periods: NDArray[np.int64]
    cohort: FloatArray
    cluster: NDArray[np.str_]
    weight: FloatArray

    def layers(self, wide: "pd.DataFrame") -> dict[str, FloatArray]:
        """Each column of a frame by unit and period as (U, T); NaN where the frame has no row."""
        places = [(str(unit), int(period)) for unit in self.units for period in self.periods]
        filled = wide.reindex(places)
        shape = (len(self.units), len(self.periods))
        return {str(name): filled[name].to_numpy(dtype=np.float64).reshape(shape) for name in filled.columns}


def _pair(factors: Sequence[str], i: int, j: int) -> str:
    """The column of a product; the table holds every pair once, in the plan's order."""
    return f"{factors[min(i, j)]} {factors[max(i, j)]}"


def _wide(moments: "pd.DataFrame", values: str) -> "pd.DataFrame":
    """One row per unit and period, one column per pair of factors."""
    pairs = moments["first_factor"] + " " + moments["second_factor"]
    wide: pd.DataFrame = moments.assign(pair=pairs).pivot(index=["unit", "period"], columns="pair", values=values)
    return wide


def _slopes(link: SurrogateLink) -> str:
    named: Sequence[tuple[str, float]] = list(zip(link.names, link.slope.tolist(), strict=True))
    return "link: " + ", ".join(f"{name} {slope:+.4g}" for name, slope in named)
