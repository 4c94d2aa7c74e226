"""Fixtures that every test may use. What belongs here: paths and tiny studies. What does not: assertions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kkz_eval.demo.study import make_demo
from kkz_eval.plan import Study

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the project; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with reference data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def make_small() -> Callable[[Path], Study]:
    """Makes a tiny demo study, not run yet: few children, one outcome per source, few bootstrap draws."""

    def make(root: Path) -> Study:
        study = make_demo(root, scale=0.004)
        head, *outcomes = study.plan_file.read_text(encoding="utf-8").split("[[outcomes]]")
        names = ("u8_u9_complete", "height", "gymnasium")
        kept = [part for part in outcomes if any(f'name = "{name}"' in part for name in names)]
        text = "[[outcomes]]".join([head.replace("draws = 9999", "draws = 199"), *kept])
        study.plan_file.write_text(text, encoding="utf-8")
        return study

    return make
