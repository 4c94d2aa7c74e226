"""Rows of anyone's making that answer queries: of a file, a frame, or a DuckDB relation.

What belongs here: names, types and extents of columns. What does not: a column's meaning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Literal, Protocol

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.warehouse.connection import in_memory
from kkz_eval.warehouse.table_file import nearest, opened_file, quoted

if TYPE_CHECKING:
    import pandas as pd

ColumnKind = Literal["number", "label"]
EMPTY = ("", "na", "n/a", "nan", "null", "none", ".")
ROWS = "kkz_rows"
"""What a query calls the rows."""
_WHOLE = re.compile(r"^(U?(TINY|SMALL|BIG)?INT(EGER)?|BOOLEAN)$")
_NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN|BIGNUM)$")


class Relation(Protocol):
    """What a DuckDB relation and a query's result have in common."""

    def df(self) -> "pd.DataFrame":
        """The rows as a frame."""


@dataclass(frozen=True)
class Extent:
    """Of a column of numbers: rows that are infinite, rows with a positive finite number, a bound of finite sizes."""

    n_infinite: int
    n_positive: int
    largest: float


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that are read anew by every query and never held. types: column → type of the database.

    connection: for computations that need tables of their own beside the rows; None for a relation of someone else.
    """

    relation: duckdb.DuckDBPyRelation
    origin: str
    types: Mapping[str, str]
    connection: duckdb.DuckDBPyConnection | None = None

    def query(self, text: str) -> "pd.DataFrame":
        """The result of a SELECT on the rows, which it calls by `ROWS`."""
        answer = self.relation.query(ROWS, text)
        if answer is None:  # a statement that gives no rows; never a SELECT
            raise WarehouseError(f"{self.origin}a query on these rows must be a SELECT.")
        frame: pd.DataFrame = answer.df()
        return frame

    def label(self, name: str) -> str:
        """SQL of a label: whole numbers and text as they are (leading zeros stay), all else as text."""
        kind = self.types[name]
        if _WHOLE.match(kind) or kind == "VARCHAR":
            return quoted(name)
        value = f"nullif({quoted(name)}, 'nan')" if kind in ("DOUBLE", "FLOAT") else quoted(name)
        return f"CAST({value} AS VARCHAR)"

    def number(self, name: str) -> str:
        """SQL of a DOUBLE, NULL where a number is not given, not a number, or a word for missing (NA, a dot)."""
        kind = self.types[name]
        if kind == "VARCHAR":
            return f"CASE WHEN {_is_empty(name)} THEN NULL ELSE TRY_CAST(trim({quoted(name)}) AS DOUBLE) END"
        number = f"CAST({quoted(name)} AS DOUBLE)"
        return f"nullif({number}, 'nan'::DOUBLE)" if kind in ("DOUBLE", "FLOAT") else number

    def native(self, name: str) -> str:
        """As `number`, but whole numbers keep their type, which is faster to group by and to add."""
        if self.types[name] == "BOOLEAN":
            return f"CAST({quoted(name)} AS TINYINT)"
        return quoted(name) if self.is_whole(name) else self.number(name)

    def is_whole(self, name: str) -> bool:
        """Whether the type of the column holds whole numbers only."""
        return _WHOLE.match(self.types[name]) is not None

    def extents(self, names: Sequence[str], positive: Sequence[str] = ()) -> tuple[int, dict[str, Extent]]:
        """Number of rows, and the extent of each column of numbers; n_positive for the names in `positive` only.

        Where the least and the largest number say all, the metadata of a Parquet file is enough, and no row is read.
        Raises WarehouseError when a column holds text that is no number, with the number of such rows.
        """
        plain = [name for name in names if self.types[name] != "VARCHAR"]
        ends = (f"count({quoted(name)}), min({quoted(name)}), max({quoted(name)})" for name in plain)
        n_rows, *found = self._numbers(", ".join(["count(*)", *ends]))
        extents = {}
        for i, name in enumerate(plain):
            n_known, low, high = found[3 * i : 3 * i + 3]
            if isfinite(low) and isfinite(high) and (name not in positive or (low > 0 and n_known == n_rows)):
                extents[name] = Extent(0, int(n_rows), max(-low, high))
        for name in (name for name in names if name not in extents):
            number = self.number(name)
            n_text, n_infinite, n_positive, largest = self._numbers(
                f"count(*) FILTER (NOT {_is_empty(name)} AND ({number}) IS NULL), "
                f"count(*) FILTER (isinf({number})), count(*) FILTER ({number} > 0 AND {number} < 'inf'), "
                f"max(abs({number})) FILTER (isfinite({number}))"
            )
            if n_text and name not in plain:
                raise _text(self.origin, name, int(n_text), int(n_rows))
            extents[name] = Extent(int(n_infinite), int(n_positive), 0.0 if isnan(largest) else largest)
        return int(n_rows), extents

    def _numbers(self, expressions: str) -> list[float]:
        """The one row that aggregates give; NaN for NULL."""
        return [float(value) for value in self.query(f"SELECT {expressions} FROM {ROWS}").to_numpy(float)[0]]


@contextmanager
def open_rows(source: "pd.DataFrame | Relation | str", columns: Mapping[str, ColumnKind]) -> Iterator[Rows]:
    """The rows of a frame, a relation, or of `FILE.csv`, `FILE.parquet` or `FILE.duckdb:table`, open for queries.

    columns: name → `number` or `label`. The connection to a file can read this one file only; a DuckDB file is opened
    read-only. Names are looked up among the source's own columns before they are quoted into SQL.

    Raises WarehouseError for a missing file, another format, an unknown table or column (with the nearest name), and a
    column of numbers with a type that holds none.
    """
    if isinstance(source, str):
        with opened_file(source) as (connection, relation):
            yield _rows(relation, f"{source}: ", columns, connection)
        return
    own = None
    try:
        if not isinstance(source, duckdb.DuckDBPyRelation):
            own = in_memory()
            source = own.from_df(_plain(source, columns))
        yield _rows(source, "", columns, own)
    except duckdb.Error as fault:
        raise WarehouseError(
            f"the data cannot be read by the database ({type(fault).__name__}); give a frame of numbers and text."
        ) from None
    finally:
        if own is not None:
            own.close()


def _rows(
    relation: duckdb.DuckDBPyRelation,
    origin: str,
    columns: Mapping[str, ColumnKind],
    connection: duckdb.DuckDBPyConnection | None,
) -> Rows:
    types = {str(name): str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    for name, kind in columns.items():
        if name not in types:
            raise WarehouseError(f"{origin}there is no column {name}; {_way_out(name, list(types))}")
        if kind == "number" and types[name].startswith(("DATE", "TIME")):
            raise WarehouseError(f"{origin}column {name} holds dates; give whole numbers, for example the year.")
        if kind == "number" and types[name] != "VARCHAR" and not _NUMBER.match(types[name]):
            raise WarehouseError(
                f"{origin}column {name} has type {types[name]}, not numbers; convert it to numbers first."
            )
    return Rows(relation, origin, types, connection)


def _text(origin: str, name: str, n_text: int, n_rows: int) -> WarehouseError:
    return WarehouseError(
        f"{origin}column {name} holds text that is no number in {n_text} of {n_rows} rows; write numbers with a "
        "decimal point (categories as columns of 0 and 1) and leave missing ones empty."
    )


def _way_out(name: str, names: Sequence[str]) -> str:
    """As `nearest`, but silent about names that are values because a file has no header line."""
    if any(re.fullmatch(r"\s*[-+]?[\d.,]+\s*", other) for other in names):
        return "the first line of the file must hold the names of the columns, and some are numbers."
    return nearest(name, names)


def _is_empty(name: str) -> str:
    words = ", ".join(f"'{word}'" for word in EMPTY)
    return f"coalesce(lower(trim(CAST({quoted(name)} AS VARCHAR))) IN ({words}), true)"


def _plain(source: "pd.DataFrame | Relation", columns: Mapping[str, ColumnKind]) -> "pd.DataFrame":
    """The named columns, objects of Python turned into numbers or text."""
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    frame = source if isinstance(source, pd.DataFrame) else source.df()
    names = [str(name) for name in frame.columns]
    for name in columns:
        if names.count(name) > 1:
            raise WarehouseError(f"column {name} occurs {names.count(name)} times; rename all but one.")
    plain: dict[str, Any] = {}
    for name in names:
        if name in columns:
            plain[name] = _plain_column(frame.iloc[:, names.index(name)], name, columns[name])
        else:  # only the name is of use: for a column that is misspelt
            plain.setdefault(name, 0)
    return pd.DataFrame(plain, index=frame.index)


def _plain_column(column: "pd.Series[Any]", name: str, kind: ColumnKind) -> "pd.Series[Any]":
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    types = pd.api.types
    if types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column):
        return column
    values = column.astype(object)
    if kind == "label":
        return values.map(str, na_action="ignore")
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    n_text = int((numbers.isna() & values.notna()).sum())
    if n_text:
        raise _text("", name, n_text, len(values))
    return numbers
