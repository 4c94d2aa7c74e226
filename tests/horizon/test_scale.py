"""Ratio of ratios: exact truth, derivatives as influence, jackknife, and where the scales disagree."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.scale import ratio_effects, scale_dependent
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster

Cells = Callable[..., CellPanel]
Simulated = Callable[..., pd.DataFrame]
OPTIONS = EstimatorOptions()


def shares(simulated: Simulated, seed: int, *, ratio: float = 0.7, drawn: bool = True, **more: object) -> pd.DataFrame:
    """Shares that differ by unit, fall by a common factor over time and by `ratio` in treated cells."""
    frame = simulated(seed, **more)
    rng = np.random.default_rng(seed + 100)
    level = dict(zip(frame["unit"].unique(), rng.uniform(0.1, 0.4, frame["unit"].nunique()), strict=True))
    share = frame["unit"].map(level) * 0.97 ** (frame["period"] - 2010)
    share = share * np.where(frame["period"] >= frame["cohort"], ratio, 1.0)
    n = frame.groupby("unit")["n"].transform("first") * 10
    total = rng.binomial(n, share) if drawn else n * share
    return frame.assign(n=n, total=total, squares=total, value=total / n)


def test_exact_truth_where_the_programme_acts_as_a_factor(simulated: Simulated, cells: Cells) -> None:
    panel = cells(shares(simulated, 1, drawn=False))
    both = ratio_effects(panel, OPTIONS)
    post = np.array([(p.event_time or 0) >= 0 for p in both.log_ratio.parameters]) & ~both.log_ratio.is_reference
    np.testing.assert_allclose(both.log_ratio.estimate[post], np.log(0.7), atol=1e-12)
    np.testing.assert_allclose(both.log_ratio.estimate[~post], 0.0, atol=1e-12)
    for k in np.flatnonzero(post):
        p = both.log_ratio.parameters[k]
        own = panel.cohort == p.cohort
        column = int(np.searchsorted(panel.periods, p.period))
        mean = panel.total[own, column].sum() / panel.n[own, column].sum()
        assert both.as_difference.estimate[k] == pytest.approx(mean * (1 - 1 / 0.7), rel=1e-10)


def test_influence_is_the_derivative_in_the_children_of_a_unit(simulated: Simulated, cells: Cells) -> None:
    frame = shares(simulated, 2)
    fit = ratio_effects(cells(frame), OPTIONS)
    for unit in range(0, 48, 11):
        moved = []
        for sign in (1, -1):
            factor = np.where(frame["unit"] == f"u{unit:03d}", 1 + sign * 1e-5, 1.0)
            again = frame.assign(n=frame["n"] * factor, total=frame["total"] * factor)
            moved.append(ratio_effects(cells(again), OPTIONS))
        for scale in ("log_ratio", "as_difference"):
            slope = (getattr(moved[0], scale).estimate - getattr(moved[1], scale).estimate) / 2e-5
            np.testing.assert_allclose(getattr(fit, scale).influence.values[unit], slope, atol=1e-7)


@pytest.mark.parametrize("scale", ["log_ratio", "as_difference"])
def test_leaving_out_clusters_equals_estimating_anew(simulated: Simulated, cells: Cells, scale: str) -> None:
    panel = cells(shares(simulated, 3))
    fit = getattr(ratio_effects(panel, OPTIONS), scale)
    slow = refit_without_each_cluster(lambda p, o: getattr(ratio_effects(p, o), scale), panel, OPTIONS, fit)
    np.testing.assert_allclose(fit.leave_out(), slow, atol=1e-10)


def test_influence_error_is_near_the_jackknife(simulated: Simulated, cells: Cells) -> None:
    fit = ratio_effects(cells(shares(simulated, 4, n_units=300, n_clusters=100)), OPTIONS).log_ratio
    ratio = analytic(fit).std_error / jackknife(fit).std_error
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], 1.0, atol=0.06)


def test_opposite_signs_on_the_two_scales(simulated: Simulated, cells: Cells) -> None:
    """Treated .40 → .30 (−.10, ×.75), comparison .20 → .12 (−.08, ×.60): −.02 in points, +log(1.25) as ratio."""
    frame = simulated(6, cohorts=(2014, np.nan))
    treated, after = frame["cohort"].eq(2014), frame["period"].ge(2014)
    share = np.where(treated, np.where(after, 0.30, 0.40), np.where(after, 0.12, 0.20))
    panel = cells(frame.assign(n=100, total=100 * share, squares=100 * share))
    additive, ratio = callaway_santanna(panel, OPTIONS), ratio_effects(panel, OPTIONS)
    (post,) = ratio.log_ratio.index(cohort=2014, period=2016)
    assert ratio.log_ratio.estimate[post] == pytest.approx(np.log(1.25))
    assert scale_dependent(additive, ratio.log_ratio)[post] is True
    assert scale_dependent(additive, ratio.as_difference)[post] is True
    (reference,) = ratio.log_ratio.index(cohort=2014, period=2013)
    assert scale_dependent(additive, ratio.log_ratio)[reference] is None
    falling = callaway_santanna(cells(frame.assign(n=100, total=-100 * share, squares=100 * share)), OPTIONS)
    assert scale_dependent(falling, ratio.log_ratio)[post] is False


def test_no_case_and_negative_outcomes(simulated: Simulated, cells: Cells) -> None:
    frame = shares(simulated, 7)
    none = frame["period"].eq(2015) & frame["cohort"].eq(2014)
    frame.loc[none, ["total", "squares", "value"]] = 0.0
    fit = ratio_effects(cells(frame), OPTIONS).log_ratio
    (gone,) = fit.index(cohort=2014, period=2015)
    assert np.isnan(fit.estimate[gone])
    assert "no case in any observation of the cohort in the period" in (fit.reason[gone] or "")
    assert (fit.influence.values[:, gone] == 0).all()
    with pytest.raises(EstimationError, match="outcomes from 0 on"):
        ratio_effects(cells(simulated(1)), OPTIONS)
    with pytest.raises(EstimationError, match="number of children"):
        ratio_effects(cells(frame, n=None, total=None, total_of_squares=None, value="value"), OPTIONS)
