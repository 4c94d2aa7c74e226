"""Synthetic difference-in-differences on California's Proposition 99 against R synthdid and an exact optimum."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray
from kkz_eval.estimators.simplex import simplex_objective
from kkz_eval.estimators.synthetic_did import Weights, default_ridge, effect_curve, synthetic_did, synthetic_weights
from kkz_eval.estimators.synthetic_did_errors import fixed_weight_jackknife, placebo_effects
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.inference.uncertainty import ONE_TREATED

KIND = {"synthdid": "synthetic_did", "sc": "synthetic_control", "did": "difference_in_differences"}
N_BEFORE = 19


@pytest.fixture(scope="module")
def california(shared: Path) -> Fit:
    frame = pd.read_csv(shared / "golden" / "data" / "california_prop99.csv")
    frame["cohort"] = np.where(frame["State"] == "California", 1989, np.nan)
    panel = CellPanel.from_frame(frame, "packs", unit="State", period="Year", value="PacksPerCapita")
    return synthetic_did(panel, EstimatorOptions())


def split(fit: Fit) -> tuple[FloatArray, FloatArray, list[str]]:
    """Values of the comparison states (38, 31), of California (31,), and the names of the former."""
    sample, block = fit.extra["sample"], fit.extra["blocks"][0]
    return sample.value[block.control], sample.value[block.treated][0], sample.units[block.control].tolist()


def overall(fit: Fit) -> float:
    return float(fit.estimate[fit.index(aggregation="overall")[0]])


def test_exact_optimum(california: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    table = reference("synthdid_exact_qp_check.csv")
    exact = table[(table["estimator"] == "synthdid") & (table["variant"] == "default")].iloc[0]
    assert overall(california) == pytest.approx(exact["estimate_exact_qp"], rel=1e-10)
    control, treated, _ = split(california)
    block = california.extra["blocks"][0]
    columns = (control[:, :N_BEFORE].T, treated[:N_BEFORE])
    value, gap = simplex_objective(block.weights.units, *columns, block.ridge.units, intercept=True)
    assert value == pytest.approx(exact["omega_objective_exact"], rel=1e-10)
    assert gap < 1e-10 * value


@pytest.mark.parametrize(
    ("estimator", "variant"),
    [("synthdid", "default"), ("synthdid", "tight"), ("sc", "default"), ("sc", "tight"), ("did", "default")],
)
def test_as_near_to_r_as_r_is_to_the_optimum(
    estimator: str, variant: str, california: Fit, reference: Callable[[str], pd.DataFrame]
) -> None:
    """R's estimate, penalties and objective; R's own distance to the exact optimum is the whole difference."""
    table, checks = reference("synthdid_estimates.csv"), reference("synthdid_exact_qp_check.csv")
    row = table[(table["estimator"] == estimator) & (table["variant"] == variant)].iloc[0]
    control, treated, _ = split(california)
    ridge = default_ridge(control[:, :N_BEFORE], 1, 12, KIND[estimator])
    assert ridge.periods == pytest.approx(row["zeta_lambda"], rel=1e-12)
    weights = synthetic_weights(control, treated, N_BEFORE, ridge, KIND[estimator])
    estimate = effect_curve(control, treated, N_BEFORE, weights).mean()
    if estimator == "did":
        assert estimate == pytest.approx(row["estimate"], rel=1e-12)
        return
    assert ridge.units == pytest.approx(row["zeta_omega"], rel=1e-12)
    check = checks[(checks["estimator"] == estimator) & (checks["variant"] == variant)].iloc[0]
    assert row["estimate"] == pytest.approx(check["estimate_R"], rel=1e-12)
    assert estimate == pytest.approx(check["estimate_exact_qp"], rel=1e-6)
    assert abs(estimate - row["estimate"]) == pytest.approx(abs(check["diff"]), abs=2e-5)


@pytest.mark.parametrize("variant", ["default", "tight"])
def test_weights(variant: str, california: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    table = reference("synthdid_weights.csv")
    table = table[(table["estimator"] == "synthdid") & (table["variant"] == variant)]
    control, _, names = split(california)
    block = california.extra["blocks"][0]
    checks = reference("synthdid_exact_qp_check.csv")
    gap = checks[(checks["estimator"] == "synthdid") & (checks["variant"] == variant)].iloc[0]["max_abs_omega_diff"]
    omega = table[table["kind"] == "omega"].set_index("name")["weight"]
    found = omega.loc[names].to_numpy()
    assert np.abs(block.weights.units - found).max() == pytest.approx(gap, rel=1e-3)
    lambdas = table[table["kind"] == "lambda"].sort_values("name")["weight"].to_numpy()
    np.testing.assert_allclose(block.weights.periods, lambdas, atol=1e-3)
    columns, target = control[:, :N_BEFORE], control[:, N_BEFORE:].mean(axis=1)
    ours, gap = simplex_objective(block.weights.periods, columns, target, block.ridge.periods, intercept=True)
    theirs, _ = simplex_objective(lambdas, columns, target, block.ridge.periods, intercept=True)
    assert gap < 1e-9 * ours
    assert ours <= theirs * (1 + 1e-10)


def test_effects_by_year_are_r_s_at_r_s_weights(california: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    control, treated, names = split(california)
    weights, curves = reference("synthdid_weights.csv"), reference("synthdid_effect_curves.csv")
    for (estimator, variant), curve in curves.groupby(["estimator", "variant"]):
        table = weights[(weights["estimator"] == estimator) & (weights["variant"] == variant)]
        omega = table[table["kind"] == "omega"].set_index("name")["weight"].loc[names].to_numpy()
        lambdas = table[table["kind"] == "lambda"].sort_values("name")["weight"].to_numpy()
        found = effect_curve(control, treated, N_BEFORE, Weights(omega, lambdas))
        np.testing.assert_allclose(found, curve.sort_values("period")["effect"], rtol=1e-9)
    tight = curves[(curves["estimator"] == "synthdid") & (curves["variant"] == "tight")].sort_values("period")
    events = [california.index(aggregation="event", event_time=e)[0] for e in range(12)]
    np.testing.assert_allclose(california.estimate[events], tight["effect"], atol=1e-3)


def test_placebo_by_enumeration(california: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    """All 38 states in California's place. R stops before the optimum: its effects differ by up to 0.053 packs."""
    table = reference("california_prop99_synthdid_placebo_enumerated.csv")
    expected = table[table["estimator"] == "synthdid"].set_index("placebo_unit")["theta"]
    placebo = placebo_effects(california, draws=1_000, seed=1)
    assert placebo.is_complete
    names = [units[0] for units in placebo.units]
    assert sorted(names) == sorted(expected.index)
    np.testing.assert_allclose(placebo.effects, expected.loc[names], atol=0.06)
    error = reference("synthdid_estimates.csv").set_index(["estimator", "variant"])["se_placebo_enumerated"]
    assert expected.std(ddof=0) == pytest.approx(error["synthdid", "default"], rel=1e-12)
    assert placebo.std_error == pytest.approx(error["synthdid", "default"], rel=1e-4)


def test_one_treated_state_has_no_jackknife(california: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    row = reference("synthdid_estimates.csv").iloc[0]
    assert np.isnan(row["se_jackknife"])
    assert np.isnan(fixed_weight_jackknife(california))
    assert set(jackknife(california).reason) == {ONE_TREATED}
