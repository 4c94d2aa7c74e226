"""The one connection factory: locked down, closed in any case, one writer at a time."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from kkz_eval.errors import WarehouseError
from kkz_eval.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    for folder in ("inbox", "release"):
        (tmp_path / folder).mkdir()
    return Warehouse(
        tmp_path / "warehouse.duckdb",
        tmp_path / "work",
        (tmp_path / "inbox", tmp_path / "work", tmp_path / "release"),
        lock_deadline=0.3,
    )


def test_files_are_for_the_owner_only(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute("CREATE TABLE plan.t AS SELECT 1 AS x")
    assert stat.S_IMODE(warehouse.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(warehouse.work_folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/kkz_eval_leak.csv'",
        "ATTACH '/tmp/kkz_eval_other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ],
)
def test_sql_cannot_leave_the_study_or_loosen_its_bounds(warehouse: Warehouse, statement: str) -> None:
    with pytest.raises(WarehouseError), warehouse.connect() as connection:
        connection.execute(statement)


def test_a_link_out_of_the_inbox_is_not_followed(warehouse: Warehouse, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    (tmp_path / "inbox" / "link.csv").symlink_to(outside)
    with pytest.raises(WarehouseError), warehouse.connect() as connection:
        connection.execute(f"SELECT * FROM read_csv('{tmp_path}/inbox/link.csv')").fetchall()


def test_the_connection_is_closed_after_a_fault(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError), warehouse.connect() as connection:
        connection.execute("SELECT * FROM nowhere.nothing")
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT 1")


def test_a_second_process_is_told_who_holds_the_database(warehouse: Warehouse) -> None:
    with warehouse.connect():
        pass
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
            str(warehouse.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin and holder.stdout
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(WarehouseError, match=f"in use by process {holder.pid}"), warehouse.connect():
            pass
    finally:
        holder.communicate(b"")
    with warehouse.connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_file_that_is_no_database_is_named(warehouse: Warehouse) -> None:
    warehouse.path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb: this file is damaged"), warehouse.connect():
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(warehouse: Warehouse, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WarehouseError, match="permission"), warehouse.connect():
            pass
    finally:
        tmp_path.chmod(0o700)


def test_paths_with_quotes_are_refused(tmp_path: Path) -> None:
    odd = tmp_path / "it's"
    odd.mkdir()
    warehouse = Warehouse(tmp_path / "w.duckdb", odd, (odd,))
    with pytest.raises(WarehouseError, match="quotes"), warehouse.connect():
        pass
