"""The text table that every format ends in, and its writer. What belongs here: the shape between formats and rules."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from kkz_eval.errors import DeliveryError

#: Separates cells in files that we write ourselves; no delivered cell may hold a control character.
CELL_SEPARATOR = "\x1f"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_LINE = 65_536
Labels = dict[str, dict[str, str]]
_KEPT_OF_FAULTY_LINE = 2_000


@dataclass(frozen=True)
class TextTable:
    """A delivered file as text, ready to be read column by column as VARCHAR.

    path: UTF-8, lines end with LF, no quotation marks, one row per line.
    columns: stored name of each column → its position among the delivered ones (from 0).
    n_columns: number of delivered columns.
    lines_skipped: lines before the first row in `path`; row i then stands in line lines_skipped + i, unless
    `has_line_numbers`: then the first cell of each row is its line in the delivered file.
    faulty: file of (line number, reason, text) for lines that are no row at all; None when there are none.
    has_blanks_at_edges: whether cells begin or end with blanks, which are then to be cut off.
    n_rows: rows in `path`; n_faulty: lines in `faulty`.
    labels: value labels of the file, stored name of the column → delivered code → label; empty for plain text.
    """

    path: Path
    delimiter: str
    columns: dict[str, int]
    n_columns: int
    lines_skipped: int
    has_line_numbers: bool
    n_rows: int
    encoding: str
    has_blanks_at_edges: bool = False
    faulty: Path | None = None
    n_faulty: int = 0
    labels: Labels = field(default_factory=dict)


class RowWriter:
    """Writes a text table with line numbers. Rows that are none go to a second file with their reason.

    Use as a context manager; on an exception both files are removed.
    """

    def __init__(self, work: Path, stem: str) -> None:
        self.path = work / f"{stem}.rows"
        self.faulty_path = work / f"{stem}.faulty"
        self.n_rows = 0
        self.n_faulty = 0
        self._pending: list[str] = []

    def __enter__(self) -> Self:
        self._file = self.path.open("w", encoding="utf-8", newline="")
        self._faulty = self.faulty_path.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file, self._faulty:
            if kind is None:
                self._flush()
        if kind is not None:
            self.path.unlink(missing_ok=True)
            self.faulty_path.unlink(missing_ok=True)

    def row(self, line_no: int, cells: Sequence[str]) -> None:
        """Add one row; a control character in a cell makes it a faulty line."""
        text = CELL_SEPARATOR.join([str(line_no), *(cell.strip(" ") for cell in cells)])
        if len(text) > LONGEST_LINE:
            self.fault(line_no, "LINE_TOO_LONG", text)
        elif any(CONTROL.search(cell) for cell in cells):
            self.fault(line_no, "CONTROL_CHARS", text)
        else:
            self.n_rows += 1
            self._pending.append(text + "\n")
            if len(self._pending) >= 10_000:
                self._flush()

    def fault(self, line_no: int, reason: str, text: str) -> None:
        """Add a line that is no row: too few cells, bytes that are no text, …"""
        self.n_faulty += 1
        kept = text[:_KEPT_OF_FAULTY_LINE].replace(CELL_SEPARATOR, ";").encode("utf-8", "replace").decode("utf-8")
        self._faulty.write(CELL_SEPARATOR.join([str(line_no), reason, CONTROL.sub("?", kept)]) + "\n")

    def table(self, columns: dict[str, int], n_columns: int, encoding: str, labels: Labels | None = None) -> TextTable:
        """The finished table; to be called after the writer is closed."""
        return TextTable(
            path=self.path,
            delimiter=CELL_SEPARATOR,
            columns=columns,
            n_columns=n_columns,
            lines_skipped=0,
            has_line_numbers=True,
            n_rows=self.n_rows,
            encoding=encoding,
            faulty=self.faulty_path if self.n_faulty else None,
            n_faulty=self.n_faulty,
            labels=labels or {},
        )

    def _flush(self) -> None:
        self._file.write("".join(self._pending))
        self._pending.clear()


def unreadable(file_name: str, what: str) -> DeliveryError:
    """The file is damaged or is not what its suffix says."""
    return DeliveryError(
        "UNREADABLE",
        f"{file_name}: this is no readable {what}, or it is damaged or protected; export and deliver it again.",
    )


def empty_file(file_name: str) -> DeliveryError:
    """The file holds no row."""
    return DeliveryError("EMPTY_FILE", f"{file_name}: the file holds no row below its header; deliver the file again.")


def incomplete_file(file_name: str, line_no: int, what: str) -> DeliveryError:
    """The file was cut off."""
    return DeliveryError(
        "INCOMPLETE_FILE",
        f"{file_name}, line {line_no}: {what}; the file seems cut off, so deliver it again as a whole.",
    )


def number_text(value: float, decimal_mark: str) -> str:
    """A number as an office writes it in a CSV file: no exponent, no trailing zeros, the contract's decimal mark."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else str(value)
    if float(value).is_integer() and abs(value) < 2**53:
        return str(int(value))
    return format(value, ".12g").replace(".", decimal_mark)
