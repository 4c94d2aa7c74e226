"""Effects as fixed weights of cell means: equal to the estimator, balanced over periods, the same when years come."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.horizon.contrasts import (
    Layout,
    combine,
    event_loading,
    group_time_contrasts,
    latest_event,
    overall_loading,
)

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
OPTIONS = [
    {},
    {"control_group": "never_treated"},
    {"anticipation": 1},
    {"weighted": False},
    {"base_period": "varying"},
    {"control_group": "never_treated", "anticipation": 2},
]


def estimate(fit: Fit, **wanted: object) -> float:
    (found,) = fit.index(**wanted)
    return float(fit.estimate[found])


def applied(weights: np.ndarray, panel: CellPanel) -> np.ndarray:
    """Σ ω Ȳ; cells without a value must have no weight."""
    assert (weights[:, np.isnan(panel.value)] == 0).all()
    return np.einsum("put,ut->p", weights, np.nan_to_num(panel.value))


@pytest.mark.parametrize("more", OPTIONS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("cohorts", [(2014, 2017, np.nan), (2014, 2017, 2019)])
def test_weighted_cell_means_are_the_estimates(
    more: dict[str, object], missing: bool, cohorts: tuple[float, ...], simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(1, cohorts=cohorts)
    panel = cells(frame.sample(frac=0.93, random_state=2) if missing else frame)
    options = EstimatorOptions(**more)
    fit = callaway_santanna(panel, options)
    contrasts = group_time_contrasts(Layout.from_panel(panel), options, with_pre_periods=True)
    by_contrast = applied(contrasts.weights, panel)
    for k, (g, t) in enumerate(zip(contrasts.cohort, contrasts.period, strict=True)):
        expected = estimate(fit, aggregation="group_time", cohort=int(g), period=int(t))
        assert by_contrast[k] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(contrasts.weights.sum(axis=2), 0, atol=1e-14)
    n_effects = sum(not fit.is_reference[p] for p in fit.index(aggregation="group_time"))
    assert len(by_contrast) == n_effects - sum(np.isnan(fit.estimate[p]) for p in fit.index(aggregation="group_time"))
    last = int(panel.periods[-1])
    loadings = [overall_loading(contrasts, last), event_loading(contrasts, 1, last)]
    overall, event = applied(combine(contrasts, loadings), panel)
    assert overall == pytest.approx(estimate(fit, aggregation="overall"), abs=1e-12)
    assert event == pytest.approx(estimate(fit, aggregation="event", event_time=1), abs=1e-12)


@pytest.mark.parametrize("more", OPTIONS)
def test_periods_without_data_get_the_weights_they_will_have(
    more: dict[str, object], simulated: Simulated, cells: Cells
) -> None:
    """Planned in 2016 for 2019, then compared with the estimates once 2019 is there."""
    panel = cells(simulated(3))
    options = EstimatorOptions(**more)
    early = panel.select_periods(panel.periods <= 2016)
    planned = group_time_contrasts(Layout.from_panel(early, last_period=2019), options)
    fit = callaway_santanna(panel, options)
    effects = applied(planned.weights, panel)
    for k, (g, t) in enumerate(zip(planned.cohort, planned.period, strict=True)):
        assert effects[k] == pytest.approx(
            estimate(fit, aggregation="group_time", cohort=int(g), period=int(t)), abs=1e-12
        )
    assert set(planned.period.tolist()) == set(range(2014, 2020))
    assert (np.diff(planned.period) >= 0).all()


def test_averages_with_data_to_a_year_are_those_of_that_year(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(4))
    contrasts = group_time_contrasts(Layout.from_panel(panel), EstimatorOptions())
    for until in (2014, 2016, 2018):
        fit = callaway_santanna(panel.select_periods(panel.periods <= until), EstimatorOptions())
        latest = latest_event(contrasts, until)
        assert latest == until - 2014
        loadings = [overall_loading(contrasts, until), event_loading(contrasts, latest, until)]
        overall, event = applied(combine(contrasts, loadings), panel)
        assert overall == pytest.approx(estimate(fit, aggregation="overall"), abs=1e-12)
        assert event == pytest.approx(estimate(fit, aggregation="event", event_time=latest), abs=1e-12)
    assert latest_event(contrasts, 2013) is None
    assert not overall_loading(contrasts, 2013).any()


def test_what_cannot_be_compared_is_refused(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(5))
    for bad in (
        panel.select_periods(panel.periods >= 2017),  # no period before adoption
        panel.select(panel.cohort == 2014),  # nobody untreated
        panel.select(np.isinf(panel.cohort)),  # nobody treated
    ):
        with pytest.raises(EstimationError, match=r"^No treated cohort .*\.$"):
            group_time_contrasts(Layout.from_panel(bad), EstimatorOptions())
    with pytest.raises(EstimationError, match="design panel"):
        group_time_contrasts(Layout.from_panel(panel), EstimatorOptions(design="cross_section"))


@pytest.mark.parametrize("field", ["kreis", "weight", "periods", "is_observed"])
def test_a_layout_that_contradicts_itself_is_refused(field: str, simulated: Simulated, cells: Cells) -> None:
    whole = Layout.from_panel(cells(simulated(6)))
    parts = {name: getattr(whole, name) for name in Layout.__dataclass_fields__}
    parts[field] = {
        "kreis": whole.kreis[:-1],
        "weight": whole.weight * 0,
        "periods": whole.periods[::-1],
        "is_observed": whole.is_observed[:, :-1],
    }[field]
    with pytest.raises(EstimationError, match=r"\.$"):
        Layout(**parts)
