"""A numbered release folder: tables, report, manifest. What belongs here: writing aside, renaming, numbering."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from kkz_eval.disclosure import RELEASED_TABLES, ReleasedTables, open_door
from kkz_eval.errors import DisclosureError, WarehouseError
from kkz_eval.evaluation.checks import ask_all
from kkz_eval.plan import Plan, Study, deviations, plan_from_json
from kkz_eval.plan.read import plan_sha256, plan_to_json
from kkz_eval.report.frames import kept
from kkz_eval.report.html import figure_png, main_findings, render
from kkz_eval.report.meta import LANGUAGES, ComparisonMeta, ExcludedPeriod, GapMeta, OutcomeMeta, ReportMeta
from kkz_eval.report.writer import excel_csv, machine_csv
from kkz_eval.warehouse import copy_parquet, read_catalog, read_parquet_frame, stored_plan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Release:
    """One release folder. `is_new` is False when nothing had changed since the last one."""

    number: int
    folder: Path
    is_new: bool
    findings_de: tuple[str, ...]
    findings_en: tuple[str, ...]
    deviations: tuple[str, ...]
    pictures: Mapping[str, bytes]

    @property
    def report(self) -> Path:
        """The German report."""
        return self.folder / "report_de.html"


def publish(connection: duckdb.DuckDBPyConnection, study: Study) -> Release:
    """Open the door and write the next release folder, or find that the last one still holds.

    Everything is written into a folder aside and renamed as a whole; `release/latest` is switched last. Raises
    `DisclosureError` when a table may not leave or a check that must hold does not, `WarehouseError` when the folder
    cannot be written; the last release then stays as it was.
    """
    plan = stored_plan(connection)
    _require_checks(connection)
    tables = open_door(connection, read_catalog(), plan)
    with _told_if_not_writable(study):
        return _write_release(connection, study, plan, tables)


def render_again(connection: duckdb.DuckDBPyConnection, study: Study) -> Release:
    """Render the report of the last release anew, from the files of that release alone.

    Its tables and its plan are not touched, whatever stands in the warehouse by now. Raises `WarehouseError` when there
    is no release or its tables are not those of its manifest.
    """
    last = read_release(study)
    _require_manifest(last.folder)
    plan = plan_from_json((last.folder / "plan.json").read_text(encoding="utf-8"))
    files = {table: last.folder / "parquet" / f"{table}.parquet" for table in RELEASED_TABLES}
    # Whatever the manifest lists is there; a release of an earlier version may list fewer tables.
    tables = {table: read_parquet_frame(connection, file) for table, file in files.items() if file.is_file()}
    meta = report_meta(plan, last.number, last.deviations)
    findings = _findings(tables, meta)
    with _told_if_not_writable(study):
        aside = study.release_folder / f"tmp_{last.number}"
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(last.folder, aside)
        _write_reports(aside, tables, meta)
        record = json.loads((aside / "release.json").read_text(encoding="utf-8"))
        _write_json(aside / "release.json", record | {"findings": findings})
        (aside / "MANIFEST.sha256").unlink()
        _write_manifest(aside)
        _replace_folder(aside, last.folder)
    return replace(last, findings_de=tuple(findings["de"]), findings_en=tuple(findings["en"]))


def _require_checks(connection: duckdb.DuckDBPyConnection) -> None:
    """A check that must hold closes the door, even where no table depends on the table it looks at."""
    for check, outcome in ask_all(connection):
        if check.must_hold and outcome is not None and not outcome.passed:
            raise DisclosureError(f"check {check.name}: {outcome.answer} Nothing is released before that.")


@contextmanager
def _told_if_not_writable(study: Study) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise WarehouseError(
            f"{study.release_folder}: the release cannot be written ({fault.strerror});"
            " free space or give write permission, then run again. The last release is unchanged."
        ) from None


def _write_release(connection: duckdb.DuckDBPyConnection, study: Study, plan: Plan, tables: ReleasedTables) -> Release:
    study.release_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    last = last_release(study)
    changes = tuple(_deviations(study, plan))
    digest = _content_digest(plan, tables, changes)
    is_new = last == 0 or _recorded_digest(study, last) != digest
    number = last + 1 if is_new else last
    meta = report_meta(plan, number, changes)
    read = kept(tables.frames)
    findings = _findings(read, meta)
    if is_new:
        aside = study.release_folder / f"tmp_{number}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        _write_tables(connection, aside, tables)
        _write_reports(aside, read, meta)
        _write(aside / "plan.json", plan_to_json(plan).encode())
        record = {
            "number": number,
            "as_of": plan.study.as_of.isoformat(),
            "plan_sha256": plan_sha256(plan),
            "content_sha256": digest,
            "deviations": list(changes),
            "software": software_version(),
            "inputs": _inputs(connection),
            "findings": findings,
        }
        _write_json(aside / "release.json", record)
        _write_manifest(aside)
        _replace_folder(aside, study.release_folder / str(number))
        _point_latest(study.release_folder, number)
    return Release(
        number=number,
        folder=study.release_folder / str(number),
        is_new=is_new,
        findings_de=tuple(findings["de"]),
        findings_en=tuple(findings["en"]),
        deviations=changes,
        pictures=figure_png(read, meta, "en"),
    )


def _findings(tables: Mapping[str, "pd.DataFrame"], meta: ReportMeta) -> dict[str, list[str]]:
    return {language: main_findings(tables, meta, language) for language in LANGUAGES}


def _write_reports(folder: Path, tables: Mapping[str, "pd.DataFrame"], meta: ReportMeta) -> None:
    for language in LANGUAGES:
        _write(folder / f"report_{language}.html", render(tables, meta, language).encode())


def _write_json(path: Path, record: Mapping[str, object]) -> None:
    _write(path, json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True).encode())


def last_release(study: Study) -> int:
    """Number of the last complete release; 0 when there is none."""
    if not study.release_folder.is_dir():
        return 0
    numbers = [
        int(folder.name)
        for folder in study.release_folder.iterdir()
        if folder.name.isdigit() and (folder / "release.json").is_file()
    ]
    return max(numbers, default=0)


def read_release(study: Study) -> Release:
    """The last release as it stands in the study folder. Raises `WarehouseError` when there is none."""
    number = last_release(study)
    if not number:
        raise WarehouseError(f"{study.release_folder}: there is no release yet; run `kkz-eval run`.")
    folder = study.release_folder / str(number)
    record = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    findings = record["findings"]
    return Release(
        number, folder, False, tuple(findings["de"]), tuple(findings["en"]), tuple(record["deviations"]), pictures={}
    )


def report_meta(plan: Plan, number: int, changes: tuple[str, ...]) -> ReportMeta:
    """What the report prints beside released numbers."""
    study = plan.study
    return ReportMeta(
        study_name=study.name,
        title_de=study.title_de,
        title_en=study.title_en,
        question_de=study.question_de,
        question_en=study.question_en,
        outcomes=tuple(
            OutcomeMeta(
                o.name, o.label_de, o.label_en, o.unit_of_measure, o.direction, o.role, o.source, o.period_kind,
                o.note_de, o.note_en,
            )
            for o in plan.outcomes
        ),
        comparisons=tuple(ComparisonMeta(c.name, c.label_de, c.label_en) for c in plan.comparisons),
        waves=plan.treatment.waves,
        unit=study.unit,
        as_of=study.as_of,
        release=number,
        plan_sha256=plan_sha256(plan),
        threshold=plan.disclosure.threshold,
        deviations=changes,
        excluded_periods=tuple(
            ExcludedPeriod(e.period, e.reason_de, e.reason_en, e.source) for e in plan.excluded_periods
        ),
        data_notes_de=(study.sources_de,),
        data_notes_en=(study.sources_en,),
        main_estimator=plan.estimation.estimators[0],
        estimators=plan.estimation.estimators,
        gaps=tuple(
            GapMeta(g.name, g.label_de, g.label_en, g.first_de, g.first_en, g.second_de, g.second_en)
            for g in plan.gaps
        ),
        confidence=plan.estimation.confidence,
        power=plan.looks.power if plan.looks is not None else 0.8,
        cluster=plan.estimation.cluster,
        is_synthetic=study.is_synthetic,
        software_version=software_version(),
    )  # fmt: skip


def software_version() -> str:
    """Version of this project as installed."""
    return f"kkz-eval {version('kkz-eval')}"


def _deviations(study: Study, plan: Plan) -> list[str]:
    """What differs from the plan of the first release."""
    first = study.release_folder / "1" / "plan.json"
    if not first.is_file():
        return []
    return deviations(plan_from_json(first.read_text(encoding="utf-8")), plan)


def _content_digest(plan: Plan, tables: ReleasedTables, changes: tuple[str, ...]) -> str:
    digest = hashlib.sha256(plan_to_json(plan).encode())
    digest.update("\n".join((software_version(), *changes)).encode())
    for name, frame in tables.frames.items():
        digest.update(name.encode())
        digest.update(machine_csv(frame))
    return digest.hexdigest()


def _recorded_digest(study: Study, number: int) -> str:
    record = json.loads((study.release_folder / str(number) / "release.json").read_text(encoding="utf-8"))
    return str(record.get("content_sha256", ""))


def _inputs(connection: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """The deliveries behind the release, by hash."""
    rows = connection.execute(
        "SELECT source, file_name, sha256 FROM intake.delivery WHERE is_active ORDER BY source, file_name, delivery_id"
    ).fetchall()
    return [dict(zip(("source", "file_name", "sha256"), row, strict=True)) for row in rows]


def _write_tables(connection: duckdb.DuckDBPyConnection, folder: Path, tables: ReleasedTables) -> None:
    for kind in ("csv", "csv_excel", "parquet"):
        (folder / kind).mkdir(mode=0o700)
    for name, frame in tables.frames.items():
        _write(folder / "csv" / f"{name}.csv", machine_csv(frame))
        _write(folder / "csv_excel" / f"{name}.csv", excel_csv(frame))
        copy_parquet(connection, f"release.{name}", folder / "parquet" / f"{name}.parquet", tables.keys[name])


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _require_manifest(folder: Path) -> None:
    """The tables of a release must be those it was issued with."""
    for line in (folder / "MANIFEST.sha256").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ", 1)
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise WarehouseError(f"{path}: this file is not the one that was released; restore it, or run again.")


def _write_manifest(folder: Path) -> None:
    """SHA-256 of every file, in the format that `sha256sum --check` reads; written last."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files
    ]
    _write(folder / "MANIFEST.sha256", ("\n".join(lines) + "\n").encode())


def _replace_folder(aside: Path, folder: Path) -> None:
    """Put the finished folder in its place; a folder already there goes first aside, then away."""
    if folder.exists():
        old = folder.with_name(f"tmp_old_{folder.name}")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.rename(folder)


def _point_latest(releases: Path, number: int) -> None:
    link = releases / "tmp_latest"
    link.unlink(missing_ok=True)
    link.symlink_to(str(number))
    link.replace(releases / "latest")
