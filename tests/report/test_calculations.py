"""Calculations side by side: known rows in; the right counts, rows, reasons and picture out."""

import re
from typing import Any

import pandas as pd
import pytest
from released_tables import FORBIDDEN, GAP, NO_WINDOW, few, meta, released

from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.report.calculation_tables import CalculationTables
from kkz_eval.report.calculations import agreement, agreement_words, reason, reasons
from kkz_eval.report.figures import specification_curve, theme
from kkz_eval.report.html import render
from kkz_eval.report.meta import LANGUAGES, Language, OutcomeMeta
from kkz_eval.report.outcome_parts import OutcomeParts
from kkz_eval.report.results import Results
from kkz_eval.report.tables import Tables
from kkz_eval.report.texts import load
from kkz_eval.report.wording import Wording

OUTCOME = OutcomeMeta("y", "Ypsilon", "Upsilon", "share", "lower", "primary", "school_entry_exam")
META = meta(
    outcomes=(OUTCOME,), main_estimator="callaway_santanna_adjusted",
    estimators=("callaway_santanna_adjusted", "imputation", "etwfe", "event_study", "two_way_fixed_effects", "stacked"),
)  # fmt: skip
BASE: dict[str, Any] = {"outcome": "y", "comparison": "main", "aggregation": "overall", "status": "estimated",
                        "n_units": 251, "n_clusters": 44, "p_value": 0.02}  # fmt: skip
ROWS = (
    {"estimator": "two_way_fixed_effects", "aggregation": "static", "estimate": -0.01, "ci_low": -0.03,
     "ci_high": 0.01},
    {"estimator": "event_study", "aggregation": "event", "estimate": 0.01, "ci_low": -0.01, "ci_high": 0.03},
    {"estimator": "etwfe", "estimate": -0.03, "ci_low": -0.05, "ci_high": -0.01},
    {"estimator": "imputation", "estimate": -0.03, "ci_low": -0.05, "ci_high": -0.01},
    {"estimator": "callaway_santanna_adjusted", "estimate": -0.02, "ci_low": -0.04, "ci_high": -0.005},
    {"estimator": "stacked", "status": "not estimable", "note": NO_WINDOW, "n_units": 0, "n_clusters": 0,
     "p_value": None},
    {"estimator": "imputation", "comparison": "never_treated", "estimate": -0.04, "ci_low": -0.06, "ci_high": -0.02},
    # Not ordinary comparisons, not the one number of a calculation:
    {"estimator": "callaway_santanna", "comparison": "language_gap: first", "estimate": 9.0},
    {"estimator": "triple_differences", "comparison": "language_gap: first minus second", "estimate": 9.0},
    {"estimator": "imputation", "aggregation": "event", "estimate": 9.0},
    {"estimator": "bacon", "aggregation": "decomposition", "estimate": 9.0},
)  # fmt: skip


def _frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{**BASE, **row} for row in rows])


TABLES = {"effects": _frame(*ROWS)}


def _wording(language: Language = "de", tables: dict[str, pd.DataFrame] = TABLES) -> Wording:
    return Wording(tables, META, language)


def _tables(wording: Wording) -> CalculationTables:
    return CalculationTables(Tables(wording))


def test_calculations_come_main_first_then_in_the_order_of_the_plan() -> None:
    found = [(e.comparison, e.estimator) for e in Results(TABLES, META).calculations("y")]
    assert found == [
        ("main", "callaway_santanna_adjusted"), ("main", "imputation"), ("main", "etwfe"), ("main", "event_study"),
        ("main", "two_way_fixed_effects"), ("main", "stacked"), ("never_treated", "imputation"),
    ]  # fmt: skip


def test_single_regressions_can_stand_in_front() -> None:
    for estimator, value in (("event_study", 0.01), ("two_way_fixed_effects", -0.01)):
        main = Results(TABLES, meta(outcomes=(OUTCOME,), main_estimator=estimator)).overall("y")
        assert main is not None and (main.estimator, main.estimate) == (estimator, value)


def test_agreement_counts_direction_zero_and_equal_results() -> None:
    results = Results(TABLES, META)
    counted = agreement(results.calculations("y"), results.overall("y"))
    assert counted is not None
    assert (counted.n, counted.same, counted.clear, counted.distinct, counted.missing) == (6, 5, 4, 5, 1)
    assert counted.is_downward and (counted.low, counted.high) == (-0.04, 0.01)


def test_agreement_in_words_of_both_languages() -> None:
    german, english = (" ".join(agreement_words(_wording(language), OUTCOME)) for language in LANGUAGES)
    assert "Bei 5 von 6 Rechenwegen" in german and "bei 4 von 6 liegt die Null außerhalb" in german
    assert "nach unten" in german and "−4,0 bis +1,0 Prozentpunkte" in german
    assert "In 5 of 6 calculations" in english and "in 4 of 6 the range of uncertainty leaves out zero" in english
    assert not FORBIDDEN.search(german + english)


def test_without_a_main_result_the_others_are_counted_alone() -> None:
    rows = [dict(row) for row in ROWS]
    rows[4] |= {"estimate": None, "ci_low": None, "ci_high": None, "status": "not estimable"}
    said = agreement_words(_wording("en", {"effects": _frame(*rows)}), OUTCOME)
    assert said[0].startswith("The main result is missing. In 4 of 5 other calculations the change points downward")


