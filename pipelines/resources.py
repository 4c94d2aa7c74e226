"""What assets are handed: the study and its warehouse.

What belongs here: places. What does not: anything that changes results.
"""

import os
from pathlib import Path

import dagster as dg

from kkz_eval.plan import Study
from kkz_eval.warehouse import Warehouse

STUDY_VARIABLE = "KKZ_STUDY"
DEFAULT_STUDY = "studies/demo"


class StudyResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The study folder that a run works on: `path`, else the environment variable KKZ_STUDY, else studies/demo."""

    path: str = ""
    lock_deadline_seconds: float = 30.0

    def study(self) -> Study:
        """Read the study's settings; nothing is opened."""
        return Study.open(Path(self.path or os.environ.get(STUDY_VARIABLE, "") or DEFAULT_STUDY))

    def warehouse(self) -> Warehouse:
        """The study's warehouse, still closed."""
        return Warehouse.of(self.study(), self.lock_deadline_seconds)
