"""Rows of any data reduced to groups by the database: one pass, and no row reaches Python.

What belongs here: the SQL of sums by unit, period, cohort, cluster and, where needed, covariates. What does not: rules
about what the groups hold (any_frame.py), cells (any_cells.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kkz_eval.cells.panel import NEVER
from kkz_eval.errors import EstimationError
from kkz_eval.warehouse import ROWS, ColumnKind, Extent, Rows, exact_sum

if TYPE_CHECKING:
    import pandas as pd

SampleDesign = Literal["panel", "cross_section"]
Kept = Literal["value", "sums", "profiles", "moments"]
"""What a group keeps of its rows: the one value, sums, sums by profile of covariates, or moments of covariates."""
WEIGHT_SUMS = ("sum_w", "sum_ww", "sum_wy", "sum_wwy", "sum_wwyy")
TOO_LARGE = 1e75
EXACT_INTEGER = 2.0**31
HEAVY = 1_000.0
"""Times the typical size of a group's values that the largest value may have before sums are kept in more digits."""


@dataclass(frozen=True)
class Roles:
    """Which column is what. `never`: the cohort of never-treated units besides empty and infinite ones."""

    outcome: str
    unit: str
    period: str
    cohort: str
    cluster: str | None = None
    weights: str | None = None
    covariates: tuple[str, ...] = ()
    never: float | None = 0.0
    dose: str | None = None

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """All columns named, each once, and whether they hold numbers or names."""
        numbers = (self.outcome, self.period, self.cohort, self.weights, self.dose, *self.covariates)
        labels: dict[str | None, ColumnKind] = dict.fromkeys((self.unit, self.cluster), "label")
        return {name: kind for name, kind in (labels | dict.fromkeys(numbers, "number")).items() if name is not None}


def grouped(rows: Rows, roles: Roles, *, design: SampleDesign, kept: Kept) -> "pd.DataFrame":
    """One row per unit, period, cohort and cluster, and per profile of covariates x0, x1, … if these are kept.

    Columns: unit, cluster as in the data; period, cohort (inf: never) DOUBLE; rows; left0 (rows with an outcome),
    left1 (of these, with the first covariate), …; of the rows left last, n = their number, and
    `value`: y, weight, x0, x1, …, with weight_high, x0_high, … where rows differ;
    else total and squares of the outcome, the `WEIGHT_SUMS`, weight and x0, … as above;
    `moments`: with weight 1 or the row's own, sums xi, xixj, xiy named m0, m0_1, m0_y, ….
    dose, dose_high: of all rows. Sums do not depend on the order of rows.

    Raises EstimationError for infinite values, weights that are not positive, and a cohort that may mean two things.
    """
    numbers = {"y": roles.outcome, **{f"x{i}": name for i, name in enumerate(roles.covariates)}}
    numbers |= {key: name for key, name in (("w", roles.weights), ("dose", roles.dose)) if name is not None}
    texts = [name for name in (roles.period, roles.cohort) if rows.types[name] == "VARCHAR"]
    positive = () if roles.weights is None else (roles.weights,)
    n_rows, extents = rows.extents(list(dict.fromkeys([*numbers.values(), *texts])), positive)
    _check(n_rows, extents, roles, design)
    largest = {key: extents[name].largest for key, name in numbers.items()}
    wide = roles.weights is not None or kept == "moments"
    sums = _Sums(n_rows, largest, rows.is_whole(roles.outcome), wide)
    table = _groups(rows, roles, kept, sums)
    one_never = table["cohort"][_is_never(table, roles)].nunique(dropna=False) > 1
    if one_never:
        table = _groups(rows, roles, kept, sums, one_never=True)
    if kept != "value" and not wide and _is_heavy(table, largest["y"]):
        sums = _Sums(n_rows, largest, rows.is_whole(roles.outcome), True)
        table = _groups(rows, roles, kept, sums, one_never=one_never)
    _need_clear_never(rows, roles, table)
    return table.assign(cohort=table["cohort"].mask(_is_never(table, roles), NEVER))


def _is_never(table: "pd.DataFrame", roles: Roles) -> "pd.Series[bool]":
    is_never: pd.Series[bool] = ~np.isfinite(table["cohort"]) | (table["cohort"] == roles.never)
    return is_never


def _groups(rows: Rows, roles: Roles, kept: Kept, sums: "_Sums", *, one_never: bool = False) -> "pd.DataFrame":
    """The groups; one_never: with the cohort NULL for all ways to write never (as they are is faster)."""
    cohort = _never_as_null(rows, roles) if one_never else rows.native(roles.cohort)
    read = {"unit": rows.label(roles.unit), "period": rows.native(roles.period), "cohort": cohort}
    if roles.cluster is not None:
        read["cluster"] = rows.label(roles.cluster)
    covariates = {f"x{i}": rows.number(name) for i, name in enumerate(roles.covariates)}
    by = [*read, *(covariates if kept == "profiles" else ())]
    given = " AND ".join(f"({number}) IS NOT NULL" for number in covariates.values())
    y = rows.native(roles.outcome) if sums.whole else rows.number(roles.outcome)
    read |= covariates | {"y": y, "v": f"CASE WHEN {given} THEN {y} END" if covariates else y}
    names = [*covariates]
    taken = _counts(names) | (_values(names, roles) if kept == "value" else sums.of(names, roles, kept))
    if roles.weights is not None:
        read["w"] = rows.number(roles.weights)
    if roles.dose is not None:
        read["dose"] = rows.number(roles.dose)
        taken |= {"dose": "min(dose)", "dose_high": "max(dose)"}
    table = rows.query(
        f"SELECT {', '.join(by)}, {_named(taken)} FROM (SELECT {_named(read)} FROM {ROWS}) GROUP BY {', '.join(by)}"
    )
    return table.assign(**{name: table[name].astype(float) for name in ("period", "cohort")})


