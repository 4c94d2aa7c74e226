"""Building blocks of the page: pictures and tables ready to print.

What belongs here: the records that templates print and how a picture or table becomes one. What does not: sections.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from kkz_eval.report.calculation_tables import CalculationTables
from kkz_eval.report.figures import theme
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


class Parts:
    """What every group of sections starts from: wording, tables, and how they are printed."""

    def __init__(self, wording: Wording) -> None:
        self.wording, self.meta, self.language = wording, wording.meta, wording.language
        self.tables = Tables(wording)
        self.calculation_tables = CalculationTables(self.tables)
        self.words = wording.words

    @cached_property
    def confidence(self) -> str:
        """The level of intervals."""
        return self.wording.form.percent(self.meta.confidence, 0)

    def printed(self, table: Table, *, is_plain: bool = False) -> Printed | None:
        """A table as HTML; None if it has no rows. Plain for the many small or long ones."""
        if not table.body:
            return None
        html = plain_html(table) if is_plain else table_html(table)
        return Printed(
            Markup(html), len(table.body), table.caption, self.tables.legend(table)
        )  # escaped by great_tables

    def figure(self, name: str, chart: Any, alternative: str, table: Table, caption: str, heading: str = "") -> Figure:
        drawn = theme.svg(theme.styled(chart, self.language), name=name, label=alternative)
        return Figure(
            name,
            Markup(drawn),  # vl-convert and theme.svg escape what comes from data
            caption,
            Markup(plain_html(table)) if table.body else Markup(""),  # escapes every cell
            self.tables.legend(table),
            heading,
        )
