"""One look over all outcomes: main results with their intervals, one panel per unit of measure.

What belongs here: this one chart. What does not: the table with the same numbers.
"""

from typing import Any

import altair as alt

from kkz_eval.report.figures import theme
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, OutcomeMeta, ReportMeta
from kkz_eval.report.results import Effect, Results
from kkz_eval.report.texts import load

_ROW = 30
_PANEL = 260


def _record(effect: Effect | None, outcome: OutcomeMeta, name: str) -> dict[str, Any] | None:
    if effect is None or effect.estimate is None or effect.ci_low is None or effect.ci_high is None:
        return None
    factor = theme.scale_of(outcome).factor
    return {
        "outcome": name,
        "estimate": effect.estimate * factor,
        "low": effect.ci_low * factor,
        "high": effect.ci_high * factor,
    }


def _panel(outcomes: list[OutcomeMeta], results: Results, language: Language) -> alt.LayerChart | None:
    words = load(language)
    overall, full, order = [], [], []
    for outcome in outcomes:
        name = theme.wrap(outcome.label(language), 32)
        if outcome.role != "placebo":
            name += f" {'↓' if outcome.direction == 'lower' else '↑'}"
        record = _record(results.overall(outcome.name), outcome, name)
        if record is None:
            continue
        order.append(name)
        overall.append({**record, "kind": words("chart.all_cohorts"), "role": outcome.role})
        extra = _record(results.fully_exposed(outcome.name), outcome, name)
        if extra is not None:
            full.append({**extra, "kind": words("chart.full_cohorts")})
    if not overall:
        return None
    kinds = [words("chart.all_cohorts"), words("chart.full_cohorts")]
    bounds = [{"low": record["low"], "high": record["high"]} for record in overall + full]
    axis = alt.Axis(
        title=words("chart.difference", unit=words.name("unit_difference", outcomes[0].unit_of_measure)),
        tickCount=4, labelFlush=False, labelOverlap="greedy", format=theme.tick_format(bounds),
    )  # fmt: skip
    x = alt.X("estimate:Q", axis=axis, scale=alt.Scale(zero=True, nice=True, padding=6))
    y = alt.Y(
        "outcome:N",
        sort=order,
        axis=theme.name_axis(minExtent=190),
    )
    offset = alt.YOffset("kind:N", scale=alt.Scale(domain=kinds, paddingOuter=0.9))
    legend = alt.Legend(title=None, orient="top", columns=1)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[theme.NAVY, theme.ORANGE]), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "diamond"]), legend=legend)
    base = alt.Chart(theme.data(overall + full))
    return theme.layers(
        alt.Chart(theme.data([{"zero": 0}]))
        .mark_rule(color=theme.INK, strokeWidth=1)
        .encode(x=alt.X("zero:Q", axis=axis)),
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", axis=axis), x2=alt.X2("high:Q"), y=y, yOffset=offset, color=colour
        ),
        base.mark_point(filled=True, size=48, opacity=1).encode(x=x, y=y, yOffset=offset, color=colour, shape=shape),
        width=_PANEL,
        height=alt.Step(theme.row_height(order, _ROW), **{"for": "position"}),
    )


def forest(results: Results, meta: ReportMeta, language: Language) -> alt.VConcatChart | None:
    """Main results of all outcomes, and those among fully exposed cohorts where there are any.

    Outcomes share an axis only with others of the same unit of measure. An arrow behind the name shows the wanted
    direction. None if no outcome has a released result.
    """
    by_unit: dict[str, list[OutcomeMeta]] = {}
    for outcome in meta.by_role:
        by_unit.setdefault(outcome.unit_of_measure, []).append(outcome)
    panels = [panel for group in by_unit.values() if (panel := _panel(group, results, language)) is not None]
    return alt.vconcat(*panels, spacing=14) if panels else None


def alternative(results: Results, meta: ReportMeta, language: Language) -> str:
    """The chart in words: estimate and interval of every outcome."""
    words, form = load(language), LOCALES[language]
    said = [words("alt.forest")]
    for outcome in meta.by_role:
        effect, scale = results.overall(outcome.name), theme.scale_of(outcome)
        if effect is None or effect.estimate is None or effect.ci_low is None or effect.ci_high is None:
            continue
        value = form.number(effect.estimate * scale.factor, scale.decimals, signed=True)
        span = form.interval(effect.ci_low * scale.factor, effect.ci_high * scale.factor, scale.decimals)
        unit = words.name("unit_difference", outcome.unit_of_measure)
        said.append(f"{outcome.label(language)}: {value} {unit} ({span}).")
    return " ".join(said)
