"""Charts show what was released, in the units and marks of the language, with the same bytes every time."""

import re

import pandas as pd
import pytest
from released_tables import WAVE_2012, few, meta, released

from kkz_eval.report.figures import coverage, description, event_study, forest, known_when, participation, theme, tiles
from kkz_eval.report.frames import rows
from kkz_eval.report.horizon import horizons
from kkz_eval.report.html import figure_png
from kkz_eval.report.results import Results

TABLES = released()
META = few("german_insufficient", "height")
OUTCOME = META.outcomes[0]


def _svg(chart: object, language: str = "de") -> str:
    return theme.svg(theme.styled(chart, language), name="n", label="words")  # type: ignore[arg-type]


def _texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_every_district_has_its_own_tile() -> None:
    places = [(column, line) for column, line, _ in tiles.TILES.values()]
    signs = [sign for _, _, sign in tiles.TILES.values()]
    assert len(tiles.TILES) == len(set(places)) == len(set(signs)) == 53


def test_tiles_keep_the_compass() -> None:
    def place(sign: str) -> tuple[int, int]:
        return next((column, line) for column, line, own in tiles.TILES.values() if own == sign)

    assert place("KLE")[0] < place("DO")[0] < place("HX")[0]
    assert place("MI")[1] < place("BI")[1] < place("HSK")[1] < place("SI")[1]
    assert place("ST")[1] < place("MS")[1] < place("K")[1] < place("BN")[1]


def test_tile_districts_are_those_of_the_official_register(shared: object) -> None:
    path = shared / "data" / "reference" / "kreis_dosis_anteil_kinder_u6.csv"  # type: ignore[operator]
    assert set(pd.read_csv(path, dtype=str)["ags5"]) == set(tiles.TILES)


def test_all_charts_follow_the_schema() -> None:
    results = Results(TABLES, META)
    events = results.event_study(OUTCOME.name)
    means = [row for row in rows(TABLES, "description") if row["outcome"] == OUTCOME.name]
    charts = [
        event_study.event_study(events, OUTCOME, "de"),
        description.description(means, OUTCOME, META, "de"),
        participation.tile_map(rows(TABLES, "participation"), META, "de"),
        participation.timing(rows(TABLES, "participation"), META, "de"),
        known_when.known_when(horizons(TABLES, META), META, "de"),
        forest.forest(results, META, "de"),
        coverage.coverage(rows(TABLES, "coverage"), META, "de"),
    ]
    for chart in charts:
        assert theme.styled(chart, "de").to_dict()["$schema"]  # validates


def test_event_study_is_drawn_in_percentage_points_with_german_marks() -> None:
    frame = pd.DataFrame(
        {"outcome": OUTCOME.name, "comparison": "main", "estimator": "callaway_santanna", "event_time": [-2, -1, 0],
         "years_under_programme": [0.0, 0.0, 1.5], "estimate": [0.001, 0.0, -0.042], "std_error": [0.01, None, 0.01],
         "ci_low": [-0.019, None, -0.062], "ci_high": [0.021, None, -0.022], "band_low": [-0.03, None, -0.07],
         "band_high": [0.03, None, -0.012], "n_children": [1200, 1250, 1300], "status": "estimated"}
    )  # fmt: skip
    found = Results({"event_study": frame}, META).event_study(OUTCOME.name)
    chart = event_study.event_study(found, OUTCOME, "de")
    points = [value for data in chart.to_dict()["datasets"].values() for value in data if "kind" in value]
    assert {point["time"]: round(point["estimate"], 6) for point in points} == {-2: 0.1, -1: 0.0, 0: -4.2}
    assert [point["kind"] for point in points] == ["before", "reference", "after"]
    texts = _texts(_svg(chart))
    assert {"−2", "−1", "0", "1,5", "1.200", "1.300"} <= set(texts)
    assert any("Prozentpunkte" in said for said in texts)
    assert {"1.5", "1,200"} <= set(_texts(_svg(event_study.event_study(found, OUTCOME, "en"), "en")))


