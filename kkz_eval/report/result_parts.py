"""Sections over all outcomes: results at a glance, chance, gaps between groups, what is still open.

What belongs here: which picture and table stand in these sections. What does not: sections of single outcomes.
"""

from dataclasses import dataclass
from functools import cached_property

from kkz_eval.report.chance import chance_words
from kkz_eval.report.figures import forest
from kkz_eval.report.gaps import gap_words
from kkz_eval.report.parts import Figure, Parts, Printed


@dataclass(frozen=True, slots=True)
class GapSection:
    """One gap: its question, its sentence, its table."""

    name: str
    label: str
    said: str
    table: Printed | None


class ResultParts(Parts):
    """Sections over all outcomes."""

    @cached_property
    def forest(self) -> Figure | None:
        """All main results in one picture."""
        chart = forest.forest(self.wording.results, self.meta, self.language)
        if chart is None:
            return None
        alternative = forest.alternative(self.wording.results, self.meta, self.language)
        caption = self.words("caption.forest", confidence=self.confidence)
        return self.figure("forest", chart, alternative, self.tables.effects(), caption)

    @cached_property
    def effects(self) -> Printed | None:
        """All main results in one table."""
        return self.printed(self.tables.effects())

    @cached_property
    def other(self) -> Printed | None:
        """Other comparisons and methods."""
        return self.printed(self.calculation_tables.other_calculations(), is_plain=True)

    @cached_property
    def not_yet(self) -> Printed | None:
        """Outcomes still open."""
        return self.printed(self.tables.not_yet())

    @cached_property
    def chance(self) -> Printed | None:
        """How easily the main results would arise by chance."""
        return self.printed(self.calculation_tables.chance(), is_plain=True)

    @cached_property
    def chance_said(self) -> str:
        """The sentence above it."""
        return chance_words(self.wording)

    @cached_property
    def gaps(self) -> list[GapSection]:
        """One part per gap of the plan; none where the release holds no rows of any gap."""
        if not self.wording.results.of_gaps:
            return []
        return [
            GapSection(
                gap.name,
                gap.label(self.language),
                gap_words(self.wording, gap),
                self.printed(self.calculation_tables.gap(gap), is_plain=True),
            )
            for gap in self.meta.gaps
        ]
