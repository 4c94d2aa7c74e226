"""The one connection factory.

What belongs here: opening, locking down, waiting for the lock. What does not: any table.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kkz_eval.errors import WarehouseError
from kkz_eval.plan.study import Study

SCHEMAS = ("plan", "intake", "reference", "staging", "cells", "estimates", "horizon", "disclosure", "release", "ledger")
_HOLDER = re.compile(r"PID (\d+)")


@dataclass(frozen=True)
class Warehouse:
    """How to open the database of one study.

    Every connection is locked down: SQL reads and writes only below `folders`, no extension is loaded, no Python
    variable is visible to SQL, settings cannot be changed. Two processes never write at once: the second waits up to
    `lock_deadline` seconds and then names the process that holds the file.
    """

    path: Path
    work_folder: Path
    folders: tuple[Path, ...]
    memory_limit: str = "2GB"
    threads: int = 2
    lock_deadline: float = 30.0

    @classmethod
    def of(cls, study: Study, lock_deadline: float = 30.0) -> "Warehouse":
        """The warehouse of a study folder."""
        return cls(
            path=study.warehouse_file,
            work_folder=study.work_folder,
            folders=(study.inbox, study.work_folder, study.release_folder),
            memory_limit=study.memory_limit,
            threads=study.threads,
            lock_deadline=lock_deadline,
        )

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """An open, locked-down connection; closed in any case. Raises `WarehouseError`."""
        os.umask(0o077)
        try:
            self.work_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise WarehouseError(
                f"{self.work_folder}: cannot be written ({fault.strerror}); give write permission or free space."
            ) from None
        connection = self._open()
        try:
            _lock_down(connection, self.memory_limit, self.threads, self.work_folder / "spill", self.folders)
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            yield connection
        except duckdb.Error as fault:
            raise translated(fault, self.path) from None
        finally:
            connection.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self.lock_deadline
        while True:
            try:
                return duckdb.connect(str(self.path))
            except duckdb.Error as fault:
                text = str(fault)
                if "Could not set lock" not in text and "Conflicting lock" not in text:
                    raise translated(fault, self.path) from None
                if time.monotonic() >= deadline:
                    holder = _HOLDER.search(text)
                    who = f"process {holder.group(1)}" if holder else "another process"
                    raise WarehouseError(
                        f"{self.path}: the database is in use by {who}; wait until it ends or stop it, then run again."
                    ) from None
            time.sleep(0.2)


def in_memory() -> duckdb.DuckDBPyConnection:
    """A database in memory that cannot reach any file: for reading SQL text, and for computations on frames."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET temp_directory = ''")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    return connection


def translated(fault: duckdb.Error, path: Path) -> WarehouseError:
    """DuckDB's fault as our own. Messages of DuckDB may hold a record, so only the kind of fault is passed on."""
    text = str(fault)
    if isinstance(fault, duckdb.OutOfMemoryException):
        return WarehouseError(f"{path}: the memory limit is too small for this step; raise memory_limit in study.toml.")
    if "No space left" in text or "max_temp_directory_size" in text:
        return WarehouseError(
            f"{path}: the disk is full; free space (three times the size of the inbox) and run again."
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return WarehouseError(f"{path}: the folder cannot be written; give write permission to the study folder.")
    if "not a valid DuckDB database" in text or "Corrupt" in text or "checksum" in text.lower():
        return WarehouseError(
            f"{path}: this file is damaged or no DuckDB database; restore it from a backup or delete it."
        )
    # These kinds are about names and syntax of our own SQL, never about data.
    if isinstance(
        fault, (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException, duckdb.PermissionException)
    ):
        return WarehouseError(f"{path}: {text.splitlines()[0]}")
    return WarehouseError(f"{path}: the database refused a step ({type(fault).__name__}).")


def _lock_down(
    connection: duckdb.DuckDBPyConnection, memory_limit: str, threads: int, spill: Path, folders: tuple[Path, ...]
) -> None:
    spill.mkdir(mode=0o700, exist_ok=True)
    allowed = ", ".join(f"'{_checked(folder)}/'" for folder in folders)
    if not re.fullmatch(r"\d+(\.\d+)?\s?([KMGT]i?B|%)", memory_limit):
        raise WarehouseError(f"memory_limit '{memory_limit}' is not a size; write for example memory_limit = \"2GB\".")
    if not 1 <= threads <= 1024:
        raise WarehouseError(f"threads = {threads} is not possible; write a number of processor cores, for example 2.")
    for setting in (
        f"memory_limit = '{memory_limit}'",
        f"threads = {threads}",
        f"temp_directory = '{_checked(spill)}'",
        "max_temp_directory_size = '50GB'",
        "preserve_insertion_order = true",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        f"allowed_directories = [{allowed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _checked(path: Path) -> Path:
    """A path that may stand inside quotes. Raises `WarehouseError` on quotes and control characters."""
    if re.search(r"['\"\x00-\x1f]", str(path)):
        raise WarehouseError(
            f"{path!r}: quotes and control characters are not allowed in a study's paths; rename the folder."
        )
    return path
