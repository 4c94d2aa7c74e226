"""Bad input to the main job: one clear sentence, and the study and its last release stay as they were."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from kkz_eval.errors import KkzError
from kkz_eval.plan import Study
from kkz_eval.report.bundle import Release
from kkz_eval.warehouse import Warehouse
from pipelines import main_run
from pipelines.main_run import check_study

EXAM = "inbox/school_entry_exam/SEU_2025.csv"


def run_job(folder: Path, **options: float) -> Release:
    """The main job with Dagster's history in memory, which is quicker."""
    return main_run.run_job(folder, instance=dg.DagsterInstance.ephemeral(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, make_small: Callable[[Path], Study]) -> Study:
    """A study that has been run, with the newest exam held back so that a next delivery can go wrong."""
    study = make_small(tmp_path_factory.mktemp("small") / "study")
    newest = study.root / EXAM
    held = study.root / "held.csv"
    newest.rename(held)
    run_job(study.root)
    held.rename(newest)
    return study


@pytest.fixture
def study(released: Study, tmp_path: Path) -> Study:
    shutil.copytree(released.root, tmp_path / "study", symlinks=True)
    return Study.open(tmp_path / "study")


def state(study: Study) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """Every file of the releases by hash, and what the warehouse holds of deliveries and released effects."""
    files = {
        path.relative_to(study.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(study.release_folder.rglob("*"))
        if path.is_file()
    }
    with Warehouse.of(study).connect() as connection:
        rows = connection.execute(
            "SELECT source, file_name, sha256, n_rows, is_active FROM intake.delivery ORDER BY ALL"
        ).fetchall()
        rows += connection.execute("SELECT * FROM release.effects ORDER BY ALL").fetchall()
        rows += connection.execute("SELECT count(*), sum(height_cm) FROM intake.school_entry_exam").fetchall()
    return files, rows


def exam_lines(study: Study) -> list[str]:
    return (study.root / EXAM).read_bytes().decode("utf-8-sig").splitlines()


def write_exam(study: Study, lines: list[str], end: str = "\r\n") -> None:
    (study.root / EXAM).write_bytes(("\r\n".join(lines) + end).encode("utf-8-sig"))


def rename_column(study: Study) -> None:
    lines = exam_lines(study)
    write_exam(study, [lines[0].replace("Groesse_cm", "Groesse_in_cm"), *lines[1:]])


def drop_column(study: Study) -> None:
    place = exam_lines(study)[0].split(";").index("Zaehlen")
    write_exam(study, [";".join(c for i, c in enumerate(line.split(";")) if i != place) for line in exam_lines(study)])


def half_written(study: Study) -> None:
    path = study.root / EXAM
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 7])


def with_ags(change: Callable[[str], str]) -> Callable[[Study], None]:
    def apply(study: Study) -> None:
        lines = exam_lines(study)
        place = lines[0].split(";").index("AGS")
        rows = [line.split(";") for line in lines[1:]]
        write_exam(study, [lines[0], *(";".join([*r[:place], change(r[place]), *r[place + 1 :]]) for r in rows)])

    return apply


def with_birth_date(study: Study) -> None:
    lines = exam_lines(study)
    write_exam(study, [lines[0] + ";Geburtsdatum", *(line + ";01.02.2019" for line in lines[1:])])


def year_in_the_future(study: Study) -> None:
    lines = exam_lines(study)
    place = lines[0].split(";").index("Einschulungsjahr")
    rows = [line.split(";") for line in lines[1:]]
    (study.root / EXAM).unlink()
    text = "\r\n".join([lines[0], *(";".join([*r[:place], "2031", *r[place + 1 :]]) for r in rows)]) + "\r\n"
    (study.root / EXAM).with_name("SEU_2031.csv").write_bytes(text.encode("utf-8-sig"))


def plan_with(old: str, new: str) -> Callable[[Study], None]:
    def apply(study: Study) -> None:
        text = study.plan_file.read_text(encoding="utf-8")
        assert old in text
        study.plan_file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


def empty_inbox(study: Study) -> None:
    shutil.rmtree(study.inbox)
    study.inbox.mkdir()


def no_inbox(study: Study) -> None:
    shutil.rmtree(study.inbox)


def damaged(study: Study) -> None:
    (study.root / "study.toml").write_text("inbox = [", encoding="utf-8")