def _is_heavy(table: "pd.DataFrame", largest: float) -> bool:
    """Whether outcomes of most groups are so much smaller than the largest that sums must be kept in more digits."""
    some = table["n"] > 0
    if not some.any():
        return False
    return float((table["squares"] / table["n"])[some].median()) < (largest / HEAVY) ** 2


def _named(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())


def _counts(covariates: list[str]) -> dict[str, str]:
    counts = {"rows": "count(*)", "left0": "count(y)"}
    for i in range(1, len(covariates)):
        given = " AND ".join(f"{name} IS NOT NULL" for name in ("y", *covariates[:i]))
        counts[f"left{i}"] = f"count(*) FILTER ({given})"
    return counts | {f"left{len(covariates)}": "count(v)", "n": "count(v)"}


def _values(covariates: list[str], roles: Roles) -> dict[str, str]:
    values = {"y": "min(v)"}
    if roles.weights is not None:
        values |= {"weight": "min(w)", "weight_high": "max(w)"}
    for name in covariates:
        values |= {name: f"min({name})", f"{name}_high": f"max({name})"}
    return values


class _Sums:
    """SQL of sums of products, each with the bound that its parts imply."""

    def __init__(self, n_rows: int, largest: Mapping[str, float], is_whole: bool, wide: bool) -> None:
        self.n_rows, self.largest, self.wide = n_rows, {**largest, "v": largest["y"]}, wide
        self.whole = is_whole and largest["y"] <= EXACT_INTEGER

    def of(self, covariates: list[str], roles: Roles, kept: Kept) -> dict[str, str]:
        """Name → SQL of all sums of a repeated cross-section."""
        sums = {"total": self.product("v"), "squares": self.product("v", "v")}
        weighted = roles.weights is not None
        if weighted:
            parts = (("w",), ("w", "w"), ("w", "v"), ("w", "w", "v"), ("w", "w", "v", "v"))
            sums |= {name: self.product(*part) for name, part in zip(WEIGHT_SUMS, parts, strict=True)}
            sums |= {"weight": "min(w) FILTER (v IS NOT NULL)", "weight_high": "max(w) FILTER (v IS NOT NULL)"}
        if kept == "sums":
            for name in covariates:
                sums |= {
                    name: f"min({name}) FILTER (v IS NOT NULL)",
                    f"{name}_high": f"max({name}) FILTER (v IS NOT NULL)",
                }
        if kept == "moments":
            w = ("w",) if weighted else ()
            for i, name in enumerate(covariates):
                sums |= {f"m{i}": self.product(*w, name), f"m{i}_y": self.product(*w, name, "v")}
                sums |= {f"m{i}_{j}": self.product(*w, name, covariates[j]) for j in range(i, len(covariates))}
        return sums

    def product(self, *factors: str) -> str:
        """The sum of a product over the rows that are left."""
        if self.whole and set(factors) == {"v"}:  # whole numbers: faster, and the same to the last bit
            return f"coalesce(CAST(sum({' * '.join('CAST(v AS BIGINT)' for _ in factors)}) AS DOUBLE), 0.0)"
        largest = 1.0
        for factor in factors:
            largest *= self.largest[factor]
        product = " * ".join(factors)
        of_rows_left = product if "v" in factors else f"CASE WHEN v IS NOT NULL THEN {product} END"
        return exact_sum(of_rows_left, largest, self.n_rows, wide=self.wide)


def _never_as_null(rows: Rows, roles: Roles) -> str:
    """SQL of the first treated period, NULL for all ways to write never."""
    cohort = rows.number(roles.cohort)
    coded = "" if roles.never is None else f" AND {cohort} <> CAST({roles.never!r} AS DOUBLE)"
    return f"CASE WHEN isfinite({cohort}){coded} THEN {cohort} END"


def _check(n_rows: int, extents: Mapping[str, Extent], roles: Roles, design: SampleDesign) -> None:
    if not n_rows:
        raise EstimationError("the data have no rows; check the filter that made them.")
    if roles.weights is not None and (n_bad := n_rows - extents[roles.weights].n_positive):
        raise EstimationError(
            f"column {roles.weights} is missing, infinite, zero or negative in {n_bad} of {n_rows} rows; give "
            "every row a positive weight, or remove these rows."
        )
    for name in (roles.outcome, *roles.covariates):
        if n_infinite := extents[name].n_infinite:
            raise EstimationError(f"column {name} is infinite in {n_infinite} of {n_rows} rows; mend or empty them.")
    for name in (roles.outcome, *roles.covariates, *([roles.weights] if roles.weights is not None else [])):
        if design == "cross_section" and extents[name].largest > TOO_LARGE:
            raise EstimationError(f"column {name} holds numbers beyond {TOO_LARGE:g}; give it in a larger unit.")


def _need_clear_never(rows: Rows, roles: Roles, table: "pd.DataFrame") -> None:
    never, low, high = roles.never, table["period"].min(), table["period"].max()
    if never is None or not low < never <= high:
        return
    n_never = rows.query(
        f"SELECT count(*) AS n FROM {ROWS} WHERE {rows.number(roles.cohort)} = CAST({never!r} AS DOUBLE)"
    )
    if n_never["n"].iloc[0]:
        raise EstimationError(
            f"column {roles.cohort}: {never:g} may be a first treated period or mean never treated, as the periods run "
            f"from {low:.0f} to {high:.0f}; name another value as never treated, or inf."
        )
