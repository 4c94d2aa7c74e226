"""Status words, first years and the three sentences follow from the released rows by rule."""

from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
from released_tables import few, meta, released

from kkz_eval.report.frames import rows
from kkz_eval.report.horizon import horizons, is_fully_seen
from kkz_eval.report.html import main_findings
from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.results import Effect, Results, Verdict, verdict
from kkz_eval.report.wording import Wording

LOWER = OutcomeMeta("y", "Ypsilon", "Upsilon", "share", "lower", "primary", "school_entry_exam")
HIGHER = replace(LOWER, direction="higher")
PLACEBO = replace(LOWER, role="placebo")


def _effect(low: float | None, high: float | None, status: str = "estimated") -> Effect:
    middle = None if low is None or high is None else (low + high) / 2
    return Effect("y", "main", "a", "overall", None, middle, low, high, 0.5, 100.0, 20.0, 10.0, status, "")


@pytest.mark.parametrize(
    ("outcome", "low", "high", "word"),
    [
        (LOWER, -0.03, -0.01, Verdict.SEEN),
        (HIGHER, 0.01, 0.03, Verdict.SEEN),
        (LOWER, 0.01, 0.03, Verdict.UNWANTED),
        (HIGHER, -0.03, -0.01, Verdict.UNWANTED),
        (LOWER, -0.03, 0.01, Verdict.UNDECIDED),
        (LOWER, -0.03, 0.0, Verdict.UNDECIDED),
        (HIGHER, 0.0, 0.03, Verdict.UNDECIDED),
        (PLACEBO, -0.03, 0.01, Verdict.CHECK_CLEAR),
        (PLACEBO, -0.03, -0.01, Verdict.CHECK_ALARM),
        (PLACEBO, 0.01, 0.03, Verdict.CHECK_ALARM),
    ],
)
def test_status_word_follows_from_the_interval(outcome: OutcomeMeta, low: float, high: float, word: Verdict) -> None:
    assert verdict(_effect(low, high), outcome) is word


def test_status_word_without_numbers() -> None:
    assert verdict(None, LOWER) is Verdict.NOT_ESTIMABLE
    assert verdict(_effect(None, None, "not estimable"), LOWER) is Verdict.NOT_ESTIMABLE
    assert verdict(_effect(None, None, "suppressed"), LOWER) is Verdict.SUPPRESSED


def _effects(*entries: dict[str, Any]) -> dict[str, pd.DataFrame]:
    base = {"outcome": "y", "comparison": "main", "estimator": "a", "aggregation": "overall", "status": "estimated"}
    return {"effects": pd.DataFrame([{**base, **entry} for entry in entries])}


def test_main_comparison_and_estimator_stand_in_front() -> None:
    tables = _effects(
        {"estimate": 1.0, "comparison": "other"}, {"estimate": 2.0, "estimator": "b"}, {"estimate": 3.0}
    )  # fmt: skip
    results = Results(tables, meta(outcomes=(LOWER,), main_estimator="b"))
    main = results.overall("y")
    assert main is not None and main.estimate == 2.0
    assert [effect.estimate for effect in results.other_calculations("y")] == [3.0, 1.0]


def test_another_estimator_steps_in_and_is_named() -> None:
    wording = Wording(_effects({"estimate": 3.0}), meta(outcomes=(LOWER,), main_estimator="missing"), "en")
    assert wording.results.estimator("y") == "a"
    assert "Method: a." in wording.specification(LOWER)


def _exposure(*entries: tuple[int, int, float, bool, bool]) -> dict[str, pd.DataFrame]:
    """wave, period, years, fully exposed, can be known now."""
    return {
        "exposure": pd.DataFrame(
            [
                {"outcome": "y", "wave": wave, "period": period, "years_under_programme": years,
                 "is_exposed": years > 0,
                 "share_of_full": years / 6.5, "is_fully_exposed": full, "first_exposed_period": wave + 1,
                 "first_exposed_year": wave + 3, "first_fully_exposed_period": wave + 7,
                 "first_fully_exposed_year": wave + 9, "can_be_known_now": known}
                for wave, period, years, full, known in entries
            ]
        )
    }  # fmt: skip


