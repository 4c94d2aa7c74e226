"""When a Gemeinde starts and how much of a Kreis takes part: against tables computed by others."""

import csv
from pathlib import Path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _year(text: str) -> int | None:
    return int(float(text)) if text else None


def test_start_of_all_gemeinden_under_both_rules(reference, shared):
    listed = reference.columns("SELECT ags, wave_named, wave_with_kreis FROM reference.gemeinde_start")
    table = _read(shared / "data/reference/gemeinden_start_kinder2015.csv")
    assert len(table) == 396
    assert listed == {row["ags"]: (_year(row["start_benannt"]), _year(row["start_mit_kreis"])) for row in table}


def test_the_earlier_of_town_and_kreis_counts(reference):
    start = reference.columns("SELECT ags, wave_named, wave_with_kreis FROM reference.gemeinde_start")
    assert start["05562014"] == (2012, 2012)  # Gladbeck, before its Kreis Recklinghausen
    assert start["05570004"] == (2017, 2012)  # Ahlen, after its Kreis Warendorf
    assert start["05566076"] == (2020, 2017)  # Rheine, after its Kreis Steinfurt
    assert start["05562032"] == (None, 2017)  # Recklinghausen, only through its Kreis


def test_dose_of_all_kreise_at_all_waves(reference, shared):
    dose = {(k, w, r): d for k, w, r, d in reference.rows("SELECT kreis, wave, rule, dose FROM reference.kreis_dose")}
    table = _read(shared / "data/reference/kreis_dosis_anteil_kinder_u6.csv")
    printed = {
        (row["ags5"], wave, rule): row[f"anteil_{column}_{wave}"]
        for row in table
        for wave in (2012, 2017, 2020)
        for rule, column in (("named", "benannt"), ("with_kreis", "mitkreis"))
    }
    assert len(printed) == 53 * 3 * 2
    assert dose.keys() == printed.keys()
    # The table prints three decimals.
    assert {key: f"{value:.3f}" for key, value in dose.items()} == {
        key: f"{float(text):.3f}" for key, text in printed.items()
    }


def test_children_of_all_kreise(reference, shared):
    listed = dict(reference.rows("SELECT DISTINCT kreis, children FROM reference.kreis_dose"))
    table = _read(shared / "data/reference/kreis_dosis_anteil_kinder_u6.csv")
    assert listed == {row["ags5"]: int(row["kinder_u6_2015"]) for row in table}


def test_groups_of_all_kreise(reference, shared):
    groups = dict(reference.rows("SELECT kreis, kreis_group FROM reference.kreis_start WHERE rule = 'with_kreis'"))
    table = _read(shared / "data/reference/kreis_dosis_anteil_kinder_u6.csv")
    assert groups == {row["ags5"]: row["gruppe"][0] for row in table}


def test_full_wave_and_partial_flag(reference):
    start = reference.columns(
        "SELECT kreis, kreis_group, full_wave, is_partial FROM reference.kreis_start WHERE rule = 'with_kreis'"
    )
    assert start["05111"] == ("A", 2012, False)  # Düsseldorf
    assert start["05562"] == ("D", 2017, True)  # Recklinghausen: Gladbeck 2012, whole Kreis 2017
    assert start["05166"] == ("C", None, True)  # Viersen: one town in 2020
    assert start["05974"] == ("C", 2020, False)  # Soest: whole Kreis 2020
    assert start["05370"] == ("C", None, False)  # Heinsberg


def test_network_counts_what_was_announced(reference):
    rows = reference.connection.execute("SELECT * FROM reference.network WHERE wave < 2020 ORDER BY wave").df()
    for kind in ("kreisfreie_staedte", "gemeinden", "kreise", "members"):
        assert list(rows[f"announced_{kind}"]) == list(rows[f"counted_{kind}"]), kind
    assert list(rows["announced_members"]) == [18, 22]
    assert list(rows["announced_kreisfreie_staedte"]) == [10, 8]


def test_share_of_children_in_the_network(reference):
    shares = reference.columns("SELECT wave, counted_children, counted_children_named FROM reference.network")
    assert f"{shares[2012][0]:.1%}" == "27.9%"
    assert [f"{share:.1%}" for share in shares[2017]] == ["58.1%", "39.3%"]


def test_krefeld_and_aachen_are_among_the_eight_of_2017(reference):
    eight = reference.rows("""
        SELECT name FROM reference.participation
        WHERE wave = 2017 AND (level = 'kreisfreie_stadt' OR ags = '05334002') ORDER BY name""")
    assert [name for (name,) in eight] == [
        "Aachen", "Bochum", "Bottrop", "Herne", "Krefeld", "Köln", "Leverkusen", "Mülheim an der Ruhr",
    ]  # fmt: skip
