"""Chance and gaps: known rows in; the right sentence and table out, in both languages, also with tables missing."""

from typing import Any

import pandas as pd
import pytest
from released_tables import FORBIDDEN, GAP, few, meta, released

from kkz_eval.report.calculation_tables import CalculationTables
from kkz_eval.report.chance import chance_words, chances
from kkz_eval.report.gaps import gap_words
from kkz_eval.report.html import render
from kkz_eval.report.locale import NBSP
from kkz_eval.report.meta import LANGUAGES, Language, OutcomeMeta
from kkz_eval.report.tables import Tables
from kkz_eval.report.texts import load
from kkz_eval.report.wording import Wording

A = OutcomeMeta("a", "Alpha", "Alpha", "share", "lower", "primary", "school_entry_exam")
B = OutcomeMeta("b", "Beta", "Beta", "share", "higher", "secondary", "school_entry_exam")
C = OutcomeMeta("c", "Gamma", "Gamma", "cm", "higher", "placebo", "school_entry_exam")
META = meta(outcomes=(A, B, C))


def _cross_check(**changes: dict[str, Any]) -> dict[str, pd.DataFrame]:
    rows = [
        {"outcome": "a", "p_value": 0.001, "p_wild": 0.002, "p_placebo": 0.003, "p_family": 0.004},
        {"outcome": "b", "p_value": 0.03, "p_wild": 0.2, "p_placebo": None, "p_family": 0.4},
        {"outcome": "c", "p_value": 0.01, "p_wild": 0.01, "p_placebo": 0.01, "p_family": 0.01},
    ]
    return {"cross_check": pd.DataFrame([{"status": "estimated", **r, **changes.get(r["outcome"], {})} for r in rows])}


def test_chance_counts_without_counter_checks_and_names_what_is_left() -> None:
    german = chance_words(Wording(_cross_check(), META, "de"))
    assert "Von 2 untersuchten Merkmalen wäre allein durch Zufall kaum eines auffällig (p unter 0,05)." in german
    assert "Einzeln betrachtet sind auffällig: 2." in german
    assert "bleiben auffällig: 1 („Alpha“)" in german
    english = chance_words(Wording(_cross_check(a={"p_family": 0.3}), META, "en"))
    assert "After correction for many outcomes, none stands out." in english
    assert not FORBIDDEN.search(german + english)


def test_about_one_of_sixteen_stands_out_by_luck() -> None:
    outcomes = tuple(OutcomeMeta(f"y{i}", f"Y{i}", f"Y{i}", "share", "lower", "secondary", "x") for i in range(16))
    frame = pd.DataFrame({"outcome": [o.name for o in outcomes], "p_value": 0.5, "p_family": 0.9})
    said = chance_words(Wording({"cross_check": frame}, meta(outcomes=outcomes), "en"))
    assert said.startswith("Of 16 outcomes looked at, about one would stand out by luck alone (p below 0.05).")
    assert "Taken one by one, those standing out: 0." in said


def test_chance_table_has_four_values_and_marks_what_is_missing() -> None:
    wording = Wording(_cross_check(), META, "de")
    table = CalculationTables(Tables(wording)).chance()
    assert table.body[0] == ("Alpha", "0,001", "0,002", "0,003", "0,004")
    assert table.body[1] == ("Beta", "0,030", "0,200", "–", "0,400")
    assert table.groups[2] == load("de")("roles.placebo")


def test_chance_of_an_outcome_that_could_not_be_estimated_or_was_kept_back() -> None:
    gone = {"p_value": None, "p_wild": None, "p_placebo": None, "p_family": None}
    tables = _cross_check(a={**gone, "status": "not estimable"}, b={**gone, "status": "suppressed"})
    body = CalculationTables(Tables(Wording(tables, META, "de"))).chance().body
    assert body[0][1:] == ("–",) * 4 and body[1][1:] == ("·",) * 4
    assert chance_words(Wording(tables, META, "de")) == load("de")("chance.none")


