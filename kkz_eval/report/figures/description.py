"""Means of the groups of municipalities over the periods, without any calculation of effects.

What belongs here: this one chart. What does not: differences and estimates.
"""

from typing import Any

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.frames import Row, number, text, whole
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, OutcomeMeta, ReportMeta
from kkz_eval.report.texts import load

HEIGHT = 230


def groups(meta: ReportMeta) -> list[tuple[str, str, str, str, list[int]]]:
    """The groups in drawing order: key, colour, symbol, wave or empty, dashes."""
    colours, shapes = theme.wave_colours(meta.waves), theme.wave_shapes(meta.waves)
    listed: list[tuple[str, str, str, str, list[int]]] = [
        (f"wave_{wave}", colours[str(wave)], shapes[str(wave)], str(wave), [1, 0]) for wave in sorted(meta.waves)
    ]
    return [
        *listed,
        ("never", theme.GREY, "triangle-down", "", [6, 3]),
        ("partial", theme.LILAC, "cross", "", [2, 2]),
    ]


def group_label(group: str, language: Language) -> str:
    """Name of a group for readers."""
    words = load(language)
    if group.startswith("wave_"):
        return words("group.wave", wave=group.removeprefix("wave_"))
    return words.name("group", group)


def shaded(
    meta: ReportMeta, source: str, low: int, high: int, language: Language, scale: alt.Scale
) -> alt.LayerChart | None:
    """Grey ground behind the periods that the main calculation leaves out; None if none lies in the picture.

    `scale` is that of the picture's x axis, so that the ground does not stretch it.
    """
    periods = sorted({e.period for e in meta.excluded_periods if low <= e.period <= high and e.source in ("", source)})
    if not periods:
        return None
    runs: list[list[int]] = []
    for period in periods:
        if runs and period == runs[-1][1] + 1:
            runs[-1][1] = period
        else:
            runs.append([period, period])
    spans = [{"from": first - 0.5, "to": last + 0.5, "middle": (first + last) / 2} for first, last in runs]
    spans[0]["label"] = load(language)("chart.left_out")  # type: ignore[assignment]
    ground = alt.Chart(theme.data(spans))
    return theme.layers(
        ground.mark_rect(color=theme.SHADE, opacity=1).encode(
            x=alt.X("from:Q", scale=scale, title=None), x2=alt.X2("to:Q")
        ),
        ground.mark_text(fontSize=10.5, baseline="bottom", dy=-5).encode(
            x=alt.X("middle:Q", scale=scale, title=None), y=alt.value("height"), text=alt.Text("label:N")
        ),
    )


def description(found: list[Row], outcome: OutcomeMeta, meta: ReportMeta, language: Language) -> alt.LayerChart:
    """Mean per group and period with its interval. `found` holds one outcome's rows of the released description."""
    words, scale = load(language), theme.scale_of(outcome)
    present = {text(row["comparison_group"]) for row in found}
    order = [entry for entry in groups(meta) if entry[0] in present]
    points: list[dict[str, Any]] = []
    for row in found:
        period, mean = whole(row["period"]), number(row["mean"])
        low, high = number(row["ci_low"]), number(row["ci_high"])
        if period is None or mean is None:
            continue
        points.append(
            {
                "period": period,
                "group": group_label(text(row["comparison_group"]), language),
                "mean": mean * scale.factor,
                "low": None if low is None else low * scale.factor,
                "high": None if high is None else high * scale.factor,
            }
        )
    periods = [point["period"] for point in points] or [meta.as_of.year - 1, meta.as_of.year]
    first, last = min(periods), max(periods)
    step = max(1, -(-(last - first + 1) // 8))
    labels = [group_label(entry[0], language) for entry in order]
    span = alt.Scale(domain=[first - 0.7, last + 0.7], nice=False, zero=False)
    x = alt.X(
        "period:Q",
        scale=span,
        axis=alt.Axis(
            values=list(range(last - step * ((last - first) // step), last + 1, step)), format="d", grid=False,
            title=words(f"period.{outcome.period_kind}"),
        ),
    )  # fmt: skip
    y = alt.Y(
        "mean:Q",
        scale=alt.Scale(zero=False, nice=True, padding=6),
        axis=alt.Axis(title=None, tickCount=5, domain=False, ticks=False, format=_format(points, scale)),
    )
    legend = alt.Legend(title=None, columns=2, orient="top", offset=4, symbolSize=70, rowPadding=3)
    colour = alt.Color("group:N", sort=None, scale=alt.Scale(domain=labels, range=[e[1] for e in order]), legend=legend)
    shape = alt.Shape("group:N", scale=alt.Scale(domain=labels, range=[e[2] for e in order]), legend=legend)
    base = alt.Chart(theme.data(points))
    dash = alt.StrokeDash("group:N", scale=alt.Scale(domain=labels, range=[e[4] for e in order]), legend=None)
    layers: list[Any] = [
        base.mark_rule(strokeWidth=4, opacity=0.22).encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour),
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour, strokeDash=dash),
        base.mark_point(size=26, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape),
    ]
    ground = shaded(meta, outcome.source, first, last, language, span)
    title = words("chart.level", unit=words.name("unit_level", outcome.unit_of_measure))
    return theme.layers(
        *([ground] if ground is not None else []), *layers, title=title, width=theme.WIDTH, height=HEIGHT
    )


def _format(points: list[dict[str, Any]], scale: theme.Scale) -> str:
    values = [point["mean"] for point in points]
    spread = (max(values) - min(values)) if values else 1.0
    decimals = 0 if spread >= 4 else 1 if spread >= 0.4 else 2
    return f",.{max(decimals, 0 if scale.is_share else decimals)}f"


def alternative(found: list[Row], outcome: OutcomeMeta, language: Language) -> str:
    """The chart in words: first and last mean of every group."""
    words, scale, form = load(language), theme.scale_of(outcome), LOCALES[language]
    said = [words("alt.description", outcome=outcome.label(language))]
    unit = words.name("unit_level", outcome.unit_of_measure)
    for group in dict.fromkeys(text(row["comparison_group"]) for row in found):
        series = sorted(
            (int(row["period"]), float(row["mean"]) * scale.factor)
            for row in found
            if text(row["comparison_group"]) == group and None not in (number(row["mean"]), whole(row["period"]))
        )
        if series:
            (first, start), (last, end) = series[0], series[-1]
            said.append(
                words(
                    "alt.description_group", group=group_label(group, language), first=first, last=last, unit=unit,
                    start=form.number(start, scale.decimals), end=form.number(end, scale.decimals),
                )
            )  # fmt: skip
    return " ".join(said)
