"""The parts of the page as plain records that the templates print.

What belongs here: head, participation, data and method. What does not: opening pages (front/), outcomes
(outcome_parts.py), results over all outcomes (result_parts.py), drawing, words, HTML.
"""

from functools import cached_property

from kkz_eval.report.figures import coverage, known_when, participation
from kkz_eval.report.frames import rows
from kkz_eval.report.front.page import FrontParts
from kkz_eval.report.outcome_parts import OutcomeParts
from kkz_eval.report.parts import Figure, Printed
from kkz_eval.report.result_parts import ResultParts


class Sections(FrontParts, OutcomeParts, ResultParts):
    """Builds the sections one after the other as the template asks for them."""

    # Head

    @cached_property
    def findings(self) -> list[str]:
        """The three main findings."""
        return self.wording.findings()

    @cached_property
    def cautions(self) -> list[str]:
        """Warnings before the first number."""
        return self.wording.cautions()

    # Sections

    @cached_property
    def participation_map(self) -> Figure | None:
        """Tile map with the counts per wave behind it."""
        found = rows(self.wording.tables, "participation")
        if not found:
            return None
        return self.figure(
            "map",
            participation.tile_map(found, self.meta, self.language),
            participation.map_alternative(found, self.meta, self.language),
            self.tables.districts(),
            self.words(f"map.caption_{self.meta.unit}"),
        )

    @cached_property
    def participation_timing(self) -> Figure | None:
        """Bars of time per wave."""
        found = rows(self.wording.tables, "participation")
        if not participation.wave_counts(found):
            return None
        return self.figure(
            "timing",
            participation.timing(found, self.meta, self.language),
            self.words("alt.timing"),
            self.tables.participation(),
            self.words("caption.timing"),
        )

    @cached_property
    def participation_table(self) -> Printed | None:
        """Places per wave."""
        return self.printed(self.tables.participation())

    @cached_property
    def places(self) -> list[Printed]:
        """Lists of places with and without a wave."""
        both = (self.tables.places(with_wave=True), self.tables.places(with_wave=False))
        return [printed for table in both if (printed := self.printed(table, is_plain=True)) is not None]

    @cached_property
    def known_when(self) -> Figure | None:
        """First years of all outcomes."""
        table = self.tables.exposure((*self.meta.with_role("primary"), *self.meta.with_role("secondary")))
        if not table.body:
            return None
        return self.figure(
            "known_when",
            known_when.known_when(self.wording.horizons, self.meta, self.language),
            known_when.alternative(self.wording.horizons, self.meta, self.language),
            table,
            self.words("caption.known_when"),
        )

    @cached_property
    def coverage(self) -> Figure | None:
        """Covered share by year."""
        found = rows(self.wording.tables, "coverage")
        chart = coverage.coverage(found, self.meta, self.language)
        if chart is None:
            return None
        alternative = coverage.alternative(found, self.meta, self.language)
        return self.figure("coverage", chart, alternative, self.tables.coverage(), self.words("caption.coverage"))

    @cached_property
    def coverage_table(self) -> Printed | None:
        """Deliveries by source and year, where there is no picture that carries them."""
        return None if self.coverage else self.printed(self.tables.coverage())

    @cached_property
    def problems(self) -> Printed | None:
        """Accepted and rejected rows."""
        return self.printed(self.tables.problems())

    @cached_property
    def reading(self) -> list[tuple[str, str]]:
        """Terms and their explanations."""
        entries = [entry.format(confidence=self.confidence) for _, entry in self.words.section("reading")]
        return [(term, said) for term, _, said in (entry.partition("|") for entry in entries)]

    @cached_property
    def method(self) -> list[str]:
        """Notes on the calculation."""
        words, main = self.words, self.meta.main_estimator
        own = f"method_estimator.{main}"
        values = {
            "comparison": self.wording.comparison(self.meta.main_comparison) or "–",
            "estimator": words.name("estimator", main) or "–",
            "threshold": self.meta.threshold,
            "cluster": words(f"cluster.{self.meta.cluster}"),
        }
        notes = [entry.format(**values) for _, entry in words.section("method")]
        if words.has(own):
            notes.insert(1, words(own))
        return [*notes, *self.meta.method_notes(self.language)]

    @cached_property
    def dictionary(self) -> list[Printed]:
        """Columns of the released tables."""
        tables = self.tables.dictionary()
        return [printed for table in tables if (printed := self.printed(table, is_plain=True)) is not None]
