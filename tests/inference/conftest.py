"""Small simulated studies with a known truth. What belongs here: making data. What does not: assertions."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel

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
