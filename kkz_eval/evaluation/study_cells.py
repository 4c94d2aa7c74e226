"""The cells of a study as estimators take them, read once.

What belongs here: which cells and covariates a comparison is made of. What does not: estimators, results.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.plan.model import Comparison
from kkz_eval.warehouse import read_frame

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["unit", "period", "cohort", "cluster", "weight"]


@dataclass(frozen=True, eq=False)
class Compared:
    """Cells of one comparison, covariates (U, T, k) held constant with their names, and what was left out for them."""

    panel: CellPanel
    covariates: FloatArray | None
    covariate_names: tuple[str, ...]
    note: str


class StudyCells:
    """Reads cells, strata, adoption, covariates and exposure from an open warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str, tuple[str, ...], bool], Compared] = {}
        self._strata: tuple[str, pd.DataFrame] | None = None
        panel = read_frame(connection, "cells.panel", ("outcome", "unit", "period"))
        self._adoption = read_frame(connection, "cells.adoption", ("outcome", "unit"))
        self._covariates = read_frame(connection, "cells.covariate", ("covariate", "unit", "period"))
        exposure = read_frame(connection, "reference.exposure", ("outcome", "wave", "period"))
        self._panel = panel
        self._cells = self._joined(panel["is_used"])
        waves = self._adoption.dropna(subset=["cohort"])[["outcome", "wave", "cohort"]].drop_duplicates()
        self._exposure = exposure.merge(waves, on=["outcome", "wave"])

    def _joined(self, used: "pd.Series[bool]") -> "pd.DataFrame":
        return self._panel[used].merge(self._adoption, on=["outcome", "unit"], validate="many_to_one")

    def _profile(self, outcome: str) -> "pd.DataFrame":
        """Rows of `cells.profile` of one outcome; only the last outcome's are kept, because the table is large."""
        if self._strata is None or self._strata[0] != outcome:
            rows = self._connection.execute(
                "SELECT unit, period, stratum, n, total, total_of_squares FROM cells.profile WHERE outcome = ?"
                " ORDER BY unit, period, stratum",
                [outcome],
            ).df()
            self._strata = (outcome, rows)
        return self._strata[1]

    def places(self, outcome: str) -> "pd.DataFrame":
        """unit, kreis, region of every unit that the outcome can be compared in."""
        own = self._adoption[self._adoption["outcome"] == outcome]
        return own[["unit", "kreis", "region"]].reset_index(drop=True)

    def covariate(self, name: str) -> "pd.DataFrame":
        """unit, period, value of a covariate of places; empty when it was not delivered."""
        own = self._covariates[self._covariates["covariate"] == name]
        return own[["unit", "period", "value"]].reset_index(drop=True)

    def means(self, outcome: str) -> "pd.DataFrame":
        """unit, period, value of the used cells of an outcome."""
        own = self._cells[self._cells["outcome"] == outcome]
        return own[["unit", "period", "value"]].reset_index(drop=True)

    def known_children(self, outcomes: Sequence[str]) -> "pd.DataFrame":
        """unit, period, n: most children with a known value of any of the outcomes, whether or not they are used."""
        own = self._panel[self._panel["outcome"].isin(outcomes)]
        return own.groupby(["unit", "period"], sort=True)["n"].max().reset_index()

    def including(self, outcome: str, periods: Sequence[int], reasons: Sequence[str]) -> "StudyCells":
        """The same study with cells of some periods back in that were left out for one of the reasons."""
        panel = self._panel
        back = (panel["outcome"] == outcome) & panel["period"].isin(periods) & panel["reason"].isin(reasons)
        other = copy(self)
        other._known = {}
        other._cells = self._joined(self._panel["is_used"] | back)
        return other

    def fully_exposed(self, outcome: str) -> frozenset[tuple[int, int]]:
        """(cohort, period) pairs whose children were under the programme from pregnancy on."""
        own = self._exposure[(self._exposure["outcome"] == outcome) & self._exposure["is_fully_exposed"]]
        return frozenset((int(g), int(t)) for g, t in zip(own["cohort"], own["period"], strict=True))

    def years_under_programme(self, outcome: str) -> dict[tuple[int, int], float]:
        """Mean years under the programme by (cohort, period)."""
        own = self._exposure[self._exposure["outcome"] == outcome]
        columns = zip(own["cohort"], own["period"], own["years_under_programme"], strict=True)
        return {(int(g), int(t)): float(years) for g, t, years in columns}

    def full_years(self, outcome: str) -> float:
        """Years under the programme of a child conceived after its start. Raises EstimationError when unknown."""
        own = self._exposure[self._exposure["outcome"] == outcome]
        if own.empty:
            raise EstimationError(f"{outcome}: no wave of the plan is ever exposed to it.")
        return float(own["full_years"].iloc[0])

    def dose(self, outcome: str, panel: CellPanel) -> FloatArray:
        """(U, T) mean years under the programme of the children; zero before the first exposed period."""
        years = self.years_under_programme(outcome)
        dose = np.zeros(panel.n.shape)
        for (cohort, period), value in years.items():
            dose[np.ix_(panel.cohort == cohort, panel.periods == period)] = value if period >= cohort else 0.0
        return dose

    def compared(self, outcome: str, comparison: Comparison, *, by_stratum: bool = False) -> Compared:
        """The cells of one comparison; by_stratum: split by stratum where the outcome's source records one.

        Raises EstimationError when there is nothing to compare.
        """
        key = (outcome, comparison.region, comparison.covariates, by_stratum)
        if key not in self._known:
            self._known[key] = self._compared(outcome, comparison, by_stratum=by_stratum)
        return self._known[key]

    def _compared(self, outcome: str, comparison: Comparison, *, by_stratum: bool) -> Compared:
        cells, names = self._rows(outcome, comparison), comparison.covariates
        if names:
            cells = self._with_covariates(cells, names)
        if cells.empty:
            raise EstimationError(f"no usable cell of {outcome} for this comparison; deliver the data it needs.")
        panel = self._by_stratum(cells, outcome) if by_stratum else cell_panel(cells, outcome)
        if not names:
            return Compared(panel, None, (), "")
        years = f"periods {panel.periods[0]} to {panel.periods[-1]}"
        note = f"only {years}, in which {', '.join(names)} is known"
        return Compared(panel, _layers(cells, panel, names), names, note)

    def has_strata(self, outcome: str) -> bool:
        """Whether the source of the outcome records home language and parents' education."""
        return bool((self._profile(outcome)["stratum"] != "all").any())

    def stratum_panel(self, outcome: str, comparison: Comparison, strata: Sequence[str]) -> CellPanel:
        """The cells of the children of some strata. Raises EstimationError when there are none."""
        cells = self._rows(outcome, comparison)[_KEYS]
        own = self._profile(outcome)
        own = own[own["stratum"].isin(strata)]
        if own.empty:
            raise EstimationError(f"{outcome}: its source records no children of {', '.join(strata)}.")
        sums = own.groupby(["unit", "period"], sort=True)[["n", "total", "total_of_squares"]].sum().reset_index()
        return cell_panel(cells.merge(sums, on=["unit", "period"], validate="one_to_one"), outcome)

    def _rows(self, outcome: str, comparison: Comparison) -> "pd.DataFrame":
        own = self._cells[self._cells["outcome"] == outcome]
        return own if comparison.region == "all" else own[own["region"] == comparison.region]

    def _with_covariates(self, cells: "pd.DataFrame", names: tuple[str, ...]) -> "pd.DataFrame":
        held = self._covariates[self._covariates["covariate"].isin(names)]
        wide = held.pivot(index=["unit", "period"], columns="covariate", values="value").reset_index()
        cells = cells.merge(wide, on=["unit", "period"], how="inner")
        return cells.dropna(subset=[name for name in names if name in cells])

    def _by_stratum(self, cells: "pd.DataFrame", outcome: str) -> CellPanel:
        own = self._profile(outcome)
        strata = sorted(own["stratum"].unique())
        if len(strata) < 2:
            return cell_panel(cells, outcome)
        rows = cells[_KEYS].merge(own, on=["unit", "period"], validate="one_to_many")
        rows = rows.astype({"total": "float64", "total_of_squares": "float64"})
        indicators = {stratum: (rows["stratum"] == stratum).astype("float64") for stratum in strata[1:]}
        profiles = ProfilePanel.from_profiles(
            rows.assign(**indicators), outcome, strata[1:], n="n", total="total",
            total_of_squares="total_of_squares", cluster="cluster", weight="weight",
        )  # fmt: skip
        return MomentPanel.from_profile_panel(profiles)


def cell_panel(cells: "pd.DataFrame", outcome: str) -> CellPanel:
    """Rows of `cells.panel` joined to `cells.adoption` as the rectangle that estimators read."""
    if cells["n"].notna().any():
        counted = cells.astype({"total": "float64", "total_of_squares": "float64"})
        return CellPanel.from_frame(
            counted,
            outcome,
            n="n",
            total="total",
            total_of_squares="total_of_squares",
            cluster="cluster",
            weight="weight",
        )
    return CellPanel.from_frame(cells, outcome, value="value", cluster="cluster", weight="weight")


def _layers(cells: "pd.DataFrame", panel: CellPanel, names: tuple[str, ...]) -> FloatArray:
    """Covariates (U, T, k) in the order of the panel; zero where the panel has no value either."""
    layers = [
        cells.pivot(index="unit", columns="period", values=name).reindex(index=panel.units, columns=panel.periods)
        for name in names
    ]
    stacked: FloatArray = np.nan_to_num(np.stack([layer.to_numpy(dtype=np.float64) for layer in layers], axis=2))
    return stacked
