"""Two-step adjustment for children's covariates: equal to the adjustment of every child, and exact in its errors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import NOT_ADJUSTED, callaway_santanna_adjusted
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster

FIXED = {"cluster": "kreis", "weight": "weight"}
NAMES = ("age", "language")


def children(seed: int, *, noise: float = 1.0, n_units: int = 36) -> pd.DataFrame:
    """One row per child; in treated units the share with another language grows after adoption. The effect is 2."""
    rng = np.random.default_rng(seed)
    frames = []
    for unit in range(n_units):
        cohort, level = (2013.0, 2014.0, np.nan)[unit % 3], rng.normal()
        for period in range(2010, 2017):
            n = int(rng.integers(10, 30))
            is_treated = period >= cohort
            language = (rng.random(n) < (0.6 if is_treated else 0.3)) * 1.0
            age = rng.normal(70, 3, n)
            value = level + 0.2 * (period - 2010) + 0.1 * age - 3 * language + 2.0 * is_treated
            columns = {"value": value + noise * rng.normal(size=n), "age": age, "language": language}
            fixed = {"unit": f"u{unit:02d}", "kreis": f"k{unit * 5 % 12:02d}", "weight": 1.0 + unit % 3}
            frames.append(pd.DataFrame({**columns, **fixed, "period": period, "cohort": cohort}))
    return pd.concat(frames, ignore_index=True)


def test_exact_truth_where_the_composition_of_children_moves_with_the_programme() -> None:
    frame = children(1, noise=0.0)
    fit = callaway_santanna_adjusted(MomentPanel.from_children(frame, "y", NAMES, **FIXED), EstimatorOptions())
    event = np.array([p.event_time if p.aggregation == "group_time" else -9 for p in fit.parameters])
    np.testing.assert_allclose(fit.estimate[event >= 0], 2.0, atol=1e-9)
    np.testing.assert_allclose(fit.extra["slope"], [0.1, -3.0], atol=1e-9)
    means = callaway_santanna(CellPanel.from_micro(frame, "y", **FIXED), EstimatorOptions())
    (overall,) = means.index(aggregation="overall")
    assert means.estimate[overall] == pytest.approx(2.0 - 3 * 0.3, abs=0.1)


def test_equal_to_adjusting_every_child() -> None:
    """γ from children of untreated cells around the means of their cells; then means of outcomes less γ'x."""
    frame = children(2)
    fit = callaway_santanna_adjusted(MomentPanel.from_children(frame, "y", NAMES, **FIXED), EstimatorOptions())
    untreated = frame[~(frame["period"] >= frame["cohort"])]
    columns = ["value", *NAMES]
    around = untreated[columns] - untreated.groupby(["unit", "period"])[columns].transform("mean")
    slope, *_ = np.linalg.lstsq(around[list(NAMES)].to_numpy(), around["value"].to_numpy(), rcond=None)
    np.testing.assert_allclose(fit.extra["slope"], slope, rtol=1e-9)
    adjusted = frame.assign(value=frame["value"] - frame[list(NAMES)].to_numpy() @ slope)
    by_child = callaway_santanna(CellPanel.from_micro(adjusted, "y", **FIXED), EstimatorOptions())
    np.testing.assert_allclose(fit.estimate, by_child.estimate, atol=1e-10)
    means = callaway_santanna(CellPanel.from_micro(frame, "y", **FIXED), EstimatorOptions())
    np.testing.assert_allclose(fit.estimate, means.estimate - fit.extra["composition"] @ slope, atol=1e-10)


@pytest.mark.parametrize("design", ["panel", "cross_section", "unbalanced"])
@pytest.mark.parametrize("more", [{}, {"anticipation": 1, "control_group": "never_treated", "base_period": "varying"}])
def test_leaving_out_clusters_equals_estimating_anew(design: str, more: dict[str, object]) -> None:
    panel = MomentPanel.from_children(children(3), "y", NAMES, **FIXED)
    chosen = EstimatorOptions(design=design, **more)
    fit = callaway_santanna_adjusted(panel, chosen)
    slow = refit_without_each_cluster(callaway_santanna_adjusted, panel, chosen, fit)
    np.testing.assert_allclose(fit.leave_out(), slow, atol=1e-9)


