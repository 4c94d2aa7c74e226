"""The opening pages: which sentence follows from which number, and the picture of what could be seen when."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from opening_tables import smallest
from released_tables import FORBIDDEN, few, meta, released

from kkz_eval.report.figures import seen_when
from kkz_eval.report.front.changes import Changes, changes
from kkz_eval.report.front.page import FrontPage
from kkz_eval.report.front.records import Opening, opening_of
from kkz_eval.report.front.signal import signals
from kkz_eval.report.front.words import FrontWords
from kkz_eval.report.html import main_findings, render
from kkz_eval.report.meta import LANGUAGES, Language, OutcomeMeta
from kkz_eval.report.results import Results, Verdict
from kkz_eval.report.sections import Sections
from kkz_eval.report.wording import Wording

Frames = dict[str, pd.DataFrame]
GERMAN, SOPESS, CHECKUPS = "german_insufficient", "sopess_flagged", "u8_u9_complete"
NEW = ("detectability", "looks", "dose_response", "placebo_adoption", "sensitivity", "early_signal", "cost")


@pytest.fixture(scope="module")
def tables() -> Frames:
    return released()


def _outcome(name: str) -> OutcomeMeta:
    return few(name).outcomes[0]


def _front(tables: Frames, name: str, language: Language = "de", **more: object) -> FrontWords:
    wording = Wording(tables, meta(**more), language)
    return FrontWords(wording, _outcome(name), opening_of(tables, name))


def _with(tables: Frames, table: str, where: dict[str, object], **values: object) -> Frames:
    """The tables with some cells replaced."""
    frame = tables[table].astype(object)
    chosen = pd.Series(True, index=frame.index)
    for column, value in where.items():
        chosen &= frame[column] == value
    for column, value in values.items():
        frame.loc[chosen, column] = value
    return {**tables, table: frame}


def _opening(tables: Frames, name: str = GERMAN) -> Opening:
    return opening_of(tables, name)


# 1 exposure


def test_children_with_all_of_it_and_the_waves_still_waiting(tables: Frames) -> None:
    said = " ".join(_front(tables, GERMAN).exposure())
    assert "bis zu 6,5 Jahre" in said and "die ganze frühe Kindheit" in said
    assert "wurde 2019 gemessen (Welle 2012)" in said
    assert "Welle 2020 (erst 2027)" in said


def test_children_with_a_part_alone_say_nothing_on_the_whole(tables: Frames) -> None:
    early = {**tables, "exposure": tables["exposure"].assign(can_be_known_now=lambda f: f["period"] <= 2015)}
    said = " ".join(_front(early, GERMAN).exposure())
    assert "höchstens 3,0 von 6,5 Jahren" in said and "allein nichts" in said
    assert "wird 2019 gemessen" in said


def test_unknown_exposure_is_said(tables: Frames) -> None:
    assert _front({**tables, "exposure": tables["exposure"].head(0)}, GERMAN).exposure() == [
        "Wie lange die gemessenen Kinder unter dem Programm lebten, ist nicht bekannt."
    ]


# 2 what could be seen


@pytest.mark.parametrize(
    ("name", "said"),
    [(GERMAN, "seit 2023. Dass vor 2023 nichts gefunden wurde, sagt nichts"),
     (CHECKUPS, "voraussichtlich erst 2027"), (SOPESS, "auch bis 2031 nicht")],
)  # fmt: skip
def test_the_year_from_which_an_effect_worth_knowing_stands_out(tables: Frames, name: str, said: str) -> None:
    assert any(said in sentence for sentence in _front(tables, name).visible())


def test_the_smallest_effect_of_today_and_how_often_it_is_found(tables: Frames) -> None:
    shown = f"{100 * smallest(2025):.1f}".replace(".", ",")
    first = _front(tables, GERMAN).visible()[0]
    assert first.startswith(
        f"Mit den Daten bis 2025 fällt eine Wirkung ab {shown} Prozentpunkten in etwa vier von fünf"
    )
    assert "in about 90 of 100 cases" in _front(tables, GERMAN, "en", power=0.9).visible()[0]


def test_strict_looks_trends_and_made_up_starts_are_told(tables: Frames) -> None:
    said = " ".join(_front(tables, GERMAN).visible())
    assert "bis 2025 in 73 von 100 Fällen gefunden. Bis 2027 sind es 91." in said
    assert "fielen erst Wirkungen ab 21,0 Prozentpunkten auf" in said
    assert "In 2.000 erfundenen Beitritten meldete die Rechnung in 4 von 100 Fällen" in said


def test_a_plan_without_looks_tells_nothing_of_them(tables: Frames) -> None:
    front = _front({**tables, "looks": tables["looks"].head(0)}, GERMAN)
    assert not any("Blick" in sentence for sentence in front.visible())
    assert front.seen()[0].startswith("Jährliche Blicke sind im Plan nicht vorgesehen")
    assert "Unsicherheitsbereich" in front.seen()[1]


def test_no_size_worth_knowing(tables: Frames) -> None:
    frames = {**tables, "detectability": tables["detectability"].assign(effect_worth_knowing=None, is_detectable=None)}
    assert "Der Plan nennt keine Größe, ab der eine Wirkung wissenswert ist." in _front(frames, GERMAN).visible()


def test_silence_is_explained_only_where_there_is_no_answer(tables: Frames) -> None:
    assert any("Dass nichts gefunden wird, sagt darum nichts" in said for said in _front(tables, SOPESS).visible())
    assert not any("sagt nichts" in said for said in _front(tables, CHECKUPS).visible())


def test_a_size_is_never_shown_as_nothing(tables: Frames) -> None:
    assert _front(tables, GERMAN).size(0.0003) == "0,03 Prozentpunkte"
    assert _front(tables, SOPESS).size_after(0.004) == "0,004 Punkten"


def test_an_effect_with_the_look_at_which_it_was_strong_enough(tables: Frames) -> None:
    said = " ".join(_front(tables, GERMAN).seen())
    assert "4,5 Prozentpunkte weniger" in said and "−6,8 bis −2,2" in said and "gewünschte Richtung" in said
    assert "dies ist Blick 7 von 9" in said and "zum ersten Mal 2023" in said
    assert "zwischen −3,6 und −5,0 Prozentpunkten" in said


def test_looks_that_share_the_error_evenly_are_not_called_strict_early(tables: Frames) -> None:
    assert any("brauchen frühe Blicke viel stärkere Belege" in said for said in _front(tables, GERMAN).seen())
    even = _front(_with(tables, "looks", {"outcome": GERMAN}, z_bound=2.4), GERMAN).seen()
    assert any("braucht jeder Blick stärkere Belege" in said for said in even)
    assert not any("frühe Blicke" in said for said in even)


def test_undecided_says_what_the_range_includes_and_what_is_to_come(tables: Frames) -> None:
    said = " ".join(_front(tables, SOPESS).seen())
    assert "schließt die Null ein, und auch Wirkungen, die wissenswert wären" in said
    assert "mehr als 0,30 Punkten ist so gut wie ausgeschlossen" in said
    assert "wahrscheinlich nicht gefunden" in said and "zum ersten Mal" not in said


def test_no_relevant_effect_names_the_size(tables: Frames) -> None:
    said = " ".join(_front(tables, CHECKUPS).seen())
    assert "Wirkungen von 2,0 Prozentpunkten oder mehr sind in beiden Richtungen so gut wie ausgeschlossen" in said


def test_too_early_for_any_look(tables: Frames) -> None:
    first = tables["looks"][tables["looks"]["year"] == 2016]
    front = _front({**tables, "looks": first}, GERMAN)
    assert "noch zu früh" in front.seen()[0]
    assert front.wording.results.verdict(_outcome(GERMAN)) is Verdict.UNDECIDED


# The word of the looks


@pytest.mark.parametrize(
    ("name", "estimate", "verdict", "word"),
    [(GERMAN, -0.04, "effect", Verdict.SEEN), (GERMAN, 0.04, "effect", Verdict.UNWANTED),
     (CHECKUPS, 0.04, "effect", Verdict.SEEN), (CHECKUPS, -0.04, "effect", Verdict.UNWANTED),
     (GERMAN, -0.04, "no_relevant_effect", Verdict.NO_RELEVANT), (GERMAN, -0.04, "undecided", Verdict.UNDECIDED)],
)  # fmt: skip
def test_word_of_the_last_look(tables: Frames, name: str, estimate: float, verdict: str, word: Verdict) -> None:
    frames = _with(tables, "looks", {"outcome": name, "year": 2025}, estimate=estimate, verdict=verdict)
    assert Results(frames, meta()).verdict(_outcome(name)) is word


def test_without_looks_the_interval_decides(tables: Frames) -> None:
    results = Results({**tables, "looks": tables["looks"].head(0)}, meta())
    for name in (GERMAN, SOPESS, CHECKUPS):
        assert results.verdict(_outcome(name)) is results.single_verdict(_outcome(name))


def test_head_uses_the_looks_and_says_since_when(tables: Frames) -> None:
    first, _, third = main_findings(tables, meta(), "de")
    assert "gerechnet auf eine ganze frühe Kindheit" in first
    assert "Wirkung gesehen bei „Deutsch nicht ausreichend (Stufe 1–3)“ (−4,5 Prozentpunkte" in first
    assert "keine relevante Wirkung bei „U8 und U9 wahrgenommen“" in first
    assert "„Deutsch nicht ausreichend (Stufe 1–3)“ seit 2023" in third
    assert "„U8 und U9 wahrgenommen“ voraussichtlich ab 2027" in third and "auch bis 2031 noch nicht" in third


def test_head_of_a_plan_without_looks_is_the_old_one(tables: Frames) -> None:
    old = {name: frame for name, frame in tables.items() if name not in NEW}
    first, _, third = main_findings(old, meta(), "de")
    assert "gerechnet auf" not in first and "wissenswert" not in third


def test_two_rules_that_differ_are_told_apart(tables: Frames) -> None:
    narrow = _with(tables, "effects", {"outcome": SOPESS, "aggregation": "overall"},
                   estimate=-0.05, ci_low=-0.08, ci_high=-0.02)  # fmt: skip
    said = Wording(narrow, meta(), "de").seen(_outcome(SOPESS))
    assert "ganz auf der gewünschten Seite" in said
    assert said.endswith("Über alle jährlichen Blicke, die strenger sind, lautet die Antwort: unentschieden.")


# 4 what would change it


def _changes(tables: Frames, language: Language = "de") -> Changes:
    return changes(_front(tables, GERMAN, language))


def test_threats_are_sorted_by_whether_the_answer_hangs_on_them(tables: Frames) -> None:
    found = _changes(tables)
    depends, holds = " | ".join(found.depends), " | ".join(found.holds)
    for said in ("auch nur 12\u202f% so weit", "0,4 Prozentpunkte im Jahr", "schon 0,3", "2020 bis 2022", "Westfalen"):
        assert said in depends and said not in holds
    assert "Nur das Rheinland: −3,6" in holds
    assert "(−25\u202f% bis 50\u202f% der Wirkung): −4,3 bis −3,2" in holds
    assert "(4\u202f% der Familien im Jahr)" in holds
    assert found.untested == "Nicht zu prüfen war: die Lage der Orte."


def test_a_drift_that_is_too_small_does_not_change_it(tables: Frames) -> None:
    frames = _with(tables, "sensitivity", {"threat": "pretrend_power"}, changes_word=False, breakdown=0.009)
    assert any("bräuchte es 0,9 Prozentpunkte" in line for line in _changes(frames).holds)


def test_nothing_changes_it_but_a_drift_stays_possible(tables: Frames) -> None:
    frames = {**tables, "sensitivity": tables["sensitivity"].assign(changes_word=False, breakdown=None)}
    found = _changes(frames)
    assert found.depends == ["Keine der Prüfungen ändert die Antwort."]
    assert "das allein täuscht mit der Zeit 1,6 Prozentpunkte vor." in found.intro


def test_missing_main_result_and_missing_table(tables: Frames) -> None:
    frames = _with(tables, "sensitivity", {"threat": "main"}, estimate=None)
    assert _changes(frames) == Changes("Weil das Hauptergebnis fehlt, lässt sich das nicht prüfen.", [], [], "")
    none = _changes({**tables, "sensitivity": tables["sensitivity"].head(0)})
    assert "nicht ausgerechnet" in none.intro and not none.depends and not none.holds


# 5 early signal


def test_early_signal_beside_past_misses(tables: Frames) -> None:
    gymnasium, leaving = signals(Wording(tables, meta(), "de"))
    said = " ".join(gymnasium.said)
    assert "2023 bis 2025 eine Veränderung um +2,7 Prozentpunkte (+2,2 bis +3,3)" in said
    assert "erwartet +1,9, gemessen +2,1" in said and "um 0,2 Prozentpunkte daneben" in said
    assert "(1,4 Prozentpunkte), reicht der Bereich von +1,2 bis +4,2" in said
    assert gymnasium.said[-1].endswith("Eine sichere Vorhersage ist das nicht.")
    assert "bleibt der Bereich auf einer Seite der Null" in leaving.said[-1]


def test_no_earlier_children_with_both(tables: Frames) -> None:
    ahead = tables["early_signal"][tables["early_signal"]["span"] == "ahead"]
    assert (
        "Bei keinem früheren Jahrgang" in signals(Wording({**tables, "early_signal": ahead}, meta(), "de"))[0].said[1]
    )
    empty = {**tables, "early_signal": ahead.assign(estimate=None)}
    assert signals(Wording(empty, meta(), "de"))[0].said == ["Hierfür lässt sich noch nichts vorhersagen."]


# 6 money


def test_it_may_pay_off_below_what_can_be_seen(tables: Frames) -> None:
    said = " ".join(_front(tables, GERMAN).money())
    assert "kostet rund 37 €" in said and "sind es 19 bis 37 €" in said
    assert "ab einer Wirkung von 0,7 Prozentpunkten" in said and "auch wenn hier nichts zu sehen ist" in said
    assert "rund 703 € (486 bis 1.270 €)" in said


def test_a_break_even_within_reach_and_a_case_without_limit(tables: Frames) -> None:
    frames = _with(tables, "cost", {"outcome": GERMAN}, break_even_effect=0.08, set_kind="unbounded")
    said = " ".join(_front(frames, GERMAN).money())
    assert "lassen sich mit diesen Daten erkennen" in said and "nicht begrenzen" in said


def test_no_value_no_cases_no_cost(tables: Frames) -> None:
    assert "bleibt darum offen" in _front(tables, CHECKUPS).money()[-1]
    assert "zählt Punkte, nicht Kinder" in _front(tables, SOPESS).money()[-1]
    none = _front({**tables, "cost": tables["cost"].head(0)}, GERMAN)
    assert len(none.money()) == 1 and none.source() == ""


# 7 warnings, and the page


def _pages(tables: Frames, language: Language = "de", **more: object) -> list[FrontPage]:
    return Sections(Wording(tables, meta(**more), language)).front


def test_warnings_of_one_outcome(tables: Frames) -> None:
    frames = _with(tables, "placebo_adoption", {"outcome": GERMAN}, ratio=1.6)
    frames = _with(frames, "effects", {"outcome": GERMAN, "cohort": 2018}, n_treated_units=1)
    frames = _with(frames, "looks", {"outcome": GERMAN, "year": 2017}, status="suppressed")
    said = " ".join(_pages(frames)[0].warnings)
    assert "2020, 2021 und 2022 (Pandemie" in said and "1,6-mal so stark" in said
    assert "nur ein einziger Ort: 2018" in said and "2013" not in said
    assert "Zurückgehaltene Werte" in said
    calm = replace(meta(), as_of=meta().as_of.replace(year=2019), excluded_periods=(), outcomes=few(CHECKUPS).outcomes)
    without = {**tables, "coverage": tables["coverage"].head(0), "description": tables["description"].head(0)}
    assert Sections(Wording(without, calm, "de")).front[0].warnings == ["Nichts Besonderes."]


def test_one_page_per_primary_outcome_in_the_order_of_the_plan(tables: Frames) -> None:
    assert [page.name for page in _pages(tables)] == [GERMAN, SOPESS, CHECKUPS]
    assert [page.verdict for page in _pages(tables)] == [Verdict.SEEN, Verdict.UNDECIDED, Verdict.NO_RELEVANT]


def test_a_release_without_these_tables_has_no_pages(tables: Frames) -> None:
    old = {name: frame for name, frame in tables.items() if name not in NEW}
    assert _pages(old) == []
    assert 'id="front"' not in render(old, few(GERMAN), "de")


@pytest.mark.parametrize("language", LANGUAGES)
def test_blocks_stand_in_their_order_and_without_blanks(tables: Frames, language: Language) -> None:
    page = render(tables, few(GERMAN, "gymnasium"), language)
    section = page.split('<section id="front">')[1].split('<section id="participation">')[0]
    assert [int(n) for n in re.findall(r"<h4>(\d) · ", section)] == [1, 2, 3, 4, 5, 6, 7]
    words = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", section, flags=re.DOTALL)
    assert FORBIDDEN.search(words) is None
    assert not re.search(r"\b(None|nan|NaT)\b|[{}]", words)


def test_any_single_missing_table_leaves_a_page_without_blanks(tables: Frames) -> None:
    for name in (*NEW, "effects", "exposure"):
        wording = Wording({**tables, name: tables[name].head(0)}, few(GERMAN, "gymnasium"), "de")
        front = FrontWords(wording, _outcome(GERMAN), opening_of(wording.tables, GERMAN))
        found = changes(front)
        said = [*front.exposure(), *front.visible(), *front.seen(), *front.money(), found.intro, *found.depends]
        assert all(said) and not re.search(r"\bNone\b|\bnan\b|[{}]", " ".join(said)), name


def _layers(tables: Frames, kind: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Layers of the picture with one kind of mark, each with its records."""
    chart = seen_when.seen_when(_opening(tables), _outcome(GERMAN), "de")
    assert chart is not None
    drawn = chart.to_dict()
    found = [layer for layer in drawn["layer"] if layer["mark"]["type"] == kind]
    return [
        (layer, layer["data"].get("values") or drawn["datasets"][layer["data"]["name"]]) for layer in found
    ]  # fmt: skip


