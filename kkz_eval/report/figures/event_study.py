"""Event study of one outcome: how far participants departed from the comparison, before and after the start.

What belongs here: this one chart and its layers. What does not: choosing the rows (results.py).
"""

from typing import Any

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.frames import Row, mark, number, whole
from kkz_eval.report.locale import LOCALES, NOT_ESTIMABLE
from kkz_eval.report.meta import Language, OutcomeMeta
from kkz_eval.report.texts import load

HEIGHT = 230
_LINE = 20  # height of one row of numbers below the axis


def _is_reference(row: Row) -> bool:
    return number(row["estimate"]) == 0 and number(row["std_error"]) in (None, 0.0)


def _points(found: list[Row], factor: float) -> list[dict[str, Any]]:
    points = []
    for row in found:
        point: dict[str, Any] = {"time": int(row["event_time"])}
        for column in ("estimate", "ci_low", "ci_high", "band_low", "band_high"):
            value = number(row[column])
            point[column] = None if value is None else value * factor
        point["kind"] = (
            "reference"
            if _is_reference(row)
            else "none"
            if point["estimate"] is None
            else "before"
            if point["time"] < 0
            else "after"
        )
        point["mark"] = mark(row["status"]) if point["estimate"] is None else ""
        points.append(point)
    if points and not any(p["time"] == -1 for p in points) and not any(p["kind"] == "reference" for p in points):
        points.append({"time": -1, "estimate": 0.0, "kind": "reference", "mark": ""})
    return points


def _number_rows(found: list[Row], step: int, language: Language) -> tuple[list[dict[str, Any]], bool]:
    """Years under the programme and children per event time; whether children are given in thousands."""
    form = LOCALES[language]
    counts = [number(row["n_children"]) for row in found]
    in_thousands = max((n for n in counts if n is not None), default=0) >= 10_000
    written = []
    for row, n in zip(found, counts, strict=True):
        time = int(row["event_time"])
        if time % step:
            continue
        years = number(row["years_under_programme"])
        if n is None:
            children = mark(row["status"])
        elif in_thousands:
            children = form.number(n / 1000, 0 if n >= 9_950 else 1)
        else:
            children = form.count(n)
        written.append(
            {
                "time": time,
                "years": "0" if years == 0 else NOT_ESTIMABLE if years is None else form.number(years, 1),
                "children": children,
            }
        )
    return written, in_thousands


def event_study(found: list[Row], outcome: OutcomeMeta, language: Language) -> alt.LayerChart:
    """Estimates by years since the first exposed cohort, with pointwise intervals and the simultaneous band.

    `found` holds rows of the released table event_study for one outcome, comparison and estimator, all adoption cohorts
    together. Shares are drawn in percentage points. Below the axis stand the mean years under the programme and the
    number of children.
    """
    words, scale = load(language), theme.scale_of(outcome)
    points = _points(found, scale.factor)
    times = [point["time"] for point in points] or [-1, 0]
    low, high = min(times), max(times)
    step = max(1, -(-(high - low + 1) // 10))
    span = alt.Scale(domain=[low - 0.6, high + 0.6], nice=False, zero=False)
    x = alt.X(
        "time:Q",
        scale=span,
        axis=alt.Axis(
            values=[time for time in range(low, high + 1) if time % step == 0],
            format="d", grid=False, title=None, domain=True, labelPadding=9,
        ),
    )  # fmt: skip
    y_axis = alt.Axis(title=None, tickCount=5, domain=False, ticks=False, format=theme.tick_format(points))
    y = alt.Y("estimate:Q", axis=y_axis, scale=alt.Scale(zero=True, nice=True, padding=8))
    base = alt.Chart(theme.data(points))
    drawn = base.transform_filter("isValid(datum.estimate) && datum.kind != 'reference'")
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["before", "after"], range=[theme.GREY, theme.NAVY]),
        legend=None,
    )
    layers: list[Any] = [
        alt.Chart(theme.data([{"from": -0.5}])).mark_rule(color=theme.MUTED, strokeDash=[4, 3]).encode(
            x=alt.X("from:Q", scale=span, title=None)
        ),
        alt.Chart(theme.data([{"zero": 0}])).mark_rule(color=theme.INK, strokeWidth=1).encode(y=alt.Y("zero:Q")),
        drawn.mark_rule(strokeWidth=1.2).encode(x=x, y=alt.Y("band_low:Q"), y2=alt.Y2("band_high:Q"), color=colour),
        drawn.mark_tick(thickness=1.2, size=8, orient="horizontal").encode(x=x, y=alt.Y("band_low:Q"), color=colour),
        drawn.mark_tick(thickness=1.2, size=8, orient="horizontal").encode(x=x, y=alt.Y("band_high:Q"), color=colour),
        drawn.mark_rule(strokeWidth=6, opacity=0.35).encode(
            x=x, y=alt.Y("ci_low:Q"), y2=alt.Y2("ci_high:Q"), color=colour
        ),
        drawn.mark_point(size=46, opacity=1, filled=True).encode(x=x, y=y, color=colour),
        base.transform_filter("datum.kind == 'reference'")
        .mark_point(shape="diamond", size=90, filled=True, fill="white", stroke=theme.INK, strokeWidth=1.6, opacity=1)
        .encode(x=x, y=y),
        base.transform_filter("datum.kind == 'none'").mark_text(fontSize=15, dy=-8).encode(
            x=x, y=alt.datum(0), text=alt.Text("mark:N")
        ),
        alt.Chart(theme.data([{"time": -0.5, "label": words("chart.start")}])).mark_text(
            align="left", dx=5, baseline="top", fontSize=11
        ).encode(x=x, y=alt.value(0), text=alt.Text("label:N")),
    ]  # fmt: skip
    layers += _below(found, x, step, language)
    title = words("chart.difference", unit=words.name("unit_difference", outcome.unit_of_measure))
    if outcome.role != "placebo":
        title += " · " + words(f"chart.wanted_{outcome.direction}")
    return theme.layers(*layers, title=title, width=theme.WIDTH, height=HEIGHT)


