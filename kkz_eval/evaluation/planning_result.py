"""A planned horizon: what the rows of `kkz-eval horizon` hold.

What belongs here: fields and what follows from them. What does not: computing them (planning.py), words.
"""

from dataclasses import dataclass
from typing import Literal

from kkz_eval.evaluation.planning_places import WaveStart
from kkz_eval.plan.model import Outcome

Basis = Literal["assumed", "cells", "study"]


@dataclass(frozen=True)
class PlannedYear:
    """What one more year of data would show. Units of the outcome.

    period of the outcome, year of its measurement; is_projected: no data yet; is_extrapolated: rests on drift over
    more years than are measured; years_under_programme: longest exposure so far; share_of_full: mean share of the full
    exposure; mde_full: smallest effect of full exposure that is found with the plan's power, mde_full_error its
    standard error from the measured variances; mde_average: smallest average effect found; is_detectable: mde_full is
    at most the effect asked about; p_detected: chance that a yearly look of the plan has found it by then, None in
    years without a look.
    """

    period: int
    year: int
    is_projected: bool
    is_extrapolated: bool
    n_effects: int
    years_under_programme: float | None
    share_of_full: float | None
    information: float | None
    df: float | None
    mde_full: float | None
    mde_full_error: float | None
    mde_average: float | None
    is_detectable: bool | None
    p_detected: float | None
    note: str


@dataclass(frozen=True)
class PlannedOutcome:
    """One outcome's horizon: when which wave is exposed, a row per year, and what all of it rests on.

    effect: size asked about, None if the plan names none and none was given; detectable: T*, the first row with
    mde_full at or below it; last_year: of the horizon; alpha, power of the smallest effects; look_alpha, looks: total
    error and first and last year of the yearly looks, None without looks; rests_on: assumptions or facts by name;
    reason: why there are no rows.
    """

    outcome: Outcome
    basis: Basis
    waves: tuple[WaveStart, ...]
    years: tuple[PlannedYear, ...]
    effect: float | None
    last_year: int
    alpha: float
    power: float
    look_alpha: float | None
    looks: tuple[int, int] | None
    rests_on: dict[str, float | None]
    notes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def detectable(self) -> PlannedYear | None:
        """T*: the first year whose smallest effect is at most the one asked about; None if no year reaches it."""
        return next((year for year in self.years if year.is_detectable), None)

    @property
    def found_by_looks(self) -> PlannedYear | None:
        """The first look by which the effect is found with the plan's power; None if no look reaches it."""
        return next((y for y in self.years if y.p_detected is not None and y.p_detected >= self.power), None)

    @property
    def first_exposed(self) -> WaveStart | None:
        """The wave whose exposed cohort is measured first; None if the table of exposure has no such cohort."""
        return _earliest([(w.first_year, w) for w in self.waves])

    @property
    def first_full(self) -> WaveStart | None:
        """The wave whose fully exposed cohort is measured first."""
        return _earliest([(w.full_year, w) for w in self.waves])


def _earliest(dated: list[tuple[int | None, WaveStart]]) -> WaveStart | None:
    known = [(year, wave.wave, wave) for year, wave in dated if year is not None]
    return min(known, key=lambda entry: entry[:2])[2] if known else None
