"""One table out of any file: CSV, Parquet, or a table of a DuckDB file, for estimates on data outside a study.

What belongs here: opening that one file, locked down, and checking names and types. What does not: a column's meaning.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.warehouse.connection import _checked, translated

if TYPE_CHECKING:
    import pandas as pd

ColumnKind = Literal["number", "label"]
EMPTY = ("", "na", "n/a", "nan", "null", "none", ".")
_TABLE_IN_DATABASE = re.compile(r"^(?P<path>.+\.(?:duckdb|db|ddb)):(?P<table>[^:]+)$", re.IGNORECASE)
_WHOLE = re.compile(r"^U?(TINY|SMALL|BIG)?INT(EGER)?$")
_NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN|BIGNUM)$")

# DuckDB would otherwise guess: skip lines that do not fit, drop what looks like a comment, take lines as one column.
_CSV = """read_csv(?, delim = ?, all_varchar = true, header = true, skip = 0, comment = '', null_padding = false,
quote = '"', escape = '"', strict_mode = true, ignore_errors = false)"""
_READERS = {".csv": _CSV, ".parquet": "read_parquet(?)"}


def read_table_file(source: str, columns: Mapping[str, ColumnKind]) -> "pd.DataFrame":
    """The named columns of `FILE.csv`, `FILE.parquet` or `FILE.duckdb:table`, in the order of the file's rows.

    columns: name → `number` (float64, NaN where empty or a word for missing: NA, NaN, null, a dot) or `label` (whole
    numbers as such, all else as text, so that leading zeros stay). The connection can read this one file only; a
    DuckDB file is opened read-only. Names are looked up among the file's own columns before they are quoted into SQL.

    Raises WarehouseError for a missing file, another format, an unknown table or column (with the nearest name), and a
    column of numbers that holds text, with the number of such rows.
    """
    with _opened(source) as (connection, path, origin, parameters):
        described = connection.execute(f"DESCRIBE SELECT * FROM {origin}", parameters).fetchall()
        types = {str(name): str(kind) for name, kind, *_ in described}
        for name in columns:
            if name not in types:
                raise WarehouseError(f"{source}: there is no column {name}; {_way_out(name, list(types))}")
        _need_numbers(
            connection, source, origin, parameters, {n: types[n] for n, k in columns.items() if k == "number"}
        )
        wanted = ", ".join(f"{_expression(name, columns[name], types[name])} AS {quoted(name)}" for name in columns)
        try:
            return connection.execute(f"SELECT {wanted} FROM {origin}", parameters).df()
        except duckdb.Error as fault:
            raise translated(fault, path) from None


def nearest(name: str, names: Sequence[str]) -> str:
    """The way out after a name that does not exist: the nearest one, else all there are."""
    close = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1)
    if close:
        return f"the nearest is {next(other for other in names if other.lower() == close[0])}."
    return f"choose one of {', '.join(names[:30])}{' …' if len(names) > 30 else ''}."


def _way_out(name: str, names: Sequence[str]) -> str:
    """As `nearest`, but silent about names that are values because a file has no header line."""
    if any(re.fullmatch(r"\s*[-+]?[\d.,]+\s*", other) for other in names):
        return "the first line of the file must hold the names of the columns, and some are numbers."
    return nearest(name, names)


def quoted(name: str) -> str:
    """A name that may stand in a query."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _opened(source: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path, str, list[str]]]:
    """Connection, path, what to select from, and its parameters."""
    in_database = _TABLE_IN_DATABASE.match(source)
    path = _existing(source, in_database["path"] if in_database else source)
    if not in_database and path.suffix.lower() not in _READERS:
        raise WarehouseError(
            f"{source}: this format is not read; give FILE.csv, FILE.parquet, or FILE.duckdb:table for a table of a "
            "DuckDB file."
        )
    try:
        connection = _read_only(path) if in_database else _reading_only(path)
    except duckdb.Error as fault:
        if "lock" in str(fault).lower():
            raise WarehouseError(
                f"{path}: the database is in use by another process; try again when it ends."
            ) from None
        raise translated(fault, path) from None
    try:
        if in_database:
            yield connection, path, _table(connection, source, in_database["table"]), []
        else:
            reader = _READERS[path.suffix.lower()]
            yield connection, path, reader, [str(path), *([_delimiter(path)] if reader == _CSV else [])]
    except duckdb.InvalidInputException:
        why = (
            "its rows do not have the same columns, or it is not UTF-8; save it again as UTF-8 with one header line"
            if path.suffix.lower() == ".csv"
            else "it is damaged or of another kind; save it again"
        )
        raise WarehouseError(f"{path}: this file cannot be read as {path.suffix.lower()[1:]}: {why}.") from None
    except duckdb.Error as fault:
        raise translated(fault, path) from None
    finally:
        connection.close()


