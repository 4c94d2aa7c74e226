"""A SQL file is its own contract: the parser of its header.

What belongs here: reading files. What does not: running them.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.warehouse.connection import in_memory

BUILT_SCHEMAS = ("reference", "staging", "cells", "disclosure", "release")
#: Tables of these schemas that Python writes.
PYTHON_TABLES = ("release.dictionary",)
UNITS = (
    "id", "text", "note", "flag", "date", "month", "year", "years",
    "count", "number", "sum", "share", "points", "estimate",
)  # fmt: skip
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_COLUMN = re.compile(r"^([a-z][a-z0-9_]*)\s+([a-z]+)\s+(\S.*)$")


@dataclass(frozen=True)
class Column:
    """One column of a table: name, unit of measure, description."""

    name: str
    unit: str
    description: str


@dataclass(frozen=True)
class SqlFile:
    """One table: its grain, key, columns and the SELECT that builds it. `reads` are the tables named in the query."""

    schema: str
    table: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    query: str
    reads: frozenset[str]

    @property
    def name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.table}"

    @property
    def sha256(self) -> str:
        """Hash of header and query together."""
        header = "\n".join(
            [self.grain, ",".join(self.key), *(f"{c.name} {c.unit} {c.description}" for c in self.columns)]
        )
        return hashlib.sha256(f"{header}\n{self.query}".encode()).hexdigest()


def sql_folder() -> Path:
    """The folder sql/: inside the installed package, or at the top of the project."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


def read_catalog(folder: Path | None = None) -> dict[str, SqlFile]:
    """All files of sql/ by `schema.table`, in the order in which they must be built. Raises `WarehouseError`."""
    folder = folder or sql_folder()
    paths = sorted(path for schema in BUILT_SCHEMAS for path in (folder / schema).glob("*.sql"))
    if not paths:
        raise WarehouseError(f"{folder}: no SQL file is here; install the project again.")
    connection = in_memory()
    try:
        files = {file.name: file for file in (read_sql_file(path, connection) for path in paths)}
    finally:
        connection.close()
    _check_all_there(folder, files)
    return _in_building_order(files)


def read_sql_file(path: Path, connection: duckdb.DuckDBPyConnection) -> SqlFile:
    """Parse one file. Raises `WarehouseError` that names file and line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = list(_leading_comment(lines))
    query = "\n".join(lines[len(header) :]).strip().rstrip(";")
    words = [line.removeprefix("--").strip() for line in header]
    if not words or not words[0]:
        raise WarehouseError(f"{path}, line 1: the first line must say what one row is, as a comment.")
    key: tuple[str, ...] = ()
    columns: list[Column] = []
    for line in words[1:]:
        column = _COLUMN.match(line)
        if line.startswith("key:"):
            key = tuple(part.strip() for part in line.removeprefix("key:").split(","))
        elif not line and columns:
            # An empty line ends the columns: what follows are remarks.
            break
        elif column and column.group(2) in UNITS:
            # Any other line is a remark; a column forgotten here is found when the table is built.
            columns.append(Column(*column.groups()))
    _check_header(path, key, columns)
    return SqlFile(path.parent.name, path.stem, words[0], key, tuple(columns), query, _reads(path, query, connection))


def _leading_comment(lines: list[str]) -> Iterable[str]:
    for line in lines:
        if not line.startswith("--"):
            return
        yield line


def _check_header(path: Path, key: tuple[str, ...], columns: list[Column]) -> None:
    names = [column.name for column in columns]
    if not key:
        raise WarehouseError(f"{path}: the header has no line `-- key: column, column`.")
    if not _NAME.match(path.stem):
        raise WarehouseError(f"{path}: the file name is the table name; use small letters, digits and underscores.")
    if len(set(names)) != len(names):
        raise WarehouseError(f"{path}: a column is described twice in the header.")
    unknown = [name for name in key if name not in names]
    if unknown:
        raise WarehouseError(f"{path}: the key column {unknown[0]} is not described in the header.")


def _reads(path: Path, query: str, connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The tables that the query names, told by DuckDB's own parser; names of its own WITH parts are left out."""
    tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0])
    if tree.get("error"):
        line = query[: int(tree.get("position") or 0)].count("\n") + 1
        raise WarehouseError(
            f"{path}: not one SELECT that DuckDB reads, query line {line}: {tree.get('error_message')}."
        )
    tables: set[tuple[str, str]] = set()
    parts: set[str] = set()
    _collect(tree, tables, parts)
    names = frozenset(f"{schema}.{table}" for schema, table in tables if schema)
    unqualified = sorted(table for schema, table in tables if not schema and table not in parts)
    if unqualified:
        raise WarehouseError(f"{path}: write the schema before the table {unqualified[0]}.")
    return names


def _collect(node: object, tables: set[tuple[str, str]], parts: set[str]) -> None:
    """Walk the syntax tree: base tables into `tables`, names of WITH parts into `parts`."""
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            tables.add((node["schema_name"], node["table_name"]))
        if isinstance(node.get("cte_map"), dict):
            parts.update(entry["key"] for entry in node["cte_map"].get("map", []))
        for child in node.values():
            _collect(child, tables, parts)
    elif isinstance(node, list):
        for child in node:
            _collect(child, tables, parts)


def _check_all_there(folder: Path, files: dict[str, SqlFile]) -> None:
    """A table of before must not stand in for a file that is gone."""
    for name, file in files.items():
        for read in sorted(file.reads):
            schema, table = read.split(".")
            if schema in BUILT_SCHEMAS and read not in files and read not in PYTHON_TABLES:
                raise WarehouseError(
                    f"{folder}/{schema}/{table}.sql: this file is missing, but {name} reads it; install again."
                )


def _in_building_order(files: dict[str, SqlFile]) -> dict[str, SqlFile]:
    try:
        order = list(
            TopologicalSorter({name: sorted(file.reads & files.keys()) for name, file in files.items()}).static_order()
        )
    except CycleError as fault:
        raise WarehouseError(
            f"sql/: these tables read each other in a circle: {', '.join(sorted(set(fault.args[1])))}."
        ) from None
    return {name: files[name] for name in order}
