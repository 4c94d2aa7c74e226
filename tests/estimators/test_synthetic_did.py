"""Synthetic difference-in-differences: known truth, cohorts on their own, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.synthetic_did import synthetic_did
from kkz_eval.estimators.synthetic_did_errors import fixed_weight_jackknife, placebo_effects
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.inference.uncertainty import t_intervals

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def overall(fit: Fit) -> float:
    return float(fit.estimate[fit.index(aggregation="overall")[0]])


def test_exact_with_unit_and_period_effects_and_no_noise(simulated: Simulated, cells: Cells) -> None:
    """Every effect by cohort and period, and their averages, when nothing but effects differs."""
    fit = synthetic_did(
        cells(simulated(1, noise=0.0, effect=lambda g, e: (g - 2010) + 0.5 * e), weight=None), EstimatorOptions()
    )
    for p in fit.index(aggregation="group_time"):
        parameter = fit.parameters[p]
        assert fit.estimate[p] == pytest.approx(parameter.cohort - 2010 + 0.5 * parameter.event_time, abs=1e-8)
    assert fit.estimate[fit.index(aggregation="group", cohort=2017)[0]] == pytest.approx(7.5, abs=1e-8)
    early, late = [4 + 0.5 * e for e in range(6)], [7 + 0.5 * e for e in range(3)]
    assert overall(fit) == pytest.approx(np.mean(early + late), abs=1e-8)


def test_trends_that_differ_by_unit_mislead_it_less(simulated: Simulated, cells: Cells) -> None:
    """Units with a steeper trend are treated more often; the truth is 1. Over 20 samples with a common seed."""
    errors = []
    for seed in range(20):
        frame = simulated(
            seed, n_units=40, cohorts=(2017, np.nan, np.nan, np.nan), noise=0.3, effect=lambda _g, _e: 1.0
        )
        rng = np.random.default_rng(seed)
        units = sorted(frame["unit"].unique())
        slope = {u: rng.uniform(0.2, 0.6) if i % 4 == 0 else rng.uniform(-0.5, 0.6) for i, u in enumerate(units)}
        frame["total"] = frame["total"] + frame["n"] * frame["unit"].map(slope) * (frame["period"] - 2010)
        panel = cells(frame, cluster=None, weight=None)
        by_regression = two_way_fixed_effects(panel, EstimatorOptions()).estimate[0]
        errors.append((overall(synthetic_did(panel, EstimatorOptions())) - 1, by_regression - 1))
    ours, regression = np.abs(errors).mean(axis=0)
    assert ours < 0.35
    assert regression > 3 * ours


def test_cohorts_are_estimated_on_their_own(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(2))
    fit = synthetic_did(panel, EstimatorOptions())
    sizes, effects = [], []
    for cohort in (2014, 2017):
        alone = synthetic_did(panel.select((panel.cohort == cohort) | np.isinf(panel.cohort)), EstimatorOptions())
        (p,) = fit.index(aggregation="group", cohort=cohort)
        assert fit.estimate[p] == pytest.approx(overall(alone))
        effects.append(overall(alone))
        sizes.append(panel.weight[panel.cohort == cohort].sum() * (2020 - cohort))
    assert overall(fit) == pytest.approx(np.average(effects, weights=sizes))


def test_periods_of_anticipation_take_no_part(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(5, cohorts=(2015, np.nan)))
    disturbed = replace(panel, value=panel.value + 50 * (panel.periods == 2014))
    disturbed.value[np.isfinite(panel.cohort), list(panel.periods).index(2014)] += 100
    chosen = EstimatorOptions(anticipation=1)
    np.testing.assert_allclose(synthetic_did(disturbed, chosen).estimate, synthetic_did(panel, chosen).estimate)
    assert abs(overall(synthetic_did(disturbed, EstimatorOptions())) - overall(synthetic_did(panel, chosen))) > 1


def test_influence_is_the_change_with_weights_held(simulated: Simulated, cells: Cells) -> None:
    """One cohort: dropping a comparison unit moves the effect by its influence over one minus its weight."""
    panel = cells(simulated(6, cohorts=(2015, np.nan, np.nan)), cluster=None)
    fit = synthetic_did(panel, EstimatorOptions())
    (p,) = fit.index(aggregation="overall")
    influence = fit.influence.values[:, p]
    assert influence.sum() == pytest.approx(0, abs=1e-10)
    (block,) = fit.extra["blocks"]
    change = panel.value[:, block.after].mean(axis=1) - panel.value[:, block.before] @ block.weights.periods
    left = []
    for units, share, sign in ((block.treated, block.share, 1), (block.control, block.weights.units, -1)):
        for i, unit in enumerate(units):
            rest = np.delete(share, i) / np.delete(share, i).sum()
            moved = sign * (rest @ change[np.delete(units, i)] - share @ change[units])
            assert moved == pytest.approx(-influence[unit] / (1 - share[i]), abs=1e-10)
            left.append(fit.estimate[p] + moved)
    n = len(left)
    assert fixed_weight_jackknife(fit) == pytest.approx(np.sqrt((n - 1) / n * n * np.var(left)))
    assert analytic(fit).std_error[p] == pytest.approx(fixed_weight_jackknife(fit), rel=0.1)


def test_placebo_by_enumeration_and_by_draws(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(7, n_units=9, cohorts=(2015, np.nan, np.nan, np.nan, 2015, np.nan, np.nan, np.nan, np.nan))
    panel = cells(frame, cluster=None, weight=None)
    fit = synthetic_did(panel, EstimatorOptions())
    placebo = placebo_effects(fit, draws=21, seed=1)
    assert placebo.is_complete
    controls = panel.units[np.isinf(panel.cohort)].tolist()
    assert set(placebo.units) == set(combinations(controls, 2))
    assert placebo.std_error == pytest.approx(np.sqrt(np.mean((placebo.effects - placebo.effects.mean()) ** 2)))
    assert placebo.p_value(1e9) == 1 / 22
    assert placebo.p_value(0.0) == 1.0
    drawn = placebo_effects(fit, draws=20, seed=1)
    assert not drawn.is_complete
    known = dict(zip(placebo.units, placebo.effects, strict=True))
    for units, effect in zip(drawn.units, drawn.effects, strict=True):
        assert effect == pytest.approx(known[tuple(sorted(units))], abs=1e-9)
    np.testing.assert_array_equal(drawn.effects, placebo_effects(fit, draws=20, seed=1).effects)


def test_placebo_of_two_cohorts_has_mean_zero(simulated: Simulated, cells: Cells) -> None:
    """400 draws: the mean within 4 Monte-Carlo errors of zero, although the treated have an effect."""
    frame = simulated(8, n_units=30, cohorts=(2014, 2017, *[np.nan] * 8), effect=lambda _g, _e: 10.0)
    fit = synthetic_did(cells(frame, cluster=None), EstimatorOptions())
    placebo = placebo_effects(fit, draws=400, seed=2)
    assert abs(placebo.effects.mean()) < 4 * placebo.std_error / 20
    assert placebo.p_value(overall(fit)) == 1 / 401


@pytest.mark.slow
def test_intervals_hold_the_truth(simulated: Simulated, cells: Cells) -> None:
    """100 samples, 8 of 32 units treated: 89 to 100 intervals hold the truth (95 ± 3 Monte-Carlo errors of 2.2)."""
    covered = 0
    for seed in range(100):
        frame = simulated(seed, n_units=32, cohorts=(2016, np.nan, np.nan, np.nan), effect=lambda _g, _e: 1.0)
        fit = synthetic_did(cells(frame, cluster=None, weight=None), EstimatorOptions())
        (p,) = fit.index(aggregation="overall")
        limits = t_intervals(fit.estimate, jackknife(fit), 0.95)
        covered += limits.low[p] <= 1.0 <= limits.high[p]
    assert covered >= 89


def test_rows_of_a_specification(simulated: Simulated, cells: Cells) -> None:
    rows = run_specification(cells(simulated(9)), Specification("synthetic", estimator="synthetic_did", draws=500))
    kinds = {row.aggregation for row in rows}
    assert kinds == {"group_time", "overall", "group", "calendar", "event", "pretest"}
    assert all(row.std_error is not None and row.p_value is not None for row in rows if row.aggregation != "pretest")
    assert {row.event_time for row in rows if row.event_time is not None} == set(range(6))
    (pretest,) = [row for row in rows if row.aggregation == "pretest"]
    assert pretest.status == "not estimable"


def test_what_it_leaves_out_and_refuses(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(10)
    gappy = frame.drop(index=frame.index[(frame["unit"] == "u003") & (frame["period"] == 2012)])
    fit = synthetic_did(cells(gappy), EstimatorOptions())
    assert not fit.used[list(fit.influence.units).index("u003")].any()
    assert fit.notes[0] == "1 units without values in all periods left out"
    without = synthetic_did(cells(frame[frame["unit"] != "u003"]), EstimatorOptions())
    np.testing.assert_array_equal(fit.estimate, without.estimate)
    always = frame.assign(cohort=frame["cohort"].where(frame["unit"] != "u000", 2010))
    assert "1 units without a period before" in synthetic_did(cells(always), EstimatorOptions()).notes[0]
    with pytest.raises(EstimationError, match="0 of 32 such units are never treated"):
        synthetic_did(cells(frame[frame["cohort"].notna()]), EstimatorOptions())
    layers = np.zeros((48, 10, 1))
    with pytest.raises(EstimationError, match="takes no covariates"):
        synthetic_did(cells(frame), EstimatorOptions(covariates=layers, covariate_names=("x",)))
    few = cells(simulated(11, n_units=12, cohorts=(2014, np.nan)), cluster=None)
    with pytest.raises(EstimationError, match="more comparison units"):
        placebo_effects(synthetic_did(few, EstimatorOptions()), draws=10, seed=1)
    with pytest.raises(EstimationError, match="use the jackknife"):
        placebo_effects(two_way_fixed_effects(few, EstimatorOptions()), draws=10, seed=1)
