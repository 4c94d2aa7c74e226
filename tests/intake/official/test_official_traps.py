"""Every trap listed for the real files, met in these files."""

import csv
import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from kkz_eval.intake.official import read_official

GENESIS = (
    "12411-02-03-4_00.csv",
    "12612-01-01-4_00.csv",
    "21111-02-06-4.csv",
    "21111-02-06-4_00.csv",
    "22541-01-04-4_00.csv",
    "22543-01-01-4_00.csv",
    "22543-01-02-4_00.csv",
    "22811-02-02-4_00.csv",
    "AI003-1_00.csv",
    "AI003-2_00.csv",
    "AI003-3_00.csv",
)


@pytest.fixture(scope="module")
def read(shared):
    tables = {}

    def table(file: str):
        if file not in tables:
            tables[file] = read_official(shared / "data/official/genesis" / file)
        return tables[file]

    return table


@pytest.mark.parametrize("file", GENESIS)
def test_every_printed_cell_is_read_as_printed(read, raw, file):
    """Against a reading that only splits at semicolons: the same cells in the same order, numbers and symbols."""
    encoding = "latin-1" if file == "21111-02-06-4.csv" else "utf-8"
    rows = raw(file, encoding)
    figures = list(read(file).figures)
    n_measures = len({figure.measure for figure in figures})
    printed = [(row[1], row[0], cell) for row in rows for cell in row[-n_measures:]]
    assert len(figures) == len(printed) > 1000
    symbols = {"-": {"zero", "not_available"}, ".": {"secret"}, "x": {"blocked"}}
    for figure, (key, period, cell) in zip(figures, printed, strict=True):
        assert figure.region_key == key
        assert figure.year == int(period[-4:])
        if cell in symbols:
            assert figure.status in symbols[cell]
        else:
            assert (figure.value, figure.status) == (Decimal(cell.replace(",", ".")), "value")


def test_the_two_copies_of_one_table_differ_in_encoding_and_agree_in_content(read):
    old, new = read("21111-02-06-4.csv"), read("21111-02-06-4_00.csv")
    assert (old.encoding, new.encoding) == ("cp1252", "utf-8")
    longer = {(f.region_key, f.year, f.measure): (f.region_name, f.value, f.status) for f in old.figures}
    shorter = {(f.region_key, f.year, f.measure): (f.region_name, f.value, f.status) for f in new.figures}
    assert shorter.keys() < longer.keys()
    assert {f.year for f in new.figures} == {2014, 2015}
    assert any("ü" in name for name, _, _ in shorter.values())
    assert all(longer[key][0] == shorter[key][0] for key in shorter)


def test_heads_of_several_lines_are_joined(read):
    heads = {figure.measure for figure in read("22811-02-02-4_00.csv").figures}
    assert (
        "dar.: Regelleistungsberechtigte nach dem SGB II | nicht erwerbsf. Leistungsberech. (Sozialgeld)"
        " | unter 15 Jahre | Anzahl"
    ) in heads
    assert len(heads) == 13


def test_names_lose_their_indentation_and_keys_keep_their_zero(read):
    for file in GENESIS:
        for figure in read(file).figures:
            assert figure.region_name == figure.region_name.strip() != ""
            assert figure.region_key == "DG" or figure.region_key[0] in "01"


@pytest.mark.parametrize(
    ("file", "days"),
    [
        ("21111-02-06-4.csv", {None}),
        ("12411-02-03-4_00.csv", {dt.date(2015, 12, 31)}),
        ("22543-01-02-4_00.csv", {dt.date(year, 3, 1) for year in range(2011, 2017)}),
        (
            "22543-01-01-4_00.csv",
            {dt.date(2007, 3, 15), dt.date(2008, 3, 15), dt.date(2009, 3, 1), dt.date(2010, 3, 1)},
        ),
    ],
)
def test_years_and_days_of_counting(read, file, days):
    assert {figure.reference_date for figure in read(file).figures} == days


