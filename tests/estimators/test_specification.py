"""A specification gives rows: complete, without NaN, the same every time."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Estimate, estimates_frame
from kkz_eval.evaluation.specification import Specification, run_specification

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def assert_well_formed(rows: list[Estimate]) -> None:
    for row in rows:
        for value in dataclasses.astuple(row):
            assert not (isinstance(value, float) and not math.isfinite(value)), row
        if row.std_error is not None and row.estimate is not None:
            assert row.ci_low < row.estimate < row.ci_high
            assert 0 <= row.p_value <= 1
        if row.band_low is not None:
            assert row.aggregation == "event"
            assert row.band_low <= row.ci_low
            assert row.ci_high <= row.band_high
        if row.status == "not estimable":
            assert row.note
            assert row.std_error is None
        elif row.aggregation != "pretest":
            assert (row.std_error is None) == ("reference period" in row.note)


@pytest.mark.parametrize("inference", ["jackknife", "analytic"])
@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_way_fixed_effects", "event_study"])
def test_rows_are_complete(estimator: str, inference: str, simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(1))
    rows = run_specification(panel, Specification("all", estimator=estimator, inference=inference, draws=500))
    assert_well_formed(rows)
    kinds = [row.aggregation for row in rows]
    if estimator == "two_way_fixed_effects":
        assert kinds == ["static"]
        return
    event = {row.event_time for row in rows if row.aggregation == "event"}
    assert event == {*range(-7, 6), None}
    assert kinds.count("pretest") == 1
    if estimator == "callaway_santanna":
        assert kinds.count("group_time") == 2 * 10
        assert [row.cohort for row in rows if row.aggregation == "group"] == [2014, 2017, None]
        assert [row.period for row in rows if row.aggregation == "calendar"] == [*range(2014, 2020), None]
        assert kinds.count("overall") == 1


def test_the_same_specification_gives_the_same_rows(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(2)
    specification = Specification("all", draws=500)
    rows = run_specification(cells(frame), specification)
    assert rows == run_specification(cells(frame.sample(frac=1, random_state=3)), specification)
    other = run_specification(cells(frame), dataclasses.replace(specification, seed=1))
    assert [r.estimate for r in rows] == [r.estimate for r in other]


def test_a_cohort_in_one_cluster_keeps_its_rows(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(3)
    frame.loc[frame["cohort"] == 2017, "kreis"] = "k99"
    rows = run_specification(cells(frame), Specification("all", draws=500))
    assert_well_formed(rows)
    (row,) = [r for r in rows if (r.aggregation, r.cohort) == ("group", 2017)]
    assert row.status == "not estimable"
    assert row.estimate is not None
    assert row.note.startswith("rests on one treated cluster")


def test_what_does_not_exist_is_a_row_with_a_reason(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(4)
    gone = (frame["cohort"] == 2014) & (frame["period"] == 2016)
    rows = run_specification(cells(frame[~gone]), Specification("all", draws=500))
    assert_well_formed(rows)
    (row,) = [r for r in rows if (r.aggregation, r.cohort, r.period) == ("group_time", 2014, 2016)]
    assert (row.estimate, row.status) == (None, "not estimable")
    assert "no treated unit with values in both periods" in row.note


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_way_fixed_effects", "event_study"])
def test_when_nothing_can_be_estimated_one_row_says_so(estimator: str, simulated: Simulated, cells: Cells) -> None:
    late = simulated(5)
    panel = cells(late[late["period"] >= 2017])
    (row,) = run_specification(panel, Specification("all", estimator=estimator))
    assert row.status == "not estimable"
    assert "add" in row.note
    assert_well_formed([row])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("estimator", "ols", "there is no estimator ols; choose one of callaway_santanna, two_way"),
        ("inference", "bootstrap", "inference = 'bootstrap' is not known; choose analytic or jackknife"),
        ("control_group", "never", "control_group = 'never' is not known; choose never_treated or not_yet_treated"),
        ("base_period", "first", "base_period = 'first' is not known; choose varying or universal"),
        ("design", "rc", "design = 'rc' is not known; choose panel or cross_section or unbalanced"),
        ("anticipation", -1, "anticipation = -1 is negative"),
        ("confidence_level", 95.0, "confidence_level = 95.0 is not between 0 and 1"),
        ("draws", 10, "draws = 10 is too few"),
    ],
)
def test_unknown_choices_are_refused_with_those_there_are(field: str, value: object, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        Specification("all", **{field: value})


def test_official_rates_have_no_number_of_children(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(7), n=None, total=None, total_of_squares=None, value="value")
    rows = run_specification(panel, Specification("all", draws=500))
    assert_well_formed(rows)
    assert all(row.n is None for row in rows)


def test_pretest_finds_a_drift_and_tests_no_more_than_clusters_allow(simulated: Simulated, cells: Cells) -> None:
    frame = simulated(8)
    calm = run_specification(cells(frame), Specification("all", draws=500))[-1]
    drift = frame["total"] + frame["n"] * 2.0 * (frame["period"] - 2010) * frame["cohort"].notna()
    drifting = run_specification(cells(frame.assign(total=drift)), Specification("all", draws=500))[-1]
    assert drifting.p_value < 0.001 < calm.p_value
    assert calm.aggregation == "pretest"
    assert calm.df >= 1
    assert "joint test of" in calm.note


def test_confidence_level_and_weights_are_used(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(9))
    narrow, wide = (
        run_specification(panel, Specification("all", confidence_level=level, draws=500)) for level in (0.8, 0.99)
    )
    for one, other in zip(narrow, wide, strict=True):
        if one.ci_low is not None:
            assert other.ci_low < one.ci_low
    unweighted = run_specification(panel, Specification("all", weighted=False, draws=500))
    equal = run_specification(cells(simulated(9), weight=None), Specification("all", draws=500))
    assert unweighted == equal
    assert any(a.estimate != b.estimate for a, b in zip(narrow, unweighted, strict=True))


def test_rows_become_a_frame_with_nulls(simulated: Simulated, cells: Cells) -> None:
    rows = run_specification(cells(simulated(10)), Specification("all", draws=500))
    frame = estimates_frame(rows)
    assert list(frame.columns) == [field.name for field in dataclasses.fields(Estimate)]
    assert len(frame) == len(rows)
    assert frame["event_time"].dtype == "Int64"
    assert frame.loc[frame["aggregation"] == "overall", "cohort"].isna().all()
    assert not np.isnan(frame["estimate"].dropna().to_numpy(dtype=float)).any()
