"""Pictures shown outside the report.

What belongs here: which charts other screens get. What does not: their drawing, and the page.
"""

from typing import Any

from kkz_eval.report.figures import event_study, known_when, participation, seen_when, specification_curve, theme
from kkz_eval.report.frames import number, rows
from kkz_eval.report.front.records import opening_of
from kkz_eval.report.wording import Wording


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
        seen = seen_when.seen_when(opening_of(wording.tables, outcome.name), outcome, language)
        if seen is not None:
            charts[f"seen_when_{outcome.name}"] = seen
        events = wording.results.event_study(outcome.name)
        if any(number(row["estimate"]) is not None for row in events):
            charts[f"event_study_{outcome.name}"] = event_study.event_study(events, outcome, language)
        made, main = wording.results.calculations(outcome.name), wording.results.overall(outcome.name)
        curve = specification_curve.specification_curve(made, main, outcome, wording)
        if curve is not None:
            charts[f"specification_curve_{outcome.name}"] = curve
    return {name: theme.styled(chart, language) for name, chart in charts.items()}
