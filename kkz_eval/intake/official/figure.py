"""One published figure and its parts: keys, numbers, symbols, dates.

What belongs here: the record and the small rules that all layouts share. What does not: any layout, any series.
"""

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kkz_eval.errors import DeliveryError

Status = Literal["value", "zero", "not_available", "secret", "blocked"]
Level = Literal["bund", "land", "kreis", "gemeinde", "other"]
Kind = Literal["genesis_classic", "genesis_flat", "inkar_xls", "inkar_csv"]

#: Years of 31 December in which a Kreis had figures of its own. The Städteregion Aachen (05334) took the place of the
#: Kreis Aachen (05354) on 21 October 2009; tables list both in all years.
EXISTED = {"05334": (2009, 9999), "05354": (0, 2009)}

_SYMBOLS: dict[str, Status] = {
    ".": "secret",
    "x": "blocked",
    "X": "blocked",
    "/": "not_available",
    "...": "not_available",
    "…": "not_available",
    "": "not_available",
}
_NUMBERS = {
    "comma": re.compile(r"-?[0-9]{1,14}(,[0-9]{1,9})?"),
    "either": re.compile(r"-?[0-9]{1,14}([.,][0-9]{1,9})?"),
    "thousands": re.compile(r"-?([0-9]{1,3}(\.[0-9]{3}){1,4}|[0-9]{1,14})(,[0-9]{1,9})?"),
}
_DAY = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YEAR = re.compile(r"(19|20)[0-9]{2}")
_LAND = re.compile(r"0[1-9]|1[0-6]")


@dataclass(frozen=True, slots=True)
class OfficialFigure:
    """One figure of one table: which area, when, of what, and whether it is known.

    `region_key`: text with its leading zero, five digits for a Kreis. `characteristics`: labels that stand beside the
    area, `measure`: labels that stand above the figure with its unit, parts joined by ` | `. `value` is None unless
    `status` is 'value' or 'zero'. `year` is the year of `reference_date`, or the year named by the table.
    """

    line_no: int
    table_code: str
    region_key: str
    region_name: str
    region_level: Level
    year: int
    reference_date: dt.date | None
    characteristics: str
    measure: str
    value: Decimal | None
    status: Status


@dataclass(frozen=True)
class OfficialTable:
    """A file of official statistics that was found whole and readable.

    `figures` starts a new reading of the rows each time it is asked for, because a table of Gemeinden holds
    hundreds of thousands of figures.
    """

    table_code: str
    title: str
    kind: Kind
    encoding: str
    make: Callable[[], Iterator[OfficialFigure]]

    @property
    def figures(self) -> Iterator[OfficialFigure]:
        """All figures in the order of the file."""
        return self.make()


def refused(code: str, file_name: str, line: int | None, sentence: str) -> DeliveryError:
    """The refusal of a file, naming the place."""
    place = file_name if line is None else f"{file_name}, line {line}"
    return DeliveryError(code, f"{place}: {sentence}")


def split_line(line: str, file_name: str, number: int) -> list[str]:
    """The cells of one line without blanks around them. A cell never goes over several lines in these exports."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=";"), [])]
    except csv.Error:
        raise refused(
            "LAYOUT", file_name, number, "the line cannot be split into cells; export the table again."
        ) from None


def whole_lines(text: str, file_name: str) -> list[str]:
    """The lines of a layout without closing mark: only a last line with its end is surely complete."""
    if not text.endswith("\n"):
        number = text.count("\n") + 1
        raise refused(
            "TRUNCATED", file_name, number, "the last line has no end, so it may be cut; export the table again."
        )
    return [line.rstrip("\r") for line in text.split("\n")[:-1]]


def region_level(key: str) -> Level:
    """What kind of area a key names, told by its length; districts of government and associations are 'other'."""
    if key == "DG":
        return "bund"
    levels: dict[int, Level] = {2: "land", 5: "kreis", 8: "gemeinde"}
    return levels.get(len(key), "other")


def check_keys(keys: dict[str, int], file_name: str) -> None:
    """Refuse a file whose keys have lost their leading zero; `keys` maps each key to the line where it first stands.

    No key has one or four digits, and no Land has a number above 16: one such key shows that a spreadsheet has read
    the keys as numbers, so that the others of the file cannot be trusted either (05 111 and 11 would look alike).
    """
    for key, line in keys.items():
        if key == "DG":
            continue
        if len(key) in (1, 4) or not _LAND.match(key):
            raise refused(
                "AGS_LEADING_ZERO",
                file_name,
                line,
                f"the key {key} has lost its leading zero; export the table again without saving it in a spreadsheet.",
            )


def read_value(
    cell: str, dash_is_zero: bool, style: Literal["comma", "either", "thousands"]
) -> tuple[Decimal | None, Status]:
    """A printed cell as number and status. Raises `ValueError` when it is neither a number nor a known symbol.

    `style`: how numbers are printed: decimal comma; decimal comma or point; decimal comma with thousands points.
    """
    if cell == "-":
        return (Decimal(0), "zero") if dash_is_zero else (None, "not_available")
    if cell in _SYMBOLS:
        return None, _SYMBOLS[cell]
    if not _NUMBERS[style].fullmatch(cell):
        raise ValueError("neither a number nor a symbol")
    if style == "thousands":
        cell = cell.replace(".", "")
    return Decimal(cell.replace(",", ".")), "value"


def read_period(cell: str) -> tuple[int, dt.date | None] | None:
    """`2007`, `31.12.2015` or `2015-12-31` as year and reference date; None when it is none of these."""
    if _YEAR.fullmatch(cell):
        return int(cell), None
    german, iso = _DAY.fullmatch(cell), _ISO.fullmatch(cell)
    try:
        if german:
            day = dt.date(int(german[3]), int(german[2]), int(german[1]))
        elif iso:
            day = dt.date(int(iso[1]), int(iso[2]), int(iso[3]))
        else:
            return None
    except ValueError:
        return None
    return day.year, day


def area_existed(key: str, year: int) -> bool:
    """Whether a key that changed was in force in a year (see `EXISTED`)."""
    first, last = EXISTED.get(key, (0, 9999))
    return first <= year <= last
