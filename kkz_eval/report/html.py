"""One self-contained page per language: words, tables and pictures in a fixed order, nothing loaded from elsewhere.

What belongs here: the order of the report and its public functions. What does not: single sections (sections.py).
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from kkz_eval.report.figures import theme
from kkz_eval.report.frames import Tables
from kkz_eval.report.meta import Language, ReportMeta
from kkz_eval.report.screens import charts_for_screens
from kkz_eval.report.sections import Sections
from kkz_eval.report.wording import Wording


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kkz_eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(tables: Tables, meta: ReportMeta, language: Language) -> str:
    """The whole report as one HTML page.

    `tables` holds released tables by name (see `frames.COLUMNS`); tables, columns and values may be missing. Same
    tables, meta and language give the same text, in any order of rows. The page needs no JavaScript and no network.
    """
    wording = Wording(tables, meta, language)
    page = _environment().get_template("report.html.j2")
    return page.render(t=wording.words, meta=meta, language=language, form=wording.form, s=Sections(wording))


def main_findings(tables: Tables, meta: ReportMeta, language: Language) -> list[str]:
    """The three sentences at the head of the report: what is seen, after how long, and what cannot be known yet."""
    return Wording(tables, meta, language).findings()


def figure_png(tables: Tables, meta: ReportMeta, language: Language) -> dict[str, bytes]:
    """A few pictures for other screens: participation, first years, and per primary outcome three more.

    Those are what could be seen when, the event study and the specification curve.
    """
    charts = charts_for_screens(Wording(tables, meta, language))
    return {name: theme.png(chart) for name, chart in charts.items()}