def _below(found: list[Row], x: alt.X, step: int, language: Language) -> list[alt.Chart]:
    """Rows of numbers under the axis, each with its name on the left."""
    words = load(language)
    written, in_thousands = _number_rows(found, step, language)
    has_children = any(number(row["n_children"]) is not None for row in found)
    layers = []
    names = [
        ("time", words("chart.row_time")),
        ("years", words("chart.row_years")),
        (
            "children",
            "" if not has_children else words("chart.row_children_thousand" if in_thousands else "chart.row_children"),
        ),
    ]
    for line, (column, name) in enumerate(names):
        if not name:
            continue
        height = HEIGHT + 20 + line * (_LINE + 6)
        if column != "time":
            layers.append(
                alt.Chart(theme.data(written)).mark_text(fontSize=11, color=theme.INK).encode(
                    x=x, y=alt.value(height), text=alt.Text(f"{column}:N")
                )
            )  # fmt: skip
        layers.append(
            alt.Chart(theme.data([{"name": name}])).mark_text(
                align="right", fontSize=11, lineBreak="\n", baseline="middle", lineHeight=11,
                dy=-5 * name.count("\n"), color=theme.MUTED,
            ).encode(x=alt.value(-10), y=alt.value(height), text=alt.Text("name:N"))
        )  # fmt: skip
    return layers


def alternative(found: list[Row], outcome: OutcomeMeta, language: Language) -> str:
    """The chart in words: span before the start and the last value after it."""
    words, scale, form = load(language), theme.scale_of(outcome), LOCALES[language]
    unit = words.name("unit_difference", outcome.unit_of_measure)
    known = [(int(r["event_time"]), r) for r in found if number(r["estimate"]) is not None and not _is_reference(r)]
    before = [float(row["estimate"]) * scale.factor for time, row in known if time < 0]
    after = [(time, row) for time, row in known if time >= 0]
    said = [words("alt.event_study", outcome=outcome.label(language))]
    if before:
        span = form.interval(min(before), max(before), scale.decimals)
        said.append(words("alt.event_before", span=span, unit=unit))
    if after:
        time, row = after[-1]
        years = number(row["years_under_programme"])
        value = form.number(float(row["estimate"]) * scale.factor, scale.decimals, signed=True)
        said.append(words("alt.event_after", time=time, value=value, unit=unit))
        if years is not None:
            said.append(words("alt.event_years", years=form.number(years, 1)))
    return " ".join(said)


def last_time(found: list[Row]) -> int | None:
    """The last event time with a number."""
    return max((time for r in found if (time := whole(r["event_time"])) is not None), default=None)
