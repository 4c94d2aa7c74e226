"""The one job on a tiny study: repeatable to the byte, honest about changes of plan, silent about children."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from kkz_eval.demo.study import make_demo
from kkz_eval.errors import KkzError, PlanError, WarehouseError
from kkz_eval.plan import Study
from kkz_eval.report.bundle import last_release, render_again
from kkz_eval.warehouse import PLAN_TABLES, Warehouse
from pipelines.definitions import build_definitions
from pipelines.main_run import run_job
from pipelines.resources import StudyResource


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, make_small: Callable[[Path], Study]) -> Study:
    """A study after one run with Dagster's history on disk."""
    study = make_small(tmp_path_factory.mktemp("first") / "study")
    run_job(study.root)
    return study


@pytest.fixture
def study(first: Study, tmp_path: Path) -> Study:
    """A copy that a test may change."""
    shutil.copytree(first.root, tmp_path / "study", symlinks=True)
    return Study.open(tmp_path / "study")


def run(study: Study, **options: str) -> object:
    return run_job(study.root, instance=dg.DagsterInstance.ephemeral(), **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_study_twice_gives_the_same_bytes(
    first: Study, tmp_path: Path, make_small: Callable[[Path], Study]
) -> None:
    """Another folder, another process of loading, another number of threads: every released file is the same."""
    other = make_small(tmp_path / "another" / "place")
    settings = other.root / "study.toml"
    settings.write_text(settings.read_text().replace("threads = 2", "threads = 1"))
    run(other)
    one, two = contents(first.release_folder / "1"), contents(other.release_folder / "1")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_nothing_new_gives_no_new_release(study: Study) -> None:
    before = contents(study.release_folder / "1")
    release = run(study)
    assert (release.number, release.is_new) == (1, False)
    assert contents(study.release_folder / "1") == before


def test_a_changed_plan_is_a_new_release_that_names_the_deviation(study: Study) -> None:
    study.plan_file.write_text(study.plan_file.read_text().replace("threshold = 10", "threshold = 15", 1))
    release = run(study)
    assert (release.number, release.is_new) == (2, True)
    assert release.deviations == ("disclosure.threshold: 10 → 15",)
    record = json.loads((study.release_folder / "latest" / "release.json").read_text())
    assert record["deviations"] == ["disclosure.threshold: 10 → 15"]
    for language in ("de", "en"):
        assert "10 → 15" in (study.release_folder / "latest" / f"report_{language}.html").read_text()
    assert last_release(study) == 2


def test_the_report_is_rendered_again_from_the_release_itself(study: Study) -> None:
    """Whatever stands in the warehouse or the plan by now: tables, plan and number of the release stay."""
    before = contents(study.release_folder / "1")
    study.plan_file.write_text(study.plan_file.read_text().replace("threshold = 10", "threshold = 15", 1))
    page = study.release_folder / "1" / "report_de.html"
    with Warehouse.of(study).connect() as connection:
        connection.execute("UPDATE release.effects SET estimate = 99")
        release = render_again(connection, study)
    assert release.number == 1
    assert contents(study.release_folder / "1") == before
    page.write_text("spoilt")
    with (
        Warehouse.of(study).connect() as connection,
        pytest.raises(WarehouseError, match="not the one that was released"),
    ):
        render_again(connection, study)


def test_a_second_run_beside_the_first_is_refused(study: Study) -> None:
    with study.exclusive(), pytest.raises(PlanError, match=f"another run \\(process {os.getpid()}\\)"):
        run(study)


def test_a_check_that_must_hold_stops_the_release(study: Study) -> None:
    """A row lost after loading is found by counting what is there, before anything is released."""
    study.plan_file.write_text(study.plan_file.read_text().replace("threshold = 10", "threshold = 15", 1))
    with Warehouse.of(study).connect() as connection:
        connection.execute("DELETE FROM intake.education WHERE line_no = (SELECT min(line_no) FROM intake.education)")
    with pytest.raises(KkzError, match=r"check rows_conserved: .*lost rows"):
        run(study)
    assert last_release(study) == 1


def test_real_deliveries_are_never_replaced_by_the_demo(study: Study) -> None:
    study.plan_file.write_text(study.plan_file.read_text().replace("is_synthetic = true", "is_synthetic = false"))
    before = contents(study.inbox)
    with pytest.raises(PlanError, match="no demo study"):
        make_demo(study.root, scale=0.004)
    assert contents(study.inbox) == before


def test_a_run_setting_is_a_deviation_too(study: Study) -> None:
    release = run(study, as_of="2019-06-30")
    assert "study.as_of: 2025-12-31 → 2019-06-30" in release.deviations
    with Warehouse.of(study).connect() as connection:
        periods = connection.execute("SELECT max(period) FROM release.group_time").fetchall()
    assert periods == [(2019,)]


def test_one_school_year_can_be_taken_in_alone(tmp_path: Path, make_small: Callable[[Path], Study]) -> None:
    study = make_small(tmp_path / "study")
    instance = dg.DagsterInstance.ephemeral()
    job = build_definitions(StudyResource(path=str(study.root))).resolve_job_def("evaluation")
    wanted = [dg.AssetKey(["intake", "education"]), dg.AssetKey(["plan", "study"])]
    chain = [*wanted, *(dg.AssetKey(["reference", name]) for name in ("gemeinde", "key_change"))]
    for key in chain[1:]:
        assert job.execute_in_process(instance=instance, asset_selection=[key, *plan_keys(key)]).success
    assert job.execute_in_process(instance=instance, asset_selection=wanted[:1], partition_key="2015").success
    with Warehouse.of(study).connect() as connection:
        loaded = connection.execute("SELECT source, year FROM intake.delivery").fetchall()
    assert loaded == [("education", 2015)]
    assert instance.get_materialized_partitions(dg.AssetKey(["intake", "education"])) == {"2015"}


def plan_keys(key: dg.AssetKey) -> list[dg.AssetKey]:
    """All tables of the plan are written by one step."""
    return [dg.AssetKey(["plan", table]) for table in PLAN_TABLES] if key.path[0] == "plan" else []


def test_a_run_over_the_whole_inbox_fills_the_matrix_of_school_years(
    first: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(first.dagster_home))
    delivered = {path.stem[-4:] for path in (first.inbox / "education").glob("*.csv")}
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["intake", "education"])) == delivered


