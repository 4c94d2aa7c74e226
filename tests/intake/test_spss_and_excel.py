"""Files of SPSS and Excel are judged like CSV: same contract, same reasons, same rows."""

import datetime as dt
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from kkz_eval.errors import DeliveryError, KkzError
from kkz_eval.intake import Keys, create_tables, deliver, read_contract, shipped_contract
from kkz_eval.intake.contract import Contract
from tests.intake.conftest import AS_OF, Bench, csv_text, exam_rows, kita_rows

NUMERIC = {
    "Einschulungsjahr", "Deutschkenntnisse", "Zaehlen", "Groesse_cm", "Gewicht_kg", "MMR_Impfungen", "Kita_Jahre", "U3",
    "Kitajahr", "Alter", "Buchungszeit", "Monate_anwesend", "Geschlecht",
}  # fmt: skip


def stored(bench: Bench, source: str) -> list[tuple[object, ...]]:
    return bench.rows(f"SELECT * EXCLUDE (delivery_id) FROM intake.{source} ORDER BY line_no")


def workbook(path: Path, rows: Sequence[dict[str, str]], numeric: set[str] = NUMERIC) -> None:
    """Rows as a sheet, with numbers in the columns named."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([_number(cell) if name in numeric and cell else cell or None for name, cell in row.items()])
    book.save(path)


def _number(cell: str) -> float | int:
    value = float(cell.replace(",", "."))
    return int(value) if value.is_integer() else value


def spss(path: Path, rows: Sequence[dict[str, str]], **options: Any) -> None:
    """Rows as a file of SPSS, with numbers in the numeric columns."""
    columns: dict[str, list[object]] = {
        name: [(float(_number(row[name])) if row[name] else None) if name in NUMERIC else row[name] for row in rows]
        for name in rows[0]
    }
    pyreadstat.write_sav(pd.DataFrame(columns), str(path), **options)


def test_the_three_formats_give_the_same_rows(bench: Bench) -> None:
    rows = exam_rows(30, Zaehlen="7")
    rows[3] |= {"Groesse_cm": "-1", "U7a": "", "Zaehlen": "99"}
    rows[4] |= {"Zaehlen": "77"}
    bench.deliver("school_entry_exam", "SEU_2015.csv", csv_text(rows))
    expected = stored(bench, "school_entry_exam")
    assert len(expected) == 29
    for name, write in (("SEU_2015.xlsx", workbook), ("SEU_2015.sav", spss)):
        bench.con.execute(
            "DELETE FROM intake.delivery; DELETE FROM intake.school_entry_exam; DELETE FROM intake.quarantine"
        )
        write(bench.inbox / name, rows)
        report = bench.deliver("school_entry_exam", name)
        assert stored(bench, "school_entry_exam") == expected
        assert bench.reasons() == {6: ["RANGE:counting_points"]}
        assert (report.n_rows, report.n_accepted) == (30, 29)


def test_a_leading_zero_lost_by_excel_is_noticed(bench: Bench) -> None:
    workbook(bench.inbox / "SEU_2015.xlsx", exam_rows(30), NUMERIC | {"AGS"})
    with pytest.raises(DeliveryError, match=r"AGS_LEADING_ZERO in 30 rows, first in line 2.*as Excel does"):
        bench.deliver("school_entry_exam", "SEU_2015.xlsx")


def test_dates_of_excel_are_months_only_on_the_first(bench: Bench) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in exam_rows(30)]
    for row in rows:
        row["Geburtsmonat"] = dt.datetime(2009, 3, 1)
    workbook(bench.inbox / "SEU_2015.xlsx", rows)
    assert bench.deliver("school_entry_exam", "SEU_2015.xlsx").status == "accepted"
    for row in rows:
        row["Geburtsmonat"] = dt.datetime(2009, 3, 17)
    workbook(bench.inbox / "SEU_2015.xlsx", rows)
    with pytest.raises(DeliveryError, match="DIRECT_IDENTIFIER_SUSPECTED"):
        bench.deliver("school_entry_exam", "SEU_2015.xlsx")


def test_blank_rows_and_cells_beside_the_table(bench: Bench) -> None:
    path = bench.inbox / "Kita_2015.xlsx"
    workbook(path, kita_rows(30))
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    book.create_sheet("Leer")
    sheet.insert_rows(5)
    sheet["H9"] = "Bemerkung"
    book.save(path)
    report = bench.deliver("kita_attendance", "Kita_2015.xlsx")
    assert report.n_rows == 30
    assert bench.reasons() == {9: ["COLUMN_COUNT"]}
    lines = [line for line, *_ in stored(bench, "kita_attendance")]
    assert lines == [2, 3, 4, 6, 7, 8, *range(10, 33)]


def test_more_than_one_sheet_with_rows_is_refused(bench: Bench) -> None:
    path = bench.inbox / "Kita_2015.xlsx"
    workbook(path, kita_rows(30))
    book = openpyxl.load_workbook(path)
    book.create_sheet("Zweite")["A1"] = "x"
    book.save(path)
    with pytest.raises(DeliveryError, match="SHEET"):
        bench.deliver("kita_attendance", "Kita_2015.xlsx")


def test_a_workbook_that_unpacks_to_a_huge_one_is_refused(bench: Bench) -> None:
    path = bench.inbox / "Kita_2015.xlsx"
    workbook(path, kita_rows(5))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/filler.bin", bytes(20_000_000))
    with pytest.raises(DeliveryError, match="TOO_LARGE"):
        bench.deliver("kita_attendance", "Kita_2015.xlsx")


@pytest.mark.parametrize("name", ["Kita_2015.xlsx", "Kita_2015.sav"])
@pytest.mark.parametrize("damage", ["none of it", "cut"])
def test_damaged_files_are_refused(bench: Bench, name: str, damage: str) -> None:
    path = bench.inbox / name
    (workbook if name.endswith("xlsx") else spss)(path, kita_rows(3000))
    content = path.read_bytes()
    path.write_bytes(b"this is something else" if damage == "none of it" else content[: len(content) * 2 // 3])
    with pytest.raises(DeliveryError) as refused:
        bench.deliver("kita_attendance", name)
    assert refused.value.code == "UNREADABLE"
    assert bench.rows("SELECT count(*) FROM intake.delivery") == [(0,)]


@pytest.mark.parametrize("suffix", ["xlsx", "sav", "csv"])
def test_spoiled_bytes_never_raise_anything_but_our_own_errors(bench: Bench, suffix: str) -> None:
    name = f"Kita_2015.{suffix}"
    path = bench.put(name, csv_text(kita_rows(40)))
    if suffix != "csv":
        (workbook if suffix == "xlsx" else spss)(path, kita_rows(40))
    whole, rng = path.read_bytes(), np.random.default_rng(7)
    outcomes = set()
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 12)):
            content[place] = int(rng.integers(0, 256))
        try:
            outcomes.add(bench.check("kita_attendance", name, bytes(content)).status)
        except KkzError as refused:
            outcomes.add(type(refused).__name__)
    assert "DeliveryError" in outcomes


@pytest.mark.parametrize("write", [workbook, spss])
def test_direct_identifiers_are_refused_in_any_format(bench: Bench, write: Any) -> None:
    name = "Kita_2015.xlsx" if write is workbook else "Kita_2015.sav"
    write(bench.inbox / name, [{**row, "Nachname": "CANARY"} for row in kita_rows(5)])
    with pytest.raises(DeliveryError) as refused:
        bench.deliver("kita_attendance", name)
    assert refused.value.code == "DIRECT_IDENTIFIER"
    assert "CANARY" not in str(refused.value)


def test_a_harmless_variable_explained_as_a_name_is_refused(bench: Bench) -> None:
    rows = [{**row, "V12": "CANARY"} for row in kita_rows(5)]
    spss(bench.inbox / "Kita_2015.sav", rows, column_labels={"V12": "Vorname des Kindes"})
    with pytest.raises(DeliveryError, match="DIRECT_IDENTIFIER"):
        bench.deliver("kita_attendance", "Kita_2015.sav")


def test_user_missing_values_are_missing_and_not_broken(bench: Bench) -> None:
    rows = exam_rows(30)
    rows[0]["Deutschkenntnisse"] = "-7"
    spss(bench.inbox / "SEU_2015.sav", rows, missing_ranges={"Deutschkenntnisse": [{"lo": -9, "hi": -1}]})
    assert bench.deliver("school_entry_exam", "SEU_2015.sav").status == "accepted"
    assert bench.rows("SELECT german_skills FROM intake.school_entry_exam WHERE line_no <= 3 ORDER BY line_no") == [
        (None,),
        (4,),
    ]


def test_a_code_that_means_something_else_is_refused(bench: Bench) -> None:
    column = shipped_contract("school_entry_exam").column("sex").model_copy(update={"labels": {"1": "männlich"}})
    columns = tuple(column if c.name == "sex" else c for c in shipped_contract("school_entry_exam").columns)
    contract = shipped_contract("school_entry_exam").model_copy(update={"columns": columns})
    path = bench.inbox / "SEU_2015.sav"
    spss(path, exam_rows(5), variable_value_labels={"Geschlecht": {1.0: "weiblich", 2.0: "männlich"}})
    with pytest.raises(DeliveryError, match=r"VALUE_LABELS.*column Geschlecht.*code 1"):
        bench.deliver(contract, "SEU_2015.sav")
    spss(path, exam_rows(5), variable_value_labels={"Geschlecht": {1.0: "Männlich", 2.0: "weiblich"}})
    assert bench.deliver(contract, "SEU_2015.sav").status == "accepted"


def test_an_office_with_other_headers_needs_only_aliases(bench: Bench) -> None:
    column = shipped_contract("kita_attendance").column("ags").model_copy(update={"aliases": ("GKZ",)})
    columns = tuple(column if c.name == "ags" else c for c in shipped_contract("kita_attendance").columns)
    contract = shipped_contract("kita_attendance").model_copy(update={"columns": columns})
    text = csv_text(kita_rows(5)).replace("AGS", "GKZ", 1)
    assert bench.deliver(contract, "Kita_2015.csv", text).n_accepted == 5


@pytest.fixture
def demo_contract() -> Contract:
    """A layout of its own, for a file in the format of the ESUexplorer."""
    return read_contract(Path(__file__).with_name("esu_demo.toml"))


def test_the_simulated_exam_of_the_esu_explorer(bench: Bench, shared: Path, demo_contract: Contract) -> None:
    file = shared / "data/exam_format/ESUdaten_DEMO.sav"
    frame, meta = pyreadstat.read_sav(str(file), user_missing=True)
    one_year = frame[frame["A2q_Schuljahr"] == 2013].reset_index(drop=True)
    path = bench.inbox / "ESU_2013.sav"
    pyreadstat.write_sav(
        one_year, str(path), variable_value_labels=meta.variable_value_labels, missing_ranges=meta.missing_ranges
    )
    create_tables(bench.con, [demo_contract])
    report = deliver(bench.con, demo_contract, path, as_of=AS_OF, work=bench.work, keys=Keys(None, None))
    assert (report.n_rows, report.n_quarantined) == (len(one_year), 0)
    clean, _ = pyreadstat.read_sav(str(file))
    clean = clean[clean["A2q_Schuljahr"] == 2013]
    for name, header in (
        ("german_skills", "KOMP_KIND"),
        ("weight_kg", "ZZ_q28_gewicht"),
        ("height_cm", "ZZ_q27_groesse"),
    ):
        number, total = bench.rows(f"SELECT count({name}), sum({name}) FROM intake.esu_demo")[0]
        assert number == int(clean[header].notna().sum())
        assert Decimal(str(total)) == sum((Decimal(str(value)) for value in clean[header].dropna()), Decimal(0))
    pairs = "SELECT count(*) FILTER (sex = 'm'), count(*) FILTER (family_plr LIKE '0%') FROM intake.esu_demo"
    males = int((clean["FAM_KIND_Sex"] == 1).sum())
    assert bench.rows(pairs) == [(males, int(clean["FAM_wohn_PLR"].str.startswith("0").sum()))]


def test_a_whole_file_of_many_years_needs_one_file_per_year(
    bench: Bench, shared: Path, demo_contract: Contract
) -> None:
    path = bench.put("ESU_2013.sav", (shared / "data/exam_format/ESUdaten_DEMO.sav").read_bytes())
    create_tables(bench.con, [demo_contract])
    with pytest.raises(DeliveryError, match="YEAR_MISMATCH"):
        deliver(bench.con, demo_contract, path, as_of=AS_OF, work=bench.work, keys=Keys(None, None))
