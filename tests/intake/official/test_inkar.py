"""Exports of INKAR, from small tables written by hand and from the original file."""

from decimal import Decimal
from pathlib import Path

import pytest

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.official import read_official

CSV = """Kennziffer;Raumeinheit;Aggregat;Arbeitslosenquote;Haushaltseinkommen;Haushaltseinkommen
;;;2017;2016;2017
"05114000";"Krefeld, Stadt";"krsfr. Stadt";"10,4";"1.598";"12.345,67"
"05154";"Kleve";"Landkreis";"-0,5";"";"1.700"
"05154004";"Bedburg-Hau";"Gemeinden";"5,0";"1.500";"1.501"
"05111000";"Düsseldorf";"Gemeinden";"7,0";"2.100";"2.101"
""".replace("\n", "\r\n")


def _write(folder: Path, text: str, encoding: str = "utf-8-sig") -> Path:
    path = folder / "inkar.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_classic_csv(tmp_path):
    table = read_official(_write(tmp_path, CSV))
    assert (table.table_code, table.kind) == ("INKAR", "inkar_csv")
    figures = {(f.region_key, f.measure, f.year): (f.value, f.status) for f in table.figures}
    assert figures["05114", "Arbeitslosenquote", 2017] == (Decimal("10.4"), "value")
    assert figures["05114", "Haushaltseinkommen", 2016] == (Decimal(1598), "value")
    assert figures["05114", "Haushaltseinkommen", 2017] == (Decimal("12345.67"), "value")
    assert figures["05154", "Arbeitslosenquote", 2017] == (Decimal("-0.5"), "value")
    assert figures["05154", "Haushaltseinkommen", 2016] == (None, "not_available")


def test_eight_digits_mean_a_kreis_unless_the_row_is_a_gemeinde(tmp_path):
    levels = {f.region_key: f.region_level for f in read_official(_write(tmp_path, CSV)).figures}
    assert levels == {"05114": "kreis", "05154": "kreis", "05154004": "gemeinde", "05111000": "gemeinde"}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('"05114000"', '"5114000"', "AGS_LEADING_ZERO", 3),
        ('"05154";', '"5154";', "AGS_LEADING_ZERO", 4),
        ('"10,4"', '"10.4"', "SYMBOL", 3),
        ('"12.345,67"', '"12.34"', "SYMBOL", 3),
        (';"5,0"', "", "TRUNCATED", 5),
        (";;;2017;2016", ";;;2017;Mittel", "LAYOUT", 2),
        ("Kennziffer;Raumeinheit;Aggregat", "Kennziffer;Name;Aggregat", "LAYOUT", 1),
    ],
)
def test_faults_are_refused(tmp_path, old, new, code, line):
    with pytest.raises(DeliveryError) as refusal:
        read_official(_write(tmp_path, CSV.replace(old, new)))
    assert refusal.value.code == code
    assert f"inkar.csv, line {line}" in str(refusal.value)


def test_a_file_cut_in_its_last_line_is_refused(tmp_path):
    for cut in range(1, 12):
        with pytest.raises(DeliveryError) as refusal:
            read_official(_write(tmp_path, CSV[:-cut].removesuffix("\n")))
        assert refusal.value.code == "TRUNCATED"


def test_the_real_classic_export(shared):
    table = read_official(shared / "data/official/inkar/inkar_klassisch_export_sample.csv")
    figures = list(table.figures)
    lines = (shared / "data/official/inkar/inkar_klassisch_export_sample.csv").read_text("utf-8-sig").splitlines()
    n_columns = lines[0].count(";") - 2
    assert len(figures) == (len(lines) - 2) * n_columns
    krefeld = {f.measure: f.value for f in figures if f.region_key == "05114"}
    printed = next(line for line in lines if line.startswith('"05114')).split(";")
    heads = lines[0].split(";")
    assert krefeld["Haushaltseinkommen"] == Decimal(
        printed[heads.index("Haushaltseinkommen")].strip('"').replace(".", "")
    )
    assert all(len(figure.region_key) == 5 for figure in figures)


def test_the_original_excel_file(shared, capsys):
    xlrd = pytest.importorskip("xlrd")
    path = shared / "data/official/inkar/xls/B_SchulabgaengerohneAbschluss.xls"
    table = read_official(path, kind="inkar_xls")
    assert capsys.readouterr().out == ""
    sheet = xlrd.open_workbook(str(path), logfile=open("/dev/null", "w")).sheet_by_index(0)  # noqa: SIM115, PTH123
    figures = {(f.region_key, f.year): f for f in table.figures}
    assert len(figures) == (sheet.nrows - 2) * (sheet.ncols - 3)
    for row in range(2, sheet.nrows):
        for column in range(3, sheet.ncols):
            found = figures[sheet.cell_value(row, 0), int(sheet.cell_value(1, column))]
            cell = sheet.cell_value(row, column)
            if cell == "":
                assert (found.value, found.status) == (None, "not_available")
            else:
                assert float(found.value) == cell
                assert found.status == "value"


def test_a_cut_excel_file_is_refused(shared, tmp_path):
    whole = (shared / "data/official/inkar/xls/B_SchulabgaengerohneAbschluss.xls").read_bytes()
    for share in (0.02, 0.3, 0.9):
        path = tmp_path / "cut.xls"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DeliveryError) as refusal:
            read_official(path)
        assert refusal.value.code == "TRUNCATED"
        assert "cut.xls" in str(refusal.value)
