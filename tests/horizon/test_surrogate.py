"""The surrogate index from cells: exact against children, exact identity of its miss, derivatives as influence."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.horizon.surrogate import (
    SurrogateLink,
    discretised,
    profile_indicators,
    residual_cells,
    surrogate_effects,
    surrogate_link,
    surrogate_misses,
)
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife

FIXED = {"cluster": "kreis", "weight": "weight"}
NAMES = ("language", "counting")
BETA = np.array([-0.3, -0.1])
EFFECT = np.array([-0.5, 0.2])


def children(seed: int, *, direct: float = 0.0, noise: float = 1.0, n_units: int = 30) -> pd.DataFrame:
    """Surrogates fall by EFFECT in treated cells; value = level + BETA'S + direct effect + noise."""
    rng = np.random.default_rng(seed)
    frames = []
    for unit in range(n_units):
        cohort, level = (2013.0, 2014.0, np.nan)[unit % 3], rng.normal()
        for period in range(2010, 2017):
            n = int(rng.integers(10, 30))
            treated = float(period >= cohort)
            surrogates = rng.normal(size=(n, 2)) + EFFECT * treated + level
            value = level + 0.2 * (period - 2010) + surrogates @ BETA + direct * treated + noise * rng.normal(size=n)
            fixed = {"unit": f"u{unit:02d}", "kreis": f"k{unit * 7 % 10:02d}", "weight": 1.0 + unit % 3}
            columns = {"value": value, "language": surrogates[:, 0], "counting": surrogates[:, 1]}
            frames.append(pd.DataFrame({**columns, **fixed, "period": period, "cohort": cohort}))
    return pd.concat(frames, ignore_index=True)


def parts(panel: MomentPanel) -> tuple[SurrogateLink, list[Fit], Fit]:
    options = EstimatorOptions()
    fits = [callaway_santanna(panel.covariate_cells(j), options) for j in range(len(panel.covariate_names))]
    return surrogate_link(panel), fits, callaway_santanna(panel.outcome_cells(), options)


def test_exact_truth_when_the_programme_works_through_the_surrogates() -> None:
    link, fits, outcome = parts(MomentPanel.from_children(children(1, noise=0.0), "y", NAMES, **FIXED))
    np.testing.assert_allclose(link.slope, BETA, atol=1e-12)
    misses = surrogate_misses(outcome, surrogate_effects(link, fits))
    np.testing.assert_allclose(misses.estimate, 0.0, atol=1e-12)


def test_the_direct_effect_is_what_the_index_misses() -> None:
    link, fits, outcome = parts(MomentPanel.from_children(children(2, noise=0.0, direct=0.7), "y", NAMES, **FIXED))
    misses = surrogate_misses(outcome, surrogate_effects(link, fits))
    event = np.array([-9 if p.event_time is None else p.event_time for p in misses.parameters])
    np.testing.assert_allclose(misses.estimate[event >= 0], 0.7, atol=1e-12)


def test_equal_to_predicting_every_child_in_two_stages() -> None:
    frame = children(3)
    panel = MomentPanel.from_children(frame, "y", NAMES, **FIXED)
    link, fits, _ = parts(panel)
    untreated = frame[~(frame["period"] >= frame["cohort"])]
    columns = ["value", *NAMES]
    around = untreated[columns] - untreated.groupby(["unit", "period"])[columns].transform("mean")
    slope, *_ = np.linalg.lstsq(around[list(NAMES)].to_numpy(), around["value"].to_numpy(), rcond=None)
    np.testing.assert_allclose(link.slope, slope, rtol=1e-10)
    predicted = frame.assign(value=frame[list(NAMES)].to_numpy() @ slope)
    by_child = callaway_santanna(CellPanel.from_micro(predicted, "y", **FIXED), EstimatorOptions())
    np.testing.assert_allclose(surrogate_effects(link, fits).estimate, by_child.estimate, atol=1e-12)


def test_identity_effect_equals_index_plus_did_of_the_residual() -> None:
    panel = MomentPanel.from_children(children(4, direct=0.3), "y", NAMES, **FIXED)
    link, fits, outcome = parts(panel)
    index = surrogate_effects(link, fits)
    of_residual = callaway_santanna(residual_cells(panel, link.slope), EstimatorOptions())
    np.testing.assert_allclose(outcome.estimate, index.estimate + of_residual.estimate, atol=1e-12)
    np.testing.assert_allclose(surrogate_misses(outcome, index).estimate, of_residual.estimate, atol=1e-12)


def test_influence_is_the_derivative_in_the_weight_of_a_unit_and_of_its_children() -> None:
    panel = MomentPanel.from_children(children(5), "y", NAMES, **FIXED)
    link, fits, outcome = parts(panel)
    index = surrogate_effects(link, fits)
    misses = surrogate_misses(outcome, index)
    for unit in range(0, 30, 7):
        moved = []
        for sign in (1, -1):
            factor = np.where(np.arange(30) == unit, 1 + sign * 1e-5, 1.0)
            again = replace(
                panel,
                weight=panel.weight * factor,
                moments=panel.moments * factor[:, None, None, None],
                cross=panel.cross * factor[:, None, None],
            )
            link_, fits_, outcome_ = parts(again)
            moved.append((surrogate_effects(link_, fits_).estimate, outcome_.estimate))
        slope_index = (moved[0][0] - moved[1][0]) / 2e-5
        slope_miss = (moved[0][1] - moved[1][1]) / 2e-5 - slope_index
        np.testing.assert_allclose(index.influence.values[unit], slope_index, atol=1e-8)
        np.testing.assert_allclose(misses.influence.values[unit], slope_miss, atol=1e-8)


