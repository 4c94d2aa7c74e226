"""The one door to DuckDB: opening the study's database, running the files in sql/ and enforcing their header contract.

Belongs here: connections, building tables, comments, key checks, fingerprints. Does not: the meaning of any table.
"""

from kkz_eval.warehouse.build import BuildResult, build_table, write_rows
from kkz_eval.warehouse.connection import Warehouse, in_memory
from kkz_eval.warehouse.exact_sum import exact_sum
from kkz_eval.warehouse.export import copy_parquet, read_frame, read_parquet_frame
from kkz_eval.warehouse.plan_tables import PLAN_TABLES, stored_plan, write_plan
from kkz_eval.warehouse.rows import ROWS, ColumnKind, Extent, Relation, Rows, open_rows
from kkz_eval.warehouse.sqlfile import Column, SqlFile, read_catalog, read_sql_file, sql_folder
from kkz_eval.warehouse.table_file import nearest

__all__ = [
    "PLAN_TABLES",
    "ROWS",
    "BuildResult",
    "Column",
    "ColumnKind",
    "Extent",
    "Relation",
    "Rows",
    "SqlFile",
    "Warehouse",
    "build_table",
    "copy_parquet",
    "exact_sum",
    "in_memory",
    "nearest",
    "open_rows",
    "read_catalog",
    "read_frame",
    "read_parquet_frame",
    "read_sql_file",
    "sql_folder",
    "stored_plan",
    "write_plan",
    "write_rows",
]
