"""Columns of text and the bytes of a file. What belongs here: how codes become bytes. What does not: which codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

TextColumn = NDArray[np.bytes_]
Table = dict[str, TextColumn]


def coded(codes: NDArray[np.generic], texts: Sequence[str]) -> TextColumn:
    """Text of each code; `texts` is indexed by code."""
    table = np.array([text.encode("utf-8") for text in texts], dtype=np.bytes_)
    return np.asarray(table[codes.astype(np.int64)])


def numbered(values: NDArray[np.generic], highest: int) -> TextColumn:
    """Whole numbers from 0 to `highest` as text."""
    return coded(values, [str(number) for number in range(highest + 1)])


def decimal_comma(tenths: NDArray[np.generic], highest: int) -> TextColumn:
    """Numbers given in tenths with a decimal comma and one decimal."""
    return coded(tenths, [f"{number // 10},{number % 10}" for number in range(highest + 1)])


def months(values: NDArray[np.generic]) -> TextColumn:
    """Months since January of year 0 as YYYY-MM."""
    codes = values.astype(np.int64)
    first, last = (int(codes.min()), int(codes.max())) if len(codes) else (0, 0)
    return coded(codes - first, [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(first, last + 1)])


def constant(text: str, n: int) -> TextColumn:
    """The same text n times."""
    return np.full(n, text.encode("utf-8"), dtype=f"S{max(1, len(text.encode('utf-8')))}")


def replaced(column: TextColumn, where: NDArray[np.bool_], text: str) -> TextColumn:
    """The column with another text where the mask is true."""
    return np.where(where, np.array(text.encode("utf-8"), dtype=np.bytes_), column)


def take(table: Mapping[str, TextColumn], rows: NDArray[np.generic]) -> Table:
    """The given rows of every column."""
    return {name: column[rows] for name, column in table.items()}


def stack(tables: Sequence[Mapping[str, TextColumn]]) -> Table:
    """Rows of several tables with the same columns, one under the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def file_bytes(
    table: Mapping[str, TextColumn], *, encoding: str = "utf-8", newline: str = "\n", bom: bool = False
) -> bytes:
    """A `;` separated file with its header line.

    Columns are fixed-width bytes filled up with zero bytes; laid side by side, the zero bytes are dropped in one
    step, which is many times faster than writing line by line. Texts must not hold zero bytes. Columns hold UTF-8;
    another encoding is made at the end.
    """
    names = list(table)
    n = len(table[names[0]])
    ends = newline.encode("ascii")
    widths = [table[name].dtype.itemsize for name in names]
    matrix = np.zeros((n, sum(widths) + len(names) - 1 + len(ends)), dtype=np.uint8)
    position = 0
    for name, width in zip(names, widths, strict=True):
        if position:
            matrix[:, position] = ord(";")
            position += 1
        matrix[:, position : position + width] = np.ascontiguousarray(table[name]).view(np.uint8).reshape(n, width)
        position += width
    matrix[:, position:] = np.frombuffer(ends, dtype=np.uint8)
    body: bytes = matrix[matrix != 0].tobytes()
    content = (";".join(names) + newline).encode("utf-8") + body
    if encoding != "utf-8":
        content = content.decode("utf-8").encode(encoding)
    return (b"\xef\xbb\xbf" if bom else b"") + content
