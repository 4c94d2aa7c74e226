"""Columns of `horizon.sensitivity` and a row of it. What belongs here: names, units and meanings."""

from dataclasses import dataclass

from kkz_eval.warehouse import Column

SENSITIVITY_COLUMNS = (
    (Column("outcome", "id", "primary outcome of the plan"), "VARCHAR"),
    (Column("threat", "text", "what is assumed or changed; main is the result as planned"), "VARCHAR"),
    (Column("assumption", "text", "which assumption or choice of this kind"), "VARCHAR"),
    (Column("position", "number", "place of the row in the table of its outcome; the main result is 1"), "INTEGER"),
    (Column("value", "number", "number of the assumption, as its note says"), "DOUBLE"),
    (Column("estimate", "estimate", "effect under the assumption, or what its note says"), "DOUBLE"),
    (Column("std_error", "estimate", "its standard error"), "DOUBLE"),
    (Column("df", "number", "degrees of freedom"), "DOUBLE"),
    (Column("ci_low", "estimate", "lower end of the interval; empty also where it is open"), "DOUBLE"),
    (Column("ci_high", "estimate", "upper end of the interval; empty also where it is open"), "DOUBLE"),
    (Column("breakdown", "number", "value of the assumption from which the interval holds zero"), "DOUBLE"),
    (Column("changes_word", "flag", "the interval lies otherwise to zero than that of the main result"), "BOOLEAN"),
    (Column("n", "count", "children in the treated cells behind the row; empty where unknown"), "BIGINT"),
    (Column("n_units", "number", "units compared"), "INTEGER"),
    (Column("n_clusters", "number", "clusters of the errors"), "INTEGER"),
    (Column("status", "text", "estimated, or not estimable"), "VARCHAR"),
    (Column("note", "note", "reason, or what a reader of the row must know"), "VARCHAR"),
)


@dataclass(frozen=True)
class Finding:
    """One row of the table without outcome and position; fields as the columns of `SENSITIVITY_COLUMNS`."""

    threat: str
    assumption: str = ""
    value: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    df: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    breakdown: float | None = None
    changes_word: bool | None = None
    n: int | None = None
    n_units: int | None = None
    n_clusters: int | None = None
    status: str = "estimated"
    note: str = ""


def not_estimable(threat: str, reason: str, assumption: str = "", value: float | None = None) -> Finding:
    """The row of a threat about which nothing can be said, with the reason in plain words."""
    return Finding(threat, assumption, value, status="not estimable", note=reason)
