"""The flat-file export of GENESIS, in the layout of today (`statistics_code;...`) and of before (`Statistik_Code;...`).

What belongs here: these layouts. What does not: what the figures mean.

One line is one figure (new) or one combination of characteristics with a column per measure (old). The area is the
variable whose code names a kind of area; the other variables become characteristics.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kkz_eval.intake.official.figure import (
    OfficialFigure,
    OfficialTable,
    area_existed,
    check_keys,
    read_period,
    read_value,
    refused,
    region_level,
    split_line,
    whole_lines,
)

STARTS = ("statistics_code;", "Statistik_Code;")
_AREAS = {"DINSG", "DLAND", "REGBEZ", "KREISE", "GEMEIN"}
_NEW = ("{}_variable_code", "{}_variable_label", "{}_variable_attribute_code", "{}_variable_attribute_label")
_OLD = ("{}_Merkmal_Code", "{}_Merkmal_Label", "{}_Auspraegung_Code", "{}_Auspraegung_Label")
_NUMBERED = re.compile(r"([0-9]+)_(?:variable_code|Merkmal_Code)")
_COUNTS = {"Anzahl", "number", "Number"}


@dataclass(frozen=True)
class _Layout:
    """Where each part of a line stands. `values`: column, measure, unit of the old layout; empty in the new one."""

    time: int
    variables: tuple[tuple[int, ...], ...]  # code, label, attribute code, attribute label
    values: tuple[tuple[int, str, str], ...]
    is_new: bool


@dataclass(frozen=True)
class _Line:
    number: int
    key: str
    name: str
    period: tuple[int, dt.date | None]
    characteristics: str
    cells: tuple[tuple[str, str, str], ...]  # printed value, measure, unit


def read_flat(text: str, file_name: str, encoding: str) -> OfficialTable:
    """Read one flat file. Raises `DeliveryError` (TRUNCATED, LAYOUT, SYMBOL, AGS_LEADING_ZERO) with file and line."""
    lines = whole_lines(text, file_name)
    head = split_line(lines[0], file_name, 1)
    layout = _layout(head, file_name)
    found: list[_Line] = []
    code = title = ""
    for number, line in enumerate(lines[1:], start=2):
        cells = split_line(line, file_name, number)
        if not any(cells):
            continue
        if len(cells) != len(head):
            raise refused(
                "TRUNCATED",
                file_name,
                number,
                f"the line has {len(cells)} cells instead of {len(head)}; export the table again.",
            )
        if not found:
            code, title = cells[0], cells[1]
        found.append(_line(number, cells, layout, file_name))
    if not found:
        raise refused("LAYOUT", file_name, None, "the table has no row; choose areas and years and export it again.")
    check_keys({line.key: line.number for line in reversed(found)}, file_name)
    present = {(line.key, line.period) for line in found if any(cell != "-" for cell, _, _ in line.cells)}
    style: Literal["comma", "either"] = "either" if layout.is_new else "comma"

    def figures() -> Iterator[OfficialFigure]:
        for line in found:
            # An area with `-` in all its cells did not exist then; it is not an area of zeros.
            exists = (line.key, line.period) in present and area_existed(line.key, line.period[0])
            for cell, measure, unit in line.cells:
                value, status = read_value(cell, exists and unit in _COUNTS, style)
                text = " | ".join(part for part in (measure, unit) if part)
                level = region_level(line.key)
                yield OfficialFigure(
                    line.number,
                    code,
                    line.key,
                    line.name,
                    level,
                    *line.period,
                    line.characteristics,
                    text,
                    value,
                    status,
                )

    return OfficialTable(code, title, "genesis_flat", encoding, figures)


def _layout(head: list[str], file_name: str) -> _Layout:
    places = {name: index for index, name in enumerate(head)}
    is_new = head[0] == "statistics_code"
    try:
        time = places["time" if is_new else "Zeit"]
        numbers = [match[1] for name in head if (match := _NUMBERED.fullmatch(name))]
        variables = tuple(
            tuple(places[name.format(number)] for name in (_NEW if is_new else _OLD)) for number in numbers
        )
    except KeyError as missing:
        raise refused(
            "LAYOUT", file_name, 1, f"the column {missing} is missing; export the table again as flat file."
        ) from None
    values = () if is_new else tuple(_old_value(index, name) for index, name in enumerate(head) if "__" in name)
    ends_as_new = head[-4:] == ["value", "value_unit", "value_variable_code", "value_variable_label"]
    if not variables or (is_new and not ends_as_new) or not (is_new or values):
        raise refused(
            "LAYOUT",
            file_name,
            1,
            "the columns of areas or of values are missing; export the table again as flat file.",
        )
    return _Layout(time, variables, values, is_new)


def _old_value(index: int, name: str) -> tuple[int, str, str]:
    """`FLC006__Gebietsflaeche__qkm`: code, label, unit."""
    _, label, *unit = name.split("__")
    return index, label, unit[0] if unit else ""


def _line(number: int, cells: list[str], layout: _Layout, file_name: str) -> _Line:
    period = read_period(cells[layout.time])
    if period is None:
        raise refused("LAYOUT", file_name, number, "the time is neither a year nor a day; export yearly figures.")
    areas = [places for places in layout.variables if cells[places[0]] in _AREAS]
    if len(areas) != 1:
        raise refused(
            "LAYOUT",
            file_name,
            number,
            f"{len(areas)} variables name an area instead of one (DINSG, DLAND, REGBEZ, KREISE, GEMEIN).",
        )
    _, _, attribute, attribute_label = areas[0]
    others = [f"{cells[p[1]]}: {cells[p[3]]}" for p in layout.variables if p not in areas]
    # No attribute means the total of all areas: Germany.
    key, name = cells[attribute] or "DG", cells[attribute_label]
    if layout.is_new:
        values: tuple[tuple[str, str, str], ...] = ((cells[-4], cells[-1], cells[-3]),)
    else:
        values = tuple((cells[column], measure, unit) for column, measure, unit in layout.values)
    for cell, measure, _ in values:
        try:
            read_value(cell, False, "either" if layout.is_new else "comma")
        except ValueError:
            raise refused(
                "SYMBOL",
                file_name,
                number,
                f"the value of '{measure}' is neither a number nor a symbol of GENESIS (- . x / ...).",
            ) from None
    return _Line(number, key, name, period, " | ".join(others), values)
