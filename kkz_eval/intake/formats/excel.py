"""Excel .xlsx files: the one sheet that holds rows, every cell as text. Numbers appear as Excel keeps them, so that a
leading zero which Excel has dropped is noticed by the rules and not repaired in silence.
"""

import datetime as dt
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.contract import Contract
from kkz_eval.intake.formats.spss import month_text
from kkz_eval.intake.formats.table import RowWriter, TextTable, empty_file, number_text, unreadable
from kkz_eval.intake.identifiers import match_header

LARGEST_CONTENT = 1 << 30
LARGEST_RATIO = 100

#: What openpyxl and the standard library raise on damaged or encrypted workbooks (found by spoiling bytes at random).
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, SyntaxError, RuntimeError, KeyError, ValueError, TypeError,
    AttributeError, IndexError,
)  # fmt: skip


def read_excel_table(path: Path, contract: Contract, work: Path) -> TextTable:
    """The rows of a workbook as text.

    Raises `DeliveryError`: UNREADABLE, TOO_LARGE (a small file that unpacks to a huge one), SHEET (more than one sheet
    with rows), EMPTY_FILE, SCHEMA, DIRECT_IDENTIFIER.
    """
    import openpyxl  # noqa: PLC0415

    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except _DAMAGE:
        raise unreadable(path.name, "Excel workbook") from None
    try:
        return _read_sheet(path, contract, work, book)
    except _DAMAGE:
        raise unreadable(path.name, "Excel workbook") from None
    finally:
        book.close()


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except _DAMAGE:
        raise unreadable(path.name, "Excel workbook") from None
    if size > LARGEST_CONTENT or size > LARGEST_RATIO * max(path.stat().st_size, 1 << 16):
        raise DeliveryError(
            "TOO_LARGE",
            f"{path.name}: the workbook unpacks to {size >> 20} MiB, which is refused; deliver the table as CSV.",
        )


def _read_sheet(path: Path, contract: Contract, work: Path, book: Any) -> TextTable:
    filled = [sheet for sheet in book.worksheets if next(_rows(sheet), None) is not None]
    if len(filled) > 1:
        raise DeliveryError("SHEET", f"{path.name}: more than one sheet holds rows; keep one sheet only.")
    if not filled:
        raise empty_file(path.name)
    rows = _rows(filled[0])
    _, first = next(rows)
    width = max(position for position, cell in enumerate(first, start=1) if cell is not None)
    headers = [str(cell if cell is not None else "").strip() for cell in first[:width]]
    columns = match_header(path.name, headers, contract)
    with RowWriter(work, path.stem) as writer:
        for line_no, row in rows:
            cells = [_text(cell, contract.decimal_mark) for cell in row]
            if any(cells[width:]):
                writer.fault(line_no, "COLUMN_COUNT", contract.delimiter.join(cells))
            else:
                writer.row(line_no, [*cells[:width], *[""] * (width - len(cells))])
        if not writer.n_rows + writer.n_faulty:
            raise empty_file(path.name)
    return writer.table(columns, width, "xlsx")


def _rows(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Rows that are not blank, with their number in the sheet."""
    # The stored size of a sheet may be wrong; without it, rows are read to their end.
    sheet.reset_dimensions()
    for line_no, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if any(cell is not None for cell in row):
            yield line_no, row


def _text(cell: Any, decimal_mark: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, (int, float)):
        return number_text(float(cell), decimal_mark) if isinstance(cell, float) else str(cell)
    if isinstance(cell, (dt.date, dt.datetime)):
        return month_text(cell)
    return str(cell)
