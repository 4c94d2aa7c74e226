"""The command line.

What belongs here: words, options and exit codes. What does not: anything a library function can do.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from kkz_eval.errors import KkzError
from pipelines.cli_horizon import horizon
from pipelines.resources import DEFAULT_STUDY, STUDY_VARIABLE

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__ and "Evaluate a programme."
)

StudyOption = Annotated[
    Path, typer.Option("--study", envvar=STUDY_VARIABLE, help="Folder of the study.", show_default=True)
]
DEFAULT = Path(DEFAULT_STUDY)

app.command()(horizon)


def main() -> None:
    """Entry point: our own errors become one sentence on stderr and exit code 1."""
    os.umask(0o077)
    try:
        app(standalone_mode=True)
    except KkzError as fault:
        typer.echo(f"kkz-eval: {fault}", err=True)
        sys.exit(1)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new study.")],
    plan: Annotated[str, typer.Option(help="Shipped plan to begin with: demo or official.")] = "official",
    input_folder: Annotated[Path | None, typer.Option("--input", help="Folder with the delivered files.")] = None,
) -> None:
    """Create a study folder with a plan to edit."""
    from kkz_eval.plan import Study  # noqa: PLC0415

    study = Study.create(folder, plan, input_folder)
    typer.echo(f"Study created: {study.root}")
    typer.echo(f"Plan to read and edit: {study.plan_file}")
    typer.echo(f"Deliveries are read from: {study.inbox}")


@app.command()
def demo(
    study: StudyOption = DEFAULT,
    scale: Annotated[float | None, typer.Option(help="Share of the real number of children.", min=0.001, max=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.", min=0)] = 2012,
) -> None:
    """Create the demo study: a simulated North Rhine-Westphalia with a stated truth."""
    from kkz_eval.demo.study import DEFAULT_SCALE, make_demo  # noqa: PLC0415

    made = make_demo(study, scale=DEFAULT_SCALE if scale is None else scale, seed=seed)
    typer.echo(f"Demo study: {made.root} (truth: {made.root / 'truth.csv'})")


@app.command()
def run(
    study: StudyOption = DEFAULT,
    as_of: Annotated[str, typer.Option(help="Day as of which to speak (YYYY-MM-DD) instead of the plan's.")] = "",
    verbose: Annotated[bool, typer.Option(help="Show Dagster's own log.")] = False,
) -> None:
    """The whole job: take in new files, build cells, estimate, release tables and report."""
    from pipelines.main_run import data_checks, run_job  # noqa: PLC0415

    release = run_job(study, as_of=as_of, verbose=verbose)
    state = "new release" if release.is_new else "nothing has changed since release"
    typer.echo(f"\n{state} {release.number}")
    for finding in release.findings_en:
        typer.echo(f"- {finding}")
    for line, _ in data_checks(study):
        typer.echo(line)
    for change in release.deviations:
        typer.echo(f"Deviation from the first released plan: {change}")
    typer.echo(f"Report: {release.report} (English: report_en.html)")


@app.command()
def check(study: StudyOption = DEFAULT) -> None:
    """Check the files of the inbox without storing them, and the data of the last run."""
    from pipelines.main_run import check_study  # noqa: PLC0415

    lines, is_good = check_study(study)
    for line in lines:
        typer.echo(line)
    if not is_good:
        raise typer.Exit(1)


@app.command()
def status(study: StudyOption = DEFAULT) -> None:
    """Which tables are fresh, which are stale, and why."""
    from kkz_eval.evaluation.status import study_status  # noqa: PLC0415
    from kkz_eval.plan import Study  # noqa: PLC0415
    from kkz_eval.report.bundle import last_release  # noqa: PLC0415
    from kkz_eval.warehouse import Warehouse, read_catalog  # noqa: PLC0415

    opened = Study.open(study)
    plan = opened.plan()
    with Warehouse.of(opened).connect() as connection:
        steps = study_status(connection, opened, plan, read_catalog())
    for step in steps:
        typer.echo(f"{step.state:8} {step.table:36} {step.why}".rstrip())
    number = last_release(opened)
    typer.echo(f"Last release: {number or 'none'}")


@app.command()
def report(study: StudyOption = DEFAULT) -> None:
    """Render the report of the last release again, from its own tables."""
    from kkz_eval.plan import Study  # noqa: PLC0415
    from kkz_eval.report.bundle import render_again  # noqa: PLC0415
    from kkz_eval.warehouse import Warehouse  # noqa: PLC0415

    opened = Study.open(study)
    with opened.exclusive(), Warehouse.of(opened).connect() as connection:
        release = render_again(connection, opened)
    typer.echo(f"Report: {release.report}")


@app.command()
def estimate(
    file: Annotated[str, typer.Argument(help="FILE.csv, FILE.parquet, or FILE.duckdb:table.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome.")],
    unit: Annotated[str, typer.Option(help="Column of the unit: place, school, person.")],
    period: Annotated[str, typer.Option(help="Column of the period, whole numbers.")],
    cohort: Annotated[str, typer.Option(help="Column of the unit's first treated period.")],
    never: Annotated[str, typer.Option(help="Cohort of units never treated, besides empty and inf.")] = "0",
    estimator: Annotated[
        str,
        typer.Option(
            help="callaway_santanna, sun_abraham, imputation, two_stage, etwfe, stacked, twfe, event_study, "
            "bacon, synthetic_did or dose."
        ),
    ] = "callaway_santanna",
    method: Annotated[str | None, typer.Option(help="Covariates by dr (default), ipw or reg.")] = None,
    control: Annotated[
        str | None,
        typer.Option(help="never_treated (default of callaway_santanna) or not_yet_treated (of all others)."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base period: varying (default) or universal.")] = None,
    anticipation: Annotated[int, typer.Option(help="Periods before adoption that may be affected.")] = 0,
    covariates: Annotated[str, typer.Option(help="Columns held constant, separated by commas.")] = "",
    dose: Annotated[str | None, typer.Option(help="Column of the dose (default of dose: periods treated).")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of the clusters (default: the unit).")] = None,
    weights: Annotated[str | None, typer.Option(help="Column of weights.")] = None,
    design: Annotated[str, typer.Option(help="panel or cross_section (one row per child).")] = "panel",
    unbalanced: Annotated[
        str, typer.Option(help="Units with missing periods: keep or balance (leave out).")
    ] = "balance",
    aggregate: Annotated[str, typer.Option(help="Only these: group_time,overall,group,calendar,event.")] = "",
    inference: Annotated[
        str, typer.Option(help="analytic, jackknife, multiplier, wild or randomisation.")
    ] = "jackknife",
    draws: Annotated[int, typer.Option(help="Random draws.")] = 999,
    seed: Annotated[int, typer.Option(help="Seed of the draws.", min=0)] = 20120101,
    form: Annotated[str, typer.Option("--format", help="table, csv or json (default: by the output's ending).")] = "",
    output: Annotated[Path | None, typer.Option(help="File to write instead of the screen.")] = None,
) -> None:
    """Difference-in-differences on any data: one file in, one table of effects out."""
    from kkz_eval.evaluation.any_data import estimate_file, need_writable, split_names  # noqa: PLC0415
    from kkz_eval.evaluation.any_output import as_text, format_of, write_text  # noqa: PLC0415

    chosen = format_of(form, output)
    need_writable(file, output)
    rows = estimate_file(
        file, outcome=outcome, unit=unit, period=period, cohort=cohort, never=never, estimator=estimator, method=method,
        control=control, base=base, anticipation=anticipation, covariates=split_names(covariates), dose=dose,
        cluster=cluster, weights=weights, design=design, unbalanced=unbalanced, aggregate=split_names(aggregate),
        inference=inference, draws=draws, seed=seed,
    )  # fmt: skip
    if output is None:
        typer.echo(as_text(rows, chosen), nl=False)
    else:
        write_text(as_text(rows, chosen), output)
        typer.echo(f"{len(rows)} rows: {output}")


@app.command()
def ui(
    study: StudyOption = DEFAULT,
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1024, max=65535)] = 3000,
    write: Annotated[bool, typer.Option("--write", help="Allow runs to be started from the browser.")] = False,
) -> None:
    """Dagster's pages for this study, on this machine only; read-only unless --write is given."""
    from kkz_eval.plan import Study  # noqa: PLC0415

    opened = Study.open(study)
    place = ["--host", "127.0.0.1", "--port", str(port), "--module-name", "pipelines.definitions"]
    command = ["dagster", "dev", *place] if write else ["dagster-webserver", "--read-only", *place]
    program = Path(sys.executable).parent / command[0]
    typer.echo(f"http://127.0.0.1:{port} ({'runs can be started' if write else 'read-only'}); end with Ctrl-C")
    environment = os.environ | dagster_environment(opened.root, opened.dagster_home)
    raise typer.Exit(subprocess.call([str(program), *command[1:]], env=environment))


def dagster_environment(root: Path, home: Path) -> dict[str, str]:
    """What Dagster must know of a study: its folder, its history, no telemetry."""
    return {STUDY_VARIABLE: str(root), "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}


if __name__ == "__main__":
    main()
