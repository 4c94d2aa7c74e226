"""Headers: matched by name alone; direct identifiers never get in."""

import pytest

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.identifiers import direct_identifier
from tests.intake.conftest import EXAM, Bench, csv_text, exam_rows, kita_rows


@pytest.mark.parametrize(
    "header",
    [
        "Name", "NAME", "Kind_Name", "NameKind", "vorname", "Nachname", "Geburtsdatum", "geb. datum", "Geburtstag",
        "Straße", "STRASSE", "Hausnummer", "PLZ", "Telefon", "E-Mail", "eMail", "KVNR", "KV-Nr. (KVNR)", "IBAN",
        "Krankenversichertennummer", "Anschrift der Eltern", "date of birth",
    ],
)  # fmt: skip
def test_direct_identifiers_are_known_whatever_their_spelling(header: str) -> None:
    assert direct_identifier(header)


@pytest.mark.parametrize(
    "header", ["Pseudonym", *EXAM, "Kitajahr", "Buchungszeit", "Monate_anwesend", "Stufe", "Kinder"]
)
def test_the_agreed_columns_are_no_identifiers(header: str) -> None:
    assert not direct_identifier(header)


@pytest.mark.parametrize("added", ["Vorname", "Straße", "Geburtsdatum", "Telefon"])
def test_a_direct_identifier_refuses_the_file_and_nothing_is_kept(bench: Bench, added: str) -> None:
    rows = [{**row, added: "CANARY"} for row in exam_rows(30)]
    with pytest.raises(DeliveryError) as refusal:
        bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows))
    assert refusal.value.code == "DIRECT_IDENTIFIER"
    assert f"column {len(EXAM) + 2} ('{added}')" in str(refusal.value)
    assert "CANARY" not in str(refusal.value)
    assert bench.rows("SELECT count(*) FROM intake.school_entry_exam") == [(0,)]
    assert bench.rows("SELECT count(*) FROM intake.quarantine") == [(0,)]
    assert [path.name for path in bench.work.iterdir()] == ["spill"]


def test_columns_in_another_order_give_the_same_rows(bench: Bench) -> None:
    rows = exam_rows(25, Deutschkenntnisse="2", Zaehlen="3", Visuomotorik="11")
    query = "SELECT * EXCLUDE (delivery_id) FROM intake.school_entry_exam ORDER BY line_no"
    bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows))
    straight = bench.rows(query)
    swapped = csv_text(rows, header=[*reversed(rows[0])])
    assert bench.deliver("school_entry_exam", "SEU_2015.csv", swapped).status == "corrected"
    assert bench.rows(query.replace(" ORDER", " WHERE delivery_id = 2 ORDER")) == straight


def _refusal(bench: Bench, text: str) -> str:
    with pytest.raises(DeliveryError) as refusal:
        bench.deliver("school_entry_exam", "SEU_2015.csv", text)
    assert refusal.value.code == "SCHEMA"
    assert bench.rows("SELECT count(*) FROM intake.delivery") == [(0,)]
    return str(refusal.value)


def test_a_renamed_column_is_told_with_its_nearest_name(bench: Bench) -> None:
    text = csv_text(exam_rows(3)).replace("Selektive_Aufmerksamkeit", "Selektive_Aufmerks", 1)
    message = _refusal(bench, text)
    assert "columns missing: Selektive_Aufmerksamkeit" in message
    assert "Selektive_Aufmerks (renamed from Selektive_Aufmerksamkeit?)" in message


def test_a_column_in_other_letters_is_told_as_renamed(bench: Bench) -> None:
    message = _refusal(bench, csv_text(exam_rows(3)).replace(";AGS;", ";ags;", 1))
    assert "ags (renamed from AGS?)" in message


def test_missing_added_and_double_columns_are_told(bench: Bench) -> None:
    rows = exam_rows(3)
    without = [{name: cell for name, cell in row.items() if name != "Zaehlen"} for row in rows]
    assert "columns missing: Zaehlen" in _refusal(bench, csv_text(without))
    added = [{**row, "Bemerkung": "x"} for row in rows]
    assert "columns not in the contract: Bemerkung" in _refusal(bench, csv_text(added))
    header = [*rows[0], "AGS"]
    assert "columns given twice: AGS" in _refusal(bench, csv_text(rows, header=header))


def test_a_file_without_header_is_refused_and_its_first_row_is_not_repeated(bench: Bench) -> None:
    text = csv_text(exam_rows(3)).split("\n", 1)[1]
    message = _refusal(bench, text)
    assert "line 1: this is not the header of school_entry_exam" in message
    assert "05315000" not in message
    assert "118,5" not in message


def test_another_separator_is_refused_with_the_right_one(bench: Bench) -> None:
    with pytest.raises(DeliveryError, match=r"SCHEMA: .* separated by ';'"):
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(3)).replace(";", ","))
