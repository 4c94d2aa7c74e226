"""Checks on data as Dagster shows them: what must hold blocks the run, what deserves a look only warns."""

import dagster as dg

from pipelines.guard import guarded
from pipelines.resources import StudyResource


def check_definitions() -> list[dg.AssetChecksDefinition]:
    """Every check of the library, attached to the table that it looks at."""
    from kkz_eval.evaluation.checks import CHECKS  # noqa: PLC0415

    return [_check(check.name, check.table, check.question, check.must_hold) for check in CHECKS]


def _check(name: str, table: str, question: str, must_hold: bool) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(table.split(".")), name=name, description=question, blocking=must_hold, pool="warehouse"
    )
    def run_check(study: StudyResource) -> dg.AssetCheckResult:
        with guarded():
            from kkz_eval.evaluation.checks import run  # noqa: PLC0415

            with study.warehouse().connect() as connection:
                outcome = run(connection, name)
        if outcome is None:
            return dg.AssetCheckResult(passed=True, description="There is nothing in this study to ask it of.")
        severity = dg.AssetCheckSeverity.ERROR if must_hold else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=outcome.passed, severity=severity, description=outcome.answer, metadata=dict(outcome.figures)
        )

    return run_check
