"""Two-stage: the same effects as imputation, coverage of its errors, effects before adoption."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.imputation import imputation
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.estimators.two_stage import two_stage
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_the_same_effects_as_imputation(design: str, simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(1, effect=lambda g, e: g - 2013.0 + e).sample(frac=0.9, random_state=1))
    options = EstimatorOptions(design=design)
    fit, other = two_stage(panel, options), imputation(panel, options)
    for p, parameter in enumerate(other.parameters):
        if parameter.label == "overall" or (parameter.event_time or 0) >= 0:
            (found,) = fit.index(**vars(parameter))
            assert fit.estimate[found] == pytest.approx(other.estimate[p], rel=1e-10)


def test_errors_of_an_average_count_differences_between_its_effects(simulated: Simulated, cells: Cells) -> None:
    """Imputation takes the effects' differences as given, two-stage as part of the spread between units."""
    panel = cells(simulated(2, effect=lambda g, e: 5.0 * (g - 2013) + e), cluster=None, weight=None)
    fit, other = two_stage(panel, EstimatorOptions()), imputation(panel, EstimatorOptions())
    (p,), (q,) = fit.index(aggregation="overall"), other.index(aggregation="overall")
    assert cluster_covariance(fit)[p, p] > 1.5 * cluster_covariance(other)[q, q]
    (p,), (q,) = (f.index(aggregation="group_time", cohort=2014, period=2016) for f in (fit, other))
    assert cluster_covariance(fit)[p, p] == pytest.approx(cluster_covariance(other)[q, q])


def test_spread_over_samples_is_what_the_standard_error_says(simulated: Simulated, cells: Cells) -> None:
    """80 samples: the variance of the estimates within what the mean variance allows (0.1 % on each side)."""
    estimates, variances = [], []
    for seed in range(80):
        panel = cells(simulated(seed, n_units=60, periods=range(2012, 2019)), cluster=None, weight=None)
        fit = two_stage(panel, EstimatorOptions())
        (overall,) = fit.index(aggregation="overall")
        estimates.append(fit.estimate[overall])
        variances.append(cluster_covariance(fit)[overall, overall])
    ratio = np.var(estimates, ddof=1) / np.mean(variances)
    assert 0.56 < ratio < 1.6


def test_effects_before_adoption_are_the_residuals_of_the_fit(simulated: Simulated, cells: Cells) -> None:
    """Over all untreated cells of the treated cohorts they sum to zero."""
    fit = two_stage(cells(simulated(3)), EstimatorOptions())
    before = [p for p in fit.index(aggregation="group_time") if (fit.parameters[p].event_time or 0) < 0]
    mass = fit.extra["cells"].mass.sum(axis=0)
    for cohort in (2014, 2017):
        own = [p for p in before if fit.parameters[p].cohort == cohort]
        assert fit.estimate[own] @ mass[own] == pytest.approx(0, abs=1e-8)
