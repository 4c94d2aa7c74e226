"""Gaps between two groups of children: the effect in each group, and on the gap between them.

What belongs here: picking the rows of a gap, and its sentence. What does not: effects on all children (results.py).
"""

from dataclasses import dataclass

from kkz_eval.report.calculations import excludes_zero
from kkz_eval.report.meta import GapMeta, OutcomeMeta
from kkz_eval.report.results import Effect, Results
from kkz_eval.report.wording import Wording


@dataclass(frozen=True, slots=True)
class GapResult:
    """One outcome in one gap: effects in the first and second group, and on first minus second."""

    outcome: OutcomeMeta
    first: Effect | None
    second: Effect | None
    difference: Effect | None

    @property
    def is_known(self) -> bool:
        """Whether the effect on the gap was released with its interval."""
        return self.difference is not None and self.difference.has_interval


def gap_results(results: Results, gap: GapMeta) -> list[GapResult]:
    """One entry per outcome with any row of this gap, primary outcomes first."""
    found: dict[tuple[str, str], Effect] = {}
    for effect in results.of_gaps:
        name, _, side = effect.comparison.partition(": ")
        if name == gap.name and effect.is_summary:
            found[effect.outcome, side] = effect
    sides = ("first", "second", "first minus second")
    return [
        GapResult(outcome, *(found.get((outcome.name, side)) for side in sides))
        for outcome in results.meta.by_role
        if any((outcome.name, side) in found for side in sides)
    ]


def gap_words(wording: Wording, gap: GapMeta) -> str:
    """For which outcomes one group moved further in the wanted direction, and for how many that stays open."""
    words, language = wording.words, wording.language
    known = [found for found in gap_results(wording.results, gap) if found.is_known and found.outcome.role != "placebo"]
    if not known:
        return words("gap.none")
    ahead: dict[bool, list[OutcomeMeta]] = {True: [], False: []}
    for found in known:
        effect = found.difference
        if effect is not None and effect.estimate is not None and excludes_zero(effect):
            ahead[(effect.estimate < 0) == (found.outcome.direction == "lower")].append(found.outcome)
    said = [
        words("gap.ahead", list=wording.shortened(wording.quoted(ahead[is_first])), group=name)
        for is_first, name in ((True, gap.first(language)), (False, gap.second(language)))
        if ahead[is_first]
    ]
    n_open = len(known) - len(ahead[True]) - len(ahead[False])
    if n_open:
        said.append(words("gap.open", n=n_open, total=len(known)))
    sentence = "; ".join(said)
    return sentence[0].upper() + sentence[1:] + "."
