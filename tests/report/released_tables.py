"""Plausible released tables for the tests of the report, made from a seed: 17 outcomes, three waves, 2006 to 2025."""

import math
import random
import re
from datetime import date

import pandas as pd
from opening_tables import opening_tables

from kkz_eval.report.figures.tiles import TILES
from kkz_eval.report.frames import COLUMNS
from kkz_eval.report.meta import ComparisonMeta, ExcludedPeriod, GapMeta, OutcomeMeta, ReportMeta

# Words that would claim more than such a study can show.
FORBIDDEN = re.compile(r"\bproves?\b|beweis|no effect|kein\w* (effekt|wirkung)|signifi[ck]", re.IGNORECASE)
AS_OF = date(2025, 12, 31)
WAVE_2012 = ["111", "112", "116", "119", "124", "358", "513", "515", "570", "711", "913", "915", "978"]
WAVE_2017 = ["114", "117", "315", "316", "366", "378", "512", "558", "566", "758", "766", "911", "916", "970", "562"]
STARTS = {2012: date(2012, 1, 1), 2017: date(2017, 1, 1), 2020: date(2020, 8, 1)}

CALCULATIONS = (
    ("main", "callaway_santanna"),
    ("main", "event_study"),
    ("main", "two_way_fixed_effects"),
    ("never_treated", "callaway_santanna"),
    ("main", "sun_abraham"),
    ("main", "stacked"),
)
NO_WINDOW = (
    "cells of y: the cohorts share no period before and after adoption within event times -7 to 4; widen the window "
    "or leave out a cohort."
)
GAP = GapMeta(
    "language_gap", "Schließt sich der Abstand?", "Does the gap close?", "andere Familiensprache",
    "another home language", "deutsche Familiensprache", "German at home",
)  # fmt: skip

# name, German, English, unit, direction, role, source, kind, level, effect at full exposure, years until measured
_OUTCOMES = [
    ("german_insufficient", "Deutsch nicht ausreichend (Stufe 1–3)", "German not sufficient (grades 1–3)", "share",
     "lower", "primary", "school_entry_exam", "entry_year", 0.22, -0.021, 0),
    ("sopess_flagged", "Auffällige SOPESS-Untertests (0–9)", "Flagged SOPESS sub-tests (0–9)", "points", "lower",
     "primary", "school_entry_exam", "entry_year", 1.6, -0.05, 0),
    ("u8_u9_complete", "U8 und U9 wahrgenommen", "U8 and U9 check-ups attended", "share", "higher",
     "primary", "school_entry_exam", "entry_year", 0.83, 0.018, 0),
    ("visuomotor_flagged", "Visuomotorik auffällig", "Visuomotor skills flagged", "share", "lower",
     "secondary", "school_entry_exam", "entry_year", 0.16, -0.01, 0),
    ("counting_flagged", "Zählen auffällig", "Counting flagged", "share", "lower",
     "secondary", "school_entry_exam", "entry_year", 0.15, 0.0, 0),
    ("coordination_flagged", "Körperkoordination auffällig", "Body coordination flagged", "share", "lower",
     "secondary", "school_entry_exam", "entry_year", 0.17, 0.004, 0),
    ("attention_flagged", "Selektive Aufmerksamkeit auffällig", "Selective attention flagged", "share", "lower",
     "secondary", "school_entry_exam", "entry_year", 0.2, -0.004, 0),
    ("mmr_two_doses", "Zwei MMR-Impfungen", "Two MMR doses", "share", "higher",
     "secondary", "school_entry_exam", "entry_year", 0.92, 0.005, 0),
    ("speech_referral", "Sprache: zur Abklärung überwiesen", "Speech: referred for assessment", "share", "lower",
     "secondary", "school_entry_exam", "entry_year", 0.09, 0.013, 0),
    ("bmi", "Body-Mass-Index", "Body mass index", "kg/m2", "lower",
     "secondary", "school_entry_exam", "entry_year", 15.6, 0.0, 0),
    ("kita_45_hours", "45 Stunden Kita gebucht (3–5 Jahre)", "45 hours of Kita booked (ages 3–5)", "share", "higher",
     "secondary", "kita_attendance", "kita_year", 0.44, 0.012, 0),
    ("kita_months", "Monate in der Kita im Kita-Jahr", "Months in Kita in the Kita year", "months", "higher",
     "secondary", "kita_attendance", "kita_year", 10.8, 0.04, 0),
    ("grade_3_low", "Klasse 3: unterste Kompetenzstufe", "Grade 3: lowest level", "share", "lower",
     "secondary", "education", "entry_year", 0.19, -0.008, 3),
    ("gymnasium", "Übergang zum Gymnasium", "Moved to Gymnasium", "share", "higher",
     "secondary", "education", "entry_year", 0.41, 0.002, 4),
    ("leaving_without_certificate", "Schule ohne Abschluss verlassen", "Left school without a certificate", "share",
     "lower", "secondary", "education", "entry_year", 0.06, 0.0, 10),
    ("hearing_finding", "Hörbefund", "Hearing finding", "share", "lower",
     "placebo", "school_entry_exam", "entry_year", 0.05, 0.0, 0),
    ("height", "Körpergröße", "Height", "cm", "higher",
     "placebo", "school_entry_exam", "entry_year", 117.2, 0.0, 0),
]  # fmt: skip


