"""The page: self-contained, readable by a screen reader, honest about gaps, the same bytes every time."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from released_tables import FORBIDDEN, few, meta, released

from kkz_eval.report.html import render
from kkz_eval.report.meta import LANGUAGES, Language, OutcomeMeta
from kkz_eval.report.texts import load

VOID = {"meta", "br", "hr", "img", "link", "input", "col"}
STUDY = few("german_insufficient", "u8_u9_complete", "leaving_without_certificate", "hearing_finding")


class Page(HTMLParser):
    """Collects what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.captions = self.figures_with_table = 0
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.captions += tag == "caption"
        self.figures_with_table += tag == "table" and "figure" in self.open and "details" in self.open
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def pages() -> dict[Language, str]:
    return {language: render(released(), STUDY, language) for language in LANGUAGES}


@pytest.fixture(scope="module")
def parsed(pages: dict[Language, str]) -> dict[Language, Page]:
    return {language: Page(text) for language, text in pages.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_well_formed_and_in_its_language(parsed: dict[Language, Page], language: Language) -> None:
    page = parsed[language]
    assert page.open == []
    assert page.all("html")[0]["lang"] == language
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_loaded_from_elsewhere(
    pages: dict[Language, str], parsed: dict[Language, Page], language: Language
) -> None:
    assert "http" not in pages[language].replace("http-equiv", "").lower()
    page = parsed[language]
    assert not page.all("script") and not page.all("link") and not page.all("img") and not page.all("iframe")
    assert all(str(link["href"]).startswith("#") and str(link["href"])[1:] in page.ids for link in page.all("a"))
    assert not any(name.startswith("on") or name == "src" for _, attrs in page.tags for name in attrs)
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", pages[language]))
    policy = next(attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'") and "script-src" not in policy


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_and_charts_can_be_heard(parsed: dict[Language, Page], language: Language) -> None:
    page = parsed[language]
    assert page.captions == len(page.all("table")) > 10
    assert all(head.get("scope") in ("col", "row", "rowgroup", "colgroup") for head in page.all("th"))
    charts = page.all("svg")
    assert all(chart["role"] == "img" and len(str(chart["aria-label"])) > 20 for chart in charts)
    assert len(charts) == len(page.all("figure")) == page.figures_with_table > 8
    referred = {word for cell in page.all("td") for word in str(cell.get("headers") or "").split()}
    assert referred <= set(page.ids)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_stay_within_the_data(parsed: dict[Language, Page], language: Language) -> None:
    assert FORBIDDEN.search(" ".join(parsed[language].words)) is None


def test_german_page_writes_german_numbers(pages: dict[Language, str]) -> None:
    assert "412.300" in pages["de"] and "412,300" in pages["en"]
    assert "31.12.2025" in pages["de"] and "31 December 2025" in pages["en"]
    assert not re.search(r">[+−-]?\d+\.\d{1,2}</t[dh]>", pages["de"])
    assert not re.search(r">-\d", pages["de"])


def test_suppressed_and_missing_values_are_marked_with_a_legend(pages: dict[Language, str]) -> None:
    assert '<td class="gt_right">·</td>' in pages["de"]
    assert load("de")("legend.suppressed") in pages["de"]
    assert load("de")("legend.not_estimable") in pages["de"]
    assert not re.search(r">(nan|None|NaT|&lt;NA&gt;)<", pages["de"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_outcome_without_early_childhood_exposure_says_so(pages: dict[Language, str], language: Language) -> None:
    section = pages[language].split('id="outcome-leaving_without_certificate"')[1].split("</article>")[0]
    assert load(language)("sentence.not_full", year=2029, wave=2012) in section


def test_placebo_is_labelled_as_a_check(pages: dict[Language, str]) -> None:
    section = pages["de"].split('<section id="placebo">')[1].split("</section>")[0]
    assert load("de")("lead.placebo") in section
    assert load("de")("verdict.check_clear") in section


def test_sections_stand_in_their_order(pages: dict[Language, str]) -> None:
    order = ["front", "participation", "known", "data", "primary", "secondary", "placebo", "effects", "gaps", "not-yet",
             "reading", "method", "deviations", "dictionary"]  # fmt: skip
    found = re.findall(r'<section id="([a-z-]+)"', pages["en"])
    assert found == order


def test_simulated_children_are_announced(pages: dict[Language, str]) -> None:
    assert load("de")("page.synthetic") in pages["de"]


def test_rows_in_any_order_give_the_same_bytes() -> None:
    study = few("height")
    shuffled = {name: frame.sample(frac=1, random_state=3) for name, frame in released().items()}
    assert render(released(), study, "de").encode() == render(shuffled, study, "de").encode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_released_still_gives_a_page(language: Language) -> None:
    page = Page(render({}, meta(), language))
    assert page.all("svg") == []
    assert load(language)("page.empty") in page.words
    assert load(language)("finding.none") in page.words


def test_official_study_with_rates_only() -> None:
    outcome = OutcomeMeta("leavers", "Abgang", "Leavers", "share", "lower", "placebo", "official", "calendar_year")
    tables = {name: frame.replace({"leaving_without_certificate": "leavers"}) for name, frame in released().items()}
    effects = tables["effects"].assign(n_children=None)
    kept = {
        "effects": effects,
        "event_study": tables["event_study"].assign(n_children=pd.NA, band_low=None, band_high=None),
    }
    kept["participation"] = tables["participation"].drop_duplicates("kreis").assign(unit=lambda f: f["kreis"], dose=0.5)
    page = render(kept, meta(outcomes=(outcome,), unit="kreis", is_synthetic=False, main_estimator="gone"), "de")
    assert Page(page).open == []
    assert load("de")("page.synthetic") not in page
    assert '<section id="primary">' not in page and '<section id="placebo">' in page
    assert load("de")("map.caption_kreis") in page


def test_released_text_cannot_become_markup() -> None:
    bad = "<script>alert(1)</script>"
    tables = released()
    tables["participation"] = tables["participation"].assign(name=bad, kreis_name=bad, reason=bad)
    tables["dictionary"] = tables["dictionary"].assign(description=bad, table_name=bad)
    tables["coverage"] = tables["coverage"].assign(source=bad)
    outcome = replace(few("height").outcomes[0], label_de=bad, explanation_de=bad)
    study = meta(
        outcomes=(outcome,), title_de=bad, question_de=bad, deviations=(bad,), data_notes_de=(bad,), plan_sha256=bad,
        study_name=bad, software_version=bad, method_notes_de=(bad,),
    )  # fmt: skip
    page = render(tables, study, "de")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10
