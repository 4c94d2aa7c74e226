"""CSV as offices export it: encodings, line ends, quotation marks, files that were cut off."""

from collections.abc import Callable

import pytest

from kkz_eval.errors import DeliveryError
from tests.intake.conftest import Bench, csv_text, exam_rows, kita_rows

CP1252_NAME = "Bogen „neu“ – 5 €"


def stored(bench: Bench) -> list[tuple[object, ...]]:
    return bench.rows("SELECT * EXCLUDE (delivery_id) FROM intake.school_entry_exam ORDER BY line_no")


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (lambda text: text.encode("utf-8"), "plain UTF-8"),
        (lambda text: text.encode("utf-8-sig"), "with BOM"),
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda text: text.encode("cp1252"), "cp1252 as German Excel writes it"),
        (lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"), "CRLF"),
        (lambda text: text.replace("\n", "\r").encode("utf-8"), "CR"),
        (lambda text: text.replace("\n", "\r\n", 5).encode("cp1252"), "CRLF and LF mixed"),
        (lambda text: (text + "\n\n").encode("utf-8"), "blank lines at the end"),
        (lambda text: text.replace(";", " ; ").replace("\n", " \n").encode("utf-8"), "blanks around cells"),
        (lambda text: text.replace("05315000", '"05315000"').encode("utf-8"), "quotation marks"),
        (lambda text: text.replace("05315000", '"05315000"').encode("cp1252"), "quotation marks in cp1252"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_same_rows_in_any_dress_are_stored_alike(bench: Bench, encode: Callable[[str], bytes], name: str) -> None:
    rows = exam_rows(30, Fragebogenversion=CP1252_NAME)
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", encode(csv_text(rows)))
    assert (report.n_rows, report.n_accepted, report.status) == (30, 30, "accepted"), name
    kept = stored(bench)
    assert [row[0] for row in kept] == list(range(2, 32))
    assert {row[-1] for row in kept} == {CP1252_NAME}
    assert [row[1] for row in kept] == [row["Pseudonym"] for row in rows]
    assert {row[2] for row in kept} == {"05315000"}


@pytest.mark.parametrize("number", [1, 5, 40_000])
def test_line_numbers_are_those_of_the_file(bench: Bench, number: int) -> None:
    rows = kita_rows(number + 20)
    rows[number]["Alter"] = "77"
    bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(rows))
    assert bench.reasons() == {number + 2: ["RANGE:age"]}
    expected = "lpad(lpad(lower(to_hex(7 * (line_no - 2) + 3)), 6, '0'), 16, 'e')"
    matched = f"SELECT count(*) FROM intake.kita_attendance WHERE pseudonym = {expected}"
    assert bench.rows(matched) == [(number + 19,)]


def test_blank_lines_in_between_do_not_shift_line_numbers(bench: Bench) -> None:
    lines = csv_text(exam_rows(30, Deutschkenntnisse="9")).split("\n")
    lines[20] = lines[20].replace(";K;", ";Q;", 1)
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", "\n".join([*lines[:10], "", "", *lines[10:]]))
    assert report.n_rows == 30
    assert bench.reasons() == {23: ["CODE:vision_finding"]}


def refusal(bench: Bench, content: str | bytes) -> tuple[str, str]:
    with pytest.raises(DeliveryError) as refused:
        bench.deliver("school_entry_exam", "SEU_2015.csv", content)
    for table in ("delivery", "quarantine", "school_entry_exam"):
        assert bench.rows(f"SELECT count(*) FROM intake.{table}") == [(0,)]
    return refused.value.code, str(refused.value)


def test_files_that_were_cut_off_are_refused(bench: Bench) -> None:
    text = csv_text(exam_rows(30))
    no_end = refusal(bench, text.removesuffix("\n"))
    assert no_end[0] == "INCOMPLETE_FILE"
    assert "line 31" in no_end[1]
    in_a_row = refusal(bench, text[:-40])
    assert in_a_row[0] == "INCOMPLETE_FILE"
    short_row = refusal(bench, text[:-40] + "\n")
    assert short_row[0] == "INCOMPLETE_FILE"
    assert "line 31: the last row has too few cells" in short_row[1]
    open_quote = refusal(bench, text.replace(";v1", ';"v1', 3).replace(';"v1', ";v1", 2))
    assert open_quote[0] == "INCOMPLETE_FILE"
    assert "line 4: a quotation mark is not closed" in open_quote[1]
    assert refusal(bench, text.encode("utf-16")[:-41])[0] in ("INCOMPLETE_FILE", "ENCODING")


def test_empty_files_are_refused(bench: Bench) -> None:
    header = csv_text(exam_rows(1)).split("\n")[0]
    assert refusal(bench, "")[0] == "EMPTY_FILE"
    assert refusal(bench, header + "\n")[0] == "EMPTY_FILE"
    assert refusal(bench, header + "\n\n\n")[0] == "EMPTY_FILE"
    assert refusal(bench, "\n\n")[0] == "EMPTY_FILE"


def test_broken_umlauts_and_unknown_encodings_are_refused(bench: Bench) -> None:
    text = csv_text(exam_rows(30, Fragebogenversion="für Köln"))
    broken = text.encode("utf-8").decode("cp1252").encode("utf-8")
    code, message = refusal(bench, broken)
    assert code == "MOJIBAKE"
    assert "line 2" in message
    assert "Köln" not in message
    assert refusal(bench, text.encode("utf-8").replace("ö".encode(), b"\x81"))[0] in ("ENCODING", "TOO_MANY_BAD_ROWS")
    assert refusal(bench, csv_text(exam_rows(30)).encode().replace(b"v1", b"\x81\x8d"))[0] == "ENCODING"


def test_single_lines_in_another_encoding_are_put_aside(bench: Bench) -> None:
    lines = csv_text(exam_rows(40, Fragebogenversion="für Köln")).encode().split(b"\n")
    lines[7] = lines[7].decode().encode("cp1252")
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", b"\n".join(lines))
    assert (report.n_rows, report.n_accepted, report.reasons) == (40, 39, {"ENCODING": 1})
    assert bench.reasons() == {8: ["ENCODING"]}


def test_lines_that_are_no_rows_are_put_aside_alone(bench: Bench) -> None:
    lines = csv_text(exam_rows(200)).split("\n")
    lines[10] += ";extra"
    lines[20] = lines[20].rsplit(";", 3)[0]
    lines[30] = lines[30].replace(";v1", ";v\x00")
    lines[40] = lines[40] + "x" * 3_000_000
    report = bench.deliver("school_entry_exam", "SEU_2015.csv", "\n".join(lines))
    assert bench.reasons() == {
        11: ["COLUMN_COUNT"],
        21: ["COLUMN_COUNT"],
        31: ["CONTROL_CHARS"],
        41: ["LINE_TOO_LONG"],
    }
    assert (report.n_rows, report.n_accepted, report.n_quarantined) == (200, 196, 4)


def test_a_short_and_a_long_row_do_not_hide_each_other(bench: Bench) -> None:
    # Their separators add up to the right number, so only the rows themselves tell.
    lines = csv_text(kita_rows(60)).split("\n")
    lines[10] += ";"
    lines[20] = lines[20].rsplit(";", 1)[0]
    bench.deliver("kita_attendance", "Kita_2015.csv", "\n".join(lines))
    assert bench.reasons() == {11: ["COLUMN_COUNT"], 21: ["COLUMN_COUNT"]}


def test_a_row_of_separators_only_has_one_plain_reason(bench: Bench) -> None:
    text = csv_text(kita_rows(60)) + ";;;;;\n"
    bench.deliver("kita_attendance", "Kita_2015.csv", text)
    assert bench.reasons() == {62: ["BLANK_ROW"]}
