"""The inbox of a study: which files it holds, and taking in what is new.

What belongs here: finding files, adding up reports. What does not: rules on rows.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from kkz_eval.errors import DeliveryError, KkzError
from kkz_eval.intake.arrival import year_of
from kkz_eval.intake.contract import SOURCES, read_contract
from kkz_eval.intake.figures import deliver_official
from kkz_eval.intake.ledger import DeliveryReport, source_fingerprint
from kkz_eval.intake.load import check, deliver
from kkz_eval.intake.official import read_official
from kkz_eval.plan import Plan, Study
from kkz_eval.warehouse import build_table, read_catalog, stored_plan

log = logging.getLogger("kkz_eval.intake")

#: Bytes that cells, estimates, a release and the run's history may take.
ROOM_FOR_RESULTS = 64 << 20


def delivery_counts(report: DeliveryReport) -> dict[str, int | str]:
    """What may be shown of one delivery: its name, status and numbers of rows."""
    return {
        "file": report.file_name,
        "status": report.status,
        "rows delivered": report.n_rows,
        "rows accepted": report.n_accepted,
        "rows quarantined": report.n_quarantined,
    }


@dataclass(frozen=True)
class Loaded:
    """What one step took in: a report per file, and a fingerprint of the source's active deliveries."""

    deliveries: tuple[DeliveryReport, ...]
    fingerprint: str

    @property
    def new(self) -> tuple[DeliveryReport, ...]:
        """Files that were not there before."""
        return tuple(report for report in self.deliveries if report.status != "already_loaded")

    def counts(self) -> dict[str, int]:
        """Numbers of files and rows; never a value."""
        return {
            "files": len(self.deliveries),
            "files already loaded": sum(report.status == "already_loaded" for report in self.deliveries),
            "rows delivered": sum(report.n_rows for report in self.deliveries),
            "rows accepted": sum(report.n_accepted for report in self.deliveries),
            "rows quarantined": sum(report.n_quarantined for report in self.deliveries),
        }


def source_files(inbox: Path, source: str) -> list[Path]:
    """Files delivered for one source, by name; hidden and temporary files are left out."""
    folder = inbox / source
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~", "tmp_")))


def inbox_state(study: Study) -> dict[str, list[int]]:
    """Size and time of change of every file of the inbox, for noticing new ones."""
    files = {f"{source}/{path.name}": path for source, path in delivered_files(study)}
    files |= {entry.file: study.inbox / entry.file for entry in study.plan().official_files}
    present = {name: path.stat() for name, path in files.items() if path.is_file()}
    return {name: [facts.st_size, facts.st_mtime_ns] for name, facts in present.items()}


def require_deliveries(study: Study, plan: Plan) -> None:
    """Refuse a study whose inbox holds nothing that the plan could use. Raises `DeliveryError`."""
    if not study.inbox.is_dir():
        raise DeliveryError(
            "NO_INBOX", f"{study.inbox}: the inbox does not exist; create it or set inbox in study.toml."
        )
    wanted = sorted({outcome.source for outcome in plan.outcomes})
    for source in wanted:
        if source == "official":
            present: Sequence[Path] = [study.inbox / entry.file for entry in plan.official_files]
            present = [path for path in present if path.is_file()]
        else:
            present = source_files(study.inbox, source)
        if present:
            return
    raise DeliveryError(
        "EMPTY_INBOX",
        f"{study.inbox}: nothing is delivered for {', '.join(wanted)};"
        " put files into the folder of their source (see README) and run again.",
    )


def require_space(study: Study, plan: Plan) -> None:
    """Refuse to begin on a disk that a run could fill. Raises `DeliveryError` with needed and free megabytes.

    Needed: three times the files that are newer than the database, and room for tables, report and history.
    """
    database = study.warehouse_file
    since = database.stat().st_mtime if database.is_file() else 0.0
    paths = [path for _, path in delivered_files(study)] + [study.inbox / entry.file for entry in plan.official_files]
    new = sum(path.stat().st_size for path in paths if path.is_file() and path.stat().st_mtime > since)
    needed, free = 3 * new + ROOM_FOR_RESULTS, shutil.disk_usage(study.root).free
    if free < needed:
        raise DeliveryError(
            "DISK_FULL",
            f"{study.root}: the disk has {free >> 20} MB free and the run may need {needed >> 20} MB; free some first.",
        )


def load_source(
    connection: duckdb.DuckDBPyConnection, study: Study, source: str, years: Sequence[int] | None
) -> Loaded:
    """Take in the new files of one source, of the given years or of all.

    Each file is its own transaction. Raises `DeliveryError` for the first file that is refused; what was loaded stays.
    """
    plan = stored_plan(connection)
    require_deliveries(study, plan)
    contract = read_contract(source)
    reports = []
    for path in source_files(study.inbox, source):
        if years is not None and year_of(path.name) not in years:
            continue
        report = deliver(connection, contract, path, as_of=plan.study.as_of, work=study.work_folder, inbox=study.inbox)
        reports.append(report)
    loaded = Loaded(tuple(reports), source_fingerprint(connection, source))
    log.info("%s: %s", source, ", ".join(f"{number:,} {what}" for what, number in loaded.counts().items()))
    return loaded


def load_official(connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan) -> Loaded:
    """Take in the official files that the plan names. Raises `DeliveryError` for a missing or broken file."""
    require_deliveries(study, plan)
    reports = []
    for entry in plan.official_files:
        path = study.inbox / entry.file
        if not path.is_file():
            raise DeliveryError(
                "MISSING_FILE",
                f"{path}: the plan names this file but it is not there; deliver it or remove it from the plan.",
            )
        report = deliver_official(connection, path, entry.file, entry.kind, as_of=plan.study.as_of, inbox=study.inbox)
        log.info("%s: %s figures", entry.file, report.n_rows)
        reports.append(report)
    return Loaded(tuple(reports), source_fingerprint(connection, "official"))


def delivered_files(study: Study) -> Iterator[tuple[str, Path]]:
    """Every child-level file of the inbox with its source."""
    for source in SOURCES:
        for path in source_files(study.inbox, source):
            yield source, path


def check_files(connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan) -> Iterator[tuple[str, bool]]:
    """One line per file of the inbox, and whether it could be taken in. No row is stored."""
    catalog = read_catalog()
    for table in ("reference.gemeinde", "reference.key_change"):
        build_table(connection, catalog[table])
    for source, path in delivered_files(study):
        yield _verdict(f"{source}/{path.name}", partial(_check_child_file, connection, study, plan, source, path))
    for entry in plan.official_files:
        yield _verdict(entry.file, partial(_check_official_file, study.inbox / entry.file, entry.kind))


def _check_official_file(path: Path, kind: str) -> str:
    return f"{sum(1 for _ in read_official(path, kind).figures)} figures"


def _check_child_file(connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan, source: str, path: Path) -> str:
    report = check(
        connection,
        read_contract(source),
        path,
        as_of=plan.study.as_of,
        work=study.work_folder,
        inbox=study.inbox,
    )
    threshold = plan.disclosure.threshold
    reasons = ", ".join(
        f"{reason}: {n if n >= threshold else f'<{threshold}'}" for reason, n in sorted(report.reasons.items())
    )
    word = report.status.replace("_", " ")
    return f"{word}, {report.n_accepted} of {report.n_rows} rows accepted{f' ({reasons})' if reasons else ''}"


def _verdict(name: str, ask: Callable[[], str]) -> tuple[str, bool]:
    try:
        return f"file      {name}: {ask()}", True
    except KkzError as fault:
        return f"REFUSED   {name}: {fault}", False
