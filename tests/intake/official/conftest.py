"""Official figures put into a database and the series built from them. What belongs here: building; no assertions."""

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from kkz_eval.intake.official import OfficialFigure, read_official
from kkz_eval.warehouse import SqlFile, build_table, in_memory, read_catalog

TABLES = (
    "reference.kreis",
    "reference.official_series",
    "staging.official_sum",
    "staging.official_count",
    "staging.official_rate",
    "staging.official_covariate",
    "cells.official",
    "cells.official_rate",
)
COLUMNS = """delivery_id INTEGER, line_no INTEGER, table_code VARCHAR, region_key VARCHAR, region_level VARCHAR,
    year INTEGER, reference_date DATE, characteristics VARCHAR, measure VARCHAR, value DECIMAL(18,4), status VARCHAR"""
FILES = (
    "genesis/21111-02-06-4.csv",
    "genesis/21111-02-06-4_00.csv",
    "genesis/22543-01-01-4_00.csv",
    "genesis/22543-01-02-4_00.csv",
    "genesis/12411-02-03-4_00.csv",
    "genesis/12612-01-01-4_00.csv",
    "genesis/22811-02-02-4_00.csv",
    "genesis/AI003-1_00.csv",
    "genesis/AI003-3_00.csv",
    "inkar/xls/B_SchulabgaengerohneAbschluss.xls",
)


class Series:
    """The tables of series in a database in memory."""

    def __init__(self, catalog: dict[str, SqlFile]) -> None:
        self.connection: duckdb.DuckDBPyConnection = in_memory()
        for schema in ("intake", "reference", "staging", "cells"):
            self.connection.execute(f"CREATE SCHEMA {schema}")
        self.connection.execute(f"CREATE TABLE intake.official_figure ({COLUMNS})")
        self.connection.execute("CREATE TABLE intake.delivery (delivery_id INTEGER, is_active BOOLEAN)")
        for name in TABLES[:2]:
            build_table(self.connection, catalog[name])
        self.catalog = catalog

    def deliver(self, delivery_id: int, figures: Iterable[OfficialFigure]) -> None:
        """Add the figures that some series names; the others of a table would only cost time."""
        wanted = set(self.rows("SELECT DISTINCT table_code, characteristics, measure FROM reference.official_series"))
        kept = [
            (
                delivery_id,
                f.line_no,
                f.table_code,
                f.region_key,
                f.region_level,
                f.year,
                f.reference_date and f.reference_date.isoformat(),
                f.characteristics,
                f.measure,
                None if f.value is None else str(f.value),
                f.status,
            )
            for f in figures
            if (f.table_code, f.characteristics, f.measure) in wanted
        ]
        if not kept:
            return
        frame = pd.DataFrame(kept, columns=[part.split()[0] for part in COLUMNS.split(",") if " " in part.strip()])
        self.connection.register("delivered", frame.astype({"value": object}))
        self.connection.execute("INSERT INTO intake.official_figure SELECT * FROM delivered")
        self.connection.execute("INSERT INTO intake.delivery VALUES (?, true)", [delivery_id])
        self.connection.unregister("delivered")

    def build(self) -> "Series":
        for name in TABLES[2:]:
            build_table(self.connection, self.catalog[name])
        return self

    def rows(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()


@pytest.fixture(scope="session")
def official_catalog() -> dict[str, SqlFile]:
    return {name: file for name, file in read_catalog().items() if name in TABLES}


@pytest.fixture(scope="session")
def published(official_catalog, shared: Path) -> Iterator[Series]:
    """The series made from the real files, both copies of the table of leavers among them."""
    series = Series(official_catalog)
    for number, file in enumerate(FILES, start=1):
        series.deliver(number, read_official(shared / "data/official" / file).figures)
    yield series.build()
    series.connection.close()


@pytest.fixture
def series_of(official_catalog) -> Iterator[Callable[..., Series]]:
    """`series_of(figures, figures, ...)`: one delivery after the other."""
    opened: list[Series] = []

    def build(*deliveries: Iterable[OfficialFigure]) -> Series:
        series = Series(official_catalog)
        opened.append(series)
        for number, figures in enumerate(deliveries, start=1):
            series.deliver(number, figures)
        return series.build()

    yield build
    for series in opened:
        series.connection.close()


@pytest.fixture(scope="session")
def figure() -> Callable[..., OfficialFigure]:
    """A figure with the parts that matter to a test."""

    def make(
        key: str,
        year: int,
        value: int | str | None,
        table: str = "12612-01-01-4",
        characteristics: str = "",
        measure: str = "Insgesamt",
        line_no: int = 1,
        day: dt.date | None = None,
    ) -> OfficialFigure:
        level = {2: "land", 5: "kreis", 8: "gemeinde"}[len(key)]
        number, status = (None, "secret") if value is None else (Decimal(value), "value")
        return OfficialFigure(line_no, table, key, "", level, year, day, characteristics, measure, number, status)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def raw(shared: Path) -> Callable[[str, str], list[list[str]]]:
    """The rows of a classic table split at semicolons and no more: a reading independent of the reader."""

    def rows(file: str, encoding: str = "utf-8") -> list[list[str]]:
        with (shared / "data/official/genesis" / file).open(encoding=encoding, newline="") as opened:
            split = [
                [cell.strip() for cell in row] for row in csv.reader(opened, delimiter=";", quoting=csv.QUOTE_NONE)
            ]
        width = max(len(row) for row in split if row and row[0][:1].isdigit() and row[0][-4:].isdigit())
        return [row for row in split if len(row) == width and row[0] and len(row[1]) in (2, 3, 5, 8)]

    return rows
