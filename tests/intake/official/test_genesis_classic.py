"""The classic export of GENESIS, from small tables written by hand."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.official import read_official

COUNTS = """GENESIS-Tabelle: 21111-02-06-4
Allgemeinbildende Schulen: Absolventen/Abgänger;;;;;;
nach dem Schulabschluss - Schuljahr -;;;;;;
regionale Tiefe: Kreise und krfr. Städte;;;;;;
Absolventen/Abgänger (Anzahl);;;;;;
;;;Schulabschluss;Schulabschluss;Schulabschluss;Schulabschluss
;;;Insgesamt;Insgesamt;ohne Hauptschulabschluss;ohne Hauptschulabschluss
;;;Insgesamt;weiblich;Insgesamt;weiblich
2008;DG;Deutschland;1000;500;70;30
2008;05;  Nordrhein-Westfalen;200;100;15;6
2008;051;    Düsseldorf, Regierungsbezirk;150;70;12;x
2008;05114;      Krefeld, Kreisfreie Stadt;50;25;-;.
2008;05334;      Städteregion Aachen (einschl. Stadt Aachen);-;-;-;-
2008;05334002;      Aachen, krfr. Stadt;20;9;0;0
__________
"zu ""gesamte Tabelle"":
Deutschland: mit Schulfremdenprüfung"
Stand: 10.10.2017 / 16:24:41
"""
QUOTAS = """GENESIS-Tabelle: AI003-1
Regionalatlas Deutschland;;;;
Indikatoren des Themenbereichs "Bildung";;;;
;;;Betreuungsquote 0 bis 2 Jahre;Betreuungsquote 3 bis 5 Jahre
;;;Prozent;Prozent
2012;05114;      Krefeld, Kreisfreie Stadt;13,5;-
2012;05354;      Aachen, Kreis;.;.
__________
Stand: 10.10.2017 / 16:24:41
"""
CARE = """GENESIS-Tabelle: 22543-01-01-4
Statistik der öffentl. geförd. Kindertagespflege,;;;;;
regional Tiefe: Kreise und krfr. Städte;;;;;
;;;;Betreute Kinder;Betreute Kinder
;;;;;Altersgruppe
;;;;;unter 3 Jahre
;;;;Anzahl;Anzahl
01.03.2010;05114;      Krefeld, Kreisfreie Stadt;Tageseinrichtung;900;300
01.03.2010;05114;      Krefeld, Kreisfreie Stadt;Tagespflege;-;-
15.03.2008;05114;      Krefeld, Kreisfreie Stadt;Tageseinrichtung;800;200
__________
"""
WIDE = """GENESIS-Tabelle: 12411-02-03-5
Bevölkerungsstand: Bevölkerung nach Geschlecht;;;
regionale Tiefe: Gemeinden, Samt-/Verbandsgemeinden;;;
Bevölkerungsstand (Anzahl);;;
31.12.2015;;;
;;Altersgruppen;Altersgruppen
;;unter 3 Jahre;3 bis unter 6 Jahre
DG;Deutschland;300;290
05114;      Krefeld, Kreisfreie Stadt;20;19
05154;      Kleve, Kreis;30;29
05154004;        Bedburg-Hau;3;-
05354004;        Alsdorf, Stadt;-;-
0713101;        Adenau, Verbandsgem.;7;6
__________
"""


def _write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def _by(table, *parts):
    return {tuple(getattr(figure, part) for part in parts): (figure.value, figure.status) for figure in table.figures}


def test_every_cell_becomes_one_figure_with_its_labels(tmp_path):
    table = read_official(_write(tmp_path, COUNTS))
    assert (table.table_code, table.kind, table.encoding) == ("21111-02-06-4", "genesis_classic", "utf-8")
    assert "Absolventen/Abgänger nach dem Schulabschluss" in table.title
    figures = list(table.figures)
    assert len(figures) == 6 * 4
    first = figures[0]
    assert (first.line_no, first.region_key, first.region_level, first.year, first.reference_date) == (
        9,
        "DG",
        "bund",
        2008,
        None,
    )
    assert (first.measure, first.value) == ("Schulabschluss | Insgesamt | Insgesamt", Decimal(1000))
    assert {f.region_name for f in figures if f.region_key == "05"} == {"Nordrhein-Westfalen"}


def test_levels_follow_the_length_of_the_key(tmp_path):
    table = read_official(_write(tmp_path, COUNTS))
    levels = {figure.region_key: figure.region_level for figure in table.figures}
    assert levels == {
        "DG": "bund", "05": "land", "051": "other", "05114": "kreis", "05334": "kreis", "05334002": "gemeinde",
    }  # fmt: skip


def test_symbols_in_a_table_of_counts(tmp_path):
    cells = _by(read_official(_write(tmp_path, COUNTS)), "region_key", "measure")
    without, girls = (
        "Schulabschluss | ohne Hauptschulabschluss | Insgesamt",
        "Schulabschluss | ohne Hauptschulabschluss | weiblich",
    )
    assert cells["05114", without] == (Decimal(0), "zero")
    assert cells["05114", girls] == (None, "secret")
    assert cells["051", girls] == (None, "blocked")
    assert cells["05334002", without] == (Decimal(0), "value")


def test_an_area_that_did_not_exist_is_not_an_area_of_zeros(tmp_path):
    cells = _by(read_official(_write(tmp_path, COUNTS)), "region_key", "measure")
    assert {cell for (key, _), cell in cells.items() if key == "05334"} == {(None, "not_available")}


def test_a_dash_of_a_changed_key_is_never_zero_outside_its_years(tmp_path):
    text = COUNTS.replace("Aachen);-;-;-;-", "Aachen);7;-;-;-")
    cells = _by(read_official(_write(tmp_path, text)), "region_key", "measure")
    assert sorted(status for (key, _), (_, status) in cells.items() if key == "05334") == ["not_available"] * 3 + [
        "value"
    ]


def test_a_dash_in_a_table_of_quotas_is_not_available(tmp_path):
    cells = _by(read_official(_write(tmp_path, QUOTAS)), "region_key", "measure")
    assert cells["05114", "Betreuungsquote 0 bis 2 Jahre | Prozent"] == (Decimal("13.5"), "value")
    assert cells["05114", "Betreuungsquote 3 bis 5 Jahre | Prozent"] == (None, "not_available")
    assert cells["05354", "Betreuungsquote 0 bis 2 Jahre | Prozent"] == (None, "secret")


def test_labels_beside_the_area_and_days_of_counting(tmp_path):
    table = read_official(_write(tmp_path, CARE))
    cells = _by(table, "year", "characteristics", "measure")
    young = "Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl"
    assert cells[2010, "Tageseinrichtung", young] == (Decimal(300), "value")
    assert cells[2008, "Tageseinrichtung", young] == (Decimal(200), "value")
    assert {figure.reference_date for figure in table.figures} == {dt.date(2010, 3, 1), dt.date(2008, 3, 15)}


def test_no_childminders_in_an_existing_kreis_are_zero(tmp_path):
    cells = _by(read_official(_write(tmp_path, CARE)), "year", "characteristics", "measure")
    assert cells[2010, "Tagespflege", "Betreute Kinder | Anzahl"] == (Decimal(0), "zero")


def test_heads_that_name_years_limit_the_meaning_of_a_dash(tmp_path):
    text = CARE.replace("unter 3 Jahre", "Personal (ab 2009)").replace(
        "Tageseinrichtung;800;200", "Tageseinrichtung;800;-"
    )
    text = text.replace("Tagespflege;-;-", "Tagespflege;5;-")
    cells = _by(read_official(_write(tmp_path, text)), "year", "characteristics", "measure")
    staff = "Betreute Kinder | Altersgruppe | Personal (ab 2009) | Anzahl"
    assert cells[2008, "Tageseinrichtung", staff] == (None, "not_available")
    assert cells[2010, "Tagespflege", staff] == (Decimal(0), "zero")


def test_the_year_may_stand_above_the_rows(tmp_path):
    table = read_official(_write(tmp_path, WIDE))
    cells = _by(table, "region_key", "measure")
    assert {(figure.year, figure.reference_date) for figure in table.figures} == {(2015, dt.date(2015, 12, 31))}
    assert cells["05154", "Altersgruppen | 3 bis unter 6 Jahre"] == (Decimal(29), "value")
    assert cells["05154004", "Altersgruppen | 3 bis unter 6 Jahre"] == (Decimal(0), "zero")
    assert cells["05354004", "Altersgruppen | unter 3 Jahre"] == (None, "not_available")


def test_a_kreisfreie_stadt_among_gemeinden_is_both(tmp_path):
    levels = {figure.region_key: figure.region_level for figure in read_official(_write(tmp_path, WIDE)).figures}
    assert levels["05114"] == "kreis"
    assert levels["05114000"] == "gemeinde"
    assert "05154000" not in levels
    assert levels["0713101"] == "other"


def test_a_kreisfreie_stadt_among_kreise_is_only_a_kreis(tmp_path):
    assert "05114000" not in {figure.region_key for figure in read_official(_write(tmp_path, COUNTS)).figures}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_encodings_give_the_same_table(tmp_path, encoding):
    table = read_official(_write(tmp_path, COUNTS, encoding))
    assert list(table.figures) == list(read_official(_write(tmp_path, COUNTS)).figures)
    assert table.encoding == ("utf-8" if encoding.startswith("utf") else "cp1252")


def test_windows_line_ends_change_nothing(tmp_path):
    windows = list(read_official(_write(tmp_path, COUNTS.replace("\n", "\r\n"))).figures)
    assert windows == list(read_official(_write(tmp_path, COUNTS)).figures)


def test_figures_can_be_read_more_than_once(tmp_path):
    table = read_official(_write(tmp_path, COUNTS))
    assert list(table.figures) == list(table.figures)


def _refusal(folder: Path, text: str, kind: str | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as refusal:
        read_official(_write(folder, text), kind)
    return refusal.value


def test_a_file_cut_before_its_closing_line_is_refused(tmp_path):
    for cut in range(COUNTS.index("2008;DG"), COUNTS.index("__________"), 7):
        assert _refusal(tmp_path, COUNTS[:cut]).code == "TRUNCATED"


def test_a_row_cut_in_the_middle_is_refused_with_its_line(tmp_path):
    refusal = _refusal(tmp_path, COUNTS.replace("Krefeld, Kreisfreie Stadt;50;25;-;.", "Krefeld, Kreisfreie Stadt;50"))
    assert refusal.code == "TRUNCATED"
    assert "table.csv, line 12" in str(refusal)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2008;05114;", "2008;5114;"),
        ("2008;05334002;", "2008;5334002;"),
        ("2008;05;", "2008;5;"),
        ("2008;05114;", "2008;1001;"),
    ],
)
def test_a_lost_leading_zero_is_refused(tmp_path, old, new):
    refusal = _refusal(tmp_path, COUNTS.replace(old, new))
    assert refusal.code == "AGS_LEADING_ZERO"
    assert "line" in str(refusal)
    assert "leading zero" in str(refusal)


def test_a_lost_leading_zero_is_refused_where_the_year_stands_above(tmp_path):
    assert _refusal(tmp_path, WIDE.replace("\n05154;", "\n5154;")).code == "AGS_LEADING_ZERO"


def test_a_cell_that_is_no_number_is_refused_with_line_and_column_but_not_its_content(tmp_path):
    refusal = _refusal(tmp_path, COUNTS.replace(";50;25;-;.", ";fifty;25;-;."))
    assert refusal.code == "SYMBOL"
    assert "line 12" in str(refusal)
    assert "Schulabschluss | Insgesamt | Insgesamt" in str(refusal)
    assert "fifty" not in str(refusal)


@pytest.mark.parametrize("cell", ["1.000", "1,5,2", "٣", "1e9", "9" * 15, "+5", "5 "])
def test_numbers_are_read_strictly(tmp_path, cell):
    text = COUNTS.replace(";50;25;-;.", f";{cell};25;-;.")
    if cell.strip() == "5":
        assert read_official(_write(tmp_path, text))
    else:
        assert _refusal(tmp_path, text).code == "SYMBOL"


def test_a_table_without_rows_is_refused(tmp_path):
    start, end = COUNTS.index("2008;DG"), COUNTS.index("__________")
    assert _refusal(tmp_path, COUNTS[:start] + COUNTS[end:]).code == "LAYOUT"


def test_a_table_without_heads_is_refused(tmp_path):
    start, end = COUNTS.index(";;;Schulabschluss"), COUNTS.index("2008;DG")
    assert _refusal(tmp_path, COUNTS[:start] + COUNTS[end:]).code == "LAYOUT"


def test_a_row_without_any_year_is_refused(tmp_path):
    assert _refusal(tmp_path, WIDE.replace("31.12.2015;;;\n", "")).code == "LAYOUT"


def test_a_layout_other_than_the_plan_says_is_refused(tmp_path):
    refusal = _refusal(tmp_path, COUNTS, kind="genesis_flat")
    assert refusal.code == "LAYOUT"
    assert "genesis_classic" in str(refusal)


@pytest.mark.parametrize("text", ["", "a;b;c\n1;2;3\n", "\x00\x01\x02"])
def test_an_unknown_layout_is_refused(tmp_path, text):
    assert _refusal(tmp_path, text).code == "LAYOUT"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DeliveryError) as refusal:
        read_official(tmp_path / "absent.csv")
    assert refusal.value.code == "MISSING"
    assert "absent.csv" in str(refusal.value)


def test_refusals_are_one_sentence_without_the_folder(tmp_path):
    for text in (COUNTS[:400], COUNTS.replace("2008;05114;", "2008;5114;"), "nothing"):
        message = str(_refusal(tmp_path, text))
        assert "\n" not in message
        assert message.endswith(".")
        assert str(tmp_path) not in message
