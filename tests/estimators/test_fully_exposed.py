"""The mean over fully exposed (cohort, period) pairs: which pairs enter, with which weights."""

import numpy as np
import pandas as pd

from kkz_eval.cells.panel import CellPanel
from kkz_eval.evaluation.specification import Specification, run_specification

COHORTS = {"a": 2013, "b": 2013, "c": 2018, "d": 2018, "e": None, "f": None}
WEIGHTS = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 4.0, "e": 1.0, "f": 1.0}
PERIODS = range(2010, 2026)


def effect(cohort: int, period: int) -> float:
    """Grows by 1 per period, and differs by cohort, so that a wrong pair or weight is noticed."""
    return 0.0 if period < cohort else (period - cohort + 1) * (1.0 if cohort == 2013 else 10.0)


def panel() -> CellPanel:
    rows = [
        (unit, period, cohort, WEIGHTS[unit], 5.0 * place + 0.3 * period + (effect(cohort, period) if cohort else 0.0))
        for place, (unit, cohort) in enumerate(COHORTS.items())
        for period in PERIODS
    ]
    frame = pd.DataFrame(rows, columns=["unit", "period", "cohort", "weight", "value"])
    return CellPanel.from_frame(frame, "y", cohort="cohort", weight="weight", value="value")


def test_only_the_named_pairs_enter_weighted_by_cohort_size() -> None:
    full = frozenset({(2013, 2020), (2013, 2021), (2018, 2025)})
    rows = run_specification(panel(), Specification("main", fully_exposed=full))
    found = {row.cohort: row.estimate for row in rows if row.aggregation == "fully_exposed"}
    first, second, third = effect(2013, 2020), effect(2013, 2021), effect(2018, 2025)
    size_2013, size_2018 = 4.0, 6.0
    overall = (size_2013 * (first + second) + size_2018 * third) / (2 * size_2013 + size_2018)
    np.testing.assert_allclose(found[2013], (first + second) / 2, rtol=1e-12)
    np.testing.assert_allclose(found[2018], third, rtol=1e-12)
    np.testing.assert_allclose(found[None], overall, rtol=1e-12)


def test_without_such_pairs_there_is_no_such_row() -> None:
    rows = run_specification(panel(), Specification("main", fully_exposed=frozenset({(2013, 2031)})))
    assert not [row for row in rows if row.aggregation == "fully_exposed"]
