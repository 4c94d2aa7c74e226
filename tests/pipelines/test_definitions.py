"""The graph as a reviewed text, what loading it may not do, and what a fault may not tell."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from kkz_eval.errors import PlanError
from kkz_eval.plan import Study
from kkz_eval.warehouse import read_catalog
from pipelines.definitions import build_definitions
from pipelines.guard import guarded
from pipelines.resources import StudyResource

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("graph.txt")


def graph_as_text() -> str:
    graph = build_definitions().resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines.append(f"{key.to_user_string()} <- {parents}")
    for check in sorted(graph.asset_check_keys, key=lambda check: (check.asset_key, check.name)):
        if check.name != "contract":
            spec = graph.get(check)
            lines.append(
                f"check {check.asset_key.to_user_string()}: {check.name}{' (must hold)' if spec.blocking else ''}"
            )
    return "\n".join(lines) + "\n"


def test_the_graph_is_the_reviewed_one() -> None:
    """After a wanted change: `python tests/pipelines/test_definitions.py` writes graph.txt; read the difference."""
    assert graph_as_text() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_sql_file_is_an_asset_with_its_dependencies() -> None:
    graph = build_definitions().resolve_asset_graph()
    for name, file in read_catalog().items():
        node = graph.get(dg.AssetKey(name.split(".")))
        parents = {".".join(parent.path) for parent in node.parent_keys}
        assert file.reads - {"intake.delivery", "intake.quarantine"} <= parents
        assert node.tags["sensitivity"] in {"public", "child", "cell", "controlled", "released"}


def test_nothing_released_reads_children() -> None:
    graph = build_definitions().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        if key.path[0] == "release":
            assert not [p for p in graph.get(key).parent_keys if p.path[0] in {"intake", "staging"}]


def test_loading_opens_no_database_and_imports_neither_pandas_nor_statsmodels(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pipelines.definitions import build_definitions\n"
        "build_definitions().resolve_asset_graph()\n"
        "print([name for name in ('pandas', 'statsmodels', 'altair') if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_pipelines_hold_no_sql() -> None:
    for path in (ROOT / "pipelines").glob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert "select " not in text.replace("--select", ""), path.name
        assert "insert into" not in text, path.name


def test_a_fault_of_unknown_kind_loses_its_message() -> None:
    with pytest.raises(dg.Failure) as failure, guarded():
        raise ValueError("canary 05111000 m 2009-04")
    assert "canary" not in str(failure.value.description)
    assert "ValueError" in str(failure.value.description)
    assert failure.value.__suppress_context__


def test_our_own_sentence_is_kept() -> None:
    with pytest.raises(dg.Failure) as failure, guarded():
        raise PlanError("plan.toml: say what to do.")
    assert failure.value.description == "plan.toml: say what to do."


def test_the_sensor_asks_once_for_each_state_of_the_inbox(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", "demo")
    definitions = build_definitions(StudyResource(path=str(study.root)))
    sensor = definitions.resolve_sensor_def("new_files")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    resource = StudyResource(path=str(study.root))

    def tick(cursor: str | None) -> tuple[object, str | None]:
        context = dg.build_sensor_context(cursor=cursor, resources={"study": resource}, definitions=definitions)
        answer = sensor(context)
        return answer, context.cursor

    folder = study.inbox / "education"
    folder.mkdir()
    (folder / "Schule_2015.csv").write_text("a\n1\n")
    first, cursor = tick(None)
    assert isinstance(first, dg.RunRequest)
    again, cursor = tick(cursor)
    assert isinstance(again, dg.SkipReason)
    (folder / "Schule_2016.csv").write_text("a\n1\n")
    assert isinstance(tick(cursor)[0], dg.RunRequest)


if __name__ == "__main__":
    SNAPSHOT.write_text(graph_as_text(), encoding="utf-8")
