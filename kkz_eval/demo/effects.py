"""The planted truth. What belongs here: effects, how they grow with exposure, tables of them. What does not: levels."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MonthArray = NDArray[np.int64]

#: Day on which a wave begins. The third wave opened in summer 2020; its start is set to the beginning of the school
#: year.
START: Final = MappingProxyType({2012: dt.date(2012, 1, 1), 2017: dt.date(2017, 1, 1), 2020: dt.date(2020, 8, 1)})

#: Length of a pregnancy, which counts as exposure of the child.
PREGNANCY_DAYS: Final = 280
DAYS_PER_YEAR: Final = 365.25

#: Years from conception to the exam: mean age at the exam 5.79 years and 0.77 years of pregnancy.
FULL_YEARS: Final = 5.79 + 0.77
#: Years from conception to 1 September of the Kita year: ages 3-5 (kita_45_hours) and ages 1-5 as they attend
#: (kita_months).
FULL_YEARS_KITA: Final = MappingProxyType({"kita_45_hours": 4.5 + 0.77, "kita_months": 3.7 + 0.77})

#: Effect of full exposure on the share flagged, per SOPESS sub-test; their sum is the effect on the number of flagged
#: sub-tests.
SUBTEST_EFFECTS: Final = MappingProxyType(
    {
        "attention_flagged": -0.04,
        "counting_flagged": -0.04,
        "quantity_flagged": -0.04,
        "visuomotor_flagged": -0.04,
        "perception_flagged": -0.04,
        "preposition_flagged": -0.04,
        "plural_flagged": -0.04,
        "pseudoword_flagged": -0.04,
        "coordination_flagged": -0.03,
    }
)

#: Effect of full exposure, additive: probability for shares, the outcome's own unit otherwise. Sizes are those
#: discussed in the literature on early childhood (about 3 percentage points on school readiness); they are
#: assumptions, not findings.
FULL_EFFECTS: Final = MappingProxyType(
    {
        "german_insufficient": -0.05,
        "sopess_flagged": round(sum(SUBTEST_EFFECTS.values()), 6),
        "u8_u9_complete": 0.06,
        "visuomotor_flagged": SUBTEST_EFFECTS["visuomotor_flagged"],
        "counting_flagged": SUBTEST_EFFECTS["counting_flagged"],
        "coordination_flagged": SUBTEST_EFFECTS["coordination_flagged"],
        "attention_flagged": SUBTEST_EFFECTS["attention_flagged"],
        "mmr_two_doses": 0.03,
        "speech_referral": -0.03,
        "bmi": -0.1,
        "hearing_finding": 0.0,
        "height": 0.0,
        "kita_45_hours": 0.05,
        "kita_months": 0.3,
        "grade_3_low": -0.03,
        "gymnasium": 0.04,
        "grade_repeated": -0.015,
        "leaving_without_certificate": -0.01,
    }
)

UNITS: Final = MappingProxyType({"sopess_flagged": "points", "bmi": "kg/m2", "height": "cm", "kita_months": "months"})

#: Share of children examined per month of the season, September to June, in months from January of the entry year.
#: Mean: January.
EXAM_MONTHS: Final = (-4, -3, -2, -1, 0, 1, 2, 3, 4, 5)
EXAM_SHARES: Final = (0.08, 0.12, 0.13, 0.09, 0.13, 0.12, 0.12, 0.09, 0.08, 0.04)

#: First entry year with the cut-off date 30 September; the demo uses 31 August before it (steps before 2010 are left
#: out).
CUT_OFF_SEPTEMBER: Final = 2011


def full_years(outcome: str) -> float:
    """Years of exposure at which an effect is full: mean of children exposed since conception."""
    return FULL_YEARS_KITA.get(outcome, FULL_YEARS)


def slope(outcome: str) -> float:
    """Effect of one year of exposure; every planted effect is linear in a child's own years."""
    effect = SUBTEST_EFFECTS[outcome] if outcome in SUBTEST_EFFECTS else FULL_EFFECTS[outcome]
    return effect / full_years(outcome)


