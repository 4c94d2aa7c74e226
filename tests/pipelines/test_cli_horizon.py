"""The command `kkz-eval horizon`: the same numbers in every format, both languages, bad input in a sentence."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kkz_eval.errors import KkzError
from kkz_eval.evaluation.planning import plan_horizon
from kkz_eval.evaluation.planning_assumptions import SHARES, assumptions_of
from kkz_eval.plan import Study, read_plan
from kkz_eval.plan.read import shipped_plan
from kkz_eval.report.planning import COLUMNS
from kkz_eval.report.planning_words import WORDS
from kkz_eval.warehouse import Warehouse, read_frame
from pipelines.cli import app

EXAM = "german_insufficient"
CLAIMS = re.compile(r"\bproves?\b|beweis|no effect|kein\w* (effekt|wirkung)|signifi[ck]", re.IGNORECASE)
Horizon = Callable[..., str]


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plan") / "plan.toml"
    file.write_text(shipped_plan("demo"), encoding="utf-8")
    return file


def horizon(*words: object) -> str:
    """Output of the command; raises the error that the user would read."""
    ended = CliRunner().invoke(app, ["horizon", *map(str, words)], env={"KKZ_STUDY": None})
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def number(text: str) -> float | None:
    return float(text) if text else None


def test_csv_and_json_hold_the_numbers_of_the_function(plan_file: Path) -> None:
    assumed = ("--assume-sd", 0.03, "--assume-correlation", 0.5, "--assume-drift", 0.01, "--level", 0.3,
               "--assume-kreis-sd", 0.01, "--assume-kreis-correlation", 0.9, "--children-per-cell", 90)  # fmt: skip
    chosen = (plan_file, "--outcome", EXAM, "--outcome", "grade_3_low", "--effect", 0.025, *assumed)
    expected = plan_horizon(
        read_plan(plan_file),
        assumptions_of(
            sd=0.03, correlation=0.5, drift=0.01, level=0.3, kreis_sd=0.01, kreis_correlation=0.9, children_per_cell=90
        ),
        outcomes=[EXAM, "grade_3_low"],
        effect=0.025,
    )
    lines = list(csv.DictReader(horizon(*chosen, "--format", "csv").splitlines()))
    blocks = json.loads(horizon(*chosen, "--format", "json"))
    assert tuple(lines[0]) == COLUMNS
    wanted = [(b.outcome.name, y.period, y.mde_full, y.p_detected) for b in expected for y in b.years]
    assert [
        (row["outcome"], int(row["period"]), float(row["mde_full"]), number(row["p_detected"])) for row in lines
    ] == wanted
    assert [(b["outcome"], y["period"], y["mde_full"], y["p_detected"]) for b in blocks for y in b["years"]] == wanted
    for block, found in zip(expected, blocks, strict=True):
        assert found["detectable_year"] == (block.detectable and block.detectable.year)
        assert found["first_full_year"] == (block.first_full and block.first_full.full_year)
        assert found["rests_on"]["sd"] == 0.03
        assert found["effect"] == 0.025


def test_table_in_both_languages_tells_years_sizes_and_assumptions(plan_file: Path) -> None:
    (block,) = plan_horizon(read_plan(plan_file), SHARES, outcomes=[EXAM])
    found, last = block.detectable, block.years[-1]
    assert found is not None
    english, german = (horizon(plan_file, "--outcome", EXAM, "--language", code) for code in ("en", "de"))
    assert f"From {found.year} on, an effect of the full time of 3.00 percentage points" in english
    assert f"Ab {found.year} lässt sich ein Effekt der vollen Zeit von 3,00 Prozentpunkten" in german
    assert f"{last.mde_full * 100:.2f}" in english
    assert f"{last.mde_full * 100:.2f}".replace(".", ",") in german
    assert "school entry 2019 (measured in 2019)" in english
    assert "Einschulung 2019 (gemessen 2019)" in german
    for text, words in ((english, ("assumed, not measured", "2.00", "20%")), (german, ("angenommen", "2,00", "0,60"))):
        assert all(word in text for word in words)
        assert not CLAIMS.search(text)


def test_no_year_is_said_plainly(plan_file: Path) -> None:
    text = horizon(plan_file, "--outcome", EXAM, "--effect", 0.001)
    assert "An effect of the full time of 0.10 percentage points can be told from chance in no year up to 2035" in text
    assert "less than 80%" in text
    german = horizon(plan_file, "--outcome", EXAM, "--effect", 0.001, "--language", "de")
    assert "in keinem Jahr bis 2035" in german


def test_every_outcome_has_a_block_with_its_assumptions(plan_file: Path) -> None:
    text = horizon(plan_file)
    shares = text.count("Assumed: variation of a place")
    assert shares == sum(o.role != "placebo" and o.unit_of_measure == "share" for o in read_plan(plan_file).outcomes)
    assert text.count("No table: the assumptions are for shares") == 3  # SOPESS points, BMI, Kita months
    assert text.startswith(horizon(plan_file, "--outcome", EXAM))


def test_a_plan_without_looks_says_so(plan_file: Path, tmp_path: Path) -> None:
    text = plan_file.read_text(encoding="utf-8")
    looks = text[text.index("[looks]") : text.index("[money]")]
    other = tmp_path / "plan.toml"
    other.write_text(text.replace(looks, ""), encoding="utf-8")
    said = horizon(other, "--outcome", EXAM)
    assert "The plan foresees no yearly looks" in said
    assert "found by then" not in said.lower()


def test_output_file_takes_the_format_of_its_ending(plan_file: Path, tmp_path: Path) -> None:
    for name, start in (("h.csv", "outcome,"), ("h.json", "["), ("h.txt", "German")):
        said = horizon(plan_file, "--outcome", EXAM, "--output", tmp_path / name)
        assert said == f"1 outcomes: {tmp_path / name}\n"
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_cells_from_a_file_replace_assumptions(plan_file: Path, tmp_path: Path) -> None:
    """A table that names the cells. Six places differ only six times over five years, too few for that lag."""
    units = ("05111000", "05112000", "05113000", "05114000", "05116000", "05117000")
    rows = [
        f"{unit};{year};400;{40 + (37 * i * i + 11 * year * (i + 1)) % 97}"
        for i, unit in enumerate(units)
        for year in range(2006, 2012)
    ]
    file = tmp_path / "cells.csv"
    file.write_text("\n".join(["unit;period;n;total", *rows]) + "\n", encoding="utf-8")
    text = horizon(plan_file, "--outcome", EXAM, "--from-cells", file)
    assert "Measured: 36 of 36 values from 6 places before the programme, 2006 to 2011; lags up to 4 years." in text
    assert "beyond the lags measured" in text
    assert "has a standard error of" in text
    assert "Assumed" not in text


def test_places_that_do_not_vary_are_called_so(plan_file: Path, tmp_path: Path) -> None:
    """The same share everywhere and always: nothing but the chance of the children examined is left."""
    units = ("05111000", "05112000", "05113000", "05114000", "05116000", "05117000")
    rows = [f"{unit},{year},400,80" for unit in units for year in range(2006, 2012)]
    file = tmp_path / "cells.csv"
    file.write_text("\n".join(["unit,period,n,total", *rows]) + "\n", encoding="utf-8")
    text = horizon(plan_file, "--outcome", EXAM, "--from-cells", file)
    assert "show no variation of places beyond the chance of the children examined" in text
    assert "standard error of" not in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--outcome", "reading"), "not one of plan demo"),
        (("--assume-sd", "0"), "assumption sd = 0.0 is impossible"),
        (("--assume-correlation", "1"), "assumption correlation = 1.0"),
        (("--level", "20"), "assumption level = 20.0"),
        (("--child-sd", "2"), "give sd and drift too"),
        (("--children-per-cell", "-3"), "children per cell"),
        (("--effect", "-0.03", "--outcome", EXAM), "effect -0.03 is impossible"),
        (("--format", "xml"), "format xml is not known"),
        (("--language", "fr"), "language fr is not known"),
        (("--from-cells", "absent.csv"), "no such file"),
        (("--from-cells", "absent.csv", "--level", "0.2"), "not both"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(words: tuple[str, ...], sentence: str, plan_file: Path) -> None:
    with pytest.raises(KkzError, match=re.escape(sentence)) as refused:
        horizon(plan_file, *words)
    assert str(refused.value).endswith(".")


def test_missing_plans_studies_and_unsafe_outputs_are_refused(plan_file: Path, tmp_path: Path) -> None:
    with pytest.raises(KkzError, match="there is no plan here"):
        horizon(tmp_path / "absent.toml")
    with pytest.raises(KkzError, match="no study folder"):
        horizon("--study", tmp_path)
    with pytest.raises(KkzError, match="would replace the data"):
        horizon(plan_file, "--output", plan_file)


def test_words_are_the_same_in_both_languages_and_claim_nothing() -> None:
    """German may translate notes besides; braces of shared words agree."""
    german, english = WORDS["de"], WORDS["en"]
    assert english.keys() <= german.keys()
    for key, words in english.items():
        assert set(re.findall(r"{(\w+)}", words)) == set(re.findall(r"{(\w+)}", german[key])), key
    assert not [words for language in WORDS.values() for words in language.values() if CLAIMS.search(words)]


def test_a_study_not_run_yet_is_planned_from_its_own_plan(tmp_path: Path, plan_file: Path) -> None:
    study = Study.create(tmp_path / "study", "demo")
    assert horizon("--study", study.root, "--outcome", EXAM) == horizon(plan_file, "--outcome", EXAM)


def test_a_study_that_has_been_run_shows_its_own_horizon(demo: Study) -> None:
    """Sizes are those of the released table, and the chances of its looks are found again from its information."""
    blocks = json.loads(horizon("--study", demo.root, "--format", "json"))
    with Warehouse.of(demo).connect() as connection:
        released = read_frame(connection, "release.detectability", ("outcome", "period"))
    assert blocks
    for block in blocks:
        assert block["basis"] == "study"
        own = released[(released["outcome"] == block["outcome"]) & (released["period"] > 0)]
        assert [year["period"] for year in block["years"]] == own["period"].tolist()
        for year, row in zip(block["years"], own.to_dict("records"), strict=True):
            for name in ("mde_full", "p_detected"):
                wanted = None if row[name] != row[name] else pytest.approx(row[name], rel=1e-9, abs=1e-12)
                assert year[name] == wanted
    text = horizon("--study", demo.root, "--outcome", EXAM)
    assert "From the evaluation of this study" in text
    assert "ahead" in text
    planned = horizon("--study", demo.root, "--outcome", EXAM, "--level", "0.2")
    assert "assumed, not measured" in planned
