"""Wild cluster bootstrap: equal to regressions run anew on bootstrapped outcomes, and of the right size."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.regression import event_study, two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, FloatArray
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.inference.wild import POINTS, multipliers
from kkz_eval.inference.wild_influence import cluster_leverage, wild_fit, wild_influence
from kkz_eval.inference.wild_regression import ClusterProducts, cluster_products, wild_regression

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def small_regression(seed: int, n_columns: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Clusters (R,), columns (R, k), outcome (R,) of 6 clusters with 3 to 8 rows."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(6), rng.integers(3, 9, 6))
    x = rng.normal(size=(len(cluster), n_columns)) + 0.5
    return cluster, x, x.sum(axis=1) + rng.normal(size=6)[cluster] + rng.normal(size=len(cluster))


def products_of(cluster: FloatArray, x: FloatArray, y: FloatArray) -> ClusterProducts:
    rows = [cluster == c for c in np.unique(cluster)]
    return ClusterProducts(
        tuple(str(c) for c in np.unique(cluster)),
        np.array([x[r].T @ x[r] for r in rows]),
        np.array([x[r].T @ y[r] for r in rows]),
    )


def t_of(cluster: FloatArray, x: FloatArray, y: FloatArray, contrast: FloatArray, null: float, *, cv3: bool) -> float:
    """The t statistic of a regression by the book, row by row."""
    beta = np.linalg.lstsq(x, y)[0]
    groups = [cluster == c for c in np.unique(cluster)]
    if cv3:
        left = np.array([np.linalg.lstsq(x[~g], y[~g])[0] for g in groups])
        variance = (len(groups) - 1) / len(groups) * (((left - beta) @ contrast) ** 2).sum()
    else:
        scores = np.array([x[g].T @ (y[g] - x[g] @ beta) for g in groups])
        variance = ((scores @ np.linalg.inv(x.T @ x) @ contrast) ** 2).sum()
    return float((contrast @ beta - null) / np.sqrt(variance))


@pytest.mark.parametrize("cv3", [False, True])
@pytest.mark.parametrize("null", [0.0, 0.7])
def test_equals_regressions_on_bootstrapped_outcomes(cv3: bool, null: float) -> None:
    """Each draw: fitted under the null plus residuals under the null with the cluster's sign, then all anew."""
    cluster, x, y = small_regression(1, 3)
    contrast = np.array([1.0, -0.5, 0.0])
    draws = multipliers(6, draws=64, seed=0, scheme="rademacher")
    variance = "jackknife" if cv3 else "ordinary"
    test = wild_regression(products_of(cluster, x, y), contrast, draws, variance=variance)
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    restricted = beta - inverse @ contrast * (contrast @ beta - null) / (contrast @ inverse @ contrast)
    fitted = x @ restricted
    expected = [t_of(cluster, x, fitted + v[cluster] * (y - fitted), contrast, null, cv3=cv3) for v in draws.values]
    np.testing.assert_allclose(test.t_star(null), expected, rtol=1e-7, atol=1e-9)
    observed = t_of(cluster, x, y, contrast, null, cv3=cv3)
    assert test.t(null) == pytest.approx(observed)
    assert test.p_value(null) == np.mean(np.abs(expected) >= abs(observed) * (1 - 1e-9))


@pytest.mark.parametrize("variance", ["ordinary", "jackknife"])
def test_influence_form_equals_the_regression_on_one_variable(variance: str) -> None:
    cluster, x, y = small_regression(2, 1)
    products = products_of(cluster, x, y)
    draws = multipliers(6, draws=500, seed=3)
    assert not draws.is_complete
    regression = wild_regression(products, np.array([1.0]), draws, variance=variance)
    gram = products.gram[:, 0, 0]
    scores = (products.moment[:, 0] - gram * regression.estimate) / gram.sum()
    influence = wild_influence(scores, gram / gram.sum(), regression.estimate, draws, variance=variance)
    assert influence.std_error == pytest.approx(regression.std_error)
    for null in (-1.0, 0.0, 2.5):
        np.testing.assert_allclose(influence.t_star(null), regression.t_star(null), rtol=1e-9)
    np.testing.assert_allclose(influence.interval(), regression.interval(), rtol=1e-7)


@pytest.mark.parametrize("scheme", ["rademacher", "webb"])
def test_weights_have_mean_zero_and_variance_one(scheme: str) -> None:
    np.testing.assert_allclose([POINTS[scheme].mean(), (POINTS[scheme] ** 2).mean()], [0, 1], atol=1e-15)
    complete = multipliers(3, draws=216, seed=1, scheme=scheme)
    assert complete.is_complete
    assert len(np.unique(complete.values, axis=0)) == len(complete.values) == len(POINTS[scheme]) ** 3
    drawn = multipliers(30, draws=50, seed=1, scheme=scheme)
    assert not drawn.is_complete
    assert np.isin(drawn.values, POINTS[scheme]).all()
    np.testing.assert_array_equal(drawn.values, multipliers(30, draws=50, seed=1, scheme=scheme).values)


