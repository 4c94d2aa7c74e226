"""Children who come again, deferred or repeating: which of their rows counts. Belongs here: staging of such children.
Does not: which rows are accepted.
"""

import itertools

import pytest

from kkz_eval.errors import DeliveryError
from kkz_eval.warehouse import build_table, in_memory, read_sql_file, sql_folder
from tests.intake.conftest import Bench, csv_text, exam_rows, school_rows

EXAM_FILES = {year: f"SEU_{year}.csv" for year in (2013, 2014, 2015)}
SCHOOL_FILES = {year: f"Schule_{year}.csv" for year in (2018, 2019, 2020)}


def staged(bench: Bench, source: str, columns: str) -> list[tuple[object, ...]]:
    """Rows of staging, built anew."""
    build_table(bench.con, read_sql_file(sql_folder() / "staging" / f"{source}.sql", in_memory()))
    return bench.rows(f"SELECT {columns} FROM staging.{source} ORDER BY ALL")


def exam_of(year: int, children: slice, **changed: str) -> str:
    return csv_text(exam_rows(40, Einschulungsjahr=str(year), **changed)[children])


def school_of(year: int, children: slice, **changed: str) -> str:
    return csv_text(school_rows(40, Schuljahr=str(year), **changed)[children])


@pytest.mark.parametrize("order", list(itertools.permutations(EXAM_FILES)))
def test_a_deferred_child_counts_once_in_its_last_entry_year(bench: Bench, order: tuple[int, ...]) -> None:
    # Children 0 to 9 come in 2013, 6 to 19 in 2014, 9 and 18 to 39 in 2015: child 9 is deferred twice.
    rows = exam_rows(40)
    in_year = {2013: range(10), 2014: range(6, 20), 2015: [9, *range(18, 40)]}
    height = {2013: "101,0", 2014: "102,0", 2015: "103,0"}
    for year in order:
        cells = {"Einschulungsjahr": str(year), "Groesse_cm": height[year]}
        text = csv_text([{**rows[child], **cells} for child in in_year[year]])
        assert bench.deliver("school_entry_exam", EXAM_FILES[year], text).n_quarantined == 0
    expected = []
    for child, row in enumerate(rows):
        last = max(year for year, children in in_year.items() if child in children)
        expected.append((row["Pseudonym"], last, float(height[last].replace(",", "."))))
    assert staged(bench, "school_entry_exam", "pseudonym, period, CAST(height AS DOUBLE)") == sorted(expected)
    n_accepted = sum(len(children) for children in in_year.values())
    assert bench.rows("SELECT count(*) FROM intake.school_entry_exam") == [(n_accepted,)]


def test_rows_of_a_deferred_child_are_not_mixed(bench: Bench) -> None:
    bench.deliver("school_entry_exam", "SEU_2014.csv", exam_of(2014, slice(1), AGS="05913000"))
    bench.deliver("school_entry_exam", "SEU_2015.csv", exam_of(2015, slice(1), Groesse_cm="-1", Deutschkenntnisse="9"))
    assert staged(bench, "school_entry_exam", "period, ags, height, german_insufficient") == [
        (2015, "05315000", None, None)
    ]


def test_only_rows_that_count_displace_an_earlier_exam(bench: Bench) -> None:
    bench.deliver("school_entry_exam", "SEU_2014.csv", exam_of(2014, slice(2)))
    rows = exam_rows(40)
    rows[0]["Zaehlen"] = "77"
    bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows))
    assert bench.reasons() == {2: ["RANGE:counting_points"]}
    build = "SELECT period, count(*) FROM staging.school_entry_exam GROUP BY period ORDER BY period"
    assert len(staged(bench, "school_entry_exam", "pseudonym")) == 40
    assert bench.rows(build) == [(2014, 1), (2015, 39)]
    # The correction no longer holds the second child either: its exam of 2014 counts again.
    bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows[2:]))
    assert len(staged(bench, "school_entry_exam", "pseudonym")) == 40
    assert bench.rows(build) == [(2014, 2), (2015, 38)]


