"""Specification curve of one outcome: every calculation in order of its estimate, and below which choices it made.

What belongs here: this one chart. What does not: choosing the rows (results.py) and counting them (calculations.py).
"""

from collections.abc import Sequence
from typing import Any, cast

import altair as alt

from kkz_eval.report.calculations import excludes_zero
from kkz_eval.report.figures import theme
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, OutcomeMeta
from kkz_eval.report.results import Effect
from kkz_eval.report.texts import load
from kkz_eval.report.wording import Wording

HEIGHT = 190
_WIDTH = 256  # of the plotting area; the names of the choices need the rest
_EXTENT = 188
_ROW = 19
_CHOICES = ("estimator", "comparison")
_KINDS = ("main", "clear", "open")
_LINES = [theme.ORANGE, theme.NAVY, theme.GREY]
_FILLS = [theme.ORANGE, theme.NAVY, "white"]
_SHAPES = ["diamond", "circle", "circle"]


def in_order(found: Sequence[Effect]) -> list[Effect]:
    """The calculations with estimate and interval from the lowest estimate to the highest."""
    known = [effect for effect in found if effect.has_interval]
    return sorted(known, key=lambda e: (e.estimate or 0.0, e.comparison, e.estimator))


def specification_curve(
    found: Sequence[Effect], main: Effect | None, outcome: OutcomeMeta, wording: Wording
) -> alt.VConcatChart | None:
    """Above: estimates with their intervals in the outcome's unit. Below: method and comparison of each.

    `found` holds one row per calculation in the order in which the choices are listed; `main` is marked. Solid symbols
    have an interval without zero, hollow ones include it. None with fewer than two estimates: there is nothing to
    compare.
    """
    ordered = in_order(found)
    if len(ordered) < 2:
        return None
    points = [_point(place, effect, main, outcome, wording) for place, effect in enumerate(ordered, start=1)]
    chart = alt.vconcat(
        _estimates(points, outcome, wording),
        *(_choices(points, choice, _names(found, points, choice, wording), wording) for choice in _CHOICES),
        spacing=8,
    ).resolve_scale(color="independent", fill="independent", stroke="independent", shape="independent")
    return cast(alt.VConcatChart, chart)


def _name(effect: Effect, choice: str, wording: Wording) -> str:
    is_method = choice == "estimator"
    name = (
        wording.words.name("estimator_short", effect.estimator) if is_method else wording.comparison(effect.comparison)
    )
    return theme.wrap(name, 32)


def _names(found: Sequence[Effect], points: list[dict[str, Any]], choice: str, wording: Wording) -> list[str]:
    """Names of a choice in the order of the plan, those that gave an estimate."""
    used = {point[choice] for point in points}
    return [name for name in dict.fromkeys(_name(effect, choice, wording) for effect in found) if name in used]


def _point(place: int, effect: Effect, main: Effect | None, outcome: OutcomeMeta, wording: Wording) -> dict[str, Any]:
    factor = theme.scale_of(outcome).factor
    kind = "main" if effect == main else "clear" if excludes_zero(effect) else "open"
    return {
        "place": place,
        "kind": wording.words(f"chart.calculation_{kind}"),
        "estimate": (effect.estimate or 0.0) * factor,
        "low": (effect.ci_low or 0.0) * factor,
        "high": (effect.ci_high or 0.0) * factor,
        **{choice: _name(effect, choice, wording) for choice in _CHOICES},
    }


def _x(points: list[dict[str, Any]]) -> alt.X:
    return alt.X("place:Q", axis=None, scale=alt.Scale(domain=[0.4, len(points) + 0.6], nice=False, zero=False))


def _scale(wording: Wording, look: list[str]) -> alt.Scale:
    """One look per kind: main result, interval without zero, interval with zero."""
    return alt.Scale(domain=_kinds(wording), range=look)


def _kinds(wording: Wording) -> list[str]:
    return [wording.words(f"chart.calculation_{kind}") for kind in _KINDS]