def test_one_calculation_has_nothing_to_agree_with() -> None:
    assert agreement_words(_wording("de", {"effects": _frame(ROWS[4])}), OUTCOME) == []
    assert agreement_words(_wording("de", {}), OUTCOME) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_table_says_what_each_method_estimates_once(language: Language) -> None:
    words, table = load(language), _tables(_wording(language)).side_by_side(OUTCOME)
    assert len(table.body) == 7
    assert table.body[0][0] == words("calculations.main", estimator=words("estimator_short.callaway_santanna_adjusted"))
    assert table.body[1][6] == words("estimates_what.imputation")
    assert table.body[6][6] == words("calculations.as_above")
    assert table.body[5][1:6] == ("–",) * 5
    assert table.body[1][4:6] == ("251", "44")
    assert len(set(table.groups)) == 2


def test_estimates_in_the_table_are_in_the_unit_of_the_reader() -> None:
    row = _tables(_wording("de")).side_by_side(OUTCOME).body[0]
    assert row[1:4] == ("−2,0", "−4,0 bis −0,5", "0,020")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_estimator_has_names_and_says_what_it_estimates(language: Language) -> None:
    words = load(language)
    for estimator in ESTIMATORS:
        for group in ("estimator", "estimator_short", "estimates_what"):
            assert words.has(f"{group}.{estimator}"), (group, estimator)


def test_reasons_are_said_plainly_once_and_unknown_ones_are_kept() -> None:
    assert reasons(_wording("de"), OUTCOME) == [
        "Gestapelte Vergleiche: nicht schätzbar. Die Beitrittsjahre haben kein gemeinsames Zeitfenster mit Jahren vor "
        "und nach dem Beginn."
    ]
    assert reason("a new reason", load("en")) == "The program reports: a new reason"
    assert reason("", load("en")) == load("en")("reason.none")
    shares = "cells of bmi: 6732 values lie outside 0 to 1; the logit mean is for shares, use etwfe or etwfe_poisson."
    assert reason(shares, load("de")) == load("de")("reason.only_shares")


def test_a_method_that_could_not_adjust_says_so() -> None:
    row = {**ROWS[4], "note": "cells hold no covariates of children: not adjusted"}
    assert reasons(_wording("en", {"effects": _frame(row)}), OUTCOME) == [
        "Callaway–Sant’Anna, adjusted: " + load("en")("reason.not_adjusted")
    ]
    assert (
        OutcomeParts(_wording("en", {"effects": _frame(row)}))
        .outcomes("primary")[0]
        .basis.endswith(load("en")("reason.not_adjusted"))
    )


def _points(chart: Any) -> list[dict[str, Any]]:
    found = theme.styled(chart, "de").to_dict()  # checks the schema
    return next(values for values in found["datasets"].values() if "place" in values[0] and "kind" in values[0])


def test_curve_draws_each_calculation_once_in_order_and_marks_the_main_one() -> None:
    wording = _wording("de")
    found, main = wording.results.calculations("y"), wording.results.overall("y")
    chart = specification_curve.specification_curve(found, main, OUTCOME, wording)
    points = _points(chart)
    assert [round(point["estimate"], 6) for point in points] == [-4.0, -3.0, -3.0, -2.0, -1.0, 1.0]
    words = load("de")
    kinds = ["clear", "clear", "clear", "main", "open", "open"]
    assert [point["kind"] for point in points] == [words(f"chart.calculation_{kind}") for kind in kinds]
    drawn = theme.svg(theme.styled(chart, "de"), name="n", label="words")
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
    assert {words(f"chart.calculation_{kind}") for kind in kinds} <= set(texts)
    assert {"Imputation", "Feste Effekte", "Verfahren", "Vergleich"} <= set(texts)
    assert "Gestapelte Vergleiche" not in texts  # gave no estimate: its reason stands under the table
    assert any("Prozentpunkte" in said for said in texts)


def test_curve_in_words_names_both_ends() -> None:
    said = specification_curve.alternative(Results(TABLES, META).calculations("y"), OUTCOME, "en")
    assert "All 6 calculations" in said
    assert "−4.0 percentage points (Imputation)" in said and "+1.0 percentage points (Regression by years)" in said


def test_no_curve_for_a_single_calculation() -> None:
    wording = _wording("de", {"effects": _frame(ROWS[4], ROWS[5])})
    assert specification_curve.specification_curve(wording.results.calculations("y"), None, OUTCOME, wording) is None


def test_gaps_stay_out_of_comparisons_event_studies_and_the_main_choice() -> None:
    events = pd.DataFrame(
        [{**BASE, "comparison": f"{GAP.name}: first", "estimator": "callaway_santanna", "event_time": 1,
          "estimate": 9.0},
         {**BASE, "estimator": "callaway_santanna_adjusted", "event_time": 1, "estimate": 0.1}]
    )  # fmt: skip
    only_gaps = {"effects": _frame(ROWS[7], ROWS[8]), "event_study": events}
    results = Results(only_gaps, meta(outcomes=(OUTCOME,), main_estimator="other"))
    assert results.overall("y") is None and results.calculations("y") == []
    assert [row["estimate"] for row in results.event_study("y")] == [0.1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_shows_picture_and_table_for_primary_outcomes_only(language: Language) -> None:
    page = render(released(), few("german_insufficient", "mmr_two_doses"), language)
    words = load(language)
    primary = page.split('id="outcome-german_insufficient"')[1].split("</article>")[0]
    assert 'id="figure-curve-german_insufficient"' in primary
    assert words("table.side_by_side") in primary and words("reason.no_window") in primary
    secondary = page.split('id="outcome-mmr_two_doses"')[1].split("</article>")[0]
    assert words("table.side_by_side") not in secondary
    other = page.split(words("label.other"))[1].split("</details>")[0]
    assert words("estimator_short.sun_abraham") in other and GAP.name not in other