def test_line_is_solid_then_dashed_then_pale_without_gaps(tables: Frames) -> None:
    (solid, seen), (dashed, ahead), (pale, far) = _layers(tables, "line")
    years = [[point["year"] for point in points] for points in (seen, ahead, far)]
    assert (years[0][0], years[0][-1]) == (2013, 2025)
    assert (years[1][0], years[1][-1], years[2][0], years[2][-1]) == (2025, 2029, 2029, 2031)
    assert ["strokeDash" in layer["mark"] for layer in (solid, dashed, pale)] == [False, True, True]
    assert dashed["mark"]["color"] != pale["mark"]["color"]


def test_estimates_are_counted_in_the_wanted_direction(tables: Frames) -> None:
    assert seen_when.wanted(-0.045, _outcome(GERMAN)) == pytest.approx(4.5)
    assert seen_when.wanted(-0.045, _outcome(CHECKUPS)) == pytest.approx(-4.5)
    bars = [points for layer, points in _layers(tables, "rule") if "y2" in layer["encoding"]]
    assert [point["year"] for point in bars[0]] == [2017, 2018, 2019, 2023, 2024, 2025]  # none where no look was taken
    assert (bars[1][0]["low"], bars[1][0]["high"]) == (pytest.approx(2.2), pytest.approx(6.8))


