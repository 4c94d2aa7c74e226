"""What is fresh, what is stale, and why. What belongs here: comparing what was built with what stands there now."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

import duckdb

from kkz_eval.evaluation.made import MADE_TABLES, fingerprint_now
from kkz_eval.intake.arrival import file_sha256
from kkz_eval.intake.inbox import delivered_files
from kkz_eval.plan import Plan, Study
from kkz_eval.plan.read import plan_sha256
from kkz_eval.warehouse import PLAN_TABLES, SqlFile
from kkz_eval.warehouse.build import RecordedBuild, fingerprint_of, recorded_builds

State = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True)
class StepStatus:
    """One table: its state, and the reason in words ('' when fresh)."""

    table: str
    state: State
    why: str


def study_status(
    connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan, catalog: Mapping[str, SqlFile]
) -> list[StepStatus]:
    """The state of every table of a study, in the order of building."""
    recorded = recorded_builds(connection)
    prints = {name: build.fingerprint for name, build in recorded.items()}
    states = _plan_states(connection, plan) | _intake_states(connection, study, plan)
    for name, file in _steps(catalog).items():
        states[name] = _state(name, file, states, recorded, prints, connection)
    return list(states.values())


def _steps(catalog: Mapping[str, SqlFile]) -> dict[str, SqlFile | None]:
    """Every table in building order; those that Python makes have no SQL file."""
    reads = {name: set(file.reads) for name, file in catalog.items()}
    reads |= {name: set(table.reads) for name, table in MADE_TABLES.items()}
    order = TopologicalSorter({name: sorted(needed & reads.keys()) for name, needed in reads.items()}).static_order()
    return {name: catalog.get(name) for name in order}


def _state(
    name: str,
    file: SqlFile | None,
    states: Mapping[str, StepStatus],
    recorded: Mapping[str, RecordedBuild],
    prints: Mapping[str, str],
    connection: duckdb.DuckDBPyConnection,
) -> StepStatus:
    reads = file.reads if file else frozenset(MADE_TABLES[name].reads)
    if name not in recorded:
        return StepStatus(name, "missing", "never built")
    changed = sorted(read for read in reads if read in states and states[read].state != "fresh")
    if changed:
        return StepStatus(name, "stale", f"reads {changed[0]}, which is {states[changed[0]].state}")
    if file is None:
        is_same = prints[name] == fingerprint_now(connection, name)
        return StepStatus(name, "fresh", "") if is_same else StepStatus(name, "stale", "a table it reads was rebuilt")
    if recorded[name].code_sha256 != file.sha256:
        return StepStatus(name, "stale", "its SQL file has changed")
    if prints[name] != fingerprint_of(file, prints):
        return StepStatus(name, "stale", "a table it reads was rebuilt with other content")
    return StepStatus(name, "fresh", "")


def _plan_states(connection: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, StepStatus]:
    try:
        stored = str(connection.execute("SELECT plan_sha256 FROM plan.study").fetchall()[0][0])
    except duckdb.CatalogException:
        return {f"plan.{table}": StepStatus(f"plan.{table}", "missing", "never loaded") for table in PLAN_TABLES}
    fresh = stored == plan_sha256(plan)
    return {
        f"plan.{table}": StepStatus(
            f"plan.{table}", "fresh" if fresh else "stale", "" if fresh else "plan.toml differs from the last run"
        )
        for table in PLAN_TABLES
    }


def _intake_states(connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan) -> dict[str, StepStatus]:
    """Sources whose inbox holds a file that the ledger does not know, by content."""
    try:
        known = {str(row[0]) for row in connection.execute("SELECT sha256 FROM intake.delivery").fetchall()}
    except duckdb.CatalogException:
        known = set()
    new: dict[str, int] = {}
    official = (("official_figure", study.inbox / entry.file) for entry in plan.official_files)
    for source, path in (*delivered_files(study), *official):
        new.setdefault(source, 0)
        new[source] += path.is_file() and file_sha256(path) not in known
    states = {}
    for source, n_new in sorted(new.items()):
        why = f"{n_new} file{'s' if n_new > 1 else ''} in the inbox not taken in" if n_new else ""
        states[f"intake.{source}"] = StepStatus(f"intake.{source}", "stale" if n_new else "fresh", why)
    return states
