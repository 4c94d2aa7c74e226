"""The simulated children: who they are, what was planted in them, and what only looks like an effect."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.demo import World
from kkz_eval.demo.children import pseudonyms, untreated_mean
from kkz_eval.demo.effects import FULL_EFFECTS, SUBTEST_EFFECTS, slope
from kkz_eval.demo.exam import ExamFindings, exam_findings, examined
from kkz_eval.demo.later import education_events, kita_values, kita_years_lived
from kkz_eval.demo.process import GAP_YEARS, PROCESSES

SHARES = ["german_insufficient", "u8_u9_complete", "mmr_two_doses", "speech_referral", *SUBTEST_EFFECTS]
SCHOOL = {3: ["grade_3_low"], 5: ["gymnasium", "grade_repeated"], 10: ["leaving_without_certificate"]}


@pytest.fixture(scope="module")
def findings(big_world: World) -> Callable[[int, bool], ExamFindings]:
    made: dict[tuple[int, bool], ExamFindings] = {}

    def of(year: int, effects: bool) -> ExamFindings:
        if (year, effects) not in made:
            cohort = big_world.cohort(year)
            made[year, effects] = exam_findings(big_world.places, cohort, big_world.seed, effects=effects)
        return made[year, effects]

    return of


def assert_planted(difference: np.ndarray, years: np.ndarray, per_year: float, what: str) -> None:
    """The difference between both worlds grows with a child's years as planted, within 4 standard errors."""
    exposed = years > 0
    assert not np.any(difference[~exposed]), what
    x, y = years[exposed], difference[exposed]
    estimate = (x @ y) / (x @ x)
    error = np.sqrt(((x * (y - estimate * x)) ** 2).sum()) / (x @ x)
    assert abs(estimate - per_year) < 4 * error, what
    assert error < abs(per_year) / 5, what


def test_effects_on_exam_outcomes_are_linear_in_each_childs_exposure(
    big_world: World, findings: Callable[[int, bool], ExamFindings]
) -> None:
    cohorts = (2014, 2017, 2019, 2024)
    years = np.concatenate([big_world.cohort(year).years for year in cohorts])
    assert len(np.unique(years.round(1))) > 40
    for outcome in SHARES:
        both = [
            findings(year, True).events[outcome].astype(float) - findings(year, False).events[outcome]
            for year in cohorts
        ]
        assert_planted(np.concatenate(both), years, slope(outcome), outcome)
    flagged = [findings(year, True).sopess_flagged - findings(year, False).sopess_flagged for year in cohorts]
    assert_planted(np.concatenate(flagged).astype(float), years, slope("sopess_flagged"), "sopess_flagged")


def test_bmi_carries_exactly_its_effect_and_placebos_none(
    big_world: World, findings: Callable[[int, bool], ExamFindings]
) -> None:
    with_effect, without = findings(2019, True), findings(2019, False)
    inside = (without.bmi > 11.2) & (without.bmi < 31.8)
    expected = slope("bmi") * big_world.cohort(2019).years
    assert np.allclose((with_effect.bmi - without.bmi)[inside], expected[inside])
    assert np.array_equal(with_effect.height, without.height)
    assert np.array_equal(with_effect.events["hearing_finding"], without.events["hearing_finding"])


def test_education_depends_on_early_exposure(big_world: World) -> None:
    places, seed = big_world.places, big_world.seed
    for stage, outcomes in SCHOOL.items():
        both: dict[str, list[np.ndarray]] = {outcome: [] for outcome in outcomes}
        for year in (2015, 2018, 2019):
            cohort = big_world.cohort(year)
            with_effect = education_events(places, cohort, stage, seed)
            without = education_events(places, cohort, stage, seed, effects=False)
            for outcome in outcomes:
                both[outcome].append(with_effect[outcome][0].astype(float) - without[outcome][0])
        years = np.concatenate([big_world.cohort(year).years for year in (2015, 2018, 2019)])
        for outcome in outcomes:
            assert_planted(np.concatenate(both[outcome]), years, slope(outcome), outcome)


def test_kita_effects_grow_with_years_until_the_kita_year(big_world: World) -> None:
    hours, months, years = [], [], []
    for entry, kita_year in ((2016, 2014), (2019, 2018), (2024, 2023)):
        cohort = big_world.cohort(entry)
        with_effect = kita_values(big_world.places, cohort, kita_year, big_world.seed)
        without = kita_values(big_world.places, cohort, kita_year, big_world.seed, effects=False)
        hours.append(with_effect[0].astype(float) - without[0])
        months.append((with_effect[1] - without[1]).astype(float))
        years.append(kita_years_lived(big_world.places, cohort, kita_year))
    assert_planted(np.concatenate(hours), np.concatenate(years), slope("kita_45_hours"), "kita_45_hours")
    assert_planted(np.concatenate(months), np.concatenate(years), slope("kita_months"), "kita_months")


