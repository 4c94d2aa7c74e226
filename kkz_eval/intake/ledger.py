"""The ledger of deliveries: tables of schema intake, which file was taken in when, which delivery counts. What belongs
here: bookkeeping. What does not: rules on rows.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.intake.contract import Contract, shipped_contracts
from kkz_eval.warehouse.build import record_build, write_comments
from kkz_eval.warehouse.sqlfile import Column

Status = Literal["accepted", "accepted_with_quarantine", "already_loaded", "corrected"]

OFFICIAL_SOURCE = "official"


@dataclass(frozen=True)
class DeliveryReport:
    """What became of one file. Rows in = accepted + quarantined; `reasons` counts rows, and a row may have several.

    delivery_id is None when the file was only checked; year is None for official statistics, which cover many years.
    `empty_columns` were expected to hold values and hold none.
    """

    delivery_id: int | None
    source: str
    year: int | None
    file_name: str
    sha256: str
    n_rows: int
    n_accepted: int
    n_quarantined: int
    status: Status
    reasons: dict[str, int] = field(default_factory=dict)
    empty_columns: tuple[str, ...] = ()


_TableSpec = tuple[str, list[tuple[Column, str]]]

_LINE = [
    (Column("delivery_id", "id", "delivery that brought the row"), "INTEGER"),
    (Column("line_no", "number", "line in the delivered file; the header is line 1"), "INTEGER"),
]

_OWN: dict[str, _TableSpec] = {
    "delivery": (
        "One row per delivered file that was taken in.",
        [
            (Column("delivery_id", "id", "running number, in the order of taking in"), "INTEGER"),
            (Column("source", "id", "source: the contract's, or official"), "VARCHAR"),
            (Column("year", "year", "year in the file's name; empty for official statistics"), "INTEGER"),
            (Column("file_name", "text", "name of the file"), "VARCHAR"),
            (Column("sha256", "id", "hash of the file's bytes"), "VARCHAR"),
            (Column("n_rows", "count", "rows in the file"), "BIGINT"),
            (Column("n_accepted", "count", "of these, accepted"), "BIGINT"),
            (Column("n_quarantined", "count", "of these, quarantined"), "BIGINT"),
            (Column("status", "text", "accepted, accepted_with_quarantine or corrected"), "VARCHAR"),
            (
                Column("is_active", "flag", "whether its rows count; a correction switches the older delivery off"),
                "BOOLEAN",
            ),
            (Column("as_of", "date", "reference day of the study when the file was taken in"), "DATE"),
            (Column("contract_sha256", "id", "hash of the contract that the file was judged by"), "VARCHAR"),
            (Column("superseded_by", "id", "delivery that corrected this one"), "INTEGER"),
        ],
    ),
    "quarantine": (
        "One row per delivered line that broke a rule. Holds personal data; never shown, never released.",
        [
            *_LINE,
            (Column("ags", "id", "key of the Gemeinde as delivered, when it has eight digits"), "VARCHAR"),
            (Column("reasons", "text", "every rule that the line breaks"), "VARCHAR[]"),
            (Column("raw", "text", "the line as delivered"), "VARCHAR"),
        ],
    ),
    "official_figure": (
        "One row per figure of official statistics, as published.",
        [
            *_LINE,
            (Column("table_code", "id", "code of the published table or indicator"), "VARCHAR"),
            (Column("region_key", "id", "key of the region as published"), "VARCHAR"),
            (Column("region_level", "text", "kind of region"), "VARCHAR"),
            (Column("year", "year", "year of the figure"), "INTEGER"),
            (Column("reference_date", "date", "day of the figure, where one is published"), "DATE"),
            (Column("characteristics", "text", "what the figure is broken down by"), "VARCHAR"),
            (Column("measure", "text", "what is counted or measured"), "VARCHAR"),
            (Column("value", "number", "the figure; empty where none is published"), "DECIMAL(18,4)"),
            (Column("status", "text", "whether the figure is known, secret, not available …"), "VARCHAR"),
        ],
    ),
}


def create_tables(con: duckdb.DuckDBPyConnection, contracts: Iterable[Contract] | None = None) -> None:
    """Make the tables of schema intake, empty, with comments; existing ones are kept.

    contracts: those whose sources get a table; by default the ones that come with the project. Raises `WarehouseError`
    when a table exists with other columns.
    """
    con.execute("CREATE SCHEMA IF NOT EXISTS intake")
    for contract in shipped_contracts() if contracts is None else contracts:
        columns = [(Column(c.name, c.unit, c.description), c.stored_type) for c in contract.columns]
        _create(con, contract.source, contract.grain, [*_LINE, *columns])
    for name, (grain, described) in _OWN.items():
        _create(con, name, grain, described)


def _create(con: duckdb.DuckDBPyConnection, table: str, grain: str, columns: list[tuple[Column, str]]) -> None:
    target = f'intake."{table}"'
    wanted = {column.name: kind for column, kind in columns}
    present = dict(
        con.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'intake' AND table_name = ? ORDER BY ordinal_position",
            [table],
        ).fetchall()
    )
    if present == wanted:
        return
    if present:
        differing = sorted({name for name, _ in wanted.items() ^ present.items()})
        raise WarehouseError(
            f"intake.{table}: the table was made by another contract (columns that differ: {', '.join(differing)});"
            " take all deliveries into a new study."
        )
    listed = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
    con.execute(f"CREATE TABLE {target} ({listed})")
    write_comments(con, target, grain, [column for column, _ in columns])


def has_tables(con: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether the ledger and the table of the source are there."""
    found = con.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE table_schema = 'intake' AND table_name IN ('delivery', ?)",
        [source],
    ).fetchall()[0][0]
    return int(found) == 2


