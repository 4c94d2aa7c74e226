"""One asset per table that Python computes from cells. Formulas live in kkz_eval."""

import dagster as dg

from kkz_eval.evaluation.made import MADE_TABLES, MadeTable, make_table
from pipelines.guard import guarded
from pipelines.resources import StudyResource


def made_assets() -> list[dg.AssetsDefinition]:
    """All estimators of the project, and what is computed from estimates; an estimator the plan leaves out is empty."""
    return [_made_asset(table) for table in MADE_TABLES.values()]


def _made_asset(table: MadeTable) -> dg.AssetsDefinition:
    schema, name = table.name.split(".")

    @dg.asset(
        key=[schema, name],
        deps=[dg.AssetKey(read.split(".")) for read in table.reads],
        group_name=schema,
        description=table.grain,
        kinds={"python", "duckdb"},
        tags={"sensitivity": "cell"},
        pool="warehouse",
    )
    def made(study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with guarded():
            from kkz_eval.warehouse import stored_plan  # noqa: PLC0415

            with study.warehouse().connect() as connection:
                n_rows = make_table(connection, stored_plan(connection), table.name)
        return dg.MaterializeResult(metadata={"dagster/row_count": n_rows})

    return made
