"""Deliveries as a whole: all or nothing, twice the same, corrections, names, places, messages without values."""

import dataclasses
import datetime as dt
import traceback
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from kkz_eval.errors import DeliveryError, KkzError, WarehouseError
from kkz_eval.intake import (
    SOURCES,
    Keys,
    check,
    create_tables,
    deliver,
    deliver_official,
    shipped_contract,
    shipped_contracts,
    source_fingerprint,
    store_figures,
    year_of,
)
from kkz_eval.intake import load as load_module
from kkz_eval.intake.contract import parse_contract
from tests.intake.conftest import AS_OF, Bench, csv_text, kita_rows


def test_the_same_bytes_twice_change_nothing(bench: Bench) -> None:
    rows = kita_rows(40)
    rows[7]["Alter"] = "70"
    first = bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(rows))
    before = bench.rows("SELECT * FROM intake.delivery")
    again = bench.deliver("kita_attendance", "Kita_2015.csv")
    renamed = bench.deliver("kita_attendance", "Kita_2015_copy.csv", csv_text(rows))
    assert again == renamed == dataclasses.replace(first, status="already_loaded")
    assert bench.rows("SELECT * FROM intake.delivery") == before
    assert bench.rows("SELECT count(*) FROM intake.kita_attendance") == [(39,)]


def test_a_correction_switches_the_older_delivery_off(bench: Bench) -> None:
    bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    fingerprint = source_fingerprint(bench.con, "kita_attendance")
    corrected = bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(30, Alter="5")))
    assert (corrected.status, corrected.delivery_id, corrected.n_accepted) == ("corrected", 2, 30)
    ledger = "SELECT delivery_id, is_active, superseded_by, n_rows FROM intake.delivery ORDER BY delivery_id"
    assert bench.rows(ledger) == [(1, False, 2, 40), (2, True, None, 30)]
    assert bench.rows("SELECT delivery_id, count(*) FROM intake.kita_attendance GROUP BY 1 ORDER BY 1") == [
        (1, 40),
        (2, 30),
    ]
    assert source_fingerprint(bench.con, "kita_attendance") != fingerprint

    back = bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    assert (back.status, back.delivery_id) == ("corrected", 3)
    assert source_fingerprint(bench.con, "kita_attendance") == fingerprint


def test_a_correction_that_is_refused_leaves_the_older_delivery_in_force(bench: Bench) -> None:
    bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    with pytest.raises(DeliveryError):
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40, Alter="70")))
    assert bench.rows("SELECT delivery_id, is_active FROM intake.delivery") == [(1, True)]


def test_another_contract_judges_the_same_bytes_anew(bench: Bench) -> None:
    bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    changed = shipped_contract("kita_attendance").model_copy(update={"sha256": "other"})
    report = bench.deliver(changed, "Kita_2015.csv")
    assert report.status == "corrected"
    assert bench.rows("SELECT delivery_id FROM intake.delivery WHERE is_active") == [(2,)]


def test_checking_says_what_delivering_would_and_stores_nothing(bench: Bench) -> None:
    rows = kita_rows(40)
    rows[7]["Alter"] = "70"
    checked = bench.check("kita_attendance", "Kita_2015.csv", csv_text(rows))
    assert bench.rows("SELECT count(*) FROM intake.delivery") == [(0,)]
    assert bench.rows("SELECT count(*) FROM intake.quarantine") == [(0,)]
    delivered = bench.deliver("kita_attendance", "Kita_2015.csv")
    assert dataclasses.replace(delivered, delivery_id=None) == checked


def test_checking_needs_no_study(tmp_path: Path) -> None:
    path = tmp_path / "Kita_2015.csv"
    path.write_text(csv_text(kita_rows(5)))
    work = tmp_path / "work"
    work.mkdir()
    con = duckdb.connect()
    contract = shipped_contract("kita_attendance")
    report = check(con, contract, path, as_of=AS_OF, work=work, keys=Keys(None, None))
    assert (report.status, report.n_accepted, report.delivery_id) == ("accepted", 5, None)
    with pytest.raises(WarehouseError, match="build the reference tables first"):
        check(con, contract, path, as_of=AS_OF, work=work)


def test_a_fault_while_storing_leaves_everything_as_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deliver("kita_attendance", "Kita_2014.csv", csv_text(kita_rows(40, Kitajahr="2014")))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load_module.ledger, "enter", fail)
    with pytest.raises(KeyboardInterrupt):
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    monkeypatch.undo()
    assert bench.rows("SELECT count(*) FROM intake.kita_attendance") == [(40,)]
    assert bench.deliver("kita_attendance", "Kita_2015.csv").delivery_id == 2
    assert [path.name for path in bench.work.iterdir()] == ["spill"]
    assert bench.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'intake_%'") == [(0,)]


