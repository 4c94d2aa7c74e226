"""Data that mislead difference-in-differences: every estimator gives the right number, says what it did, or refuses."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.registry import ESTIMANDS, ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.evaluation.any_data import estimate
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
NAMES = tuple(ESTIMATORS)
CURVED = ("etwfe_logit", "etwfe_poisson")
LEVEL = tuple(name for name in NAMES if name not in CURVED)
REGRESSIONS = ("two_way_fixed_effects", "event_study", "bacon")
"""Compare cells, so that units may be their own comparison."""
UNIT_EFFECTS = ("two_way_fixed_effects", "event_study", "sun_abraham", "imputation", "two_stage")
COMMAND = {"outcome": "value", "unit": "unit", "period": "period", "cohort": "cohort", "inference": "analytic"}


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Outcomes between 0 and 1, so that every mean fits."""
    value = 1 / (1 + np.exp(-frame["value"] / 3))
    return frame.assign(value=value, total=frame["n"] * value)


def overall(fit: Fit) -> int:
    """The one number: overall, the mean since adoption, or the coefficient of two-way fixed effects."""
    found = fit.index(aggregation="overall") or fit.index(label="overall") or fit.index(aggregation="static")
    return found[0]


def effect(fit: Fit) -> float:
    return float(fit.estimate[overall(fit)])


def without_never_treated(simulated: Simulated, noise: float) -> pd.DataFrame:
    return simulated(1, n_units=24, n_clusters=24, cohorts=(2013, 2015, 2017), noise=noise, effect=lambda _g, _e: 2.0)


@pytest.mark.parametrize("name", NAMES)
def test_no_never_treated_group(name: str, simulated: Simulated, cells: Cells) -> None:
    if name == "synthetic_did":
        with pytest.raises(EstimationError, match="0 of 24 such units are never treated"):
            ESTIMATORS[name](cells(without_never_treated(simulated, 0.0)), EstimatorOptions())
        return
    if name in LEVEL:
        fit = ESTIMATORS[name](cells(without_never_treated(simulated, 0.0)), EstimatorOptions())
        assert effect(fit) == pytest.approx(2.0, abs=1e-8)
    fit = ESTIMATORS[name](cells(shares(without_never_treated(simulated, 1.0))), EstimatorOptions())
    assert jackknife(fit).std_error[overall(fit)] > 0
    if name not in REGRESSIONS:
        assert "cohort 2017 serves as comparison, later periods left out" in fit.notes[overall(fit)]
        assert not [p for p in fit.parameters if p.cohort == 2017 or (p.period or 0) >= 2017]


@pytest.mark.parametrize("name", ["callaway_santanna", "twfe", "imputation", "stacked"])
def test_no_never_treated_group_in_the_command(name: str, simulated: Simulated) -> None:
    frame = without_never_treated(simulated, 0.1)
    rows = estimate(frame, **COMMAND, estimator=name)
    (row, *_) = [r for r in rows if r.aggregation in ("overall", "static")]
    assert row.ci_low is not None
    assert row.ci_low < 2.0 < row.ci_high < 3.0
    assert name == "twfe" or "cohort 2017 serves as comparison" in row.note


def never_treated_incomplete(simulated: Simulated) -> pd.DataFrame:
    """Every never-treated unit lacks one period, each another one."""
    frame = simulated(2, n_units=24, n_clusters=24, noise=0.1, effect=lambda _g, _e: 2.0)
    lacks = frame["cohort"].isna() & (frame["period"] == 2011 + frame["unit"].str[1:].astype(int) % 7)
    return frame[~lacks]


@pytest.mark.parametrize("name", NAMES)
def test_never_treated_lost_in_balancing(name: str, simulated: Simulated, cells: Cells) -> None:
    """Who can use incomplete units keeps them; who cannot refuses, or says that no never-treated unit is left."""
    panel = cells(shares(never_treated_incomplete(simulated)))
    if name == "synthetic_did":
        with pytest.raises(EstimationError, match="0 of 16 such units are never treated"):
            ESTIMATORS[name](panel, EstimatorOptions())
        return
    fit = ESTIMATORS[name](panel, EstimatorOptions())
    never = np.isin(fit.influence.units, panel.units[np.isinf(panel.cohort)])
    if name == "bacon":
        assert "8 units with missing values left out, all never-treated units among them" in fit.notes[overall(fit)]
    else:
        assert (fit.used[:, overall(fit)] & never).sum() == 8


