"""The numbers behind untreated outcomes. What belongs here: levels, trends, missing rates. What does not: effects.

Every untreated outcome is additive: level of the place, statewide year, shocks of place and Kreis, the child's own
traits. Additive parts that change over time are the same everywhere in expectation, so parallel trends hold by
construction; what differs between participants and others are levels only.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: Years for which shocks exist: the first Kita year of the oldest cohort to the last entry year of the youngest.
FIRST_YEAR: Final = 2001
LAST_YEAR: Final = 2031
ENTRY_YEARS: Final = range(2006, 2026)
#: The hours 25/35/45 exist since the Kita law of 1 August 2008; Kita year = the year in which it begins in August.
KITA_YEARS: Final = range(2008, 2025)
#: School year = calendar year of the measurement: grade 3 in May (entry + 3), grade 5 in August (+ 4), leaving in
#: July (+ 10).
SCHOOL_YEARS: Final = range(2009, 2026)
STAGE_LAG: Final = MappingProxyType({3: 3, 5: 4, 10: 10})
SOPESS_FIRST: Final = 2010
#: Seasons in which the health offices examined only part of the children.
GAP_YEARS: Final = (2020, 2021, 2022)

#: Standard deviations as shares of one child's standard deviation. Together with sampling they give municipal
#: residuals of 2 to 4 percentage points at full scale of a town, the size assumed for school entry exams.
SHOCK: Final = 0.025
SHOCK_PERSISTENCE: Final = 0.6
DRIFT: Final = 0.015
DRIFT_PERSISTENCE: Final = 0.85
YEAR: Final = 0.02


@dataclass(frozen=True)
class Process:
    """How one untreated outcome comes about; all terms add up, on the probability for shares.

    `base`: a boy of highly educated, German-speaking parents, aged 5.8 at the exam, 3.5 Kita years, average place,
    2012. `spread`: standard deviation of one child's outcome, the yardstick of shocks. `steps`: statewide changes
    from a year on. `loading`: correlation with the child's ability (below 0: the outcome is favourable) or, for
    `care` outcomes, with its medical care.
    """

    base: float
    spread: float
    deprivation: float = 0.0
    trend: float = 0.0
    low: float = 0.0
    middle: float = 0.0
    other_language: float = 0.0
    refugee: float = 0.0
    girl: float = 0.0
    age: float = 0.0
    kita: float = 0.0
    loading: float = 0.0
    steps: tuple[tuple[int, float], ...] = ()


def _subtest(base: float, low: float, language: float, *, girl: float = 0.0) -> Process:
    return Process(
        base,
        0.40,
        deprivation=0.01,
        low=low,
        middle=0.03,
        other_language=language,
        girl=girl,
        age=-0.05,
        kita=-0.006,
        loading=0.5,
    )


#: Contrasts between low and other education follow those reported for children of families with and without basic
#: income support: German 43 and 14 %, coordination 25 and 15, visuomotor 25 and 11, attention 29 and 18, counting 28
#: and 12.
PROCESSES: Final = MappingProxyType(
    {
        "german_insufficient": Process(
            0.12,
            0.44,
            deprivation=0.025,
            trend=0.002,
            low=0.16,
            middle=0.03,
            other_language=0.26,
            refugee=0.12,
            girl=-0.015,
            age=-0.02,
            kita=-0.01,
            loading=0.35,
        ),
        "attention_flagged": _subtest(0.17, 0.11, 0.03, girl=-0.03),
        "counting_flagged": _subtest(0.14, 0.15, 0.06),
        "quantity_flagged": _subtest(0.14, 0.14, 0.06),
        "visuomotor_flagged": _subtest(0.15, 0.13, 0.02, girl=-0.03),
        "perception_flagged": _subtest(0.14, 0.11, 0.03),
        "preposition_flagged": _subtest(0.15, 0.12, 0.15),
        "plural_flagged": _subtest(0.15, 0.12, 0.18),
        "pseudoword_flagged": _subtest(0.14, 0.10, 0.06),
        "coordination_flagged": _subtest(0.15, 0.10, 0.02, girl=-0.02),
        # the statewide reminder system for U-examinations reaches children born from 2008 on (entry 2014)
        "u8_u9_complete": Process(
            0.82,
            0.39,
            deprivation=-0.015,
            low=-0.12,
            middle=-0.03,
            other_language=-0.08,
            refugee=-0.2,
            kita=0.005,
            loading=-0.4,
            steps=((2014, 0.04),),
        ),
        # measles vaccination law of March 2020
        "mmr_two_doses": Process(
            0.89,
            0.33,
            deprivation=-0.005,
            low=-0.05,
            middle=-0.01,
            other_language=-0.02,
            refugee=-0.15,
            loading=-0.4,
            steps=((2021, 0.015),),
        ),
        "speech_referral": Process(
            0.11,
            0.34,
            deprivation=0.008,
            low=0.06,
            middle=0.02,
            other_language=0.03,
            girl=-0.03,
            age=-0.01,
            loading=0.3,
        ),
        "hearing_finding": Process(0.06, 0.24, deprivation=0.003, low=0.01, loading=0.05),
        # children gained weight during the pandemic
        "bmi": Process(
            15.4,
            1.8,
            deprivation=0.08,
            trend=0.005,
            low=0.5,
            middle=0.2,
            other_language=0.2,
            age=0.1,
            steps=((2021, 0.15),),
        ),
        "height": Process(117.2, 5.0, low=-0.4, middle=-0.1, other_language=-0.2, girl=-0.9, age=6.2),
        # legal claim to a Kita place from age one on 1 August 2013
        "kita_45_hours": Process(
            0.36,
            0.49,
            deprivation=0.01,
            trend=0.012,
            low=-0.06,
            middle=-0.02,
            other_language=-0.02,
            steps=((2013, 0.03),),
        ),
        "kita_months": Process(10.2, 0.9, low=-0.2, middle=-0.05, other_language=-0.3, deprivation=-0.02),
        "grade_3_low": Process(
            0.13,
            0.40,
            deprivation=0.02,
            trend=0.002,
            low=0.18,
            middle=0.05,
            other_language=0.08,
            refugee=0.1,
            girl=-0.01,
            age=-0.02,
            kita=-0.005,
            loading=0.5,
        ),
        "gymnasium": Process(
            0.56,
            0.48,
            deprivation=-0.02,
            low=-0.34,
            middle=-0.22,
            other_language=-0.03,
            refugee=-0.05,
            girl=0.04,
            age=0.02,
            loading=-0.5,
        ),
        "grade_repeated": Process(
            0.05,
            0.22,
            deprivation=0.003,
            low=0.04,
            middle=0.01,
            other_language=0.02,
            refugee=0.03,
            girl=-0.008,
            loading=0.4,
        ),
        "leaving_without_certificate": Process(
            0.045,
            0.20,
            deprivation=0.004,
            low=0.06,
            middle=0.015,
            other_language=0.02,
            refugee=0.02,
            girl=-0.01,
            loading=0.4,
        ),
    }
)

#: Centre of the child's own traits.
AGE_CENTRE: Final = 5.8
KITA_CENTRE: Final = 3.5

#: Poor big cities volunteer, and the poorer ones first: fifty-two places applied for the first eighteen seats.
DEPRIVATION_CITY: Final = 0.9
DEPRIVATION_WAVE: Final = MappingProxyType({2012: 0.5, 2017: 0.3, 2020: 0.1, 0: 0.0})
DEPRIVATION_NOISE: Final = 0.4

#: Children of school age relative to 2015: births fell until 2011 and rose again.
COHORT_SIZE: Final = ((2001, 1.16), (2006, 1.12), (2012, 1.0), (2017, 0.94), (2019, 0.97), (2023, 1.08), (2029, 1.0))

#: Share of children who came as refugees, per entry year; spread over places without regard to participation.
REFUGEES: Final = MappingProxyType(
    {
        2015: 0.006,
        2016: 0.022,
        2017: 0.03,
        2018: 0.025,
        2019: 0.02,
        2020: 0.015,
        2021: 0.01,
        2022: 0.015,
        2023: 0.02,
        2024: 0.015,
    }
)

#: Share attending a Kita by age, per Kita year; the step in 2013 is the legal claim from age one.
ATTENDANCE: Final = MappingProxyType(
    {
        1: ((2001, 0.03), (2008, 0.08), (2012, 0.18), (2013, 0.24), (2024, 0.32)),
        2: ((2001, 0.10), (2008, 0.28), (2012, 0.42), (2013, 0.50), (2024, 0.62)),
        3: ((2001, 0.80), (2008, 0.84), (2024, 0.88)),
        4: ((2001, 0.92), (2024, 0.95)),
        5: ((2001, 0.95), (2024, 0.97)),
    }
)

#: Share of values missing; drawn without regard to the child, its place or the programme.
MISSING: Final = MappingProxyType(
    {
        "sex": 0.001,
        "parents_education": 0.12,
        "home_language": 0.02,
        "german_skills": 0.03,
        "all_subtests": 0.03,
        "one_subtest": 0.004,
        "height": 0.02,
        "weight": 0.02,
        "booklet": 0.07,
        "u_examination": 0.005,
        "mmr_doses": 0.08,
        "finding": 0.03,
        "kita_years": 0.05,
        "booked_hours": 0.01,
        "months_attended": 0.01,
        "grade_3_level": 0.04,
        "has_repeated": 0.02,
        "not_examined": 0.02,
    }
)

#: Scale and flagged cut-off of each sub-test: column, greatest value, greatest value that is flagged, greatest
#: borderline value.
SUBTESTS: Final = MappingProxyType(
    {
        "attention_flagged": ("Selektive_Aufmerksamkeit", 29, 10, 13),
        "counting_flagged": ("Zaehlen", 20, 12, 16),
        "quantity_flagged": ("Mengenvorwissen", 16, 10, 13),
        "visuomotor_flagged": ("Visuomotorik", 12, 4, 6),
        "perception_flagged": ("Visuelle_Perzeption", 15, 8, 10),
        "preposition_flagged": ("Praepositionen", 8, 4, 5),
        "plural_flagged": ("Pluralbildung", 7, 3, 5),
        "pseudoword_flagged": ("Pseudowoerter", 6, 3, 4),
        "coordination_flagged": ("Koerperkoordination", 30, 6, 8),
    }
)
