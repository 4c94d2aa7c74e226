"""Leave-one-cluster-out: fast equals slow, and what rests on one cluster says so."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster
from kkz_eval.inference.uncertainty import (
    NO_VARIATION,
    ONE_COMPARISON,
    ONE_TREATED,
    effective_treated_clusters,
    t_intervals,
)

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("design", ["panel", "cross_section", "unbalanced"])
@pytest.mark.parametrize(
    "options", [{}, {"anticipation": 1}, {"control_group": "never_treated", "base_period": "varying"}]
)
def test_fast_equals_estimating_anew_without_each_cluster(
    name: str, design: str, options: dict[str, object], simulated: Simulated, cells: Cells
) -> None:
    """Shares with missing cells, a cluster that alone holds cohort 2012, and unequal weights."""
    frame = simulated(1, n_clusters=12).sample(frac=0.9, random_state=1)
    frame["total"] = frame["n"] / (1 + np.exp(-frame["value"] / 3))
    alone = frame[frame["kreis"] == "k03"].assign(cohort=2012)
    panel = cells(pd.concat([frame[frame["kreis"] != "k03"], alone]))
    chosen = EstimatorOptions(design=design, **options)
    fit = ESTIMATORS[name](panel, chosen)
    fast, slow = fit.leave_out(), refit_without_each_cluster(ESTIMATORS[name], panel, chosen, fit)
    n_clusters = 9 if name == "bacon" else 12  # three clusters have no unit without a missing cell
    assert fast.shape == slow.shape == (n_clusters, len(fit.parameters))
    np.testing.assert_allclose(fast, slow, atol=1e-9)
    assert np.isfinite(slow).sum() > 0.8 * slow.size


def test_variance_is_the_formula_and_degrees_of_freedom_count_treated_clusters(
    simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(2)
    fit = ESTIMATORS["callaway_santanna"](cells(frame), EstimatorOptions())
    uncertainty = jackknife(fit)
    (p,) = fit.index(aggregation="group_time", cohort=2014, period=2016)
    left = fit.leave_out()[:, p]
    assert uncertainty.std_error[p] ** 2 == pytest.approx(15 / 16 * ((left - fit.estimate[p]) ** 2).sum())
    treated = frame[(frame["cohort"] == 2014) & (frame["period"] == 2016)].groupby("kreis")["weight"].sum()
    assert uncertainty.df[p] == pytest.approx(treated.sum() ** 2 / (treated**2).sum() - 1)


def test_equal_clusters_count_fully(simulated: Simulated, cells: Cells) -> None:
    fit = ESTIMATORS["callaway_santanna"](cells(simulated(3), cluster=None, weight=None), EstimatorOptions())
    (p,) = fit.index(aggregation="group", cohort=2014)
    assert effective_treated_clusters(fit)[p] == pytest.approx(16)


def test_what_rests_on_one_cluster_keeps_its_estimate_and_loses_its_error(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(4)
    frame.loc[frame["cohort"] == 2014, "kreis"] = "k99"
    fit = ESTIMATORS["callaway_santanna"](cells(frame), EstimatorOptions())
    (one,) = fit.index(aggregation="group", cohort=2014)
    (overall,) = fit.index(aggregation="overall")
    for uncertainty in (jackknife(fit), analytic(fit)):
        assert uncertainty.reason[one] == ONE_TREATED
        assert np.isnan([uncertainty.std_error[one], uncertainty.df[one], uncertainty.covariance[one, overall]]).all()
        assert uncertainty.reason[overall] is None
        assert uncertainty.std_error[overall] > 0
    assert np.isfinite(fit.estimate[one])
    assert "cohort 2014 rests on one cluster" in fit.notes[overall]


def test_one_comparison_cluster(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(5, cohorts=(2014, np.nan))
    frame.loc[frame["cohort"].isna(), "kreis"] = "k99"
    uncertainty = jackknife(ESTIMATORS["callaway_santanna"](cells(frame), EstimatorOptions()))
    assert set(uncertainty.reason) - {None} == {ONE_COMPARISON}


def test_an_outcome_without_variation_has_no_error(simulated: Simulated, cells: Cells) -> None:
    fit = ESTIMATORS["callaway_santanna"](cells(simulated(6).assign(total=0.0)), EstimatorOptions())
    uncertainty = jackknife(fit)
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == 0
    assert uncertainty.reason[overall] == NO_VARIATION


def test_intervals_hold_the_truth_and_are_wider_than_analytic_ones_with_few_clusters(
    simulated: Simulated, cells: Cells
) -> None:
    """50 samples, 4 of 16 units treated: at least 43 intervals hold the truth (fewer: 1 in 1,000 at 95 %)."""
    covered, wider = 0, 0
    for seed in range(50):
        frame = simulated(seed, n_units=16, cohorts=(2014, np.nan, np.nan, np.nan), effect=lambda _g, _e: 1.0)
        fit = ESTIMATORS["callaway_santanna"](cells(frame, cluster=None, weight=None), EstimatorOptions())
        (overall,) = fit.index(aggregation="overall")
        uncertainty = jackknife(fit)
        limits = t_intervals(fit.estimate, uncertainty, 0.95)
        covered += limits.low[overall] <= 1.0 <= limits.high[overall]
        wider += uncertainty.std_error[overall] > analytic(fit).std_error[overall]
    assert covered >= 43
    assert wider == 50
