"""Imputation against R didimputation 0.5.0, and against its formulas written out with a dummy for everything.

R's first stage stops at fixest's tolerance for fixed effects, about 1e-7 relative; the same estimates are met to 1e-10
where R computes them exactly (etwfe, below). Its standard error with weights squares the weights of the projection,
and with covariates it leaves Borusyak, Jaravel and Spiess's equation; there the formula itself is the target.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.imputation import imputation
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray
from kkz_eval.inference.analytic import cluster_covariance

FIRST_STAGE = 1e-6
EXACT = 1e-10
CLUSTERS = ["countyreal", "state"]


def by_year(mpdta: Callable[..., CellPanel]) -> EstimatorOptions:
    """Population in each year but the first."""
    population = mpdta(value="lpop")
    layers = [population.value * (population.periods == year) for year in population.periods[1:]]
    return EstimatorOptions(covariates=np.stack(layers, axis=2), covariate_names=("2004", "2005", "2006", "2007"))


def position(fit: Fit, term: str) -> int:
    if term == "treat":
        (found,) = fit.index(aggregation="overall")
    else:
        (found,) = fit.index(aggregation="event", event_time=int(term))
    return found


def formula(panel: CellPanel, options: EstimatorOptions, power_of_weights: int) -> tuple[float, float]:
    """Overall effect and standard error by equations 6 to 8, with dense dummies; R raises weights to the power 2."""
    n_units, n_periods = panel.value.shape
    unit, period = np.repeat(np.eye(n_units), n_periods, axis=0), np.tile(np.eye(n_periods)[:, 1:], (n_units, 1))
    layers = [] if options.covariates is None else [options.covariates.reshape(n_units * n_periods, -1)]
    z = np.hstack([unit, period, *layers])
    y, weight = panel.value.ravel(), np.repeat(panel.weight, n_periods)
    cohort, year = np.repeat(panel.cohort, n_periods), np.tile(panel.periods, n_units)
    treated = year >= cohort
    moments = (z[~treated] * weight[~treated, None]).T
    fitted = np.linalg.solve(moments @ z[~treated], moments @ y[~treated])
    gap = y - z @ fitted
    share: FloatArray = weight * treated / (weight * treated).sum()
    inner = (z[~treated] * (weight[~treated] ** power_of_weights)[:, None]).T @ z[~treated]
    moved = (z[treated] * (weight[treated] ** (power_of_weights - 1))[:, None]).T @ share[treated]
    v = share.copy()
    v[~treated] = -weight[~treated] * (z[~treated] @ np.linalg.solve(inner, moved))
    for g, t in {(g, t) for g, t in zip(cohort[treated], year[treated], strict=True)}:
        cell = (cohort == g) & (year == t)
        gap[cell] -= (v[cell] ** 2 * gap[cell]).sum() / (v[cell] ** 2).sum()
    _, code = np.unique(panel.cluster, return_inverse=True)
    sums = np.bincount(np.repeat(code, n_periods), weights=v * gap)
    return float(share @ (y - z @ fitted)), float(np.sqrt((sums**2).sum()))


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_static_horizons_and_leads(
    cluster: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    fit = imputation(mpdta("panel", cluster), EstimatorOptions())
    table = reference("mpdta_state_did_imputation.csv")
    models = ["static", "horizon=TRUE", "horizon=TRUE, pretrends=-3:-1"]
    table = table[(table["cluster"] == cluster) & table["model"].isin(models)]
    assert len(table) == 12
    where = [position(fit, term) for term in table["term"]]
    std_error = np.sqrt(np.diag(cluster_covariance(fit)))
    np.testing.assert_allclose(fit.estimate[where], table["estimate"], rtol=FIRST_STAGE)
    np.testing.assert_allclose(std_error[where], table["se"], rtol=1e-7)
    leads = table["term"].str.startswith("-").to_numpy()
    np.testing.assert_allclose(fit.estimate[where][leads], table["estimate"][leads], rtol=EXACT)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_population_in_each_year(
    cluster: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    panel, options = mpdta("panel", cluster), by_year(mpdta)
    fit = imputation(panel, options)
    table = reference("mpdta_state_did_imputation.csv")
    row = table[(table["cluster"] == cluster) & (table["model"] == "static + lpop x year")].iloc[0]
    overall = position(fit, "treat")
    assert fit.estimate[overall] == pytest.approx(row["estimate"], rel=FIRST_STAGE)
    expected = formula(panel, options, power_of_weights=1)
    assert fit.estimate[overall] == pytest.approx(expected[0], rel=EXACT)
    assert np.sqrt(cluster_covariance(fit)[overall, overall]) == pytest.approx(expected[1], rel=EXACT)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_weights(cluster: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]) -> None:
    panel = mpdta("panel", cluster, "popw")
    fit = imputation(panel, EstimatorOptions())
    table = reference("mpdta_state_did_imputation.csv")
    row = table[(table["cluster"] == cluster) & (table["model"] == "static [wname=popw]")].iloc[0]
    overall = position(fit, "treat")
    assert fit.estimate[overall] == pytest.approx(row["estimate"], rel=2 * FIRST_STAGE)
    assert formula(panel, EstimatorOptions(), power_of_weights=2)[1] == pytest.approx(row["se"], rel=1e-7)
    expected = formula(panel, EstimatorOptions(), power_of_weights=1)
    assert fit.estimate[overall] == pytest.approx(expected[0], rel=EXACT)
    assert np.sqrt(cluster_covariance(fit)[overall, overall]) == pytest.approx(expected[1], rel=EXACT)


def test_a_cohort_with_one_period_before_adoption_stays_in(
    mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    """Cohort 2004 has only 2003; dropping it would give the number of the trap file."""
    fit = imputation(mpdta(), EstimatorOptions())
    overall = position(fit, "treat")
    trap = reference("mpdta_state_did_imputation_fixef_rm_perfect_fit.csv").iloc[0]
    assert abs(fit.estimate[overall] - trap["estimate"]) > 0.01
    assert fit.used[mpdta().cohort == 2004, overall].all()
    exact = reference("mpdta_etwfe_emfx.csv")
    row = exact[(exact["model"] == "lemp ~ 1") & (exact["cgroup"] == "notyet") & (exact["type"] == "simple")].iloc[0]
    assert fit.estimate[overall] == pytest.approx(row["estimate"], rel=EXACT)