def test_event_study_marks_what_is_missing_and_a_reference_that_was_not_released() -> None:
    frame = pd.DataFrame(
        {"outcome": OUTCOME.name, "comparison": "main", "estimator": "callaway_santanna", "event_time": [-2, 0, 1],
         "estimate": [0.01, None, None], "std_error": [0.1, None, None], "ci_low": [0.0, None, None],
         "ci_high": [0.02, None, None], "status": ["estimated", "suppressed", "not estimable"]}
    )  # fmt: skip
    found = Results({"event_study": frame}, META).event_study(OUTCOME.name)
    chart = event_study.event_study(found, OUTCOME, "de")
    points = [value for data in chart.to_dict()["datasets"].values() for value in data if "kind" in value]
    assert [(point["time"], point["mark"]) for point in points if point["kind"] == "none"] == [(0, "·"), (1, "–")]
    assert [point["time"] for point in points if point["kind"] == "reference"] == [-1]


def test_rates_without_counts_have_no_row_of_children() -> None:
    frame = TABLES["event_study"].assign(n_children=None)
    found = Results({"event_study": frame}, META).event_study(OUTCOME.name)
    texts = _texts(_svg(event_study.event_study(found, OUTCOME, "de")))
    assert not any("Kinder" in said for said in texts)


def test_tiles_are_filled_as_far_as_their_places_take_part() -> None:
    frame = pd.DataFrame(
        {"unit": ["05158001", "05158002", "05158003", "05158004"], "kreis": "05158", "wave": [2012, 2017, None, None],
         "role": ["treated", "treated", "never", "excluded"]}
    )  # fmt: skip
    chart = participation.tile_map(rows({"participation": frame}, "participation"), meta(), "de")
    parts = [part for data in chart.to_dict()["datasets"].values() for part in data if part.get("kreis") == "05158"]
    heights = {part["wave"]: round((part["y2"] - part["y"]) / 0.92, 6) for part in parts}
    assert heights == {"Welle 2012": 0.25, "Welle 2017": 0.25}


def test_waves_are_counted_by_unit_and_district() -> None:
    counts = participation.wave_counts(rows(TABLES, "participation"))
    assert counts[2012][1] == len(WAVE_2012)
    assert str(counts[2017][2]) == "2017-01-01"


def test_left_out_years_are_grey_only_for_their_source() -> None:
    means = [row for row in rows(TABLES, "description") if row["outcome"] == OUTCOME.name]
    study = few("german_insufficient")
    assert "ausgelassen" in _texts(_svg(description.description(means, OUTCOME, study, "de")))
    school = few("gymnasium").outcomes[0]
    assert "ausgelassen" not in _texts(_svg(description.description(means, school, study, "de")))


def test_svg_keeps_dates_and_long_decimals_in_texts() -> None:
    texts = _texts(_svg(participation.timing(rows(TABLES, "participation"), META, "de")))
    assert any("seit 01.01.2012" in said for said in texts)


def test_same_chart_same_bytes_and_no_address_inside() -> None:
    chart = participation.tile_map(rows(TABLES, "participation"), META, "de")
    first = _svg(chart)
    assert first == _svg(participation.tile_map(rows(TABLES, "participation"), META, "de"))
    assert "http" not in first
    assert 'role="img"' in first and 'aria-label="words"' in first


def test_names_cannot_break_out_of_a_picture() -> None:
    bad = '"><script>alert(1)</script>'
    study = meta(
        outcomes=tuple(
            outcome.__class__("height", bad, bad, "cm", "higher", "primary", "x") for outcome in META.outcomes[:1]
        )
    )
    chart = known_when.known_when(horizons(TABLES, study), study, "de")
    drawn = theme.svg(theme.styled(chart, "de"), name="n", label=bad)
    assert "<script" not in drawn


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return figure_png(TABLES, META, "de")


def test_pictures_for_other_screens(pictures: dict[str, bytes]) -> None:
    assert list(pictures) == [
        "participation", "known_when", "seen_when_german_insufficient", "event_study_german_insufficient",
        "specification_curve_german_insufficient",
    ]  # fmt: skip
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())


def test_no_tables_no_pictures() -> None:
    assert figure_png({}, META, "en") == {}
