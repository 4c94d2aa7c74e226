"""A cohort of children. What belongs here: traits, birth, exposure, mean outcomes. What does not: measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kkz_eval.demo import process as p
from kkz_eval.demo.effects import (
    DAYS_PER_YEAR,
    EXAM_MONTHS,
    EXAM_SHARES,
    FloatArray,
    MonthArray,
    exposure_years,
    first_birth_month,
    middle_of_month,
    slope,
)
from kkz_eval.demo.places import IntArray, Places, stream

BoolArray = NDArray[np.bool_]

LOW, MIDDLE, HIGH = 0, 1, 2
NEVER_IN_KITA = 6
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@dataclass(frozen=True)
class Cohort:
    """The children who enter school in one year; every array has one entry per child.

    `place` is the index of the municipality. Months are counted since January of year 0. `kita_start` is the age of
    the first Kita year (1-5, 6 = never). `ability` and `care` are standard normal. `years` is the exposure from
    conception to the exam, 0 where there is no programme.
    """

    entry_year: int
    place: IntArray
    number: NDArray[np.uint64]
    birth_month: MonthArray
    exam_month: MonthArray
    girl: BoolArray
    education: IntArray
    other_language: BoolArray
    refugee: BoolArray
    kita_start: IntArray
    ability: FloatArray
    care: FloatArray
    age: FloatArray
    years: FloatArray

    @property
    def size(self) -> int:
        """Number of children."""
        return len(self.place)

    @property
    def kita_years(self) -> IntArray:
        """Number of Kita years until school, 0 to 5."""
        return np.asarray(NEVER_IN_KITA - self.kita_start, dtype=np.int64)


def make_cohort(places: Places, entry_year: int, scale: float, seed: int) -> Cohort:
    """The cohort of one entry year; children stand in order of their place."""
    rng = stream(seed, "cohort", entry_year)
    year = entry_year - p.FIRST_YEAR
    # a part of the real number, rounded up or down at random, so that small places are seldom empty
    real = rng.poisson(places.cohort_size[:, year])
    counts = np.floor(real * scale + rng.random(len(real))).astype(np.int64)
    place = np.repeat(np.arange(len(counts)), counts)
    n = len(place)
    deprivation = places.deprivation[place]
    refugee = rng.random(n) < np.clip(p.REFUGEES.get(entry_year, 0.0) * places.refugees, 0.0, 0.3)[place]
    other = rng.random(n) < np.clip(0.22 + 0.07 * deprivation + 0.004 * (entry_year - 2012), 0.03, 0.8)
    birth = first_birth_month(entry_year) + rng.integers(0, 12, n)
    exam = entry_year * 12 + rng.choice(np.array(EXAM_MONTHS), size=n, p=np.array(EXAM_SHARES))
    born, examined = middle_of_month(birth), middle_of_month(exam)
    return Cohort(
        entry_year=entry_year,
        place=place,
        number=np.uint64(entry_year) * np.uint64(100_000_000) + np.arange(n, dtype=np.uint64),
        birth_month=birth,
        exam_month=exam,
        girl=rng.random(n) < 0.487,
        education=_education(rng.random(n), deprivation, entry_year),
        other_language=other | refugee,
        refugee=refugee,
        kita_start=_kita_start(rng.random(n), rng.random(n), places, place, refugee, entry_year),
        ability=rng.standard_normal(n),
        care=rng.standard_normal(n),
        age=(examined - born) / DAYS_PER_YEAR,
        years=exposure_years(places.start[place], born, examined),
    )


def _education(draw: FloatArray, deprivation: FloatArray, entry_year: int) -> IntArray:
    """Parents' education: more low education in deprived places, less of it everywhere as years go by."""
    low = np.clip(0.21 + 0.06 * deprivation - 0.002 * (entry_year - 2012), 0.02, 0.9)
    high = np.clip(0.34 - 0.06 * deprivation + 0.004 * (entry_year - 2012), 0.02, 0.9)
    return np.where(draw < low, LOW, np.where(draw > 1.0 - high, HIGH, MIDDLE)).astype(np.int64)


def attendance(age: int, kita_year: int) -> float:
    """Statewide share of children of that age in a Kita."""
    years, shares = np.array(p.ATTENDANCE[age]).T
    return float(np.interp(kita_year, years, shares))


def _kita_start(
    draw: FloatArray, late: FloatArray, places: Places, place: IntArray, refugee: BoolArray, entry_year: int
) -> IntArray:
    """Age of the first Kita year. The legal claim of 2013 moves it everywhere; refugee children start late or never."""
    start = np.full(len(place), NEVER_IN_KITA, dtype=np.int64)
    for age in (5, 4, 3, 2, 1):
        # places differ in places for the youngest; nearly all older children attend everywhere
        weight = 1.0 if age < 3 else 0.4 if age == 3 else 0.0
        local = weight * (places.attendance - 0.015 * places.deprivation)
        share = attendance(age, entry_year - NEVER_IN_KITA + age) + local[place]
        start = np.where(draw < share, age, start)
    return np.where(refugee, np.maximum(start, np.where(late < 0.5, 5, np.where(late < 0.8, 4, 6))), start)


def pseudonyms(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.bytes_]:
    """Sixteen hex digits per child, the same in every source: a seeded mix (splitmix64) of the child's number.

    The function is one-to-one, so no two children share a pseudonym. Children here are invented; real deliveries need
    a keyed hash.
    """
    key = np.uint64(stream(seed, "pseudonym").integers(1, 2**63))
    with np.errstate(over="ignore"):
        x = numbers ^ key
        for _ in range(2):
            x = x + np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
    shifts = np.arange(60, -4, -4, dtype=np.uint64)
    digits = (x[:, None] >> shifts) & np.uint64(15)
    return np.ascontiguousarray(_HEX[digits]).view("S16").ravel()


def untreated_mean(outcome: str, cohort: Cohort, places: Places, period: int) -> FloatArray:
    """Mean (probability for shares) of each child's untreated outcome in that period; all parts add up."""
    process = p.PROCESSES[outcome]
    mean = places.level[outcome][cohort.place, period - p.FIRST_YEAR]
    mean = mean + np.array([process.low, process.middle, 0.0])[cohort.education]
    traits = (
        (process.other_language, cohort.other_language),
        (process.refugee, cohort.refugee),
        (process.girl, cohort.girl),
    )
    for coefficient, has in traits:
        if coefficient:
            mean = mean + coefficient * has
    if process.age:
        mean = mean + process.age * (cohort.age - p.AGE_CENTRE)
    if process.kita:
        mean = mean + process.kita * (cohort.kita_years - p.KITA_CENTRE)
    return np.asarray(mean, dtype=np.float64)


def planted(outcome: str, years: FloatArray, effects: bool) -> FloatArray:
    """The effect planted in each child: linear in its own years of exposure; nothing in a world without effects."""
    return slope(outcome) * years if effects else np.zeros_like(years)


def uniform(rng: np.random.Generator, shared: FloatArray, loading: float) -> FloatArray:
    """Uniform draws correlated with a standard normal trait; a small draw means that the event happens.

    For a positive loading (unfavourable events) children with a high trait draw large numbers.
    """
    own = rng.standard_normal(len(shared))
    return np.asarray(ndtr(loading * shared + np.sqrt(1.0 - loading**2) * own), dtype=np.float64)
