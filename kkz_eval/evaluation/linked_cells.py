"""What links findings of the exam to an outcome at school: sums over linked children, or means of municipalities.

What belongs here: reading cells into a link. What does not: effects, indices, bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
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
    """Reads `cells.linked_moment` and adoption once from an open warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._moments = read_frame(
            connection, "cells.linked_moment", ("outcome", "unit", "period", "first_factor", "second_factor")
        ).astype({"total_examined": "float64", "total_linked": "float64"})
        self._adoption = read_frame(connection, "cells.adoption", ("outcome", "unit"))

    def link(self, outcome: Outcome, comparison: Comparison, later: CellPanel) -> Link:
        """The link among linked children; where no child is linked, that of municipal means with its label.

        later: cells of the outcome, read only for the second. Raises EstimationError when neither can be estimated.
        """
        own = self._moments[self._moments["outcome"] == outcome.name]
        if own.empty:
            raise EstimationError(
                f"{outcome.name}: no child of the exam has all of {', '.join(outcome.surrogates)} in a period that is "
                "used; deliver the exam or name other outcomes of it."
            )
        if (own["n_linked"] > 0).any():
            return self._linked(outcome, comparison)
        return self._unlinked(outcome, comparison, later)

    def _linked(self, outcome: Outcome, comparison: Comparison) -> Link:
        panel = self.linked_panel(outcome, comparison)
        link = surrogate_link(panel, anticipation=comparison.anticipation)
        n = round(link.n_children)
        return Link(link, f"{link.label}; {n} children; {_slopes(link)}", n)

    def linked_panel(self, outcome: Outcome, comparison: Comparison) -> MomentPanel:
        """Moments of the children whose findings and outcome are known under one pseudonym."""
        own = self._moments[(self._moments["outcome"] == outcome.name) & (self._moments["n_linked"] > 0)]
        wide = _wide(own, "total_linked").reset_index()
        adoption = self._adoption[self._adoption["outcome"] == outcome.name]
        if comparison.region != "all":
            adoption = adoption[adoption["region"] == comparison.region]
        cells = wide.merge(adoption[["unit", "cohort", "cluster", "weight"]], on="unit", validate="many_to_one")
        if cells.empty:
            raise EstimationError(f"{outcome.name}: no linked child lives in a unit of this comparison.")
        names = outcome.surrogates
        return MomentPanel.from_moments(
            cells,
            outcome.name,
            x={name: f"1 {name}" for name in names},
            xx={(a, b): f"{a} {b}" for i, a in enumerate(names) for b in names[i:]},
            xy={name: f"{name} y" for name in names},
            n="1 1",
            total="1 y",
            total_of_squares="y y",
            cluster="cluster",
            weight="weight",
        )

    def _unlinked(self, outcome: Outcome, comparison: Comparison, later: CellPanel) -> Link:
        means, sampling = self._examined(outcome, later)
        untreated = later.cohort[:, None] > later.periods[None] + comparison.anticipation
        found = errors_in_variables(
            later.value, means, sampling, untreated,
            names=outcome.surrogates, units=later.units, clusters=later.cluster,
        )  # fmt: skip
        note = (
            f"{found.link.label}; reliability {found.reliability:.2f}, {found.n_cells} means of {found.n_units} units; "
            f"{SAME_CHILDREN}; {_slopes(found.link)}"
        )
        return Link(found.link, note, None)

    def _examined(self, outcome: Outcome, later: CellPanel) -> tuple[FloatArray, FloatArray]:
        """Means (U, T, k) of the findings and their sampling covariance (U, T, k, k); NaN where not known."""
        names = outcome.surrogates
        own = self._moments[self._moments["outcome"] == outcome.name]
        wide = _wide(own[own["second_factor"] != "y"], "total_examined")
        places = [(unit, int(period)) for unit in later.units for period in later.periods]
        wide = wide.reindex(places)

        def layer(pair: str) -> FloatArray:
            return np.asarray(wide[pair].to_numpy(dtype=np.float64).reshape(later.value.shape), dtype=np.float64)

        n = layer("1 1")
        means = np.stack([layer(f"1 {name}") / n for name in names], axis=2)
        sampling = np.full((*n.shape, len(names), len(names)), np.nan)
        several = np.where(n > 1, n, np.nan)  # one child says nothing of the spread between children
        for i, a in enumerate(names):
            for j, b in enumerate(names[i:], start=i):
                spread = layer(f"{a} {b}") - n * means[..., i] * means[..., j]
                sampling[..., i, j] = sampling[..., j, i] = spread / (several - 1) / several
        return means, sampling


def _wide(moments: "pd.DataFrame", values: str) -> "pd.DataFrame":
    """One row per unit and period, one column per pair of factors."""
    pairs = moments["first_factor"] + " " + moments["second_factor"]
    wide: pd.DataFrame = moments.assign(pair=pairs).pivot(index=["unit", "period"], columns="pair", values=values)
    return wide


def _slopes(link: SurrogateLink) -> str:
    named: Sequence[tuple[str, float]] = list(zip(link.names, link.slope.tolist(), strict=True))
    return "link: " + ", ".join(f"{name} {slope:+.4g}" for name, slope in named)
