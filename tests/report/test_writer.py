"""CSV files: one for machines, one for a German Excel that must not run what it reads."""

import csv
import io
from datetime import date

import pandas as pd
import pytest

from kkz_eval.report.writer import excel_csv, machine_csv

FRAME = pd.DataFrame(
    {
        "name": ["=1+1", "Köln; Mitte", '"A"'],
        "value": [-2.5, None, 0.125],
        "n": pd.array([12, None, 0], dtype="Int64"),
        "is_used": [True, False, True],
        "day": [date(2025, 12, 31), None, date(2012, 1, 1)],
    }
)


def test_machine_csv_reads_back_unchanged() -> None:
    back = pd.read_csv(io.BytesIO(machine_csv(FRAME)))
    assert back["name"].tolist() == FRAME["name"].tolist()
    assert back["value"].tolist()[::2] == [-2.5, 0.125]
    assert back["value"].isna().tolist() == [False, True, False]
    assert back["n"].dropna().tolist() == [12, 0]
    assert back["day"].tolist()[0] == "2025-12-31"


def test_excel_csv_has_bom_semicolons_and_decimal_commas() -> None:
    content = excel_csv(FRAME)
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    assert [line[1] for line in lines[1:]] == ["-2,5", "", "0,125"]
    assert [line[2] for line in lines[1:]] == ["12", "", "0"]
    assert lines[2][0] == "Köln; Mitte"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_begins_like_a_formula_is_made_harmless(start: str) -> None:
    content = excel_csv(pd.DataFrame({"note": [f"{start}HYPERLINK()"], "value": [-2.0]})).decode("utf-8-sig")
    line = next(csv.reader(io.StringIO(content, newline=""), delimiter=";"))
    assert line == ["note", "value"]
    cells = list(csv.reader(io.StringIO(content, newline=""), delimiter=";"))[1]
    assert cells == [f"'{start}HYPERLINK()", "-2"]


def test_same_frame_same_bytes_and_empty_frames_keep_their_head() -> None:
    assert machine_csv(FRAME) == machine_csv(FRAME.copy())
    assert excel_csv(FRAME.iloc[:0]).decode("utf-8-sig") == "name;value;n;is_used;day\r\n"
