"""From rows to cells: every outcome against a second computation in pandas, written from the definitions alone."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest

from kkz_eval.warehouse import build_table, in_memory, read_sql_file, sql_folder
from tests.intake.conftest import EXAM, Bench, csv_text, exam_rows, kita_rows

SOPESS = {
    "Selektive_Aufmerksamkeit": (29, 10, "99"), "Zaehlen": (20, 12, "99"), "Mengenvorwissen": (16, 10, "99"),
    "Visuomotorik": (12, 4, "99"), "Visuelle_Perzeption": (15, 8, "99"), "Praepositionen": (8, 4, "9"),
    "Pluralbildung": (7, 3, "9"), "Pseudowoerter": (6, 3, "9"), "Koerperkoordination": (30, 6, "99"),
}  # fmt: skip
PLACES = ("05315000", "05913000", "05334004")


def pick(rng: np.random.Generator, values: list[str], number: int) -> list[str]:
    return [values[i] for i in rng.integers(0, len(values), number)]


def random_exam(rng: np.random.Generator, number: int) -> pd.DataFrame:
    """Delivered rows with every code, missing ones included."""
    frame = pd.DataFrame(exam_rows(number))
    frame["AGS"] = pick(rng, list(PLACES), number)
    frame["Bildung_Eltern"] = pick(rng, ["1", "2", "3", "9"], number)
    frame["Erstsprache"] = pick(rng, ["1", "2", "9"], number)
    frame["Deutschkenntnisse"] = pick(rng, ["1", "2", "3", "4", "5", "9"], number)
    for name, (maximum, _, unknown) in SOPESS.items():
        values = [str(value) for value in range(maximum + 1)]
        frame[name] = np.where(rng.random(number) < 0.03, unknown, pick(rng, values, number))
    frame["Groesse_cm"] = [f"{value:.1f}".replace(".", ",") for value in rng.normal(118, 5, number)]
    frame["Gewicht_kg"] = [f"{value:.1f}".replace(".", ",") for value in rng.normal(21, 2, number)]
    frame.loc[rng.random(number) < 0.1, "Groesse_cm"] = "-1"
    frame["Vorsorgeheft"] = pick(rng, ["0", "1", "1"], number)
    for name in ("U8", "U9"):
        frame[name] = pick(rng, ["0", "1", "1", "9"], number)
    frame["MMR_Impfungen"] = pick(rng, ["0", "1", "2", "9"], number)
    for name in ("Befund_Hoeren", "Befund_Sprache"):
        frame[name] = pick(rng, ["0", "K", "X", "B", "A", "D"], number)
    return frame


def flag(values: pd.Series, known: pd.Series) -> pd.Series:
    return values.astype(float).where(known)


def exam_oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """The outcomes from the delivered codes."""
    out = pd.DataFrame(index=frame.index)
    german = frame["Deutschkenntnisse"]
    out["german_insufficient"] = flag(german.isin(["1", "2", "3"]), german != "9")
    flags = {}
    for name, (_, cutoff, unknown) in SOPESS.items():
        flags[name] = flag(frame[name].astype(int) <= cutoff, frame[name] != unknown)
    out["sopess_flagged"] = pd.DataFrame(flags).sum(axis=1, skipna=False)
    out["visuomotor_flagged"] = flags["Visuomotorik"]
    out["counting_flagged"] = flags["Zaehlen"]
    out["coordination_flagged"] = flags["Koerperkoordination"]
    out["attention_flagged"] = flags["Selektive_Aufmerksamkeit"]
    both, none = frame[["U8", "U9"]].eq("1").all(axis=1), frame[["U8", "U9"]].eq("0").any(axis=1)
    out["u8_u9_complete"] = flag(both, (both | none) & (frame["Vorsorgeheft"] == "1"))
    out["mmr_two_doses"] = flag(frame["MMR_Impfungen"] == "2", frame["MMR_Impfungen"] != "9")
    out["speech_referral"] = flag(frame["Befund_Sprache"] == "A", frame["Befund_Sprache"] != "0")
    out["hearing_finding"] = flag(frame["Befund_Hoeren"].isin(["A", "B", "D"]), frame["Befund_Hoeren"] != "0")
    height = [Decimal(cell.replace(",", ".")) if cell != "-1" else None for cell in frame["Groesse_cm"]]
    weight = [Decimal(cell.replace(",", ".")) for cell in frame["Gewicht_kg"]]
    out["height"] = [float(h) if h else np.nan for h in height]
    hundredth = Decimal("0.01")
    out["bmi"] = [
        float((w * 10000 / (h * h)).quantize(hundredth, ROUND_HALF_UP)) if h else np.nan
        for h, w in zip(height, weight, strict=True)
    ]
    return out


def exam_stratum(frame: pd.DataFrame) -> pd.Series:
    language = frame["Erstsprache"].map({"1": "german", "2": "other"})
    education = frame["Bildung_Eltern"].map({"1": "low", "2": "middle", "3": "high"})
    return (language + "_" + education).fillna("unknown")


def cells_oracle(keys: pd.DataFrame, outcomes: pd.DataFrame) -> dict[tuple[object, ...], tuple[int, Decimal, Decimal]]:
    cells = {}
    for outcome in outcomes:
        known = outcomes[outcome].dropna()
        for key, values in known.groupby([keys.loc[known.index, name] for name in keys]):
            exact = [Decimal(str(value)) for value in values]
            place = (outcome, *(key if isinstance(key, tuple) else (key,)))
            cells[place] = (len(exact), sum(exact, Decimal(0)), sum((v * v for v in exact), Decimal(0)))
    return cells


def cells(bench: Bench, source: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    parser = in_memory()
    for schema in ("staging", "cells"):
        build_table(bench.con, read_sql_file(sql_folder() / schema / f"{source}.sql", parser))
    parser.close()
    rows = bench.rows(f"SELECT outcome, ags, period, stratum, n, total, total_of_squares FROM cells.{source}")
    return {row[:4]: row[4:] for row in rows}


@pytest.fixture
def deliver_frame(bench: Bench) -> Callable[[str, str, pd.DataFrame], None]:
    def put(source: str, name: str, frame: pd.DataFrame) -> None:
        report = bench.deliver(source, name, csv_text(frame.to_dict("records")))
        assert report.status in ("accepted", "corrected")

    return put


@pytest.mark.parametrize("seed", [1, 2])
def test_cells_of_the_exam(bench: Bench, deliver_frame: Callable[[str, str, pd.DataFrame], None], seed: int) -> None:
    frame = random_exam(np.random.default_rng(seed), 800)
    deliver_frame("school_entry_exam", "SEU_2015.csv", frame)
    keys = pd.DataFrame({"ags": frame["AGS"], "period": 2015, "stratum": exam_stratum(frame)})
    assert cells(bench, "school_entry_exam") == cells_oracle(keys, exam_oracle(frame))


def test_only_active_deliveries_reach_the_cells(
    bench: Bench, deliver_frame: Callable[[str, str, pd.DataFrame], None]
) -> None:
    rng = np.random.default_rng(3)
    deliver_frame("school_entry_exam", "SEU_2015.csv", random_exam(rng, 100))
    frame = random_exam(rng, 90)
    deliver_frame("school_entry_exam", "SEU_2015.csv", frame)
    keys = pd.DataFrame({"ags": frame["AGS"], "period": 2015, "stratum": exam_stratum(frame)})
    assert cells(bench, "school_entry_exam") == cells_oracle(keys, exam_oracle(frame))


def test_outcomes_of_sub_tests_do_not_exist_before_their_use(
    bench: Bench, deliver_frame: Callable[[str, str, pd.DataFrame], None]
) -> None:
    frame = pd.DataFrame(exam_rows(20, Einschulungsjahr="2008", Geburtsmonat="2002-03", **dict.fromkeys(SOPESS, "")))
    deliver_frame("school_entry_exam", "SEU_2008.csv", frame)
    outcomes = {place[0] for place in cells(bench, "school_entry_exam")}
    assert "height" in outcomes
    assert not outcomes & {"sopess_flagged", "visuomotor_flagged", "counting_flagged", "attention_flagged"}


def test_cells_of_the_kita(bench: Bench, deliver_frame: Callable[[str, str, pd.DataFrame], None]) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(kita_rows(500))
    frame["AGS"] = pick(rng, list(PLACES), 500)
    frame["Alter"] = pick(rng, list("0123456"), 500)
    frame["Buchungszeit"] = pick(rng, ["25", "35", "45", "-1"], 500)
    frame["Monate_anwesend"] = pick(rng, [*(str(month) for month in range(1, 13)), "99"], 500)
    deliver_frame("kita_attendance", "Kita_2015.csv", frame)
    age, hours, months = frame["Alter"].astype(int), frame["Buchungszeit"], frame["Monate_anwesend"]
    outcomes = pd.DataFrame(
        {
            "kita_45_hours": flag(hours == "45", (hours != "-1") & age.between(3, 5)),
            "kita_months": months.astype(float).where(months != "99"),
        }
    )
    keys = pd.DataFrame({"ags": frame["AGS"], "period": 2015, "stratum": "all"})
    assert cells(bench, "kita_attendance") == cells_oracle(keys, outcomes)


def test_cells_of_education(bench: Bench, deliver_frame: Callable[[str, str, pd.DataFrame], None]) -> None:
    rng = np.random.default_rng(5)
    number = 600
    frame = pd.DataFrame({"Pseudonym": [row["Pseudonym"] for row in exam_rows(number)]})
    frame["AGS"] = pick(rng, list(PLACES), number)
    frame["Schuljahr"] = "2019"
    frame["Einschulungsjahr"] = pick(rng, ["2016", "2015", "2009"], number)
    stage = pd.Series(pick(rng, ["3", "5", "10"], number))
    frame["Stufe"] = stage
    frame["Kompetenzstufe_Klasse3"] = pd.Series(pick(rng, list("123459"), number)).where(stage == "3", "")
    frame["Schulform_Klasse5"] = pd.Series(pick(rng, ["HS", "RS", "GE", "SK", "GY", "FS"], number)).where(
        stage == "5", ""
    )
    frame["Wiederholt"] = pd.Series(pick(rng, list("019"), number)).where(stage == "5", "")
    frame["Abschluss"] = pd.Series(pick(rng, ["OA", "HA", "MA", "FHR", "AHR"], number)).where(stage == "10", "")
    deliver_frame("education", "Schule_2019.csv", frame)
    level, repeated = frame["Kompetenzstufe_Klasse3"], frame["Wiederholt"]
    outcomes = pd.DataFrame(
        {
            "grade_3_low": flag(level == "1", ~level.isin(["", "9"])),
            "gymnasium": flag(frame["Schulform_Klasse5"] == "GY", frame["Schulform_Klasse5"] != ""),
            "grade_repeated": flag(repeated == "1", ~repeated.isin(["", "9"])),
            "leaving_without_certificate": flag(frame["Abschluss"] == "OA", frame["Abschluss"] != ""),
        }
    )
    keys = pd.DataFrame({"ags": frame["AGS"], "period": frame["Einschulungsjahr"].astype(int), "stratum": "all"})
    assert cells(bench, "education") == cells_oracle(keys, outcomes)


def test_registered_children(bench: Bench) -> None:
    text = "AGS;Einschulungsjahr;Kinder\n" + "".join(f"{place};2015;{100 + i}\n" for i, place in enumerate(PLACES))
    bench.deliver("registered_children", "Melderegister_2015.csv", text)
    build_table(bench.con, read_sql_file(sql_folder() / "staging" / "registered_children.sql", in_memory()))
    rows = bench.rows("SELECT ags, period, n_children FROM staging.registered_children ORDER BY n_children")
    assert rows == [(place, 2015, 100 + i) for i, place in enumerate(PLACES)]


def test_the_codes_of_the_contract_are_those_of_the_value_sets(shared: object) -> None:
    from kkz_eval.intake import shipped_contract  # noqa: PLC0415

    folder = f"{shared}/data/reference"
    values = pd.read_csv(f"{folder}/value_sets_seu.csv", dtype=str)
    findings = set(values.loc[values["merkmal"] == "befund_bielefelder_modell", "code"])
    contract = shipped_contract("school_entry_exam")
    for name in ("vision_finding", "hearing_finding", "speech_finding", "motor_finding"):
        column = contract.column(name)
        assert {*column.codes, *column.missing} == findings
    cutoffs = pd.read_csv(f"{folder}/sopess_cutoffs.csv", dtype=str)
    limits = [(str(c.maximum), c.missing[0]) for c in contract.columns if c.unit == "points"]
    assert limits == list(zip(cutoffs["max"], cutoffs["code_unbekannt"], strict=True))
    assert set(SOPESS) <= set(EXAM)
