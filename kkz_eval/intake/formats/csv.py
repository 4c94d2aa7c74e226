"""CSV: encoding, line ends, header, rows. What belongs here: bytes become UTF-8 lines. What does not: values of cells.

A file that is UTF-8 with LF and neither quotation marks nor oddities is handed on as it is. Other encodings and line
ends are rewritten as a stream. Only what remains (quotation marks, rows of unequal length, broken bytes) is taken apart
line by line, so that one bad line never takes others with it.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.contract import Contract
from kkz_eval.intake.formats.table import RowWriter, TextTable, empty_file, incomplete_file
from kkz_eval.intake.identifiers import match_header

_CHUNK = 1 << 20
_CONTROL_BYTES = bytes(code for code in (*range(32), 127) if code not in (10, 13))
#: UTF-8 text that was read as latin-1 or cp1252 and saved again: Ã¼ Ã¤ Ã¶ ÃŸ Ã„ Ã– Ãœ and â€ž â€“ â‚¬.
_MOJIBAKE = re.compile("Ã[¼¤¶Ÿ„–œ\u0084\u0096\u009c\u009f]|â€|â‚¬")


@dataclass(frozen=True)
class _Survey:
    """What one pass over the bytes tells."""

    encoding: str
    has_broken_bytes: bool
    is_as_it_must_be: bool
    needs_line_by_line: bool
    has_blanks_at_edges: bool
    n_lines: int


def read_csv_table(path: Path, contract: Contract, work: Path, *, line_by_line: bool = False) -> TextTable:
    """The rows of a CSV file as text.

    Raises `DeliveryError`: ENCODING, MOJIBAKE, INCOMPLETE_FILE, EMPTY_FILE, SCHEMA, DIRECT_IDENTIFIER.
    """
    encoding, has_broken_bytes = _encoding(path, contract)
    headers = _header(path, encoding, contract.delimiter)
    columns = match_header(path.name, headers, contract)
    survey = _survey(path, encoding, has_broken_bytes, contract.delimiter)
    if line_by_line or survey.needs_line_by_line:
        return _taken_apart(path, contract, work, columns, survey)
    if survey.n_lines < 2:
        raise empty_file(path.name)
    read_from = path if survey.is_as_it_must_be else _rewritten(path, survey.encoding, work)
    return TextTable(
        path=read_from,
        delimiter=contract.delimiter,
        columns=columns,
        n_columns=len(headers),
        lines_skipped=1,
        has_line_numbers=False,
        n_rows=survey.n_lines - 1,
        encoding=survey.encoding,
        has_blanks_at_edges=survey.has_blanks_at_edges,
    )


def _encoding(path: Path, contract: Contract) -> tuple[str, bool]:
    """Name of the encoding, and whether some bytes do not fit it (lines which are then put aside)."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, broken = "utf-16", False
        if not _decodes(path, encoding):
            raise DeliveryError(
                "ENCODING", f"{path.name}: the text is not valid UTF-16; save it as UTF-8 and deliver again."
            )
    elif _decodes(path, "utf-8"):
        encoding, broken = ("utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"), False
    elif start.startswith(codecs.BOM_UTF8):
        encoding, broken = "utf-8-sig", True
    elif _decodes(path, "cp1252"):
        # Umlauts that only make sense as UTF-8 show a UTF-8 file in which single lines are broken.
        broken = any(_MOJIBAKE.search(text) for text in _texts(path, "cp1252"))
        encoding = "utf-8" if broken else "cp1252"
    else:
        raise DeliveryError(
            "ENCODING",
            f"{path.name}: the text is neither UTF-8 nor Windows-1252; save it as UTF-8 and deliver it again.",
        )
    if encoding.removesuffix("-sig") not in contract.encodings:
        allowed = ", ".join(contract.encodings)
        raise DeliveryError(
            "ENCODING", f"{path.name}: the text is {encoding}, allowed is {allowed}; save it again as that."
        )
    return encoding, broken


def _decodes(path: Path, encoding: str) -> bool:
    try:
        for _ in _texts(path, encoding):
            pass
    except UnicodeError:
        return False
    return True


