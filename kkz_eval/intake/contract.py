"""What a delivered file must look like, as frozen records read from contracts/<source>.toml. What belongs here: the
records, their limits, reading. What does not: looking at a delivered file.
"""

import hashlib
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.identifiers import direct_identifier

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Kind = Literal["integer", "decimal", "text", "month", "code", "boolean", "pseudonym", "ags"]
Unit = Literal["id", "text", "year", "month", "count", "points", "number", "years", "flag"]

#: Sources of rows that come with the project, each with its contract.
SOURCES = ("school_entry_exam", "kita_attendance", "education", "registered_children")

_STORED = {
    "integer": "INTEGER", "text": "VARCHAR", "month": "DATE", "code": "VARCHAR", "boolean": "BOOLEAN",
    "pseudonym": "VARCHAR", "ags": "VARCHAR",
}  # fmt: skip


class Record(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Record):
    """One column: its header as delivered, what a cell may hold, and what is stored.

    `codes` maps delivered to stored values (type code; for boolean to "true" and "false"). `missing` lists delivered
    values that mean "not known" and are stored as NULL. `allowed` lists the only values of an integer column. A blank
    cell is a fault unless `may_be_blank`, or the file's year lies before `blank_before`. `aliases` are other spellings
    of the header. `labels` are the value labels that a file with labels (SPSS) must carry: it is refused when a code
    means something else there.
    """

    name: Name
    header: Text
    type: Kind
    unit: Unit
    description: Text
    aliases: tuple[Text, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    allowed: tuple[int, ...] = ()
    digits: Annotated[int, Field(ge=1, le=18)] = 5
    decimals: Annotated[int, Field(ge=0, le=6)] = 1
    codes: dict[str, str] = {}
    labels: dict[str, str] = {}
    missing: tuple[str, ...] = ()
    may_be_blank: bool = False
    blank_before: int | None = None
    is_required: bool = True
    pattern: str | None = None
    maximum_length: Annotated[int, Field(ge=1, le=200)] = 40

    @property
    def stored_type(self) -> str:
        """DuckDB type of the column in schema intake."""
        return f"DECIMAL({self.digits},{self.decimals})" if self.type == "decimal" else _STORED[self.type]

    @property
    def headers(self) -> tuple[str, ...]:
        """All accepted spellings of the header."""
        return (self.header, *self.aliases)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        numeric = self.type in ("integer", "decimal")
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"column {self.name}: minimum and maximum belong to integer and decimal columns only")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name}: minimum lies above maximum")
        if self.allowed and self.type != "integer":
            raise ValueError(f"column {self.name}: allowed belongs to integer columns only")
        if (self.type == "code") != bool(self.codes) and self.type != "boolean":
            raise ValueError(f"column {self.name}: codes belong to columns of type code, and these need them")
        if self.type == "boolean" and not set(self.codes.values()) <= {"true", "false"}:
            raise ValueError(f"column {self.name}: codes of a boolean column map to 'true' or 'false'")
        if self.pattern is not None and self.type != "text":
            raise ValueError(f"column {self.name}: pattern belongs to columns of type text")
        identifying = [header for header in self.headers if direct_identifier(header)]
        if identifying:
            raise ValueError(
                f"column {self.name}: '{identifying[0]}' names a direct identifier, which is never taken in"
            )
        return self


class BodyMassIndex(Record):
    """Limits of weight / height², which catch a pair of values that are each possible alone."""

    height: Name
    weight: Name
    minimum: Decimal
    maximum: Decimal


class Contract(Record):
    """One layout of one source. `sha256` is the hash of the TOML text and is recorded with every delivery.

    `key` names the columns that identify a row within the source. `year_column` holds the year which the file's name
    states too, `year_meaning` says of what; without `year_column` the file's name alone states it.
    """

    source: Name
    title_de: Text
    grain: Text
    delimiter: Literal[";", ",", "|", "\t"] = ";"
    decimal_mark: Literal[",", "."] = ","
    encodings: tuple[Literal["utf-8", "cp1252", "utf-16"], ...] = ("utf-8", "cp1252", "utf-16")
    year_column: Name | None
    year_meaning: Text
    first_year: Annotated[int, Field(ge=1900, le=2100)]
    key: tuple[Name, ...] = Field(min_length=1)
    max_quarantined_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    body_mass_index: BodyMassIndex | None = None
    columns: tuple[Column, ...] = Field(min_length=1)
    sha256: str = ""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        names = [column.name for column in self.columns]
        headers = [header for column in self.columns for header in column.headers]
        _refuse_twice("column", names)
        _refuse_twice("header", headers)
        reserved = {"delivery_id", "line_no"} & set(names)
        if reserved:
            raise ValueError(f"column {min(reserved)}: this name is used by the intake itself")
        bmi = self.body_mass_index
        mentioned = [
            *self.key,
            *([self.year_column] if self.year_column else []),
            *([bmi.height, bmi.weight] if bmi else []),
        ]
        for name in mentioned:
            if name not in names:
                raise ValueError(f"'{name}' is not among the columns; known: {', '.join(names)}")
        for name in self.key:
            column = self.column(name)
            if column.may_be_blank or column.missing or column.blank_before or not column.is_required:
                raise ValueError(f"column {name} belongs to the key and must always be there")
        if self.year_column and self.column(self.year_column).type != "integer":
            raise ValueError(f"column {self.year_column}: the year must be of type integer")
        return self

    def column(self, name: str) -> Column:
        """The column of that stored name; it exists (checked when the contract is read)."""
        return next(column for column in self.columns if column.name == name)


def read_contract(place: str | Path) -> Contract:
    """The contract of a source by its name, or one from a file, such as an office's own layout of a source.

    Raises `DeliveryError` with code CONTRACT.
    """
    if isinstance(place, str):
        return shipped_contract(place)
    path = place
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise DeliveryError(
            "CONTRACT", f"{path}: the contract cannot be read ({fault.strerror}); check the path."
        ) from None
    return parse_contract(content, path.name)


def shipped_contract(source: str) -> Contract:
    """The contract of one of `SOURCES`. Raises `DeliveryError` with code CONTRACT for any other name."""
    if source not in SOURCES:
        raise DeliveryError("CONTRACT", f"there is no source '{source}'; choose one of: {', '.join(SOURCES)}.")
    file = resources.files("kkz_eval.intake").joinpath("contracts", f"{source}.toml")
    return parse_contract(file.read_bytes(), f"{source}.toml")


def shipped_contracts() -> tuple[Contract, ...]:
    """All contracts that come with the project, in the order of `SOURCES`."""
    return tuple(shipped_contract(source) for source in SOURCES)


def parse_contract(content: bytes, where: str) -> Contract:
    """Check the text of a contract; `where` names it in messages."""
    try:
        fields: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise DeliveryError("CONTRACT", f"{where}: not valid TOML in UTF-8 ({fault}); mend that place.") from None
    if "sha256" in fields:
        raise DeliveryError("CONTRACT", f"{where}: the key 'sha256' is computed and must not be written; remove it.")
    try:
        return Contract(**fields, sha256=hashlib.sha256(content).hexdigest())
    except ValidationError as fault:
        # An unknown key is told before the gap that it leaves.
        first = min(fault.errors(), key=lambda error: error["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"]) or "contract"
        raise DeliveryError("CONTRACT", f"{where}: '{place}' is not allowed: {first['msg']}.") from None


def _refuse_twice(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} '{name}' is listed twice")
