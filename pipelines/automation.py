"""The one job, and the sensor that starts it for new files (off until somebody switches it on)."""

import json

import dagster as dg

from pipelines.resources import StudyResource

evaluation = dg.define_asset_job(
    "evaluation",
    selection=dg.AssetSelection.all(),
    description="Delivered files in, released evaluation tables and report out.",
    executor_def=dg.in_process_executor,
)


@dg.sensor(job=evaluation, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED)
def new_files(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when files of the inbox are new or have changed (by size and time; hashes are left to the run)."""
    from kkz_eval.intake.inbox import inbox_state  # noqa: PLC0415

    state = json.dumps(inbox_state(study.study()), sort_keys=True)
    if state == context.cursor:
        return dg.SkipReason("The inbox has not changed.")
    context.update_cursor(state)
    return dg.RunRequest(run_key=state)
