"""One file per format: a delivered file becomes a text table, whole rows with their line numbers, every cell as text.

Belongs here: bytes, encodings, sheets, containers. Does not: what a cell may hold.
"""

from pathlib import Path

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.contract import Contract
from kkz_eval.intake.formats.table import TextTable

SUFFIXES = (".csv", ".sav", ".xlsx")


def read_text_table(path: Path, contract: Contract, work: Path, *, line_by_line: bool = False) -> TextTable:
    """The file as text, by the reader of its suffix. Files written for it lie in `work`.

    line_by_line: take a CSV file apart in Python, line by line; needed when its rows are not all of equal length.

    Raises `DeliveryError`: FORMAT for another suffix, and what the readers raise. Direct identifiers and columns that
    do not fit are refused before a single row is copied.
    """
    match path.suffix.lower():
        case ".csv":
            from kkz_eval.intake.formats.csv import read_csv_table  # noqa: PLC0415

            return read_csv_table(path, contract, work, line_by_line=line_by_line)
        case ".sav":
            from kkz_eval.intake.formats.spss import read_spss_table  # noqa: PLC0415

            return read_spss_table(path, contract, work)
        case ".xlsx":
            from kkz_eval.intake.formats.excel import read_excel_table  # noqa: PLC0415

            return read_excel_table(path, contract, work)
    raise DeliveryError(
        "FORMAT", f"{path.name}: files of this kind are not read; deliver one of: {', '.join(SUFFIXES)}."
    )
