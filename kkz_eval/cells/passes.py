"""Children that stay in the database: checked once, then read by passes that return sums and nothing of one child.

What belongs here: the relation, its scaled copy in the same database, aggregate statements. What does not: estimators.

Every sum is one of whole numbers (terms times 2^60, rounded), so that neither the number of threads nor the order of
rows moves a bit. All terms are at most one in size; rounding is that of a double precision number or finer.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.child_checks import (
    FIXED,
    ChildColumns,
    Ranges,
    expressions,
    fixed_sum,
    need_columns,
    ranges,
    unit_table,
)
from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel, FloatArray
from kkz_eval.warehouse.table_file import quoted

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CHILDREN, UNITS, MEMBERS = "kkz_child_rows", "kkz_child_units", "kkz_child_members"


@dataclass(frozen=True, eq=False)
class Members:
    """Which children belong to which of B comparisons: one entry (M,) per cell, a cohort in a period.

    cell, contrast (M,); term (M,): 0 in the period, 1 in the base period; treated (M,).
    """

    cell: NDArray[np.int64]
    contrast: NDArray[np.int64]
    term: NDArray[np.int64]
    treated: NDArray[np.bool_]

    def of(self, contrasts: NDArray[np.bool_]) -> "Members":
        """The entries of the comparisons where contrasts (B,) holds."""
        keep = contrasts[self.contrast]
        return Members(self.cell[keep], self.contrast[keep], self.term[keep], self.treated[keep])


@dataclass(frozen=True)
class Limits:
    """How scores are cut: comparison children with a linear index below `never` have none; no score exceeds `cap`;
    odds are zero from a score of `trim` on."""

    never: float
    cap: float
    trim: float

    @property
    def largest_odds(self) -> float:
        """No odds are larger."""
        return 1.0 / (1.0 - self.trim)


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """Derivatives of the logit's likelihood in B comparisons: score (B, K), information (B, K, K), in Σw; the largest
    linear index (B,); n_controls (B,) comparison children that are not yet given up as impossible to be treated."""

    score: FloatArray
    information: FloatArray
    largest: FloatArray
    n_controls: FloatArray


class ChildRelation:
    """A table or view of an open connection with one row per child; only sums ever leave it.

    Raises EstimationError for a relation or column that does not exist and columns of numbers that hold something else.
    """

    def __init__(self, connection: "duckdb.DuckDBPyConnection", relation: str, columns: ChildColumns) -> None:
        self._connection = connection
        self._relation = ".".join(quoted(part) for part in relation.split("."))
        self.columns = columns
        need_columns(connection, relation, self._relation, columns)

    @contextmanager
    def loaded(self, *, weighted: bool = True) -> Iterator["ChildRows"]:
        """The children with outcome and covariates in a temporary table of the same database, removed at the end.

        weighted: False lets every child count alike. Raises EstimationError for rows that would change a result unseen.
        """
        found = ranges(self._connection, self._relation, self.columns, weighted=weighted)
        units = unit_table(self._connection, self._relation, self.columns)
        try:
            _, code = np.unique(units["cohort"].to_numpy(dtype=np.float64), return_inverse=True)
            self._copy(found, units, code, weighted=weighted)
            yield ChildRows(self._connection, self.columns, found, units, code.astype(np.int64))
        finally:
            for name in (CHILDREN, UNITS, MEMBERS):
                self._connection.execute(f"DROP TABLE IF EXISTS temp.{name}")

    def _copy(self, found: Ranges, units: "pd.DataFrame", code: NDArray[np.intp], *, weighted: bool) -> None:
        """Unit and cell as numbers, outcome and covariates scaled to between −1 and 1, weights to at most 1."""
        _write(
            self._connection,
            UNITS,
            {"label": units["unit"].to_numpy(), "code": np.arange(len(units)), "cohort": code.astype(np.int64)},
        )
        of = expressions(self.columns, weighted=weighted)
        own = ", ".join(f"{of[name]} AS {name}" for name in ("unit", "period", "w", *found.scaled))
        scaled = ", ".join(f"(r.{name} - ?) / ? AS {name}" for name in found.scaled)
        numbers = [part for name in found.scaled for part in (found.centre[name], found.half[name])]
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {CHILDREN} AS SELECT k.code AS unit, "
            "k.cohort * CAST(? AS BIGINT) + CAST(r.period AS BIGINT) - CAST(? AS BIGINT) AS cell, "
            f"r.w / ? AS w, {scaled} FROM (SELECT {own} FROM {self._relation} WHERE {of['complete']}) AS r "
            f"JOIN {UNITS} AS k ON r.unit = k.label",
            [found.n_years, found.first_year, found.largest_weight, *numbers],
        )


class ChildRows:
    """The passes over loaded children. K = k+1: a constant and the covariates u, each between −1 and 1.

    Weights and outcomes go in and come out in their own units, covariates as u.
    """

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        columns: ChildColumns,
        found: Ranges,
        units: "pd.DataFrame",
        cohort_code: NDArray[np.int64],
    ) -> None:
        self._connection, self._columns, self._ranges, self._units = connection, columns, found, units
        self.cohort_code = cohort_code
        self.n_columns = 1 + len(columns.covariates)
        self.n_passes = 0
        self._z = ["1", *(f"r.u{i}" for i in range(len(columns.covariates)))]

    @cached_property
    def sums(self) -> dict[str, FloatArray]:
        """One pass: by unit and cell, number of children and moments. Columns are named after their terms."""
        z, size = self._z, self.n_columns
        terms = {f"m{i}_{j}": f"r.w * {z[i]} * {z[j]}" for i in range(size) for j in range(i, size)}
        terms |= {f"c{i}": f"r.w * r.v * {z[i]}" for i in range(size)}
        terms |= {"y": "r.v", "yy": "r.v * r.v"}
        wanted = ", ".join(f"{fixed_sum(term)} AS {name}" for name, term in terms.items())
        box = "".join(f", min({u}) AS low{i}, max({u}) AS high{i}" for i, u in enumerate(z[1:]))
        found = self.read(
            f"SELECT r.unit, r.cell, count(*) AS n, {wanted}{box} FROM {CHILDREN} AS r GROUP BY ALL ORDER BY ALL"
        )
        return {name: found[name] / FIXED if name in terms else found[name] for name in found}

    @cached_property
    def panel(self) -> MomentPanel:
        """Cells of the children, with the moments of (1, u). Raises EstimationError as `CellPanel.from_frame`."""
        import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

        sums, found = self.sums, self._ranges
        centre, half, top = found.centre["v"], found.half["v"], found.largest_weight
        unit = sums["unit"].astype(np.intp)
        year = sums["cell"].astype(np.int64) % found.n_years + found.first_year
        plain = {"n": sums["n"], "total": centre * sums["n"] + half * sums["y"]}
        plain["squares"] = centre**2 * sums["n"] + 2 * centre * half * sums["y"] + half**2 * sums["yy"]
        attributes = self._units.iloc[unit].reset_index(drop=True)
        frame = pd.concat([pd.DataFrame({"period": year, **plain}), attributes], axis=1)
        empty = self._units[~self._units.index.isin(unit)]
        empty = empty.assign(period=found.first_year, **dict.fromkeys(plain, 0.0))
        base = CellPanel.from_frame(
            pd.concat([frame, empty[frame.columns]]) if len(empty) else frame,
            self._columns.outcome,
            cluster=None if self._columns.cluster is None else "cluster",
            n="n",
            total="total",
            total_of_squares="squares",
        )
        row = np.searchsorted(base.units, attributes["unit"].to_numpy(dtype=np.str_))
        column = np.searchsorted(base.periods, year)
        size = self.n_columns
        moments, cross = np.zeros((*base.n.shape, size, size)), np.zeros((*base.n.shape, size))
        for i in range(size):
            for j in range(i, size):
                moments[row, column, i, j] = moments[row, column, j, i] = top * sums[f"m{i}_{j}"]
            cross[row, column, i] = top * (centre * sums[f"m0_{i}"] + half * sums[f"c{i}"])
        missing = self._units.set_index("unit")["n_missing"].reindex(base.units).to_numpy(dtype=np.float64)
        return MomentPanel(
            **vars(base), covariate_names=self._columns.covariates, moments=moments, cross=cross, missing=missing
        )

    def cell_of(self, cohort_code: NDArray[np.int64], year: int) -> NDArray[np.int64]:
        """The number of the cell of each cohort in a period."""
        cells: NDArray[np.int64] = cohort_code * self._ranges.n_years + (year - self._ranges.first_year)
        return cells

    def positions(self, units: NDArray[np.str_]) -> NDArray[np.intp]:
        """Positions of units by label, in the arrays that the passes return and in `cohort_code`."""
        found: NDArray[np.intp] = np.searchsorted(self._units["unit"].to_numpy(dtype=np.str_), units)
        return found

    @property
    def n_units(self) -> int:
        """Units with an outcome, whether they have covariates or not."""
        return len(self._units)

    @property
    def centre_outcome(self) -> float:
        """Mean of the outcome."""
        return self._ranges.centre["v"]

    @property
    def half_outcome(self) -> float:
        """The outcome between −1 and 1 is (y − centre) / half."""
        return self._ranges.half["v"]

    @property
    def largest_weight(self) -> float:
        """Weights between 0 and 1 are w / largest."""
        return self._ranges.largest_weight

    def boxes(self) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
        """Cells (C,), and the smallest and largest u in them (C, k), from the pass that made the panel."""
        cell = self.sums["cell"].astype(np.int64)
        cells, where = np.unique(cell, return_inverse=True)
        low, high = (np.full((len(cells), self.n_columns - 1), limit) for limit in (np.inf, -np.inf))
        for i in range(self.n_columns - 1):
            np.minimum.at(low[:, i], where, self.sums[f"low{i}"])
            np.maximum.at(high[:, i], where, self.sums[f"high{i}"])
        return cells, low, high

    def scores(self, members: Members, beta: FloatArray, limits: Limits) -> ScoreSums:
        """One pass: score and information of the logits with coefficients beta (B, K) of z, in all comparisons."""
        size = self.n_columns
        z = [name.removeprefix("r.") for name in self._z]
        self.write_members(members, named("b", beta[members.contrast]))
        pairs = [(i, j) for i in range(size) for j in range(i, size)]
        terms = {f"s{i}": f"s * {z[i]}" for i in range(size)} | {f"h{i}_{j}": f"v * {z[i]} * {z[j]}" for i, j in pairs}
        wanted = ", ".join(f"{fixed_sum(term)} AS {name}" for name, term in terms.items())
        found = self.read(
            f"""WITH linear AS (
                SELECT m.contrast, m.treated, r.*, {self.dot("b")} AS eta
                FROM {CHILDREN} AS r JOIN {MEMBERS} AS m USING (cell)
            ), fitted AS (
                SELECT *, 1 / (1 + exp(-eta)) AS p, treated < 1 AND eta < {limits.never!r} AS lost FROM linear
            ), parts AS (
                SELECT * EXCLUDE (v), CASE WHEN lost THEN 0 ELSE w * (treated - p) END AS s,
                    CASE WHEN lost THEN 0 ELSE w * p * (1 - p) END AS v FROM fitted
            )
            SELECT contrast, {wanted}, max(eta) AS largest,
                count(*) FILTER (WHERE treated < 1 AND NOT lost) AS n_controls
            FROM parts GROUP BY contrast ORDER BY contrast"""
        )
        where, top = found["contrast"].astype(np.intp), self._ranges.largest_weight / FIXED
        sums = ScoreSums(
            np.zeros(beta.shape), np.zeros((*beta.shape, size)), np.full(len(beta), -np.inf), np.zeros(len(beta))
        )
        for i, j in pairs:
            sums.information[where, i, j] = sums.information[where, j, i] = top * found[f"h{i}_{j}"]
        sums.score[where] = top * np.column_stack([found[f"s{i}"] for i in range(size)])
        sums.largest[where], sums.n_controls[where] = found["largest"], found["n_controls"]
        return sums

    def weighted(
        self, members: Members, beta: FloatArray, mean: FloatArray, limits: Limits
    ) -> tuple[FloatArray, FloatArray]:
        """One pass: Σ w·odds·z and Σ w·odds·(y − z·mean)·z of the comparison children, each (B, 2, K).

        beta (B, K) of the logits; mean (B, 2, K) coefficients of a regression in both periods, or zeros.
        """
        control = Members(*(part[~members.treated] for part in vars(members).values()))
        scaled = self.scaled(mean)
        size = 1 + np.abs(scaled).sum(axis=2)
        at = (control.contrast, control.term)
        self.write_members(
            control, {**named("b", beta[control.contrast]), **named("g", scaled[at]), "scale": 1 / size[at]}
        )
        weight = f"r.w * {self.odds(limits)} / {limits.largest_odds!r}"
        terms = {f"o{i}": f"{weight} * {z}" for i, z in enumerate(self._z)}
        terms |= {f"e{i}": f"{weight} * (r.v - ({self.dot('g')})) * m.scale * {z}" for i, z in enumerate(self._z)}
        wanted = ", ".join(f"{fixed_sum(term)} AS {name}" for name, term in terms.items())
        found = self.read(
            f"SELECT m.contrast, m.term, {wanted} FROM {CHILDREN} AS r JOIN {MEMBERS} AS m USING (cell) "
            "GROUP BY ALL ORDER BY m.contrast, m.term"
        )
        where = (found["contrast"].astype(np.intp), found["term"].astype(np.intp))
        odds, residual = np.zeros(mean.shape), np.zeros(mean.shape)
        factor = limits.largest_odds * self._ranges.largest_weight / FIXED
        for i in range(self.n_columns):
            odds[(*where, i)] = factor * found[f"o{i}"]
            residual[(*where, i)] = factor * self._ranges.half["v"] * size[where] * found[f"e{i}"]
        return odds, residual

    def scaled(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients (…, K) of a regression of the outcome as those of the outcome between −1 and 1."""
        moved = coefficients.copy()
        moved[..., 0] -= self._ranges.centre["v"]
        return moved / self._ranges.half["v"]

    def score(self, limits: Limits) -> str:
        """SQL of the score with coefficients b of z."""
        eta = f"({self.dot('b')})"
        never = f"m.treated < 1 AND {eta} < {limits.never!r}"
        return f"(CASE WHEN {never} THEN 0 ELSE least(1 / (1 + exp(-{eta})), {limits.cap!r}) END)"

    def odds(self, limits: Limits) -> str:
        """SQL of the odds of comparison children; zero for treated ones, who do not need them."""
        score = self.score(limits)
        return f"(CASE WHEN m.treated < 1 AND {score} < {limits.trim!r} THEN {score} / (1 - {score}) ELSE 0 END)"

    def dot(self, name: str) -> str:
        """SQL of a linear form of z with the coefficients of that name."""
        return " + ".join(f"m.{name}{i} * {z}" for i, z in enumerate(self._z))

    def write_members(self, members: Members, columns: Mapping[str, FloatArray]) -> None:
        """The table `MEMBERS` for the next pass: entries and their coefficients."""
        keys = {"cell": members.cell, "contrast": members.contrast, "term": members.term}
        _write(self._connection, MEMBERS, {**keys, "treated": members.treated.astype(np.float64), **columns})

    def read(self, query: str) -> dict[str, FloatArray]:
        """Columns of numbers of an aggregate statement."""
        self.n_passes += 1
        found: dict[str, Any] = self._connection.execute(query).fetchnumpy()
        return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def named(name: str, values: FloatArray) -> dict[str, FloatArray]:
    """Columns name0, name1, … of an array (M, K)."""
    return {f"{name}{i}": values[:, i] for i in range(values.shape[1])}


def _write(connection: "duckdb.DuckDBPyConnection", table: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """A small temporary table; all values are bound, never text of the statement."""
    kinds = {"i": "BIGINT", "f": "DOUBLE"}
    wanted = ", ".join(
        f"unnest(CAST(? AS {kinds.get(values.dtype.kind, 'VARCHAR')}[])) AS {name}" for name, values in columns.items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {wanted}", [values.tolist() for values in columns.values()]
    )
