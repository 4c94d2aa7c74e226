"""Share of the expected children that a source really covers, year by year.

What belongs here: this one chart. What does not: the table of deliveries.
"""

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.figures.description import shaded
from kkz_eval.report.frames import Row, number, text, whole
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, ReportMeta
from kkz_eval.report.texts import load

_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])


def _points(found: list[Row], meta: ReportMeta, language: Language) -> list[dict[str, object]]:
    words = load(language)
    series = {outcome.name: theme.wrap(outcome.label(language), 60) for outcome in meta.outcomes}
    return [
        {
            "year": year,
            "share": share,
            "key": text(row["source"]),
            "source": series.get(text(row["source"]), words.name("source", text(row["source"]))),
        }
        for row in found
        if text(row["unit"]) == "all"
        and (year := whole(row["year"])) is not None
        and (share := number(row["share_examined"])) is not None
    ]


def coverage(found: list[Row], meta: ReportMeta, language: Language) -> alt.LayerChart | None:
    """Covered share of all units together by year and source. None if the release holds no such share."""
    words = load(language)
    points = _points(found, meta, language)
    if not points:
        return None
    years = [int(str(point["year"])) for point in points]
    first, last = min(years), max(years)
    step = max(1, -(-(last - first + 1) // 8))
    sources = sorted({str(point["source"]) for point in points})
    legend = alt.Legend(title=None, columns=1) if len(sources) > 1 else None
    span = alt.Scale(domain=[first - 0.7, last + 0.7], nice=False, zero=False)
    x = alt.X(
        "year:Q",
        scale=span,
        axis=alt.Axis(values=list(range(first, last + 1, step)), format="d", grid=False, title=words("chart.year")),
    )
    y = alt.Y(
        "share:Q",
        scale=alt.Scale(domain=[0, max(1.0, *(float(str(p["share"])) for p in points))]),
        axis=alt.Axis(
            title=None, tickCount=5, domain=False, ticks=False,
            labelExpr=f"format(datum.value * 100, ',.0f') + '{chr(0x202F) if language == 'de' else ''}%'",
        ),
    )  # fmt: skip
    colours = [theme.NAVY, theme.ORANGE, theme.SKY, theme.LILAC]
    colour = alt.Color("source:N", scale=alt.Scale(domain=sources, range=colours[: len(sources)]), legend=legend)
    dash = alt.StrokeDash(
        "source:N", scale=alt.Scale(domain=sources, range=list(_DASHES[: len(sources)])), legend=None
    )  # fmt: skip
    base = alt.Chart(theme.data(points))
    ground = shaded(meta, str(points[0]["key"]), first, last, language, span)
    return theme.layers(
        *([ground] if ground is not None else []),
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour, strokeDash=dash),
        base.mark_point(size=26, filled=True, opacity=1).encode(x=x, y=y, color=colour),
        title=words("chart.coverage"),
        width=theme.WIDTH,
        height=190,
    )


def alternative(found: list[Row], meta: ReportMeta, language: Language) -> str:
    """The chart in words: lowest and latest share of every source."""
    words, form = load(language), LOCALES[language]
    said = [words("alt.coverage")]
    points = _points(found, meta, language)
    for source in sorted({str(point["source"]) for point in points}):
        own = [(float(str(p["share"])), int(str(p["year"]))) for p in points if p["source"] == source]
        (low, year), (last, last_year) = min(own), max(own, key=lambda pair: pair[1])
        said.append(
            words(
                "alt.coverage_source", source=source, low=form.percent(low, 0), year=year,
                last=form.percent(last, 0), last_year=last_year,
            )
        )  # fmt: skip
    return " ".join(said)
