"""Deliveries as assets: the plan, the children's sources by school year, official statistics."""

import warnings
from collections.abc import Iterator

import dagster as dg

from kkz_eval.intake.contract import SOURCES
from kkz_eval.warehouse import PLAN_TABLES
from pipelines.guard import guarded
from pipelines.partitions import school_years
from pipelines.resources import StudyResource

# One run over many school years is marked beta in Dagster 1.13; a warning at every start teaches to ignore warnings.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

KEYS_OF_PLACES = [dg.AssetKey(["reference", "gemeinde"]), dg.AssetKey(["reference", "key_change"])]
PLAN_KEY = dg.AssetKey(["plan", "study"])


class RunSettings(dg.Config):
    """What a researcher may change for one run; every change is reported as a deviation from the plan."""

    as_of: str = ""
    confidence: float = 0.0


def delivery_assets() -> list[dg.AssetsDefinition]:
    """Plan, the children's sources (partitioned by school year) and official figures."""
    return [plan_tables, *(_source_asset(source) for source in SOURCES), official_figure]


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["plan", table],
            group_name="plan",
            description="The plan as a table: what was decided before results were seen.",
            tags={"sensitivity": "public"},
            kinds={"toml", "duckdb"},
        )
        for table in PLAN_TABLES
    ],
    pool="warehouse",
)
def plan_tables(config: RunSettings, study: StudyResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    """Read plan.toml with the run's settings; prepare empty intake tables."""
    with guarded():
        from kkz_eval.intake.ledger import create_tables  # noqa: PLC0415
        from kkz_eval.warehouse import write_plan  # noqa: PLC0415

        plan = study.study().plan().changed(as_of=config.as_of, confidence=config.confidence)
        with study.warehouse().connect() as connection:
            sha256 = write_plan(connection, plan)
            create_tables(connection)
    for table in PLAN_TABLES:
        yield dg.MaterializeResult(
            asset_key=["plan", table], metadata={"plan_sha256": sha256}, data_version=dg.DataVersion(sha256)
        )


def _source_asset(source: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["intake", source],
        deps=[PLAN_KEY, *KEYS_OF_PLACES],
        partitions_def=school_years,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="intake",
        description=f"Accepted rows of {source}. Without a partition, every new file of the inbox is taken in.",
        kinds={"csv", "duckdb"},
        tags={"sensitivity": "child"},
        pool="warehouse",
    )
    def deliver_source(context: dg.AssetExecutionContext, study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with guarded():
            from kkz_eval.intake.inbox import delivery_counts, load_source  # noqa: PLC0415

            years = _years(context)
            with study.warehouse().connect() as connection:
                loaded = load_source(connection, study.study(), source, years)
        if years is None:
            # A run over the whole inbox still fills the matrix of school years, one entry for each new delivery.
            for report in loaded.new:
                context.log_event(
                    dg.AssetMaterialization(
                        ["intake", source], partition=str(report.year), metadata=dict(delivery_counts(report))
                    )
                )
        return dg.MaterializeResult(metadata=dict(loaded.counts()), data_version=dg.DataVersion(loaded.fingerprint))

    return deliver_source


def _years(context: dg.AssetExecutionContext) -> list[int] | None:
    """School years of the run's partitions; None for a run over the whole inbox."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    return [int(key) for key in context.partition_keys]


@dg.asset(
    key=["intake", "official_figure"],
    deps=[PLAN_KEY],
    group_name="intake",
    description="Figures of official statistics, one row per printed value.",
    kinds={"csv", "excel", "duckdb"},
    tags={"sensitivity": "public"},
    pool="warehouse",
)
def official_figure(study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Read the official files that the plan names."""
    with guarded():
        from kkz_eval.intake.inbox import load_official  # noqa: PLC0415
        from kkz_eval.warehouse import stored_plan  # noqa: PLC0415

        with study.warehouse().connect() as connection:
            loaded = load_official(connection, study.study(), stored_plan(connection))
    return dg.MaterializeResult(metadata=dict(loaded.counts()), data_version=dg.DataVersion(loaded.fingerprint))