def test_releases_without_the_table_or_some_of_its_columns() -> None:
    assert chances({}, META) == []
    assert chance_words(Wording({}, META, "en")) == load("en")("chance.none")
    narrow = {"cross_check": pd.DataFrame({"outcome": ["a"], "p_value": [0.2]})}
    assert CalculationTables(Tables(Wording(narrow, META, "en"))).chance().body == (("Alpha", "0.200", "–", "–", "–"),)


def _gap(outcome: str, first: float, second: float, half: float) -> list[dict[str, Any]]:
    base = {"outcome": outcome, "aggregation": "overall", "status": "estimated"}
    values = {"first": first, "second": second, "first minus second": first - second}
    return [
        {**base, "comparison": f"{GAP.name}: {side}", "estimate": value, "ci_low": value - half,
         "ci_high": value + half, "estimator": "triple_differences" if "minus" in side else "callaway_santanna"}
        for side, value in values.items()
    ]  # fmt: skip


def _gap_tables(*rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return {"effects": pd.DataFrame([row for group in rows for row in group])}


def _plain(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell.replace(NBSP, " ") for cell in row)


def test_gap_table_has_both_groups_and_the_difference() -> None:
    wording = Wording(_gap_tables(_gap("a", -0.05, -0.01, 0.02), _gap("c", 0.5, 0.2, 1.0)), META, "de")
    table = CalculationTables(Tables(wording)).gap(GAP)
    assert table.heads[1:] == (
        "andere Familiensprache", "deutsche Familiensprache",
        "Unterschied (erste minus zweite Gruppe)",
    )  # fmt: skip
    assert _plain(table.body[0]) == ("Alpha ↓", "−5,0 (−7,0 bis −3,0)", "−1,0 (−3,0 bis +1,0)", "−4,0 (−6,0 bis −2,0)")
    assert table.body[1][0] == "Gamma" and "cm" in table.body[1][1]
    assert table.groups == (load("de")("roles.primary"), load("de")("roles.placebo"))


def test_gap_sentence_says_who_gained_more_by_the_wanted_direction() -> None:
    tables = _gap_tables(_gap("a", -0.05, -0.01, 0.02), _gap("b", -0.05, -0.01, 0.02), _gap("c", 9.0, 0.0, 0.1))
    said = gap_words(Wording(tables, META, "en"), GAP)
    assert "For “Alpha” the group “another home language” moved further in the wanted direction" in said
    assert "for “Beta” the group “German at home” moved further" in said
    assert "Gamma" not in said and "stays open" not in said
    open_ = gap_words(Wording(_gap_tables(_gap("a", -0.02, -0.01, 0.02)), META, "de"), GAP)
    assert open_ == "Bei 1 von 1 Merkmalen bleibt offen, ob sich der Abstand verändert hat."
    assert not FORBIDDEN.search(said + open_)


def test_gap_that_could_not_be_estimated() -> None:
    row = {"outcome": "a", "comparison": f"{GAP.name}: first minus second", "estimator": "triple_differences",
           "aggregation": "overall", "status": "not estimable", "note": "no cells"}  # fmt: skip
    wording = Wording({"effects": pd.DataFrame([row])}, META, "de")
    assert CalculationTables(Tables(wording)).gap(GAP).body == ((f"Alpha{NBSP}↓", "–", "–", "–"),)
    assert gap_words(wording, GAP) == load("de")("gap.none")


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_shows_chance_and_gaps(language: Language) -> None:
    page = render(released(), few("german_insufficient", "height"), language)
    words = load(language)
    effects = page.split('<section id="effects">')[1].split("</section>")[0]
    assert words("table.chance") in effects and words("chance.columns") in effects
    gaps = page.split('<section id="gaps">')[1].split("</section>")[0]
    assert GAP.label(language) in gaps and words("table.gap") in gaps
    assert f'href="#gaps">{words("section.gaps")}' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_releases_of_before_still_give_a_page(language: Language) -> None:
    old = {name: frame for name, frame in released().items() if name != "cross_check"}
    old["effects"] = old["effects"][~old["effects"]["comparison"].str.contains(":")]
    page = render(old, few("german_insufficient", gaps=(), estimators=()), language)
    assert load(language)("label.chance") not in page
    assert '<section id="gaps"' not in page and 'href="#gaps"' not in page
    assert 'id="figure-curve-german_insufficient"' in page
