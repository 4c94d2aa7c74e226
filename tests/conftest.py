"""Fixtures that every test may use.

What belongs here: paths, tiny studies, simulated cells. What does not: assertions.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
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
        text = "[[outcomes]]".join([head.replace("draws = 9999", "draws = 199\ncross_check_draws = 199"), *kept])
        text = text.replace('negative_control = "hearing_finding"', 'negative_control = "height"')
        text = text.replace('surrogates = ["german_insufficient", "sopess_flagged"]', 'surrogates = ["u8_u9_complete"]')
        study.plan_file.write_text(text, encoding="utf-8")
        return study

    return make


COHORTS = (2014, 2017, np.nan)


def simulate(
    seed: int,
    *,
    n_units: int = 48,
    n_clusters: int = 16,
    effect: Callable[[float, int], float] = lambda _cohort, _event: 0.0,
    noise: float = 1.0,
    periods: range = range(2010, 2020),
    cohorts: tuple[float, ...] = COHORTS,
) -> pd.DataFrame:
    """Rows unit, period, cohort, kreis, weight, n, value, total, squares; value = unit + period + effect + noise.

    Clusters hold treated and untreated units alike. Children of a cell vary around the cell's value by 0 in sum.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for unit in range(n_units):
        cohort = cohorts[unit % len(cohorts)]
        level, weight = rng.normal(0, 3), rng.uniform(0.5, 4)
        for period in periods:
            event = period - cohort
            added = effect(cohort, int(event)) if event >= 0 else 0.0
            value = level + 0.3 * (period - 2010) + np.sin(period) + added + noise * rng.normal()
            n = int(rng.integers(2, 40))
            within = rng.uniform(0.1, 2)
            rows.append(
                {
                    "unit": f"u{unit:03d}",
                    "period": period,
                    "cohort": cohort,
                    "kreis": f"k{unit * 7 % n_clusters:02d}",
                    "weight": weight,
                    "n": n,
                    "value": value,
                    "total": n * value,
                    "squares": n * (value**2 + within),
                }
            )
    return pd.DataFrame(rows)


def to_panel(frame: pd.DataFrame, **columns: str | None) -> CellPanel:
    """The cells of a simulated frame."""
    chosen = {"cluster": "kreis", "weight": "weight", "n": "n", "total": "total", "total_of_squares": "squares"}
    return CellPanel.from_frame(frame, "y", **{**chosen, **columns})


@pytest.fixture(scope="session")
def simulated() -> Callable[..., pd.DataFrame]:
    return simulate


@pytest.fixture(scope="session")
def cells() -> Callable[..., CellPanel]:
    return to_panel
