"""One delivered file is taken in, all of it or nothing. Belongs here: the order of steps. Does not: the steps."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from kkz_eval.errors import DeliveryError
from kkz_eval.intake import ledger
from kkz_eval.intake.arrival import admitted_file, file_sha256, passing_folder, safe_errors, year_of
from kkz_eval.intake.contract import Contract
from kkz_eval.intake.figures import deliver_official
from kkz_eval.intake.formats import read_text_table
from kkz_eval.intake.formats.table import TextTable
from kkz_eval.intake.ledger import DeliveryReport
from kkz_eval.intake.rules import quoted
from kkz_eval.intake.validate import Keys, Situation, Verdict, drop_temporary, judge, load_text, stored_columns
from kkz_eval.warehouse.transaction import transaction

__all__ = ["DeliveryReport", "check", "deliver", "deliver_official"]

_REFERENCE_KEYS = Keys()


def deliver(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    path: Path,
    *,
    as_of: dt.date,
    work: Path,
    inbox: Path | None = None,
    keys: Keys = _REFERENCE_KEYS,
) -> DeliveryReport:
    """Take in one file: typed rows into intake.<source>, others into intake.quarantine, one line into the ledger.

    con: a connection of the study, outside a transaction, on which `create_tables` has run.
    as_of: reference day of the study; years after the next one are refused.
    work: folder for passing files, readable by the connection; nothing stays there.
    inbox: the file must lie below it, links followed; by default the folder of the file.
    keys: where the valid keys of Gemeinden stand.

    All of it happens in one transaction: on any error the database is as before. The same bytes again change nothing
    (`already_loaded`), unless the contract has changed. The same name with other bytes is a correction: the older rows
    stay and no longer count. Raises `DeliveryError`, whose messages name file, line and column but never a cell's
    value, and `WarehouseError`.
    """
    file, year = admitted_file(path, inbox), year_of(path.name)
    sha256 = file_sha256(file)
    known = ledger.loaded_before(con, contract.source, sha256, contract.sha256)
    if known is not None:
        return known
    superseded, others = ledger.split_active(con, contract.source, path.name, sha256)
    situation = Situation(path.name, year, as_of, keys, tuple(others))
    with _judged(con, contract, file, sha256, situation, work) as verdict:
        report = _report(ledger.next_delivery_id(con), contract, situation, sha256, verdict, bool(superseded))
        with transaction(con):
            _store_rows(con, contract, keys, report)
            ledger.enter(con, report, superseded, as_of, contract.sha256)
    return report


def check(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    path: Path,
    *,
    as_of: dt.date,
    work: Path,
    inbox: Path | None = None,
    keys: Keys = _REFERENCE_KEYS,
) -> DeliveryReport:
    """What `deliver` would say, with nothing stored. Works without the tables of schema intake; raises the same."""
    file, year = admitted_file(path, inbox), year_of(path.name)
    sha256 = file_sha256(file)
    superseded: list[int] = []
    others: list[int] = []
    if ledger.has_tables(con, contract.source):
        known = ledger.loaded_before(con, contract.source, sha256, contract.sha256)
        if known is not None:
            return known
        superseded, others = ledger.split_active(con, contract.source, path.name, sha256)
    situation = Situation(path.name, year, as_of, keys, tuple(others))
    with _judged(con, contract, file, sha256, situation, work) as verdict:
        return _report(None, contract, situation, sha256, verdict, bool(superseded))


@contextmanager
def _judged(
    con: duckdb.DuckDBPyConnection, contract: Contract, file: Path, sha256: str, situation: Situation, work: Path
) -> Iterator[Verdict]:
    """The file as temporary tables with a verdict; they and all passing files are gone afterwards."""
    with safe_errors(file), passing_folder(work) as folder:
        try:
            _load(con, contract, file, folder)
            if file_sha256(file) != sha256:
                raise DeliveryError(
                    "FILE_CHANGED", f"{file.name}: the file changed while it was read; wait until it is copied."
                )
            yield judge(con, contract, situation)
        finally:
            drop_temporary(con)


def _load(con: duckdb.DuckDBPyConnection, contract: Contract, file: Path, folder: Path) -> None:
    table = read_text_table(file, contract, folder)
    _compare_labels(file.name, contract, table)
    if not _are_rows_of_equal_length(con, contract, table):
        load_text(con, contract, read_text_table(file, contract, folder, line_by_line=True))


def _are_rows_of_equal_length(con: duckdb.DuckDBPyConnection, contract: Contract, table: TextTable) -> bool:
    """Load the text if it can be loaded at once. DuckDB's fault holds a row, so it must not outlive this function."""
    try:
        load_text(con, contract, table)
    except duckdb.InvalidInputException:
        return False
    return True


