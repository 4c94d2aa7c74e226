"""The flat file of GENESIS in both layouts, from small tables written by hand."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.official import read_official

NEW = """statistics_code;statistics_label;time_code;time_label;time;1_variable_code;1_variable_label;\
1_variable_attribute_code;1_variable_attribute_label;2_variable_code;2_variable_label;2_variable_attribute_code;\
2_variable_attribute_label;value;value_unit;value_variable_code;value_variable_label
12411;Fortschreibung;STAG;Stichtag;2024-12-31;KREISE;Kreise;05114;Krefeld;GES;Geschlecht;GESW;weiblich;111189;Anzahl;BEVSTD;Bevölkerungsstand
12411;Fortschreibung;STAG;Stichtag;2024-12-31;GES;Geschlecht;;Insgesamt;DINSG;Deutschland;DG;Deutschland;83577140;Anzahl;BEVSTD;Bevölkerungsstand
12411;Fortschreibung;STAG;Stichtag;2024-12-31;KREISE;Kreise;05116;Mönchengladbach;GES;Geschlecht;GESW;weiblich;-;Anzahl;BEVSTD;Bevölkerungsstand
12411;Fortschreibung;STAG;Stichtag;2024-12-31;KREISE;Kreise;05116;Mönchengladbach;GES;Geschlecht;GESM;männlich;5;Anzahl;BEVSTD;Bevölkerungsstand
12411;Fortschreibung;STAG;Stichtag;2024-12-31;KREISE;Kreise;05354;Aachen;GES;Geschlecht;GESW;weiblich;-;Anzahl;BEVSTD;Bevölkerungsstand
12411;Fortschreibung;STAG;Stichtag;2024-12-31;REGBEZ;Regierungsbezirke;051;Düsseldorf;GES;Geschlecht;GESW;weiblich;.;Anzahl;BEVSTD;Bevölkerungsstand
"""
OLD = """Statistik_Code;Statistik_Label;Zeit_Code;Zeit_Label;Zeit;1_Merkmal_Code;1_Merkmal_Label;1_Auspraegung_Code;\
1_Auspraegung_Label;FLC006__Gebietsflaeche__qkm;GEM001__Gemeinden__Anzahl
11111;Gebietsstand;STAG;Stichtag;31.12.2022;DLAND;Bundesländer;05;Nordrhein-Westfalen;34112,72;396
11111;Gebietsstand;STAG;Stichtag;31.12.2022;DLAND;Bundesländer;04;Bremen;-;2
11111;Gebietsstand;STAG;Stichtag;31.12.2022;DLAND;Bundesländer;;Insgesamt;357595,99;-
"""


def _write(folder: Path, text: str, encoding: str = "utf-8-sig") -> Path:
    path = folder / "flat.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_new_layout(tmp_path):
    table = read_official(_write(tmp_path, NEW))
    assert (table.table_code, table.title, table.kind, table.encoding) == (
        "12411",
        "Fortschreibung",
        "genesis_flat",
        "utf-8",
    )
    first = next(table.figures)
    assert (first.line_no, first.region_key, first.region_level, first.region_name) == (2, "05114", "kreis", "Krefeld")
    assert (first.year, first.reference_date, first.value) == (2024, dt.date(2024, 12, 31), Decimal(111189))
    assert (first.characteristics, first.measure) == ("Geschlecht: weiblich", "Bevölkerungsstand | Anzahl")


def test_the_area_may_be_any_of_the_variables(tmp_path):
    germany = list(read_official(_write(tmp_path, NEW)).figures)[1]
    assert (germany.region_key, germany.region_level, germany.characteristics) == (
        "DG",
        "bund",
        "Geschlecht: Insgesamt",
    )


def test_a_dash_is_zero_only_in_an_area_that_exists(tmp_path):
    status = {(f.region_key, f.characteristics): f.status for f in read_official(_write(tmp_path, NEW)).figures}
    assert status["05116", "Geschlecht: weiblich"] == "zero"
    assert status["05354", "Geschlecht: weiblich"] == "not_available"
    assert status["051", "Geschlecht: weiblich"] == "secret"


def test_old_layout_has_a_column_per_measure(tmp_path):
    table = read_official(_write(tmp_path, OLD, "cp1252"))
    figures = {(f.region_key, f.measure): (f.value, f.status) for f in table.figures}
    assert table.encoding == "cp1252"
    assert figures["05", "Gebietsflaeche | qkm"] == (Decimal("34112.72"), "value")
    assert figures["05", "Gemeinden | Anzahl"] == (Decimal(396), "value")
    assert figures["04", "Gebietsflaeche | qkm"] == (None, "not_available")
    assert figures["DG", "Gemeinden | Anzahl"] == (Decimal(0), "zero")


def test_decimal_comma_and_point_of_the_new_layout_mean_the_same(tmp_path):
    values = [
        next(read_official(_write(tmp_path, NEW.replace("111189", number))).figures).value
        for number in ("11,5", "11.5")
    ]
    assert values == [Decimal("11.5")] * 2


@pytest.mark.parametrize("text", [NEW, OLD])
def test_a_file_cut_anywhere_in_its_rows_is_refused(tmp_path, text):
    for cut in range(text.index("\n") + 2, len(text), 11):
        if text[cut - 1] == "\n":
            continue
        with pytest.raises(DeliveryError) as refusal:
            read_official(_write(tmp_path, text[:cut]))
        assert refusal.value.code == "TRUNCATED"


def test_a_missing_cell_is_refused_with_its_line(tmp_path):
    with pytest.raises(DeliveryError) as refusal:
        read_official(_write(tmp_path, NEW.replace("GESM;männlich;5;", "GESM;männlich;")))
    assert refusal.value.code == "TRUNCATED"
    assert "line 5" in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("05114;Krefeld", "5114;Krefeld", "AGS_LEADING_ZERO"),
        ("111189", "n/a", "SYMBOL"),
        ("2024-12-31;KREISE;Kreise;05114", "2024Q4;KREISE;Kreise;05114", "LAYOUT"),
        ("KREISE;Kreise;05114", "NAT;Kreise;05114", "LAYOUT"),
        ("GES;Geschlecht;GESW;weiblich;111189", "DLAND;Land;05;NRW;111189", "LAYOUT"),
        ("1_variable_attribute_code", "1_code", "LAYOUT"),
        ("value_unit", "unit", "LAYOUT"),
    ],
)
def test_faults_are_refused(tmp_path, old, new, code):
    with pytest.raises(DeliveryError) as refusal:
        read_official(_write(tmp_path, NEW.replace(old, new)))
    assert refusal.value.code == code
    assert "flat.csv, line" in str(refusal.value)
