"""From which year each outcome can show the programme, by wave, against the day of the study.

What belongs here: this one chart. What does not: the arithmetic of exposure.
"""

from typing import Any

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.horizon import WaveHorizon
from kkz_eval.report.meta import Language, OutcomeMeta, ReportMeta
from kkz_eval.report.texts import load

_ROW = 34


def _order(outcomes: tuple[OutcomeMeta, ...], found: dict[str, tuple[WaveHorizon, ...]]) -> list[OutcomeMeta]:
    """Outcomes by the year in which the first fully exposed cohort is measured; the plan's order among equals."""

    def year(outcome: OutcomeMeta) -> tuple[int, int]:
        waves = found.get(outcome.name, ())
        full = [wave.full_year for wave in waves if wave.full_year is not None]
        first = [wave.first_year for wave in waves if wave.first_year is not None]
        return (min(full, default=9999), min(first, default=9999))

    return sorted((outcome for outcome in outcomes if found.get(outcome.name)), key=year)


def known_when(found: dict[str, tuple[WaveHorizon, ...]], meta: ReportMeta, language: Language) -> alt.LayerChart:
    """Per outcome and wave a bar from the first exposed to the first fully exposed measurement; a line at the present.

    `found` comes from `horizon.horizons`. Placebo outcomes are left out: the programme cannot show in them.
    """
    words = load(language)
    outcomes = _order((*meta.with_role("primary"), *meta.with_role("secondary")), found)
    names = [theme.wrap(outcome.label(language), 27) for outcome in outcomes]
    bars: list[dict[str, Any]] = []
    for outcome, name in zip(outcomes, names, strict=True):
        for wave in found[outcome.name]:
            if wave.first_year is None and wave.full_year is None:
                continue
            bars.append(
                {
                    "outcome": name,
                    "wave": words("group.wave", wave=wave.wave),
                    "first": wave.first_year if wave.first_year is not None else wave.full_year,
                    "full": wave.full_year,
                    "end": wave.full_year if wave.full_year is not None else wave.first_year,
                }
            )
    colours, shapes = theme.wave_colours(meta.waves), theme.wave_shapes(meta.waves)
    waves = [words("group.wave", wave=wave) for wave in colours]
    years = [bar["first"] for bar in bars] + [bar["end"] for bar in bars] or [meta.as_of.year]
    now = meta.as_of.year + (meta.as_of.timetuple().tm_yday - 1) / 365.25
    scale = alt.Scale(domain=[min(years) - 0.8, max(*years, now) + 0.8], nice=False)
    axis = alt.Axis(format="d", title=words("chart.measured_in"), tickMinStep=1, tickCount=6, grid=True)
    x = alt.X("first:Q", scale=scale, axis=axis)
    y = alt.Y(
        "outcome:N",
        sort=names,
        axis=theme.name_axis(),
    )
    offset = alt.YOffset("wave:N", scale=alt.Scale(domain=waves, paddingInner=0.1, paddingOuter=0.45))
    colour = alt.Color(
        "wave:N", scale=alt.Scale(domain=waves, range=list(colours.values())), legend=alt.Legend(title=None)
    )
    shape = alt.Shape(
        "wave:N", scale=alt.Scale(domain=waves, range=list(shapes.values())), legend=alt.Legend(title=None)
    )
    base = alt.Chart(theme.data(bars))
    x_now = alt.X("now:Q", scale=scale, axis=axis)
    line = alt.Chart(theme.data([{"now": now, "label": words("chart.now")}]))
    return theme.layers(
        line.mark_rule(color=theme.INK, strokeWidth=1.4, strokeDash=[5, 3]).encode(x=x_now),
        line.mark_text(align="center", baseline="bottom", dy=-4, fontSize=11, color=theme.INK).encode(
            x=x_now, y=alt.value(0), text=alt.Text("label:N")
        ),
        base.mark_rule(strokeWidth=4, opacity=0.35).encode(x=x, x2=alt.X2("end:Q"), y=y, yOffset=offset, color=colour),
        base.mark_tick(thickness=2, size=9, orient="vertical", opacity=0.9).encode(
            x=x, y=y, yOffset=offset, color=colour
        ),
        base.transform_filter("isValid(datum.full)")
        .mark_point(filled=True, size=55, opacity=1)
        .encode(x=alt.X("full:Q", scale=scale, axis=axis), y=y, yOffset=offset, color=colour, shape=shape),
        width=300,
        height=alt.Step(theme.row_height(names, _ROW), **{"for": "position"}),
    )  # fmt: skip


def alternative(found: dict[str, tuple[WaveHorizon, ...]], meta: ReportMeta, language: Language) -> str:
    """The chart in words: first fully exposed year of every outcome and wave."""
    words = load(language)
    said = [words("alt.known_when", year=meta.as_of.year)]
    for outcome in _order((*meta.with_role("primary"), *meta.with_role("secondary")), found):
        dates = [
            words("alt.known_when_wave", wave=wave.wave, first=wave.first_year, full=wave.full_year or "–")
            for wave in found[outcome.name]
            if wave.first_year is not None
        ]
        if dates:
            said.append(f"{outcome.label(language)}: {'; '.join(dates)}.")
    return " ".join(said)
