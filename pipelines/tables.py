"""Every file in sql/ as an asset: dependencies, code version and checks come from the file itself."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from kkz_eval.errors import ContractError
from kkz_eval.intake.contract import SOURCES
from kkz_eval.warehouse import BuildResult, SqlFile, build_table, read_catalog
from pipelines.guard import guarded
from pipelines.resources import StudyResource

SENSITIVITY = {
    "reference": "public",
    "staging": "child",
    "cells": "cell",
    "disclosure": "controlled",
    "release": "released",
}

#: Ledger tables of the intake are written with every delivery; they stand for all sources.
LEDGER_TABLES = {"intake.delivery", "intake.quarantine"}
INTAKE_KEYS = [dg.AssetKey(["intake", table]) for table in (*SOURCES, "official_figure")]


def table_assets() -> list[dg.AssetsDefinition]:
    """One asset per SQL file, in the order of building."""
    return [_table_asset(file) for file in read_catalog().values()]


def upstream(reads: frozenset[str]) -> list[dg.AssetKey]:
    """Asset keys of the tables that a query names."""
    keys = {dg.AssetKey(name.split(".")) for name in reads - LEDGER_TABLES}
    if reads & LEDGER_TABLES and not keys & set(INTAKE_KEYS):
        keys |= set(INTAKE_KEYS)
    return sorted(keys)


def _table_asset(file: SqlFile) -> dg.AssetsDefinition:
    @dg.asset(
        key=[file.schema, file.table],
        deps=upstream(file.reads),
        group_name=file.schema,
        description=f"{file.grain}\n\nKey: {', '.join(file.key)}",
        code_version=file.sha256[:16],
        kinds={"sql", "duckdb"},
        tags={"sensitivity": SENSITIVITY[file.schema]},
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(
                "contract",
                asset=dg.AssetKey([file.schema, file.table]),
                blocking=True,
                description="Columns are those of the header; the key is complete and unique.",
            )
        ],
    )
    def build(study: StudyResource) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        with guarded():
            try:
                with study.warehouse().connect() as connection:
                    result = build_table(connection, file)
            except ContractError as fault:
                yield dg.AssetCheckResult(check_name="contract", passed=False, description=str(fault))
                raise
        yield dg.MaterializeResult(
            metadata=table_metadata(file, result),
            data_version=dg.DataVersion(result.fingerprint),
            check_results=[dg.AssetCheckResult(check_name="contract", passed=True)],
        )

    return build


def table_metadata(file: SqlFile, result: BuildResult) -> dict[str, dg.MetadataValue[Any]]:
    """Schema, number of rows and the query; never a row."""
    columns = [
        dg.TableColumn(column.name, result.types[column.name], f"{column.description} [{column.unit}]")
        for column in file.columns
    ]
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns)),
        "dagster/row_count": dg.MetadataValue.int(result.n_rows),
        "query": dg.MetadataValue.md(f"```sql\n{file.query}\n```"),
    }