def first_birth_month(entry_year: int) -> int:
    """Oldest birth month of an entry cohort, in months since January of year 0."""
    return (entry_year - 7) * 12 + (9 if entry_year >= CUT_OFF_SEPTEMBER else 8)


def middle_of_month(months: MonthArray) -> FloatArray:
    """Middle of a month in days since 1970-01-01; months are counted since January of year 0."""
    days = (months - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)
    return np.asarray(days + 14.5, dtype=np.float64)


def days_since_1970(day: dt.date) -> int:
    """A date as days since 1970-01-01."""
    return (day - dt.date(1970, 1, 1)).days


def exposure_years(start: FloatArray | float, birth: FloatArray, measured: FloatArray | float) -> FloatArray:
    """Years from conception or the programme's start, whichever is later, to the measurement.

    `start`, `birth` and `measured` are days since 1970-01-01; a start of infinity (never) gives 0. The formula is
    clip(measured - start, 0, measured - birth + 280 days).
    """
    days = np.clip(measured - start, 0.0, measured - birth + PREGNANCY_DAYS)
    return np.asarray(days / DAYS_PER_YEAR, dtype=np.float64)


def truth() -> pd.DataFrame:
    """The effect of 0 to 6 and of full years of exposure on each outcome.

    Columns: outcome, years_of_exposure (text: 0 to 6, full), effect, unit_of_measure.
    """
    rows: list[tuple[str, str, float, str]] = []
    for outcome, effect in FULL_EFFECTS.items():
        unit = UNITS.get(outcome, "share")
        years = [(str(y), slope(outcome) * min(y, full_years(outcome))) for y in range(7)]
        rows += [(outcome, y, round(value, 6) + 0.0, unit) for y, value in [*years, ("full", effect)]]
    return pd.DataFrame(rows, columns=["outcome", "years_of_exposure", "effect", "unit_of_measure"])


def exam_exposure(wave: int, entry_year: int) -> float:
    """Mean exposure of an entry cohort at the exam in places of that wave: even births, exams by EXAM_SHARES."""
    births = middle_of_month(first_birth_month(entry_year) + np.arange(12))
    exams = middle_of_month(entry_year * 12 + np.array(EXAM_MONTHS))
    years = exposure_years(days_since_1970(START[wave]), births[:, None], exams[None, :])
    return float(years.mean(axis=0) @ np.array(EXAM_SHARES))


def kita_exposure(wave: int, kita_year: int, ages: dict[int, float]) -> float:
    """Mean exposure on 1 September of the Kita year; `ages` gives the share of children per age."""
    measured = days_since_1970(dt.date(kita_year, 9, 1))
    total = 0.0
    for age, share in ages.items():
        births = middle_of_month(first_birth_month(kita_year + 6 - age) + np.arange(12))
        total += share * float(exposure_years(days_since_1970(START[wave]), births, measured).mean())
    return total / sum(ages.values())


def effects_by_period(periods: dict[str, range], kita_ages: dict[int, dict[int, float]]) -> pd.DataFrame:
    """Expected effect per outcome, wave and period; the truth behind each group-time effect.

    `periods` gives the periods of each outcome, `kita_ages` the share of each age per Kita year. Columns: outcome,
    wave, period, years_of_exposure, effect, unit_of_measure.
    """
    rows: list[tuple[str, int, int, float, float, str]] = []
    for outcome, covered in periods.items():
        for wave in START:
            for period in covered:
                if outcome == "kita_45_hours":
                    years = kita_exposure(wave, period, {a: s for a, s in kita_ages[period].items() if a >= 3})
                elif outcome == "kita_months":
                    years = kita_exposure(wave, period, kita_ages[period])
                else:
                    years = exam_exposure(wave, period)
                effect = round(slope(outcome) * years, 6) + 0.0
                rows.append((outcome, wave, period, round(years, 4), effect, UNITS.get(outcome, "share")))
    return pd.DataFrame(rows, columns=["outcome", "wave", "period", "years_of_exposure", "effect", "unit_of_measure"])
