"""Look of all charts, and their bytes.

What belongs here: palette, sizes, units and rendering. What does not: any single chart.
"""

import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import altair as alt
import vl_convert

from kkz_eval.report.locale import LOCALES, Locale
from kkz_eval.report.meta import Language, OutcomeMeta

WIDTH = 400  # of the plotting area; about 480 with the axis, readable on a phone and side by side on a desk
INK = "#1c2733"
MUTED = "#566270"
FAINT = "#d5dbe2"
SHADE = "#e9edf1"
NAVY = "#12477d"
PALE_NAVY = "#9fbcd8"
ORANGE = "#d5790b"
SKY = "#56a5d0"
LILAC = "#9c83bb"
GREY = "#6b7480"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Told apart by lightness as well as hue, so also in grey print and with any colour vision.
_WAVE_COLOURS = (NAVY, ORANGE, SKY, LILAC)
_SHAPES = ("circle", "square", "diamond", "triangle-up")

Chart = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.HConcatChart


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers of one unit of measure are shown: factor from stored to shown values, decimals."""

    factor: float
    decimals: int
    is_share: bool


def scale_of(outcome: OutcomeMeta) -> Scale:
    """Shares are shown as per cent (levels) and percentage points (differences); all else as stored."""
    if outcome.unit_of_measure == "share":
        return Scale(100.0, 1, True)
    return Scale(1.0, 2, False)


def wave_colours(waves: tuple[int, ...]) -> dict[str, str]:
    """One colour per wave, the earliest darkest."""
    return {str(wave): _WAVE_COLOURS[i % len(_WAVE_COLOURS)] for i, wave in enumerate(sorted(waves))}


def wave_shapes(waves: tuple[int, ...]) -> dict[str, str]:
    """One symbol per wave."""
    return {str(wave): _SHAPES[i % len(_SHAPES)] for i, wave in enumerate(sorted(waves))}


def data(records: list[dict[str, Any]]) -> alt.InlineData:
    """Records as inline data of a chart."""
    return alt.InlineData(values=records)


def layers(*charts: Any, **more: Any) -> alt.LayerChart:
    """Charts on top of each other; the type checker cannot see that none of them has facets."""
    return cast(alt.LayerChart, alt.layer(*charts, **more))


def tick_format(points: list[dict[str, Any]]) -> str:
    """Enough decimals for the axis to tell its ticks apart."""
    values = [abs(v) for p in points for k, v in p.items() if k not in ("time", "kind", "mark") and v is not None]
    largest = max(values, default=1.0)
    return ",.3f" if largest < 0.05 else ",.2f" if largest < 0.5 else ",.2~f"


def wrap(label: str, width: int = 26) -> str:
    """A label broken into lines joined by a line feed, for axes that split at it."""
    return "\n".join(textwrap.wrap(label, width, break_long_words=False, break_on_hyphens=False)) or label


def row_height(names: list[str], least: int) -> int:
    """Height of a row that holds the name with the most lines."""
    return max(least, *(14 * (name.count("\n") + 1) + 8 for name in names), 0)


def name_axis(**more: Any) -> alt.Axis:
    """An axis of names broken into lines by `wrap`; several lines stand around the middle of their row."""
    lines = "length(split(datum.value, '\\n'))"
    upward: Any = {"condition": [{"test": f"{lines} == {n}", "value": -6 * (n - 1)} for n in (2, 3, 4)], "value": 0}
    return alt.Axis(
        title=None, labelExpr="split(datum.label, '\\n')", labelLimit=240, labelColor=INK, labelFontSize=11.5,
        labelLineHeight=12, labelOffset=upward, domain=False, ticks=False, grid=True, gridColor=SHADE, **more,
    )  # fmt: skip


def styled(chart: Any, language: Language) -> Any:
    """The chart with the common look and the number format of the language."""
    axis = {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": SHADE,
        "domainColor": "#9aa5b1",
        "tickColor": "#9aa5b1",
        "tickSize": 4,
        "labelPadding": 4,
    }
    return chart.configure(
        aria=False,
        background="transparent",
        font=FONT,
        locale=_locale(language).vega(),
        padding=4,
        axis=axis,
        view={"stroke": None},
        legend={
            "labelFontSize": 12,
            "labelColor": INK,
            "titleFontSize": 12,
            "titleColor": MUTED,
            "titleFontWeight": "normal",
            "orient": "top",
            "symbolStrokeWidth": 0,
            "columnPadding": 12,
            "labelLimit": 420,
            "symbolOpacity": 1,
        },
        title={"fontSize": 12, "fontWeight": "normal", "color": MUTED, "anchor": "start", "offset": 8},
        text={"fontSize": 11, "color": MUTED},
        header={"labelFontSize": 12, "labelColor": INK},
    )


def _locale(language: Language) -> Locale:
    return LOCALES[language]


def svg(chart: Any, *, name: str = "", label: str = "") -> str:
    """The chart as an SVG element to stand inside a page.

    Same chart, same text. Fixed width and height are removed so that the page decides; so are name spaces, which an
    element inside a page does not need. `label` becomes the text alternative; `name` keeps ids of several charts apart.
    """
    drawn = vl_convert.vegalite_to_svg(specification(chart))
    head, body = drawn.split(">", 1)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    size = f"0 0 {box.group(1)} {box.group(2)}" if box else "0 0 480 320"
    for pattern, better in _LIGHTER:
        body = pattern.sub(better, body)
    body = _TAG.sub(lambda tag: _LONG_DECIMAL.sub(r"\1", tag.group(0)), body)  # only inside tags: text stays as it is
    if name:
        body = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{escape(name)}-", body)
    return f'<svg viewBox="{size}" role="img" aria-label="{escape(label)}" font-family="{FONT}">{body}'


_TAG = re.compile(r"<[^>]+>")
_LONG_DECIMAL = re.compile(r"(\d\.\d\d)\d+")

# What a page does not need: roles inside a picture that is one image, empty paths, hidden labels, defaults.
_LIGHTER = tuple(
    (re.compile(pattern), better)
    for pattern, better in (
        (r' (?:class|role|aria-[a-z]+|pointer-events|font-family)="[^"]*"', ""),
        (r' (?:opacity|stroke-width)="1"', ""),
        (r'<text [^>]*opacity="0"[^>]*>[^<]*</text>', ""),
        (r'<path d="(?:M0,0h0v0h0Z)?"(?: display="none")?/>', ""),
        (r"<g>(?:<g></g>)*</g>", ""),
    )
)


def png(chart: Any, *, scale: float = 2.0) -> bytes:
    """The chart as PNG bytes on a white ground. Same chart, same bytes."""
    spec = specification(chart)
    spec.setdefault("config", {})["background"] = "white"
    return bytes(vl_convert.vegalite_to_png(spec, scale=scale))


def specification(chart: Any) -> dict[str, Any]:
    """The chart as Vega-Lite. The schema is not checked again: that takes longer than drawing, and tests do it."""
    return cast(dict[str, Any], chart.to_dict(validate=False))
