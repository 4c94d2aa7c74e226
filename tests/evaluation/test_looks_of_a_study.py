"""Detectability, dose slope and yearly looks of a study with a known effect, and the ledger of looks."""

import pytest
from small_study import small_plan, small_study
from test_plan_results import FULL_EFFECT, made

from kkz_eval.evaluation.look_rows import recorded_looks
from kkz_eval.evaluation.made import make_table
from kkz_eval.plan import Plan

PRIMARY = "german_insufficient"
TABLES = ("horizon.detectability", "horizon.dose_response", "horizon.looks")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan(looks={"first": 2016, "last": 2027, "spending": "obrien_fleming"})


def test_the_slope_finds_the_effect_of_full_exposure_and_the_looks_cross(plan: Plan) -> None:
    connection = small_study(plan, full_effect=FULL_EFFECT)
    years, slopes, looks = (made(connection, plan, name) for name in TABLES)
    last = slopes.query("outcome == @PRIMARY and kind == 'slope' and shape == 'linear' and method == 'gls'").iloc[-1]
    assert last["estimate"] == pytest.approx(FULL_EFFECT, abs=3 * last["std_error"])
    own = looks.query("outcome == @PRIMARY").set_index("period")
    assert own.loc[2020, "verdict"] == "effect"
    assert own.loc[2020, "ci_low"] < FULL_EFFECT < own.loc[2020, "ci_high"] < 0
    taken = own.dropna(subset=["z_bound"])
    assert (taken["alpha_spent"].diff().dropna() > 0).all()
    assert (taken["z_bound"].diff().dropna() < 0).all()
    detectable = years.query("outcome == @PRIMARY").set_index("period")
    assert (detectable["mde_full"].diff().dropna() < 0).all()
    assert detectable.loc[2021:, "is_projected"].all()


def test_without_an_effect_the_looks_stay_undecided_or_exclude_a_relevant_one(plan: Plan) -> None:
    connection = small_study(plan, full_effect=0.0, seed=8)
    looks = [made(connection, plan, name) for name in TABLES][-1]
    assert set(looks["verdict"].dropna()) <= {"undecided", "no_relevant_effect"}
    assert looks["verdict"].iloc[-1] == "no_relevant_effect"


def test_a_look_once_taken_keeps_its_bound_and_the_next_year_adds_one(plan: Plan) -> None:
    connection = small_study(plan, last=2018)
    for name in TABLES:
        make_table(connection, plan, name)
    before = recorded_looks(connection, PRIMARY)
    assert [look.period for look in before][-1] == 2018
    # The next year: one more period, and corrected data of the years before.
    later = small_study(plan, last=2019, noise=0.006, seed=99)
    for look in before:
        values = [PRIMARY, look.period, look.information, look.alpha_spent, look.z_bound]
        recorded_looks(later, PRIMARY)
        later.execute("INSERT INTO ledger.look VALUES (?, ?, ?, ?, ?)", values)
    looks = [made(later, plan, name) for name in TABLES][-1]
    after = recorded_looks(later, PRIMARY)
    assert after[: len(before)] == before
    assert [look.period for look in after[len(before) :]] in ([2019], [])
    shown = looks.query("outcome == @PRIMARY").set_index("period")
    assert shown.loc[2018, "z_bound"] == before[-1].z_bound


def test_running_again_takes_no_look_twice(plan: Plan) -> None:
    connection = small_study(plan)
    first = [made(connection, plan, name) for name in TABLES][-1]
    recorded = recorded_looks(connection, PRIMARY)
    again = made(connection, plan, "horizon.looks")
    assert recorded_looks(connection, PRIMARY) == recorded
    assert first.equals(again)


def test_a_plan_without_looks_still_says_what_can_be_seen_when() -> None:
    without = small_plan(looks=None)
    connection = small_study(without)
    years, _, looks = (made(connection, without, name) for name in TABLES)
    assert looks.empty
    assert years["mde_full"].notna().any()


def test_one_treated_place_is_not_estimable_with_a_reason(plan: Plan) -> None:
    connection = small_study(plan)
    connection.execute("UPDATE cells.adoption SET cohort = NULL, wave = NULL WHERE unit <> '05100000'")
    years, _, looks = (made(connection, plan, name) for name in TABLES)
    assert (years["status"] == "not estimable").all()
    assert years["note"].str.len().min() > 10
    assert looks["ci_low"].isna().all()


def test_an_outcome_of_early_childhood_has_no_threshold_of_three_years(plan: Plan) -> None:
    connection = small_study(plan)
    connection.execute("UPDATE reference.exposure SET full_years = 2.5, years_under_programme = "
                       "least(years_under_programme, 2.5)")  # fmt: skip
    years, slopes, looks = (made(connection, plan, name) for name in TABLES)
    assert years["mde_full"].notna().all()
    assert set(slopes.query("kind == 'slope'")["shape"]) == {"linear", "square_root"}
    assert looks["verdict"].notna().any()
