"""Goodman-Bacon decomposition: weights, the regression it explains, and the comparison that misleads."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.bacon import bacon
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


@pytest.mark.parametrize("cohorts", [(2013, 2015, 2017, np.nan), (2013, 2016), (2012, np.nan)])
def test_weights_sum_to_one_and_give_the_regression(
    cohorts: tuple[float, ...], simulated: Simulated, cells: Cells
) -> None:
    """With unequal unit weights; the static parameter is the regression's, error included."""
    panel = cells(simulated(1, cohorts=cohorts, effect=lambda _g, e: 1.0 + e))
    fit, regression = bacon(panel, EstimatorOptions()), two_way_fixed_effects(panel, EstimatorOptions())
    n_treated = sum(np.isfinite(c) for c in cohorts)
    assert len(fit.extra["weight"]) == n_treated * (len(cohorts) - 1)
    assert fit.extra["weight"].sum() == pytest.approx(1, abs=1e-14)
    assert (fit.extra["weight"] > 0).all()
    assert fit.estimate[-1] == pytest.approx(regression.estimate[0], rel=1e-10)
    assert cluster_covariance(fit)[-1, -1] == pytest.approx(cluster_covariance(regression)[0, 0], rel=1e-10)


def test_comparisons_with_units_already_treated_mislead_when_effects_grow(simulated: Simulated, cells: Cells) -> None:
    """Effect 1 + e: against untreated units the mean effect, against the earlier cohort less by its growth."""
    frame = simulated(2, cohorts=(2013, 2016, np.nan), noise=0, effect=lambda _g, e: 1.0 + e)
    fit = bacon(cells(frame), EstimatorOptions())

    def at(cohort: int, comparison: int | None) -> float:
        (p,) = fit.index(aggregation="decomposition", cohort=cohort, period=comparison)
        return float(fit.estimate[p])

    assert at(2016, None) == pytest.approx(2.5)
    assert at(2013, None) == pytest.approx(4.0)
    assert at(2013, 2016) == pytest.approx(2.0)
    assert at(2016, 2013) == pytest.approx(2.5 - 3.5)  # 2013 rises from mean 2 (2013–2015) to 5.5 (2016–2019)


def test_rows_of_results_carry_kind_and_weight(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(3, cohorts=(2013, 2016, np.nan)))
    rows = run_specification(panel, Specification("all", estimator="bacon"))
    assert [row.aggregation for row in rows] == ["static", *["decomposition"] * 4]
    notes = {(row.cohort, row.period): row.note for row in rows[1:]}
    assert notes[2013, None].startswith("cohort 2013 against never-treated units, weight 0.")
    assert notes[2013, 2016].startswith("cohort 2013 against cohort 2016, not yet treated, weight 0.")
    assert notes[2016, 2013].startswith("cohort 2016 against cohort 2013, already treated, weight 0.")
    assert all(row.std_error is not None for row in rows)


def test_units_with_missing_values_are_counted_and_left_out(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(4)
    gap = frame[~((frame["unit"] == "u001") & (frame["period"] == 2012))]
    fit = bacon(cells(gap), EstimatorOptions())
    assert "1 units with missing values left out" in fit.notes[0]
    assert fit.estimate[-1] == pytest.approx(
        bacon(cells(frame[frame["unit"] != "u001"]), EstimatorOptions()).estimate[-1]
    )


def test_what_cannot_be_decomposed_is_refused(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(5))
    with pytest.raises(EstimationError, match="takes no covariates"):
        bacon(panel, EstimatorOptions(covariates=np.zeros((48, 10, 1)), covariate_names=("x",)))
    with pytest.raises(EstimationError, match="needs two cohorts, or one and untreated units"):
        bacon(panel.select(panel.cohort == 2014), EstimatorOptions())
