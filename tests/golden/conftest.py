"""Reference data of the golden tests as panels. What belongs here: reading. What does not: assertions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, Fit

CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
DESIGN = {"panel": "panel", "rc": "cross_section", "unbalanced": "unbalanced"}


@pytest.fixture(scope="session")
def reference(shared: Path) -> Callable[[str], pd.DataFrame]:
    """Reads one file of reference numbers by name; scenarios with covariates are left out."""

    def read(name: str) -> pd.DataFrame:
        table = pd.read_csv(shared / "golden" / "ref" / name)
        return table[table["xformla"] == "~1"] if "xformla" in table else table

    return read


@pytest.fixture(scope="session")
def mpdta(shared: Path) -> Callable[..., CellPanel]:
    """Panels of R did's example data: 500 counties, 5 years, cohorts 2004, 2006, 2007; one row = one observation."""
    frames = {}
    for name in ("mpdta_state", "mpdta_unbalanced"):
        frame = pd.read_csv(shared / "golden" / "data" / f"{name}.csv")
        frames[name] = frame.assign(
            cohort=frame["first.treat"].replace(0, np.nan), n=1, squares=frame["lemp"] ** 2, one=1.0
        )

    def build(design: str = "panel", cluster: str = "none", weights: str = "none", value: str = "lemp") -> CellPanel:
        return CellPanel.from_frame(
            frames["mpdta_unbalanced" if design == "unbalanced" else "mpdta_state"],
            "lemp",
            unit="countyreal",
            period="year",
            cluster="state" if cluster == "state" else None,
            weight="popw" if weights == "popw" else None,
            n="n",
            total=value,
            total_of_squares="squares",
        )

    return build


@pytest.fixture(scope="session")
def fitted(mpdta: Callable[..., CellPanel]) -> Callable[..., Fit]:
    """Callaway–Sant'Anna on mpdta in R did's words."""

    def fit(
        design: str, control_group: str, base_period: str, anticipation: int, cluster: str, weights: str, **more: int
    ) -> Fit:
        options = EstimatorOptions(
            control_group=CONTROL[control_group],
            base_period=base_period,
            anticipation=anticipation,
            design=DESIGN[design],
            **more,
        )
        return callaway_santanna(mpdta(design, cluster, weights), options)

    return fit
