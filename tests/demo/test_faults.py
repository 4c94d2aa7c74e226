"""Planted faults are exactly those listed, each alone in its row; everything else obeys the contract."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kkz_eval.demo import World, write_demo
from kkz_eval.demo.faults import KINDS
from kkz_eval.demo.write import as_delivered

FAULTY = ("school_entry_exam", "kita_attendance", "education")
YEAR_COLUMN = {"school_entry_exam": "Einschulungsjahr", "kita_attendance": "Kitajahr", "education": "Schuljahr"}


def _up_to(highest: int, missing: str) -> str:
    return "|".join([*(str(number) for number in range(highest + 1)), missing])


MONTH = r"(19|20)\d\d-(0[1-9]|1[0-2])"
FINDING = "[0KXBAD]"
RULES = {
    "Pseudonym": "[0-9a-f]{16}",
    "AGS": r"05\d{6}",
    "Gesundheitsamt": r"05\d{3}",
    "Einschulungsjahr": r"20\d\d",
    "Kitajahr": r"20\d\d",
    "Schuljahr": r"20\d\d",
    "Geburtsmonat": MONTH,
    "Untersuchungsmonat": MONTH,
    "Geschlecht": "[129]",
    "Bildung_Eltern": "[1239]",
    "Erstsprache": "[129]",
    "Deutschkenntnisse": "[1-59]",
    "Selektive_Aufmerksamkeit": _up_to(29, "99"),
    "Zaehlen": _up_to(20, "99"),
    "Mengenvorwissen": _up_to(16, "99"),
    "Visuomotorik": _up_to(12, "99"),
    "Visuelle_Perzeption": _up_to(15, "99"),
    "Praepositionen": _up_to(8, "9"),
    "Pluralbildung": _up_to(7, "9"),
    "Pseudowoerter": _up_to(6, "9"),
    "Koerperkoordination": _up_to(30, "99"),
    "Groesse_cm": r"(9[5-9]|1[0-4]\d),\d|-1",
    "Gewicht_kg": r"\d{1,2},\d|-1",
    "Vorsorgeheft": "[01]",
    **dict.fromkeys(("U3", "U4", "U5", "U6", "U7", "U8", "U9"), "[019]"),
    "U7a": "[019]?",
    "MMR_Impfungen": "[0129]",
    **{f"Befund_{name}": FINDING for name in ("Sehen", "Hoeren", "Sprache", "Motorik")},
    "Kita_Jahre": "[0-6]|-1",
    "Fragebogenversion": r"[\w ,]{4,40}",
    "Alter": "[0-6]",
    "Buchungszeit": "25|35|45|-1",
    "Monate_anwesend": "[1-9]|1[0-2]|99",
    "Stufe": "3|5|10",
    "Kompetenzstufe_Klasse3": "[1-59]?",
    "Schulform_Klasse5": "(HS|RS|GE|SK|GY|FS)?",
    "Wiederholt": "[019]?",
    "Abschluss": "(OA|HA|MA|FHR|AHR)?",
}
SUBTESTS = [name for name in RULES if name in ("Zaehlen", "Mengenvorwissen", "Pluralbildung", "Pseudowoerter")] + [
    "Selektive_Aufmerksamkeit", "Visuomotorik", "Visuelle_Perzeption", "Praepositionen", "Koerperkoordination"
]  # fmt: skip


def found(frame: pd.DataFrame, source: str, year: int, known: set[str]) -> tuple[Counter[str], pd.Series]:
    """Faults of a file by kind, found without looking at how they were planted; and the number of faults per line."""
    per_line = pd.Series(0, index=frame.index)
    kinds: Counter[str] = Counter()

    def note(kind: str, lines: pd.Series) -> None:
        kinds[kind] += int(lines.sum())
        per_line[lines] += 1

    note("lost_leading_zero", frame["AGS"].str.len() == 7)
    note("unknown_ags", (frame["AGS"].str.len() == 8) & ~frame["AGS"].isin(known))
    note("year_in_future", frame[YEAR_COLUMN[source]].astype(int) > year)
    for column in frame.columns.drop("AGS"):
        rule = RULES[column] if year >= 2010 or column not in SUBTESTS else ""
        wrong = ~frame[column].str.fullmatch(rule)
        letters = frame[column].str.contains("[a-zäöü]{3}", flags=re.IGNORECASE)
        note("letters_in_number", wrong & letters)
        note("out_of_range", wrong & ~letters)
    key = ["Pseudonym", "Stufe"] if source == "education" else ["Pseudonym"]
    copies = frame.duplicated(keep="first")
    note("duplicate_identical", copies)
    note("duplicate_conflicting", frame[~copies].duplicated(key, keep=False).reindex(frame.index, fill_value=False))
    return +kinds, per_line


@pytest.fixture(scope="module")
def listed(inbox: Path) -> pd.DataFrame:
    return pd.read_csv(inbox.parent / "faults.csv")


@pytest.mark.parametrize("source", FAULTY)
def test_faults_are_those_listed_and_each_stands_alone(
    source: str, inbox: Path, listed: pd.DataFrame, world: World, rows: Callable[[Path], pd.DataFrame]
) -> None:
    known = set(world.places.ags)
    for path in (inbox / source).iterdir():
        year = int(path.stem[-4:])
        kinds, per_line = found(rows(path), source, year, known)
        expected = listed[listed["file_name"] == path.name].set_index("fault")["n_lines"].to_dict()
        assert dict(kinds) == expected
        assert per_line.max() <= 1
        assert sum(expected.values()) <= 0.02 * len(per_line)


@pytest.mark.parametrize("source", FAULTY)
def test_without_faulty_lines_a_file_is_the_clean_table(
    source: str, inbox: Path, listed: pd.DataFrame, world: World
) -> None:
    tables = {"school_entry_exam": world.exam, "kita_attendance": world.kita, "education": world.education}
    for year in (2009, 2018):
        path = next((inbox / source).glob(f"*_{year}.csv"))
        clean = Counter(as_delivered(tables[source](year), source).splitlines())
        extra = Counter(path.read_bytes().splitlines())
        extra.subtract(clean)
        assert min(extra.values()) == 0
        assert sum(extra.values()) == listed[listed["file_name"] == path.name]["n_lines"].sum()


def test_every_kind_occurs_in_every_source_and_the_register_is_clean(listed: pd.DataFrame) -> None:
    assert set(listed["source"]) == set(FAULTY)
    for source in FAULTY:
        assert set(listed[listed["source"] == source]["fault"]) == set(KINDS)


def test_small_files_hold_few_faults(tmp_path: Path, small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    inbox = write_demo(tmp_path / "inbox", *small_lists, scale=0.006)
    listed = pd.read_csv(tmp_path / "faults.csv").groupby("file_name")["n_lines"].sum()
    for name, lines in listed.items():
        path = next(inbox.glob(f"*/{name}"))
        assert lines <= 0.02 * (path.read_bytes().count(b"\n") - 1)
    assert set(pd.read_csv(tmp_path / "faults.csv")["fault"]) == set(KINDS)
