"""Extended two-way fixed effects: known truth on three scales, equality with dummies and with statsmodels' GLM."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.etwfe import etwfe, etwfe_logit, etwfe_poisson
from kkz_eval.estimators.imputation import imputation
from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions, FloatArray
from kkz_eval.estimators.sun_abraham import sun_abraham
from kkz_eval.inference.analytic import cluster_covariance
from kkz_eval.inference.jackknife import refit_without_each_cluster

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def share_of(predictor: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-predictor))


def one_regression(
    frame: pd.DataFrame, family: "sm.families.Family"
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Coefficients and clustered covariance of the whole model, and the treated cells with their indicator."""
    cohort, period = frame["cohort"].fillna(0), frame["period"]
    treated = [(g, t) for g in (2014, 2017) for t in sorted(period.unique()) if t >= g]
    indicator = np.column_stack([(cohort == g) & (period == t) for g, t in treated]).astype(float)
    dummies = [pd.get_dummies(cohort, dtype=float).to_numpy(), pd.get_dummies(period, dtype=float).to_numpy()[:, 1:]]
    x = np.hstack([indicator, *dummies])
    codes = frame["kreis"].astype("category").cat.codes.to_numpy()
    fit = sm.GLM(frame["value"].to_numpy(), x, family=family, var_weights=frame["weight"].to_numpy()).fit(
        tol=1e-14, maxiter=100, cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    return fit.params, fit.cov_params(), [x, indicator]


@pytest.mark.filterwarnings("ignore:cov_type not fully supported with var_weights")
@pytest.mark.parametrize(
    ("estimator", "family", "mean"),
    [
        (etwfe_logit, sm.families.Binomial(), share_of),
        (etwfe_poisson, sm.families.Poisson(), np.exp),
    ],
)
def test_equals_one_regression_of_everything(
    estimator: Callable[..., object],
    family: "sm.families.Family",
    mean: Callable[[FloatArray], FloatArray],
    simulated: Simulated,
    cells: Cells,
) -> None:
    """Average differences of the predicted mean with and without the coefficient; errors by its derivative."""
    frame = simulated(1, periods=range(2011, 2020)).sample(frac=0.95, random_state=1)
    frame["value"] = share_of(frame["value"] / 4)
    frame["total"] = frame["n"] * frame["value"]
    params, covariance, (x, indicator) = one_regression(frame, family)
    fit = estimator(cells(frame), EstimatorOptions())
    std_error = np.sqrt(np.diag(cluster_covariance(fit)) / fit.variance_factor)
    index = x @ params
    for k, p in enumerate(fit.index(aggregation="group_time")):
        cell = indicator[:, k] == 1
        weight = frame["weight"].to_numpy()[cell]
        difference = np.average(mean(index[cell]) - mean(index[cell] - params[k]), weights=weight)
        assert fit.estimate[p] == pytest.approx(difference, rel=1e-8)
        step = 1e-5
        gradient = np.zeros(len(params))
        for j in range(len(params)):
            for sign in (1, -1):
                moved = params.copy()
                moved[j] += sign * step
                at = x[cell] @ moved
                gradient[j] += sign * np.average(mean(at) - mean(at - moved[k]), weights=weight) / (2 * step)
        assert std_error[p] == pytest.approx(np.sqrt(gradient @ covariance @ gradient), rel=1e-5)


@pytest.mark.parametrize(("name", "mean"), [("etwfe_logit", share_of), ("etwfe_poisson", np.exp)])
@pytest.mark.parametrize("control_group", ["not_yet_treated", "never_treated"])
@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_exact_truth_on_its_own_scale(
    name: str,
    mean: Callable[[FloatArray], FloatArray],
    control_group: str,
    design: str,
    simulated: Simulated,
    cells: Cells,
) -> None:
    """Levels differ by cohort; the effect on the scale of the predictor is 0.1 per period; units hold one level."""
    frame = simulated(2, n_units=18)
    predictor = -1 + 0.4 * (frame["cohort"] == 2017) + 0.2 * np.sin(frame["period"])
    event = frame["period"] - frame["cohort"]
    added = 0.1 * (event + 1) * (event >= 0)
    panel = cells(frame.assign(total=frame["n"] * mean(predictor + added.fillna(0))))
    fit = ESTIMATORS[name](panel, EstimatorOptions(control_group=control_group, design=design))
    for p in fit.index(aggregation="group_time"):
        cell = (frame["cohort"] == fit.parameters[p].cohort) & (frame["period"] == fit.parameters[p].period)
        truth = (mean(predictor + added) - mean(predictor))[cell].iloc[0]
        assert fit.estimate[p] == pytest.approx(truth, abs=1e-10)


def test_linear_equals_imputation_and_sun_abraham_on_complete_cells(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(3, effect=lambda _g, e: 1.0 + e))
    for options, other in (
        (EstimatorOptions(), imputation),
        (EstimatorOptions(control_group="never_treated"), sun_abraham),
    ):
        fit, same = etwfe(panel, options), other(panel, options)
        for p in fit.index(aggregation="group_time"):
            (q,) = same.index(**vars(fit.parameters[p]))
            assert fit.estimate[p] == pytest.approx(same.estimate[q], abs=1e-9)


@pytest.mark.parametrize("name", ["etwfe", "etwfe_logit", "etwfe_poisson"])
@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_with_a_covariate_fast_equals_estimating_anew(
    name: str, design: str, simulated: Simulated, cells: Cells
) -> None:
    """Refits need the covariate of the units that are left, so that they are told apart by name here."""
    frame = simulated(4, n_units=30, n_clusters=6, periods=range(2012, 2019)).sample(frac=0.95, random_state=4)
    frame["total"] = frame["n"] * share_of(frame["value"] / 4)
    panel = cells(frame)
    by_unit = dict(zip(panel.units, np.random.default_rng(4).normal(size=len(panel.units)), strict=True))

    def estimator(rest: CellPanel, options: EstimatorOptions) -> object:
        layer = np.array([by_unit[u] for u in rest.units])[:, None] * np.ones(len(rest.periods))
        full = EstimatorOptions(design=options.design, covariates=layer[:, :, None], covariate_names=("x",))
        return ESTIMATORS[name](rest, full)

    options = EstimatorOptions(design=design)
    fit = estimator(panel, options)
    np.testing.assert_allclose(fit.leave_out(), refit_without_each_cluster(estimator, panel, options, fit), atol=1e-8)


def test_values_outside_the_range_of_the_mean_are_refused(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(5))
    with pytest.raises(EstimationError, match="lie outside 0 to 1; the logit mean is for shares"):
        etwfe_logit(panel, EstimatorOptions())
    with pytest.raises(EstimationError, match="are negative; the exponential mean is for counts and rates"):
        etwfe_poisson(panel, EstimatorOptions())


def test_treated_cells_without_any_case_are_estimated(simulated: Simulated, cells: Cells) -> None:
    """A share of zero in all treated cells of a cohort and period is an effect, not an error."""
    frame = simulated(6, n_units=18)
    frame["value"] = 0.3
    frame.loc[(frame["cohort"] == 2014) & (frame["period"] >= 2014), "value"] = 0.0
    panel = cells(frame.assign(total=frame["n"] * frame["value"]))
    for estimator in (etwfe_logit, etwfe_poisson):
        fit = estimator(panel, EstimatorOptions())
        (p,) = fit.index(aggregation="group", cohort=2014)
        assert fit.estimate[p] == pytest.approx(-0.3)