def test_no_child_is_found_in_history_release_or_work_folder(first: Study) -> None:
    """Pseudonyms and month of birth of real rows, accepted and faulty, are looked for in every byte that is kept."""
    with Warehouse.of(first).connect() as connection:
        accepted = connection.execute("SELECT DISTINCT pseudonym FROM intake.school_entry_exam").fetchall()
        faulty = connection.execute("SELECT raw FROM intake.quarantine").fetchall()
    secrets = {str(row[0]).encode() for row in accepted[:200]} | {str(row[0]).encode() for row in faulty}
    assert len(secrets) > 300
    for folder in (first.dagster_home, first.release_folder, first.work_folder):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [secret for secret in secrets if secret in content], path.name


def test_history_holds_schema_and_row_counts(first: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(first.dagster_home))
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["release", "effects"]))
        assert event and event.asset_materialization
        metadata = event.asset_materialization.metadata
        pictures = instance.get_latest_materialization_event(dg.AssetKey(["release", "report"]))
    with Warehouse.of(first).connect() as connection:
        n_rows = connection.execute("SELECT count(*) FROM release.effects").fetchall()[0][0]
    assert metadata["dagster/row_count"].value == n_rows
    assert "ci_low" in {column.name for column in metadata["dagster/column_schema"].value.columns}
    assert pictures and pictures.asset_materialization
    assert [name for name in pictures.asset_materialization.metadata if name.startswith("picture")]


def test_every_table_of_the_study_is_private(first: Study) -> None:
    for path in first.root.rglob("*"):
        if not path.is_symlink() and first.inbox not in path.parents:
            assert path.stat().st_mode & 0o077 == 0, path


def test_history_is_a_database_of_this_study(first: Study) -> None:
    runs = first.dagster_home / "history" / "runs.db"
    connection = sqlite3.connect(runs)
    try:
        statuses = connection.execute("SELECT status FROM runs").fetchall()
    finally:
        connection.close()
    assert statuses == [("SUCCESS",)]
