"""What could be seen when: the smallest effect that stands out by year, beside sizes that matter and the estimates.

What belongs here: this one chart. What does not: reading the rows (front/records.py) and their sentences.
"""

from typing import Any, cast

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.front.records import Look, Opening, SeenYear
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, OutcomeMeta
from kkz_eval.report.texts import load

HEIGHT = 270
_WIDTH = 340  # of the plotting area; names of the lines stand to the right of it
_LINE = 13  # height of a line of these names
_PALE = "#7f9cba"
_ROOM = 0.09  # height of a name as a share of the picture


def wanted(value: float, outcome: OutcomeMeta) -> float:
    """A change in the unit in which it is shown, counted in the wanted direction."""
    return value * theme.scale_of(outcome).factor * (-1 if outcome.direction == "lower" else 1)


def seen_when(opening: Opening, outcome: OutcomeMeta, language: Language) -> alt.LayerChart | None:
    """Years on x, size of the effect of a whole early childhood in the wanted direction on y.

    The line is solid where measured, dashed where projected, pale where it rests on drift over more years than were
    measured. None where no year has a smallest effect.
    """
    if not opening.years:
        return None
    low, high = _domain(opening, outcome)
    x, y = _axes(opening, outcome, language, low, high)
    return theme.layers(
        *_areas(opening, outcome, language, x, y, (low, high)),
        *_levels(opening, outcome, y),
        *_line(opening, outcome, x, y),
        *_estimates(opening, outcome, language, x, y),
        *_names(opening, outcome, language, low, high),
        width=_WIDTH,
        height=HEIGHT,
    )


def _looks(opening: Opening) -> list[Look]:
    return [look for look in opening.looks if None not in (look.estimate, look.low, look.high)]


def _break_even(opening: Opening) -> float | None:
    return opening.cost.break_even if opening.cost is not None else None


def _sizes(opening: Opening, outcome: OutcomeMeta) -> dict[str, float]:
    """Sizes that matter, as shown; without those that there are none of."""
    factor = theme.scale_of(outcome).factor
    sizes = {"worth": opening.worth, "break_even": _break_even(opening)}
    return {name: size * factor for name, size in sizes.items() if size is not None}


def _domain(opening: Opening, outcome: OutcomeMeta) -> tuple[float, float]:
    """Ends of the y axis: the present must be readable, so early years may leave the picture at its upper edge."""
    factor = theme.scale_of(outcome).factor
    sizes, now = _sizes(opening, outcome), opening.now or opening.years[0]
    high = max(now.smallest * factor * 1.9, sizes.get("worth", 0.0) * 2.2, sizes.get("break_even", 0.0) * 1.5)
    last, low = next(reversed(_looks(opening)), None), 0.0
    if last is not None:
        ends = [wanted(value or 0.0, outcome) for value in (last.low, last.high)]
        high = max(high, max(ends) * 1.1)
        low = max(min(ends) * 1.1, -high)
    return min(low, -0.06 * high), high


