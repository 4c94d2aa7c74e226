"""Plan tables written by hand and the reference tables built from them. What belongs here: building; no assertions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pytest

from kkz_eval.warehouse import SqlFile, build_table, in_memory, read_catalog

Rows = list[tuple[object, ...]]
PLAN = """
CREATE TABLE plan.study (name VARCHAR, unit VARCHAR, participation_rule VARCHAR, first_period INTEGER,
    last_period INTEGER, as_of DATE, threshold INTEGER, minimum_exposure DOUBLE, plan_sha256 VARCHAR);
CREATE TABLE plan.outcome (outcome VARCHAR, source VARCHAR, role VARCHAR, label_de VARCHAR, label_en VARCHAR,
    unit_of_measure VARCHAR, direction VARCHAR, first_valid_period INTEGER, last_valid_period INTEGER,
    period_kind VARCHAR, measured_months INTEGER, age_years DOUBLE, window_years DOUBLE);
CREATE TABLE plan.wave (wave INTEGER);
CREATE TABLE plan.excluded_unit (unit VARCHAR, reason VARCHAR);
CREATE TABLE plan.excluded_period (source VARCHAR, period INTEGER, reason VARCHAR);
"""


class Reference:
    """A database in memory with a plan and, once built, the tables of sql/reference."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: dict[str, SqlFile]) -> None:
        self.connection, self.catalog = connection, catalog

    def build(self) -> None:
        """Build every reference table in order; the header contract and the keys are checked on the way."""
        for file in self.catalog.values():
            if file.schema == "reference":
                build_table(self.connection, file)

    def rows(self, query: str) -> Rows:
        return self.connection.execute(query).fetchall()

    def columns(self, query: str) -> dict[object, tuple[object, ...]]:
        """First column as key, the others as value."""
        return {row[0]: row[1:] for row in self.rows(query)}


@contextmanager
def reference_of(
    catalog: dict[str, SqlFile],
    unit: str = "ags",
    rule: str = "with_kreis",
    waves: tuple[int, ...] = (2012, 2017),
    outcomes: tuple[tuple[str, int, float, float], ...] = (("exam", 0, 5.79, 5.79),),
    excluded: tuple[tuple[str, str], ...] = (),
    minimum_exposure: float = 0.25,
    periods: tuple[int, int] = (2006, 2025),
) -> Iterator[Reference]:
    connection = in_memory()
    try:
        for schema in ("plan", "reference"):
            connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(PLAN)
        study = ("test", unit, rule, *periods, "2025-12-31", 10, minimum_exposure, "0")
        connection.execute("INSERT INTO plan.study VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", study)
        for name, months, age, window in outcomes:
            connection.execute(
                "INSERT INTO plan.outcome VALUES (?, 'school_entry_exam', 'primary', '', '', 'share', 'lower',"
                " 1990, 2030, 'entry_year', ?, ?, ?)",
                [name, months, age, window],
            )
        connection.executemany("INSERT INTO plan.wave VALUES (?)", [(wave,) for wave in waves])
        for row in excluded:
            connection.execute("INSERT INTO plan.excluded_unit VALUES (?, ?)", list(row))
        reference = Reference(connection, catalog)
        reference.build()
        yield reference
    finally:
        connection.close()


@pytest.fixture(scope="session")
def catalog() -> dict[str, SqlFile]:
    return {name: file for name, file in read_catalog().items() if file.schema == "reference"}


@pytest.fixture(scope="session")
def reference(catalog: dict[str, SqlFile]) -> Iterator[Reference]:
    """The reference tables under the plan of all three waves at the level of Gemeinden."""
    with reference_of(catalog, waves=(2012, 2017, 2020)) as built:
        yield built


@pytest.fixture
def plan_of(catalog: dict[str, SqlFile]) -> Callable[..., object]:
    """`with plan_of(unit="kreis", waves=(2012,)) as reference:` builds the tables under another plan."""

    def build(**settings: object) -> object:
        return reference_of(catalog, **settings)  # type: ignore[arg-type]

    return build
