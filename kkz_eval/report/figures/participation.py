"""Who takes part since when: a tile map of the districts and a bar of time per wave.

What belongs here: these two charts. What does not: the list of names (tables.py).
"""

from datetime import date
from typing import Any

import altair as alt

from kkz_eval.report.figures import theme, tiles
from kkz_eval.report.frames import Row, day, number, text, whole
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, ReportMeta
from kkz_eval.report.texts import load

_NEVER = "#dfe4e9"
_PARTIAL = "#b9a8d0"
#: Stands for taking part in part, in any wave.
_IN_PART = 0
_OUTSIDE = "#f3f5f7"


def _shares(found: list[Row], meta: ReportMeta) -> dict[str, dict[int, float]]:
    """Per district the share taking part by wave: of its places, or of its children where units are districts.

    A district that takes part in part has no wave of its own; its share stands under `_IN_PART`.
    """
    shares: dict[str, dict[int, float]] = {}
    sizes: dict[str, int] = {}
    for row in found:
        key = text(row["kreis"]) or text(row["unit"])[:5]
        sizes[key] = sizes.get(key, 0) + 1
        wave = _IN_PART if text(row["role"]) == "partial" else whole(row["wave"])
        own = shares.setdefault(key, {})
        if wave is None or text(row["role"]) == "excluded":
            continue
        dose = number(row["dose"])
        own[wave] = own.get(wave, 0.0) + (dose if meta.unit == "kreis" and dose is not None else 1.0)
    return {key: {wave: part / sizes[key] for wave, part in own.items()} for key, own in shares.items()}


