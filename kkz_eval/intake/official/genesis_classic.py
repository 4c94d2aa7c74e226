"""The classic CSV export of GENESIS (Regionaldatenbank Deutschland, Regionalatlas).

What belongs here: this layout. What does not: what the figures mean.

Layout: `GENESIS-Tabelle: code`; title lines; lines of column heads with empty cells above the row labels; rows; a line
of underscores and notes. The year stands in the first column of each row, or alone in a line above the rows.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

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
)

CODE = re.compile(r"(?:GENESIS-)?Tabelle: *([\w-]+)")
_FOOTER = "____"
_KEY = re.compile(r"DG|[0-9]{1,12}")
_ONLY = re.compile(r"\((ab|bis) (\d{4})\)")
_OWN_KREIS = re.compile(r"kreisfreie stadt|krfr\. stadt|stadtkreis", re.IGNORECASE)

Period = tuple[int, dt.date | None]


@dataclass(frozen=True)
class _Row:
    line_no: int
    period: Period
    key: str
    name: str
    labels: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class _Measure:
    """A column: its heads, whether `-` means none in it, and the years to which the heads limit it."""

    text: str
    dash_is_zero: bool
    first_year: int
    last_year: int


def read_classic(text: str, file_name: str, encoding: str) -> OfficialTable:
    """Read one table. Raises `DeliveryError` (TRUNCATED, LAYOUT, SYMBOL, AGS_LEADING_ZERO) with file and line."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    found = CODE.match(lines[0])
    if not found:
        raise refused(
            "LAYOUT", file_name, 1, "the line `GENESIS-Tabelle: ...` is missing; export the table again as CSV."
        )
    end = next((number for number, line in enumerate(lines) if line.startswith(_FOOTER)), None)
    if end is None:
        raise refused(
            "TRUNCATED",
            file_name,
            len(lines),
            "the closing line of underscores is missing, so rows may be missing too; export it again.",
        )
    titles, heads, rows = _parts(lines[:end], file_name)
    measures = _measures(heads, titles)
    _check_cells(rows, measures, file_name)
    absent = _absent_areas(rows)
    is_by_gemeinde = any(title.startswith("regional") and "gemeinden" in title.lower() for title in titles)
    code = found[1]

    def figures() -> Iterator[OfficialFigure]:
        for row in rows:
            is_absent = (row.key, row.period) in absent or not area_existed(row.key, row.period[0])
            yield from _figures(row, code, measures, is_absent, is_by_gemeinde)

    return OfficialTable(code, " ".join(titles), "genesis_classic", encoding, figures)


def _parts(lines: list[str], file_name: str) -> tuple[list[str], list[list[str]], list[_Row]]:
    """Title lines, lines of column heads, rows."""
    titles: list[str] = []
    heads: list[list[str]] = []
    rows: list[_Row] = []
    header_period: Period | None = None
    n_labels = n_columns = 0
    for number, line in enumerate(lines[1:], start=2):
        cells = split_line(line, file_name, number)
        if not any(cells):
            continue
        alone = cells[0] if not any(cells[1:]) else ""
        if alone and read_period(alone):
            header_period = read_period(alone)
        elif not rows and not _starts_row(cells):
            if alone:
                titles.append(alone)
            elif cells[0]:
                raise refused(
                    "LAYOUT",
                    file_name,
                    number,
                    "this is neither a title, a line of column heads nor a row; export the table again.",
                )
            else:
                heads.append(cells)
        else:
            if not rows:
                n_labels, n_columns = _shape(heads, cells, file_name, number)
            if len(cells) != n_columns:
                raise refused(
                    "TRUNCATED",
                    file_name,
                    number,
                    f"the row has {len(cells)} cells instead of {n_columns}; export the table again.",
                )
            rows.append(_row(cells, number, n_labels, header_period, file_name))
    if not rows:
        raise refused("LAYOUT", file_name, None, "the table has no row; choose areas and years and export it again.")
    check_keys(_first_lines(rows), file_name)
    return titles, heads, rows


def _starts_row(cells: list[str]) -> bool:
    """Whether cells are year, key, name, ... or key, name, ..."""
    if len(cells) < 3:
        return False
    return bool(_KEY.fullmatch(cells[0]) or (read_period(cells[0]) and _KEY.fullmatch(cells[1])))