def meta(**changes: object) -> ReportMeta:
    """The record beside the tables; `changes` replace fields."""
    fields: dict[str, object] = {
        "study_name": "demo",
        "title_de": "Kein Kind zurücklassen – Vorführung mit simulierten Kindern",
        "title_en": "Kein Kind zurücklassen – demonstration with simulated children",
        "question_de": "Geht es Kindern in Orten, die früh mit der Präventionskette begonnen haben, bei der "
        "Einschulung und danach besser, als es ihnen dort sonst gegangen wäre?",
        "question_en": "Are children in places that joined up prevention early better off at school entry and later "
        "than they would otherwise have been there?",
        "outcomes": tuple(OutcomeMeta(*entry[:8]) for entry in _OUTCOMES),
        "comparisons": (
            ComparisonMeta("main", "Teilnehmer gegen noch nicht oder nie teilnehmende Orte",
                           "participants against places not yet or never taking part"),
            ComparisonMeta("never_treated", "Teilnehmer gegen nie teilnehmende Orte",
                           "participants against places that never took part"),
        ),
        "waves": (2012, 2017, 2020),
        "unit": "ags",
        "as_of": AS_OF,
        "release": 3,
        "plan_sha256": "9f" * 32,
        "threshold": 10,
        "excluded_periods": tuple(
            ExcludedPeriod(year, "Pandemie: nur ein Teil der Kinder wurde untersucht, und nicht zufällig",
                           "pandemic: only some children were examined, and not at random", "school_entry_exam")
            for year in (2020, 2021, 2022)
        ),
        "deviations": ("threshold: 5 → 10",),
        "data_notes_de": ("Simulierte Lieferungen: Schuleingangsuntersuchung, Kita-Betreuung, Schule, Melderegister.",),
        "data_notes_en": ("Simulated deliveries: school-entry exam, Kita attendance, education, population register.",),
        "main_estimator": "callaway_santanna",
        "estimators": ("callaway_santanna", "sun_abraham", "stacked", "event_study", "two_way_fixed_effects"),
        "gaps": (GAP,),
        "is_synthetic": True,
        "software_version": "kkz-eval 0.1.0",
    }  # fmt: skip
    return ReportMeta(**{**fields, **changes})  # type: ignore[arg-type]


def few(*names: str, **changes: object) -> ReportMeta:
    """The same with these outcomes only: pictures take time."""
    return meta(outcomes=tuple(outcome for outcome in meta().outcomes if outcome.name in names), **changes)


def _frame(name: str, records: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=list(COLUMNS[name]))


def _wave_of(kreis: str, index: int, rng: random.Random) -> int | None:
    if kreis[2:] in WAVE_2012:
        return 2012
    if kreis[2:] in WAVE_2017:
        return 2017
    return 2020 if index == 0 and rng.random() < 0.7 else 2017 if index == 1 and rng.random() < 0.15 else None


def _participation(rng: random.Random) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for kreis, (_, _, sign) in sorted(TILES.items()):
        size = 1 if int(kreis[2:]) % 100 < 50 and kreis[2:] != "334" else 8
        for index in range(size):
            wave = _wave_of(kreis, index, rng)
            role = "never" if wave in (None, 2020) else "treated"
            records.append(
                {"unit": f"{kreis}{index * 4:03d}", "name": f"Ort {sign} {index + 1}" if size > 1 else f"Stadt {sign}",
                 "kreis": kreis, "kreis_name": f"Kreis {sign}",
                 "region": "rheinland" if kreis < "05500" else "westfalen",
                 "wave": wave, "start_date": STARTS.get(wave or 0), "dose": None if wave is None else 1.0, "role": role}
            )  # fmt: skip
    return _frame("participation", records)


