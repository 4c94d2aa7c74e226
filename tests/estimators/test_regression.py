"""Two-way fixed effects and event study: known truth, and equality with dummies for everything in statsmodels."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import independent_columns
from kkz_eval.estimators.regression import EXPLAINED, event_study, two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def at(fit: Fit, **wanted: object) -> float:
    (found,) = fit.index(**wanted)
    return float(fit.estimate[found])


def with_dummies(frame: pd.DataFrame, regressors: pd.DataFrame, weight: pd.Series) -> "sm.regression.linear_model":
    """The same regression with a dummy for every unit and period, clustered, without small-sample factor."""
    design = pd.concat(
        [
            regressors,
            pd.get_dummies(frame["unit"], dtype=float),
            pd.get_dummies(frame["period"], dtype=float).iloc[:, 1:],
        ],
        axis=1,
    )
    codes = frame["kreis"].astype("category").cat.codes.to_numpy()
    return sm.WLS(frame["value"].to_numpy(), design.to_numpy(), weights=weight.to_numpy()).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}, use_t=True
    )


@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_static_equals_regression_on_dummies_with_missing_cells(
    design: str, simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(1, effect=lambda _g, _e: 2.0).sample(frac=0.9, random_state=1)
    weight = frame["weight"] * (frame["n"] if design == "cross_section" else 1)
    expected = with_dummies(frame, (frame["period"] >= frame["cohort"]).astype(float).to_frame(), weight)
    fit = two_way_fixed_effects(cells(frame), EstimatorOptions(design=design))
    assert fit.estimate[0] == pytest.approx(expected.params[0], rel=1e-10)
    raw = cluster_covariance(fit)[0, 0] / fit.variance_factor
    assert raw == pytest.approx(expected.cov_params()[0, 0], rel=1e-9)
    n = frame["n"].sum() if design == "cross_section" else len(frame)
    assert fit.variance_factor == pytest.approx((n - 1) / (n - 11) * 16 / 15)  # K = 1 coefficient + 10 periods


def test_event_study_equals_regression_on_dummies(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(2, effect=lambda _g, e: 1.0 + e).sample(frac=0.9, random_state=2)
    event = frame["period"] - frame["cohort"]
    times = [e for e in sorted(event.dropna().unique()) if e != -1]
    expected = with_dummies(frame, pd.DataFrame({e: (event == e).astype(float) for e in times}), frame["weight"])
    fit = event_study(cells(frame), EstimatorOptions())
    where = [fit.index(event_time=int(e))[0] for e in times]
    np.testing.assert_allclose(fit.estimate[where], expected.params[: len(times)], rtol=1e-9)
    raw = cluster_covariance(fit)[np.ix_(where, where)] / fit.variance_factor
    np.testing.assert_allclose(raw, expected.cov_params()[: len(times), : len(times)], rtol=1e-7, atol=1e-12)
    since = [fit.index(event_time=e)[0] for e in range(6)]
    assert at(fit, label="overall") == pytest.approx(fit.estimate[since].mean())


def test_regression_on_children_equals_regression_on_cells(simulated: Simulated) -> None:
    """Design cross_section: every child carries the outcome of its own; cells only keep n and the sum."""
    rng = np.random.default_rng(3)
    frame = simulated(3, n_units=12, n_clusters=6)
    children = frame.loc[frame.index.repeat(rng.integers(2, 5, len(frame)))].reset_index(drop=True)
    children["value"] += rng.normal(size=len(children))
    expected = with_dummies(
        children, (children["period"] >= children["cohort"]).astype(float).to_frame(), children["weight"]
    )
    panel = CellPanel.from_micro(children, "y", cluster="kreis", weight="weight")
    fit = two_way_fixed_effects(panel, EstimatorOptions(design="cross_section"))
    assert fit.estimate[0] == pytest.approx(expected.params[0], rel=1e-9)
    assert cluster_covariance(fit)[0, 0] / fit.variance_factor == pytest.approx(expected.cov_params()[0, 0], rel=1e-8)
    assert fit.extra["design"].n_observations == len(children)


def test_exact_truth_without_noise(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(4, effect=lambda _g, _e: 3.0, noise=0)
    assert at(two_way_fixed_effects(cells(frame), EstimatorOptions()), aggregation="static") == pytest.approx(3.0)
    growing = simulated(4, effect=lambda _g, e: 1.0 + 0.5 * e, noise=0)
    fit = event_study(cells(growing), EstimatorOptions())
    for parameter, estimate in zip(fit.parameters, fit.estimate, strict=True):
        if parameter.event_time is not None:
            expected = 1.0 + 0.5 * parameter.event_time if parameter.event_time >= 0 else 0.0
            assert estimate == pytest.approx(expected, abs=1e-9)


def test_anticipation_leaves_its_periods_out(simulated: Simulated, cells: Cells) -> None:
    """An effect of 1 in the year before adoption does not touch the static coefficient when it is foreseen."""
    frame = simulated(5, effect=lambda _g, _e: 3.0, noise=0)
    early = (frame["period"] - frame["cohort"]) == -1
    frame.loc[early, "total"] += frame.loc[early, "n"]
    biased = two_way_fixed_effects(cells(frame), EstimatorOptions())
    assert abs(biased.estimate[0] - 3.0) > 0.1
    fit = two_way_fixed_effects(cells(frame), EstimatorOptions(anticipation=1))
    assert fit.estimate[0] == pytest.approx(3.0)
    study = event_study(cells(frame), EstimatorOptions(anticipation=1))
    assert at(study, event_time=-1) == pytest.approx(1.0)
    assert study.is_reference[study.index(event_time=-2)].all()


def test_binned_event_times(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(6, effect=lambda _g, _e: 2.0, noise=0)
    fit = event_study(cells(frame), EstimatorOptions(min_event=-3, max_event=2))
    times = sorted(p.event_time for p in fit.parameters if p.event_time is not None)
    assert times == [-3, -2, -1, 0, 1, 2]
    assert at(fit, event_time=2) == pytest.approx(2.0)
    assert "event times collected from -3 down and 2 up" in fit.notes[0]


def test_without_never_treated_units_the_earliest_event_time_is_a_second_reference(
    simulated: Simulated, cells: Cells
) -> None:
    fit = event_study(cells(simulated(7, cohorts=(2014, 2015))), EstimatorOptions())
    gone = [p.event_time for p, reason in zip(fit.parameters, fit.reason, strict=True) if reason == EXPLAINED]
    assert gone == [-5]
    assert np.isfinite(fit.estimate).sum() == len(fit.estimate) - 1


def test_units_seen_once_or_always_treated_are_counted(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(8, cohorts=(2010, 2014, np.nan))
    once = frame[(frame["unit"] != "u002") | (frame["period"] == 2012)]
    fit = two_way_fixed_effects(cells(once), EstimatorOptions())
    assert fit.notes[0] == (
        "16 units treated before any base period left out; 1 units with fewer than two values left out"
    )
    assert fit.used[:, 0].sum() == 31
    without = frame[(frame["unit"] != "u002") & (frame["cohort"] != 2010)]
    assert fit.estimate[0] == pytest.approx(two_way_fixed_effects(cells(without), EstimatorOptions()).estimate[0])


def test_counts_of_children(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(9)
    event = frame["period"] - frame["cohort"]
    fit = event_study(cells(frame), EstimatorOptions())
    (one,) = fit.index(event_time=1)
    assert fit.n_children[one] == frame.loc[event == 1, "n"].sum()
    assert two_way_fixed_effects(cells(frame), EstimatorOptions()).n_children[0] == frame.loc[event >= 0, "n"].sum()


def test_columns_explained_by_earlier_ones_are_found() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(30, 4))
    x = np.column_stack([x[:, 0], x[:, 1], x[:, 0] + 2 * x[:, 1], x[:, 2], np.zeros(30), 1e-6 * x[:, 3]])
    gram = x.T @ x
    assert independent_columns(gram, np.diag(gram)).tolist() == [True, True, False, True, False, True]


def test_what_cannot_be_estimated_is_refused(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(11)
    with pytest.raises(EstimationError, match="no unit adopts after the first observed period"):
        two_way_fixed_effects(cells(frame[frame["period"] >= 2017]), EstimatorOptions())
    with pytest.raises(EstimationError, match="one layer of units × periods for each of the 1 covariate names"):
        two_way_fixed_effects(cells(frame), EstimatorOptions(covariate_names=("x",)))
    rates = cells(frame, n=None, total=None, total_of_squares=None, value="value")
    with pytest.raises(EstimationError, match="use design panel"):
        event_study(rates, EstimatorOptions(design="cross_section"))