def test_rows_that_vanish_are_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    select = load_module.stored_columns

    def losing(*arguments: object) -> object:
        columns, source, bound = select(*arguments)  # type: ignore[arg-type]
        return columns, f"(SELECT * FROM intake_text LIMIT 39) AS t {source.removeprefix('intake_text AS t')}", bound

    monkeypatch.setattr(load_module, "stored_columns", losing)
    with pytest.raises(DeliveryError, match="ROWS_LOST"):
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(40)))
    assert bench.rows("SELECT count(*) FROM intake.kita_attendance") == [(0,)]


def test_left_over_files_of_a_killed_process_are_removed(bench: Bench) -> None:
    left = bench.work / "intake_999999999_x"
    left.mkdir()
    (left / "Kita_2014.rows").write_text("personal")
    bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(5)))
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Kita.csv", "YEAR_IN_NAME"),
        ("Kita_2014_2015.csv", "YEAR_IN_NAME"),
        ("Kita_20150.csv", "YEAR_IN_NAME"),
        ("Kita_2015'; DROP TABLE x.csv", "FILE_NAME"),
        ("Kita_2015*.csv", "FILE_NAME"),
        (".Kita_2015.csv", "FILE_NAME"),
        ("~$Kita_2015.csv", "FILE_NAME"),
        ("Kita_2015.txt", "FORMAT"),
        ("Kita_2015.xls", "FORMAT"),
        ("Kita_2015.csv.gz", "FORMAT"),
    ],
)
def test_names_that_do_not_fit_are_refused(bench: Bench, name: str, code: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        bench.deliver("kita_attendance", name, csv_text(kita_rows(5)))
    assert refused.value.code == code


def test_the_year_is_read_from_the_name() -> None:
    assert [year_of(name) for name in ("SEU_2015.csv", "2015-SEU v12.xlsx", "SEU2015.sav")] == [2015] * 3


def test_the_year_in_the_name_must_be_that_of_the_rows(bench: Bench) -> None:
    with pytest.raises(DeliveryError, match=r"YEAR_MISMATCH in 5 rows.*the file's name states another year"):
        bench.deliver("kita_attendance", "Kita_2014.csv", csv_text(kita_rows(5)))


def test_places_that_do_not_fit_are_refused(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(csv_text(kita_rows(5)))
    (bench.inbox / "Kita_2015.csv").symlink_to(outside)
    with pytest.raises(DeliveryError, match="PATH_OUTSIDE_INBOX"):
        bench.deliver("kita_attendance", "Kita_2015.csv")
    (bench.inbox / "Kita_2016.csv").mkdir()
    with pytest.raises(DeliveryError, match=r"NO_FILE.*a folder"):
        bench.deliver("kita_attendance", "Kita_2016.csv")
    with pytest.raises(DeliveryError, match=r"NO_FILE.*missing"):
        bench.deliver("kita_attendance", "Kita_2017.csv")


def test_a_folder_that_looks_like_a_pattern_is_read_as_it_is(tmp_path: Path) -> None:
    for name, age in (("in[1]", "5"), ("in1", "4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Kita_2015.csv").write_text(csv_text(kita_rows(5, Alter=age)))
    con = duckdb.connect()
    create_tables(con)
    contract = shipped_contract("kita_attendance")
    path = tmp_path / "in[1]" / "Kita_2015.csv"
    deliver(con, contract, path, as_of=AS_OF, work=tmp_path, keys=Keys(None, None))
    assert con.execute("SELECT DISTINCT age FROM intake.kita_attendance").fetchall() == [(5,)]


def _everything_told(fault: BaseException) -> str:
    return "".join(traceback.format_exception(fault)) + repr(fault.__cause__) + repr(fault.args)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "", 9),
        lambda text: text[:-9],
        lambda text: text[:-9] + "\n",
        lambda text: text.replace(";45;", ";45;;"),
        lambda text: text.replace(";45;", ';"45;'),
        lambda text: text.replace(";2015;", ";2014;"),
        lambda text: text.replace("05315000", "5315000"),
        lambda text: text.replace("Alter", "Vorname"),
        lambda text: text.replace("Alter", "Alt"),
        lambda text: text.split("\n", 1)[1],
        lambda text: text.replace("CANARY", "CANARYÃ¼"),
        lambda text: text.replace("CANARY", "CANARY\x81").encode("latin-1"),
    ],
)
def test_no_message_repeats_a_cell(bench: Bench, spoil: object) -> None:
    text = csv_text(kita_rows(50, Pseudonym="CANARY00CANARY00"))
    assert callable(spoil)
    with pytest.raises(KkzError) as refused:
        bench.deliver("kita_attendance", "Kita_2015.csv", spoil(text))
    assert "CANARY" not in _everything_told(refused.value)


def test_a_fault_of_the_database_is_told_without_its_text(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise duckdb.ConversionException("Could not convert string 'CANARY' to INT32")

    monkeypatch.setattr(load_module, "judge", fail)
    with pytest.raises(WarehouseError) as refused:
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(50)))
    assert "CANARY" not in _everything_told(refused.value)


