"""Tables out of the database: as frames, as Parquet.

What belongs here: copying. What does not: deciding what may leave.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from kkz_eval.errors import WarehouseError

if TYPE_CHECKING:
    import pandas as pd


def read_frame(connection: duckdb.DuckDBPyConnection, name: str, order_by: tuple[str, ...] = ()) -> "pd.DataFrame":
    """A whole table as a frame, in the order of `order_by` (default: all columns), so that bytes do not vary.

    `name` is `schema.table` of our own catalogue. Raises `WarehouseError` when the table has not been built.
    """
    schema, table = name.split(".")
    order = ", ".join(f'"{column}" NULLS FIRST' for column in order_by) if order_by else "ALL"
    try:
        return connection.execute(f'SELECT * FROM "{schema}"."{table}" ORDER BY {order}').df()
    except duckdb.CatalogException:
        raise WarehouseError(f"{name}: this table has not been built yet; run `kkz-eval run` first.") from None


def read_parquet_frame(connection: duckdb.DuckDBPyConnection, path: Path) -> "pd.DataFrame":
    """A Parquet file of the study as a frame, in the order of its rows. Raises `WarehouseError` when it is missing."""
    if not path.is_file():
        raise WarehouseError(f"{path}: this file is missing; restore it, or run again.")
    return connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()


def copy_parquet(connection: duckdb.DuckDBPyConnection, name: str, target: Path, order_by: tuple[str, ...]) -> None:
    """Write a table as sorted Parquet (zstd). `target` lies below an allowed folder."""
    schema, table = name.split(".")
    order = ", ".join(f'"{column}" NULLS FIRST' for column in order_by)
    connection.execute(
        f'COPY (SELECT * FROM "{schema}"."{table}" ORDER BY {order}) TO \'{target}\' (FORMAT parquet, COMPRESSION zstd)'
    )
