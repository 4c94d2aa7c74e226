"""Figures of official statistics go into the warehouse. What belongs here: storing. What does not: reading layouts."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import duckdb

from kkz_eval.errors import DeliveryError
from kkz_eval.intake import ledger
from kkz_eval.intake.arrival import admitted_file, file_sha256, safe_errors
from kkz_eval.intake.ledger import OFFICIAL_SOURCE, DeliveryReport
from kkz_eval.intake.official import read_official
from kkz_eval.warehouse.transaction import transaction


class Figure(Protocol):
    """One figure of official statistics, as a reader of a published layout returns it."""

    @property
    def line_no(self) -> object: ...
    @property
    def table_code(self) -> object: ...
    @property
    def region_key(self) -> object: ...
    @property
    def region_level(self) -> object: ...
    @property
    def year(self) -> object: ...
    @property
    def reference_date(self) -> object: ...
    @property
    def characteristics(self) -> object: ...
    @property
    def measure(self) -> object: ...
    @property
    def value(self) -> object: ...
    @property
    def status(self) -> object: ...


FIGURE_COLUMNS = (
    "line_no", "table_code", "region_key", "region_level", "year", "reference_date", "characteristics", "measure",
    "value", "status",
)  # fmt: skip


_BATCH = 50_000


def deliver_official(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    name: str | None = None,
    kind: str | None = None,
    *,
    as_of: dt.date,
    inbox: Path | None = None,
) -> DeliveryReport:
    """Take in one file of official statistics; it is only read when its bytes are new.

    name: name in the ledger, for example the path below the inbox; by default the name of the file. kind: layout that
    the file must have. Raises `DeliveryError` and `WarehouseError`, as `deliver` does.
    """
    return store_figures(con, path, lambda: read_official(path, kind).figures, name=name, as_of=as_of, inbox=inbox)


def store_figures(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    figures: Callable[[], Iterable[Figure]],
    *,
    as_of: dt.date,
    name: str | None = None,
    reader_version: str = "",
    inbox: Path | None = None,
) -> DeliveryReport:
    """Store the figures of one file and note it in the ledger, in one transaction.

    figures: called once, when the file is new. `reader_version` stands for the contract: another one makes the same
    bytes a correction.
    """
    file = admitted_file(path, inbox)
    name, sha256 = name or file.name, file_sha256(file)
    contract_sha256 = hashlib.sha256(f"{OFFICIAL_SOURCE} {reader_version}".encode()).hexdigest()
    known = ledger.loaded_before(con, OFFICIAL_SOURCE, sha256, contract_sha256)
    if known is not None:
        return known
    superseded, _ = ledger.split_active(con, OFFICIAL_SOURCE, name, sha256)
    report = DeliveryReport(
        delivery_id=ledger.next_delivery_id(con),
        source=OFFICIAL_SOURCE,
        year=None,
        file_name=name,
        sha256=sha256,
        n_rows=0,
        n_accepted=0,
        n_quarantined=0,
        status="corrected" if superseded else "accepted",
    )
    with safe_errors(file), transaction(con):
        n_rows = _store(con, report, figures())
        if not n_rows:
            raise DeliveryError("EMPTY_FILE", f"{name}: the file holds no figure; download it again.")
        report = replace(report, n_rows=n_rows, n_accepted=n_rows)
        ledger.enter(con, report, superseded, as_of, contract_sha256)
    return report


def _store(con: duckdb.DuckDBPyConnection, report: DeliveryReport, figures: Iterable[Figure]) -> int:
    """Insert in batches, so that a table of Gemeinden with its hundreds of thousands of figures needs little memory."""
    import pandas as pd  # noqa: PLC0415

    n_rows, waiting = 0, iter(figures)
    while batch := list(islice(waiting, _BATCH)):
        # Every value goes over as text: DuckDB then parses decimals and dates itself, exactly.
        columns = {name: [_text(getattr(figure, name)) for figure in batch] for name in FIGURE_COLUMNS}
        con.register("intake_figures", pd.DataFrame(columns, dtype="str"))
        try:
            con.execute(
                "INSERT INTO intake.official_figure SELECT $id, CAST(line_no AS INTEGER), table_code, region_key,"
                " region_level, CAST(year AS INTEGER), CAST(reference_date AS DATE), characteristics, measure,"
                " CAST(value AS DECIMAL(18,4)), status FROM intake_figures",
                {"id": report.delivery_id},
            )
        finally:
            con.unregister("intake_figures")
        n_rows += len(batch)
    return n_rows


def _text(value: object) -> str | None:
    return None if value is None else str(value)