def _axes(
    opening: Opening, outcome: OutcomeMeta, language: Language, low: float, high: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    words, first, last = load(language), opening.years[0].year, opening.years[-1].year
    title = words("front_chart.axis", unit=words.name("unit_difference", outcome.unit_of_measure))
    return (
        {
            "scale": alt.Scale(domain=[first - 0.6, last + 0.6], nice=False, zero=False),
            "axis": alt.Axis(format="d", title=None, tickMinStep=1, tickCount=6, grid=False),
        },
        {
            "scale": alt.Scale(domain=[low, high], nice=False, zero=True, clamp=False),
            "axis": alt.Axis(
                format=theme.tick_format([{"high": high}]), title=title, titleAnchor="start", titleAngle=0,
                titleAlign="left", titleBaseline="bottom", titleX=-30, titleY=-8, tickCount=5, domain=False,
                ticks=False,
            ),
        },
    )  # fmt: skip


def _areas(
    opening: Opening,
    outcome: OutcomeMeta,
    language: Language,
    x: dict[str, Any],
    y: dict[str, Any],
    ends: tuple[float, float],
) -> list[Any]:
    """Above the line effects stand out; the year of the last data is marked."""
    words, factor, high = load(language), theme.scale_of(outcome).factor, ends[1]
    points = [{"year": year.year, "smallest": year.smallest * factor, "high": high} for year in opening.years]
    shade = alt.Chart(theme.data(points)).mark_area(color=theme.NAVY, opacity=0.09, clip=True)
    drawn: list[Any] = [
        shade.encode(x=alt.X("year:Q", **x), y=alt.Y("smallest:Q", **y), y2=alt.Y2("high:Q")),
        alt.Chart(theme.data([{"zero": 0}])).mark_rule(color=theme.INK, strokeWidth=1).encode(y=alt.Y("zero:Q", **y)),
    ]
    last = opening.years[-1].year
    named_areas = [("visible", high, "top", 24), ("hidden", 0.0, "bottom", -5)]
    for key, level, baseline, dy in named_areas if _has_room(opening, outcome, ends) else named_areas[:1]:
        named = alt.Chart(theme.data([{"year": last, "level": level, "name": words(f"front_chart.{key}")}]))
        look: dict[str, Any] = {"fontSize": 11.5, "fontStyle": "italic", "color": theme.MUTED, "baseline": baseline}
        drawn.append(
            named.mark_text(align="right", dy=dy, **look).encode(
                x=alt.X("year:Q", **x), y=alt.Y("level:Q", **y), text="name:N"
            )
        )
    now = opening.now
    if now is not None and now.year < last:
        mark = alt.Chart(
            theme.data([{"year": now.year + 0.5, "level": high, "name": words("front_chart.ahead") + " →"}])
        )
        drawn += [
            mark.mark_rule(color="#9aa5b1", strokeWidth=1, strokeDash=[2, 3]).encode(x=alt.X("year:Q", **x)),
            mark.mark_text(align="left", baseline="top", dx=4, dy=5, fontSize=11, color=theme.MUTED).encode(
                x=alt.X("year:Q", **x), y=alt.Y("level:Q", **y), text="name:N"
            ),
        ]
    return drawn


def _has_room(opening: Opening, outcome: OutcomeMeta, ends: tuple[float, float]) -> bool:
    """Whether a name fits between zero and the line at the right, with no estimate written there."""
    name = _ROOM * (ends[1] - ends[0])
    if opening.years[-1].smallest * theme.scale_of(outcome).factor < name:
        return False
    last = next(reversed(_looks(opening)), None)
    return last is None or not -name / 2 < wanted(last.estimate or 0.0, outcome) < 1.5 * name


def _levels(opening: Opening, outcome: OutcomeMeta, y: dict[str, Any]) -> list[Any]:
    """Sizes that matter as lines through the whole picture."""
    looks: dict[str, dict[str, Any]] = {
        "worth": {"color": theme.ORANGE, "strokeWidth": 2},
        "break_even": {"color": theme.GREY, "strokeWidth": 2, "strokeDash": [8, 3, 2, 3]},
    }
    return [
        alt.Chart(theme.data([{"level": size}])).mark_rule(**looks[name]).encode(y=alt.Y("level:Q", **y))
        for name, size in _sizes(opening, outcome).items()
    ]


def _line(opening: Opening, outcome: OutcomeMeta, x: dict[str, Any], y: dict[str, Any]) -> list[Any]:
    """Measured, projected and extrapolated stretches; each starts where the one before ends."""
    factor = theme.scale_of(outcome).factor

    def kind(year: SeenYear) -> int:
        return 2 if year.is_extrapolated and year.is_projected else 1 if year.is_projected else 0

    looks: tuple[dict[str, Any], ...] = (
        {"color": theme.NAVY, "strokeWidth": 3},
        {"color": theme.NAVY, "strokeWidth": 2.5, "strokeDash": [6, 4]},
        {"color": _PALE, "strokeWidth": 2.5, "strokeDash": [6, 4]},
    )
    drawn = []
    for wanted_kind, look in enumerate(looks):
        own = [i for i, year in enumerate(opening.years) if kind(year) == wanted_kind]
        places = [own[0] - 1, *own] if own and own[0] > 0 else own
        points = [{"year": opening.years[i].year, "smallest": opening.years[i].smallest * factor} for i in places]
        if points:
            chart = alt.Chart(theme.data(points)).mark_line(clip=True, **look)
            drawn.append(chart.encode(x=alt.X("year:Q", **x), y=alt.Y("smallest:Q", **y)))
    return drawn


def _estimates(
    opening: Opening, outcome: OutcomeMeta, language: Language, x: dict[str, Any], y: dict[str, Any]
) -> list[Any]:
    found = [
        {
            "year": look.year,
            "estimate": wanted(look.estimate or 0.0, outcome),
            "low": min(wanted(end or 0.0, outcome) for end in (look.low, look.high)),
            "high": max(wanted(end or 0.0, outcome) for end in (look.low, look.high)),
        }
        for look in _looks(opening)
    ]
    if not found:
        return []
    words, form, scale = load(language), LOCALES[language], theme.scale_of(outcome)
    name = words("front_chart.estimate", value=form.number(float(found[-1]["estimate"]), scale.decimals))
    base, last = alt.Chart(theme.data(found)), alt.Chart(theme.data([{**found[-1], "name": name}]))
    at = alt.X("year:Q", **x)
    return [
        *(
            chart.mark_rule(color=colour, strokeWidth=width, clip=True).encode(
                x=at, y=alt.Y("low:Q", **y), y2=alt.Y2("high:Q")
            )
            for chart, colour, width in ((base, "#8894a1", 1.3), (last, theme.INK, 2.4))
        ),
        *(
            chart.mark_point(filled=True, shape="diamond", size=size, color=colour, opacity=1, clip=True).encode(
                x=at, y=alt.Y("estimate:Q", **y)
            )
            for chart, colour, size in ((base, theme.MUTED, 60), (last, theme.INK, 110))
        ),
        last.mark_text(align="left", dx=10, dy=-9, fontSize=12, fontWeight="bold", color=theme.INK).encode(
            x=at, y=alt.Y("estimate:Q", **y), text="name:N"
        ),
    ]


def _names(opening: Opening, outcome: OutcomeMeta, language: Language, low: float, high: float) -> list[Any]:
    """Names of the lines to the right of the plotting area, pushed apart where the lines lie close."""
    words, form, scale = load(language), LOCALES[language], theme.scale_of(outcome)
    wishes = [(opening.years[-1].smallest * scale.factor, words("front_chart.smallest"), theme.NAVY)]
    colours = {"worth": "#8a4b00", "break_even": "#4a525c"}
    for name, size in _sizes(opening, outcome).items():
        said = words(f"front_chart.{name}", value=form.number(size, scale.decimals))
        wishes.append((size, said, colours[name]))
    wishes.sort()
    heights = [_LINE * (said.count("\n") + 1) + 5 for _, said, _ in wishes]
    places = _apart([HEIGHT * (high - min(level, high)) / (high - low) for level, *_ in wishes][::-1], heights[::-1])
    return [
        alt.Chart(theme.data([{"name": said}]))
        .mark_text(
            align="left", baseline="middle", lineBreak="\n", lineHeight=_LINE, fontSize=11.5, fontWeight="bold",
            color=colour, dy=-_LINE * said.count("\n") / 2,
        )
        .encode(x=alt.value(_WIDTH + 8), y=alt.value(place), text="name:N")
        for (_, said, colour), place in zip(wishes[::-1], places, strict=True)
    ]  # fmt: skip


def _apart(places: list[float], heights: list[int]) -> list[float]:
    """Middles of names from top to bottom: moved down where they would overlap, up where they leave the picture."""
    moved: list[float] = []
    for i, place in enumerate(places):
        least = moved[-1] + (heights[i - 1] + heights[i]) / 2 if moved else heights[0] / 2
        moved.append(max(place, least))
    for i in range(len(moved) - 1, -1, -1):
        most = HEIGHT - heights[i] / 2 if i == len(moved) - 1 else moved[i + 1] - (heights[i] + heights[i + 1]) / 2
        moved[i] = min(moved[i], most)
    return moved


def alternative(opening: Opening, outcome: OutcomeMeta, language: Language) -> str:
    """The chart in words: the line at its first and last measured year, sizes that matter, the last estimate."""
    words, form, scale = load(language), LOCALES[language], theme.scale_of(outcome)
    unit, after = (words.name(group, outcome.unit_of_measure) for group in ("unit_difference", "unit_after"))
    first, now = opening.years[0], opening.now

    def shown(value: float) -> str:
        return form.number(value, scale.decimals)

    last = now or opening.years[-1]
    said = [
        words("front_chart.alt", outcome=outcome.label(language)),
        words(
            "front_chart.alt_smallest", first=shown(first.smallest * scale.factor), first_year=first.year,
            last=shown(last.smallest * scale.factor), last_year=last.year, unit=after,
        ),
    ]  # fmt: skip
    said += [
        words(f"front_chart.alt_{name}", value=shown(size), unit=after)
        for name, size in _sizes(opening, outcome).items()
    ]
    looks = _looks(opening)
    if looks:
        value = shown(wanted(cast(float, looks[-1].estimate), outcome))
        said.append(words("front_chart.alt_estimate", year=looks[-1].year, value=value, unit=unit))
    return " ".join(said)
