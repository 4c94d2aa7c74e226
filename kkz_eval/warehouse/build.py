"""Running a SQL file: one transaction, the contract checked, comments written. What belongs here: making tables."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from kkz_eval.errors import ContractError, WarehouseError
from kkz_eval.warehouse.sqlfile import Column, SqlFile


@dataclass(frozen=True)
class BuildResult:
    """What was built: rows, column types as DuckDB names them, fingerprint of query and inputs."""

    name: str
    n_rows: int
    types: dict[str, str]
    fingerprint: str


def build_table(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> BuildResult:
    """Build one table from its file, all or nothing.

    Raises `WarehouseError` when a table it reads is missing, `ContractError` when the columns produced differ from the
    header or the key has a gap or is not unique. The table of before is then unchanged.
    """
    target = f"{_quoted(file.schema)}.{_quoted(file.table)}"
    connection.execute("BEGIN")
    try:
        connection.execute(f"CREATE OR REPLACE TABLE {target} AS {file.query}")
        types = _column_types(connection, file.schema, file.table)
        _check_columns(file, list(types))
        _check_key(connection, target, file)
        write_comments(connection, target, file.grain, file.columns)
        n_rows = int(connection.execute(f"SELECT count(*) FROM {target}").fetchall()[0][0])
        fingerprint = fingerprint_of(file, fingerprints(connection))
        record_build(connection, file.name, fingerprint, file.sha256, n_rows)
        connection.execute("COMMIT")
    except duckdb.Error as fault:
        _roll_back(connection)
        raise WarehouseError(f"{file.name}: the table could not be built{_why(fault)}.") from None
    except WarehouseError:
        _roll_back(connection)
        raise
    return BuildResult(file.name, n_rows, types, fingerprint)


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    grain: str,
    columns: Sequence[tuple[Column, str]],
    rows: Iterable[Sequence[object]],
    made_from: str,
) -> int:
    """Replace a table that Python computes; `columns` pair each column with its DuckDB type, `made_from` is hashed.

    Returns the number of rows. All or nothing, like `build_table`.
    """
    schema, table = name.split(".")
    target = f"{_quoted(schema)}.{_quoted(table)}"
    listed = ", ".join(f"{_quoted(column.name)} {kind}" for column, kind in columns)
    values = [tuple(row) for row in rows]
    connection.execute("BEGIN")
    try:
        connection.execute(f"CREATE OR REPLACE TABLE {target} ({listed})")
        if values:
            # One statement with a list per column: a hundred times faster than one statement per row.
            lists = ", ".join(f"unnest(CAST(? AS {kind}[]))" for _, kind in columns)
            connection.execute(
                f"INSERT INTO {target} SELECT {lists}", [list(cells) for cells in zip(*values, strict=True)]
            )
        write_comments(connection, target, grain, [column for column, _ in columns])
        digest = hashlib.sha256(made_from.encode()).hexdigest()
        record_build(connection, name, digest, digest, len(values))
        connection.execute("COMMIT")
    except duckdb.Error as fault:
        _roll_back(connection)
        raise WarehouseError(f"{name}: the table could not be written{_why(fault)}.") from None
    return len(values)


def write_comments(connection: duckdb.DuckDBPyConnection, target: str, grain: str, columns: Iterable[Column]) -> None:
    """The header becomes table and column comments, so that any client shows them."""
    connection.execute(f"COMMENT ON TABLE {target} IS {_literal(grain)}")
    for column in columns:
        text = f"{column.description} [{column.unit}]"
        connection.execute(f"COMMENT ON COLUMN {target}.{_quoted(column.name)} IS {_literal(text)}")


def fingerprint_of(file: SqlFile, inputs: Mapping[str, str]) -> str:
    """Hash of the file and of everything it reads, so that equal fingerprints mean equal content."""
    parts = [file.sha256, *(f"{name}={inputs.get(name, 'missing')}" for name in sorted(file.reads))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class RecordedBuild:
    """What the ledger holds of a table: fingerprint of content, hash of code, rows."""

    fingerprint: str
    code_sha256: str
    n_rows: int


def recorded_builds(connection: duckdb.DuckDBPyConnection) -> dict[str, RecordedBuild]:
    """The ledger of builds, by `schema.table`."""
    _create_ledger(connection)
    rows = connection.execute("SELECT table_name, fingerprint, code_sha256, n_rows FROM ledger.build").fetchall()
    return {str(name): RecordedBuild(str(print_), str(code), int(n)) for name, print_, code, n in rows}


def fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Recorded fingerprint of every table built so far, by `schema.table`."""
    return {name: build.fingerprint for name, build in recorded_builds(connection).items()}


def record_build(
    connection: duckdb.DuckDBPyConnection, name: str, fingerprint: str, code_sha256: str, n_rows: int
) -> None:
    """Note a table's fingerprint in the ledger, inside the transaction that made the table."""
    _create_ledger(connection)
    connection.execute("DELETE FROM ledger.build WHERE table_name = ?", [name])
    connection.execute("INSERT INTO ledger.build VALUES (?, ?, ?, ?)", [name, fingerprint, code_sha256, n_rows])


def _create_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS ledger")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS ledger.build"
        " (table_name VARCHAR, fingerprint VARCHAR, code_sha256 VARCHAR, n_rows BIGINT)"
    )


def _column_types(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, str]:
    return dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()
    )


def _check_columns(file: SqlFile, produced: list[str]) -> None:
    described = [column.name for column in file.columns]
    if produced != described:
        missing = [name for name in described if name not in produced]
        added = [name for name in produced if name not in described]
        detail = f"missing: {', '.join(missing) or 'none'}; not described: {', '.join(added) or 'none'}"
        order = "" if missing or added else "; same columns, other order"
        raise ContractError(f"{file.name}: the columns produced are not those of the header ({detail}{order}).")


def _check_key(connection: duckdb.DuckDBPyConnection, target: str, file: SqlFile) -> None:
    key = ", ".join(_quoted(name) for name in file.key)
    gap = " OR ".join(f"{_quoted(name)} IS NULL" for name in file.key)
    n_gaps, n_rows = connection.execute(f"SELECT count(*) FILTER (WHERE {gap}), count(*) FROM {target}").fetchall()[0]
    n_keys = connection.execute(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {target})").fetchall()[0][0]
    if n_gaps:
        raise ContractError(f"{file.name}: {n_gaps} rows lack a part of the key ({', '.join(file.key)}).")
    if n_keys != n_rows:
        raise ContractError(f"{file.name}: {n_rows - n_keys} rows repeat a key ({', '.join(file.key)}).")


def _why(fault: duckdb.Error) -> str:
    """Faults of names and syntax are told in full; any other text of DuckDB may hold a record."""
    if isinstance(fault, (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException)):
        return f": {str(fault).splitlines()[0]}"
    if "No space left" in str(fault):
        return ": the disk is full; free space and run again"
    return f" ({type(fault).__name__})"


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # The database has ended the transaction itself; there is nothing left to undo.
        return


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
