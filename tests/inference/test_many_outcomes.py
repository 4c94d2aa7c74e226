"""Stepdown p-values: what they must equal, and how often they find something where nothing is."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, FloatArray
from kkz_eval.inference.many_outcomes import adjusted_p_values, joint_tests, romano_wolf
from kkz_eval.inference.randomisation import placebo_test, reassignments
from kkz_eval.inference.wild_influence import wild_fit

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def unadjusted(t: FloatArray, t_star: FloatArray) -> FloatArray:
    return (1 + (np.abs(t_star) >= np.abs(t)).sum(axis=0)) / (1 + len(t_star))


def by_the_book(t: FloatArray, t_star: FloatArray) -> FloatArray:
    """Romano and Wolf (2016), step by step."""
    order = sorted(range(len(t)), key=lambda o: -abs(t[o]))
    p, last = np.zeros(len(t)), 0.0
    for step, outcome in enumerate(order):
        rest = order[step:]
        count = sum(max(abs(row[o]) for o in rest) >= abs(t[outcome]) for row in t_star)
        last = max(last, (count + 1) / (len(t_star) + 1))
        p[outcome] = last
    return p


def test_equals_the_steps_by_the_book() -> None:
    rng = np.random.default_rng(1)
    t, t_star = rng.normal(size=7) * 1.5, rng.normal(size=(400, 7))
    np.testing.assert_allclose(romano_wolf(t, t_star), by_the_book(t, t_star))


def test_one_outcome_and_equal_outcomes_need_no_adjustment() -> None:
    rng = np.random.default_rng(2)
    t_star = rng.normal(size=(500, 1))
    np.testing.assert_allclose(romano_wolf(np.array([1.7]), t_star), unadjusted(np.array([1.7]), t_star))
    equal, draws = np.full(5, -1.7), np.repeat(t_star, 5, axis=1)
    np.testing.assert_allclose(romano_wolf(equal, draws), unadjusted(equal, draws))


def test_adjusted_values_follow_the_order_and_are_never_smaller() -> None:
    rng = np.random.default_rng(3)
    t, t_star = rng.normal(size=12) * 2, rng.normal(size=(999, 12))
    p = romano_wolf(t, t_star)
    assert (np.diff(p[np.argsort(-np.abs(t))]) >= 0).all()
    assert (p >= unadjusted(t, t_star)).all()
    single_step = (1 + (np.abs(t_star).max(axis=1)[:, None] >= np.abs(t)).sum(axis=0)) / 1000
    assert (p <= single_step).all()


def test_independent_outcomes_give_about_holm_and_sidak() -> None:
    """20,000 draws: within 4 Monte-Carlo errors of the step's probability."""
    rng = np.random.default_rng(4)
    t, t_star = np.array([3.2, 2.6, 2.0, 0.5]), rng.normal(size=(20_000, 4))
    single = unadjusted(t, t_star)
    exact = np.maximum.accumulate(1 - (1 - single) ** np.array([4, 3, 2, 1]))
    np.testing.assert_allclose(romano_wolf(t, t_star), exact, atol=4 * np.sqrt(0.25 / 20_000))


def test_missing_outcomes_and_shapes() -> None:
    rng = np.random.default_rng(5)
    t, t_star = np.array([2.0, np.nan, 1.0]), rng.normal(size=(99, 3))
    p = romano_wolf(t, t_star)
    assert np.isnan(p[1])
    np.testing.assert_allclose(p[[0, 2]], romano_wolf(t[[0, 2]], t_star[:, [0, 2]]))
    with pytest.raises(EstimationError, match="for 2 outcomes"):
        romano_wolf(t[:2], t_star)


def test_joint_draws_of_fits(simulated: Simulated, cells: Cells) -> None:
    """The same outcome three times (once in other units) is one outcome; clusters that one lacks do not disturb."""
    frame = simulated(6)
    scaled = frame.assign(total=-3 * frame["total"])
    fewer = frame[frame["kreis"] != "k02"]
    fits = [callaway_santanna(cells(part), EstimatorOptions()) for part in (frame, scaled, frame, fewer)]
    places = [fit.index(aggregation="overall")[0] for fit in fits]
    tests = joint_tests(fits, places, draws=999, seed=7)
    alone = wild_fit(fits[0], places[0], draws=999, seed=7).p_value()
    assert adjusted_p_values(tests[:1])[0] == alone
    np.testing.assert_allclose(adjusted_p_values(tests[:3]), alone)
    np.testing.assert_allclose(tests[1].t_star(), -tests[0].t_star(), rtol=1e-9)
    assert np.corrcoef(tests[0].t_star(), tests[3].t_star())[0, 1] > 0.8


def test_joint_reassignments(simulated: Simulated, cells: Cells) -> None:
    """The draws of placebo reassignment can be used alike: the same places adopt in all outcomes."""
    frame = simulated(8, effect=lambda _g, _e: 5.0)
    other = frame.assign(total=frame["n"] * simulated(9)["value"])
    fits = [callaway_santanna(cells(part, cluster=None), EstimatorOptions()) for part in (frame, other)]
    assigned = reassignments(fits[0], draws=299, seed=10)
    tests = [placebo_test(fit, fit.index(aggregation="overall")[:1], assigned) for fit in fits]
    p = romano_wolf(np.array([x.observed[0] for x in tests]), np.column_stack([x.draws[:, 0] for x in tests]))
    assert p[0] == 1 / 300
    assert p[1] == tests[1].p_value[0] > 0.05


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_one_false_finding_in_twenty_families(correlation: float) -> None:
    """1,000 families of 20 outcomes without effects, draws of the same law: 5 % with a finding.

    Tolerance 3 Monte-Carlo errors of 0.7 points, and (B+1)·5 % is a whole number, so that the level is exact.
    """
    rng = np.random.default_rng(11)

    def draw(n: int) -> FloatArray:
        common = rng.normal(size=(n, 1))
        return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=(n, 20))

    found = sum(romano_wolf(t, draw(199)).min() <= 0.05 for t in draw(1_000))
    assert abs(found / 1_000 - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / 1_000)


@pytest.mark.slow
def test_family_error_with_few_clusters(simulated: Simulated, cells: Cells) -> None:
    """300 studies of 5 outcomes on 24 places, 6 treated: at most 5 % plus 3 Monte-Carlo errors of 1.3 points."""
    found = 0
    for seed in range(300):
        fits = []
        for outcome in range(5):
            frame = simulated(10 * seed + outcome, n_units=24, cohorts=(2014, np.nan, np.nan, np.nan))
            panel = cells(frame[frame["period"].between(2012, 2015)], cluster=None, weight=None)
            fits.append(callaway_santanna(panel, EstimatorOptions()))
        places = [fit.index(aggregation="overall")[0] for fit in fits]
        found += adjusted_p_values(joint_tests(fits, places, draws=399, seed=seed)).min() <= 0.05
    assert found / 300 <= 0.05 + 3 * 0.013
