"""Readers of official statistics: a published file becomes figures with area, year, measure and status.

Belongs here: one file per layout and the rules they share. Does not: which figures make a series, which is declared in
sql/reference/official_series.sql.
"""

from pathlib import Path

from kkz_eval.intake.official.figure import Kind, OfficialFigure, OfficialTable, refused
from kkz_eval.intake.official.genesis_classic import CODE, read_classic
from kkz_eval.intake.official.genesis_flat import STARTS, read_flat
from kkz_eval.intake.official.inkar import read_inkar_csv, read_inkar_xls

__all__ = ["OfficialFigure", "OfficialTable", "read_official"]

_XLS = b"\xd0\xcf\x11\xe0"


def read_official(path: Path, kind: str | None = None) -> OfficialTable:
    """Read a file of official statistics; its layout is detected, and must be `kind` when that is given.

    Raises `DeliveryError` with one of the codes MISSING, LAYOUT, TRUNCATED, SYMBOL, AGS_LEADING_ZERO.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise refused(
            "MISSING", path.name, None, f"the file cannot be read ({fault.strerror}); check its place and name."
        ) from None
    found = _kind(content)
    if found is None:
        raise refused(
            "LAYOUT",
            path.name,
            1,
            "this is no known layout; deliver a CSV or flat file of GENESIS, or an export of INKAR.",
        )
    if kind is not None and kind != found:
        raise refused(
            "LAYOUT", path.name, 1, f"the plan says {kind} but the file is {found}; correct official_files in the plan."
        )
    if found == "inkar_xls":
        return read_inkar_xls(path)
    text, encoding = _decoded(content)
    reader = {"genesis_classic": read_classic, "genesis_flat": read_flat, "inkar_csv": read_inkar_csv}[found]
    return reader(text, path.name, encoding)


def _kind(content: bytes) -> Kind | None:
    if content.startswith(_XLS):
        return "inkar_xls"
    start = _decoded(content[:4096].rpartition(b"\n")[0] or content[:4096])[0]
    if CODE.match(start):
        return "genesis_classic"
    if start.startswith(STARTS):
        return "genesis_flat"
    if start.startswith(("Kennziffer;", '"Kennziffer"')):
        return "inkar_csv"
    return None


def _decoded(content: bytes) -> tuple[str, str]:
    """Strict UTF-8 first, then cp1252 (what German offices write), then latin-1, which accepts every byte."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1"
