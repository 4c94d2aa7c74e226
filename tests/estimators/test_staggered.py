"""What estimators of staggered adoption have in common: exact truth with gaps, refusals, complete rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.evaluation.specification import Specification, run_specification

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
COMPARING = ("sun_abraham", "imputation", "two_stage", "etwfe", "stacked", "etwfe_logit", "etwfe_poisson")
ALL = (*COMPARING, "bacon")


def as_share(frame: pd.DataFrame) -> pd.DataFrame:
    """Outcomes between 0 and 1, so that every mean fits."""
    value = 1 / (1 + np.exp(-frame["value"] / 3))
    return frame.assign(value=value, total=frame["n"] * value)


@pytest.mark.parametrize("name", ["sun_abraham", "imputation", "two_stage", "etwfe", "stacked"])
@pytest.mark.parametrize("options", [{}, {"control_group": "never_treated"}, {"anticipation": 1}])
def test_exact_truth_without_noise_and_with_gaps(
    name: str, options: dict[str, object], simulated: Simulated, cells: Cells
) -> None:
    """Effect (cohort − 2010)·(1 + e/2) in every treated cell; unequal weights; one cell in ten is missing."""
    frame = simulated(5, noise=0, effect=lambda g, e: (g - 2010) * (1 + e / 2)).sample(frac=0.9, random_state=5)
    fit = ESTIMATORS[name](cells(frame), EstimatorOptions(**options))
    assert len(fit.index(aggregation="group_time")) >= 6
    for p in fit.index(aggregation="group_time"):
        parameter = fit.parameters[p]
        assert parameter.cohort is not None
        assert parameter.event_time is not None
        truth = (parameter.cohort - 2010) * (1 + parameter.event_time / 2) if parameter.event_time >= 0 else 0.0
        assert fit.estimate[p] == pytest.approx(truth, abs=1e-8)


@pytest.mark.parametrize("name", COMPARING)
def test_notes_say_what_is_estimated_and_why_it_may_differ(name: str, simulated: Simulated, cells: Cells) -> None:
    fit = ESTIMATORS[name](cells(as_share(simulated(6, n_units=12))), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assert "Callaway–Sant'Anna" in fit.notes[overall]


@pytest.mark.parametrize("name", COMPARING)
def test_all_treated_alike_is_refused(name: str, simulated: Simulated, cells: Cells) -> None:
    panel = cells(as_share(simulated(7, n_units=12)))
    with pytest.raises(EstimationError, match=r"^cells of y: .*\.$"):
        ESTIMATORS[name](panel.select(panel.cohort == 2014), EstimatorOptions())


@pytest.mark.parametrize("name", ALL)
def test_nobody_untreated_at_first_is_refused(name: str, simulated: Simulated, cells: Cells) -> None:
    panel = cells(as_share(simulated(8, n_units=12)))
    with pytest.raises(EstimationError, match=r"^cells of y: .*\.$"):
        ESTIMATORS[name](panel.select_periods(panel.periods >= 2017), EstimatorOptions())
    with pytest.raises(EstimationError, match=r"^cells of y: .*\.$"):
        ESTIMATORS[name](panel.select(np.isinf(panel.cohort)), EstimatorOptions())


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("inference", ["analytic", "jackknife"])
def test_rows_of_results(name: str, inference: str, simulated: Simulated, cells: Cells) -> None:
    """The overall effect, one row per event time, and a joint test of those before adoption."""
    panel = cells(as_share(simulated(11, effect=lambda _g, _e: 2.0)))
    specification = Specification("all", estimator=name, inference=inference, draws=200)
    rows = run_specification(panel, specification)
    (overall,) = [row for row in rows if row.aggregation == "overall"]
    assert overall.status == "estimated"
    assert overall.ci_low is not None
    assert overall.ci_low > 0
    assert overall.n_units == 48
    assert overall.n_treated_units == 32
    events = [row.event_time for row in rows if row.aggregation == "event" and row.event_time is not None]
    assert {0, 1, 2} <= set(events)
    assert len(events) == len(set(events))
    assert rows[-1].aggregation == "pretest"
