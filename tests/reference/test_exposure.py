"""Exposure arithmetic against the table computed by others and against cases worked out by hand."""

import csv
import datetime as dt

import pytest


def _exposure(reference, columns, outcome="exam"):
    rows = reference.rows(f"SELECT wave, period, {columns} FROM reference.exposure WHERE outcome = '{outcome}'")
    return {row[:2]: row[2:] for row in rows}


@pytest.fixture
def table(shared):
    with (shared / "data/reference/exposure_by_cohort.csv").open(encoding="utf-8", newline="") as file:
        return {(int(row["welle"]), int(row["einschulung_aug"])): row for row in csv.DictReader(file)}


def test_years_under_the_programme_of_every_cohort_and_wave(reference, table):
    """The table measures in mid-January (14 days later, 0.04 years), takes pregnancy as 0.75 years (280 days are 0.767)
    and prints two decimals: at most 0.04 + 0.005 apart before the cap, 0.017 + 0.005 at the cap."""
    years = _exposure(reference, "years_under_programme, full_years")
    assert len(table) == 78
    for key, row in table.items():
        ours, full = years[key]
        printed = float(row["exposition_jahre_seu_ab_schwangerschaft"])
        if ours == full:
            assert abs(ours - printed) <= 280 / 365.25 - 0.75 + 0.005, key
        else:
            assert 0 <= printed - ours <= 14.6 / 365.25 + 0.005 or printed == pytest.approx(5.79 + 0.75, abs=0.005), key


def test_full_exposure_is_that_of_the_table_in_every_cohort_and_wave(reference, table):
    full = _exposure(reference, "is_fully_exposed")
    for key, row in table.items():
        assert full[key][0] == (row["voll_ab_empfaengnis"] == "ja"), key


def test_first_fully_exposed_entry_year(reference):
    first = dict(reference.rows("SELECT DISTINCT wave, first_fully_exposed_period FROM reference.exposure"))
    assert first == {2012: 2019, 2017: 2024, 2020: 2028}


def test_first_exposed_entry_year(reference):
    first = dict(reference.rows("SELECT DISTINCT wave, first_exposed_period FROM reference.exposure"))
    assert first == {2012: 2013, 2017: 2018, 2020: 2021}


def test_a_larger_minimum_moves_the_first_exposed_period(plan_of):
    with plan_of(minimum_exposure=1.5, waves=(2012,)) as reference:
        assert reference.rows("SELECT DISTINCT first_exposed_period FROM reference.exposure") == [(2014,)]


def test_exactly_the_minimum_is_exposed_and_nothing_is_not(plan_of):
    with plan_of(minimum_exposure=1.0, waves=(2012, 2017)) as reference:
        first = dict(reference.rows("SELECT DISTINCT wave, first_exposed_period FROM reference.exposure"))
        assert first == {2012: 2013, 2017: 2018}
    with plan_of(minimum_exposure=0.0, waves=(2012,)) as reference:
        assert _exposure(reference, "years_under_programme, is_exposed")[2012, 2012] == (0.0, False)


def test_later_outcomes_are_measured_later(plan_of):
    outcomes = (("grade_3", 40, 9.1, 9.1), ("grade_5", 55, 10.4, 10.4), ("leaving", 126, 16.3, 16.3))
    with plan_of(outcomes=outcomes, waves=(2012, 2017)) as reference:
        rows = reference.rows(
            "SELECT DISTINCT outcome, wave, first_fully_exposed_period, first_fully_exposed_year"
            " FROM reference.exposure"
        )
        dates = _exposure(reference, "measurement_date", "leaving")
    assert {(o, w): (p, y) for o, w, p, y in rows} == {
        ("grade_3", 2012): (2019, 2022),
        ("grade_3", 2017): (2024, 2027),
        ("grade_5", 2012): (2019, 2023),
        ("grade_5", 2017): (2024, 2028),
        ("leaving", 2012): (2019, 2029),
        ("leaving", 2017): (2024, 2034),
    }
    assert dates[2012, 2019] == (dt.date(2029, 7, 1),)


def test_years_after_the_window_do_not_count(plan_of):
    outcomes = (("early", 0, 6.0, 3.0),)
    with plan_of(outcomes=outcomes, waves=(2012,)) as reference:
        years = _exposure(reference, "years_under_programme, full_years, is_fully_exposed", "early")
    pregnancy = round(280 / 365.25, 6)
    # Entry 2015: born January 2009, third birthday January 2012, the day the programme starts.
    assert years[2012, 2015][0] == 0
    assert years[2012, 2016][0] == pytest.approx(1)
    assert years[2012, 2018][0] == pytest.approx(3)
    assert years[2012, 2019] == (pytest.approx(3 + pregnancy, abs=1e-6), pytest.approx(3 + pregnancy, abs=1e-6), True)


def test_the_first_exposed_period_may_lie_before_the_study(plan_of):
    """Leavers of entry year 2006 are measured in 2016, four years after the start: they are not a pre-period."""
    with plan_of(outcomes=(("leaving", 126, 16.3, 16.3),), waves=(2012,)) as reference:
        first, earliest = reference.rows("SELECT MIN(first_exposed_period), MIN(period) FROM reference.exposure")[0]
    assert (first, earliest) == (2002, 2006)


def test_full_exposure_is_visible_however_old_the_children_are(plan_of):
    with plan_of(outcomes=(("late", 0, 25.0, 25.0),), waves=(2020,)) as reference:
        assert reference.rows("SELECT COUNT(*) FROM reference.exposure WHERE first_fully_exposed_period IS NULL") == [
            (0,)
        ]


def test_share_of_full_grows_from_none_to_all(reference):
    rows = reference.rows("SELECT wave, share_of_full FROM reference.exposure ORDER BY wave, period")
    for wave in (2012, 2017, 2020):
        shares = [share for w, share in rows if w == wave]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_a_window_beyond_the_measurement_ends_with_it(plan_of):
    outcomes = (("wide", 0, 5.79, 25.0), ("exam", 0, 5.79, 5.79))
    with plan_of(outcomes=outcomes, waves=(2012,)) as reference:
        wide, exam = (_exposure(reference, "years_under_programme, full_years", name) for name in ("wide", "exam"))
    assert wide == exam


def test_exactly_the_minimum_counts_whatever_the_month_of_the_start(plan_of):
    """Wave 2020 starts in August: children measured each August have lived 1, 2, ... years under the programme."""
    for years in (1, 2, 3):
        with plan_of(outcomes=(("august", 7, 6.0, 6.0),), waves=(2020,), minimum_exposure=float(years)) as reference:
            assert reference.rows("SELECT DISTINCT first_exposed_period FROM reference.exposure") == [(2020 + years,)]