@pytest.mark.parametrize("tail", ["two-tailed", "equal-tailed"])
def test_interval_is_where_the_p_value_crosses(tail: str, simulated: Simulated, cells: Cells) -> None:
    fit = two_way_fixed_effects(cells(simulated(3, effect=lambda _g, _e: 2.0)), EstimatorOptions())
    products, contrasts = cluster_products(fit)
    test = wild_regression(products, contrasts[0], multipliers(16, draws=999, seed=4, scheme="webb"))
    low, high = test.interval(0.9, tail)
    assert low < 2.0 < high
    for limit, outwards in ((low, -1e-7), (high, 1e-7)):
        assert test.p_value(limit + outwards, tail) <= 0.1 + 1e-12 < test.p_value(limit - outwards, tail)
    assert test.std_error**2 == pytest.approx(
        fit.variance_factor * (fit.influence.by_cluster()[1][:, 0] ** 2).sum(), rel=1e-9
    )


def test_with_five_clusters_and_signs_no_p_value_is_small_enough_for_a_limit() -> None:
    """Two of 2⁵ draws always tie with the observed t: p is at least 1/16."""
    cluster, x, y = small_regression(5, 1)
    keep = cluster < 5
    draws = multipliers(5, draws=999, seed=1, scheme="rademacher")
    test = wild_regression(products_of(cluster[keep], x[keep], y[keep]), np.array([1.0]), draws)
    assert test.interval(0.95) == (-np.inf, np.inf)
    assert np.isfinite(test.interval(0.9)).all()


def test_every_parameter_of_an_event_study(simulated: Simulated, cells: Cells) -> None:
    fit = event_study(cells(simulated(6)), EstimatorOptions())
    products, contrasts = cluster_products(fit)
    draws = multipliers(16, draws=199, seed=1)
    for p, contrast in enumerate(contrasts):
        if not fit.is_reference[p]:
            test = wild_regression(products, contrast, draws, variance="jackknife")
            assert test.estimate == pytest.approx(fit.estimate[p], abs=1e-9)
            assert test.std_error == pytest.approx(jackknife(fit).std_error[p], rel=1e-7)


def test_what_cannot_be_bootstrapped_says_so(simulated: Simulated, cells: Cells) -> None:
    fit = callaway_santanna(cells(simulated(7)), EstimatorOptions())
    with pytest.raises(EstimationError, match="use wild_influence"):
        cluster_products(fit)
    (reference,) = fit.index(aggregation="event", event_time=-1)
    with pytest.raises(EstimationError, match="zero by construction"):
        wild_fit(fit, reference)
    alone = callaway_santanna(
        cells(simulated(7, n_units=12, cohorts=(2014, *[np.nan] * 11)), cluster=None), EstimatorOptions()
    )
    with pytest.raises(EstimationError, match="rests on one treated cluster"):
        wild_fit(alone, alone.index(aggregation="overall")[0])
    cluster, x, y = small_regression(8, 1)
    with pytest.raises(EstimationError, match="for 5 clusters and the effect has 6"):
        wild_regression(products_of(cluster, x, y), np.array([1.0]), multipliers(5, draws=99, seed=1))


def test_leverage_sums_to_one_and_grows_with_treated_weight(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(9, n_units=16, cohorts=(2014, np.nan, np.nan, np.nan))
    fit = callaway_santanna(cells(frame, cluster=None), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    leverage = cluster_leverage(fit, overall)
    assert leverage.sum() == pytest.approx(1)
    treated = fit.treated_weight[:, overall] > 0
    np.testing.assert_allclose(leverage[treated].sum(), 0.75)
    np.testing.assert_allclose(leverage[~treated], 0.25 / 12)


@pytest.mark.slow
@pytest.mark.parametrize("n_treated", [4, 8])
def test_size_with_few_treated_clusters(n_treated: int, simulated: Simulated, cells: Cells) -> None:
    """400 samples of 32 clusters without an effect: 5 % found, give or take 3 Monte-Carlo errors of 1.1 points."""
    found = 0
    for seed in range(400):
        cohorts = tuple([2014.0] + [np.nan] * (32 // n_treated - 1))
        frame = simulated(seed, n_units=32, cohorts=cohorts, periods=range(2012, 2016))
        fit = callaway_santanna(cells(frame, cluster=None, weight=None), EstimatorOptions())
        (overall,) = fit.index(aggregation="overall")
        found += wild_fit(fit, overall, draws=499, seed=seed).p_value() <= 0.05
    assert 0.05 - 0.033 <= found / 400 <= 0.05 + 0.033
