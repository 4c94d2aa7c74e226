"""What lies in the inbox: names, headers, encodings, the same bytes again."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.demo import World, write_demo
from kkz_eval.demo.columns import coded, decimal_comma, file_bytes, months
from kkz_eval.demo.places import make_places
from kkz_eval.errors import KkzError

HEADERS = {
    "school_entry_exam": (
        "Pseudonym;AGS;Gesundheitsamt;Einschulungsjahr;Geburtsmonat;Untersuchungsmonat;Geschlecht;Bildung_Eltern;"
        "Erstsprache;Deutschkenntnisse;Selektive_Aufmerksamkeit;Zaehlen;Mengenvorwissen;Visuomotorik;"
        "Visuelle_Perzeption;Praepositionen;Pluralbildung;Pseudowoerter;Koerperkoordination;Groesse_cm;Gewicht_kg;"
        "Vorsorgeheft;U3;U4;U5;U6;U7;U7a;U8;U9;MMR_Impfungen;Befund_Sehen;Befund_Hoeren;Befund_Sprache;"
        "Befund_Motorik;Kita_Jahre;Fragebogenversion"
    ),
    "kita_attendance": "Pseudonym;AGS;Kitajahr;Alter;Buchungszeit;Monate_anwesend",
    "education": (
        "Pseudonym;AGS;Schuljahr;Einschulungsjahr;Stufe;Kompetenzstufe_Klasse3;Schulform_Klasse5;Wiederholt;Abschluss"
    ),
    "registered_children": "AGS;Einschulungsjahr;Kinder",
}
YEARS = {
    "school_entry_exam": ("SEU", range(2006, 2026)),
    "kita_attendance": ("Kita", range(2008, 2025)),
    "education": ("Schule", range(2009, 2026)),
    "registered_children": ("Melderegister", range(2006, 2026)),
}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_file_per_source_and_year_with_the_header_of_the_contract(inbox: Path) -> None:
    assert {path.name for path in inbox.iterdir()} == set(HEADERS)
    for source, (stem, years) in YEARS.items():
        assert {path.name for path in (inbox / source).iterdir()} == {f"{stem}_{year}.csv" for year in years}
        for path in (inbox / source).iterdir():
            first = path.read_bytes().splitlines()[0].removeprefix(b"\xef\xbb\xbf")
            assert first.decode("ascii") == HEADERS[source]


def test_each_line_has_as_many_fields_as_the_header(inbox: Path) -> None:
    for source, header in HEADERS.items():
        for path in (inbox / source).iterdir():
            assert {line.count(b";") for line in path.read_bytes().splitlines()} == {header.count(";")}


def test_encodings_differ_as_offices_differ(inbox: Path) -> None:
    exam = (inbox / "school_entry_exam" / "SEU_2019.csv").read_bytes()
    assert exam.startswith(b"\xef\xbb\xbf")
    assert exam.count(b"\r\n") == exam.count(b"\n") > 100
    assert "geänderter Bogen" in exam.decode("utf-8-sig")
    for source in ("education", "registered_children"):
        for path in (inbox / source).iterdir():
            content = path.read_bytes()
            assert not content.startswith(b"\xef\xbb\xbf")
            assert b"\r" not in content
            content.decode("utf-8")
    kita = [path.read_bytes() for path in (inbox / "kita_attendance").iterdir()]
    with pytest.raises(UnicodeDecodeError):
        b"".join(kita).decode("utf-8")
    assert {letter for content in kita for letter in content.decode("cp1252") if not letter.isascii()} == {"ö"}


def test_same_arguments_same_bytes_and_another_seed_other_children(
    inbox: Path, tmp_path: Path, small_lists: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    gemeinden, starts = small_lists
    shuffled = gemeinden.sample(frac=1.0, random_state=1), starts.sample(frac=1.0, random_state=2)
    again = write_demo(tmp_path / "again" / "inbox", *shuffled, scale=0.04, seed=7)
    assert digests(again.parent) == digests(inbox.parent)
    other = write_demo(tmp_path / "other" / "inbox", *small_lists, scale=0.005, seed=8)
    assert digests(other)["education/Schule_2020.csv"] != digests(inbox)["education/Schule_2020.csv"]


def test_truth_effects_faults_and_a_warning_lie_beside_the_inbox(inbox: Path) -> None:
    beside = {path.name for path in inbox.parent.iterdir()}
    assert beside == {"inbox", "truth.csv", "effects.csv", "faults.csv", "README.txt"}
    assert "invented" in (inbox.parent / "README.txt").read_text(encoding="utf-8")


def test_registered_children_are_all_children_of_a_cohort(inbox: Path, world: World) -> None:
    for year in (2010, 2021):
        counted = pd.read_csv(inbox / "registered_children" / f"Melderegister_{year}.csv", sep=";", dtype={"AGS": str})
        assert counted["Kinder"].sum() == world.cohort(year).size
        assert counted["AGS"].tolist() == world.places.ags


def test_scale_sets_the_number_of_children(small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    gemeinden, starts = small_lists
    expected = gemeinden["children_under_6_2015"].sum() / 6
    for scale in (0.01, 0.5):
        size = World(gemeinden, starts, scale=scale).cohort(2012).size
        assert size == pytest.approx(expected * scale, rel=0.1)


def test_lists_that_cannot_be_used_are_refused(small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    gemeinden, starts = small_lists
    with pytest.raises(KkzError, match="scale"):
        World(gemeinden, starts, scale=0)
    with pytest.raises(KkzError, match="population_2022"):
        World(gemeinden.drop(columns="population_2022"), starts)
    with pytest.raises(KkzError, match="eight digits"):
        World(gemeinden.assign(ags=gemeinden["ags"].str.lstrip("0")), starts)
    with pytest.raises(KkzError, match="wave_with_kreis must hold"):
        World(gemeinden, starts.assign(wave_with_kreis=2013))
    with pytest.raises(KkzError, match="once"):
        World(gemeinden, pd.concat([starts, starts]))


def test_the_rule_of_participation_decides_who_is_exposed(small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    gemeinden, starts = small_lists
    named = make_places(gemeinden, starts, "named", 1).wave
    whole = make_places(gemeinden, starts, "with_kreis", 1).wave
    assert (whole > 0).sum() == 30
    assert 0 < (named > 0).sum() < 30
    assert set(named[named > 0] - whole[named > 0]) == {0}


def test_bytes_of_a_table_equal_plain_writing() -> None:
    table = {
        "a": coded(np.array([1, 0, 1]), ("", "ä")),
        "b": decimal_comma(np.array([5, 123, 1000]), 1000),
        "c": months(np.array([2012 * 12, 2012 * 12 + 11, 2013 * 12])),
    }
    assert file_bytes(table).decode("utf-8") == "a;b;c\nä;0,5;2012-01\n;12,3;2012-12\nä;100,0;2013-01\n"
    assert file_bytes(table, encoding="cp1252", newline="\r\n").startswith(b"a;b;c\r\n\xe4;0,5;")
