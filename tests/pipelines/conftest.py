"""Studies that have been run. What belongs here: building them once; no assertions."""

from pathlib import Path

import pytest

from kkz_eval.demo.study import make_demo
from kkz_eval.plan import Study
from pipelines.main_run import run_job


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The demo study at its default scale, after one run."""
    study = make_demo(tmp_path_factory.mktemp("demo") / "study")
    run_job(study.root)
    return study


def make_small(root: Path, **options: object) -> Study:
    """A tiny demo study with few outcomes, not run yet."""
    study = make_demo(root, scale=0.004, **options)  # type: ignore[arg-type]
    text = study.plan_file.read_text(encoding="utf-8")
    head, *outcomes = text.split("[[outcomes]]")
    kept = [part for part in outcomes if any(f'name = "{name}"' in part for name in ("u8_u9_complete", "height", "gymnasium"))]
    study.plan_file.write_text("[[outcomes]]".join([head.replace("draws = 9999", "draws = 199"), *kept]), encoding="utf-8")
    return study


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A tiny demo study after one run."""
    study = make_small(tmp_path_factory.mktemp("small") / "study")
    run_job(study.root)
    return study
