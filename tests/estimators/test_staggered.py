"""What all estimators of staggered adoption have in common: order and labels do not matter, gaps and bad input do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
LINEAR = ("sun_abraham", "imputation", "two_stage", "etwfe", "stacked", "bacon")
ALL = (*LINEAR, "etwfe_logit", "etwfe_poisson")
COMPARING = ("sun_abraham", "imputation", "two_stage", "etwfe", "stacked", "etwfe_logit", "etwfe_poisson")


def as_share(frame: pd.DataFrame) -> pd.DataFrame:
    """Outcomes between 0 and 1, so that every mean fits."""
    value = 1 / (1 + np.exp(-frame["value"] / 3))
    return frame.assign(value=value, total=frame["n"] * value)


def assert_same(one: Fit, other: Fit) -> None:
    assert one.parameters == other.parameters
    np.testing.assert_allclose(one.estimate, other.estimate, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(cluster_covariance(one), cluster_covariance(other), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_order_of_rows_and_names_of_clusters_do_not_matter(name: str, simulated: Simulated, cells: Cells) -> None:
    frame = as_share(simulated(1, n_units=24, n_clusters=8))
    fit = ESTIMATORS[name](cells(frame), EstimatorOptions())
    shuffled = frame.sample(frac=1, random_state=2)
    np.testing.assert_array_equal(ESTIMATORS[name](cells(shuffled), EstimatorOptions()).estimate, fit.estimate)
    renamed = frame.assign(kreis="z" + (99 - frame["kreis"].str[1:].astype(int)).astype(str))
    assert_same(ESTIMATORS[name](cells(renamed), EstimatorOptions()), fit)
    reversed_units = frame.assign(unit="v" + (99 - frame["unit"].str[1:].astype(int)).astype(str))
    assert_same(ESTIMATORS[name](cells(reversed_units), EstimatorOptions()), fit)


@pytest.mark.parametrize("name", ALL)
def test_children_of_a_cell_may_come_in_any_number_of_rows(name: str, simulated: Simulated, cells: Cells) -> None:
    frame = as_share(simulated(2, n_units=12, n_clusters=6, periods=range(2012, 2019)))
    children = frame.loc[frame.index.repeat(frame["n"])]
    pooled = CellPanel.from_micro(children, "y", cluster="kreis", weight="weight")
    options = EstimatorOptions(design="cross_section")
    assert_same(ESTIMATORS[name](pooled, options), ESTIMATORS[name](cells(frame), options))


@pytest.mark.parametrize("name", ALL)
def test_doubling_all_weights_changes_nothing(name: str, simulated: Simulated, cells: Cells) -> None:
    panel = cells(as_share(simulated(3, n_units=24)))
    doubled = replace(panel, weight=2 * panel.weight)
    assert_same(ESTIMATORS[name](doubled, EstimatorOptions()), ESTIMATORS[name](panel, EstimatorOptions()))


@pytest.mark.parametrize("name", LINEAR)
def test_adding_unit_and_period_constants_changes_nothing(name: str, simulated: Simulated, cells: Cells) -> None:
    frame = simulated(4)
    shift = frame["unit"].str[1:].astype(int) ** 1.5 - 7 * (frame["period"] - 2010) ** 2
    fit = ESTIMATORS[name](cells(frame), EstimatorOptions())
    moved = ESTIMATORS[name](cells(frame.assign(total=frame["total"] + frame["n"] * shift)), EstimatorOptions())
    np.testing.assert_allclose(moved.estimate, fit.estimate, atol=1e-8)
    np.testing.assert_allclose(cluster_covariance(moved), cluster_covariance(fit), atol=1e-8)


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
def test_one_period_before_adoption_is_enough(name: str, simulated: Simulated, cells: Cells) -> None:
    """Cohort 2014 keeps only 2013 before; its effect of 0.5 in log-odds, ratio or level is still found."""
    frame = simulated(9, n_units=24, noise=0, periods=range(2013, 2020))
    level = frame["unit"].str[1:].astype(int) % 3 * 0.2 + 0.1 * np.sin(frame["period"])
    added = 0.5 * (frame["period"] >= frame["cohort"])
    mean = {"etwfe_logit": lambda x: 1 / (1 + np.exp(-x)), "etwfe_poisson": np.exp}.get(name, lambda x: x)
    panel = cells(frame.assign(total=frame["n"] * mean(level + added)))
    fit = ESTIMATORS[name](panel, EstimatorOptions())
    for p in fit.index(aggregation="group_time", cohort=2014):
        parameter = fit.parameters[p]
        cell = (frame["cohort"] == 2014) & (frame["period"] == parameter.period)
        truth = np.average((mean(level + added) - mean(level))[cell], weights=frame["weight"][cell])
        assert fit.estimate[p] == pytest.approx(truth, abs=1e-9)
    assert np.isfinite(fit.estimate[fit.index(aggregation="group_time", cohort=2014)]).sum() >= 3


@pytest.mark.parametrize("name", COMPARING)
def test_without_never_treated_units_the_last_cohort_is_the_comparison(
    name: str, simulated: Simulated, cells: Cells
) -> None:
    fit = ESTIMATORS[name](cells(as_share(simulated(10, cohorts=(2014, 2017)))), EstimatorOptions())
    assert {p.cohort for p in fit.parameters if p.aggregation == "group_time"} == {2014}
    assert max(p.period or 0 for p in fit.parameters) == 2016
    assert "cohort 2017 serves as comparison" in fit.notes[0]


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