def test_only_measured_cohorts_count_as_seen() -> None:
    tables = _exposure((2012, 2016, 4.0, False, True), (2012, 2019, 6.5, True, False))
    wave = horizons(tables, meta(outcomes=(LOWER,)))["y"][0]
    assert (wave.most_years, wave.latest_period, wave.full_year) == (4.0, 2016, 2021)
    assert not is_fully_seen((wave,))


def test_report_says_plainly_that_no_cohort_was_fully_exposed() -> None:
    tables = _exposure((2012, 2016, 4.0, False, True), (2012, 2019, 6.5, True, False)) | _effects(
        {"estimate": -0.02, "ci_low": -0.03, "ci_high": -0.01}
    )
    wording = Wording(tables, meta(outcomes=(LOWER,), as_of=date(2018, 12, 31)), "de")
    assert "Noch kein gemessener Jahrgang" in wording.not_full(LOWER)
    assert "2021" in wording.not_full(LOWER)
    assert "„Ypsilon“ noch nicht wissen" in wording.findings()[2]


def test_series_that_ends_early_has_not_measured_later_cohorts() -> None:
    exposure = _exposure((2012, 2016, 4.0, False, True), (2012, 2019, 6.5, True, True))
    means = {
        "description": pd.DataFrame({"outcome": ["y"], "comparison_group": ["never"], "period": [2016], "mean": 0.1})
    }
    study = meta(outcomes=(LOWER,))
    assert Wording(exposure, study, "en").not_full(LOWER) == ""
    wording = Wording(exposure | means, study, "en")
    assert wording.horizons["y"][0].most_years == 4.0
    assert "the data end before the first cohort" in wording.not_full(LOWER)
    assert wording.findings()[2].startswith("For “Upsilon” the data end")


def test_no_such_sentence_once_a_cohort_was_fully_exposed() -> None:
    wording = Wording(_exposure((2012, 2019, 6.5, True, True)), meta(outcomes=(LOWER,)), "de")
    assert wording.not_full(LOWER) == ""
    assert [outcome for outcome, _ in wording.waiting()] == []


def test_three_sentences_in_each_language_with_the_numbers_of_the_language() -> None:
    tables = _effects({"estimate": -0.02, "ci_low": -0.035, "ci_high": -0.005})
    german = main_findings(tables, meta(outcomes=(LOWER,)), "de")
    english = main_findings(tables, meta(outcomes=(LOWER,)), "en")
    assert len(german) == len(english) == 3
    assert "−2,0 Prozentpunkte, Unsicherheitsbereich −3,5 bis −0,5" in german[0]
    assert "−2.0 percentage points, range of uncertainty −3.5 to −0.5" in english[0]
    assert german[0].startswith("Ergebnis bei den Hauptmerkmalen: Wirkung gesehen bei „Ypsilon“")


def test_sentences_do_not_need_any_table() -> None:
    for language in ("de", "en"):
        assert all(main_findings({}, meta(), language))  # type: ignore[arg-type]


def test_cautions_name_drifting_outcomes_alarms_and_thin_years() -> None:
    tables = released()
    study = few("mmr_two_doses", "height")
    assert any("Zwei MMR-Impfungen" in said for said in Wording(tables, study, "de").cautions())
    assert any("2020, 2021 und 2022" in said for said in Wording(tables, study, "de").cautions())
    effects = tables["effects"].copy()
    effects.loc[effects["outcome"] == "height", ["ci_low", "ci_high"]] = [0.2, 0.9]
    alarmed = Wording(tables | {"effects": effects}, study, "en").cautions()
    assert any("Height" in said for said in alarmed)


def test_order_and_kind_of_empty_values_do_not_matter() -> None:
    frame = pd.DataFrame({"outcome": ["b", "a", "a"], "cohort": [None, 2013, float("nan")]})
    found = rows({"effects": frame}, "effects")
    assert (found[0]["outcome"], found[0]["cohort"]) == ("a", 2013)
    assert rows({"effects": frame.iloc[::-1]}, "effects")[0] == found[0]
