"""SPSS .sav files: values as text, user-missing values as the contract's missing code, value labels for comparison."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

from kkz_eval.intake.contract import Contract
from kkz_eval.intake.formats.table import Labels, RowWriter, TextTable, empty_file, number_text, unreadable
from kkz_eval.intake.identifiers import match_header, refuse_direct_identifiers

Ranges = list[tuple[Any, Any]]


def read_spss_table(path: Path, contract: Contract, work: Path) -> TextTable:
    """The rows of an SPSS file as text; the line number is the case number plus 1, as if a header stood in line 1.

    Raises `DeliveryError`: UNREADABLE, EMPTY_FILE, SCHEMA, DIRECT_IDENTIFIER.
    """
    import pyreadstat  # noqa: PLC0415

    try:
        _, meta = pyreadstat.read_sav(str(path), metadataonly=True)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError, ValueError):
        raise unreadable(path.name, "SPSS file") from None
    headers = [name or "" for name in meta.column_names]
    # A harmless name such as V12 may be explained by a label such as "Name des Kindes".
    known = {header for column in contract.columns for header in column.headers}
    labels = [label or "" for name, label in zip(headers, meta.column_labels, strict=True) if name not in known]
    refuse_direct_identifiers(path.name, [*headers, *labels], contract)
    columns = match_header(path.name, headers, contract)
    try:
        cases, meta = pyreadstat.read_sav(str(path), user_missing=True, output_format="dict")
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError, ValueError):
        raise unreadable(path.name, "SPSS file") from None
    if not meta.number_rows:
        raise empty_file(path.name)
    missing = _missing_codes(contract)
    delivered = {headers[position]: name for name, position in columns.items()}
    text = [
        _texts(list(cases[header]), _ranges(meta, header), missing[delivered[header]], contract.decimal_mark)
        for header in headers
    ]
    with RowWriter(work, path.stem) as writer:
        for line_no, cells in enumerate(zip(*text, strict=True), start=2):
            writer.row(line_no, cells)
    return writer.table(columns, len(headers), "spss", _labels(meta, delivered, contract.decimal_mark))


def _missing_codes(contract: Contract) -> dict[str, str]:
    return {column.name: column.missing[0] if column.missing else "" for column in contract.columns}


def _ranges(meta: Any, header: str) -> Ranges:
    return [(entry["lo"], entry["hi"]) for entry in meta.missing_ranges.get(header, [])]


def _texts(values: list[Any], ranges: Ranges, missing_code: str, decimal_mark: str) -> list[str]:
    """Values as text. Columns of coded answers hold few different values, so each is written once."""
    written: dict[Any, str] = {}
    texts = []
    for value in values:
        if value not in written:
            written[value] = missing_code if _is_user_missing(value, ranges) else _text(value, decimal_mark)
        texts.append(written[value])
    return texts


def _is_user_missing(value: Any, ranges: Ranges) -> bool:
    for low, high in ranges:
        same_kind = isinstance(value, str) == isinstance(low, str)
        if value is not None and same_kind and not isinstance(value, dt.date) and low <= value <= high:
            return True
    return False


def _text(value: Any, decimal_mark: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (dt.date, dt.datetime)):
        return month_text(value)
    if isinstance(value, (int, float)):
        return number_text(float(value), decimal_mark)
    return str(value)


def month_text(value: dt.date) -> str:
    """The first of a month as YYYY-MM, any other day in full, which the rules then refuse as too exact."""
    return value.strftime("%Y-%m") if value.day == 1 else value.strftime("%Y-%m-%d")


def _labels(meta: Any, delivered: dict[str, str], decimal_mark: str) -> Labels:
    return {
        delivered[header]: {_text(code, decimal_mark): str(label) for code, label in codes.items()}
        for header, codes in meta.variable_value_labels.items()
    }
