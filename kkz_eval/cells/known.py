"""Which outcomes and places the project knows.

Read from the SQL files themselves, so that no second list can go stale.
"""

import difflib
import re
from collections.abc import Mapping

from kkz_eval.errors import PlanError
from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import SqlFile, in_memory

CHILD_SOURCES = ("school_entry_exam", "kita_attendance", "education")
_LITERAL = re.compile(r"'([a-z][a-z0-9_]*)'")


def known_outcomes(catalog: Mapping[str, SqlFile]) -> dict[str, tuple[str, ...]]:
    """Outcomes by source: columns of a staging table that its cells file lists, and series of official statistics."""
    known: dict[str, tuple[str, ...]] = {}
    for source in CHILD_SOURCES:
        columns = {column.name for column in catalog[f"staging.{source}"].columns}
        known[source] = tuple(sorted(columns & set(_LITERAL.findall(catalog[f"cells.{source}"].query))))
    series = catalog["reference.official_series"].query
    known["official"] = _column(f"SELECT DISTINCT series FROM ({series}) WHERE kind IN ('share', 'rate') ORDER BY 1")
    return known


def require_known(plan: Plan, catalog: Mapping[str, SqlFile]) -> None:
    """Raise `PlanError` for the first outcome its source cannot measure, or the first place that does not exist."""
    _require_known_outcomes(plan, known_outcomes(catalog))
    table, key = ("gemeinde", "ags") if plan.study.unit == "ags" else ("kreis", "kreis")
    places = set(_column(f"SELECT {key} FROM ({catalog[f'reference.{table}'].query})"))
    for excluded in plan.excluded_units:
        if excluded.unit not in places:
            raise PlanError(
                f"plan.toml: the excluded unit {excluded.unit} does not exist; see sql/reference/{table}.sql."
            )


def _column(query: str) -> tuple[str, ...]:
    """First column of a query that reads no table."""
    connection = in_memory()
    try:
        return tuple(str(row[0]) for row in connection.execute(query).fetchall())
    finally:
        connection.close()


def _require_known_outcomes(plan: Plan, known: Mapping[str, tuple[str, ...]]) -> None:
    for outcome in plan.outcomes:
        names = known[outcome.source]
        if outcome.name not in names:
            near = difflib.get_close_matches(outcome.name, names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise PlanError(
                f"plan.toml: the outcome '{outcome.name}' is not measured by {outcome.source};"
                f" {hint}Known: {', '.join(names)}."
            )
