"""Sun–Abraham: equality with Callaway–Sant'Anna on complete cells, references, what cannot be estimated."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.regression import event_study
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.estimators.sun_abraham import sun_abraham
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


@pytest.mark.parametrize("anticipation", [0, 1])
def test_equals_callaway_santanna_with_never_treated_comparison(
    anticipation: int, simulated: Simulated, cells: Cells
) -> None:
    """Estimates of cohorts, periods and event times; errors of one cohort and period up to the regression's factor."""
    options = EstimatorOptions(control_group="never_treated", base_period="universal", anticipation=anticipation)
    panel = cells(simulated(1))
    fit, other = sun_abraham(panel, options), callaway_santanna(panel, options)
    for p, parameter in enumerate(other.parameters):
        (found,) = fit.index(**vars(parameter))
        assert fit.estimate[found] == pytest.approx(other.estimate[p], abs=1e-10)
        assert fit.is_reference[found] == other.is_reference[p]
        if parameter.aggregation == "group_time":
            variance = cluster_covariance(fit)[found, found] / fit.variance_factor
            assert variance == pytest.approx(cluster_covariance(other)[p, p], rel=1e-8, abs=1e-14)


def test_one_cohort_equals_the_event_study(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(2, cohorts=(2014, np.nan)).sample(frac=0.9, random_state=2))
    fit, study = sun_abraham(panel, EstimatorOptions()), event_study(panel, EstimatorOptions())
    for e in range(-4, 6):
        (p,), (q,) = fit.index(aggregation="event", event_time=e), study.index(aggregation="event", event_time=e)
        assert fit.estimate[p] == pytest.approx(study.estimate[q], abs=1e-10)
        assert cluster_covariance(fit)[p, p] == pytest.approx(cluster_covariance(study)[q, q], rel=1e-8)


def test_a_cohort_without_its_last_period_before_adoption_takes_the_one_before(
    simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(3, noise=0, effect=lambda _g, _e: 2.0)
    fit = sun_abraham(cells(frame[~((frame["cohort"] == 2014) & (frame["period"] == 2013))]), EstimatorOptions())
    (reference,) = fit.index(aggregation="group_time", cohort=2014, period=2012)
    assert fit.is_reference[reference]
    (one,) = fit.index(aggregation="group_time", cohort=2014, period=2015)
    assert fit.estimate[one] == pytest.approx(2.0)


def test_covariates_must_fit_the_cells(simulated: Simulated, cells: Cells) -> None:
    with pytest.raises(EstimationError, match="covariates have shape"):
        sun_abraham(cells(simulated(4)), EstimatorOptions(covariates=np.zeros((2, 2, 1)), covariate_names=("x",)))
