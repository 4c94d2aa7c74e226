"""Studies that have been run. What belongs here: building them once; no assertions."""

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
