"""The school entry exam. What belongs here: what is measured, how offices write it. What does not: effect sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kkz_eval.demo import process as p
from kkz_eval.demo.children import BoolArray, Cohort, planted, pseudonyms, uniform, untreated_mean
from kkz_eval.demo.columns import Table, coded, constant, decimal_comma, months, numbered, replaced, take
from kkz_eval.demo.effects import FloatArray
from kkz_eval.demo.places import IntArray, Places, stream

#: Shares of the codes of German skills within insufficient (1, 2, 3) and sufficient (4, 5).
_SKILLS_BELOW = (0.08, 0.30)
_SKILLS_FLAWLESS = 0.7
_QUANTILES = 512


@dataclass(frozen=True)
class ExamFindings:
    """What the exam finds, before values go missing: one entry per child of the cohort.

    `events` holds the share outcomes as true/false, `points` the SOPESS points (empty before 2010), `height` in cm,
    `bmi` in kg/m2.
    """

    events: dict[str, BoolArray]
    points: dict[str, IntArray]
    height: FloatArray
    bmi: FloatArray

    @property
    def sopess_flagged(self) -> IntArray:
        """Number of flagged sub-tests, 0 to 9."""
        return np.asarray(sum(self.events[name].astype(np.int64) for name in p.SUBTESTS), dtype=np.int64)


def exam_findings(places: Places, cohort: Cohort, seed: int, *, effects: bool = True) -> ExamFindings:
    """Findings of every child of the cohort, examined or not. Draws do not depend on `effects`."""
    year = cohort.entry_year
    rng = stream(seed, "exam", year)

    def event(outcome: str) -> tuple[BoolArray, FloatArray, FloatArray]:
        loading = p.PROCESSES[outcome].loading
        shared = cohort.care if outcome in ("u8_u9_complete", "mmr_two_doses") else cohort.ability
        draw = uniform(rng, shared, loading)
        probability = untreated_mean(outcome, cohort, places, year) + planted(outcome, cohort.years, effects)
        return draw < probability, draw, probability

    events: dict[str, BoolArray] = {}
    points: dict[str, IntArray] = {}
    for outcome in ("german_insufficient", "u8_u9_complete", "mmr_two_doses", "speech_referral", "hearing_finding"):
        events[outcome] = event(outcome)[0]
    if year >= p.SOPESS_FIRST:
        for outcome in p.SUBTESTS:
            events[outcome], draw, probability = event(outcome)
            points[outcome] = _points(outcome, events[outcome], draw, probability)
    height = untreated_mean("height", cohort, places, year) + 4.9 * rng.standard_normal(cohort.size)
    bmi = untreated_mean("bmi", cohort, places, year) + planted("bmi", cohort.years, effects)
    bmi = bmi + 1.2 * (rng.gamma(2.0, 1.0, cohort.size) - 2.0)
    return ExamFindings(events, points, np.clip(height, 95.0, 140.0), np.clip(bmi, 11.0, 32.0))


def _points(outcome: str, flagged: BoolArray, draw: FloatArray, probability: FloatArray) -> IntArray:
    """Points, at or below the flagged cut-off exactly when the event happened; the same draw places them within."""
    _, highest, cut, borderline = p.SUBTESTS[outcome]
    low = np.arange(cut + 1)
    rest = np.arange(cut + 1, highest + 1)
    middle = (borderline + 1 + highest) / 2
    shape = np.where(rest <= borderline, 0.25 / (borderline - cut), 0.0)
    bell = np.where(rest > borderline, 1.0 / (1.0 + np.abs(rest - middle)), 0.0)
    inside = np.clip(draw / np.maximum(probability, 1e-9), 0.0, 1.0)
    outside = np.clip((draw - probability) / np.maximum(1.0 - probability, 1e-9), 0.0, 1.0)
    below = _from_shares(low, (low + 1.0) / (low + 1.0).sum(), inside)
    above = _from_shares(rest, shape + 0.75 * bell / bell.sum(), outside)
    return np.where(flagged, below, above)


def _from_shares(values: IntArray, shares: FloatArray, position: FloatArray) -> IntArray:
    """Value at a position between 0 and 1 of the distribution, by a table of quantiles."""
    middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = values[np.minimum(np.searchsorted(np.cumsum(shares), middles), len(values) - 1)]
    return np.asarray(table[np.minimum((position * _QUANTILES).astype(np.int64), _QUANTILES - 1)], dtype=np.int64)


def examined(cohort: Cohort, places: Places, seed: int) -> BoolArray:
    """Who is examined: nearly all; in 2020-22 a part that differs by office and leans to children with problems."""
    year = cohort.entry_year
    rng = stream(seed, "coverage", year)
    draw = rng.random(cohort.size)
    if year not in p.GAP_YEARS:
        return np.asarray(draw >= (0.07 if year == 2023 else p.MISSING["not_examined"]))
    low, high = {2020: (0.25, 0.60), 2021: (0.05, 0.55), 2022: (0.25, 0.85)}[year]
    coverage = rng.uniform(low, high, len(places.kreise))[places.kreis[cohort.place]]
    if year == 2020:
        # the season was cut in March 2020: children invited before were examined as usual
        coverage = np.where(cohort.exam_month <= year * 12 + 2, 0.97, coverage)
    need = 0.5 * (cohort.ability < -0.5) + 0.3 * cohort.other_language + 0.3 * (cohort.education == 0)
    return np.asarray(draw < np.clip(coverage * (0.75 + need), 0.0, 1.0))


def exam_table(places: Places, cohort: Cohort, seed: int, *, effects: bool = True) -> Table:
    """The delivery of one entry year as columns of text, missing codes included."""
    year, n = cohort.entry_year, cohort.size
    found = exam_findings(places, cohort, seed, effects=effects)
    rng = stream(seed, "exam_form", year)

    def missing(kind: str) -> BoolArray:
        return rng.random(n) < p.MISSING[kind]

    kreis = places.kreis[cohort.place]
    table: Table = {
        "Pseudonym": pseudonyms(cohort.number, seed),
        "AGS": coded(cohort.place, places.ags),
        "Gesundheitsamt": coded(kreis, places.kreise),
        "Einschulungsjahr": constant(str(year), n),
        "Geburtsmonat": months(cohort.birth_month),
        "Untersuchungsmonat": months(cohort.exam_month),
        "Geschlecht": replaced(coded(cohort.girl, "12"), missing("sex"), "9"),
        "Bildung_Eltern": replaced(coded(cohort.education, "123"), missing("parents_education"), "9"),
        "Erstsprache": replaced(coded(cohort.other_language, "12"), missing("home_language"), "9"),
        "Deutschkenntnisse": replaced(
            numbered(_german_skills(found.events["german_insufficient"], cohort, rng), 5), missing("german_skills"), "9"
        ),
    }
    nothing = missing("all_subtests")
    for outcome, (header, highest, _, _) in p.SUBTESTS.items():
        if year < p.SOPESS_FIRST:
            table[header] = constant("", n)
        else:
            code = "99" if highest > 9 else "9"
            table[header] = replaced(numbered(found.points[outcome], highest), nothing | missing("one_subtest"), code)
    height = np.round(found.height * 10)
    weight = np.round(found.bmi * (height / 1000) ** 2 * 10)
    table["Groesse_cm"] = replaced(decimal_comma(height, 1400), missing("height"), "-1")
    table["Gewicht_kg"] = replaced(decimal_comma(weight, 700), missing("weight"), "-1")
    table |= _prevention(found, cohort, rng, missing)
    table |= _doctor(found, cohort, rng, missing)
    table["Kita_Jahre"] = replaced(numbered(cohort.kita_years, 6), missing("kita_years"), "-1")
    table["Fragebogenversion"] = constant(_version(year), n)
    return take(table, np.flatnonzero(examined(cohort, places, seed)))


def _version(year: int) -> str:
    if year < p.SOPESS_FIRST:
        return "Bielefelder Modell"
    return "SOPESS 2009" if year < 2016 else "SOPESS, geänderter Bogen 2015"


def _german_skills(insufficient: BoolArray, cohort: Cohort, rng: np.random.Generator) -> IntArray:
    """1 to 3 exactly when insufficient; children who speak German at home do speak it, if with errors."""
    draw = rng.random(cohort.size)
    below = np.where(draw < _SKILLS_BELOW[0], 1, np.where(draw < _SKILLS_BELOW[1], 2, 3))
    below = np.where(cohort.other_language, below, 3)
    return np.where(insufficient, below, np.where(draw < _SKILLS_FLAWLESS, 5, 4))


def _prevention(
    found: ExamFindings, cohort: Cohort, rng: np.random.Generator, missing: Callable[[str], BoolArray]
) -> Table:
    """Booklet, U-examinations and vaccination. U7a exists for children born from 2005 on."""
    n = cohort.size
    without = missing("booklet")
    complete = found.events["u8_u9_complete"]
    lost = rng.random(n)
    taken = {
        "U8": complete | (lost < 0.3),
        "U9": complete | ((lost >= 0.3) & (lost < 0.55)),
    }
    table: Table = {"Vorsorgeheft": replaced(constant("1", n), without, "0")}
    for name in ("U3", "U4", "U5", "U6", "U7", "U7a", "U8", "U9"):
        draw = rng.random(n)
        if name not in taken:
            share = 0.90 if name == "U7a" else 0.97
            taken[name] = draw < np.where(complete, share, share - 0.1)
        column = replaced(coded(taken[name], "01"), without | missing("u_examination"), "9")
        table[name] = replaced(column, cohort.birth_month < 2005 * 12, "") if name == "U7a" else column
    one_dose = np.where(rng.random(n) < 0.7, 1, 0)
    doses = np.where(found.events["mmr_two_doses"], 2, one_dose)
    table["MMR_Impfungen"] = replaced(numbered(doses, 2), missing("mmr_doses"), "9")
    return table


def _doctor(
    found: ExamFindings, cohort: Cohort, rng: np.random.Generator, missing: Callable[[str], BoolArray]
) -> Table:
    """Findings of the doctor: K none, X no need, B in treatment, A referral, D lasting impairment, 0 not examined."""
    n = cohort.size
    draw = {name: rng.random(n) for name in ("vision", "hearing", "speech", "motor")}
    codes = "KXBAD"
    vision = np.searchsorted([0.74, 0.80, 0.88, 0.99], draw["vision"])
    motor = np.searchsorted([0.80, 0.90, 0.96, 0.99], draw["motor"])
    has_hearing = np.searchsorted([0.45, 0.95], draw["hearing"]) + 2
    hearing = np.where(found.events["hearing_finding"], has_hearing, np.where(draw["hearing"] < 0.95, 0, 1))
    speech = np.where(found.events["speech_referral"], 3, np.searchsorted([0.70, 0.83, 0.995], draw["speech"]))
    speech = np.where(~found.events["speech_referral"] & (speech == 3), 4, speech)
    return {
        f"Befund_{name}": replaced(coded(values, codes), missing("finding"), "0")
        for name, values in (("Sehen", vision), ("Hoeren", hearing), ("Sprache", speech), ("Motorik", motor))
    }
