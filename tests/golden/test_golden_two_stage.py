"""Two-stage difference-in-differences against R did2s, standard errors with the first stage counted.

R's first stage stops at fixest's tolerance for fixed effects, about 1e-7 relative (1e-6 with weights). With covariates
R's standard error is not the one of Gardner's moment conditions; there the moment conditions themselves, written out
with a dummy for everything, are the target.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.two_stage import two_stage
from kkz_eval.inference.analytic import cluster_covariance

FIRST_STAGE = 1e-6
STD_ERROR = 3e-8
CLUSTERS = ["countyreal", "state"]


def position(fit: Fit, term: str) -> int:
    if term == "D::1":
        (found,) = fit.index(aggregation="overall")
    else:
        (found,) = fit.index(aggregation="event", event_time=int(term.removeprefix("rel::")))
    return found


def moment_conditions(panel: CellPanel, options: EstimatorOptions) -> tuple[float, float]:
    """Static effect and standard error from both stages' moments, with dense dummies."""
    n_units, n_periods = panel.value.shape
    unit, period = np.repeat(np.eye(n_units), n_periods, axis=0), np.tile(np.eye(n_periods)[:, 1:], (n_units, 1))
    layers = [] if options.covariates is None else [options.covariates.reshape(n_units * n_periods, -1)]
    z, y = np.hstack([unit, period, *layers]), panel.value.ravel()
    weight = np.repeat(panel.weight, n_periods)
    treated = (panel.periods[None, :] >= panel.cohort[:, None]).ravel() * 1.0
    w_first = weight * (1 - treated)
    gram = (z * w_first[:, None]).T @ z
    gap = y - z @ np.linalg.solve(gram, z.T @ (w_first * y))
    effect = (weight * treated * gap).sum() / (weight * treated).sum()
    moved = np.linalg.solve(gram, (weight * treated) @ z)
    score = weight * treated * (gap - effect) - (z @ moved) * w_first * gap
    _, code = np.unique(panel.cluster, return_inverse=True)
    sums = np.bincount(np.repeat(code, n_periods), weights=score) / (weight * treated).sum()
    return float(effect), float(np.sqrt((sums**2).sum()))


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("weights", ["none", "popw"])
def test_static_and_event(
    cluster: str, weights: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    fit = two_stage(mpdta("panel", cluster, weights), EstimatorOptions())
    table = reference("mpdta_state_did2s.csv")
    own = (table["cluster"] == cluster) & (table["model"].str.contains("popw") == (weights == "popw"))
    table = table[own & ~table["model"].str.contains("lpop")]
    assert len(table) == (1 if weights == "popw" else 16)
    where = [position(fit, term) for term in table["term"]]
    std_error = np.sqrt(np.diag(cluster_covariance(fit)))
    np.testing.assert_allclose(fit.estimate[where], table["estimate"], rtol=FIRST_STAGE)
    np.testing.assert_allclose(std_error[where], table["se"], rtol=STD_ERROR)
    expected = moment_conditions(mpdta("panel", cluster, weights), EstimatorOptions())
    overall = position(fit, "D::1")
    assert (fit.estimate[overall], std_error[overall]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_population_in_each_year(
    cluster: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    panel, population = mpdta("panel", cluster), mpdta(value="lpop").value
    layers = np.stack([population * (panel.periods == year) for year in panel.periods[1:]], axis=2)
    options = EstimatorOptions(covariates=layers, covariate_names=("2004", "2005", "2006", "2007"))
    fit = two_stage(panel, options)
    table = reference("mpdta_state_did2s.csv")
    row = table[(table["cluster"] == cluster) & table["model"].str.contains("lpop")].iloc[0]
    overall = position(fit, "D::1")
    assert fit.estimate[overall] == pytest.approx(row["estimate"], rel=FIRST_STAGE)
    std_error = float(np.sqrt(cluster_covariance(fit)[overall, overall]))
    assert (fit.estimate[overall], std_error) == pytest.approx(moment_conditions(panel, options), rel=1e-10)
