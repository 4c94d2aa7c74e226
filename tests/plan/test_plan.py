"""Plans: what is allowed, how refusals read, what counts as a deviation."""

import datetime as dt
import stat
from pathlib import Path

import pytest

from kkz_eval.errors import PlanError
from kkz_eval.plan import Study, deviations, parse_plan, plan_from_json, read_plan, shipped_plan
from kkz_eval.plan.read import SHIPPED, plan_sha256, plan_to_json


def changed(old: str, new: str) -> str:
    text = shipped_plan("demo")
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_are_valid_and_survive_a_round_trip(name: str) -> None:
    plan = parse_plan(shipped_plan(name), name)
    assert plan_from_json(plan_to_json(plan)) == plan


def test_layout_and_comments_do_not_change_the_hash() -> None:
    text = shipped_plan("demo")
    spaced = text.replace(" = ", "   =   ") + "\n# one more remark\n"
    assert plan_sha256(parse_plan(text, "a")) == plan_sha256(parse_plan(spaced, "b"))


def test_a_decision_changes_the_hash() -> None:
    before = parse_plan(shipped_plan("demo"), "a")
    after = parse_plan(changed("threshold = 10", "threshold = 11"), "b")
    assert plan_sha256(before) != plan_sha256(after)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('unit = "ags"', 'unit = "ags"\ncolour = "red"', r"key 'study\.colour' is not known; allowed here: as_of"),
        ('source = "education"', 'source = "weather"', r"outcomes\.\d+\.source"),
        ("threshold = 10", "threshold = 1", "greater than or equal to 3"),
        ('name = "bmi"', 'name = "height"', "outcome height is listed twice"),
        ('name = "bmi"', 'name = "bmi; drop table x"', r"outcomes\.\d+\.name"),
        ("first_period = 2006", "first_period = 2026", "first_period must lie before last_period"),
        ("waves = [2012, 2017, 2020]", "waves = [2013]", "2012"),
        ("as_of = 2025-12-31", "as_of = 2025-13-31", "TOML"),
        ('[study]\nname = "demo"', "[study]", "key 'study.name' is missing"),
        ('source = "education"', 'source = "official"', r"set study\.unit = 'kreis'"),
        ("minimum_exposure_years = 0.25", "minimum_exposure_years = 5.0", r"can never be reached by outcome kita"),
        ("waves = [2012, 2017, 2020]", "waves = [2012, 2012]", "wave 2012 is listed twice"),
        ("period = 2021", "period = 2020", "excluded period school_entry_exam 2020 is listed twice"),
        ("anticipation = 0", 'anticipation = 0\ncovariates = ["rain"]', "allowed: sgb2_under_15"),
    ],
)
def test_refusals_name_place_and_way_out(old: str, new: str, said: str) -> None:
    with pytest.raises(PlanError, match=said) as refusal:
        parse_plan(changed(old, new), "study/plan.toml")
    assert str(refusal.value).startswith("study/plan.toml: ")


def test_an_excluded_unit_must_have_the_digits_of_the_unit() -> None:
    text = shipped_plan("demo") + '\n[[excluded_units]]\nunit = "05111"\nreason_de = "x"\nreason_en = "x"\n'
    with pytest.raises(PlanError, match="keys of 8 digits"):
        parse_plan(text, "plan.toml")


def test_a_missing_plan_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="kkz-eval init"):
        read_plan(tmp_path / "plan.toml")


def test_deviations_name_each_changed_decision() -> None:
    before = parse_plan(shipped_plan("demo"), "a")
    text = changed("threshold = 10", "threshold = 12").replace("draws = 9999", "draws = 999", 1)
    after = parse_plan(text, "b")
    assert deviations(before, after) == ["disclosure.threshold: 10 → 12", "estimation.draws: 9999 → 999"]
    assert deviations(before, before) == []


def test_a_removed_outcome_is_a_deviation_under_its_name() -> None:
    before = parse_plan(shipped_plan("demo"), "a")
    after = before.model_copy(update={"outcomes": before.outcomes[1:]})
    told = deviations(before, after)
    assert told
    assert all(line.startswith(f"outcomes.{before.outcomes[0].name}.") and line.endswith("→ —") for line in told)


def test_run_settings_change_the_plan_and_are_checked() -> None:
    plan = parse_plan(shipped_plan("demo"), "a")
    assert plan.changed() == plan
    assert plan.changed(as_of="2019-06-30").study.as_of == dt.date(2019, 6, 30)
    with pytest.raises(PlanError, match="as_of: 'yesterday' is not possible; write a day as 2025-12-31"):
        plan.changed(as_of="yesterday")
    with pytest.raises(PlanError, match="confidence"):
        plan.changed(confidence=1.5)


def test_a_study_folder_is_private_and_never_overwritten(tmp_path: Path) -> None:
    root = tmp_path / "study"
    study = Study.create(root, "demo")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE(study.plan_file.stat().st_mode) == 0o600
    assert study.inbox == root / "inbox"
    with pytest.raises(PlanError, match="already"):
        Study.create(root, "official")
    other = tmp_path / "other"
    other.mkdir()
    (other / "plan.toml").write_text("mine")
    with pytest.raises(PlanError, match="new or empty"):
        Study.create(other, "demo")
    assert (other / "plan.toml").read_text() == "mine"
    assert study.plan().study.name == "demo"


def test_an_inbox_elsewhere_is_remembered(tmp_path: Path) -> None:
    inbox = tmp_path / "delivered"
    inbox.mkdir()
    study = Study.create(tmp_path / "study", "official", inbox)
    assert Study.open(study.root).inbox == inbox
    with pytest.raises(PlanError, match="does not exist"):
        Study.create(tmp_path / "other", "official", tmp_path / "nothing")


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", "demo")
    (study.root / "study.toml").write_text('inbox = "inbox"\nthread = 2\n')
    with pytest.raises(PlanError, match="'thread' is not known; allowed: inbox, memory_limit, threads"):
        Study.open(study.root)
