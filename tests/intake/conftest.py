"""A tiny study with an inbox, and builders of delivered rows. Belongs here: places and rows. Does not: checks."""

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from kkz_eval.intake import Contract, DeliveryReport, check, create_tables, deliver, shipped_contract
from kkz_eval.warehouse import Warehouse, build_table, read_catalog

AS_OF = dt.date(2025, 12, 31)

#: A row of each source that breaks no rule; the pseudonym is added per row.
EXAM = {
    "AGS": "05315000", "Gesundheitsamt": "05315", "Einschulungsjahr": "2015", "Geburtsmonat": "2009-03",
    "Untersuchungsmonat": "2015-01", "Geschlecht": "1", "Bildung_Eltern": "2", "Erstsprache": "1",
    "Deutschkenntnisse": "4", "Selektive_Aufmerksamkeit": "12", "Zaehlen": "15", "Mengenvorwissen": "14",
    "Visuomotorik": "9", "Visuelle_Perzeption": "12", "Praepositionen": "7", "Pluralbildung": "6", "Pseudowoerter": "5",
    "Koerperkoordination": "18", "Groesse_cm": "118,5", "Gewicht_kg": "21,3", "Vorsorgeheft": "1", "U3": "1", "U4": "1",
    "U5": "1", "U6": "1", "U7": "1", "U7a": "1", "U8": "1", "U9": "1", "MMR_Impfungen": "2", "Befund_Sehen": "K",
    "Befund_Hoeren": "K", "Befund_Sprache": "K", "Befund_Motorik": "K", "Kita_Jahre": "3", "Fragebogenversion": "v1",
}  # fmt: skip
KITA = {"AGS": "05315000", "Kitajahr": "2015", "Alter": "4", "Buchungszeit": "45", "Monate_anwesend": "11"}
SCHOOL = {
    "AGS": "05315000", "Schuljahr": "2018", "Einschulungsjahr": "2015", "Stufe": "3", "Kompetenzstufe_Klasse3": "1",
    "Schulform_Klasse5": "", "Wiederholt": "", "Abschluss": "",
}  # fmt: skip


def exam_rows(number: int, **changed: str) -> list[dict[str, str]]:
    """Rows of the exam of different children, in the columns' order of the contract."""
    return [{"Pseudonym": f"{7 * i + 3:06x}".rjust(16, "f"), **EXAM, **changed} for i in range(number)]


def kita_rows(number: int, **changed: str) -> list[dict[str, str]]:
    """Rows of Kita attendance of different children."""
    return [{"Pseudonym": f"{7 * i + 3:06x}".rjust(16, "e"), **KITA, **changed} for i in range(number)]


def school_rows(number: int, **changed: str) -> list[dict[str, str]]:
    """Rows of education of different children, the same ones as in the exam."""
    return [{"Pseudonym": row["Pseudonym"], **SCHOOL, **changed} for row in exam_rows(number)]


def csv_text(rows: Sequence[dict[str, str]], header: Sequence[str] | None = None) -> str:
    """Rows as `;` separated text with a header line."""
    names = list(header or rows[0])
    lines = [";".join(names), *(";".join(row[name] for name in names) for row in rows)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Bench:
    """A locked-down connection with the reference tables, its inbox and work folder."""

    con: duckdb.DuckDBPyConnection
    inbox: Path
    work: Path

    def put(self, name: str, content: str | bytes) -> Path:
        """Place a file into the inbox."""
        path = self.inbox / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def deliver(self, source: str | Contract, name: str, content: str | bytes | None = None) -> DeliveryReport:
        """Place a file, where content is given, and take it in."""
        path = self.inbox / name if content is None else self.put(name, content)
        contract = shipped_contract(source) if isinstance(source, str) else source
        return deliver(self.con, contract, path, as_of=AS_OF, work=self.work, inbox=self.inbox)

    def check(self, source: str, name: str, content: str | bytes) -> DeliveryReport:
        """Place a file and only check it."""
        path = self.put(name, content)
        return check(self.con, shipped_contract(source), path, as_of=AS_OF, work=self.work, inbox=self.inbox)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """All rows of a query."""
        return self.con.execute(query).fetchall()

    def reasons(self) -> dict[int, list[str]]:
        """Line number → reasons, of everything in quarantine."""
        return {line: list(why) for line, why in self.rows("SELECT line_no, reasons FROM intake.quarantine")}  # type: ignore[misc, call-overload]


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the reference tables and the empty tables of intake, made once and copied per test."""
    folder = tmp_path_factory.mktemp("empty")
    catalog = read_catalog()
    with Warehouse(folder / "warehouse.duckdb", folder / "work", (folder,)).connect() as con:
        for name in ("reference.gemeinde", "reference.key_change", "reference.sopess_cutoff"):
            build_table(con, catalog[name])
        create_tables(con)
    return folder / "warehouse.duckdb"


@pytest.fixture
def bench(tmp_path: Path, empty_warehouse: Path) -> Iterator[Bench]:
    """An empty study with the reference tables."""
    inbox, work = tmp_path / "inbox", tmp_path / "work"
    inbox.mkdir()
    shutil.copyfile(empty_warehouse, tmp_path / "warehouse.duckdb")
    with Warehouse(tmp_path / "warehouse.duckdb", work, (inbox, work)).connect() as con:
        yield Bench(con, inbox, work)


@pytest.fixture
def one_bad_row() -> Callable[..., str]:
    """Text of 30 good rows of the exam and one, in line 32, with the cells given."""

    def make(**cells: str) -> str:
        rows = exam_rows(31)
        rows[-1] = {**rows[-1], **cells}
        return csv_text(rows)

    return make
