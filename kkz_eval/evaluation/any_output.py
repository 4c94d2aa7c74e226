"""Rows of results as text: a table to read, CSV, JSON.

What belongs here: columns and formats of `kkz-eval estimate`. What does not: numbers.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Estimate

COLUMNS = (
    "estimator", "aggregation", "cohort", "period", "event_time", "estimate", "std_error", "df", "ci_low", "ci_high",
    "band_low", "band_high", "p_value", "n", "n_units", "n_clusters", "note",
)  # fmt: skip
_SHOWN = ("aggregation", "cohort", "period", "event_time", "estimate", "std_error", "ci_low", "ci_high", "p_value", "n")


def as_csv(rows: Sequence[Estimate]) -> str:
    """One line per row with `COLUMNS`; numbers in full precision, empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)
    return text.getvalue()


def as_json(rows: Sequence[Estimate]) -> str:
    """A list of objects with `COLUMNS`; null where there is none."""
    records = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
    return json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_table(rows: Sequence[Estimate]) -> str:
    """Columns to read in a terminal, below them every note once with the rows it is for."""
    lines = [[*_SHOWN, "note"]]
    notes: dict[str, int] = {}
    for row in rows:
        parts = [part for part in row.note.split("; ") if part]
        marks = [str(notes.setdefault(part, len(notes) + 1)) for part in parts]
        lines.append([_short(getattr(row, name)) for name in _SHOWN] + [",".join(marks)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [f"estimator: {rows[0].estimator}" if rows else "no rows"]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(line[1:-1], widths[1:-1], strict=True)),
            line[-1],
        ]
        text.append("  ".join(cells).rstrip())
    text += [f"{number}: {note}" for note, number in notes.items()]
    return "\n".join(text) + "\n"


_WRITERS: Mapping[str, Callable[[Sequence[Estimate]], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def format_of(wanted: str, output: Path | None) -> str:
    """table, csv or json: as wanted, else by the ending of the output file. Raises EstimationError."""
    found = wanted or ("table" if output is None else output.suffix.lower().removeprefix("."))
    chosen = found if wanted or found in _WRITERS else "table"
    if chosen not in _WRITERS:
        raise EstimationError(f"format {chosen} is not known; choose {', '.join(_WRITERS)}.")
    return chosen


def as_text(rows: Sequence[Estimate], form: str) -> str:
    """The rows in one of the formats of `format_of`."""
    return _WRITERS[form](rows)


def write_text(text: str, output: Path) -> None:
    """Write the file, or raise EstimationError."""
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise EstimationError(f"{output}: cannot be written ({fault.strerror}); name another file.") from None


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _short(value: object) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