FAULTS: dict[str, tuple[Callable[[Study], None], str]] = {
    "unknown plan key": (
        plan_with("[study]", '[study]\ncolour = "red"'),
        r"plan\.toml: the key 'study\.colour' is not known",
    ),
    "unknown outcome": (
        plan_with('name = "gymnasium"', 'name = "gymnasion"'),
        r"outcome 'gymnasion' .* did you mean gymnasium",
    ),
    "unknown excluded unit": (
        plan_with(
            "[[outcomes]]", '[[excluded_units]]\nunit = "05999999"\nreason_de = "x"\nreason_en = "x"\n\n[[outcomes]]'
        ),
        r"excluded unit 05999999 does not exist",
    ),
    "empty inbox": (empty_inbox, r"EMPTY_INBOX: .*put files into the folder of their source"),
    "missing inbox": (no_inbox, r"NO_INBOX: .*the inbox does not exist"),
    "renamed column": (rename_column, r"SEU_2025\.csv.*Groesse_in_cm.*Groesse_cm"),
    "missing column": (drop_column, r"SEU_2025\.csv.*Zaehlen"),
    "half-written file": (half_written, r"INCOMPLETE_FILE: .*SEU_2025\.csv"),
    "unknown AGS": (with_ags(lambda ags: "05999" + ags[5:]), r"TOO_MANY_BAD_ROWS: .*SEU_2025\.csv.*AGS_UNKNOWN"),
    "lost leading zero": (with_ags(lambda ags: ags.lstrip("0")), r"SEU_2025\.csv.*AGS_LEADING_ZERO"),
    "direct identifier": (with_birth_date, r"DIRECT_IDENTIFIER: .*SEU_2025\.csv.*Geburtsdatum"),
    "year in the future": (year_in_the_future, r"SEU_2031\.csv.*(YEAR|future)"),
    "broken settings": (damaged, r"study\.toml: cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_told_in_one_sentence_and_changes_nothing(study: Study, fault: str) -> None:
    apply, said = FAULTS[fault]
    before = state(study)
    apply(study)
    with pytest.raises(KkzError) as refusal:
        run_job(study.root)
    message = str(refusal.value)
    assert re.search(said, message), message
    assert "\n" not in message.strip()
    assert "Traceback" not in message
    assert state(study) == before


def test_after_the_fault_is_mended_the_next_run_succeeds(study: Study) -> None:
    good = (study.root / EXAM).read_bytes()
    rename_column(study)
    with pytest.raises(KkzError):
        run_job(study.root)
    (study.root / EXAM).write_bytes(good)
    release = run_job(study.root)
    assert (release.number, release.is_new) == (2, True)


def test_a_swapped_column_is_found_by_its_name(study: Study, tmp_path: Path) -> None:
    """The same children with columns in another order give the same released tables."""
    other = tmp_path / "other"
    shutil.copytree(study.root, other, symlinks=True)
    first = run_job(study.root)
    swapped = Study.open(other)
    write_exam(swapped, [";".join(reversed(line.split(";"))) for line in exam_lines(swapped)])
    second = run_job(swapped.root)
    for table in ("effects", "description", "coverage"):
        name = f"csv/{table}.csv"
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_check_says_why_a_file_would_be_refused_and_stores_nothing(study: Study) -> None:
    before = state(study)
    rename_column(study)
    lines, is_good = check_study(study.root)
    assert not is_good
    assert [line for line in lines if line.startswith("REFUSED   school_entry_exam/SEU_2025.csv")]
    assert state(study) == before


def test_the_command_line_exits_with_1_and_one_line(study: Study) -> None:
    plan_with("[study]", '[study]\ncolour = "red"')(study)
    ended = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "run", "--study", str(study.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("kkz-eval: ")


def test_a_locked_database_names_its_holder(study: Study) -> None:
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
            str(study.warehouse_file),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdin and holder.stdout
    try:
        holder.stdout.readline()
        with pytest.raises(KkzError, match=f"in use by process {holder.pid}"):
            run_job(study.root, lock_deadline=0.2)
    finally:
        holder.communicate(b"")


def test_a_file_that_is_no_database_is_refused_and_kept(study: Study) -> None:
    study.warehouse_file.write_bytes(b"not a database" * 500)
    before = study.warehouse_file.read_bytes()
    with pytest.raises(KkzError, match="damaged or no DuckDB database"):
        run_job(study.root)
    assert study.warehouse_file.read_bytes() == before


def test_a_missing_sql_file_is_named(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kkz_eval.warehouse import sqlfile  # noqa: PLC0415

    folder = tmp_path / "sql"
    shutil.copytree(sqlfile.sql_folder(), folder)
    (folder / "reference" / "participation.sql").unlink()
    monkeypatch.setattr(sqlfile, "sql_folder", lambda: folder)
    before = state(study)
    with pytest.raises(KkzError, match=r"reference/participation\.sql: this file is missing"):
        run_job(study.root)
    assert state(study) == before
