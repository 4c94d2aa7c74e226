"""The main job started from a command line.

What belongs here: running the one job in this process and telling how it went. What does not: steps of the job.
"""

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kkz_eval.errors import KkzError
from kkz_eval.plan import Study
from kkz_eval.warehouse import Warehouse, read_catalog

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult

    from kkz_eval.report.bundle import Release


def run_job(
    folder: Path,
    *,
    as_of: str = "",
    verbose: bool = False,
    lock_deadline: float = 30.0,
    instance: "DagsterInstance | None" = None,
) -> "Release":
    """Run the job `evaluation` on a study and return its release.

    `instance`: where Dagster keeps its history; by default the study's own. Raises `KkzError` with the sentence of the
    first fault.
    """
    from kkz_eval.cells.known import require_known  # noqa: PLC0415
    from kkz_eval.intake.inbox import require_deliveries, require_space  # noqa: PLC0415
    from kkz_eval.report.bundle import last_release, read_release  # noqa: PLC0415

    study = Study.open(folder)
    plan = study.plan().changed(as_of=as_of)
    require_known(plan, read_catalog())
    require_deliveries(study, plan)
    require_space(study, plan)
    before = last_release(study)
    _show_progress()
    with study.exclusive():
        with Warehouse.of(study, lock_deadline).connect():
            pass  # Waits for the lock and finds a damaged file before Dagster starts a run.
        result = _execute(study, as_of, verbose, instance)
    if not result.success:
        raise KkzError(_first_fault(result))
    release = read_release(study)
    return replace(release, is_new=release.number > before)


def data_checks(folder: Path) -> list[tuple[str, bool]]:
    """One line per check on the data of the last run, and whether it needs no look."""
    from kkz_eval.evaluation.checks import ask_all  # noqa: PLC0415

    lines = []
    with Warehouse.of(Study.open(folder)).connect() as connection:
        for check, outcome in ask_all(connection):
            if outcome is None:
                lines.append((f"not asked {check.name}: there is nothing to ask it of", True))
                continue
            word = "passed" if outcome.passed else "FAILED" if check.must_hold else "look"
            lines.append((f"{word:9} {check.name}: {outcome.answer}", outcome.passed))
    return lines


def check_study(folder: Path) -> tuple[list[str], bool]:
    """Lines that say what is wrong with files and data, and whether anything is that must not be."""
    from kkz_eval.cells.known import require_known  # noqa: PLC0415
    from kkz_eval.intake.inbox import check_files, require_deliveries  # noqa: PLC0415

    study = Study.open(folder)
    plan = study.plan()
    require_known(plan, read_catalog())
    require_deliveries(study, plan)
    lines: list[str] = []
    is_good = True
    with Warehouse.of(study).connect() as connection:
        for line, is_accepted in check_files(connection, study, plan):
            lines.append(line)
            is_good = is_good and is_accepted
    for line, _ in data_checks(folder):
        lines.append(line)
        is_good = is_good and not line.startswith("FAILED")
    return lines, is_good


def _execute(study: Study, as_of: str, verbose: bool, instance: "DagsterInstance | None") -> "ExecuteInProcessResult":
    from pipelines.cli import dagster_environment  # noqa: PLC0415

    os.environ.update(dagster_environment(study.root, study.dagster_home))
    import dagster as dg  # noqa: PLC0415

    from pipelines.definitions import build_definitions  # noqa: PLC0415
    from pipelines.resources import StudyResource  # noqa: PLC0415

    definitions = build_definitions(StudyResource(path=str(study.root)))
    config = {
        "loggers": {"console": {"config": {"log_level": "DEBUG" if verbose else "CRITICAL"}}},
        "ops": {"plan_tables": {"config": {"as_of": as_of}}},
    }
    job = definitions.resolve_job_def("evaluation")
    try:
        with instance or dg.DagsterInstance.get() as history:
            return job.execute_in_process(run_config=config, instance=history, raise_on_error=False)
    except Exception as fault:
        # Steps tell their own faults; what arrives here is Dagster unable to keep its history.
        raise KkzError(
            f"{study.dagster_home}: the run's history cannot be kept ({type(fault).__name__}); free space or give write"
            " permission, then run again. Nothing that was released has changed."
        ) from None


def _first_fault(result: "ExecuteInProcessResult") -> str:
    """The sentence of the first failed step, or of the first check that must hold and did not."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data:
            return str(event.step_failure_data.user_failure_data.description)
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if evaluation.blocking and not evaluation.passed:
                return f"check {evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            return f"step {event.step_key} failed ({event.step_failure_data.error.cls_name}); see the run in the UI."
    return "the run failed; see `kkz-eval ui`."


def _show_progress() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("kkz_eval")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