def test_the_present_fits_into_the_picture(tables: Frames) -> None:
    for name in (GERMAN, SOPESS, CHECKUPS):
        opening = _opening(tables, name)
        low, high = seen_when._domain(opening, _outcome(name))
        factor = 100 if name != SOPESS else 1
        assert opening.now is not None and opening.worth is not None
        assert low < 0 < opening.now.smallest * factor < high and opening.worth * factor < high


@pytest.mark.parametrize("places", [[10.0, 12.0, 14.0], [100.0, 100.0], [265.0, 268.0, 269.0], [0.0]])
def test_names_of_lines_do_not_overlap(places: list[float]) -> None:
    heights = [31] * len(places)
    moved = seen_when._apart(places, heights)
    gaps = [after - before for before, after in pairwise(moved)]
    assert all(gap >= 31 - 1e-9 for gap in gaps)
    assert moved[0] >= 15 and moved[-1] <= seen_when.HEIGHT - 15


def test_picture_in_words(tables: Frames) -> None:
    said = seen_when.alternative(_opening(tables), _outcome(GERMAN), "de")
    for part in ("18,7 Prozentpunkten im Jahr 2013", "im Jahr 2025", "ab 3,0", "ab 0,7", "Blick 2025: 4,5"):
        assert part in said


def test_no_years_no_picture(tables: Frames) -> None:
    empty = replace(_opening(tables), years=())
    assert seen_when.seen_when(empty, _outcome(GERMAN), "de") is None
    page = _pages({**tables, "detectability": tables["detectability"].head(0)})[0]
    assert page.picture is None and "nicht ausgerechnet" in page.visible[0]
