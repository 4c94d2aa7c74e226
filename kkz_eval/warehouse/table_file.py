"""One table out of any file: CSV, Parquet, or a table of a DuckDB file, for estimates on data outside a study.

What belongs here: opening that one file, locked down. What does not: its columns (rows.py).
"""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.warehouse.connection import _checked, translated

_TABLE_IN_DATABASE = re.compile(r"^(?P<path>.+\.(?:duckdb|db|ddb)):(?P<table>[^:]+)$", re.IGNORECASE)

# DuckDB would otherwise guess: skip lines that do not fit, drop what looks like a comment, take lines as one column.
_CSV = """read_csv('{path}', delim = '{delimiter}', all_varchar = true, header = true, skip = 0, comment = '',
null_padding = false, quote = '"', escape = '"', strict_mode = true, ignore_errors = false)"""
_READERS = {".csv": _CSV, ".parquet": "read_parquet('{path}')"}


def nearest(name: str, names: Sequence[str]) -> str:
    """The way out after a name that does not exist: the nearest one, else all there are."""
    close = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1)
    if close:
        return f"the nearest is {next(other for other in names if other.lower() == close[0])}."
    return f"choose one of {', '.join(names[:30])}{' …' if len(names) > 30 else ''}."


def quoted(name: str) -> str:
    """A name that may stand in a query."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def opened_file(source: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation]]:
    """A connection, and all columns and rows of `FILE.csv`, `FILE.parquet` or `FILE.duckdb:table`, read when asked for.

    The connection can read this one file only; a DuckDB file is opened read-only. Columns of a CSV file are text.
    Raises WarehouseError for a missing file, another format, an unknown table (with the nearest name), and a file that
    cannot be read.
    """
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
            origin = _table(connection, source, in_database["table"])
        else:
            delimiter = _delimiter(path) if path.suffix.lower() == ".csv" else ""
            origin = _READERS[path.suffix.lower()].format(path=path, delimiter=delimiter)
        yield connection, connection.sql(f"SELECT * FROM {origin}")
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
