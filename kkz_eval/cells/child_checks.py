"""What a relation of children must hold before it is summed: columns, numbers, one cohort per unit.

What belongs here: checks and ranges, counted in the database. What does not: sums for estimators (passes.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.warehouse.table_file import nearest, quoted

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN|BIGNUM)$")

FIXED = 2.0**60


@dataclass(frozen=True)
class ChildColumns:
    """Which column is what. cohort: first treated period of the unit; empty, infinite or `never` means never treated.

    weight: of a child, positive; cluster: within which errors may be dependent, one per unit (default: the unit).
    """

    outcome: str
    unit: str
    period: str
    cohort: str
    covariates: tuple[str, ...]
    cluster: str | None = None
    weight: str | None = None
    never: float | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns that must hold numbers."""
        named = (self.outcome, self.period, self.cohort, *self.covariates, *([self.weight] if self.weight else []))
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, eq=False)
class Ranges:
    """Centre and half width of the outcome (v) and the covariates (u0, u1, …), the largest weight, the periods."""

    centre: dict[str, float]
    half: dict[str, float]
    largest_weight: float
    first_year: int
    n_years: int

    @property
    def scaled(self) -> tuple[str, ...]:
        """Names of what is scaled."""
        return tuple(self.centre)


def need_columns(
    connection: "duckdb.DuckDBPyConnection", relation: str, origin: str, columns: ChildColumns
) -> dict[str, str]:
    """Types of the columns; raises EstimationError when the relation, a column or a number is not there."""
    found = connection.execute(
        "SELECT count(*) FROM information_schema.tables WHERE ? IN (table_name, table_schema || '.' || table_name)",
        [relation],
    ).fetchall()
    if not found[0][0]:
        raise EstimationError(f"there is no table or view {relation} in the database; check its name.")
    types = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()}
    for name in (columns.unit, *columns.numbers, *([columns.cluster] if columns.cluster else [])):
        if name not in types:
            raise EstimationError(f"{relation}: there is no column {name}; {nearest(name, list(types))}")
    for name in columns.numbers:
        if not _NUMBER.match(types[name]):
            raise EstimationError(f"{relation}: column {name} has type {types[name]}, not numbers; convert it first.")
    twice = [name for name in columns.covariates if columns.covariates.count(name) > 1]
    if not columns.covariates or twice:
        what = f"covariate {twice[0]} is named twice" if twice else "no covariate is named"
        raise EstimationError(f"{relation}: {what}; name every covariate once.")
    return types


def expressions(columns: ChildColumns, *, weighted: bool) -> Mapping[str, str]:
    """SQL of every role; numbers that are not a number count as empty. `complete`: outcome and covariates are there."""

    def number(name: str) -> str:
        return f"nullif(CAST({quoted(name)} AS DOUBLE), CAST('nan' AS DOUBLE))"

    found = {
        "unit": f"CAST({quoted(columns.unit)} AS VARCHAR)",
        "cluster": f"CAST({quoted(columns.cluster or columns.unit)} AS VARCHAR)",
        "period": number(columns.period),
        "cohort": number(columns.cohort),
        "w": number(columns.weight) if weighted and columns.weight else "CAST(1 AS DOUBLE)",
        "v": number(columns.outcome),
        **{f"u{i}": number(name) for i, name in enumerate(columns.covariates)},
    }
    there = [f"{found[name]} IS NOT NULL" for name in found if name[0] in "uv" and name != "unit"]
    return {**found, "complete": " AND ".join(there)}