def test_a_dash_is_zero_in_counts_and_unavailable_in_quotas(read):
    assert "zero" in {figure.status for figure in read("21111-02-06-4.csv").figures}
    for file in ("AI003-1_00.csv", "AI003-2_00.csv", "AI003-3_00.csv"):
        assert "zero" not in {figure.status for figure in read(file).figures}


@pytest.mark.parametrize("file", GENESIS)
def test_the_two_keys_of_aachen_never_have_figures_for_the_same_day(read, file):
    known = {key: set() for key in ("05334", "05354")}
    for figure in read(file).figures:
        if figure.region_key in known and figure.value is not None:
            known[figure.region_key].add((figure.year, figure.reference_date))
    assert not known["05334"] & known["05354"]
    assert all(year >= 2009 for year, _ in known["05334"])
    assert all(year <= 2009 for year, _ in known["05354"])


def test_the_city_of_aachen_is_a_gemeinde_inside_tables_of_kreise(read):
    for file in GENESIS:
        assert {f.region_level for f in read(file).figures if f.region_key == "05334002"} == {"gemeinde"}


def test_blocked_cells_are_found(read):
    statuses = Counter(figure.status for figure in read("21111-02-06-4.csv").figures)
    assert statuses["blocked"] > 0
    assert statuses["secret"] > 0


def test_staff_columns_that_end_or_begin_in_2011_are_not_zero_outside_their_years(read):
    for figure in read("22541-01-04-4_00.csv").figures:
        outside = ("ab 2011" in figure.measure and figure.year < 2011) or (
            "bis 2010" in figure.measure and figure.year > 2010
        )
        if outside:
            assert figure.value is None


def test_gemeinden_with_the_year_above_and_heads_spread_wide(shared):
    """Children under 6 of all Gemeinden: two columns of the widest table, against the sum computed by others."""
    table = read_official(shared / "data/official/genesis/12411-02-03-5_00.csv")
    young = {
        f"Insgesamt | Altersgruppen (unter 3 bis 75 u.m.) | {age}" for age in ("unter 3 Jahre", "3 bis unter 6 Jahre")
    }
    children: Counter[str] = Counter()
    for figure in table.figures:
        if figure.measure in young and figure.region_key.startswith("05") and figure.value is not None:
            assert figure.reference_date == dt.date(2015, 12, 31)
            children[figure.region_key] += int(figure.value)
    with (shared / "data/reference/gemeinden_start_kinder2015.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["ags"]: int(row["u6"]) for row in csv.DictReader(file)}
    assert {key: n for key, n in children.items() if len(key) == 8} == printed
    by_kreis = Counter(
        {kreis: sum(n for ags, n in printed.items() if ags[:5] == kreis) for kreis in {a[:5] for a in printed}}
    )
    assert {key: n for key, n in children.items() if len(key) == 5} == by_kreis


@pytest.mark.parametrize("file", ["11111-02-01-4_flat.csv", "12411-01-01-4_flat.csv", "13111-01-03-4_flat.csv"])
def test_flat_files_of_today(shared, file):
    path = shared / "data/official/genesis_flat" / file
    lines = path.read_text("utf-8-sig").splitlines()
    figures = list(read_official(path, "genesis_flat").figures)
    assert len(figures) == len(lines) - 1
    for line, figure in zip(lines[1:], figures, strict=True):
        printed = line.split(";")[-4].strip('"')
        assert printed in ("-", ".") or figure.value == Decimal(printed)
        assert figure.region_key in line
    assert "not_available" in {figure.status for figure in figures}  # Kreise of the past


def test_flat_file_of_before(shared):
    table = read_official(shared / "data/official/genesis_flat/OLDFORMAT_11111-0001_flat.csv")
    area = {figure.region_key: figure.value for figure in table.figures}
    assert area["05"] == Decimal("34112.72")
    assert area["DG"] == Decimal("357595.99")
    assert {figure.measure for figure in table.figures} == {"Gebietsflaeche | qkm"}
