"""Exports of INKAR (BBSR): the original Excel file and the classic CSV. Both hold rates without denominators.

What belongs here: these two layouts. What does not: what the figures mean.

Layout: first row the indicators, second row their years, then one row per area with key, name and kind of area.
"""

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from kkz_eval.intake.official.figure import (
    Kind,
    Level,
    OfficialFigure,
    OfficialTable,
    check_keys,
    read_period,
    read_value,
    refused,
    region_level,
    split_line,
    whole_lines,
)

TABLE_CODE = "INKAR"
_LABELS = ("Kennziffer", "Raumeinheit", "Aggregat")


def read_inkar_csv(text: str, file_name: str, encoding: str) -> OfficialTable:
    """Read the classic CSV. Raises `DeliveryError` (TRUNCATED, LAYOUT, SYMBOL, AGS_LEADING_ZERO) with file and line."""
    lines = enumerate(whole_lines(text, file_name), start=1)
    rows = [split_line(line, file_name, number) for number, line in lines]
    return _table(rows, file_name, "inkar_csv", encoding)


def read_inkar_xls(path: Path) -> OfficialTable:
    """Read the first sheet of the Excel file. Raises `DeliveryError`, also when the file is cut or no Excel file."""
    import xlrd  # noqa: PLC0415  (only this layout needs it)

    try:
        # The exports carry a harmless inconsistency that xlrd would print to the screen.
        book = xlrd.open_workbook(str(path), logfile=io.StringIO())
        sheet = book.sheet_by_index(0)
        cells = [[_text(sheet.cell(row, column)) for column in range(sheet.ncols)] for row in range(sheet.nrows)]
    except Exception as fault:  # xlrd raises many unrelated kinds on damaged files
        raise refused(
            "TRUNCATED", path.name, None, f"the Excel file is damaged ({type(fault).__name__}); export it again."
        ) from None
    return _table(cells, path.name, "inkar_xls", "binary")


def _text(cell: object) -> str:
    """A cell as it would be printed with a decimal comma. Keys stored as numbers keep no zero and are refused later."""
    value = getattr(cell, "value", "")
    if isinstance(value, float):
        number = Decimal(repr(value))
        return str(number.quantize(Decimal(1)) if number == number.to_integral_value() else number).replace(".", ",")
    return str(value).strip()


def _table(rows: list[list[str]], file_name: str, kind: Kind, encoding: str) -> OfficialTable:
    if len(rows) < 3 or tuple(rows[0][:3]) != _LABELS or len(rows[0]) < 4:
        raise refused(
            "LAYOUT",
            file_name,
            1,
            "the columns Kennziffer;Raumeinheit;Aggregat and two header rows are missing; export the table again.",
        )
    indicators = rows[0][3:]
    periods = [_year(cell, file_name) for cell in rows[1][3:]]
    figures: list[OfficialFigure] = []
    keys: dict[str, int] = {}
    for number, row in enumerate(rows[2:], start=3):
        if not any(row):
            continue
        if len(row) != len(indicators) + 3 or len(periods) != len(indicators):
            raise refused(
                "TRUNCATED",
                file_name,
                number,
                f"the row has {len(row)} cells instead of {len(indicators) + 3}; export the table again.",
            )
        keys.setdefault(row[0], number)
        figures.extend(_figures(number, row, indicators, periods, file_name, kind))
    if not figures:
        raise refused("LAYOUT", file_name, None, "the table has no row; choose areas and export it again.")
    check_keys(keys, file_name)
    return OfficialTable(TABLE_CODE, ", ".join(dict.fromkeys(indicators)), kind, encoding, lambda: iter(figures))


def _year(cell: str, file_name: str) -> int:
    period = read_period(cell)
    if period is None:
        raise refused("LAYOUT", file_name, 2, "a column has no year in the second header row; export the table again.")
    return period[0]


def _figures(
    number: int, row: list[str], indicators: list[str], years: list[int], file_name: str, kind: Kind
) -> Iterator[OfficialFigure]:
    key, level = _area(row[0], row[2])
    for indicator, year, cell in zip(indicators, years, row[3:], strict=True):
        try:
            value, status = read_value(cell, False, "comma" if kind == "inkar_xls" else "thousands")
        except ValueError:
            raise refused(
                "SYMBOL", file_name, number, f"the cell under '{indicator}' {year} is neither a number nor empty."
            ) from None
        yield OfficialFigure(number, TABLE_CODE, key, row[1], level, year, None, "", indicator, value, status)


def _area(key: str, kind_of_area: str) -> tuple[str, Level]:
    """INKAR writes a Kreis with five or with eight digits (05114000); only rows of Gemeinden keep all eight."""
    if len(key) == 8 and key.endswith("000") and "gemeinde" not in kind_of_area.lower():
        key = key[:5]
    return key, region_level(key)
