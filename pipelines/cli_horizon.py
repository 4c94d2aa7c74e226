"""The command `kkz-eval horizon`. What belongs here: its words and options. What does not: anything a function can do.

It stands in a file of its own because it has many options.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kkz_eval.errors import EstimationError
from pipelines.resources import DEFAULT_STUDY, STUDY_VARIABLE

if TYPE_CHECKING:
    from kkz_eval.evaluation.planning_result import PlannedOutcome


def horizon(
    plan: Annotated[Path | None, typer.Argument(help="A plan.toml (default: the plan of the study).")] = None,
    study: Annotated[Path, typer.Option("--study", envvar=STUDY_VARIABLE, help="Folder of the study.")] = Path(
        DEFAULT_STUDY
    ),
    outcome: Annotated[list[str] | None, typer.Option(help="Only this outcome; may be given again.")] = None,
    effect: Annotated[
        float | None, typer.Option(help="Size to ask about, 0.03 for 3 percentage points (default: the plan's).")
    ] = None,
    assume_sd: Annotated[
        float | None, typer.Option(help="Variation of a place from year to year (default 0.02, for shares).")
    ] = None,
    assume_correlation: Annotated[
        float | None, typer.Option(help="How much of it is left a year later (default 0.6).")
    ] = None,
    assume_drift: Annotated[
        float | None, typer.Option(help="Lasting drift apart of places per year (default 0.004, for shares).")
    ] = None,
    assume_kreis_sd: Annotated[float | None, typer.Option(help="Variation shared by a Kreis (default 0).")] = None,
    assume_kreis_correlation: Annotated[
        float | None, typer.Option(help="How much of that is left a year later (default 0).")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Share of children with the outcome (default 0.2).")] = None,
    child_sd: Annotated[
        float | None, typer.Option(help="For outcomes that are no share: standard deviation between children.")
    ] = None,
    children_per_cell: Annotated[
        float | None, typer.Option(help="Children per place and year (default: a year of birth of the place).")
    ] = None,
    from_cells: Annotated[
        Path | None,
        typer.Option(help="CSV of values before the programme: unit, period, and n, total or value."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json (default: by the output's ending).")] = "",
    output: Annotated[Path | None, typer.Option(help="File to write instead of the screen.")] = None,
    language: Annotated[str, typer.Option(help="Language of the table: de or en.")] = "en",
) -> None:
    """From which year what size of effect can be seen: before there is data, or from a study that has been run."""
    from kkz_eval.evaluation.any_data import need_writable  # noqa: PLC0415
    from kkz_eval.evaluation.any_output import write_text  # noqa: PLC0415
    from kkz_eval.report.planning import format_of, horizon_text, language_of  # noqa: PLC0415

    chosen, words = format_of(form, output), language_of(language)
    for read in (plan, from_cells):
        if read is not None:
            need_writable(str(read), output)
    assumed = {
        "sd": assume_sd, "correlation": assume_correlation, "drift": assume_drift, "kreis_sd": assume_kreis_sd,
        "kreis_correlation": assume_kreis_correlation, "level": level, "child_sd": child_sd,
        "children_per_cell": children_per_cell,
    }  # fmt: skip
    blocks = _blocks(plan, study, assumed, from_cells, outcome or [], effect)
    text = horizon_text(blocks, chosen, words)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(text, output)
        typer.echo(f"{len(blocks)} outcomes: {output}")


def _blocks(
    plan_file: Path | None,
    study: Path,
    assumed: dict[str, float | None],
    from_cells: Path | None,
    outcomes: list[str],
    effect: float | None,
) -> "list[PlannedOutcome]":
    """From cells or assumptions where given; else from the study if it has been run; else from the defaults."""
    from kkz_eval.evaluation.planning import has_stored_horizon, plan_horizon, stored_horizon  # noqa: PLC0415
    from kkz_eval.evaluation.planning_assumptions import assumptions_of  # noqa: PLC0415
    from kkz_eval.evaluation.planning_cells import read_cells  # noqa: PLC0415
    from kkz_eval.plan import Study, read_plan  # noqa: PLC0415
    from kkz_eval.warehouse import Warehouse  # noqa: PLC0415

    has_assumptions = any(value is not None for value in assumed.values())
    if from_cells is not None and has_assumptions:
        raise EstimationError("Give assumptions or --from-cells, not both: the cells say what would be assumed.")
    basis = assumptions_of(**assumed) if from_cells is None else read_cells(from_cells)
    if plan_file is not None:
        return plan_horizon(read_plan(plan_file), basis, outcomes=outcomes, effect=effect)
    opened = Study.open(study)
    if from_cells is None and not has_assumptions and opened.warehouse_file.is_file():
        with Warehouse.of(opened).connect() as connection:
            if has_stored_horizon(connection):
                return stored_horizon(connection, outcomes=outcomes, effect=effect)
    return plan_horizon(opened.plan(), basis, outcomes=outcomes, effect=effect)