def test_a_file_that_changes_while_it_is_read_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = iter(["before", "after"])
    monkeypatch.setattr(load_module, "file_sha256", lambda _: next(hashes))
    with pytest.raises(DeliveryError, match="FILE_CHANGED"):
        bench.deliver("kita_attendance", "Kita_2015.csv", csv_text(kita_rows(50)))


def test_tables_carry_types_and_comments_and_are_made_once(bench: Bench) -> None:
    create_tables(bench.con)
    types = dict(
        bench.rows("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'school_entry_exam'")  # type: ignore[arg-type]
    )
    assert types["height_cm"] == "DECIMAL(5,1)"
    assert (types["birth_month"], types["u7a"], types["ags"]) == ("DATE", "BOOLEAN", "VARCHAR")
    silent = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'intake' AND comment IS NULL"
    assert bench.rows(silent) == []
    names = bench.rows("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'intake' ORDER BY 1")
    assert names == [(name,) for name in sorted([*SOURCES, "delivery", "quarantine", "official_figure"])]


def test_a_table_made_by_another_contract_is_told(bench: Bench) -> None:
    bench.con.execute("ALTER TABLE intake.kita_attendance DROP COLUMN age")
    with pytest.raises(WarehouseError, match=r"intake\.kita_attendance.*age"):
        create_tables(bench.con)


@dataclasses.dataclass(frozen=True)
class Published:
    line_no: int
    region_key: str
    value: Decimal | None
    table_code: str = "21111-02-06-4"
    region_level: str = "kreis"
    year: int = 2015
    reference_date: dt.date | None = dt.date(2015, 12, 31)
    characteristics: str = "Insgesamt | männlich"
    measure: str = "Anzahl"
    status: str = "value"


def test_official_figures_go_in_exactly_and_once(bench: Bench) -> None:
    path = bench.put("21111.csv", "published")
    figures = [Published(7 + i, f"{5000 + i:05}", Decimal(i) / 10 if i % 7 else None) for i in range(120_000)]
    calls: list[int] = []

    def read() -> list[Published]:
        calls.append(1)
        return figures

    first = store_figures(bench.con, path, read, as_of=AS_OF, name="genesis/21111.csv")
    assert (first.source, first.year, first.n_accepted, first.status) == ("official", None, 120_000, "accepted")
    total = sum((figure.value or Decimal(0) for figure in figures), Decimal(0))
    stored = (
        "SELECT count(*), count(value), sum(value), min(region_key), min(reference_date) FROM intake.official_figure"
    )
    n_values = sum(figure.value is not None for figure in figures)
    assert bench.rows(stored) == [(120_000, n_values, total, "05000", dt.date(2015, 12, 31))]
    assert store_figures(bench.con, path, read, as_of=AS_OF).status == "already_loaded"
    assert calls == [1]
    path = bench.put("21111.csv", "published again")
    assert (
        store_figures(bench.con, path, lambda: figures[:9], as_of=AS_OF, name="genesis/21111.csv").status == "corrected"
    )
    with pytest.raises(DeliveryError, match="EMPTY_FILE"):
        store_figures(bench.con, bench.put("x.csv", "y"), list, as_of=AS_OF)


def test_a_published_file_is_read_by_its_layout(bench: Bench, shared: Path) -> None:
    published = shared / "data/official/genesis/AI003-1_00.csv"
    path = bench.put("AI003-1.csv", published.read_bytes())
    report = deliver_official(bench.con, path, "genesis/AI003-1.csv", "genesis_classic", as_of=AS_OF)
    assert report.n_accepted == bench.rows("SELECT count(*) FROM intake.official_figure")[0][0]
    assert report.n_accepted > 1000


def test_every_shipped_contract_reads() -> None:
    assert [contract.source for contract in shipped_contracts()] == list(SOURCES)
    assert len({contract.sha256 for contract in shipped_contracts()}) == len(SOURCES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('unknown = "x"', "unknown"),
        ('sha256 = "x"', "computed"),
        ("key = [", "not valid TOML"),
    ],
)
def test_contracts_with_faults_are_refused(change: str, message: str) -> None:
    with pytest.raises(DeliveryError, match=f"CONTRACT.*{message}"):
        parse_contract(f"{change}\n".encode(), "office.toml")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('header = "Alter"', 'header = "Vorname"', "direct identifier"),
        ('header = "Alter"', 'header = "AGS"', "listed twice"),
        ('key = ["pseudonym", "kita_year"]', 'key = ["child"]', "not among the columns"),
        ('name = "age"', 'name = "age; DROP"', "pattern"),
        ("minimum = 0", "minimum = 9", "minimum lies above maximum"),
    ],
)
def test_contracts_that_contradict_themselves_are_refused(before: str, after: str, message: str) -> None:
    file = Path(load_module.__file__).parent / "contracts" / "kita_attendance.toml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    with pytest.raises(DeliveryError, match=message):
        parse_contract(text.replace(before, after, 1).encode(), "office.toml")
