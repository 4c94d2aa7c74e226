"""What would change the conclusion: the rows of `horizon.sensitivity`, for every primary outcome.

What belongs here: which threats are looked at, and in which order. What does not: how one is.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

import duckdb

from kkz_eval.errors import EstimationError
from kkz_eval.evaluation.made import Row, row_of
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.evaluation.threats import measurement, neighbours, samples, trends
from kkz_eval.evaluation.threats.columns import SENSITIVITY_COLUMNS, Finding, not_estimable
from kkz_eval.evaluation.threats.main_result import MainResult, main_result
from kkz_eval.evaluation.threats.surroundings import Surroundings, read_surroundings
from kkz_eval.plan.model import Outcome, Plan

Threat = Callable[[MainResult], list[Finding]]

#: Bounds and checks that start from the event study.
ON_TRENDS: tuple[tuple[str, Callable[[MainResult, trends.Path], list[Finding]]], ...] = (
    ("honest_smoothness", trends.smoothness),
    ("honest_magnitudes", trends.magnitudes),
    ("pretrend_power", trends.pretrends),
    ("honest_mde", trends.detectable),
)
THREATS: tuple[tuple[str, Threat], ...] = (
    ("spillover", neighbours.spillover),
    ("exposed_controls_dropped", neighbours.exposed_controls_dropped),
    ("never_treated_only", samples.never_treated_only),
    ("within_kreis", neighbours.within_kreis),
    ("negative_control", measurement.negative_control),
    ("coverage", measurement.coverage),
    ("mobility", measurement.mobility),
    ("ratio_scale", measurement.ratio_scale),
    *((f"region_{name}", partial(samples.region, name=name)) for name in samples.REGIONS),
    ("without_second_programme", samples.second_programme),
    ("with_covariate", samples.covariates),
    ("anticipation", samples.anticipation),
    ("leave_one_out", samples.leave_one_out),
)


def sensitivity_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.sensitivity`: for each primary outcome the main result, then one threat after the other."""
    cells, around = StudyCells(connection), read_surroundings(connection, plan)
    for outcome in plan.outcomes:
        if outcome.role == "primary":
            for position, finding in enumerate(findings_of(cells, plan, outcome, around), start=1):
                yield row_of(SENSITIVITY_COLUMNS, outcome=outcome.name, position=position, **asdict(finding))


def findings_of(cells: StudyCells, plan: Plan, outcome: Outcome, around: Surroundings) -> list[Finding]:
    """The main result of one outcome and every threat to it; without a main result only the reason why."""
    try:
        main = main_result(cells, plan, outcome, around)
    except EstimationError as reason:
        return [not_estimable("main", str(reason))]
    findings = [replace(main.finding("main", main.result, "as planned"), changes_word=False), *_trends(main)]
    for name, threat in THREATS:
        findings += _said(name, threat, main)
    return findings


def _trends(main: MainResult) -> list[Finding]:
    try:
        path = trends.event_path(main)
    except EstimationError as reason:
        return [not_estimable(name, str(reason)) for name, _ in ON_TRENDS]
    found: list[Finding] = []
    for name, threat in ON_TRENDS:
        found += _said(name, partial(_on_path, threat, path), main)
    return found


def _on_path(
    threat: Callable[[MainResult, trends.Path], list[Finding]], path: trends.Path, main: MainResult
) -> list[Finding]:
    return threat(main, path)


def _said(name: str, threat: Threat, main: MainResult) -> list[Finding]:
    """The findings of a threat; when it cannot be looked at, one row with the reason."""
    try:
        return threat(main)
    except EstimationError as reason:
        return [not_estimable(name, str(reason))]
