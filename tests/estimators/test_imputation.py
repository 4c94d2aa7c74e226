"""Imputation: equality with dummies for everything, leads, what no untreated cell can tell."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.imputation import imputation
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.estimators.two_stage import two_stage
from kkz_eval.estimators.untreated import NOT_IDENTIFIED

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def imputed(frame: pd.DataFrame) -> pd.Series:
    """Difference of every cell to the fit of unit and period dummies on untreated cells."""
    dummies = pd.concat(
        [pd.get_dummies(frame["unit"], dtype=float), pd.get_dummies(frame["period"], dtype=float).iloc[:, 1:]], axis=1
    ).to_numpy()
    untreated = ~(frame["period"] >= frame["cohort"]).to_numpy()
    fit = sm.WLS(frame["value"][untreated], dummies[untreated], weights=frame["weight"][untreated]).fit()
    return frame["value"] - dummies @ fit.params.to_numpy()


def test_equals_a_fit_of_dummies_on_untreated_cells_with_gaps(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(1, effect=lambda _g, e: 1.0 + e).sample(frac=0.9, random_state=1)
    gap, treated = imputed(frame), frame["period"] >= frame["cohort"]
    fit = imputation(cells(frame), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == pytest.approx(np.average(gap[treated], weights=frame["weight"][treated]))
    for e in range(5):
        cell = frame["period"] - frame["cohort"] == e
        (p,) = fit.index(aggregation="event", event_time=e)
        assert fit.estimate[p] == pytest.approx(np.average(gap[cell], weights=frame["weight"][cell]))


def test_leads_are_a_regression_on_untreated_cells(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(2)
    untreated = frame[~(frame["period"] >= frame["cohort"])]
    event = untreated["period"] - untreated["cohort"]
    leads = pd.DataFrame({e: (event == e).astype(float) for e in (-2, -1)})
    dummies = [pd.get_dummies(untreated["unit"], dtype=float), pd.get_dummies(untreated["period"], dtype=float)]
    design = pd.concat([leads, dummies[0], dummies[1].iloc[:, 1:]], axis=1).to_numpy()
    expected = sm.WLS(untreated["value"].to_numpy(), design, weights=untreated["weight"].to_numpy()).fit().params
    fit = imputation(cells(frame), EstimatorOptions(min_event=-2))
    found = [p.event_time for p in fit.parameters if p.aggregation == "event" and (p.event_time or 0) < 0]
    assert sorted(found) == [-2, -1]
    for e, value in zip((-2, -1), expected, strict=False):
        (p,) = fit.index(aggregation="event", event_time=e)
        assert fit.estimate[p] == pytest.approx(value)


def test_without_limit_all_leads_but_the_earliest(simulated: Simulated, cells: Cells) -> None:
    fit = imputation(cells(simulated(3)), EstimatorOptions())
    found = [p.event_time for p in fit.parameters if p.aggregation == "event" and (p.event_time or 0) < 0]
    assert sorted(found) == list(range(-6, 0))


def test_a_period_without_untreated_cells_is_not_estimated(simulated: Simulated, cells: Cells) -> None:
    """In 2019 only treated units have values: nobody tells what 2019 would have brought."""
    frame = simulated(4)
    frame = frame[~(frame["cohort"].isna() & (frame["period"] == 2019))]
    for estimator in (imputation, two_stage):
        fit = estimator(cells(frame), EstimatorOptions())
        for cohort in (2014, 2017):
            (p,) = fit.index(aggregation="group_time", cohort=cohort, period=2019)
            assert np.isnan(fit.estimate[p])
            assert fit.reason[p] == NOT_IDENTIFIED
        (overall,) = fit.index(aggregation="overall")
        assert np.isfinite(fit.estimate[overall])
        (calendar,) = fit.index(aggregation="calendar", period=2019)
        assert np.isnan(fit.estimate[calendar])


def test_units_without_an_untreated_value_are_counted_and_left_out(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(5)
    late = frame[~((frame["unit"] == "u000") & (frame["period"] < 2014))]
    for estimator in (imputation, two_stage):
        fit = estimator(cells(late), EstimatorOptions())
        (overall,) = fit.index(aggregation="overall")
        assert "1 units without an untreated value left out" in fit.notes[overall]
        without = estimator(cells(frame[frame["unit"] != "u000"]), EstimatorOptions())
        assert fit.estimate[overall] == pytest.approx(without.estimate[overall])


def test_no_unit_with_two_untreated_periods_is_refused(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(6, cohorts=(2014, np.nan))
    few = frame[(frame["period"] >= 2013) & ~(frame["cohort"].isna() & (frame["period"] > 2013))]
    for estimator in (imputation, two_stage):
        with pytest.raises(EstimationError, match="no unit has two periods without treatment"):
            estimator(cells(few), EstimatorOptions())
