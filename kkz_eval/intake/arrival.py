"""A file arrives: its name, its place, its hash. What belongs here: whether it may be opened at all. What does not: its
content.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kkz_eval.errors import DeliveryError
from kkz_eval.warehouse.connection import translated

_FILE_NAME = re.compile(r"^\w[\w .\-]{0,120}$")
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")


def year_of(file_name: str) -> int:
    """The one four-digit year in a file's name. Raises `DeliveryError` YEAR_IN_NAME."""
    years = _YEAR.findall(file_name)
    if len(years) != 1:
        found = "no year" if not years else f"{len(years)} years"
        raise DeliveryError(
            "YEAR_IN_NAME",
            f"{file_name}: the name holds {found}; name the file with exactly one year, as in SEU_2015.csv.",
        )
    return int(years[0])


def admitted_file(path: Path, inbox: Path | None) -> Path:
    """The file, links followed. Raises `DeliveryError`: FILE_NAME, NO_FILE, PATH_OUTSIDE_INBOX, EMPTY_FILE."""
    if not _FILE_NAME.match(path.name):
        shown = re.sub(r"[^\w .\-]", "?", path.name)[:60]
        raise DeliveryError(
            "FILE_NAME",
            f"{shown}: the name is too long or holds signs that are not allowed; use letters, digits, blank . - _",
        )
    root = (inbox or path.parent).resolve()
    file = path.resolve()
    if not file.is_relative_to(root):
        raise DeliveryError(
            "PATH_OUTSIDE_INBOX", f"{path.name}: this is a link that leaves the inbox; put the file itself there."
        )
    if not file.is_file():
        what = "a folder" if file.is_dir() else "missing"
        raise DeliveryError("NO_FILE", f"{path.name}: there must be a file here, but it is {what}; check the inbox.")
    if not file.stat().st_size:
        raise DeliveryError("EMPTY_FILE", f"{path.name}: the file is empty; deliver it again.")
    return file


def file_sha256(file: Path) -> str:
    """Hash of the bytes: what makes two deliveries the same. Raises `DeliveryError` NO_FILE."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as fault:
        raise DeliveryError(
            "NO_FILE", f"{file.name}: the file cannot be read ({fault.strerror}); give permission to read it."
        ) from None


@contextmanager
def passing_folder(work: Path) -> Iterator[Path]:
    """A folder below `work` for passing files; it is gone afterwards, as are those of processes that were killed."""
    _sweep(work)
    with tempfile.TemporaryDirectory(prefix=f"intake_{os.getpid()}_", dir=work.resolve()) as folder:
        yield Path(folder)


def _sweep(work: Path) -> None:
    """Remove passing files of processes that were killed: they hold personal data."""
    for folder in work.glob("intake_*_*"):
        number = folder.name.split("_")[1]
        if number.isdigit() and not Path(f"/proc/{number}").exists() and Path("/proc").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def safe_errors(file: Path) -> Iterator[None]:
    """DuckDB's messages may hold a record; what leaves here does not."""
    try:
        yield
    except duckdb.Error as fault:
        raise translated(fault, Path(file.name)) from None
    except OSError as fault:
        raise DeliveryError(
            "NO_SPACE",
            f"{file.name}: the work folder cannot be used ({fault.strerror}); free space or give permission.",
        ) from None