def _coverage(rng: random.Random) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for source, first, files in (("school_entry_exam", 2006, 1), ("kita_attendance", 2008, 1), ("education", 2009, 1)):
        for year in range(first, 2026):
            n = rng.randint(150_000, 170_000)
            share = {2020: 0.71, 2021: 0.34, 2022: 0.52, 2023: 0.88}.get(year, 0.95 + rng.random() * 0.03)
            is_exam = source == "school_entry_exam"
            records.append(
                {"source": source, "unit": "all", "name": "all", "year": year, "n_files": files, "n_delivered": n,
                 "n_accepted": n - n // 300, "n_quarantined": n // 300, "status": "released",
                 "n_expected": round(n / share) if is_exam else None, "share_examined": share if is_exam else None}
            )  # fmt: skip
    return _frame("coverage", records)


def _periods(later: int, first: int = 2006) -> range:
    return range(first, 2026 - later)


def _years(wave: int, measured: int) -> float:
    return round(max(0.0, min(6.5, measured - wave)), 2)


def _exposure() -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, *_, later in _OUTCOMES:
        for wave in STARTS:
            for period in range(2006, 2037):
                years = _years(wave, period)
                records.append(
                    {"outcome": name, "wave": wave, "period": period,
                     "measurement_date": date(period + int(later), 1, 15),
                     "years_under_programme": years, "full_years": 6.5, "share_of_full": years / 6.5,
                     "is_exposed": years >= 0.25, "is_fully_exposed": years >= 6.5, "first_exposed_period": wave + 1,
                     "first_exposed_year": wave + 1 + int(later), "first_fully_exposed_period": wave + 7,
                     "first_fully_exposed_year": wave + 7 + int(later),
                     "can_be_known_now": date(period + int(later), 1, 15) <= AS_OF}
                )  # fmt: skip
    return _frame("exposure", records)


def _description(rng: random.Random) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, _, _, unit, _, _, _, _, level, effect, later in _OUTCOMES:
        for group, shift in (
            ("wave_2012", 0.06),
            ("wave_2017", 0.02),
            ("wave_2020", -0.03),
            ("never", -0.05),
            ("partial", 0),
        ):
            for period in _periods(int(later), 2010 if "flagged" in str(name) else 2006):
                trend = 1 + shift + 0.006 * (period - 2015)
                wave = int(group[5:]) if group.startswith("wave") else 9999
                mean = float(level) * (trend if unit == "share" else 1 + shift / 30)
                mean += float(effect) * _years(wave, period) / 6.5 + rng.gauss(0, 0.01) * (
                    0.3 if unit == "share" else 2
                )
                half = 0.006 if unit == "share" else float(level) * 0.004
                hidden = group == "partial" and period == 2021
                n = 4_000 if group == "partial" else 30_000
                records.append(
                    {"outcome": name, "comparison_group": group, "period": period, "n": None if hidden else n,
                     "mean": None if hidden else mean, "ci_low": None if hidden else mean - half,
                     "ci_high": None if hidden else mean + half, "status": "suppressed" if hidden else "released"}
                )  # fmt: skip
    return _frame("description", records)


def _row(estimate: float | None, error: float, **more: object) -> dict[str, object]:
    known = estimate is not None
    return {
        "estimate": estimate, "std_error": error if known else None, "df": 17.3 if known else None,
        "ci_low": estimate - 2.1 * error if estimate is not None else None,
        "ci_high": estimate + 2.1 * error if estimate is not None else None,
        "p_value": math.erfc(abs(estimate / error) / math.sqrt(2)) if estimate is not None else None,
        "n_children": 412_300 if known else None, "n_units": 251, "n_treated_units": 140, "n_clusters": 44,
        "status": "estimated" if known else "not estimable", "plan_sha256": "9f" * 32, **more,
    }  # fmt: skip