def _main_band(points: list[dict[str, Any]], wording: Wording) -> alt.Chart:
    """A pale column behind the main result, through all rows."""
    main = wording.words("chart.calculation_main")
    band = [{"place": p["place"] - 0.5, "to": p["place"] + 0.5} for p in points if p["kind"] == main]
    base = alt.Chart(theme.data(band)).mark_rect(color=theme.ORANGE, opacity=0.13)
    return cast(alt.Chart, base.encode(x=_x(points), x2=alt.X2("to:Q")))


def _estimates(points: list[dict[str, Any]], outcome: OutcomeMeta, wording: Wording) -> alt.LayerChart:
    words, x = wording.words, _x(points)
    axis = alt.Axis(
        title=None, tickCount=5, domain=False, ticks=False, minExtent=_EXTENT, maxExtent=_EXTENT,
        format=theme.tick_format([{"low": point["low"], "high": point["high"]} for point in points]),
    )  # fmt: skip
    present = [kind for kind in _kinds(wording) if any(point["kind"] == kind for point in points)]
    legend = alt.Legend(title=None, orient="top", columns=1, values=present, symbolStrokeWidth=1.6)
    base = alt.Chart(theme.data(points))
    title = words("chart.difference", unit=words.name("unit_difference", outcome.unit_of_measure))
    if outcome.role != "placebo":
        title += " · " + words(f"chart.wanted_{outcome.direction}")
    drawn = theme.layers(
        _main_band(points, wording),
        alt.Chart(theme.data([{"zero": 0}])).mark_rule(color=theme.INK, strokeWidth=1).encode(y=alt.Y("zero:Q")),
        base.mark_rule(strokeWidth=2).encode(
            x=x, y=alt.Y("low:Q", axis=axis), y2=alt.Y2("high:Q"),
            color=alt.Color("kind:N", scale=_scale(wording, _LINES), legend=None),
        ),
        base.mark_point(filled=True, size=58, opacity=1, strokeWidth=1.6).encode(
            x=x,
            y=alt.Y("estimate:Q", axis=axis, scale=alt.Scale(zero=True, nice=True, padding=6)),
            # Shape and filling say the same as the colour: for grey print and any colour vision.
            fill=alt.Fill("kind:N", scale=_scale(wording, _FILLS), legend=legend),
            shape=alt.Shape("kind:N", scale=_scale(wording, _SHAPES), legend=legend),
            stroke=alt.Stroke("kind:N", scale=_scale(wording, _LINES), legend=legend),
        ),
        title=title, width=_WIDTH, height=HEIGHT,
    )  # fmt: skip
    # The lines have no legend of their own; a shared scale would take it from the points too.
    return cast(alt.LayerChart, drawn.resolve_scale(color="independent"))


def _choices(points: list[dict[str, Any]], choice: str, names: list[str], wording: Wording) -> alt.LayerChart:
    """One row per name of a choice, with a dot under every calculation that made it."""
    axis = theme.name_axis(minExtent=_EXTENT, maxExtent=_EXTENT)
    return theme.layers(
        _main_band(points, wording),
        alt.Chart(theme.data(points)).mark_point(filled=True, opacity=1, size=44).encode(
            x=_x(points),
            y=alt.Y(f"{choice}:N", sort=names, axis=axis, scale=alt.Scale(domain=names)),
            color=alt.Color("kind:N", scale=_scale(wording, _LINES), legend=None),
            shape=alt.Shape("kind:N", scale=_scale(wording, _SHAPES), legend=None),
        ),
        title=wording.words(f"column.{choice}"),
        width=_WIDTH,
        height=alt.Step(theme.row_height(names, _ROW)),
    )  # fmt: skip


def alternative(found: Sequence[Effect], outcome: OutcomeMeta, language: Language) -> str:
    """The chart in words: how many calculations, and the lowest and highest with their methods."""
    words, scale, form = load(language), theme.scale_of(outcome), LOCALES[language]
    ordered = in_order(found)
    said = [words("alt.curve", outcome=outcome.label(language), n=len(ordered))]
    for key, effect in (("alt.curve_low", ordered[0]), ("alt.curve_high", ordered[-1])):
        said.append(
            words(
                key,
                estimator=words.name("estimator_short", effect.estimator),
                value=form.number((effect.estimate or 0.0) * scale.factor, scale.decimals, signed=True),
                unit=words.name("unit_difference", outcome.unit_of_measure),
            )
        )
    return " ".join(said)
