"""A release of an earlier version, with fewer tables, is still rendered again from its own files."""

import hashlib
import json
from pathlib import Path

from released_tables import few, released

from kkz_eval.disclosure import RELEASED_TABLES
from kkz_eval.plan.read import plan_to_json, read_plan
from kkz_eval.plan.study import Study
from kkz_eval.report.bundle import render_again, report_meta
from kkz_eval.warehouse import Warehouse


def _old_release(study: Study) -> Path:
    """A release folder with the tables `effects` and `event_study` alone and a manifest over all files."""
    folder = study.release_folder / "1"
    (folder / "parquet").mkdir(parents=True)
    with Warehouse.of(study).connect() as connection:
        for name in ("effects", "event_study"):
            source = study.work_folder / f"{name}.csv"
            released()[name].to_csv(source, index=False)
            target = folder / "parquet" / f"{name}.parquet"
            connection.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
    (folder / "plan.json").write_text(plan_to_json(read_plan(study.plan_file)), encoding="utf-8")
    record = {"number": 1, "findings": {"de": [], "en": []}, "deviations": []}
    (folder / "release.json").write_text(json.dumps(record), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files
    ]
    (folder / "MANIFEST.sha256").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_release_with_fewer_tables_is_rendered_again(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", "demo")
    folder = _old_release(study)
    with Warehouse.of(study).connect() as connection:
        render_again(connection, study)
    page = (folder / "report_de.html").read_text(encoding="utf-8")
    assert 'id="figure-curve-german_insufficient"' in page
    assert "cross_check" in RELEASED_TABLES and not (folder / "parquet" / "cross_check.parquet").exists()


def test_what_the_report_knows_of_the_plan(tmp_path: Path) -> None:
    plan = read_plan(Study.create(tmp_path / "study", "demo").plan_file)
    known = report_meta(plan, 1, ())
    assert known.estimators == plan.estimation.estimators
    assert [(gap.name, gap.first("de"), gap.second("en")) for gap in known.gaps] == [
        (gap.name, gap.first_de, gap.second_en) for gap in plan.gaps
    ]
    assert len(known.gaps) == 2
    assert few("height").gaps[0].label("en") == "Does the gap close?"
