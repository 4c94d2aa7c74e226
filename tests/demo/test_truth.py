"""The truth that is written down: linear in exposure, sub-tests adding up, exposure as the calendar says."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.demo import truth, write_demo
from kkz_eval.demo.effects import (
    EXAM_MONTHS,
    EXAM_SHARES,
    SUBTEST_EFFECTS,
    exam_exposure,
    exposure_years,
    full_years,
    kita_exposure,
)


def test_truth_is_linear_up_to_full_exposure() -> None:
    for outcome, own in truth().groupby("outcome"):
        effect = own.set_index("years_of_exposure")["effect"]
        assert list(effect.index) == [*"0123456", "full"]
        assert effect["0"] == 0
        for years in range(2, 7):
            reached = min(years, full_years(str(outcome)))
            assert effect[str(years)] == pytest.approx(reached * effect["1"], abs=4e-6), outcome
        assert effect["full"] == pytest.approx(full_years(str(outcome)) * effect["1"], abs=4e-6), outcome


def test_number_of_flagged_subtests_is_the_sum_of_the_nine() -> None:
    full = truth().query("years_of_exposure == 'full'").set_index("outcome")
    assert len(SUBTEST_EFFECTS) == 9
    assert full.loc["sopess_flagged", "effect"] == pytest.approx(sum(SUBTEST_EFFECTS.values()))
    for outcome in ("visuomotor_flagged", "counting_flagged", "coordination_flagged", "attention_flagged"):
        assert full.loc[outcome, "effect"] == SUBTEST_EFFECTS[outcome]
    assert full.loc[["hearing_finding", "height"], "effect"].tolist() == [0.0, 0.0]
    assert full["unit_of_measure"].value_counts().to_dict() == {
        "share": 14,
        "points": 1,
        "kg/m2": 1,
        "cm": 1,
        "months": 1,
    }


def test_exposure_runs_from_conception_or_start_to_measurement() -> None:
    birth = np.array([0.0])
    assert exposure_years(-np.inf, birth, 2000.0)[0] == pytest.approx((2000 + 280) / 365.25)
    assert exposure_years(-100.0, birth, 2000.0)[0] == pytest.approx(2100 / 365.25)
    assert exposure_years(3000.0, birth, 2000.0)[0] == 0
    assert exposure_years(np.inf, birth, 2000.0)[0] == 0


def test_exposure_of_cohorts_agrees_with_the_calendar_of_entry(shared: Path) -> None:
    text = (shared / "data" / "reference" / "exposure_by_cohort.csv").read_text(encoding="utf-8")
    compared = 0
    for row in csv.DictReader(text.splitlines()):
        wave, entry = int(row["welle"]), int(row["einschulung_aug"])
        if 2011 <= entry <= 2025:
            expected = float(row["exposition_jahre_seu_ab_schwangerschaft"])
            assert exam_exposure(wave, entry) == pytest.approx(expected, abs=0.15)
            compared += 1
    assert compared > 40


def test_exams_centre_on_january_of_the_entry_year() -> None:
    assert sum(EXAM_SHARES) == pytest.approx(1)
    assert abs(np.dot(EXAM_MONTHS, EXAM_SHARES)) < 0.5


def test_kita_exposure_cannot_exceed_a_young_childs_life() -> None:
    assert kita_exposure(2012, 2024, {1: 1.0}) == pytest.approx(1.42 + 0.77, abs=0.05)
    assert kita_exposure(2012, 2024, {4: 1.0}) == pytest.approx(4.42 + 0.77, abs=0.05)
    assert kita_exposure(2012, 2013, {4: 1.0}) == pytest.approx(1.67, abs=0.01)
    assert kita_exposure(2012, 2011, {4: 1.0}) == 0


def test_files_state_the_same_truth_and_a_world_without_effects_says_so(
    inbox: Path, tmp_path: Path, small_lists: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    pd.testing.assert_frame_equal(pd.read_csv(inbox.parent / "truth.csv"), truth(), check_dtype=False)
    effects = pd.read_csv(inbox.parent / "effects.csv").set_index(["outcome", "wave", "period"])
    full = truth().query("years_of_exposure == 'full'").set_index("outcome")["effect"]
    for outcome in ("german_insufficient", "sopess_flagged", "gymnasium", "bmi"):
        assert effects.loc[(outcome, 2012, 2011), "effect"] == 0
        assert effects.loc[(outcome, 2012, 2019), "effect"] == pytest.approx(full[outcome], rel=0.01)
        assert effects.loc[(outcome, 2017, 2019), "effect"] == pytest.approx(full[outcome] * 2.05 / 6.56, rel=0.02)
    write_demo(tmp_path / "inbox", *small_lists, scale=0.002, effects=False)
    for name in ("truth.csv", "effects.csv"):
        assert (pd.read_csv(tmp_path / name)["effect"] == 0).all()
