"""Released tables as CSV bytes: one form for machines, one that a German Excel opens with a double click.

What belongs here: text forms of whole tables. What does not: choosing, rounding or suppressing what they hold.
"""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd

from kkz_eval.report.frames import is_empty

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _plain(value: Any) -> str:  # noqa: PLR0911  (one kind of value a line)
    """A value with a decimal point and ISO dates; empty for nothing."""
    if type(value) is str:  # most values; the rest of the questions take their time
        return value
    if is_empty(value):
        return ""
    if isinstance(value, bool) or type(value).__name__ == "bool_":  # NumPy's own bool is not a bool
        return "true" if value else "false"
    if isinstance(value, float):
        # Counts with missing entries arrive as floats: 12.0 is the count 12.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _german(value: Any) -> str:
    """The same for a German Excel: decimal comma, and text that cannot be taken for a formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    written = _plain(value)
    if isinstance(value, float | Decimal):
        return written.replace(".", ",")
    return written


def _table(frame: pd.DataFrame, delimiter: str, write: Any) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n" if delimiter == ";" else "\n")
    writer.writerow([write(str(column)) for column in frame.columns])
    columns = [frame[column].astype(object).tolist() for column in frame.columns]
    for values in zip(*columns, strict=True):
        writer.writerow([write(value) for value in values])
    return buffer.getvalue()


def machine_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8, comma, decimal point, line feeds, nothing for missing. Same frame, same bytes."""
    return _table(frame, ",", _plain).encode("utf-8")


def excel_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 with BOM, semicolon, decimal comma, CRLF, as a German Excel expects it.

    Text that begins like a formula (`=`, `+`, `-`, `@`, TAB, CR) gets an apostrophe in front; numbers stay numbers.
    """
    return b"\xef\xbb\xbf" + _table(frame, ";", _german).encode("utf-8")
