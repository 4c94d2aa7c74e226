"""Planted faults. What belongs here: rows an office would get wrong, one fault each. What does not: missing values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kkz_eval.demo.children import pseudonyms
from kkz_eval.demo.columns import Table, constant, stack, take
from kkz_eval.demo.places import stream

#: Kinds of faults and how many lines an intake has to put aside for each. A copy leaves one good row; a conflict
#: leaves none.
KINDS = (
    "unknown_ags",
    "lost_leading_zero",
    "out_of_range",
    "year_in_future",
    "duplicate_identical",
    "duplicate_conflicting",
    "letters_in_number",
)
LINES_PER_FAULT = {kind: 2 if kind == "duplicate_conflicting" else 1 for kind in KINDS}

#: At most this share of a file is faulty, far below the share at which a file as a whole would have to be sent back.
HIGHEST_SHARE = 0.02
FUTURE_YEAR = "2099"
UNKNOWN_AGS = "05999999"


@dataclass(frozen=True)
class FaultPlan:
    """Which column of a source takes which wrong text, and which rows are fit for it (mask over the table)."""

    year_column: str
    range_column: str
    range_text: str
    letters_column: str
    letters_text: str
    conflict_column: str
    conflict_texts: tuple[str, str]
    fit: Callable[[Table], np.ndarray[tuple[int], np.dtype[np.bool_]]]


def _all(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(len(table["AGS"]), dtype=np.bool_)


def _grade_3(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(table["Stufe"] == b"3")


def plan_for(source: str, year: int) -> FaultPlan:
    """The faults of a source; before 2010 the exam has no SOPESS points, so German skills are out of range instead."""
    if source == "school_entry_exam":
        column, text = ("Visuomotorik", "13") if year >= 2010 else ("Deutschkenntnisse", "7")
        return FaultPlan(
            "Einschulungsjahr", column, text, "Groesse_cm", "hundertzwölf", "Erstsprache", ("1", "2"), _all
        )
    if source == "kita_attendance":
        return FaultPlan(
            "Kitajahr", "Monate_anwesend", "13", "Monate_anwesend", "zwölf", "Buchungszeit", ("25", "45"), _all
        )
    column = "Kompetenzstufe_Klasse3"
    return FaultPlan("Schuljahr", column, "7", column, "fünf", column, ("1", "2"), _grade_3)


def plant(table: Table, source: str, year: int, seed: int) -> tuple[Table, dict[str, int]]:
    """The table with faulty rows among the good ones, and how many lines must be put aside per kind.

    Faulty rows are added, never made from the file's own children: after a correct intake the good rows are exactly
    those of `table`. Each faulty row is a copy of a good one with a pseudonym of its own and one thing wrong
    (identical duplicates keep everything). Small files hold fewer kinds; the kinds take turns over the years.
    """
    n = len(table["AGS"])
    budget = int(n * HIGHEST_SHARE)
    turn = year % len(KINDS)
    chosen: list[str] = []
    for kind in KINDS[turn:] + KINDS[:turn]:
        if LINES_PER_FAULT[kind] <= budget:
            chosen.append(kind)
            budget -= LINES_PER_FAULT[kind]
    if not chosen:
        return table, {}
    plan = plan_for(source, year)
    rng = stream(seed, "faults_" + source, year)
    models = rng.choice(np.flatnonzero(plan.fit(table)), size=len(chosen))
    numbers = np.uint64(year) * np.uint64(100_000_000) + np.uint64(90_000_000) + np.arange(len(chosen), dtype=np.uint64)
    names = pseudonyms(numbers + np.uint64({"s": 0, "k": 1_000, "e": 2_000}[source[0]]), seed)
    faulty = []
    for kind, model, name in zip(chosen, models, names, strict=True):
        row = take(table, np.array([model]))
        if kind != "duplicate_identical":
            row["Pseudonym"] = np.array([name], dtype=np.bytes_)
        faulty += _with_fault(row, kind, plan)
    mixed = stack([table, *faulty])
    extra = len(mixed["AGS"]) - n
    order = np.argsort(np.concatenate([np.arange(n), rng.uniform(0, n, extra)]), kind="stable")
    return take(mixed, order), {kind: LINES_PER_FAULT[kind] for kind in chosen}


def _with_fault(row: Table, kind: str, plan: FaultPlan) -> list[Table]:
    """The row or rows with the fault of that kind."""
    wrong = {
        "unknown_ags": ("AGS", UNKNOWN_AGS),
        "lost_leading_zero": ("AGS", row["AGS"][0].decode("ascii")[1:]),
        "out_of_range": (plan.range_column, plan.range_text),
        "year_in_future": (plan.year_column, FUTURE_YEAR),
        "letters_in_number": (plan.letters_column, plan.letters_text),
    }
    if kind in wrong:
        column, text = wrong[kind]
        return [row | {column: constant(text, 1)}]
    if kind == "duplicate_conflicting":
        return [row | {plan.conflict_column: constant(text, 1)} for text in plan.conflict_texts]
    return [row]