def _squares(
    found: list[Row], meta: ReportMeta, language: Language
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Coloured parts and labels of all tiles; a tile is filled from below, earliest wave first."""
    words = load(language)
    shares = _shares(found, meta)
    parts: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for key, (column, line, sign) in tiles.TILES.items():
        known = key in shares
        place = {"x": column + 0.04, "x2": column + 0.96}
        ground = "never" if known else "outside"
        parts.append({**place, "y": line + 0.04, "y2": line + 0.96, "wave": words(f"map.{ground}")})
        bottom = line + 0.96
        for wave, share in sorted(shares.get(key, {}).items()):
            top = bottom - 0.92 * min(share, 1.0)
            name = words("map.partial") if wave == _IN_PART else words("group.wave", wave=wave)
            parts.append({**place, "y": top, "y2": bottom, "wave": name, "kreis": key})
            bottom = top
        filled = 1 - (bottom - line - 0.04) / 0.92
        first = min(shares.get(key, {}), default=None)
        labels.append(
            {
                "x": column + 0.5,
                "y": line + 0.5,
                "sign": sign,
                "ink": "white" if filled > 0.6 and first == min(meta.waves) else theme.INK if known else "#8a949e",
            }
        )
    return parts, labels


def tile_map(found: list[Row], meta: ReportMeta, language: Language) -> alt.LayerChart:
    """One tile per district, filled as far as it takes part, in the colour of the wave.

    `found` holds rows of the released table participation. Districts without a row stay pale.
    """
    words = load(language)
    parts, labels = _squares(found, meta, language)
    colours = {words("group.wave", wave=wave): colour for wave, colour in theme.wave_colours(meta.waves).items()}
    used = {part["wave"] for part in parts}
    if words("map.partial") in used:
        colours |= {words("map.partial"): _PARTIAL}
    colours |= {words("map.never"): _NEVER}
    if words("map.outside") in used:
        colours |= {words("map.outside"): _OUTSIDE}
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, tiles.COLUMNS], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[tiles.ROWS, 0], nice=False, reverse=False))
    colour = alt.Color(
        "wave:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(title=None, orient="top", columns=3, symbolType="square", symbolSize=120),
    )
    squares = (
        alt.Chart(theme.data(parts))
        .mark_rect(cornerRadius=2)
        .encode(x=x, x2=alt.X2("x2:Q"), y=y, y2=alt.Y2("y2:Q"), color=colour)
    )
    signs = alt.Chart(theme.data(labels)).mark_text(fontSize=12.5, fontWeight="bold", baseline="middle").encode(
        x=x, y=y, text=alt.Text("sign:N"), color=alt.Color("ink:N", scale=None, legend=None)
    )  # fmt: skip
    side = 50
    return theme.layers(squares, signs, width=side * tiles.COLUMNS, height=side * tiles.ROWS)


def wave_counts(found: list[Row]) -> dict[int, tuple[int, int, date | None]]:
    """Per wave: units, districts they lie in, first start."""
    counted: dict[int, tuple[set[str], set[str], list[date]]] = {}
    for row in found:
        wave = whole(row["wave"])
        if wave is None or text(row["role"]) == "excluded":
            continue
        units, kreise, starts = counted.setdefault(wave, (set(), set(), []))
        units.add(text(row["unit"]))
        kreise.add(text(row["kreis"]) or text(row["unit"])[:5])
        start = day(row["start_date"])
        if start is not None:
            starts.append(start)
    return {
        wave: (len(units), len(kreise), min(starts, default=None))
        for wave, (units, kreise, starts) in sorted(counted.items())
    }


def _decimal_year(value: date) -> float:
    return value.year + (value.timetuple().tm_yday - 1) / 365.25


def timing(found: list[Row], meta: ReportMeta, language: Language) -> alt.LayerChart:
    """One bar per wave from its start to the day of the study, with the number of units."""
    words, form = load(language), LOCALES[language]
    now = _decimal_year(meta.as_of)
    bars: list[dict[str, Any]] = []
    for wave, (units, kreise, start) in wave_counts(found).items():
        count = words(f"unit_count.{meta.unit}", n=form.count(units), kreise=form.count(kreise))
        bars.append(
            {
                "wave": words("group.wave", wave=wave),
                "from": _decimal_year(start) if start else float(wave),
                "to": now,
                "count": count,
                "since": words("chart.since", date=form.date(start)) if start else str(wave),
            }
        )
    colours = theme.wave_colours(meta.waves)
    order = [bar["wave"] for bar in bars]
    first = min((bar["from"] for bar in bars), default=now - 1)
    x = alt.X(
        "from:Q",
        scale=alt.Scale(domain=[first - 1.5, now + 0.4], nice=False),
        axis=alt.Axis(format="d", title=None, grid=True, tickCount=6, tickMinStep=1),
    )
    y = alt.Y("wave:N", sort=order, axis=alt.Axis(title=None, domain=False, ticks=False, labelColor=theme.INK))
    colour = alt.Color(
        "wave:N",
        scale=alt.Scale(
            domain=[words("group.wave", wave=wave) for wave in colours], range=list(colours.values())
        ),
        legend=None,
    )  # fmt: skip
    base = alt.Chart(theme.data(bars))
    label = base.mark_text(align="left", baseline="bottom", dy=-11, fontSize=11, color=theme.INK).encode(
        x=alt.datum(first - 1.4), y=y, text=alt.Text("label:N")
    ).transform_calculate(label="datum.since + ' · ' + datum.count")  # fmt: skip
    bar = base.mark_bar(height=12, cornerRadius=2).encode(x=x, x2=alt.X2("to:Q"), y=y, color=colour)
    return theme.layers(bar, label, width=theme.WIDTH, height={"step": 46})


def map_alternative(found: list[Row], meta: ReportMeta, language: Language) -> str:
    """The map in words: how many units and districts per wave."""
    words, form = load(language), LOCALES[language]
    said = [words("alt.map")]
    for wave, (units, kreise, _) in wave_counts(found).items():
        count = words(f"unit_count.{meta.unit}", n=form.count(units), kreise=form.count(kreise))
        said.append(f"{words('group.wave', wave=wave)}: {count}.")
    return " ".join(said)