def test_never_treated_lost_in_balancing_in_the_command(simulated: Simulated) -> None:
    frame = never_treated_incomplete(simulated)
    with pytest.raises(EstimationError, match="none of the 8 never-treated units has a row in each of the 10 periods"):
        estimate(frame, **COMMAND)
    balanced, kept = (
        estimate(frame, **COMMAND, control="not_yet_treated", unbalanced=way, aggregate=["overall"])[0]
        for way in ("balance", "keep")
    )
    assert "8 of 24 units without a row in every period left out" in balanced.note
    assert "no unit is never treated: cohort 2017 serves as comparison" in balanced.note
    assert (balanced.n_units, kept.n_units) == (16, 24)
    assert "left out" not in kept.note


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_not_ignored(name: str, simulated: Simulated, cells: Cells) -> None:
    """A unit of weight two is two units. Synthetic controls weigh only the treated: there the others have weight 1."""
    frame = shares(simulated(3, n_units=18, n_clusters=6))
    heavy = frame["unit"].str[1:].astype(int) % 2 == 1
    if name == "synthetic_did":
        heavy &= frame["cohort"].notna()
    weighted = frame.assign(weight=1.0 + heavy)
    copies = frame[heavy].assign(unit=lambda f: f["unit"] + "b")
    one = ESTIMATORS[name](cells(weighted), EstimatorOptions())
    plain = ESTIMATORS[name](cells(weighted), EstimatorOptions(weighted=False))
    assert abs(effect(one) - effect(plain)) > 1e-4
    if name != "synthetic_did":  # its penalty counts the treated units
        two = ESTIMATORS[name](cells(pd.concat([frame, copies]), weight=None), EstimatorOptions())
        assert one.parameters == two.parameters
        np.testing.assert_allclose(one.estimate, two.estimate, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_always_treated_units_are_left_out_and_counted(name: str, simulated: Simulated, cells: Cells) -> None:
    frame = shares(simulated(4, n_units=24, cohorts=(2009, 2014, 2016, np.nan)))
    fit = ESTIMATORS[name](cells(frame), EstimatorOptions())
    rest = ESTIMATORS[name](cells(frame[frame["cohort"] != 2009]), EstimatorOptions())
    assert fit.parameters == rest.parameters
    np.testing.assert_allclose(fit.estimate, rest.estimate, rtol=1e-9, atol=1e-12)
    assert re.search(r"6 units (treated before any base period|without a period before) .*left out", fit.notes[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_cohort_of_one_unit_has_no_error_and_its_averages_say_so(
    name: str, simulated: Simulated, cells: Cells
) -> None:
    frame = shares(simulated(5, n_units=24, cohorts=(2014, np.nan, np.nan)))
    frame.loc[frame["unit"] == "u001", "cohort"] = 2017
    fit = ESTIMATORS[name](cells(frame, cluster=None), EstimatorOptions())
    for errors in (jackknife(fit), analytic(fit)):
        for p in fit.index(cohort=2017):
            assert np.isnan(errors.std_error[p])
            assert fit.is_reference[p] or errors.reason[p]
        assert errors.std_error[overall(fit)] > 0
    if name not in (*REGRESSIONS, "dose"):
        assert "cohort 2017 rests on one cluster" in fit.notes[overall(fit)]


def test_a_cohort_of_one_unit_in_the_command(simulated: Simulated) -> None:
    frame = simulated(5, n_units=24, cohorts=(2014, np.nan, np.nan))
    frame.loc[frame["unit"] == "u001", "cohort"] = 2017
    for inference in ("analytic", "jackknife", "wild", "randomisation"):
        rows = estimate(frame, **{**COMMAND, "inference": inference, "draws": 100})
        alone = [row for row in rows if row.cohort == 2017 and row.estimate != 0]
        assert alone
        for row in alone:
            assert (row.std_error, row.ci_low, row.p_value) == (None, None, None)
            assert "rests on one treated cluster: no standard error" in row.note


def test_identifiers_that_repeat_in_a_cross_section(simulated: Simulated) -> None:
    """A place repeats: its rows are its children. A number given anew each year is no unit and is refused."""
    rng = np.random.default_rng(6)
    frame = simulated(6, n_units=12, n_clusters=12, periods=range(2012, 2018), cohorts=(2014, np.nan))
    children = frame.loc[frame.index.repeat(rng.integers(3, 8, len(frame)))].reset_index(drop=True)
    children["value"] += rng.normal(size=len(children))
    children["child"] = np.arange(len(children))
    children["number"] = children.groupby("period").cumcount()
    options = {**COMMAND, "design": "cross_section", "cluster": "unit"}
    places, single = estimate(children, **options), estimate(children, **{**options, "unit": "child"})
    for one, other in zip(places, single, strict=True):
        assert one.estimate == pytest.approx(other.estimate, abs=1e-10)
        assert (one.std_error or 0) == pytest.approx(other.std_error or 0, abs=1e-10)
    with pytest.raises(EstimationError, match=r"column cohort varies within \d+ of \d+ units of column number"):
        estimate(children, **{**options, "unit": "number", "cluster": None})
    with pytest.raises(EstimationError, match="rows repeat a pair of unit and period"):
        estimate(children, **{**options, "design": "panel"})


@pytest.mark.parametrize("name", [*UNIT_EFFECTS, "etwfe"])
def test_collinear_covariates_of_regressions(name: str, simulated: Simulated, cells: Cells) -> None:
    """A copy of a covariate changes nothing; one that unit effects absorb is named as not adjusted for."""
    panel = cells(simulated(7, n_units=24, n_clusters=8))
    rng = np.random.default_rng(7)
    income, place = rng.normal(size=panel.value.shape), np.repeat(rng.normal(size=(24, 1)), 10, axis=1)

    def fit(**layers: np.ndarray) -> Fit:
        chosen = {"covariates": np.stack([*layers.values()], axis=2), "covariate_names": tuple(layers)}
        return ESTIMATORS[name](panel, EstimatorOptions(**chosen))

    plain, once = ESTIMATORS[name](panel, EstimatorOptions()), fit(income=income)
    assert abs(effect(once) - effect(plain)) > 1e-6
    assert effect(fit(income=income, copy=1 + 2 * income)) == pytest.approx(effect(once), abs=1e-8)
    assert "not adjusted for" not in once.notes[overall(once)]
    constant = fit(income=income, place=place)
    if name == "etwfe":  # lets the trend depend on the covariate, which unit effects do not absorb
        assert abs(effect(constant) - effect(once)) > 1e-6
    else:
        assert effect(constant) == pytest.approx(effect(once), abs=1e-8)
        assert "covariate place does not vary within units: not adjusted for" in constant.notes[overall(constant)]


def test_collinear_covariates_and_perfect_separation_in_the_command(simulated: Simulated) -> None:
    frame = simulated(8, n_units=36)
    frame["x"] = frame["unit"].map(
        dict(zip(frame["unit"].unique(), np.random.default_rng(8).normal(size=36), strict=True))
    )
    frame["twice"], frame["rural"] = 2 * frame["x"], frame["cohort"].notna() * 1.0
    with pytest.raises(EstimationError, match="covariate twice is constant or collinear with the covariates"):
        estimate(frame, **COMMAND, covariates=["x", "twice"])
    for method in ("dr", "ipw"):
        with pytest.raises(EstimationError, match="covariate rural tells treated and comparison units apart"):
            estimate(frame, **COMMAND, covariates=["rural"], method=method)


@pytest.mark.parametrize("name", LEVEL)
def test_one_period_before_adoption_is_enough(name: str, simulated: Simulated, cells: Cells) -> None:
    """Cohort 2014 has only 2013 before; nothing before adoption can be tested, and that is said."""
    frame = simulated(9, n_units=24, cohorts=(2014, np.nan), periods=range(2013, 2019), effect=lambda _g, _e: 2.0)
    exact = frame.assign(total=frame["n"] * (2.0 * (frame["period"] >= frame["cohort"]) + np.sin(frame["period"])))
    assert effect(ESTIMATORS[name](cells(exact), EstimatorOptions())) == pytest.approx(2.0, abs=1e-8)
    rows = run_specification(cells(frame), Specification("all", estimator=name, draws=200))
    assert any(row.std_error for row in rows)
    for row in rows:
        assert (row.event_time or 0) >= 0 or row.estimate == 0
        assert row.aggregation != "pretest" or row.status == "not estimable"


@pytest.mark.parametrize("name", CURVED)
def test_one_period_before_adoption_is_enough_for_log_odds_and_ratios(
    name: str, simulated: Simulated, cells: Cells
) -> None:
    """Cohort 2014 keeps only 2013 before; its effect of 0.5 in log-odds or ratio is still found."""
    frame = simulated(9, n_units=24, noise=0, periods=range(2013, 2020))
    level = frame["unit"].str[1:].astype(int) % 3 * 0.2 + 0.1 * np.sin(frame["period"])
    added = 0.5 * (frame["period"] >= frame["cohort"])
    mean = {"etwfe_logit": lambda x: 1 / (1 + np.exp(-x)), "etwfe_poisson": np.exp}[name]
    fit = ESTIMATORS[name](cells(frame.assign(total=frame["n"] * mean(level + added))), EstimatorOptions())
    where = fit.index(aggregation="group_time", cohort=2014)
    for p in where:
        cell = (frame["cohort"] == 2014) & (frame["period"] == fit.parameters[p].period)
        truth = np.average((mean(level + added) - mean(level))[cell], weights=frame["weight"][cell])
        assert fit.estimate[p] == pytest.approx(truth, abs=1e-9)
    assert np.isfinite(fit.estimate[where]).sum() >= 3


@pytest.mark.parametrize("design", ["panel", "cross_section"])
@pytest.mark.parametrize("name", NAMES)
def test_every_estimator_counts_the_units_it_leaves_out(
    name: str, design: str, simulated: Simulated, cells: Cells
) -> None:
    """Gaps, units seen once and units treated always: who is not used is counted in the note."""
    frame = shares(simulated(10, n_units=32, n_clusters=8, cohorts=(2014, 2017, np.nan, 2010)))
    frame = frame.drop(index=frame.sample(frac=0.05, random_state=1).index)
    once = (frame["unit"] == "u002") & (frame["period"] != 2013) | (frame["unit"] == "u001") & (frame["period"] != 2018)
    panel = cells(frame[~once])
    fit = ESTIMATORS[name](panel, EstimatorOptions(design=design))
    n_gone = len(panel.units) - int(fit.used.any(axis=1).sum())
    note = fit.notes[overall(fit)]
    counted = sum(map(int, re.findall(r"(?<!up to )\b(\d+) units [^;]*left out", note)))
    at_most = sum(
        map(int, re.findall(r"(?:up to )?(\d+) (?:units without values in both |treated unit-)periods", note))
    )
    assert n_gone >= 8
    assert counted <= n_gone <= counted + at_most


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dose"])
@pytest.mark.parametrize("cohorts", [(2014, 2016, np.nan), (2014, 2016, 2018)])
def test_every_estimator_uses_all_periods_or_says_which_not(
    name: str, cohorts: tuple[float, ...], simulated: Simulated, cells: Cells
) -> None:
    """A period in which nothing moves any estimate is named. The dose-response says that it has one base period."""
    panel = cells(shares(simulated(11, n_units=18, cohorts=cohorts)))
    if name == "synthetic_did" and not np.isinf(panel.cohort).any():
        return
    fit = ESTIMATORS[name](panel, EstimatorOptions())
    rng = np.random.default_rng(11)
    unused = []
    for t, period in enumerate(panel.periods.tolist()):
        value = panel.value.copy()
        value[:, t] = np.clip(value[:, t] + rng.uniform(-0.1, 0.1, len(value)), 0, 1)
        moved = ESTIMATORS[name](replace(panel, value=value, total=value * panel.n), EstimatorOptions())
        if np.allclose(moved.estimate, fit.estimate, atol=1e-9, equal_nan=True):
            unused.append(period)
    if unused:
        assert unused == [2018, 2019]
        assert "cohort 2018 serves as comparison, later periods left out" in fit.notes[overall(fit)]
    else:
        assert "periods left out" not in fit.notes[overall(fit)]


def test_every_estimator_has_a_sentence_that_says_what_it_estimates() -> None:
    assert list(ESTIMANDS) == list(ESTIMATORS)
    for sentence in ESTIMANDS.values():
        assert re.fullmatch(r"(The|One|As|No) [^.]{40,300}\.", sentence)
        assert "proves" not in sentence
        assert "significant" not in sentence