def _compare_labels(file_name: str, contract: Contract, table: TextTable) -> None:
    """A code that means something else in this file would be stored as the wrong answer."""
    for column in contract.columns:
        delivered = table.labels.get(column.name, {})
        for code, label in column.labels.items():
            if code in delivered and delivered[code].strip().casefold() != label.strip().casefold():
                raise DeliveryError(
                    "VALUE_LABELS",
                    f"{file_name}, column {column.header}: the value label of code {code} is not '{label}' as the"
                    " contract says; deliver with the agreed codes, or give this layout its own contract.",
                )


def _report(
    delivery_id: int | None,
    contract: Contract,
    situation: Situation,
    sha256: str,
    verdict: Verdict,
    is_correction: bool,
) -> DeliveryReport:
    report = DeliveryReport(
        delivery_id=delivery_id,
        source=contract.source,
        year=situation.year,
        file_name=situation.file_name,
        sha256=sha256,
        n_rows=verdict.n_rows,
        n_accepted=verdict.n_accepted,
        n_quarantined=verdict.n_quarantined,
        status="accepted_with_quarantine" if verdict.n_quarantined else "accepted",
        reasons={reason: number for reason, (number, _) in verdict.reasons.items()},
        empty_columns=verdict.empty_columns,
    )
    return replace(report, status="corrected") if is_correction else report


def _store_rows(con: duckdb.DuckDBPyConnection, contract: Contract, keys: Keys, report: DeliveryReport) -> None:
    target = f"intake.{quoted(contract.source)}"
    columns, source, bound = stored_columns(contract, keys)
    number = bound(report.delivery_id)
    good = "WHERE t.line_no NOT IN (SELECT line_no FROM intake_bad)" if report.n_quarantined else ""
    con.execute(
        f"INSERT INTO {target} BY NAME SELECT CAST({number} AS INTEGER) AS delivery_id, t.line_no, {columns}"
        f" FROM {source} {good}",
        bound.values,
    )
    cells = ", ".join(f"coalesce(t.{quoted(column.name)}, '')" for column in contract.columns)
    con.execute(
        f"INSERT INTO intake.quarantine SELECT $id, t.line_no, {_place(contract)}, b.reasons, concat_ws($delimiter, "
        f"{cells}) FROM intake_bad AS b JOIN intake_text AS t USING (line_no)"
        " UNION ALL SELECT $id, line_no, NULL, [reason], raw FROM intake_unread",
        {"id": report.delivery_id, "delimiter": contract.delimiter},
    )
    for table, expected in ((target, report.n_accepted), ("intake.quarantine", report.n_quarantined)):
        stored = con.execute(f"SELECT count(*) FROM {table} WHERE delivery_id = ?", [report.delivery_id]).fetchall()[0][
            0
        ]
        if stored != expected:
            raise DeliveryError(
                "ROWS_LOST",
                f"{report.file_name}: {stored} rows were stored in {table} where {expected} were expected, so nothing"
                " was kept; report this as a fault of the project.",
            )


def _place(contract: Contract) -> str:
    """SQL for the Gemeinde of a quarantined line, so that coverage can be told by place; NULL when unreadable."""
    column = next((column.name for column in contract.columns if column.type == "ags"), None)
    if column is None:
        return "NULL"
    cell = f"trim(t.{quoted(column)})"
    return f"CASE WHEN regexp_full_match({cell}, '[0-9]{{8}}') THEN {cell} END"