def loaded_before(
    con: duckdb.DuckDBPyConnection, source: str, sha256: str, contract_sha256: str
) -> DeliveryReport | None:
    """The report on an active delivery of the same bytes under the same contract, if there is one."""
    rows = con.execute(
        "SELECT delivery_id, year, file_name, n_rows, n_accepted, n_quarantined FROM intake.delivery"
        " WHERE source = ? AND sha256 = ? AND contract_sha256 = ? AND is_active ORDER BY delivery_id DESC LIMIT 1",
        [source, sha256, contract_sha256],
    ).fetchall()
    if not rows:
        return None
    delivery_id, year, file_name, n_rows, n_accepted, n_quarantined = rows[0]
    reasons = con.execute(
        "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM intake.quarantine WHERE delivery_id = ?)"
        " GROUP BY reason ORDER BY count(*) DESC, reason",
        [delivery_id],
    ).fetchall()
    return DeliveryReport(
        delivery_id, source, year, file_name, sha256, n_rows, n_accepted, n_quarantined, "already_loaded", dict(reasons)
    )


def split_active(
    con: duckdb.DuckDBPyConnection, source: str, file_name: str, sha256: str
) -> tuple[list[int], list[int]]:
    """Active deliveries of a source: those that a file of this name and content corrects, and those that stay."""
    corrected: list[int] = []
    staying: list[int] = []
    for delivery_id, name, content in con.execute(
        "SELECT delivery_id, file_name, sha256 FROM intake.delivery WHERE source = ? AND is_active ORDER BY 1",
        [source],
    ).fetchall():
        (corrected if name == file_name or content == sha256 else staying).append(int(delivery_id))
    return corrected, staying


def next_delivery_id(con: duckdb.DuckDBPyConnection) -> int:
    """Deliveries are ordered by a running number, never by the clock."""
    return int(con.execute("SELECT coalesce(max(delivery_id), 0) + 1 FROM intake.delivery").fetchall()[0][0])


def enter(
    con: duckdb.DuckDBPyConnection,
    report: DeliveryReport,
    superseded: Iterable[int],
    as_of: dt.date,
    contract_sha256: str,
) -> None:
    """Note a delivery and switch off those it corrects; inside the transaction that stores its rows."""
    for delivery_id in superseded:
        con.execute(
            "UPDATE intake.delivery SET is_active = false, superseded_by = ? WHERE delivery_id = ?",
            [report.delivery_id, delivery_id],
        )
    con.execute(
        "INSERT INTO intake.delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, true, ?, ?, NULL)",
        [
            report.delivery_id, report.source, report.year, report.file_name, report.sha256, report.n_rows,
            report.n_accepted, report.n_quarantined, report.status, as_of, contract_sha256,
        ],
    )  # fmt: skip
    # Tables made from these rows are out of date as soon as this fingerprint changes.
    table = "official_figure" if report.source == OFFICIAL_SOURCE else report.source
    n_rows = con.execute(
        "SELECT coalesce(sum(n_accepted), 0) FROM intake.delivery WHERE source = ? AND is_active", [report.source]
    ).fetchall()[0][0]
    fingerprint = source_fingerprint(con, report.source)
    record_build(con, f"intake.{table}", fingerprint, contract_sha256, int(n_rows))


def source_fingerprint(con: duckdb.DuckDBPyConnection, source: str) -> str:
    """Hash of the deliveries of a source that count: equal when the same rows were accepted under the same contract."""
    active = con.execute(
        "SELECT file_name, sha256, contract_sha256, n_accepted FROM intake.delivery WHERE source = ? AND is_active"
        " ORDER BY file_name, sha256",
        [source],
    ).fetchall()
    return hashlib.sha256("\n".join(" ".join(map(str, row)) for row in active).encode()).hexdigest()
