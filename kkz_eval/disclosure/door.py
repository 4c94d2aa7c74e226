"""The audit of a release. What belongs here: what may leave, and proof that it was checked. What does not: files."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from kkz_eval.errors import DisclosureError
from kkz_eval.plan.model import Plan
from kkz_eval.plan.read import plan_sha256
from kkz_eval.warehouse import Column, SqlFile, read_frame, write_rows

if TYPE_CHECKING:
    import pandas as pd

RELEASED_TABLES = (
    "participation", "coverage", "description", "exposure", "effects", "event_study", "group_time", "cross_check",
    "detectability", "dose_response", "looks", "placebo_adoption", "early_signal", "cost",
    "sensitivity", "dictionary",
)  # fmt: skip

#: What a file in sql/release may read. `cells.event_exposure` holds years under the programme only.
READABLE = ("disclosure", "plan", "reference")
READABLE_TABLES = frozenset({"cells.event_exposure"})

_DICTIONARY = (
    (Column("table_name", "id", "released table"), "VARCHAR"),
    (Column("position", "number", "place of the column in the table"), "INTEGER"),
    (Column("column_name", "id", "column"), "VARCHAR"),
    (Column("unit", "text", "unit of measure"), "VARCHAR"),
    (Column("description", "text", "meaning"), "VARCHAR"),
)
_DICTIONARY_GRAIN = "One row per released table and column: its meaning."


@dataclass(frozen=True)
class ReleasedTables:
    """Tables that have passed the door, by name, in a fixed order of rows. Only `open_door` makes them."""

    frames: Mapping[str, "pd.DataFrame"]
    keys: Mapping[str, tuple[str, ...]]
    grains: Mapping[str, str]


def write_dictionary(connection: duckdb.DuckDBPyConnection, catalog: Mapping[str, SqlFile]) -> int:
    """Write `release.dictionary` from the headers of the released tables. Returns its number of rows."""
    rows: list[tuple[object, ...]] = []
    for table in RELEASED_TABLES[:-1]:
        columns: Iterable[Column] = catalog[f"release.{table}"].columns
        rows += [(table, place, c.name, c.unit, c.description) for place, c in enumerate(columns, start=1)]
    rows += [("dictionary", place, c.name, c.unit, c.description) for place, (c, _) in enumerate(_DICTIONARY, start=1)]
    return write_rows(connection, "release.dictionary", _DICTIONARY_GRAIN, _DICTIONARY, rows, repr(rows))


def open_door(connection: duckdb.DuckDBPyConnection, catalog: Mapping[str, SqlFile], plan: Plan) -> ReleasedTables:
    """Audit every released table and hand all of them out, or none.

    Raises `DisclosureError` naming table, column, rule and number of rows; never a value.
    """
    frames: dict[str, pd.DataFrame] = {}
    keys: dict[str, tuple[str, ...]] = {"dictionary": ("table_name", "position")}
    grains: dict[str, str] = {"dictionary": _DICTIONARY_GRAIN}
    for table in RELEASED_TABLES[:-1]:
        file = catalog[f"release.{table}"]
        _check_inputs(file)
        keys[table], grains[table] = file.key, file.grain
        frame = read_frame(connection, file.name, file.key)
        _check_counts(file, frame, plan.disclosure.threshold)
        _check_finite(file, frame)
        _check_plan(file, frame, plan)
        frames[table] = frame
    frames["dictionary"] = read_frame(connection, "release.dictionary", keys["dictionary"])
    return ReleasedTables(frames, keys, grains)


def _check_inputs(file: SqlFile) -> None:
    closed = sorted(name for name in file.reads if name.split(".")[0] not in READABLE and name not in READABLE_TABLES)
    if closed:
        raise DisclosureError(
            f"{file.name} reads {closed[0]}, which has not been through disclosure control; read disclosure.* instead."
        )


def _check_counts(file: SqlFile, frame: "pd.DataFrame", threshold: int) -> None:
    for column in file.columns:
        if column.unit != "count":
            continue
        counts = frame[column.name].astype("Float64")
        n_small = int(((counts > 0) & (counts < threshold)).sum())
        if n_small:
            raise DisclosureError(
                f"{file.name}: {n_small} rows of {column.name} rest on fewer than {threshold} children;"
                " suppress them before release."
            )


def _check_plan(file: SqlFile, frame: "pd.DataFrame", plan: Plan) -> None:
    """Estimates of another plan than the released one come from a run that was broken off or mixed with another."""
    if "plan_sha256" in frame and set(frame["plan_sha256"]) - {plan_sha256(plan)}:
        raise DisclosureError(f"{file.name}: some estimates were computed under another plan; run the whole job again.")


def _check_finite(file: SqlFile, frame: "pd.DataFrame") -> None:
    for column in file.columns:
        if frame[column.name].dtype.kind != "f":
            continue
        n_infinite = sum(math.isinf(value) for value in frame[column.name].dropna())
        if n_infinite:
            raise DisclosureError(
                f"{file.name}: {n_infinite} rows of {column.name} are not finite; mark them not estimable."
            )