def _texts(path: Path, encoding: str, errors: str = "strict") -> Iterator[str]:
    """The file in pieces of text; CR LF and CR become LF."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=True)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    with path.open(encoding=encoding, errors="surrogateescape", newline=None) as file:
        line = file.readline(_CHUNK)
    if not line.strip():
        raise empty_file(path.name)
    if not line.endswith("\n"):
        raise incomplete_file(path.name, 1, "the line does not end with a line break")
    cells = _cells(line.rstrip("\n"), delimiter)
    if cells is None or (not line.isprintable() and re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]", line)):
        raise DeliveryError("SCHEMA", f"{path.name}, line 1: the header cannot be read as text; write it anew.")
    return [cell.strip() for cell in cells]


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line; None when a quotation mark is not closed or stands in the wrong place."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _survey(path: Path, encoding: str, has_broken_bytes: bool, delimiter: str) -> _Survey:
    has_odd_byte = encoding == "utf-16"
    has_carriage_return = False
    control = _CONTROL_BYTES.replace(delimiter.encode(), b"")
    with path.open("rb") as file:
        while not has_odd_byte and (chunk := file.read(_CHUNK)):
            has_carriage_return = has_carriage_return or b"\r" in chunk
            has_odd_byte = len(chunk.translate(None, control)) != len(chunk)
    n_lines, has_blank_line, has_quote, has_blanks, last = 0, False, False, False, "\n"
    edges = (f" {delimiter}", f"{delimiter} ", " \n", "\n ")
    for text in _texts(path, encoding, "surrogateescape" if has_broken_bytes else "strict"):
        if not text:
            continue
        if not text.isascii() and (found := _MOJIBAKE.search(text)):
            line_no = n_lines + text.count("\n", 0, found.start()) + 1
            raise DeliveryError(
                "MOJIBAKE",
                f"{path.name}, line {line_no}: umlauts are broken because UTF-8 text was saved as another encoding;"
                " export the file again as UTF-8.",
            )
        n_lines += text.count("\n")
        has_blank_line = has_blank_line or "\n\n" in text or (last == "\n" and text.startswith("\n"))
        has_quote = has_quote or '"' in text
        # A blank at the edge of a piece may be the edge of a cell.
        has_blanks = has_blanks or text[0] == " " or last == " " or any(edge in text for edge in edges)
        last = text[-1]
    if last != "\n":
        raise incomplete_file(path.name, n_lines + 1, "the last line does not end with a line break")
    return _Survey(
        encoding=encoding,
        has_broken_bytes=has_broken_bytes,
        is_as_it_must_be=encoding in ("utf-8", "utf-8-sig") and not has_carriage_return,
        needs_line_by_line=has_broken_bytes or has_odd_byte or has_quote or has_blank_line,
        has_blanks_at_edges=has_blanks,
        n_lines=n_lines,
    )


def _rewritten(path: Path, encoding: str, work: Path) -> Path:
    """A copy in UTF-8 with LF."""
    target = work / f"{path.stem}.rows"
    with target.open("w", encoding="utf-8", newline="") as copy:
        for text in _texts(path, encoding):
            copy.write(text)
    return target


def _taken_apart(path: Path, contract: Contract, work: Path, columns: dict[str, int], survey: _Survey) -> TextTable:
    n_columns = len(columns)
    last_short = last_line = 0
    with (
        RowWriter(work, path.stem) as writer,
        path.open(encoding=survey.encoding, errors="surrogateescape", newline=None) as file,
    ):
        for line_no, whole_line in enumerate(file, start=1):
            line = whole_line.rstrip("\n")
            if line_no == 1 or not line.strip():
                continue
            last_line = line_no
            cells = _cells(line, contract.delimiter)
            if cells is None and len(line) <= 65_536:
                raise incomplete_file(path.name, line_no, "a quotation mark is not closed or stands inside a cell")
            if not line.isascii() and re.search("[\ud800-\udfff]", line):
                writer.fault(line_no, "ENCODING", line)
            elif cells is None:
                writer.fault(line_no, "LINE_TOO_LONG", line)
            elif len(cells) != n_columns:
                last_short = line_no if len(cells) < n_columns else last_short
                writer.fault(line_no, "COLUMN_COUNT", line)
            else:
                writer.row(line_no, cells)
        if not last_line:
            raise empty_file(path.name)
        if last_line == last_short:
            raise incomplete_file(path.name, last_line, "the last row has too few cells")
    return writer.table(columns, n_columns, survey.encoding)
