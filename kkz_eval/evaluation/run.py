"""A plan's specifications run over the cells.

What belongs here: who is estimated with what. What does not: formulas.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Estimate, FloatArray
from kkz_eval.evaluation.specification import Specification, not_estimable, run_specification
from kkz_eval.plan.model import Comparison, Estimator, Outcome, Plan
from kkz_eval.warehouse import Column, read_frame, write_rows
from kkz_eval.warehouse.build import fingerprints

if TYPE_CHECKING:
    import pandas as pd

#: Tables that estimates are computed from.
INPUTS = ("cells.panel", "cells.adoption", "cells.covariate", "reference.exposure", "plan.document")
GRAIN = "One row per outcome, comparison and estimate: the one shape of all results."
COLUMNS: tuple[tuple[Column, str], ...] = (
    (Column("outcome", "id", "outcome of the plan"), "VARCHAR"),
    (Column("comparison", "text", "comparison of the plan"), "VARCHAR"),
    (Column("estimator", "text", "estimator"), "VARCHAR"),
    (Column("aggregation", "text", "what is summed up"), "VARCHAR"),
    (Column("cohort", "year", "adoption cohort: first exposed period"), "INTEGER"),
    (Column("period", "year", "period"), "INTEGER"),
    (Column("event_time", "number", "periods since adoption"), "INTEGER"),
    (Column("estimate", "estimate", "effect in the outcome's own unit"), "DOUBLE"),
    (Column("std_error", "estimate", "its standard error"), "DOUBLE"),
    (Column("df", "number", "degrees of freedom"), "DOUBLE"),
    (Column("ci_low", "estimate", "lower end of the interval"), "DOUBLE"),
    (Column("ci_high", "estimate", "upper end of the interval"), "DOUBLE"),
    (Column("band_low", "estimate", "lower end of the simultaneous band"), "DOUBLE"),
    (Column("band_high", "estimate", "upper end of the simultaneous band"), "DOUBLE"),
    (Column("p_value", "number", "two-sided p-value of one look"), "DOUBLE"),
    (Column("n", "count", "children behind the row"), "BIGINT"),
    (Column("n_units", "number", "units compared"), "INTEGER"),
    (Column("n_treated_units", "number", "of these, taking part"), "INTEGER"),
    (Column("n_clusters", "number", "clusters of the errors"), "INTEGER"),
    (Column("status", "text", "estimated, or not estimable"), "VARCHAR"),
    (Column("note", "note", "reason, or what a reader of the row must know"), "VARCHAR"),
    (Column("plan_sha256", "id", "hash of the plan"), "VARCHAR"),
)


def estimate_all(connection: duckdb.DuckDBPyConnection, plan: Plan, estimator: Estimator) -> int:
    """Run one estimator over all outcomes and comparisons; write `estimates.<estimator>`. Returns its number of rows.

    An estimator that the plan does not name leaves an empty table, so that released tables can always be built.
    """
    sha256 = connection.execute("SELECT plan_sha256 FROM plan.study").fetchall()[0][0]
    rows: list[tuple[object, ...]] = []
    if estimator in plan.estimation.estimators:
        for estimate in _estimates(connection, plan, estimator):
            values = [getattr(estimate, column.name) for column, _ in COLUMNS[:-1]]
            rows.append((*(_without_nan(value) for value in values), sha256))
    return write_rows(connection, f"estimates.{estimator}", GRAIN, COLUMNS, rows, _made_from(connection, estimator))


def estimate_fingerprint(connection: duckdb.DuckDBPyConnection, estimator: str) -> str:
    """The fingerprint that an estimator's table would have if it were computed now."""
    return hashlib.sha256(_made_from(connection, estimator).encode()).hexdigest()


def _made_from(connection: duckdb.DuckDBPyConnection, estimator: str) -> str:
    prints = fingerprints(connection)
    return f"{estimator} {[prints.get(name) for name in INPUTS]}"


def _estimates(connection: duckdb.DuckDBPyConnection, plan: Plan, estimator: Estimator) -> Iterator[Estimate]:
    panel = read_frame(connection, "cells.panel", ("outcome", "unit", "period"))
    adoption = read_frame(connection, "cells.adoption", ("outcome", "unit"))
    covariates = read_frame(connection, "cells.covariate", ("covariate", "unit", "period"))
    exposed = _fully_exposed(read_frame(connection, "reference.exposure", ("outcome", "wave", "period")), adoption)
    cells = panel[panel["is_used"]].merge(adoption, on=["outcome", "unit"], validate="many_to_one")
    for outcome in plan.outcomes:
        own = cells[cells["outcome"] == outcome.name]
        for comparison in plan.comparisons:
            held = covariates[covariates["covariate"].isin(comparison.covariates)]
            specification = _specification(plan, comparison, estimator, exposed.get(outcome.name, frozenset()))
            yield from _one(own, held, outcome, comparison, specification)