def test_probabilities_stay_inside_zero_and_one_so_that_the_truth_is_exact(
    real_lists: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    land = World(*real_lists, scale=0.2)
    for year in (2013, 2019, 2025):
        cohort = land.cohort(year)
        exposed = cohort.years > 0
        for outcome in PROCESSES:
            if outcome in ("bmi", "height", "kita_months"):
                continue
            before = untreated_mean(outcome, cohort, land.places, year)[exposed]
            after = before + slope(outcome) * cohort.years[exposed]
            lost = np.clip(after, 0, 1).mean() - np.clip(before, 0, 1).mean() - (after - before).mean()
            assert abs(lost) <= 0.01 * abs((after - before).mean()) + 1e-12, outcome


def test_points_are_flagged_exactly_when_the_event_happened(findings: Callable[[int, bool], ExamFindings]) -> None:
    cut_offs = {
        "attention_flagged": (10, 29), "counting_flagged": (12, 20), "quantity_flagged": (10, 16),
        "visuomotor_flagged": (4, 12), "perception_flagged": (8, 15), "preposition_flagged": (4, 8),
        "plural_flagged": (3, 7), "pseudoword_flagged": (3, 6), "coordination_flagged": (6, 30),
    }  # fmt: skip
    found = findings(2019, True)
    assert set(found.points) == set(cut_offs)
    for outcome, (cut, highest) in cut_offs.items():
        points = found.points[outcome]
        assert np.array_equal(points <= cut, found.events[outcome])
        assert points.min() >= 0
        assert points.max() <= highest
        assert len(np.unique(points)) > highest / 2
    assert np.array_equal(
        found.sopess_flagged, sum((found.points[o] <= c).astype(int) for o, (c, _) in cut_offs.items())
    )


def test_levels_resemble_known_contrasts(big_world: World, findings: Callable[[int, bool], ExamFindings]) -> None:
    """As reported for families with and without basic income support in Mülheim, 2010 to 2013."""
    education = big_world.cohort(2012).education
    known = {
        "german_insufficient": (0.43, 0.14), "coordination_flagged": (0.245, 0.146), "visuomotor_flagged": (0.25, 0.11),
        "counting_flagged": (0.28, 0.124), "attention_flagged": (0.291, 0.175),
    }  # fmt: skip
    for outcome, (poor, other) in known.items():
        event = findings(2012, True).events[outcome]
        assert event[education == 0].mean() == pytest.approx(poor, abs=0.09), outcome
        assert event[education > 0].mean() == pytest.approx(other, abs=0.09), outcome


def test_cut_off_date_moves_in_2011(inbox: Path, rows: Callable[[Path], pd.DataFrame]) -> None:
    ages = {}
    for year in (2010, 2011, 2012):
        exam = rows(inbox / "school_entry_exam" / f"SEU_{year}.csv")
        months = sorted(set(exam["Geburtsmonat"]))
        first = f"{year - 7}-{'09' if year < 2011 else '10'}"
        assert (months[0], len(months)) == (first, 12)
        exam = exam[exam["Einschulungsjahr"] == str(year)]
        assert exam["Untersuchungsmonat"].between(f"{year - 1}-09", f"{year}-06").all()
        month = {
            c: exam[c].str[:4].astype(int) * 12 + exam[c].str[5:].astype(int)
            for c in ("Geburtsmonat", "Untersuchungsmonat")
        }
        ages[year] = (month["Untersuchungsmonat"] - month["Geburtsmonat"]).mean()
    assert ages[2010] - ages[2011] == pytest.approx(1, abs=0.6)
    assert abs(ages[2011] - ages[2012]) < 0.6


def test_sopess_begins_in_2010(inbox: Path, rows: Callable[[Path], pd.DataFrame]) -> None:
    columns = ["Zaehlen", "Visuomotorik", "Pseudowoerter", "Koerperkoordination"]
    assert (rows(inbox / "school_entry_exam" / "SEU_2009.csv")[columns] == "").all(axis=None)
    assert (rows(inbox / "school_entry_exam" / "SEU_2010.csv")[columns] != "").all(axis=None)


def test_gap_years_lack_children_and_lean_to_those_with_problems(
    big_world: World, findings: Callable[[int, bool], ExamFindings]
) -> None:
    for year in (*GAP_YEARS, 2019, 2024):
        cohort = big_world.cohort(year)
        seen = examined(cohort, big_world.places, big_world.seed)
        german = findings(year, False).events["german_insufficient"]
        by_office = pd.Series(seen).groupby(big_world.places.kreis[cohort.place]).mean()
        lean = german[seen].mean() - german.mean()
        if year in GAP_YEARS:
            assert seen.mean() < 0.9
            assert by_office.max() - by_office.min() > 0.05
            assert lean > 0.005
        else:
            assert seen.mean() > 0.95
            assert abs(lean) < 0.005


def test_the_legal_claim_moves_kita_years_everywhere(big_world: World) -> None:
    """Entry 2018 is the first cohort aged one in Kita year 2013; the rise is the same for participants and others."""
    rise = {}
    for name, waves in (("participants", (2012,)), ("others", (0,))):
        means = []
        for year in (2016, 2019):
            cohort = big_world.cohort(year)
            chosen = np.isin(big_world.places.wave[cohort.place], waves)
            means.append(cohort.kita_years[chosen].mean())
        rise[name] = means[1] - means[0]
    assert rise["participants"] > 0.05
    assert rise["participants"] == pytest.approx(rise["others"], abs=0.08)


def test_missing_codes_do_not_depend_on_the_programme(big_world: World) -> None:
    exam = big_world.exam(2019)
    wave = dict(zip(big_world.places.ags, big_world.places.wave.tolist(), strict=True))
    takes_part = np.array([wave[ags.decode()] > 0 for ags in exam["AGS"]])
    for column, code in (
        ("Deutschkenntnisse", b"9"),
        ("Zaehlen", b"99"),
        ("Kita_Jahre", b"-1"),
        ("Bildung_Eltern", b"9"),
    ):
        is_missing = exam[column] == code
        shares = is_missing[takes_part].mean(), is_missing[~takes_part].mean()
        assert min(shares) > 0.01
        error = np.sqrt(is_missing.mean() * (1 / takes_part.sum() + 1 / (~takes_part).sum()))
        assert abs(shares[0] - shares[1]) < 4 * error


def test_a_child_keeps_its_pseudonym_in_all_sources(
    inbox: Path, rows: Callable[[Path], pd.DataFrame], world: World
) -> None:
    names = pseudonyms(world.cohort(2015).number, world.seed)
    children = {name.decode() for name in names}
    assert len(children) == world.cohort(2015).size
    for path in (
        "school_entry_exam/SEU_2015",
        "kita_attendance/Kita_2014",
        "education/Schule_2018",
        "education/Schule_2025",
    ):
        frame = rows(inbox / f"{path}.csv")
        year = {"school_entry_exam": 0, "kita_attendance": 1, "education": 0}[path.split("/")[0]]
        shared = frame["Pseudonym"].isin(children)
        assert shared.sum() > 0.8 * len(children), path
        if "Einschulungsjahr" in frame.columns and year == 0:
            assert set(frame[shared]["Einschulungsjahr"]) <= {"2015"}
    values = np.array([int(name, 16) for name in sorted(children)], dtype=float)
    assert np.corrcoef([int(name, 16) for name in names.astype(str)], np.arange(len(names)))[0, 1] ** 2 < 0.05
    assert values.std() > 2.0**60
    other = pseudonyms(world.cohort(2015).number, world.seed + 1)
    assert not children & {name.decode() for name in other}


def test_kita_rows_agree_with_the_years_reported_at_the_exam(inbox: Path, rows: Callable[[Path], pd.DataFrame]) -> None:
    exam = rows(inbox / "school_entry_exam" / "SEU_2018.csv").drop_duplicates("Pseudonym").set_index("Pseudonym")
    attended = pd.concat(
        rows(inbox / "kita_attendance" / f"Kita_{year}.csv").drop_duplicates("Pseudonym") for year in range(2013, 2018)
    )
    counted = attended.groupby("Pseudonym").size()
    reported = exam["Kita_Jahre"].astype(int)
    known = reported[(reported >= 0) & (exam["Einschulungsjahr"] == "2018")]
    both = counted.reindex(known.index).fillna(0)
    assert (both == known).mean() > 0.98


def test_effect_names_are_those_of_the_truth() -> None:
    planted = {*FULL_EFFECTS, *SUBTEST_EFFECTS} - {"sopess_flagged"}
    assert planted == set(PROCESSES)
