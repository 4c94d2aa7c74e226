"""The rules on rows: one broken cell, one reason; everything else is accepted and typed."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kkz_eval.errors import DeliveryError
from kkz_eval.intake import shipped_contract
from tests.intake.conftest import Bench, csv_text, exam_rows, kita_rows, school_rows

OneBadRow = Callable[..., str]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("AGS", "5315000", "AGS_LEADING_ZERO"),
        ("AGS", "05999999", "AGS_UNKNOWN"),
        ("AGS", "05315", "TYPE:ags"),
        ("AGS", "", "REQUIRED:ags"),
        ("Gesundheitsamt", "5315", "PATTERN:health_office"),
        ("Pseudonym", "abc123", "PSEUDONYM_WEAK"),
        ("Pseudonym", "Erika Mustermann", "PSEUDONYM_WEAK"),
        ("Pseudonym", "0000000000000017", "PSEUDONYM_WEAK"),
        ("Pseudonym", "", "REQUIRED:pseudonym"),
        ("Einschulungsjahr", "2016", "YEAR_MISMATCH"),
        ("Einschulungsjahr", "2031", "YEAR_RANGE"),
        ("Einschulungsjahr", "1915", "YEAR_RANGE"),
        ("Geburtsmonat", "2009-13", "TYPE:birth_month"),
        ("Geburtsmonat", "2027-01", "RANGE:birth_month"),
        ("Geschlecht", "3", "CODE:sex"),
        ("Deutschkenntnisse", "6", "RANGE:german_skills"),
        ("Deutschkenntnisse", "0", "RANGE:german_skills"),
        ("Deutschkenntnisse", "2.5", "TYPE:german_skills"),
        ("Zaehlen", "21", "RANGE:counting_points"),
        ("Zaehlen", "-1", "RANGE:counting_points"),
        ("Zaehlen", "0x10", "TYPE:counting_points"),
        ("Zaehlen", "1_0", "TYPE:counting_points"),
        ("Zaehlen", "１２", "TYPE:counting_points"),
        ("Zaehlen", "'12", "TYPE:counting_points"),
        ("Zaehlen", "\u00a012", "TYPE:counting_points"),
        ("Zaehlen", "99999999999999999999", "TYPE:counting_points"),
        ("Zaehlen", "nan", "TYPE:counting_points"),
        ("Zaehlen", "", "REQUIRED:counting_points"),
        ("Groesse_cm", "118.5", "DECIMAL_MARK:height_cm"),
        ("Groesse_cm", "1e309", "TYPE:height_cm"),
        ("Groesse_cm", "inf", "TYPE:height_cm"),
        ("Groesse_cm", "1.118,5", "TYPE:height_cm"),
        ("Groesse_cm", "1185", "RANGE:height_cm"),
        ("Gewicht_kg", "7,9", "RANGE:weight_kg"),
        ("Gewicht_kg", "79,9", "RANGE:body_mass_index"),
        ("Vorsorgeheft", "ja", "CODE:has_booklet"),
        ("U3", "2", "CODE:u3"),
        ("MMR_Impfungen", "3", "RANGE:mmr_doses"),
        ("Befund_Sprache", "=A", "CODE:speech_finding"),
        ("Befund_Sprache", "a", "CODE:speech_finding"),
        ("Fragebogenversion", "x" * 41, "TEXT_TOO_LONG:exam_version"),
    ],
)
def test_a_broken_cell_quarantines_its_row_alone(
    bench: Bench, one_bad_row: OneBadRow, column: str, cell: str, reason: str
) -> None:
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", one_bad_row(**{column: cell}))
    assert bench.reasons() == {32: [reason]}
    assert (report.n_rows, report.n_accepted, report.n_quarantined) == (31, 30, 1)
    assert report.status == "accepted_with_quarantine"
    assert report.reasons == {reason: 1}
    raw = bench.rows("SELECT raw FROM intake.quarantine")[0][0]
    assert raw == ";".join(dict(exam_rows(31)[-1], **{column: cell}).values())


def test_a_row_may_have_several_reasons(bench: Bench, one_bad_row: OneBadRow) -> None:
    bench.deliver("school_entry_exam", "SEU_2015.csv", one_bad_row(Zaehlen="x", AGS="", U3="7"))
    assert bench.reasons() == {32: ["REQUIRED:ags", "TYPE:counting_points", "CODE:u3"]}


def test_quarantine_knows_the_place_where_it_can_be_read(bench: Bench) -> None:
    rows = exam_rows(60)
    rows[4]["Zaehlen"] = "77"
    rows[5]["AGS"] = "5315000"
    bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows))
    assert bench.rows("SELECT line_no, ags FROM intake.quarantine ORDER BY 1") == [(6, "05315000"), (7, None)]


def test_accepted_cells_are_typed_and_missing_codes_are_empty(bench: Bench) -> None:
    rows = exam_rows(2)
    rows[0] |= {"Pseudonym": "ABCDEF0123456789"}
    missing = {
        "Geschlecht": "9", "Bildung_Eltern": "9", "Erstsprache": "9", "Deutschkenntnisse": "9", "Zaehlen": "99",
        "Praepositionen": "9", "Groesse_cm": "-1", "Gewicht_kg": "-1,0", "U3": "9", "U7a": "", "MMR_Impfungen": "9",
        "Befund_Sprache": "0", "Kita_Jahre": "-1", "Fragebogenversion": "",
    }  # fmt: skip
    rows[1] |= missing
    assert bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows)).n_accepted == 2
    chosen = (
        "pseudonym, ags, entry_year, birth_month, sex, parents_education, home_language, german_skills,"
        " counting_points, height_cm, has_booklet, u3, u7a, speech_finding"
    )
    first, second = bench.rows(f"SELECT {chosen} FROM intake.school_entry_exam ORDER BY line_no")
    assert first == (
        "abcdef0123456789", "05315000", 2015, dt.date(2009, 3, 1), "m", "middle", "german", 4, 15, Decimal("118.5"),
        True, True, True, "K",
    )  # fmt: skip
    assert second[4:10] == (None,) * 6
    assert second[10:] == (True, None, None, None)


def test_a_sub_test_not_yet_in_use_may_be_blank(bench: Bench) -> None:
    sopess = {column.header: "" for column in shipped_contract("school_entry_exam").columns if column.blank_before}
    assert len(sopess) == 9
    early = csv_text(exam_rows(5, Einschulungsjahr="2008", Geburtsmonat="2002-03", **sopess))
    assert bench.deliver("school_entry_exam", "SEU_2008.csv", early).status == "accepted"
    late = csv_text(exam_rows(5, **sopess))
    with pytest.raises(DeliveryError, match=r"TOO_MANY_BAD_ROWS.*REQUIRED:counting_points in 5 rows, first in line 2"):
        bench.deliver("school_entry_exam", "SEU_2015.csv", late)


def test_a_column_without_any_value_is_told(bench: Bench) -> None:
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(exam_rows(5, Zaehlen="99")))
    assert report.empty_columns == ("counting_points",)


def test_keys_of_dissolved_gemeinden_become_those_of_their_successors(bench: Bench) -> None:
    rows = exam_rows(30)
    rows[0]["AGS"], rows[1]["AGS"], rows[2]["AGS"] = "05354004", "05313000", "05334002"
    assert bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows)).status == "accepted"
    kept = bench.rows("SELECT ags FROM intake.school_entry_exam ORDER BY line_no LIMIT 4")
    assert kept == [("05334004",), ("05334002",), ("05334002",), ("05315000",)]


def test_repeated_children(bench: Bench) -> None:
    rows = exam_rows(90)
    same, other = dict(rows[3]), dict(rows[5], Zaehlen="2")
    text = csv_text([*rows, same, dict(same), other])
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", text)
    assert bench.reasons() == {
        92: ["DUP_IDENTICAL"],
        93: ["DUP_IDENTICAL"],
        7: ["DUP_CONFLICT"],
        94: ["DUP_CONFLICT"],
    }
    assert report.n_accepted == 89
    kept = bench.rows(f"SELECT line_no FROM intake.school_entry_exam WHERE pseudonym = '{same['Pseudonym']}'")
    assert kept == [(5,)]


def test_repeated_children_of_one_school_year_and_stage(bench: Bench) -> None:
    rows = school_rows(90)
    same, other = dict(rows[3]), dict(rows[5], Kompetenzstufe_Klasse3="4")
    later_stage = dict(rows[7], Stufe="5", Kompetenzstufe_Klasse3="", Schulform_Klasse5="GY", Wiederholt="0")
    report = bench.deliver("education", "Schule_2018.csv", csv_text([*rows, same, other, later_stage]))
    assert bench.reasons() == {92: ["DUP_IDENTICAL"], 7: ["DUP_CONFLICT"], 93: ["DUP_CONFLICT"]}
    assert report.n_accepted == 90


def test_children_examined_for_an_earlier_year_are_accepted_again(bench: Bench) -> None:
    bench.deliver("school_entry_exam", "SEU_2014.csv", csv_text(exam_rows(20, Einschulungsjahr="2014")))
    content = csv_text(exam_rows(100))
    checked = bench.check("school_entry_exam", "SEU_2015.csv", content)
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", content)
    assert checked.status == report.status == "accepted"
    assert (report.n_accepted, bench.reasons()) == (100, {})


def test_children_who_repeat_a_grade_are_accepted_again(bench: Bench) -> None:
    bench.deliver("education", "Schule_2018.csv", csv_text(school_rows(20)))
    report = bench.deliver("education", "Schule_2019.csv", csv_text(school_rows(100, Schuljahr="2019")))
    assert (report.status, report.n_accepted, bench.reasons()) == ("accepted", 100, {})


@pytest.mark.parametrize(
    ("source", "file", "make"),
    [("school_entry_exam", "SEU_2015", exam_rows), ("education", "Schule_2018", school_rows)],
)
def test_a_child_cannot_stand_in_two_files_of_one_year(
    bench: Bench, source: str, file: str, make: Callable[[int], list[dict[str, str]]]
) -> None:
    bench.deliver(source, f"{file}.csv", csv_text(make(5)))
    report = bench.deliver(source, f"{file}_zweite.csv", csv_text(make(100)))
    assert (report.reasons, report.n_accepted) == ({"DUP_OTHER_DELIVERY": 5}, 95)
    assert bench.reasons() == {line: ["DUP_OTHER_DELIVERY"] for line in range(2, 7)}
    with pytest.raises(DeliveryError, match=r"TOO_MANY_BAD_ROWS.*DUP_OTHER_DELIVERY in 90 rows"):
        bench.deliver(source, f"{file}_dritte.csv", csv_text(make(90)))


def test_a_child_attends_a_kita_in_several_years(bench: Bench) -> None:
    bench.deliver("kita_attendance", "Kita_2014.csv", csv_text(kita_rows(5, Kitajahr="2014")))
    assert bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(5))).status == "accepted"
    report = bench.deliver("kita_attendance", "Kita_2015_zweite.csv", csv_text(kita_rows(100)))
    assert report.reasons == {"DUP_OTHER_DELIVERY": 5}
    assert report.n_accepted == 95


def refusal(bench: Bench, rows: list[dict[str, str]], name: str = "SEU_2015.csv") -> tuple[str, str]:
    with pytest.raises(DeliveryError) as refused:
        bench.deliver("school_entry_exam", name, csv_text(rows))
    for table in ("delivery", "quarantine", "school_entry_exam"):
        assert bench.rows(f"SELECT count(*) FROM intake.{table}") == [(0,)]
    return refused.value.code, str(refused.value)


def test_more_bad_rows_than_the_contract_allows_refuse_the_file(bench: Bench) -> None:
    rows = exam_rows(40)
    for row in rows[:2]:
        row["Zaehlen"] = "77"
    assert bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows)).n_quarantined == 2
    bench.con.execute(
        "DELETE FROM intake.delivery; DELETE FROM intake.quarantine; DELETE FROM intake.school_entry_exam"
    )
    rows[2]["Zaehlen"] = "77"
    code, message = refusal(bench, rows)
    assert code == "TOO_MANY_BAD_ROWS"
    assert "3 of 40 rows" in message
    assert "RANGE:counting_points in 3 rows, first in line 2" in message
    assert "77" not in message


def test_lost_leading_zeros_are_told_as_excel_does_it(bench: Bench) -> None:
    code, message = refusal(bench, exam_rows(30, AGS="5315000"))
    assert code == "TOO_MANY_BAD_ROWS"
    assert "as Excel does" in message


def test_weak_pseudonyms_refuse_the_file(bench: Bench) -> None:
    names = [dict(row, Pseudonym=f"Kind{i}") for i, row in enumerate(exam_rows(30))]
    assert refusal(bench, names)[0] == "PSEUDONYM_WEAK"
    counted = [dict(row, Pseudonym=f"{10**16 + i}") for i, row in enumerate(exam_rows(30))]
    assert refusal(bench, counted)[0] == "PSEUDONYM_WEAK"


@pytest.mark.parametrize("cell", ["canary@example.org", "A123456789", "DE89 3704 0044 0532 0130 00", "12.03.2009"])
def test_cells_that_look_like_persons_refuse_the_file(bench: Bench, cell: str) -> None:
    code, message = refusal(bench, exam_rows(30, Fragebogenversion=cell))
    assert code == "DIRECT_IDENTIFIER_SUSPECTED"
    assert "column Fragebogenversion" in message
    assert cell not in message


def test_full_dates_of_birth_refuse_the_file(bench: Bench) -> None:
    assert refusal(bench, exam_rows(30, Geburtsmonat="2009-03-17"))[0] == "DIRECT_IDENTIFIER_SUSPECTED"


def test_a_file_of_a_year_to_come_is_refused(bench: Bench) -> None:
    code, message = refusal(bench, exam_rows(30, Einschulungsjahr="2031"), "SEU_2031.csv")
    assert code == "TOO_MANY_BAD_ROWS"
    assert "YEAR_RANGE in 30 rows" in message


CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "9", "99", "-1", "CANARY7", "5315000", "05315000", "118,5", "K", "=1+1", '"', "2015"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r;"), max_size=12),
)


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 5), CELLS), min_size=0, max_size=4, unique_by=lambda cell: cell[:2]
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_accepted_or_quarantined_and_no_cell_is_told(
    bench: Bench, cells: list[tuple[int, int, str]]
) -> None:
    rows = kita_rows(10)
    for index, column, cell in cells:
        rows[index][list(rows[index])[column]] = cell
    contract = shipped_contract("kita_attendance").model_copy(update={"max_quarantined_share": 0.95})
    bench.con.execute("DELETE FROM intake.delivery; DELETE FROM intake.quarantine; DELETE FROM intake.kita_attendance")
    try:
        report = bench.deliver(contract, "Kita_2015.csv", csv_text(rows))
    except DeliveryError as refused:
        assert "CANARY7" not in str(refused)
        assert bench.rows("SELECT count(*) FROM intake.delivery") == [(0,)]
        return
    stored = bench.rows("SELECT line_no FROM intake.kita_attendance")
    put_aside = bench.rows("SELECT line_no FROM intake.quarantine")
    assert sorted([*stored, *put_aside]) == [(line,) for line in range(2, 12)]
    assert (report.n_accepted, report.n_quarantined) == (len(stored), len(put_aside))
    changed = {(index + 2,) for index, _, _ in cells}
    assert {(line,) for line in range(2, 12)} - changed <= set(stored) | set(put_aside)
