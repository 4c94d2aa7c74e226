"""Kita, school, register. What belongs here: what these offices know and deliver. What does not: the exam."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from kkz_eval.demo import process as p
from kkz_eval.demo.children import BoolArray, Cohort, planted, pseudonyms, uniform, untreated_mean
from kkz_eval.demo.columns import Table, coded, constant, numbered, replaced, stack, take
from kkz_eval.demo.effects import FloatArray, days_since_1970, exposure_years, middle_of_month
from kkz_eval.demo.places import IntArray, Places, stream

#: Children of one entry cohort have one age per Kita year: completed years on the cut-off date of school entry, 30
#: September.
SCHOOL_AGE = 6
KITA_AGES = (1, 2, 3, 4, 5)

STAGE_OUTCOMES = {
    3: ("grade_3_low",),
    5: ("gymnasium", "grade_repeated"),
    10: ("leaving_without_certificate",),
}
#: Tracks other than Gymnasium and their cumulative shares, before and since the Sekundarschule (school year 2012).
_TRACKS = ("HS", "RS", "GE", "SK", "FS")
_TRACKS_BEFORE = (0.24, 0.66, 0.94, 0.94)
_TRACKS_SINCE = (0.08, 0.42, 0.83, 0.94)
_CERTIFICATES = ("HA", "MA", "FHR", "AHR")
_CERTIFICATE_SHARES = (0.22, 0.92, 0.99)


def kita_years_lived(places: Places, cohort: Cohort, kita_year: int) -> FloatArray:
    """Exposure from conception to 1 September of the Kita year."""
    measured = float(days_since_1970(dt.date(kita_year, 9, 1)))
    return exposure_years(places.start[cohort.place], middle_of_month(cohort.birth_month), measured)


def kita_values(
    places: Places, cohort: Cohort, kita_year: int, seed: int, *, effects: bool = True
) -> tuple[BoolArray, IntArray]:
    """Booked 45 hours (true/false) and months attended (1-12) of every child of the cohort, in a Kita or not."""
    years = kita_years_lived(places, cohort, kita_year)
    habit = stream(seed, "kita_habit", cohort.entry_year).random((2, cohort.size))
    rng = stream(seed, "kita", kita_year, cohort.entry_year)
    # most families book again what they booked before
    again = rng.random(cohort.size) < 0.8
    draw = np.where(again, habit[0], rng.random(cohort.size))
    full_day = draw < untreated_mean("kita_45_hours", cohort, places, kita_year) + planted(
        "kita_45_hours", years, effects
    )
    mean = untreated_mean("kita_months", cohort, places, kita_year) + planted("kita_months", years, effects)
    mean = mean + 2.0 * (habit[1] - 0.5)
    # rounding up or down at random keeps the mean exact
    attended = np.clip(np.floor(mean + rng.random(cohort.size)), 1, 12)
    return full_day, attended.astype(np.int64)


def kita_table(places: Places, cohorts: Sequence[Cohort], kita_year: int, seed: int, *, effects: bool = True) -> Table:
    """The delivery of one Kita year: the five cohorts aged 1 to 5, children who attend."""
    return stack([_kita_rows(places, cohort, kita_year, seed, effects) for cohort in cohorts])


def _kita_rows(places: Places, cohort: Cohort, kita_year: int, seed: int, effects: bool) -> Table:
    age = SCHOOL_AGE - (cohort.entry_year - kita_year)
    n = cohort.size
    full_day, attended = kita_values(places, cohort, kita_year, seed, effects=effects)
    rng = stream(seed, "kita_form", kita_year, cohort.entry_year)
    hours = np.where(full_day, 2, np.where(rng.random(n) < 0.75, 1, 0))
    table: Table = {
        "Pseudonym": pseudonyms(cohort.number, seed),
        "AGS": coded(cohort.place, places.ags),
        "Kitajahr": constant(str(kita_year), n),
        "Alter": constant(str(age), n),
        "Buchungszeit": replaced(coded(hours, ("25", "35", "45")), rng.random(n) < p.MISSING["booked_hours"], "-1"),
        "Monate_anwesend": replaced(numbered(attended, 12), rng.random(n) < p.MISSING["months_attended"], "99"),
    }
    return take(table, np.flatnonzero(cohort.kita_start <= age))


def education_events(
    places: Places, cohort: Cohort, stage: int, seed: int, *, effects: bool = True
) -> dict[str, tuple[BoolArray, FloatArray]]:
    """Education outcomes of every child at that stage, with the uniform draw behind each.

    The effect depends on the child's early exposure (conception to exam), not on later years.
    """
    rng = stream(seed, "education", stage, cohort.entry_year)
    events = {}
    for outcome in STAGE_OUTCOMES[stage]:
        draw = uniform(rng, cohort.ability, p.PROCESSES[outcome].loading)
        mean = untreated_mean(outcome, cohort, places, cohort.entry_year) + planted(outcome, cohort.years, effects)
        events[outcome] = (draw < mean, draw)
    return events


def education_table(
    places: Places, cohorts: dict[int, Cohort], school_year: int, seed: int, *, effects: bool = True
) -> Table:
    """The delivery of one school year; `cohorts` gives the cohort at each stage reached that year."""
    return stack([_school_rows(places, c, stage, school_year, seed, effects) for stage, c in cohorts.items()])


def _school_rows(places: Places, cohort: Cohort, stage: int, school_year: int, seed: int, effects: bool) -> Table:
    n = cohort.size
    events = education_events(places, cohort, stage, seed, effects=effects)
    rng = stream(seed, "education_form", stage, cohort.entry_year)
    blank = constant("", n)
    table: Table = {
        "Pseudonym": pseudonyms(cohort.number, seed),
        "AGS": coded(cohort.place, places.ags),
        "Schuljahr": constant(str(school_year), n),
        "Einschulungsjahr": constant(str(cohort.entry_year), n),
        "Stufe": constant(str(stage), n),
        "Kompetenzstufe_Klasse3": blank,
        "Schulform_Klasse5": blank,
        "Wiederholt": blank,
        "Abschluss": blank,
    }
    if stage == 3:
        level = 2 + np.searchsorted([0.30, 0.65, 0.90], rng.random(n))
        level = np.where(events["grade_3_low"][0], 1, level)
        table["Kompetenzstufe_Klasse3"] = replaced(numbered(level, 5), rng.random(n) < p.MISSING["grade_3_level"], "9")
    elif stage == 5:
        track = np.searchsorted(_TRACKS_SINCE if school_year >= 2012 else _TRACKS_BEFORE, rng.random(n))
        table["Schulform_Klasse5"] = replaced(coded(track, _TRACKS), events["gymnasium"][0], "GY")
        repeated = coded(events["grade_repeated"][0], "01")
        table["Wiederholt"] = replaced(repeated, rng.random(n) < p.MISSING["has_repeated"], "9")
    else:
        certificate = np.searchsorted(_CERTIFICATE_SHARES, rng.random(n))
        left_without = events["leaving_without_certificate"][0]
        table["Abschluss"] = replaced(coded(certificate, _CERTIFICATES), left_without, "OA")
    return table


def register_table(places: Places, cohort: Cohort) -> Table:
    """Children of school age per municipality: all children of the cohort, examined or not."""
    counts = np.bincount(cohort.place, minlength=len(places.ags))
    return {
        "AGS": coded(np.arange(len(places.ags)), places.ags),
        "Einschulungsjahr": constant(str(cohort.entry_year), len(places.ags)),
        "Kinder": numbered(counts, int(counts.max(initial=0))),
    }
