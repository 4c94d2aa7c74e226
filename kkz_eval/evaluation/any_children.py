"""Covariates with many different values in a repeated cross-section: estimated by passes over rows in the database.

What belongs here: when passes are needed, and rows of any data as the relation they read. What does not: the passes
(kkz_eval.cells.passes), the estimator (kkz_eval.estimators.covariates.continuous).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kkz_eval.cells.child_checks import ChildColumns
from kkz_eval.cells.passes import ChildRelation
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.continuous import callaway_santanna_children
from kkz_eval.estimators.result import Estimate, Fit, Method
from kkz_eval.evaluation.any_groups import Roles, SampleDesign
from kkz_eval.evaluation.specification import Specification, _rows_of_fit
from kkz_eval.warehouse import ROWS, Rows
from kkz_eval.warehouse.table_file import quoted

if TYPE_CHECKING:
    import duckdb

MOST_PROFILES = 20_000
"""More combinations of covariate values are not held in memory, where a jackknife would take minutes."""
SOURCE = "kkz_child_source"


def needs_passes(rows: Rows, roles: Roles, *, design: SampleDesign, by_profile: bool, method: Method) -> bool:
    """Whether the rows hold too many combinations of covariate values for cells by profile.

    by_profile: the estimator takes covariates of children. Method `reg` needs moments only, however many values.
    """
    if design != "cross_section" or not by_profile or not roles.covariates or method == "reg":
        return False
    names = ", ".join(f"{rows.number(name)} AS x{i}" for i, name in enumerate(roles.covariates))
    found = rows.query(f"SELECT count(*) AS n FROM (SELECT DISTINCT {names} FROM {ROWS})")
    return int(found["n"].iloc[0]) > MOST_PROFILES


def fit_children(
    rows: Rows, connection: "duckdb.DuckDBPyConnection", roles: Roles, specification: Specification
) -> Fit:
    """The fit of `callaway_santanna` on the rows, whose connection it is; nothing of a single row leaves the database.

    Raises EstimationError for inference by jackknife, which would need the fit without each cluster, and for rows that
    do not fit.
    """
    if specification.inference == "jackknife" and specification.method != "reg":
        raise EstimationError(
            f"covariates {', '.join(roles.covariates)} have more than {MOST_PROFILES} combinations of values, too many "
            "to leave out one cluster at a time; choose inference analytic, multiplier or wild, or method reg."
        )
    columns = ChildColumns(
        roles.outcome,
        roles.unit,
        roles.period,
        roles.cohort,
        roles.covariates,
        roles.cluster,
        roles.weights,
        roles.never,
    )
    with _source(rows, connection, roles):
        return callaway_santanna_children(ChildRelation(connection, SOURCE, columns), specification.options())


def child_estimates(fit: Fit, specification: Specification) -> list[Estimate]:
    """The rows of `run_specification` from a fit of children."""
    return _rows_of_fit(fit.extra["sample"].panel, specification, fit)


@contextmanager
def _source(rows: Rows, connection: "duckdb.DuckDBPyConnection", roles: Roles) -> Iterator[None]:
    """Rows with an outcome and all covariates as a temporary table of numbers and labels, removed at the end."""
    read = {name: rows.number(name) if kind == "number" else rows.label(name) for name, kind in roles.kinds.items()}
    columns = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in read.items())
    given = " AND ".join(f"{read[name]} IS NOT NULL" for name in (roles.outcome, *roles.covariates))
    try:
        rows.relation.query(
            ROWS,
            f"CREATE OR REPLACE TEMP TABLE {SOURCE} AS SELECT {columns} FROM {ROWS} WHERE {given}",
        )
        yield
    finally:
        connection.execute(f"DROP TABLE IF EXISTS temp.{SOURCE}")
