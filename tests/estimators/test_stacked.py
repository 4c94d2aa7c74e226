"""Stacked difference-in-differences: equality with the weighted regression on the stack, and with the two-by-twos."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.estimators.stacked import stacked
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
COHORTS = (2013, 2015, 2017, np.nan)
TIMES = (-3, -2, 0, 1, 2)


def stack_of(frame: pd.DataFrame, low: int, high: int) -> pd.DataFrame:
    """The cells of every cohort's window one under the other, with corrective weights times the unit's weight."""
    parts = []
    for cohort in (2013, 2015, 2017):
        inside = frame[frame["period"].between(cohort + low, cohort + high)]
        clean = inside["cohort"].isna() | (inside["cohort"] > cohort + high) | (inside["cohort"] == cohort)
        part = inside[clean].assign(event=inside["period"] - cohort, own=cohort)
        parts.append(part.assign(treated=(part["cohort"] == cohort).astype(float)))
    stack = pd.concat(parts)
    size = stack.groupby(["own", "treated", "event"])["weight"].transform("sum")
    treated = stack[(stack["treated"] == 1) & (stack["event"] == -1)].groupby("own")["weight"].sum()
    share = stack["own"].map(treated / treated.sum())
    return stack.assign(corrective=stack["weight"] * share / size)


@pytest.mark.parametrize("weighted", [True, False])
def test_equals_the_weighted_regression_on_the_stack(weighted: bool, simulated: Simulated, cells: Cells) -> None:
    """Treated, event times, and their products with corrective weights."""
    frame = simulated(1, cohorts=COHORTS, effect=lambda g, e: (g - 2012) * (1.0 + e))
    frame = frame if weighted else frame.assign(weight=1.0)
    stack = stack_of(frame, -3, 2)
    events = np.column_stack([stack["event"] == e for e in TIMES]).astype(float)
    treated = stack["treated"].to_numpy()[:, None]
    design = np.hstack([events * treated, events, treated, np.ones((len(stack), 1))])
    expected = sm.WLS(stack["value"].to_numpy(), design, weights=stack["corrective"].to_numpy()).fit().params[:5]
    fit = stacked(cells(frame), EstimatorOptions(min_event=-3, max_event=2))
    where = [fit.index(aggregation="event", event_time=e)[0] for e in TIMES]
    np.testing.assert_allclose(fit.estimate[where], expected, rtol=1e-10)
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == pytest.approx(expected[2:].mean())


def test_errors_are_those_of_a_regression_with_each_cohort_apart(simulated: Simulated, cells: Cells) -> None:
    """Every term once per cohort; averages of its coefficients by treated weight."""
    frame = simulated(6, cohorts=COHORTS)
    stack = stack_of(frame, -3, 2)
    events = np.column_stack([stack["event"] == e for e in TIMES]).astype(float)
    treated = stack["treated"].to_numpy()[:, None]
    own = np.hstack([events * treated, events, treated, np.ones((len(stack), 1))])
    design = np.hstack([own * (stack["own"] == g).to_numpy()[:, None] for g in (2013, 2015, 2017)])
    codes = stack["kreis"].astype("category").cat.codes.to_numpy()
    expected = sm.WLS(stack["value"].to_numpy(), design, weights=stack["corrective"].to_numpy()).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    size = frame[frame["period"] == 2015].groupby("cohort")["weight"].sum()
    combine = np.kron((size / size.sum()).to_numpy(), np.eye(own.shape[1])[:5])
    fit = stacked(cells(frame), EstimatorOptions(min_event=-3, max_event=2))
    where = [fit.index(aggregation="event", event_time=e)[0] for e in TIMES]
    np.testing.assert_allclose(fit.estimate[where], combine @ expected.params, rtol=1e-9)
    covariance = combine @ expected.cov_params() @ combine.T
    np.testing.assert_allclose(cluster_covariance(fit)[np.ix_(where, where)], covariance, rtol=1e-8, atol=1e-12)


def test_event_times_are_averages_of_two_by_twos_by_treated_weight(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(2, cohorts=COHORTS)
    fit = stacked(cells(frame), EstimatorOptions(min_event=-2, max_event=1))
    size = frame[frame["period"] == 2015].groupby("cohort")["weight"].sum()
    for e in (-2, 0, 1):
        parts = []
        for cohort in (2013, 2015, 2017):
            (p,) = fit.index(aggregation="group_time", cohort=cohort, event_time=e)
            wide = frame.pivot(index="unit", columns="period", values="value")
            change = wide[cohort + e] - wide[cohort - 1]
            unit = frame.drop_duplicates("unit").set_index("unit")
            own = unit["cohort"] == cohort
            clean = unit["cohort"].isna() | (unit["cohort"] > cohort + 1)
            two_by_two = np.average(change[own], weights=unit["weight"][own])
            two_by_two -= np.average(change[clean], weights=unit["weight"][clean])
            assert fit.estimate[p] == pytest.approx(two_by_two)
            parts.append(two_by_two)
        (event,) = fit.index(aggregation="event", event_time=e)
        assert fit.estimate[event] == pytest.approx(np.average(parts, weights=size[[2013, 2015, 2017]]))


def test_without_limits_the_window_is_the_widest_all_cohorts_share(simulated: Simulated, cells: Cells) -> None:
    fit = stacked(cells(simulated(3, cohorts=COHORTS)), EstimatorOptions())
    times = sorted(p.event_time for p in fit.parameters if p.aggregation == "event" and p.event_time is not None)
    assert times == [-3, -2, -1, 0, 1, 2]
    assert "event times -3 to 2" in fit.notes[0]
    assert fit.is_reference[fit.index(aggregation="event", event_time=-1)[0]]


def test_cohorts_that_do_not_cover_the_window_are_left_out(simulated: Simulated, cells: Cells) -> None:
    fit = stacked(cells(simulated(4, cohorts=COHORTS)), EstimatorOptions(min_event=-2, max_event=4))
    assert {p.cohort for p in fit.parameters if p.aggregation == "group_time"} == {2013, 2015}
    assert "cohorts 2017 do not cover event times -2 to 4 and are left out" in fit.notes[0]
    with pytest.raises(EstimationError, match="no cohort is observed at all event times -9 to 9"):
        stacked(cells(simulated(4, cohorts=COHORTS)), EstimatorOptions(min_event=-9, max_event=9))
    with pytest.raises(EstimationError, match="take no covariates"):
        stacked(cells(simulated(4)), EstimatorOptions(covariates=np.zeros((48, 10, 1)), covariate_names=("x",)))
    with pytest.raises(EstimationError, match="share no period before and after adoption"):
        stacked(cells(simulated(4, cohorts=COHORTS)), EstimatorOptions(min_event=0, max_event=2))
