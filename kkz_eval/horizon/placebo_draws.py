"""Fake adoptions that look like the real one: as many, as large, and with the same nesting of places in Kreise.

What belongs here: drawing who pretends to adopt when. What does not: effects (placebo).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import NEVER, CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

Scope = Literal["never_treated", "before_programme"]


@dataclass(frozen=True, eq=False)
class PlaceboAdoptions:
    """panel: cells without any real treatment (U units); cohort (P, U): fake first treated periods, inf = none;
    n_left_out: units with a gap in the periods used, which take no part; shift: years the adoption was moved back.
    """

    panel: CellPanel
    cohort: FloatArray
    n_left_out: int
    shift: int


def placebo_adoptions(
    panel: CellPanel,
    *,
    draws: int,
    seed: int,
    scope: Scope = "never_treated",
    n_size_classes: int = 3,
    anticipation: int = 0,
    shift: int | None = None,
) -> PlaceboAdoptions:
    """Fake adoption vectors matched to the real one of `panel`, whose cluster is the Kreis.

    Two or more units of a Kreis that adopt in one period are matched by as many of one other Kreis (by all of it if
    they are all of theirs), of like size if possible; other adopters by single units of the same size class (classes
    of equally many units by weight). scope never_treated: among never-treated units, real periods. before_programme:
    among all units, in periods before the first adoption minus anticipation, with adoption moved back by `shift` years
    (default: so that half of those periods lie before the first fake adoption); cohorts that then fall outside count
    as never treated.

    Raises EstimationError when there are fewer candidates than adopters or no periods for a comparison.
    Source: methods.md §2.4.
    """
    adopts = np.isfinite(panel.cohort) & (panel.cohort <= panel.periods[-1])
    if not adopts.any():
        raise EstimationError(f"cells of {panel.outcome}: nobody adopts, so there is no adoption to imitate.")
    if draws < 1:
        raise EstimationError(f"cells of {panel.outcome}: placebo adoption needs at least one draw.")
    size_class = _classes(panel.weight, n_size_classes)
    if scope == "never_treated":
        keep, fake, moved = ~np.isfinite(panel.cohort), panel, 0
    else:
        keep = np.ones(len(panel.units), dtype=bool)
        fake, moved = _before_programme(panel, adopts, anticipation, shift)
    complete = np.isfinite(fake.value[:, np.isfinite(fake.value).any(axis=0)]).all(axis=1)
    takes_part = keep & complete
    cohort = np.where(adopts, panel.cohort - moved, NEVER)
    cohort = np.where(cohort <= fake.periods[-1], cohort, NEVER)
    if not np.isfinite(cohort).any():
        raise EstimationError(
            f"cells of {panel.outcome}: no cohort adopts within the placebo periods; change the shift."
        )
    rng = np.random.default_rng(seed)
    pattern = _Pattern(panel.cluster, cohort, size_class, takes_part, panel.weight, panel.outcome)
    drawn = pattern.draw(rng, draws)
    part = replace(fake, cohort=np.full(len(fake.units), NEVER)).select(takes_part)
    part = part.select_periods(np.asarray(np.isfinite(part.value).all(axis=0)))
    return PlaceboAdoptions(part, drawn[:, takes_part], int((keep & ~complete).sum()), moved)


def _classes(weight: FloatArray, n_classes: int) -> NDArray[np.intp]:
    if n_classes < 1:
        raise EstimationError("Placebo adoption needs at least one size class.")
    rank = np.argsort(np.argsort(weight, kind="stable"), kind="stable")
    return (rank * min(n_classes, len(rank)) // len(rank)).astype(np.intp)


def _before_programme(
    panel: CellPanel, adopts: NDArray[np.bool_], anticipation: int, shift: int | None
) -> tuple[CellPanel, int]:
    first = int(panel.cohort[adopts].min())
    early = panel.select_periods(panel.periods < first - anticipation)
    if len(early.periods) < 2:
        raise EstimationError(
            f"cells of {panel.outcome}: there are {len(early.periods)} periods before the first adoption in {first}; "
            "placebo adoption before the programme needs at least two."
        )
    if shift is None:
        shift = first - int(early.periods[(len(early.periods) + 1) // 2])
    if shift <= 0 or first - shift <= early.periods[0] + anticipation:
        raise EstimationError(f"cells of {panel.outcome}: a shift of {shift} years leaves no period before adoption.")
    return early, shift


@dataclass(frozen=True)
class _Block:
    """Two or more units of one Kreis that adopt together: all of it, or `n_units`; rank of the Kreis by weight."""

    cohort: float
    n_units: int
    is_whole: bool
    rank: int


class _Pattern:
    """What the fake adoptions imitate: units that adopt with others of their Kreis, and single units by size class."""

    def __init__(
        self,
        kreis: NDArray[np.str_],
        cohort: FloatArray,
        size_class: NDArray[np.intp],
        takes_part: NDArray[np.bool_],
        weight: FloatArray,
        outcome: str,
    ) -> None:
        self.outcome, self.size_class, self.takes_part = outcome, size_class, takes_part
        labels, self.code = np.unique(kreis, return_inverse=True)
        n = len(labels)
        self.count = np.bincount(self.code, minlength=n)
        self.n_fit = np.bincount(self.code[takes_part], minlength=n)
        self.rank = np.argsort(np.argsort(-np.bincount(self.code, weights=weight, minlength=n), kind="stable"))
        self.blocks: list[_Block] = []
        is_single = np.isfinite(cohort)
        for k in range(n):
            for g in np.unique(cohort[(self.code == k) & np.isfinite(cohort)]):
                together = (self.code == k) & (cohort == g)
                m = int(together.sum())
                if m >= 2:
                    self.blocks.append(_Block(float(g), m, m == int(self.count[k]), int(self.rank[k])))
                    is_single &= ~together
        self.blocks.sort(key=lambda block: (not block.is_whole, block.cohort, -block.n_units))
        self.single = [(float(g), int(s)) for g, s in zip(cohort[is_single], size_class[is_single], strict=True)]

    def draw(self, rng: np.random.Generator, draws: int) -> FloatArray:
        """(P, U) cohorts."""
        fake = np.full((draws, len(self.code)), NEVER)
        taken = self._draw_blocks(rng, fake)
        for s in np.unique(self.size_class):
            cohorts = np.array(sorted(g for g, of in self.single if of == s))
            if len(cohorts) == 0:
                continue
            pool = np.flatnonzero(self.takes_part & (self.size_class == s))
            n_free = int((~taken[:, pool]).sum(axis=1).min())
            if n_free < len(cohorts):
                raise EstimationError(
                    f"cells of {self.outcome}: a size class has {len(cohorts)} adopters and only {n_free} untreated "
                    "units to imitate them; use fewer size classes or the periods before the programme."
                )
            score = rng.random((draws, len(pool))) + taken[:, pool]  # units of a drawn Kreis come last
            order = np.argsort(score, axis=1)[:, : len(cohorts)]
            fake[np.arange(draws)[:, None], pool[order]] = cohorts[None]
        return fake

    def _draw_blocks(self, rng: np.random.Generator, fake: FloatArray) -> NDArray[np.bool_]:
        """Give each block a Kreis of its own; returns (P, U) the units of the Kreise that are taken."""
        draws = len(fake)
        taken, free = np.zeros(fake.shape, dtype=bool), np.ones((draws, len(self.count)), dtype=bool)
        for block in self.blocks:
            needed = np.maximum(self.count, 2) if block.is_whole else block.n_units
            fits = self.n_fit >= needed
            # Kreise of like size first: a third of those that fit counts as alike.
            distance = np.floor(np.abs(self.rank - block.rank) / max(1.0, fits.sum() / 3))
            score = np.where(free & fits, rng.random(free.shape) + distance, np.inf)
            chosen = score.argmin(axis=1)
            if not np.isfinite(score[np.arange(draws), chosen]).all():
                raise EstimationError(
                    f"cells of {self.outcome}: {len(self.blocks)} Kreise have units that adopt together, and there are "
                    "too few untreated Kreise to imitate them; use the periods before the programme."
                )
            free[np.arange(draws), chosen] = False
            inside = self.code[None, :] == chosen[:, None]
            taken |= inside
            fake[_some(rng, inside & self.takes_part, None if block.is_whole else block.n_units)] = block.cohort
        return taken


def _some(rng: np.random.Generator, among: NDArray[np.bool_], n_chosen: int | None) -> NDArray[np.bool_]:
    """(P, U) `n_chosen` of the marked units of each row at random; None: all of them."""
    if n_chosen is None:
        return among
    score = np.where(among, rng.random(among.shape), np.inf)
    last = np.partition(score, n_chosen - 1, axis=1)[:, n_chosen - 1]
    return np.asarray(score <= last[:, None], dtype=bool)
