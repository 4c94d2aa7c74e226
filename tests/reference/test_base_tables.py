"""The listed facts are those of the sources: every key, name, number and date."""

import csv
import datetime as dt
from pathlib import Path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_kreise_agree_with_the_register(reference, shared):
    listed = reference.columns("SELECT kreis, name, kind, population_2022 FROM reference.kreis")
    register = _read(shared / "data/official/register/nrw_kreise_gv_20240630.csv")
    kinds = {"41": "kreisfreie_stadt", "43": "kreis"}
    assert listed == {
        row["ags5"]: (row["name"].split(",")[0], kinds[row["textkennzeichen"]], int(row["bevoelkerung_20221231"]))
        for row in register
    }


def test_the_two_parts_of_the_country_follow_the_regierungsbezirke(reference):
    regions = reference.rows("SELECT DISTINCT SUBSTR(kreis, 3, 1), region FROM reference.kreis ORDER BY 1")
    assert regions == [
        ("1", "rheinland"),
        ("3", "rheinland"),
        ("5", "westfalen"),
        ("7", "westfalen"),
        ("9", "westfalen"),
    ]


def test_gemeinden_agree_with_register_and_population_table(reference, shared):
    listed = reference.columns(
        "SELECT ags, name, kind, kreis, population_2022, children_under_6_2015 FROM reference.gemeinde"
    )
    register = _read(shared / "data/official/register/nrw_gemeinden_gv_20240630.csv")
    children = {row["ags"]: int(row["u6"]) for row in _read(shared / "data/reference/gemeinden_start_kinder2015.csv")}
    kinds = {"61": "kreisfreie_stadt", "63": "stadt", "64": "gemeinde"}
    assert listed == {
        row["ags"]: (
            row["name"].split(",")[0],
            kinds[row["textkennzeichen"]],
            row["kreis_ags"],
            int(row["bevoelkerung_20221231"]),
            children[row["ags"]],
        )
        for row in register
    }


def test_every_gemeinde_belongs_to_a_listed_kreis(reference):
    assert (
        reference.rows("SELECT ags FROM reference.gemeinde WHERE kreis NOT IN (SELECT kreis FROM reference.kreis)")
        == []
    )
    assert (
        reference.rows(
            "SELECT k.kreis FROM reference.kreis k WHERE k.kreis NOT IN (SELECT kreis FROM reference.gemeinde)"
        )
        == []
    )


def test_kreisfreie_staedte_are_one_gemeinde_and_one_kreis(reference):
    towns = reference.rows("SELECT ags FROM reference.gemeinde WHERE kind = 'kreisfreie_stadt' ORDER BY ags")
    kreise = reference.rows("SELECT kreis || '000' FROM reference.kreis WHERE kind = 'kreisfreie_stadt' ORDER BY kreis")
    assert towns == kreise


def test_participations_agree_with_the_coded_list(reference, shared):
    listed = reference.rows("SELECT ags, kreis, name, level, wave FROM reference.participation")
    levels = {"kreisfreie Stadt": "kreisfreie_stadt", "kreisangehoerig": "gemeinde", "Kreis": "kreis"}
    coded = _read(shared / "data/reference/participants_kekiz.csv")
    assert sorted(listed) == sorted(
        (row["ags8"], row["ags5"], row["name"], levels[row["typ"]], int(row["welle"])) for row in coded
    )


def test_each_participation_names_a_page_of_the_coded_list(reference, shared):
    coded = {(r["ags8"], int(r["welle"])): r["quelle"] for r in _read(shared / "data/reference/participants_kekiz.csv")}
    for ags, wave, source in reference.rows("SELECT ags, wave, source FROM reference.participation"):
        assert all(page in coded[ags, wave] for page in source.split(" ; "))


def test_participants_exist(reference):
    unknown = reference.rows("""
        SELECT ags FROM reference.participation
        WHERE level <> 'kreis' AND ags NOT IN (SELECT ags FROM reference.gemeinde)
        UNION ALL
        SELECT ags FROM reference.participation
        WHERE level = 'kreis' AND kreis NOT IN (SELECT kreis FROM reference.kreis)""")
    assert unknown == []


def test_waves_start_as_stated(reference, shared):
    coded = {
        int(row["welle"]): dt.date.fromisoformat(row["programmstart"])
        for row in _read(shared / "data/reference/exposure_by_cohort.csv")
    }
    assert dict(reference.rows("SELECT wave, start_date FROM reference.wave")) == coded


def test_only_keys_around_aachen_changed_and_all_new_keys_exist(reference):
    changes = reference.rows("SELECT old_key, new_key, level FROM reference.key_change")
    keys = {
        ags for (ags,) in reference.rows("SELECT ags FROM reference.gemeinde UNION SELECT kreis FROM reference.kreis")
    }
    assert {new for _, new, _ in changes} <= keys
    assert not {old for old, _, _ in changes} & keys
    aachen = {ags for (ags,) in reference.rows("SELECT ags FROM reference.gemeinde WHERE kreis = '05334'")}
    assert {new for _, new, level in changes if level == "gemeinde"} == aachen
    assert {old[5:] for old, new, _ in changes if old.startswith("05354") and len(old) == 8} == {
        a[5:] for a in aachen - {"05334002"}
    }


def test_sopess_cutoffs_agree_with_the_coded_list(reference, shared):
    names = {
        "selektive_aufmerksamkeit": "attention_points",
        "zaehlen": "counting_points",
        "mengenvorwissen": "quantity_points",
        "visuomotorik": "visuomotor_points",
        "visuelle_perzeption_schlussfolgern": "perception_points",
        "praepositionen": "preposition_points",
        "pluralbildung": "plural_points",
        "pseudowoerter": "pseudoword_points",
        "koerperkoordination_seitliches_hin_und_herspringen": "coordination_points",
    }
    coded = {
        names[row["subtest"]]: tuple(
            int(row[c]) for c in ("max", "auffaellig_bis", "grenzwertig_bis", "code_unbekannt")
        )
        for row in _read(shared / "data/reference/sopess_cutoffs.csv")
    }
    assert reference.columns("SELECT * FROM reference.sopess_cutoff") == coded


def test_no_unknown_code_can_be_a_number_of_points(reference):
    assert reference.rows("SELECT subtest FROM reference.sopess_cutoff WHERE unknown_code <= maximum") == []