def _fully_exposed(exposure: "pd.DataFrame", adoption: "pd.DataFrame") -> dict[str, frozenset[tuple[int, int]]]:
    """(cohort, period) pairs by outcome whose children were under the programme from pregnancy on."""
    waves = adoption.dropna(subset=["cohort"])[["outcome", "wave", "cohort"]].drop_duplicates()
    full = exposure[exposure["is_fully_exposed"]].merge(waves, on=["outcome", "wave"])
    pairs = full[["outcome", "cohort", "period"]].itertuples(index=False)
    found: dict[str, set[tuple[int, int]]] = {}
    for outcome, cohort, period in pairs:
        found.setdefault(str(outcome), set()).add((int(cohort), int(period)))
    return {outcome: frozenset(exposed) for outcome, exposed in found.items()}


def _specification(
    plan: Plan, comparison: Comparison, estimator: Estimator, exposed: frozenset[tuple[int, int]]
) -> Specification:
    return Specification(
        comparison=comparison.name,
        estimator=estimator,
        control_group=comparison.control_group,
        base_period=comparison.base_period,
        anticipation=comparison.anticipation,
        inference=plan.estimation.inference,
        confidence_level=plan.estimation.confidence,
        seed=plan.estimation.seed,
        draws=plan.estimation.draws,
        fully_exposed=exposed,
    )


def _one(
    cells: "pd.DataFrame",
    covariates: "pd.DataFrame",
    outcome: Outcome,
    comparison: Comparison,
    specification: Specification,
) -> list[Estimate]:
    """All rows of one specification; when the data do not allow it, one row that says why."""
    names = comparison.covariates
    if names and specification.estimator == "callaway_santanna":
        reason = f"this estimator does not hold {', '.join(names)} constant here; see the regressions"
        return [not_estimable(outcome.name, specification, reason)]
    if comparison.region != "all":
        cells = cells[cells["region"] == comparison.region]
    if names:
        wide = covariates.pivot(index=["unit", "period"], columns="covariate", values="value").reset_index()
        cells = cells.merge(wide, on=["unit", "period"], how="inner")
        cells = cells.dropna(subset=[name for name in names if name in cells])
    try:
        if cells.empty:
            raise EstimationError(f"no usable cell of {outcome.name} for this comparison; deliver the data it needs.")
        panel = cell_panel(cells, outcome.name)
        rows = run_specification(panel, specification, _layers(cells, panel, names), names)
    except EstimationError as reason:
        return [not_estimable(outcome.name, specification, str(reason))]
    if not names:
        return rows
    known = f"only periods {panel.periods[0]} to {panel.periods[-1]}, in which {', '.join(names)} is known"
    return [replace(row, note="; ".join(part for part in (row.note, known) if part)) for row in rows]


def _layers(cells: "pd.DataFrame", panel: CellPanel, names: tuple[str, ...]) -> FloatArray | None:
    """Covariates (U, T, k) in the order of the panel; zero where the panel has no value either."""
    if not names:
        return None
    layers = [
        cells.pivot(index="unit", columns="period", values=name).reindex(index=panel.units, columns=panel.periods)
        for name in names
    ]
    stacked: FloatArray = np.nan_to_num(np.stack([layer.to_numpy(dtype=np.float64) for layer in layers], axis=2))
    return stacked


def cell_panel(cells: "pd.DataFrame", outcome: str) -> CellPanel:
    """Rows of `cells.panel` joined to `cells.adoption` as the rectangle that estimators read."""
    names = {"unit": "unit", "period": "period", "cohort": "cohort", "cluster": "cluster", "weight": "weight"}
    if cells["n"].notna().any():
        counted = cells.astype({"total": "float64", "total_of_squares": "float64"})
        return CellPanel.from_frame(
            counted, outcome, n="n", total="total", total_of_squares="total_of_squares", **names
        )
    return CellPanel.from_frame(cells, outcome, value="value", **names)


def _without_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
