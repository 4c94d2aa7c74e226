"""Shocks of a health office: within-Kreis effects are free of them, a negative control takes them off."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.drift import calibrated, shared_drift, within_kreis_effects
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
TAU = 2.0


def shocked(simulated: Simulated, seed: int, *, noise: float, size: float = 3.0, **more: object) -> pd.DataFrame:
    """A shock of every Kreis and year on top of the simulated cells."""
    frame = simulated(seed, noise=noise, effect=lambda _g, _e: TAU, **more)
    shock = np.random.default_rng(seed + 1).normal(0, size, (100, 100))
    added = shock[frame["kreis"].str[1:].astype(int), frame["period"] - 2010]
    return frame.assign(value=frame["value"] + added, total=frame["total"] + frame["n"] * added, shock=added)


def test_within_a_kreis_the_shock_cancels_exactly(simulated: Simulated, cells: Cells) -> None:
    panel = cells(shocked(simulated, 1, noise=0.0, n_clusters=8))
    fit = within_kreis_effects(panel, EstimatorOptions())
    known = np.array([p.event_time is None or p.event_time >= 0 for p in fit.parameters]) & np.isfinite(fit.estimate)
    assert known.sum() > 8
    np.testing.assert_allclose(fit.estimate[known], TAU, atol=1e-10)
    between = callaway_santanna(panel, EstimatorOptions())
    assert (
        np.nanmax(np.abs(between.estimate[np.array([(p.event_time or 0) > 0 for p in between.parameters])] - TAU)) > 0.3
    )


def test_equals_a_weighted_mean_of_comparisons_within_each_kreis(simulated: Simulated, cells: Cells) -> None:
    """Kreise without comparison drop out, and the share of treated weight that is left is said."""
    frame = shocked(simulated, 2, noise=1.0, n_clusters=8)
    alone = frame["kreis"].isin(["k00", "k01"])
    frame = frame[~(alone & frame["cohort"].ne(2014))]  # two Kreise join as a whole
    panel = cells(frame)
    fit = within_kreis_effects(panel, EstimatorOptions(control_group="never_treated"))
    (p,) = fit.index(aggregation="group_time", cohort=2014, period=2016)
    wide = frame.pivot_table(
        index=["unit", "kreis", "cohort", "weight"], columns="period", values="value", dropna=False
    )
    wide = wide.dropna(subset=[2016]).reset_index()
    change = wide[2016] - wide[2013]
    numerator = size = whole = 0.0
    for kreis in wide["kreis"].unique():
        own = (wide["kreis"] == kreis) & (wide["cohort"] == 2014)
        other = (wide["kreis"] == kreis) & wide["cohort"].isna()
        weight = float(wide["weight"][own].sum())
        whole += weight
        if own.any() and other.any():
            gap = np.average(change[own], weights=wide["weight"][own])
            numerator += weight * (gap - np.average(change[other], weights=wide["weight"][other]))
            size += weight
    assert fit.estimate[p] == pytest.approx(numerator / size, rel=1e-10)
    assert fit.extra["remaining_share"][p] == pytest.approx(size / whole, rel=1e-12)
    assert size < whole
    assert f"{size / whole:.0%} of the treated weight has a comparison in its own Kreis" in fit.notes[p]


def test_leaving_out_a_kreis_equals_estimating_anew_and_errors_are_near(simulated: Simulated, cells: Cells) -> None:
    panel = cells(shocked(simulated, 3, noise=1.0, n_clusters=10, n_units=90))
    fit = within_kreis_effects(panel, EstimatorOptions())
    slow = refit_without_each_cluster(within_kreis_effects, panel, EstimatorOptions(), fit)
    np.testing.assert_allclose(fit.leave_out(), slow, atol=1e-10)
    (overall,) = fit.index(aggregation="overall")
    assert analytic(fit).std_error[overall] == pytest.approx(jackknife(fit).std_error[overall], rel=0.3)


def test_influence_of_within_kreis_effects_is_the_derivative_in_weights(simulated: Simulated, cells: Cells) -> None:
    frame = shocked(simulated, 4, noise=1.0, n_clusters=8)
    fit = within_kreis_effects(cells(frame), EstimatorOptions())
    for unit in range(0, 48, 11):
        name, moved = f"u{unit:03d}", []
        for sign in (1, -1):
            factor = np.where(frame["unit"] == name, 1 + sign * 1e-5, 1.0)
            again = cells(frame.assign(weight=frame["weight"] * factor))
            moved.append(within_kreis_effects(again, EstimatorOptions()).estimate)
        slope = np.nan_to_num((moved[0] - moved[1]) / 2e-5)
        np.testing.assert_allclose(fit.influence.values[unit], slope, atol=1e-7)


def test_no_pair_within_a_kreis_is_refused(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(5, cohorts=(2014, np.nan))
    apart = frame.assign(kreis=np.where(frame["cohort"].isna(), "a", "b"))
    with pytest.raises(EstimationError, match="no Kreis holds treated and comparison"):
        within_kreis_effects(cells(apart), EstimatorOptions())
    with pytest.raises(EstimationError, match="need design panel"):
        within_kreis_effects(cells(frame), EstimatorOptions(design="cross_section"))


def kreis_panels(seed: int, *, n_kreise: int = 50, n: float = 400.0) -> dict[str, np.ndarray]:
    """Kreis-years of an outcome that drifts 0.6 times as a negative control; the latter is measured with error."""
    rng = np.random.default_rng(seed)
    shape = (n_kreise, 10)
    drift = rng.normal(0, 0.06, shape)
    level = rng.normal(size=(n_kreise, 1))
    cohort = np.where(np.arange(n_kreise) % 3 == 0, 2015.0, np.inf)
    treated = cohort[:, None] <= np.arange(2010, 2020)[None]
    control = drift + level + rng.normal(0, 1 / np.sqrt(n), shape)
    outcome = 0.6 * drift - level + 0.1 * treated + 0.01 * rng.normal(size=shape)
    return {
        "outcome": outcome,
        "control": control,
        "treated": treated,
        "cohort": cohort,
        "sampling": np.full(shape, 1 / n),
    }


def to_cells(data: dict[str, np.ndarray], name: str, cells: Cells) -> CellPanel:
    unit, period = np.nonzero(np.ones(data[name].shape))
    frame = pd.DataFrame(
        {
            "unit": [f"k{u:02d}" for u in unit],
            "kreis": [f"k{u:02d}" for u in unit],
            "period": 2010 + period,
            "cohort": np.where(np.isinf(data["cohort"]), np.nan, data["cohort"])[unit],
            "value": data[name].ravel(),
        }
    )
    return cells(frame, weight=None, n=None, total=None, total_of_squares=None, value="value")


def test_calibrated_effect_is_the_difference_with_the_influence_of_the_link(cells: Cells) -> None:
    data = kreis_panels(1)
    fits = [callaway_santanna(to_cells(data, name, cells), EstimatorOptions()) for name in ("outcome", "control")]
    kreise = fits[0].influence.units
    drift = shared_drift(
        data["outcome"], data["control"], data["sampling"], ~data["treated"], name="height", kreise=kreise
    )
    result = calibrated(fits[0], fits[1], drift.link)
    slope = drift.link.slope[0]
    assert result.estimator == "negative_control_calibrated"
    np.testing.assert_allclose(result.estimate, fits[0].estimate - slope * fits[1].estimate, atol=1e-14)
    by_hand = fits[0].influence.values - slope * fits[1].influence.values
    by_hand -= drift.link.influence.values * fits[1].estimate
    np.testing.assert_allclose(result.influence.values, by_hand, atol=1e-14)
    assert result.leave_out().shape == (50, len(result.parameters))


@pytest.mark.slow
def test_calibration_removes_drift_and_bias_of_naive_slopes() -> None:
    """60 seeded draws: λ within three Monte-Carlo errors of .6, naive below it."""
    found = []
    for seed in range(60):
        data = kreis_panels(seed)
        kreise = np.array([f"k{u:02d}" for u in range(50)])
        drift = shared_drift(
            data["outcome"], data["control"], data["sampling"], ~data["treated"], name="height", kreise=kreise
        )
        found.append((drift.link.slope[0], drift.naive[0]))
    slope, naive = np.array(found).T
    error = slope.std(ddof=1) / np.sqrt(len(slope))
    assert abs(slope.mean() - 0.6) < 3 * error
    assert naive.mean() < 0.6 - 5 * error


def test_calibrated_effects_spread_less_than_uncalibrated_ones(cells: Cells) -> None:
    """20 seeded draws of the overall effect, truth .1."""
    spread = []
    for seed in range(100, 120):
        data = kreis_panels(seed)
        fits = [callaway_santanna(to_cells(data, name, cells), EstimatorOptions()) for name in ("outcome", "control")]
        drift = shared_drift(
            data["outcome"], data["control"], data["sampling"], ~data["treated"], name="height",
            kreise=fits[0].influence.units,
        )  # fmt: skip
        result = calibrated(fits[0], fits[1], drift.link)
        (overall,) = result.index(aggregation="overall")
        spread.append((fits[0].estimate[overall] - 0.1, result.estimate[overall] - 0.1))
    raw, clean = (np.array(spread) ** 2).mean(axis=0) ** 0.5
    assert clean < 0.95 * raw


def test_a_negative_control_that_is_sampling_error_is_refused() -> None:
    data = kreis_panels(2, n=100.0)
    kreise = np.array([f"k{u:02d}" for u in range(50)])
    with pytest.raises(EstimationError, match="height are mostly sampling error"):
        shared_drift(data["outcome"], data["control"], data["sampling"], ~data["treated"], name="height", kreise=kreise)