def test_influence_functions_are_derivatives() -> None:
    """In the weight of a unit, of its children in γ̂ included."""
    panel = MomentPanel.from_children(children(4), "y", NAMES, **FIXED)
    fit = callaway_santanna_adjusted(panel, EstimatorOptions())
    for unit in range(0, len(panel.units), 5):
        estimates = []
        for sign in (1, -1):
            factor = np.where(np.arange(len(panel.units)) == unit, 1 + sign * 1e-5, 1.0)
            moved = replace(
                panel,
                weight=panel.weight * factor,
                moments=panel.moments * factor[:, None, None, None],
                cross=panel.cross * factor[:, None, None],
            )
            estimates.append(callaway_santanna_adjusted(moved, EstimatorOptions()).estimate)
        np.testing.assert_allclose(fit.influence.values[unit], (estimates[0] - estimates[1]) / 2e-5, atol=1e-8)


def test_jackknife_and_analytic_errors_are_near() -> None:
    fit = callaway_santanna_adjusted(MomentPanel.from_children(children(5), "y", NAMES, **FIXED), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assert analytic(fit).std_error[overall] == pytest.approx(jackknife(fit).std_error[overall], rel=0.25)


def test_profiles_and_moments_agree_and_cells_without_covariates_say_so() -> None:
    frame = children(6).assign(age=lambda f: f["age"].round())
    profiles = ProfilePanel.from_children(frame, "y", NAMES, **FIXED)
    one = callaway_santanna_adjusted(profiles, EstimatorOptions())
    other = callaway_santanna_adjusted(MomentPanel.from_profile_panel(profiles), EstimatorOptions())
    np.testing.assert_array_equal(one.estimate, other.estimate)
    assert one.estimator == "callaway_santanna_adjusted"
    assert "composition of children by age, language taken out" in one.notes[0]
    cells = CellPanel.from_micro(frame, "y", **FIXED)
    plain = callaway_santanna_adjusted(cells, EstimatorOptions())
    np.testing.assert_array_equal(plain.estimate, callaway_santanna(cells, EstimatorOptions()).estimate)
    assert all(NOT_ADJUSTED in note for note in plain.notes)


def test_covariates_that_do_not_vary_within_cells_are_refused_by_name() -> None:
    frame = children(7)
    frame["rural"] = (frame["unit"].str[1:].astype(int) % 2) * 1.0
    frame["twice"] = 2 * frame["language"] + 1
    for name in ("rural", "twice"):
        panel = MomentPanel.from_children(frame, "y", (*NAMES, name), **FIXED)
        with pytest.raises(EstimationError, match=f"covariate {name} does not vary among the children"):
            callaway_santanna_adjusted(panel, EstimatorOptions())


def test_missing_covariates_are_counted_and_rows_come_out() -> None:
    frame = children(8)
    frame.loc[frame.index[:5], "age"] = np.nan
    panel = MomentPanel.from_children(frame, "y", NAMES, **FIXED)
    rows = run_specification(panel, Specification("all", estimator="callaway_santanna_adjusted", draws=200))
    assert {row.status for row in rows} == {"estimated"}
    overall = next(row for row in rows if row.aggregation == "overall")
    assert "5 children in 1 units without covariate values left out" in overall.note
    assert overall.ci_low < 2.0 < overall.ci_high
    profiles = ProfilePanel.from_children(children(9).assign(age=1.0), "y", ("language",), **FIXED)
    for method in ("dr", "ipw", "reg"):
        rows = run_specification(profiles, Specification("all", design="cross_section", method=method, draws=200))
        assert {row.status for row in rows} == {"estimated"}
