"""Placebo reassignment: equal to estimating anew under every assignment, and of the right size."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, sum_by
from kkz_eval.inference.randomisation import placebo_test, reassignments

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def slow_statistics(panel: CellPanel, options: EstimatorOptions, wanted: Fit, parameters: list[int]) -> FloatArray:
    """t of the parameters by the estimator itself; errors with the weights of averages taken as given."""
    fit = callaway_santanna(panel, options)
    by_unit = fit.extra["effects"].influence @ fit.extra["loading"].T
    labels, code = np.unique(fit.influence.clusters, return_inverse=True)
    error = np.sqrt((sum_by(code, len(labels), by_unit) ** 2).sum(axis=0))
    position = {parameter: p for p, parameter in enumerate(fit.parameters)}
    found = [position.get(wanted.parameters[p]) for p in parameters]
    return np.array([np.nan if p is None or error[p] < 1e-12 else fit.estimate[p] / error[p] for p in found])


def tried(fit: Fit) -> list[int]:
    """One parameter of each kind."""
    return [
        fit.index(**kind)[-1]
        for kind in (
            {"aggregation": "group_time"},
            {"aggregation": "overall"},
            {"aggregation": "group", "label": ""},
            {"aggregation": "calendar", "label": ""},
            {"aggregation": "event", "event_time": 1},
            {"aggregation": "event", "event_time": -3},
            {"aggregation": "group", "label": "overall"},
            {"aggregation": "event", "label": "overall"},
        )
    ]


@pytest.mark.parametrize(
    "options",
    [{}, {"control_group": "never_treated", "base_period": "varying"}, {"anticipation": 1}, {"weighted": False}],
)
@pytest.mark.parametrize("missing", [False, True])
def test_equals_the_estimator_under_every_assignment(
    options: dict[str, object], missing: bool, simulated: Simulated, cells: Cells
) -> None:
    frame = simulated(1, n_units=18, n_clusters=8, periods=range(2011, 2020))
    panel = cells(frame.sample(frac=0.93, random_state=2) if missing else frame)
    chosen = EstimatorOptions(**options)
    fit = callaway_santanna(panel, chosen)
    parameters = tried(fit)
    assigned = reassignments(fit, draws=12, seed=3)
    assert not assigned.is_complete
    test = placebo_test(fit, parameters, assigned)
    sample = fit.extra["sample"].panel
    for row, cohort in zip(test.draws, assigned.cohort, strict=True):
        again = slow_statistics(replace(sample, cohort=cohort), chosen, fit, parameters)
        np.testing.assert_allclose(row, again, rtol=1e-8)
    np.testing.assert_allclose(test.observed, slow_statistics(panel, chosen, fit, parameters), rtol=1e-8)
    assert np.isfinite(test.observed).all()
    reaches = np.abs(test.draws) >= np.abs(test.observed) - 1e-12
    np.testing.assert_allclose(test.p_value, (1 + (reaches | np.isnan(test.draws)).sum(axis=0)) / 13)


def test_all_distinct_assignments_against_brute_force(simulated: Simulated, cells: Cells) -> None:
    """Seven units, two adopting in 2014 and one in 2017: 7!/(2!·1!·4!) = 105 assignments."""
    frame = simulated(4, n_units=7, cohorts=(2014, np.nan, 2017, np.nan, 2014, np.nan, np.nan))
    panel = cells(frame, cluster=None)
    options = EstimatorOptions()
    fit = callaway_santanna(panel, options)
    (overall,) = fit.index(aggregation="overall")
    assigned = reassignments(fit, draws=105, seed=1)
    assert assigned.is_complete
    distinct = sorted(set(permutations(panel.cohort.tolist())))
    assert sorted(map(tuple, assigned.cohort.tolist())) == distinct
    test = placebo_test(fit, [overall], assigned)
    slow = np.array([slow_statistics(replace(panel, cohort=np.array(c)), options, fit, [overall]) for c in distinct])
    observed = slow_statistics(panel, options, fit, [overall])
    assert test.p_value[0] == np.mean(np.abs(slow) >= np.abs(observed) - 1e-10)
    assert not reassignments(fit, draws=104, seed=1).is_complete


def test_strata_and_blocks_are_kept(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(5, n_units=24, n_clusters=24)
    fit = callaway_santanna(cells(frame), EstimatorOptions())
    panel = fit.extra["sample"].panel
    strata = np.array(["small", "large"])[np.arange(24) // 12]
    assigned = reassignments(fit, draws=50, seed=6, strata=strata)
    for part in ("small", "large"):
        inside = np.sort(assigned.cohort[:, strata == part], axis=1)
        np.testing.assert_array_equal(inside, np.repeat(np.sort(panel.cohort[strata == part])[None], 50, axis=0))
    assert len(np.unique(assigned.cohort, axis=0)) > 40
    np.testing.assert_array_equal(assigned.cohort, reassignments(fit, draws=50, seed=6, strata=strata).cohort)
    paired = replace(panel, cohort=np.repeat(panel.cohort[:12], 2))
    fit = callaway_santanna(paired, EstimatorOptions())
    together = reassignments(fit, draws=50, seed=6, blocks=np.repeat([f"b{i:02d}" for i in range(12)], 2)).cohort
    np.testing.assert_array_equal(together[:, ::2], together[:, 1::2])


def test_what_cannot_be_reassigned_says_so(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(7))
    fit = callaway_santanna(panel, EstimatorOptions())
    with pytest.raises(EstimationError, match="needs callaway_santanna in design panel"):
        reassignments(two_way_fixed_effects(panel, EstimatorOptions()), draws=10, seed=1)
    with pytest.raises(EstimationError, match="needs callaway_santanna in design panel"):
        reassignments(callaway_santanna(panel, EstimatorOptions(design="cross_section")), draws=10, seed=1)
    with pytest.raises(EstimationError, match="strata has 3 labels"):
        reassignments(fit, draws=10, seed=1, strata=np.array(["a", "b", "c"]))
    with pytest.raises(EstimationError, match="adopt in different periods"):
        reassignments(fit, draws=10, seed=1, blocks=np.array(["a"] * len(panel.units)))


def test_a_large_effect_is_found_and_the_smallest_p_is_one_over_all(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(8, effect=lambda _g, _e: 30.0)
    fit = callaway_santanna(cells(frame, cluster=None), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    test = placebo_test(fit, [overall], reassignments(fit, draws=199, seed=9))
    assert test.p_value[0] == 1 / 200
    assert test.n_missing[0] == 0


def test_exact_size_over_all_data_of_one_draw(simulated: Simulated, cells: Cells) -> None:
    """Under exchange of all assignments, p ≤ 0.1 for at most one tenth of them, whichever was the observed one."""
    frame = simulated(10, n_units=8, cohorts=(2014, np.nan, np.nan, np.nan))
    panel = cells(frame, cluster=None)
    fit = callaway_santanna(panel, EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assigned = reassignments(fit, draws=28, seed=1)
    p_values = []
    for cohort in assigned.cohort:
        again = callaway_santanna(replace(panel, cohort=cohort), EstimatorOptions())
        p_values.append(placebo_test(again, [overall], assigned).p_value[0])
    assert len(p_values) == 28
    assert np.mean(np.array(p_values) <= 0.1) <= 0.1
    np.testing.assert_allclose(np.sort(p_values), np.arange(1, 29) / 28)
