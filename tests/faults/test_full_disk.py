"""A disk that is full or may not be written: said in one sentence, before or during the run; the last release stays."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kkz_eval.intake import inbox
from kkz_eval.plan import Study

MEGABYTES = 24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def run(study: Study, program: str = "from pipelines.cli import main") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; `program` may change something first."""
    return subprocess.run(
        [sys.executable, "-c", f"{program}; main()", "run", "--study", str(study.root)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_too_little_space_is_told_before_anything_is_done(
    small_disk: Path, make_small: Callable[[Path], Study]
) -> None:
    study = make_small(small_disk / "study")
    ended = run(study)
    assert ended.returncode == 1
    assert "DISK_FULL" in ended.stderr
    assert "MB free and the run may need" in ended.stderr
    assert not study.warehouse_file.exists()


def test_a_disk_that_fills_up_during_the_run_is_told_in_one_sentence(
    small_disk: Path, make_small: Callable[[Path], Study]
) -> None:
    """The check beforehand is switched off, and the disk is filled but for a little."""
    study = make_small(small_disk / "study")
    free = MEGABYTES * 1024 * 1024 - sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())
    (small_disk / "filler").write_bytes(bytes(free - 9 * 1024 * 1024))
    ended = run(
        study,
        "from pipelines.cli import main; from kkz_eval.intake import inbox; inbox.require_space = lambda *_: None",
    )
    assert inbox.require_space is not None
    assert ended.returncode == 1
    told = [line for line in ended.stderr.splitlines() if line.startswith("kkz-eval: ")]
    assert len(told) == 1
    assert "free space" in told[0] or "disk is full" in told[0]
    assert "Traceback" not in ended.stderr
    (small_disk / "filler").unlink()


def test_a_folder_that_may_not_be_written_is_named(small_disk: Path, make_small: Callable[[Path], Study]) -> None:
    study = make_small(small_disk / "study")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = run(
        study,
        "from pipelines.cli import main; from kkz_eval.intake import inbox; inbox.require_space = lambda *_: None",
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert str(study.root) in ended.stderr
    assert "permission" in ended.stderr