def _shape(heads: list[list[str]], first: list[str], file_name: str, number: int) -> tuple[int, int]:
    """Number of columns that label a row, and of all columns."""
    if not heads:
        raise refused(
            "LAYOUT", file_name, number, "there are no column heads above the first row; export the table again."
        )
    n_labels = _n_labels(heads)
    n_needed = 3 if _is_dated(first) else 2
    n_columns = len(first)
    if n_labels < n_needed or max(len(head) for head in heads) != n_columns:
        raise refused(
            "LAYOUT", file_name, number, "the columns of this row do not fit the column heads; export the table again."
        )
    return n_labels, n_columns


def _n_labels(heads: list[list[str]]) -> int:
    """Heads begin above the first figure; the columns before it label the row."""
    return min(next(index for index, cell in enumerate(head) if cell) for head in heads)


def _is_dated(cells: list[str]) -> bool:
    return bool(read_period(cells[0]) and _KEY.fullmatch(cells[1]))


def _row(cells: list[str], number: int, n_labels: int, header_period: Period | None, file_name: str) -> _Row:
    period, labels = (
        (read_period(cells[0]), cells[1:n_labels]) if _is_dated(cells) else (header_period, cells[:n_labels])
    )
    if not period or len(labels) < 2 or not _KEY.fullmatch(labels[0]):
        raise refused("LAYOUT", file_name, number, "the row has no year or no key of an area; export the table again.")
    return _Row(number, period, labels[0], labels[1], " | ".join(labels[2:]), tuple(cells[n_labels:]))


def _first_lines(rows: list[_Row]) -> dict[str, int]:
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.key, row.line_no)
    return first


def _measures(heads: list[list[str]], titles: list[str]) -> list[_Measure]:
    """Column heads joined from top to bottom. Only in tables of counts (unit `Anzahl`) does `-` mean none."""
    n_labels, n_columns = _n_labels(heads), max(len(head) for head in heads)
    is_count_table = any("(Anzahl)" in title for title in titles)
    measures = []
    for column in range(n_labels, n_columns):
        parts = [head[column] for head in heads if column < len(head) and head[column]]
        text = " | ".join(parts)
        limits = dict(_ONLY.findall(text))
        measures.append(
            _Measure(
                text,
                is_count_table or "Anzahl" in parts,
                int(limits.get("ab", 0)),
                int(limits.get("bis", 9999)),
            )
        )
    return measures


def _check_cells(rows: list[_Row], measures: list[_Measure], file_name: str) -> None:
    for row in rows:
        for measure, cell in zip(measures, row.cells, strict=True):
            try:
                read_value(cell, measure.dash_is_zero, "comma")
            except ValueError:
                raise refused(
                    "SYMBOL",
                    file_name,
                    row.line_no,
                    f"the cell under '{measure.text}' is neither a number nor a symbol of GENESIS (- . x / ...).",
                ) from None


def _absent_areas(rows: list[_Row]) -> set[tuple[str, Period]]:
    """Areas and periods with `-` in every cell of all their rows: areas that did not exist then, not areas of zeros."""
    present = {(row.key, row.period) for row in rows if any(cell != "-" for cell in row.cells)}
    return {(row.key, row.period) for row in rows} - present


def _figures(
    row: _Row, code: str, measures: list[_Measure], is_absent: bool, is_by_gemeinde: bool
) -> Iterator[OfficialFigure]:
    year, day = row.period
    keys = [row.key]
    if is_by_gemeinde and len(row.key) == 5 and _OWN_KREIS.search(row.name):
        # A kreisfreie Stadt stands with five digits among the Gemeinden: it is both a Kreis and a Gemeinde.
        keys.append(f"{row.key}000")
    for key in keys:
        level = region_level(key)
        for measure, cell in zip(measures, row.cells, strict=True):
            counts = measure.dash_is_zero and not is_absent and measure.first_year <= year <= measure.last_year
            value, status = read_value(cell, counts, "comma")
            yield OfficialFigure(
                row.line_no, code, key, row.name, level, year, day, row.labels, measure.text, value, status
            )
