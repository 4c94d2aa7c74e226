"""One asset per estimator: the plan's comparisons run over the cells. Formulas live in kkz_eval."""

import dagster as dg

from kkz_eval.plan.model import PLAN_ESTIMATORS, Estimator
from pipelines.guard import guarded
from pipelines.resources import StudyResource

INPUTS = [
    dg.AssetKey(["cells", "panel"]),
    dg.AssetKey(["cells", "adoption"]),
    dg.AssetKey(["cells", "covariate"]),
    dg.AssetKey(["reference", "exposure"]),
    dg.AssetKey(["plan", "document"]),
]


def estimate_assets() -> list[dg.AssetsDefinition]:
    """All estimators of the project; one that the plan does not name leaves an empty table."""
    return [_estimate_asset(name) for name in PLAN_ESTIMATORS]


def _estimate_asset(name: Estimator) -> dg.AssetsDefinition:
    @dg.asset(
        key=["estimates", name],
        deps=INPUTS,
        group_name="estimates",
        description=f"Estimates of {name.replace('_', ' ')}: one row per outcome, comparison and summary.",
        kinds={"python", "duckdb"},
        tags={"sensitivity": "cell"},
        pool="warehouse",
    )
    def estimate(study: StudyResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with guarded():
            from kkz_eval.evaluation.run import estimate_all  # noqa: PLC0415  (statsmodels and pandas load late)
            from kkz_eval.warehouse import stored_plan  # noqa: PLC0415

            with study.warehouse().connect() as connection:
                n_rows = estimate_all(connection, stored_plan(connection), name)
        return dg.MaterializeResult(metadata={"dagster/row_count": n_rows})

    return estimate
