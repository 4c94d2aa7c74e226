"""A picture of results on any data.

What belongs here: the event study of `kkz_eval.evaluation.any_data.estimate`. What does not: figures of the report.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Estimate
from kkz_eval.report.figures import theme


def event_study_plot(rows: Sequence[Estimate]) -> alt.LayerChart:
    """Effects by periods since adoption: points, pointwise intervals (thick), simultaneous band (thin), reference.

    rows: what `estimate` gives; those with an event time are drawn. Save with `.save("effects.svg")` or `.html`.
    Raises EstimationError when no row has an event time and an estimate.
    """
    found = [row for row in rows if row.aggregation == "event" and row.event_time is not None]
    points: list[dict[str, Any]] = [
        {
            "time": row.event_time, "estimate": row.estimate, "ci_low": row.ci_low, "ci_high": row.ci_high,
            "band_low": row.band_low, "band_high": row.band_high,
            "kind": "reference" if row.std_error is None else "before" if (row.event_time or 0) < 0 else "after",
        }
        for row in found
        if row.estimate is not None
    ]  # fmt: skip
    if not points:
        raise EstimationError("there is no row with an event time to draw; estimate with aggregate event.")
    times = [point["time"] for point in points]
    span = alt.Scale(domain=[min(times) - 0.6, max(times) + 0.6], nice=False, zero=False)
    x = alt.X(
        "time:Q", scale=span, axis=alt.Axis(title="Periods since first treated period", tickMinStep=1, format="d")
    )
    y = alt.Y("estimate:Q", axis=alt.Axis(title=None, format=theme.tick_format(points)), scale=alt.Scale(padding=8))
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["before", "after", "reference"], range=[theme.GREY, theme.NAVY, theme.INK]),
        legend=None,
    )
    base = alt.Chart(theme.data(points))
    chart = theme.layers(
        alt.Chart(theme.data([{"zero": 0}])).mark_rule(color=theme.INK).encode(y=alt.Y("zero:Q")),
        alt.Chart(theme.data([{"start": -0.5}]))
        .mark_rule(color=theme.MUTED, strokeDash=[4, 3])
        .encode(x=alt.X("start:Q", scale=span)),
        base.mark_rule(strokeWidth=1.2).encode(x=x, y=alt.Y("band_low:Q"), y2=alt.Y2("band_high:Q"), color=colour),
        base.mark_rule(strokeWidth=6, opacity=0.35).encode(
            x=x, y=alt.Y("ci_low:Q"), y2=alt.Y2("ci_high:Q"), color=colour
        ),
        base.mark_point(size=46, opacity=1, filled=True).encode(x=x, y=y, color=colour),
        title=f"{found[0].outcome}: effect by periods since adoption ({found[0].estimator})",
        width=theme.WIDTH,
        height=230,
    )
    styled: alt.LayerChart = theme.styled(chart, "en")
    return styled