def _existing(source: str, name: str) -> Path:
    path = _checked(Path(name)).expanduser()
    if not path.is_file():
        raise WarehouseError(f"{source}: there is no such file; check the path.")
    if not os.access(path, os.R_OK):
        raise WarehouseError(f"{source}: the file cannot be read; give read permission.")
    if not path.stat().st_size:
        raise WarehouseError(f"{source}: the file is empty; save it again.")
    path = _checked(path.resolve())
    if re.search(r"[*?\[\]]", str(path)):
        raise WarehouseError(f"{source}: the path holds *, ? or brackets, which stand for many files; rename it.")
    return path


def _delimiter(path: Path) -> str:
    """The most frequent of the usual delimiters in the header line, outside quotes."""
    with path.open("rb") as file:
        header = re.sub(rb'"[^"]*"', b"", file.readline(1_000_000))
    return max((",", ";", "\t", "|"), key=lambda mark: header.count(mark.encode()))


def _reading_only(path: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that can reach this one file."""
    connection = duckdb.connect(":memory:")
    return _locked(connection, f"allowed_paths = ['{path}']")


def _read_only(path: Path) -> duckdb.DuckDBPyConnection:
    return _locked(duckdb.connect(str(path), read_only=True))


def _locked(connection: duckdb.DuckDBPyConnection, *more: str) -> duckdb.DuckDBPyConnection:
    for setting in (
        "temp_directory = ''",
        "preserve_insertion_order = true",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        *more,
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _table(connection: duckdb.DuckDBPyConnection, source: str, wanted: str) -> str:
    found = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = current_database() ORDER BY ALL"
    ).fetchall()
    names = {(name if schema == "main" else f"{schema}.{name}"): (schema, name) for schema, name in found}
    place = names.get(wanted.removeprefix("main."))
    if place is None:
        raise WarehouseError(f"{source}: there is no table {wanted}; {nearest(wanted, list(names))}")
    return ".".join(quoted(part) for part in place)


def _expression(name: str, kind: ColumnKind, database_type: str) -> str:
    if kind == "label":
        return quoted(name) if _WHOLE.match(database_type) else f"CAST({quoted(name)} AS VARCHAR)"
    if database_type == "VARCHAR":
        return _number_in_text(name)
    return f"CAST({quoted(name)} AS DOUBLE)"


def _number_in_text(name: str) -> str:
    return f"CASE WHEN {_is_empty(name)} THEN NULL ELSE TRY_CAST(trim({quoted(name)}) AS DOUBLE) END"


def _is_empty(name: str) -> str:
    words = ", ".join(f"'{word}'" for word in EMPTY)
    return f"lower(trim({quoted(name)})) IN ({words})"


def _need_numbers(
    connection: duckdb.DuckDBPyConnection, source: str, origin: str, parameters: list[str], types: Mapping[str, str]
) -> None:
    for name, kind in types.items():
        if kind != "VARCHAR" and not _NUMBER.match(kind):
            raise WarehouseError(f"{source}: column {name} has type {kind}, not numbers; convert it to numbers first.")
    texts = [name for name, kind in types.items() if kind == "VARCHAR"]
    if not texts:
        return
    counts = ", ".join(
        f"count(*) FILTER (WHERE {quoted(n)} IS NOT NULL AND NOT {_is_empty(n)} AND ({_number_in_text(n)}) IS NULL)"
        for n in texts
    )
    ((n_rows, *n_bad),) = connection.execute(f"SELECT count(*), {counts} FROM {origin}", parameters).fetchall()
    for name, bad in zip(texts, n_bad, strict=True):
        if bad:
            raise WarehouseError(
                f"{source}: column {name} holds text that is no number in {bad} of {n_rows} rows; write numbers with a "
                "decimal point and leave missing ones empty."
            )