@pytest.mark.parametrize("order", list(itertools.permutations(SCHOOL_FILES)))
def test_a_repeater_counts_once_per_stage_in_its_first_school_year(bench: Bench, order: tuple[int, ...]) -> None:
    # Each child repeats grade 3 twice, comes up in another cohort and at a better level; child 0 reaches grade 5.
    entry, level = {2018: "2015", 2019: "2016", 2020: "2017"}, {2018: "1", 2019: "3", 2020: "5"}
    first, *_ = school_rows(1, Schuljahr="2020", Stufe="5", Kompetenzstufe_Klasse3="", Schulform_Klasse5="GY")
    for year in order:
        cells = {"Schuljahr": str(year), "Einschulungsjahr": entry[year], "Kompetenzstufe_Klasse3": level[year]}
        rows = school_rows(3, **cells)[: 3 if year == 2018 else 2]
        text = csv_text([*rows, {**first, "Wiederholt": "1"}] if year == 2020 else rows)
        assert bench.deliver("education", SCHOOL_FILES[year], text).n_quarantined == 0
    names = sorted(row["Pseudonym"] for row in exam_rows(3))
    columns = "pseudonym, stage, period, grade_3_low, gymnasium, grade_repeated"
    assert staged(bench, "education", columns) == [
        (names[0], 3, 2015, 1, None, None),
        (names[0], 5, 2015, None, 1, 1),
        (names[1], 3, 2015, 1, None, None),
        (names[2], 3, 2015, 1, None, None),
    ]
    assert bench.rows("SELECT count(*) FROM intake.education") == [(8,)]


def test_a_child_that_repeats_two_stages_counts_at_both(bench: Bench) -> None:
    fifth = {"Stufe": "5", "Kompetenzstufe_Klasse3": "", "Wiederholt": "1"}
    bench.deliver("education", "Schule_2018.csv", school_of(2018, slice(1), Kompetenzstufe_Klasse3="1"))
    bench.deliver("education", "Schule_2019.csv", school_of(2019, slice(1), Kompetenzstufe_Klasse3="2"))
    bench.deliver("education", "Schule_2020.csv", school_of(2020, slice(1), **fifth, Schulform_Klasse5="GY"))
    bench.deliver("education", "Schule_2021.csv", school_of(2021, slice(1), **fifth, Schulform_Klasse5="RS"))
    assert staged(bench, "education", "stage, grade_3_low, gymnasium") == [(3, 1, None), (5, None, 1)]


def test_rows_of_a_repeater_are_not_mixed(bench: Bench) -> None:
    bench.deliver("education", "Schule_2018.csv", school_of(2018, slice(1), Kompetenzstufe_Klasse3="9"))
    bench.deliver("education", "Schule_2019.csv", school_of(2019, slice(1)))
    assert staged(bench, "education", "period, grade_3_low") == [(2015, None)]


def test_a_repeater_counts_again_when_the_first_year_is_taken_back(bench: Bench) -> None:
    bench.deliver("education", "Schule_2018.csv", school_of(2018, slice(2), Kompetenzstufe_Klasse3="1"))
    bench.deliver("education", "Schule_2019.csv", school_of(2019, slice(2), Kompetenzstufe_Klasse3="4"))
    assert staged(bench, "education", "grade_3_low") == [(1,), (1,)]
    bench.deliver("education", "Schule_2018.csv", school_of(2018, slice(1), Kompetenzstufe_Klasse3="1"))
    assert staged(bench, "education", "grade_3_low") == [(0,), (1,)]


@pytest.mark.parametrize("source", ["school_entry_exam", "education"])
def test_of_two_rows_of_one_year_the_one_taken_in_first_counts(bench: Bench, source: str) -> None:
    # Intake rules such rows out; they are put in by hand.
    name, text = {
        "school_entry_exam": ("SEU_2015.csv", exam_of(2015, slice(1))),
        "education": ("Schule_2018.csv", school_of(2018, slice(1))),
    }[source]
    bench.deliver(source, name, text)
    second = "* REPLACE (line_no - 1 AS line_no, '05913000' AS ags)"
    bench.con.execute(f"INSERT INTO intake.{source} SELECT {second} FROM intake.{source}")
    assert staged(bench, source, "ags") == [("05913000",)]


def test_a_file_of_another_year_is_still_noticed(bench: Bench) -> None:
    bench.deliver("school_entry_exam", "SEU_2014.csv", exam_of(2014, slice(40)))
    with pytest.raises(DeliveryError, match=r"YEAR_MISMATCH in 40 rows"):
        bench.deliver("school_entry_exam", "SEU_2015.csv", exam_of(2014, slice(40)).replace("v1", "v2"))
