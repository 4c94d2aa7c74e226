"""The simulated Land as a whole. What belongs here: putting places, cohorts, tables together. What does not: files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Final

import pandas as pd

from kkz_eval.demo import process as p
from kkz_eval.demo.children import Cohort, attendance, make_cohort
from kkz_eval.demo.columns import Table
from kkz_eval.demo.effects import FULL_EFFECTS, effects_by_period
from kkz_eval.demo.exam import exam_table
from kkz_eval.demo.later import KITA_AGES, SCHOOL_AGE, education_table, kita_table, register_table
from kkz_eval.demo.places import ParticipationRule, make_places
from kkz_eval.errors import KkzError

#: Share of the real number of children: about 9,000 per entry year, enough to find the planted effects and quick to
#: write.
DEFAULT_SCALE: Final = 0.06
DEFAULT_SEED: Final = 2012

EXAM, KITA, EDUCATION, REGISTER = "school_entry_exam", "kita_attendance", "education", "registered_children"


class World:
    """A simulated North Rhine-Westphalia with a stated truth.

    `gemeinden`: one row per municipality (ags, kreis, population_2022, children_under_6_2015; further columns are
    ignored). `starts`: ags, wave_named, wave_with_kreis (2012, 2017, 2020 or empty). `scale`: share of the real
    number of children. `effects=False` gives the same children in a world without a programme. The same arguments
    give the same world; years are made one at a time, so that memory does not grow with the number of years.

    Raises KkzError when the lists or the scale cannot be used.
    """

    def __init__(
        self,
        gemeinden: pd.DataFrame,
        starts: pd.DataFrame,
        *,
        scale: float = DEFAULT_SCALE,
        seed: int = DEFAULT_SEED,
        participation_rule: ParticipationRule = "with_kreis",
        effects: bool = True,
    ) -> None:
        if not 0 < scale <= 1:
            raise KkzError("scale must be above 0 and at most 1; 1 is the real number of children")
        self.scale = scale
        self.seed = seed
        self.effects = effects
        self.places = make_places(gemeinden, starts, participation_rule, seed)
        # five cohorts are in a Kita at once, so six in memory spare making each again for every Kita year
        self.cohort: Callable[[int], Cohort] = functools.lru_cache(maxsize=6)(self._cohort)

    def _cohort(self, entry_year: int) -> Cohort:
        return make_cohort(self.places, entry_year, self.scale, self.seed)

    def exam(self, entry_year: int) -> Table:
        """Rows of the school entry exam of one entry year."""
        return exam_table(self.places, self.cohort(entry_year), self.seed, effects=self.effects)

    def kita(self, kita_year: int) -> Table:
        """Rows of Kita attendance of one Kita year."""
        cohorts = [self.cohort(kita_year + SCHOOL_AGE - age) for age in KITA_AGES]
        return kita_table(self.places, cohorts, kita_year, self.seed, effects=self.effects)

    def education(self, school_year: int) -> Table:
        """Rows of education of one school year, for the stages which an entry cohort of the study has reached."""
        lags = {stage: school_year - lag for stage, lag in p.STAGE_LAG.items()}
        cohorts = {stage: self.cohort(entry) for stage, entry in lags.items() if entry >= p.ENTRY_YEARS[0]}
        return education_table(self.places, cohorts, school_year, self.seed, effects=self.effects)

    def registered(self, entry_year: int) -> Table:
        """Registered children per municipality of one entry year."""
        return register_table(self.places, self.cohort(entry_year))

    def deliveries(self) -> Iterator[tuple[str, int, Table]]:
        """Every delivery as (source, year, rows), without planted faults."""
        for year in p.ENTRY_YEARS:
            yield EXAM, year, self.exam(year)
            yield REGISTER, year, self.registered(year)
        for year in p.KITA_YEARS:
            yield KITA, year, self.kita(year)
        for year in p.SCHOOL_YEARS:
            yield EDUCATION, year, self.education(year)


def planted_effects() -> pd.DataFrame:
    """Expected effect of every outcome, wave and period that the demo delivers."""
    last = p.SCHOOL_YEARS[-1]
    until = {
        "grade_3_low": last - 3,
        "gymnasium": last - 4,
        "grade_repeated": last - 4,
        "leaving_without_certificate": last - 10,
    }
    periods = {}
    for outcome in FULL_EFFECTS:
        if outcome.startswith("kita_"):
            periods[outcome] = p.KITA_YEARS
        elif outcome.endswith("_flagged"):
            periods[outcome] = range(p.SOPESS_FIRST, p.ENTRY_YEARS.stop)
        else:
            periods[outcome] = range(p.ENTRY_YEARS.start, until.get(outcome, p.ENTRY_YEARS[-1]) + 1)
    ages = {year: {age: attendance(age, year) for age in KITA_AGES} for year in p.KITA_YEARS}
    return effects_by_period(periods, ages)
