"""The release as assets: dictionary, and the numbered folder with tables, report and pictures."""

import base64

import dagster as dg

from kkz_eval.disclosure import RELEASED_TABLES, write_dictionary
from kkz_eval.warehouse import read_catalog
from pipelines.guard import guarded
from pipelines.resources import StudyResource


def release_assets() -> list[dg.AssetsDefinition]:
    """The assets right of the released tables."""
    return [dictionary, report]


@dg.asset(
    key=["release", "dictionary"],
    group_name="release",
    description="One row per released table and column: its meaning, from the headers of the SQL files.",
    kinds={"python", "duckdb"},
    tags={"sensitivity": "released"},
    deps=[dg.AssetKey(["release", table]) for table in RELEASED_TABLES[:-1]],
    pool="warehouse",
)
def dictionary(study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Write the data dictionary."""
    with guarded(), study.warehouse().connect() as connection:
        n_rows = write_dictionary(connection, read_catalog())
    return dg.MaterializeResult(metadata={"dagster/row_count": n_rows})


@dg.asset(
    key=["release", "report"],
    group_name="release",
    description="Audited tables and the report, written as a numbered folder; pictures show released figures.",
    kinds={"python", "html"},
    tags={"sensitivity": "released"},
    deps=[dg.AssetKey(["release", table]) for table in RELEASED_TABLES],
    pool="warehouse",
)
def report(study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Open the door, write the release."""
    with guarded():
        from kkz_eval.report.bundle import publish  # noqa: PLC0415

        with study.warehouse().connect() as connection:
            release = publish(connection, study.study())
    pictures = {
        f"picture: {name}": dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
        for name, png in release.pictures.items()
    }
    return dg.MaterializeResult(
        metadata={
            "release": release.number,
            "is_new": release.is_new,
            "report": dg.MetadataValue.path(str(release.report)),
            "findings": dg.MetadataValue.md("\n".join(f"- {finding}" for finding in release.findings_en)),
            "deviations": dg.MetadataValue.md("\n".join(f"- {change}" for change in release.deviations) or "none"),
            **pictures,
        }
    )
