"""Reading a header: direct identifiers, and which delivered column is which. What belongs here: names of columns. What
does not: their values.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING

from kkz_eval.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kkz_eval.intake.contract import Contract

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})

#: A header that holds one of these anywhere names a direct identifier.
_ANYWHERE = (
    "vorname", "nachname", "familienname", "geburtsname", "rufname", "geburtsdatum", "gebdatum", "gebdat", "geburtstag",
    "dateofbirth", "birthdate", "birthday", "firstname", "lastname", "surname", "strasse", "hausnummer", "hausnr",
    "anschrift", "adresse", "wohnort", "postleitzahl", "telefon", "telefax", "handynummer", "mobilnummer",
    "mobiltelefon", "email", "kvnr", "krankenversichertennummer", "versichertennummer", "versichertennr",
    "krankenkassennummer",
    "kontonummer", "steuerid", "steueridentifikation", "sozialversicherungsnummer", "ausweisnummer", "ausweisnr",
    "aktenzeichen", "vollername", "kindname", "namekind", "namedeskindes",
)  # fmt: skip

#: A header that has one of these as a whole word does.
_AS_WORD = {
    "name", "namen", "plz", "iban", "bic", "mail", "tel", "handy", "mobil", "fax", "str", "hnr", "gebtag", "ort", "geb",
}  # fmt: skip

_LOOKS_LIKE_HEADER = re.compile(r"^[^\W\d][\w .()%/\-]{0,60}$")


def direct_identifier(header: str) -> bool:
    """Whether a header names a person, an address or a number that leads to one. Case and umlauts do not matter."""
    plain = header.strip().casefold().translate(_UMLAUTS)
    together = re.sub(r"[^a-z0-9]", "", plain)
    spaced = re.sub(r"([a-zäöüß])([A-ZÄÖÜ])", r"\1 \2", header.strip()).casefold().translate(_UMLAUTS)
    words = set(re.split(r"[^a-z]+", f"{plain} {spaced}")) | {together}
    return bool(words & _AS_WORD) or any(part in together for part in _ANYWHERE)


def refuse_direct_identifiers(file_name: str, headers: Sequence[str], contract: Contract) -> None:
    """Raise `DeliveryError` DIRECT_IDENTIFIER when a column names one. To be called before anything is kept."""
    known = {header for column in contract.columns for header in column.headers}
    for position, header in enumerate(headers, start=1):
        if header not in known and direct_identifier(header):
            shown = f" ('{header}')" if _may_be_told([each for each in headers if each not in known]) else ""
            raise DeliveryError(
                "DIRECT_IDENTIFIER",
                f"{file_name}, line 1, column {position}{shown}: this column names a direct identifier and nothing was"
                " kept; deliver the file without it, with pseudonyms made beforehand.",
            )


def match_header(file_name: str, headers: Sequence[str], contract: Contract) -> dict[str, int]:
    """Stored name of each column → its position in the file, matched by name alone.

    Raises `DeliveryError`: DIRECT_IDENTIFIER, or SCHEMA for a column that is missing, unknown, renamed or given twice.
    """
    refuse_direct_identifiers(file_name, headers, contract)
    wanted = {header: column for column in contract.columns for header in column.headers}
    found = [header for header in headers if header in wanted]
    required = [column for column in contract.columns if column.is_required]
    if 2 * len({wanted[header].name for header in found}) < len(required):
        # Most likely no header at all: the line may be a child's record, so none of it is repeated.
        hint = f"write it as its first line, separated by '{contract.delimiter}'"
        names = ", ".join(column.header for column in required)
        raise DeliveryError(
            "SCHEMA", f"{file_name}, line 1: this is not the header of {contract.source}; {hint}: {names}."
        )
    folded = Counter(header.casefold() for header in headers if header)
    named_twice = [header for header in found if folded[header.casefold()] > 1]
    stored_twice = Counter(wanted[header].header for header in found)
    twice = sorted({*named_twice, *(header for header, times in stored_twice.items() if times > 1)})
    if twice:
        raise DeliveryError(
            "SCHEMA", f"{file_name}, line 1: columns given twice: {', '.join(twice)}; keep each column once."
        )
    present = {wanted[header].name for header in found}
    missing = [column.header for column in required if column.name not in present]
    unknown = [(position, header) for position, header in enumerate(headers, start=1) if header not in wanted]
    if missing or unknown:
        raise DeliveryError("SCHEMA", f"{file_name}, line 1: {_difference(missing, unknown)}")
    return {wanted[header].name: position for position, header in enumerate(headers)}


def _difference(missing: list[str], unknown: list[tuple[int, str]]) -> str:
    """Missing and unknown columns in words, each unknown one with the missing name it is nearest to."""
    parts = []
    if missing:
        parts.append(f"columns missing: {', '.join(missing)}")
    if unknown:
        told = _told if _may_be_told([header for _, header in unknown]) else _place
        parts.append(
            f"columns not in the contract: {', '.join(told(place, header, missing) for place, header in unknown)}"
        )
    return (
        "; ".join(parts)
        + "; nothing was kept: name the columns as the contract does, or give the file its own contract."
    )


def _may_be_told(unknown: Sequence[str]) -> bool:
    """Whether unknown headers may stand in a message: among cells of a child, some would not read as headers."""
    return all(_LOOKS_LIKE_HEADER.match(header) for header in unknown)


def _place(position: int, _header: str, _missing: list[str]) -> str:
    return f"column {position}"


def _told(_position: int, header: str, missing: list[str]) -> str:
    by_folded = {name.casefold(): name for name in missing}
    near = difflib.get_close_matches(header.casefold(), list(by_folded), n=1, cutoff=0.5)
    return f"{header} (renamed from {by_folded[near[0]]}?)" if near else header