def ranges(connection: "duckdb.DuckDBPyConnection", origin: str, columns: ChildColumns, *, weighted: bool) -> Ranges:
    """One pass that counts what would change a result unseen and finds the ranges of all numbers.

    Raises EstimationError with the number of such rows.
    """
    of = expressions(columns, weighted=weighted)
    scaled = {"v": columns.outcome, **{f"u{i}": name for i, name in enumerate(columns.covariates)}}
    bad = {
        f"column {columns.unit} is empty": f"{of['unit']} IS NULL",
        f"column {columns.cluster or columns.unit} is empty": f"{of['cluster']} IS NULL",
        f"column {columns.period} is empty or no whole number": f"{of['period']} IS NULL OR isinf({of['period']}) "
        f"OR {of['period']} <> round({of['period']})",
        **{f"column {name} is infinite": f"isinf({of[key]})" for key, name in scaled.items()},
        f"column {columns.weight} is missing, infinite, zero or negative": f"{of['v']} IS NOT NULL AND "
        f"({of['w']} IS NULL OR {of['w']} <= 0 OR isinf({of['w']}))",
    }
    counts = ", ".join(f"count(*) FILTER (WHERE {rule})" for rule in bad.values())
    limits = ", ".join(
        f"{end}({of[name]}) FILTER (WHERE {of['complete']})"
        for name in (*scaled, "period", "w")
        for end in ("min", "max")
    )
    ((n_rows, n_complete, *rest),) = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {of['complete']}), {counts}, {limits} FROM {origin}"
    ).fetchall()
    for rule, n_bad in zip(bad, rest[: len(bad)], strict=True):
        if n_bad:
            raise EstimationError(
                f"children of {columns.outcome}: {rule} in {n_bad} of {n_rows} rows; mend or remove them."
            )
    if not n_complete:
        raise EstimationError(
            f"children of {columns.outcome}: none of the {n_rows} rows has an outcome and all covariates; fill them."
        )
    ends = rest[len(bad) :]
    low = dict(zip((*scaled, "period", "w"), ends[::2], strict=True))
    high = dict(zip((*scaled, "period", "w"), ends[1::2], strict=True))
    centre = _means(connection, origin, of, {name: (low[name], high[name]) for name in scaled}, n_complete)
    half = {name: max(high[name] - centre[name], centre[name] - low[name]) for name in scaled}
    return Ranges(
        centre=centre,
        half={name: value if value > 0 else 1.0 for name, value in half.items()},
        largest_weight=float(high["w"]),
        first_year=int(low["period"]),
        n_years=int(high["period"]) - int(low["period"]) + 1,
    )


def _means(
    connection: "duckdb.DuckDBPyConnection",
    origin: str,
    of: Mapping[str, str],
    limits: Mapping[str, tuple[float, float]],
    n_complete: int,
) -> dict[str, float]:
    """Means between the limits, from exact sums: an outlier then costs the other rows no digits."""
    width = {name: high - low if high > low else 1.0 for name, (low, high) in limits.items()}
    terms = ", ".join(fixed_sum(f"({of[name]} - ?) / ?") for name in limits)
    numbers = [part for name, (low, _) in limits.items() for part in (low, width[name])]
    ((*sums,),) = connection.execute(f"SELECT {terms} FROM {origin} WHERE {of['complete']}", numbers).fetchall()
    means = {}
    for (name, (low, high)), total in zip(limits.items(), sums, strict=True):
        means[name] = min(max(low + width[name] * (total / FIXED / n_complete), low), high)
    return means


def fixed_sum(term: str) -> str:
    """SQL of an exact sum of terms between −1 and 1, times `FIXED`: the same bits in any order of rows.

    As `kkz_eval.warehouse.exact_sum`, three times as fast: terms that are never above one need 64 bits, not 128.
    """
    return f"sum(CAST(({term}) * {FIXED!r} AS BIGINT))"


def unit_table(connection: "duckdb.DuckDBPyConnection", origin: str, columns: ChildColumns) -> "pd.DataFrame":
    """One row per unit with an outcome, in the order of its label: unit, cohort (inf: never), cluster, and n_missing,
    the number of its children without a covariate.

    Raises EstimationError when cohort or cluster varies within a unit.
    """
    of = expressions(columns, weighted=False)
    infinite = "CAST('inf' AS DOUBLE)"
    cohort = f"CASE WHEN {of['cohort']} = ? THEN {infinite} ELSE coalesce({of['cohort']}, {infinite}) END"
    frame = connection.execute(
        f"""WITH measured AS (
            SELECT {of["unit"]} AS unit, {cohort} AS cohort, {of["cluster"]} AS cluster, {of["complete"]} AS complete
            FROM {origin} WHERE {of["v"]} IS NOT NULL
        )
        SELECT unit, min(cohort) AS cohort, min(cluster) AS cluster, min(cohort) <> max(cohort) AS cohort_varies,
            min(cluster) <> max(cluster) AS cluster_varies, count(*) FILTER (WHERE NOT complete) AS n_missing
        FROM measured GROUP BY unit""",
        [columns.never],
    ).df()
    frame = frame.iloc[np.argsort(frame["unit"].to_numpy(dtype=np.str_))].reset_index(drop=True)
    for role, name in (("cohort", columns.cohort), ("cluster", columns.cluster)):
        n_varying = int(frame[f"{role}_varies"].sum())
        if n_varying:
            raise EstimationError(
                f"children of {columns.outcome}: column {name} varies within {n_varying} of {len(frame)} units of "
                f"column {columns.unit}; it must be one value per unit: mend the data, or split the unit."
            )
    return frame
