"""The parts of the page as plain records that the templates print.

What belongs here: which picture and table stand in which section. What does not: their drawing, their words, the HTML.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from kkz_eval.report.figures import coverage, description, event_study, forest, known_when, participation, theme
from kkz_eval.report.frames import Row, number, rows, text
from kkz_eval.report.meta import OutcomeMeta, Role
from kkz_eval.report.results import Verdict
from kkz_eval.report.table_html import Table, plain_html, table_html
from kkz_eval.report.tables import Tables
from kkz_eval.report.wording import Wording


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its text alternative inside, its caption and the table behind it."""

    name: str
    svg: Markup
    caption: str
    table: Markup
    legend: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Printed:
    """A table as HTML; `n` is its number of rows."""

    html: Markup
    n: int
    caption: str
    legend: str


@dataclass(frozen=True, slots=True)
class OutcomeSection:
    """Everything the report says on one outcome."""

    name: str
    label: str
    explanation: str
    verdict: Verdict
    seen: str
    full: str
    exposure: str
    not_full: str
    pretrend: str
    basis: str
    specification: str
    exposure_table: Printed | None
    by_wave: Printed | None
    event_study: Figure | None
    description: Figure | None


class Sections:
    """Builds the sections one after the other as the template asks for them."""

    def __init__(self, wording: Wording) -> None:
        self.wording, self.meta, self.language = wording, wording.meta, wording.language
        self.tables = Tables(wording)
        self.words = wording.words
        self._means: dict[str, list[Row]] = {}
        for row in rows(wording.tables, "description"):
            self._means.setdefault(text(row["outcome"]), []).append(row)

    # Head

    @cached_property
    def findings(self) -> list[str]:
        """The three main findings."""
        return self.wording.findings()

    @cached_property
    def cautions(self) -> list[str]:
        """Warnings before the first number."""
        return self.wording.cautions()

    @cached_property
    def confidence(self) -> str:
        """The level of intervals."""
        return self.wording.form.percent(self.meta.confidence, 0)

    # Building blocks

    def printed(self, table: Table, *, is_plain: bool = False) -> Printed | None:
        """A table as HTML; None if it has no rows. Plain for the many small or long ones."""
        if not table.body:
            return None
        html = plain_html(table) if is_plain else table_html(table)
        return Printed(
            Markup(html), len(table.body), table.caption, self.tables.legend(table)
        )  # escaped by great_tables

    def _figure(self, name: str, chart: Any, alternative: str, table: Table, caption: str, heading: str = "") -> Figure:
        drawn = theme.svg(theme.styled(chart, self.language), name=name, label=alternative)
        return Figure(
            name,
            Markup(drawn),  # vl-convert and theme.svg escape what comes from data
            caption,
            Markup(plain_html(table)) if table.body else Markup(""),  # escapes every cell
            self.tables.legend(table),
            heading,
        )

    # Sections

    @cached_property
    def participation_map(self) -> Figure | None:
        """Tile map with the counts per wave behind it."""
        found = rows(self.wording.tables, "participation")
        if not found:
            return None
        return self._figure(
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
        return self._figure(
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
        return self._figure(
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
        return self._figure("coverage", chart, alternative, self.tables.coverage(), self.words("caption.coverage"))

    @cached_property
    def coverage_table(self) -> Printed | None:
        """Deliveries by source and year, where there is no picture that carries them."""
        return None if self.coverage else self.printed(self.tables.coverage())

    @cached_property
    def problems(self) -> Printed | None:
        """Accepted and rejected rows."""
        return self.printed(self.tables.problems())

    def outcomes(self, role: Role) -> list[OutcomeSection]:
        """One section per outcome of a role, in the order of the plan."""
        return [self._outcome(outcome) for outcome in self.meta.with_role(role)]

    def _outcome(self, outcome: OutcomeMeta) -> OutcomeSection:
        wording, name = self.wording, outcome.name
        return OutcomeSection(
            name=name,
            label=outcome.label(self.language),
            explanation=outcome.explanation(self.language),
            verdict=wording.results.verdict(outcome),
            seen=wording.seen(outcome) if outcome.role == "primary" else wording.seen_briefly(outcome),
            full=wording.fully_exposed(outcome),
            exposure=wording.exposure(outcome),
            not_full=wording.not_full(outcome),
            pretrend=wording.pretrend(outcome),
            basis=wording.basis(outcome),
            specification=wording.specification(outcome),
            exposure_table=self.printed(self.tables.exposure((outcome,)), is_plain=True),
            by_wave=self.printed(self.tables.by_wave(outcome), is_plain=True),
            event_study=self._event_study(outcome),
            description=self._description(outcome),
        )

    def _event_study(self, outcome: OutcomeMeta) -> Figure | None:
        found = self.wording.results.event_study(outcome.name)
        if not any(number(row["estimate"]) is not None for row in found):
            return None
        return self._figure(
            f"event-{outcome.name}",
            event_study.event_study(found, outcome, self.language),
            event_study.alternative(found, outcome, self.language),
            self.tables.event_study(outcome),
            self.words("caption.event_study", confidence=self.confidence) if outcome.role == "primary" else "",
            self.words("label.event_study"),
        )

    def _description(self, outcome: OutcomeMeta) -> Figure | None:
        found = self._means.get(outcome.name, [])
        if not any(number(row["mean"]) is not None for row in found):
            return None
        names = {group: description.group_label(group, self.language) for group, *_ in description.groups(self.meta)}
        return self._figure(
            f"course-{outcome.name}",
            description.description(found, outcome, self.meta, self.language),
            description.alternative(found, outcome, self.language),
            self.tables.description(outcome, names),
            self.words("caption.description", confidence=self.confidence),
            self.words("label.description"),
        )

    @cached_property
    def forest(self) -> Figure | None:
        """All main results in one picture."""
        chart = forest.forest(self.wording.results, self.meta, self.language)
        if chart is None:
            return None
        alternative = forest.alternative(self.wording.results, self.meta, self.language)
        caption = self.words("caption.forest", confidence=self.confidence)
        return self._figure("forest", chart, alternative, self.tables.effects(), caption)

    @cached_property
    def effects(self) -> Printed | None:
        """All main results in one table."""
        return self.printed(self.tables.effects())

    @cached_property
    def other(self) -> Printed | None:
        """Other comparisons and methods."""
        return self.printed(self.tables.other_calculations())

    @cached_property
    def not_yet(self) -> Printed | None:
        """Outcomes still open."""
        return self.printed(self.tables.not_yet())

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


def charts_for_screens(wording: Wording) -> dict[str, Any]:
    """The few charts that are shown outside the report, by name."""
    charts: dict[str, Any] = {}
    found = rows(wording.tables, "participation")
    meta, language = wording.meta, wording.language
    if found:
        charts["participation"] = participation.tile_map(found, meta, language)
    if any(wording.horizons.values()):
        charts["known_when"] = known_when.known_when(wording.horizons, meta, language)
    for outcome in meta.with_role("primary"):
        events = wording.results.event_study(outcome.name)
        if any(number(row["estimate"]) is not None for row in events):
            charts[f"event_study_{outcome.name}"] = event_study.event_study(events, outcome, language)
    return {name: theme.styled(chart, language) for name, chart in charts.items()}