def test_leaving_out_clusters_equals_estimating_anew_and_errors_are_near() -> None:
    panel = MomentPanel.from_children(children(6), "y", NAMES, **FIXED)
    link, fits, outcome = parts(panel)
    index = surrogate_effects(link, fits)
    misses = surrogate_misses(outcome, index)
    left, left_miss = index.leave_out(), misses.leave_out()
    for c, label in enumerate(panel.clusters):
        link_, fits_, outcome_ = parts(panel.select(panel.cluster != label))
        again = surrogate_effects(link_, fits_)
        np.testing.assert_allclose(left[c], again.estimate, atol=1e-10)
        np.testing.assert_allclose(left_miss[c], outcome_.estimate - again.estimate, atol=1e-10)
    (overall,) = index.index(aggregation="overall")
    assert analytic(index).std_error[overall] == pytest.approx(jackknife(index).std_error[overall], rel=0.25)


def test_link_and_effects_may_rest_on_other_units_and_periods() -> None:
    """The later outcome is known for early cohorts of children and a part of the municipalities only."""
    panel = MomentPanel.from_children(children(7), "y", NAMES, **FIXED)
    linked = panel.select(np.arange(30) % 3 == 2).select_periods(panel.periods < 2014)
    others = panel.select(np.arange(30) != 2)
    fits = [callaway_santanna(others.covariate_cells(j), EstimatorOptions()) for j in range(2)]
    link = surrogate_link(linked)
    index = surrogate_effects(link, fits)
    assert index.influence.units.tolist() == panel.units.tolist()
    only = np.array([f.influence.values for f in fits])
    np.testing.assert_allclose(
        index.influence.values[2], np.nan_to_num(index.extra["surrogate_effects"]) @ link.influence.values[0]
    )
    np.testing.assert_allclose(index.influence.values[0], np.tensordot(link.slope, only[:, 0], axes=1))
    clusters = np.unique(index.influence.clusters)
    assert index.leave_out().shape == (len(clusters), len(index.parameters))


def test_a_link_that_is_no_straight_line_needs_classes() -> None:
    """Y jumps by 2 above 0.5: indicators of classes recover the profile means, and with them the effect."""
    frame = children(8, noise=0.0)
    frame["value"] = 2.0 * (frame["language"] > 0.5) + 0.1 * (frame["period"] - 2010)
    frame["class"] = discretised(frame["language"].to_numpy(), (-0.5, 0.5, 1.0))
    profiles = ProfilePanel.from_children(frame, "y", ("class",), **FIXED)
    panel = profile_indicators(profiles)
    assert panel.covariate_names == ("class 1", "class 2", "class 3")
    link, fits, outcome = parts(panel)
    np.testing.assert_allclose(link.slope, [0.0, 2.0, 2.0], atol=1e-10)
    np.testing.assert_allclose(surrogate_effects(link, fits).estimate, outcome.estimate, atol=1e-10)
    linear, of_linear, _ = parts(MomentPanel.from_children(frame, "y", ("language",), **FIXED))
    assert np.nanmax(np.abs(surrogate_effects(linear, of_linear).estimate - outcome.estimate)) > 0.02
    assert np.isnan(discretised(np.array([np.nan]), (0.0,))).all()
    with pytest.raises(EstimationError, match="ascending"):
        discretised(np.array([1.0]), (1.0, 0.0))


def test_bad_input_is_refused_in_a_sentence() -> None:
    panel = MomentPanel.from_children(children(9), "y", NAMES, **FIXED)
    link, fits, outcome = parts(panel)
    with pytest.raises(EstimationError, match="no reference sample"):
        surrogate_link(panel, reference=np.zeros(panel.n.shape, dtype=bool))
    with pytest.raises(EstimationError, match="one fit for each of the 2 surrogates"):
        surrogate_effects(link, fits[:1])
    shorter = callaway_santanna(panel.select_periods(panel.periods < 2016).outcome_cells(), EstimatorOptions())
    with pytest.raises(EstimationError, match="different parameters"):
        surrogate_misses(shorter, surrogate_effects(link, fits))
    flat = children(9).assign(counting=1.0)
    with pytest.raises(EstimationError, match="counting does not vary"):
        surrogate_link(MomentPanel.from_children(flat, "y", NAMES, **FIXED))
    moved = replace(outcome, influence=replace(outcome.influence, clusters=outcome.influence.units))
    with pytest.raises(EstimationError, match="use the same clusters"):
        surrogate_misses(moved, surrogate_effects(link, fits))
