"""The opening pages as records that the template prints.

What belongs here: which outcome gets a page, its blocks and its picture. What does not: sentences and drawing.
"""

from dataclasses import dataclass
from functools import cached_property

from kkz_eval.report.figures import seen_when
from kkz_eval.report.figures.theme import scale_of
from kkz_eval.report.frames import rows, text
from kkz_eval.report.front.changes import Changes, changes
from kkz_eval.report.front.records import Look, Opening, SeenYear, opening_of
from kkz_eval.report.front.signal import Signal, signals
from kkz_eval.report.front.warnings import warnings
from kkz_eval.report.front.words import FrontWords
from kkz_eval.report.locale import NOT_ESTIMABLE
from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.parts import Figure, Parts
from kkz_eval.report.results import Verdict
from kkz_eval.report.table_html import Table

#: An outcome has a page if the release holds rows of it in one of these tables.
BEHIND = ("detectability", "looks", "sensitivity", "cost")


@dataclass(frozen=True, slots=True)
class FrontPage:
    """One primary outcome on one page."""

    name: str
    label: str
    explanation: str
    verdict: Verdict
    exposure: list[str]
    visible: list[str]
    seen: list[str]
    picture: Figure | None
    changes: Changes
    money: list[str]
    source: str
    warnings: list[str]


class FrontParts(Parts):
    """The pages that open the report."""

    @cached_property
    def signals(self) -> list[Signal]:
        """What the exam says about later outcomes."""
        return signals(self.wording)

    @cached_property
    def front(self) -> list[FrontPage]:
        """One page per primary outcome; none for releases without the tables behind them."""
        tables = self.wording.tables
        behind = {text(row["outcome"]) for name in BEHIND for row in rows(tables, name)}
        return [self._page(outcome) for outcome in self.meta.with_role("primary") if outcome.name in behind]

    def _page(self, outcome: OutcomeMeta) -> FrontPage:
        opening = opening_of(self.wording.tables, outcome.name)
        words = FrontWords(self.wording, outcome, opening)
        return FrontPage(
            name=outcome.name,
            label=outcome.label(self.language),
            explanation=outcome.explanation(self.language),
            verdict=self.wording.results.verdict(outcome),
            exposure=words.exposure(),
            visible=words.visible(),
            seen=words.seen(),
            picture=self._picture(outcome, opening, words),
            changes=changes(words),
            money=words.money(),
            source=words.source(),
            warnings=warnings(words),
        )

    def _picture(self, outcome: OutcomeMeta, opening: Opening, words: FrontWords) -> Figure | None:
        chart = seen_when.seen_when(opening, outcome, self.language)
        if chart is None:
            return None
        errors = " " + self.words("front_chart.errors") if round(100 * self.meta.power) == 80 else ""
        caption = self.words("front_chart.caption", often=words.often, errors=errors)
        return self.figure(
            f"seen-when-{outcome.name}",
            chart,
            seen_when.alternative(opening, outcome, self.language),
            self._numbers(outcome, opening),
            caption,
            self.words("front_chart.title"),
        )

    def _numbers(self, outcome: OutcomeMeta, opening: Opening) -> Table:
        """The numbers behind the picture, one row per year."""
        looks = {look.year: look for look in opening.looks}
        names = ["kind", "smallest", "chance", "estimate", "interval", "without_negative"]
        names = names if looks else names[:2]  # what looks would have found is of no use where nobody looks
        body = [self._row(outcome, year, looks.get(year.year))[: len(names) + 1] for year in opening.years]
        heads = (self.words("column.year"), *(self.words(f"front_chart.column_{name}") for name in names))
        caption = f"{self.words('front_chart.table')}: {outcome.label(self.language)} ({self.wording.unit(outcome)})"
        return Table("seen_when", caption, heads, tuple(body), words=(1,))

    def _row(self, outcome: OutcomeMeta, year: SeenYear, look: Look | None) -> tuple[str, ...]:
        form, scale = self.wording.form, scale_of(outcome)
        kind = "extrapolated" if year.is_extrapolated and year.is_projected else (
            "projected" if year.is_projected else "measured"
        )  # fmt: skip

        def shown(value: float | None, *, signed: bool = True) -> str:
            return NOT_ESTIMABLE if value is None else self.wording.value(value, outcome, signed=signed)

        has_span = look is not None and look.low is not None and look.high is not None
        return (
            form.year(year.year),
            self.words(f"front_chart.{kind}"),
            shown(year.smallest, signed=False),
            NOT_ESTIMABLE if year.chance is None else form.percent(year.chance, 0),
            shown(None if look is None else look.estimate),
            form.interval((look.low or 0.0) * scale.factor, (look.high or 0.0) * scale.factor, scale.decimals)
            if has_span and look is not None
            else NOT_ESTIMABLE,
            shown(None if look is None else look.without_negative),
        )