def _effects(rng: random.Random) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, _, _, unit, *_, level, effect, later in _OUTCOMES:
        error = 0.007 if unit == "share" else float(level) * 0.012
        for comparison, estimator in CALCULATIONS:
            key = {"outcome": name, "comparison": comparison, "estimator": estimator}
            noise = rng.gauss(0, 0.25)
            value = float(effect) * 0.8 + noise * error
            overall = None if name == "leaving_without_certificate" and estimator == "event_study" else value
            if estimator == "stacked":
                records.append({**key, "aggregation": "overall", **_row(None, error), "note": NO_WINDOW})
                continue
            summary = {"two_way_fixed_effects": "static", "event_study": "event"}.get(estimator, "overall")
            records.append({**key, "aggregation": summary, **_row(overall, error)})
            if estimator == "callaway_santanna":
                for cohort in (2013, 2018):
                    records.append({**key, "aggregation": "group", "cohort": cohort, **_row(value * 1.1, error * 1.4)})
                full = None if int(later) >= 10 else value * 1.3
                records.append({**key, "aggregation": "fully_exposed", **_row(full, error * 1.6)})
                p = 0.021 if name == "mmr_two_doses" else round(0.1 + 0.8 * rng.random(), 3)
                records.append({**key, "aggregation": "pretest", **_row(1.2, 1.0), "std_error": None, "ci_low": None,
                                "ci_high": None, "p_value": p})  # fmt: skip
    return _frame("effects", [*records, *_gap_effects(rng)])


def _gap_effects(rng: random.Random) -> list[dict[str, object]]:
    """Effects in two groups of children and on the gap between them, for outcomes of the exam."""
    records: list[dict[str, object]] = []
    for name, _, _, unit, _, _, source, *_, level, effect, _later in _OUTCOMES:
        if source != "school_entry_exam":
            continue
        error = 0.009 if unit == "share" else float(level) * 0.015
        first, second = float(effect) * 1.4 + rng.gauss(0, 0.2) * error, float(effect) * 0.5
        for side, estimator, value in (
            ("first", "callaway_santanna", first),
            ("second", "callaway_santanna", second),
            ("first minus second", "triple_differences", first - second),
        ):
            key = {"outcome": name, "comparison": f"{GAP.name}: {side}", "estimator": estimator}
            records.append({**key, "aggregation": "overall", **_row(value, error)})
            records.append({**key, "aggregation": "group", "cohort": 2013, **_row(value, error)})
    return records


def _cross_check(rng: random.Random) -> pd.DataFrame:
    """Several p-values of every main result; the outcome first in the list stays notable after correction."""
    records: list[dict[str, object]] = []
    for place, (name, *_) in enumerate(_OUTCOMES):
        role = _OUTCOMES[place][5]
        p = 0.001 if not place else 0.1 + 0.8 * rng.random()
        records.append(
            {"outcome": name, "comparison": "main", "estimator": "callaway_santanna", "family": role,
             "n_outcomes": 3, "estimate": 0.01, "p_value": p, "p_wild": p, "p_placebo": None if place == 1 else p,
             "p_family": min(1.0, 3 * p), "n_draws": 999, "n_children": 412_300, "status": "estimated",
             "plan_sha256": "9f" * 32}
        )  # fmt: skip
    return _frame("cross_check", records)


def _event_study(rng: random.Random) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, _, _, unit, *_, level, effect, later in _OUTCOMES:
        first = -8 if "flagged" in str(name) else -12
        for time in range(first, 13 - int(later)):
            if time == 12 and int(later):
                continue
            error = (0.006 if unit == "share" else float(level) * 0.012) * (1 + abs(time) / 14)
            years = max(0.0, min(6.5, time + 1.0))
            value = float(effect) * years / 6.5 + rng.gauss(0, 0.45) * error
            row = _row(0.0 if time == -1 else value, error)
            if time == -1:
                row |= {"std_error": None, "ci_low": None, "ci_high": None, "p_value": None}
            else:
                row |= {"band_low": value - 3.1 * error, "band_high": value + 3.1 * error}
            if time in (7, 8) and not int(later) and "kita" not in str(name):
                row = _row(None, error)
            records.append(
                {"outcome": name, "comparison": "main", "estimator": "callaway_santanna", "event_time": time,
                 "years_under_programme": years, **row, "n_children": row["n_children"] and 38_400 - 1_700 * abs(time)}
            )  # fmt: skip
    return _frame("event_study", records)


def _dictionary() -> pd.DataFrame:
    return _frame(
        "dictionary",
        [
            {"table_name": name, "column_name": column, "unit": "text", "description": f"meaning of {column}"}
            for name, columns in COLUMNS.items()
            for column in columns
        ],
    )


def released(seed: int = 7) -> dict[str, pd.DataFrame]:
    """All released tables; the same seed gives the same tables."""
    rng = random.Random(seed)
    return {
        "participation": _participation(rng),
        "coverage": _coverage(rng),
        "description": _description(rng),
        "exposure": _exposure(),
        "effects": _effects(rng),
        "event_study": _event_study(rng),
        "group_time": _frame("group_time", []),
        "cross_check": _cross_check(rng),
        **opening_tables(),
        "dictionary": _dictionary(),
    }
