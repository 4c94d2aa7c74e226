"""Callaway–Sant'Anna: known truth, equal to means taken by hand, and what must not move it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna, child_covariance
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
DESIGNS = ("panel", "cross_section", "unbalanced")


def options(**more: object) -> EstimatorOptions:
    return EstimatorOptions(**{"control_group": "not_yet_treated", "base_period": "universal", **more})


def at(fit: Fit, **wanted: object) -> float:
    (found,) = fit.index(**wanted)
    return float(fit.estimate[found])


def assert_same(one: Fit, other: Fit, tolerance: float = 1e-12) -> None:
    assert one.parameters == other.parameters
    np.testing.assert_allclose(one.estimate, other.estimate, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(cluster_covariance(one), cluster_covariance(other), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_exact_truth_without_noise(design: str, base: str, control: str, simulated: Simulated, cells: Cells) -> None:
    """Effects that differ by cohort and grow with time come back exactly, and so do their averages."""

    def truth(cohort: float, event: int) -> float:
        return (1.0 if cohort == 2014 else -2.0) + 0.5 * event

    frame = simulated(1, effect=truth, noise=0).assign(n=10, weight=1.0)
    frame["total"] = frame["n"] * frame["value"]
    fit = callaway_santanna(cells(frame), options(design=design, base_period=base, control_group=control))
    for parameter, estimate in zip(fit.parameters, fit.estimate, strict=True):
        if parameter.aggregation == "group_time":
            expected = truth(parameter.cohort, parameter.event_time) if parameter.event_time >= 0 else 0
            assert estimate == pytest.approx(expected, abs=1e-12)
    effects = {g: [truth(g, e) for e in range(2019 - int(g) + 1)] for g in (2014, 2017)}
    assert at(fit, aggregation="overall") == pytest.approx(np.mean([*effects[2014], *effects[2017]]))  # equal sizes
    assert at(fit, aggregation="group", cohort=2017) == pytest.approx(np.mean(effects[2017]))
    assert at(fit, aggregation="group", label="overall") == pytest.approx(
        np.mean([np.mean(effects[2014]), np.mean(effects[2017])])
    )
    assert at(fit, aggregation="event", event_time=1) == pytest.approx(np.mean([truth(2014, 1), truth(2017, 1)]))
    assert at(fit, aggregation="event", event_time=4) == pytest.approx(truth(2014, 4))
    assert at(fit, aggregation="calendar", period=2018) == pytest.approx(np.mean([truth(2014, 4), truth(2017, 1)]))


def by_hand(
    frame: pd.DataFrame, cohort: int, period: int, *, control: str, base: str, anticipation: int, periods: list[int]
) -> float:
    """ATT(g,t) of units with values in both periods, written as plainly as possible."""
    earlier = [t for t in periods if t + anticipation < cohort]
    start = earlier[-1] if period >= cohort or base == "universal" else periods[periods.index(period) - 1]
    wide = frame.pivot(index="unit", columns="period", values="value")
    change = (wide[period] - wide[start]).dropna()
    attributes = frame.drop_duplicates("unit").set_index("unit").loc[change.index]
    first = attributes["cohort"].fillna(np.inf)
    until = max(period, start) + anticipation
    untreated = np.isinf(first) if control == "never_treated" else (first > until) & (first != cohort)
    weight = attributes["weight"]
    treated = first == cohort
    return float(
        np.average(change[treated], weights=weight[treated]) - np.average(change[untreated], weights=weight[untreated])
    )


@pytest.mark.parametrize("anticipation", [0, 1, 2])
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_equal_to_means_taken_by_hand_with_gaps_and_missing_cells(
    anticipation: int, base: str, control: str, simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(4, cohorts=(2012, 2014, 2017, np.nan))
    frame = frame[~frame["period"].isin([2012, 2016, 2017])]  # cohorts 2012 and 2017 adopt in a gap
    frame = frame.drop(frame.sample(frac=0.1, random_state=1).index)
    periods = sorted(frame["period"].unique().tolist())
    chosen = options(control_group=control, base_period=base, anticipation=anticipation)
    fit = callaway_santanna(cells(frame), chosen)
    where = fit.index(aggregation="group_time")
    cohorts = {2012, 2014, 2017} if anticipation < 2 else {2014, 2017}  # 2010 + 2: no base for cohort 2012
    assert {fit.parameters[p].cohort for p in where} == cohorts
    for p in where:
        cohort, period = fit.parameters[p].cohort, fit.parameters[p].period
        expected = by_hand(
            frame, cohort, period, control=control, base=base, anticipation=anticipation, periods=periods
        )
        assert fit.estimate[p] == pytest.approx(expected, abs=1e-12)
    assert "units without values in both periods left out" in fit.notes[0]


def test_children_and_cells_give_the_same_answer(simulated: Simulated) -> None:
    """One row per child as its own unit in a cluster, against cells of municipalities."""
    rng = np.random.default_rng(8)
    frame = simulated(8, n_units=12, n_clusters=6, periods=range(2012, 2017), cohorts=(2014, np.nan))
    children = frame.loc[frame.index.repeat(rng.integers(2, 6, len(frame)))].reset_index(drop=True)
    children["value"] += rng.normal(size=len(children))
    names = {"cluster": "kreis", "weight": "weight"}
    chosen = options(design="cross_section")
    by_cells = callaway_santanna(CellPanel.from_micro(children, "y", **names), chosen)
    one_each = children.assign(unit=[f"c{i:05d}" for i in range(len(children))])
    by_children = callaway_santanna(CellPanel.from_micro(one_each, "y", **names), chosen)
    assert_same(by_cells, by_children, 1e-10)
    alone = callaway_santanna(CellPanel.from_micro(one_each, "y", weight="weight"), chosen)
    np.testing.assert_allclose(child_covariance(by_cells), cluster_covariance(alone), rtol=1e-9, atol=1e-14)


def test_truth_is_covered_in_repeated_samples(simulated: Simulated, cells: Cells) -> None:
    """Mean of 60 estimates within three of its standard errors of the truth; errors of the right size."""
    estimates, errors = [], []
    for seed in range(60):
        frame = simulated(seed, effect=lambda _g, e: 1.0 + 0.1 * e, n_clusters=48)
        fit = callaway_santanna(cells(frame, weight=None), options())
        (overall,) = fit.index(aggregation="overall")
        estimates.append(fit.estimate[overall])
        errors.append(np.sqrt(cluster_covariance(fit)[overall, overall]))
    truth = np.mean([1.0 + 0.1 * e for e in (0, 1, 2, 3, 4, 5, 0, 1, 2)])
    assert np.mean(estimates) == pytest.approx(truth, abs=3 * np.std(estimates) / np.sqrt(60))
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.35)


def test_units_without_a_base_are_left_out_and_counted(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(9, cohorts=(2008, 2010, 2014, np.nan))
    fit = callaway_santanna(cells(frame), options())
    assert {p.cohort for p in fit.parameters if p.cohort} == {2014}
    assert all("24 units treated before any base period left out" in note for note in fit.notes)
    without = callaway_santanna(cells(frame[~frame["cohort"].isin([2008, 2010])]), options())
    np.testing.assert_allclose(fit.estimate, without.estimate, atol=1e-12)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_last_cohort_serves_when_nobody_is_never_treated(control: str, simulated: Simulated, cells: Cells) -> None:
    frame = simulated(10, cohorts=(2014, 2017))
    fit = callaway_santanna(cells(frame), options(control_group=control))
    assert {p.cohort for p in fit.parameters if p.cohort} == {2014}
    assert max(p.period for p in fit.parameters if p.period) == 2016
    assert "cohort 2017 serves as comparison" in fit.notes[0]


def test_cohort_after_the_last_period_is_a_comparison_until_it_may_anticipate(
    simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(11, cohorts=(2014, 2020, np.nan))
    assert {p.cohort for p in callaway_santanna(cells(frame), options()).parameters if p.cohort} == {2014}
    fit = callaway_santanna(cells(frame), options(anticipation=1))
    last = fit.index(aggregation="group_time", cohort=2014, period=2019)[0]
    assert fit.used[:, last].sum() == 32  # cohort 2014 and never treated, not the 16 units that may anticipate
    assert not fit.index(aggregation="group", cohort=2020)


def test_effects_that_do_not_exist_say_why(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(12)
    frame = frame[~((frame["cohort"] == 2014) & (frame["period"] == 2016))]
    fit = callaway_santanna(cells(frame), options())
    (gone,) = fit.index(aggregation="group_time", cohort=2014, period=2016)
    assert np.isnan(fit.estimate[gone])
    assert fit.reason[gone] == "no treated unit with values in both periods"
    (overall,) = fit.index(aggregation="overall")
    assert np.isfinite(fit.estimate[overall])
    assert "1 of 9 group-time effects do not exist" in fit.notes[overall]
    assert np.isfinite(fit.influence.values).all()


def test_counts_of_children_and_units(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(13)
    fit = callaway_santanna(cells(frame), options())
    (one,) = fit.index(aggregation="group_time", cohort=2014, period=2015)
    treated = frame[(frame["cohort"] == 2014) & (frame["period"] == 2015)]
    assert fit.n_children[one] == treated["n"].sum()
    assert (fit.treated_weight[:, one] != 0).sum() == len(treated)
    assert fit.treated_weight[:, one].sum() == pytest.approx(1)
    official = callaway_santanna(cells(frame, n=None, total=None, total_of_squares=None, value="value"), options())
    assert np.isnan(official.n_children).all()
    np.testing.assert_allclose(official.estimate, fit.estimate, atol=1e-12)


def test_what_cannot_be_estimated_is_refused(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(14)
    rates = cells(frame, n=None, total=None, total_of_squares=None, value="value")
    with pytest.raises(EstimationError, match=r"design cross_section needs the number of children .* use design panel"):
        callaway_santanna(rates, options(design="cross_section"))
    with pytest.raises(EstimationError, match="no treated cohort has a period before adoption"):
        callaway_santanna(cells(frame[frame["period"] >= 2017]), options())
    with pytest.raises(EstimationError, match="design panel has units as observations"):
        child_covariance(callaway_santanna(cells(frame), options()))
