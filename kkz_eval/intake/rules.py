"""The rules of a contract as SQL expressions: why a cell is refused, and what is stored. What belongs here: making
expressions. What does not: running them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from kkz_eval.intake.contract import Column, Contract

_HEX = "[0-9a-fA-F]{16,64}"
_UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
#: A counter written with zeros in front is no pseudonym: it tells the order of the children.
_COUNTER = "0{8,}.*"
_EARLIEST_MONTH = dt.date(1980, 1, 1)
_YES_NO = {"1": "true", "0": "false"}

#: Values that look like a person: e-mail, Krankenversichertennummer, IBAN, a day (where a month is the most allowed).
SUSPICIOUS = (
    "[^@ ]+@[^@ ]+\\.[A-Za-z]{2,}|[A-Z][0-9]{9}|[A-Z]{2}[0-9]{2}( ?[0-9A-Z]{4}){3,7} ?[0-9A-Z]{0,4}"
    "|[0-9]{1,2}\\.[0-9]{1,2}\\.([0-9]{2}|[0-9]{4})|[0-9]{4}-[0-9]{2}-[0-9]{2}"
)


@dataclass
class Bound:
    """Values of a statement, bound by name: `$p0`, `$p1`, …"""

    values: dict[str, object] = field(default_factory=dict)

    def __call__(self, value: object) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def listed(self, values: Sequence[object]) -> str:
        """`($p0, $p1)`."""
        return f"({', '.join(self(value) for value in values)})"


def quoted(name: str) -> str:
    """An identifier in quotation marks."""
    return '"' + name.replace('"', '""') + '"'


def text(column: Column) -> str:
    """The delivered cell in the table of text, NULL when blank."""
    return f"t.{quoted(column.name)}"


def reason(column: Column, contract: Contract, year: int, as_of: dt.date, bound: Bound, checks_keys: bool) -> str:
    """An expression: why the cell is refused, NULL when it is not."""
    cell = text(column)
    blank = "NULL" if _may_be_blank(column, year) else bound(f"REQUIRED:{column.name}")
    cases = [f"WHEN {cell} IS NULL THEN {blank}"]
    if column.missing:
        cases.append(f"WHEN {cell} IN {bound.listed(list(column.missing))} THEN NULL")
    faults = _faults(column, as_of, bound, checks_keys, contract.decimal_mark)
    if column.name == contract.year_column:
        value = stored(column, bound)
        outside = f"{value} NOT BETWEEN {bound(contract.first_year)} AND {bound(as_of.year + 1)}"
        faults += [(outside, "YEAR_RANGE"), (f"{value} <> {bound(year)}", "YEAR_MISMATCH")]
    cases += [f"WHEN {condition} THEN {bound(code)}" for condition, code in faults]
    return f"CASE {' '.join(cases)} END"


def stored(column: Column, bound: Bound, checks_keys: bool = True) -> str:
    """An expression: the value to be stored. Only meaningful where `reason` is NULL."""
    value = _value(column, bound, checks_keys)
    if not column.missing:
        return value
    return f"CASE WHEN {text(column)} IN {bound.listed(list(column.missing))} THEN NULL ELSE {value} END"


def body_mass_index_reason(contract: Contract, bound: Bound) -> str:
    """An expression like `reason` for the pair of height and weight."""
    limits = contract.body_mass_index
    if limits is None:
        return "NULL"
    height = f"CAST({stored(contract.column(limits.height), bound)} AS DOUBLE)"
    weight = f"CAST({stored(contract.column(limits.weight), bound)} AS DOUBLE)"
    index = f"{weight} * 10000 / nullif({height} * {height}, 0)"
    within = f"BETWEEN {bound(float(limits.minimum))} AND {bound(float(limits.maximum))}"
    # A pair of which one alone is impossible has its reason already.
    each_possible = " AND ".join(
        f"{value} BETWEEN {bound(float(column.minimum or 0))} AND {bound(float(column.maximum or 'inf'))}"
        for value, column in ((height, contract.column(limits.height)), (weight, contract.column(limits.weight)))
    )
    return f"CASE WHEN {each_possible} AND {index} NOT {within} THEN {bound('RANGE:body_mass_index')} END"


def not_known(column: Column, bound: Bound) -> str:
    """A condition: the cell is blank or holds a missing code."""
    cell = text(column)
    if not column.missing:
        return f"{cell} IS NULL"
    return f"({cell} IS NULL OR {cell} IN {bound.listed(list(column.missing))})"


def _may_be_blank(column: Column, year: int) -> bool:
    return (
        column.may_be_blank
        or not column.is_required
        or (column.blank_before is not None and year < column.blank_before)
    )


def _faults(  # noqa: PLR0911 - one answer per type
    column: Column, as_of: dt.date, bound: Bound, checks_keys: bool, mark: str
) -> list[tuple[str, str]]:
    """Conditions and reasons, the first that holds counts. Formats come first: casts round and take too much."""
    cell, name = text(column), column.name

    def unlike(pattern: str) -> str:
        return f"NOT regexp_full_match({cell}, {bound(pattern)})"

    if column.type == "integer":
        return [(unlike("-?[0-9]{1,9}"), f"TYPE:{name}"), *_limits(column, bound)]
    if column.type == "decimal":
        return _decimal_faults(column, bound, mark)
    if column.type == "month":
        value = _value(column, bound, checks_keys)
        outside = f"{value} NOT BETWEEN {bound(_EARLIEST_MONTH)} AND {bound(as_of)}"
        return [(unlike("[0-9]{4}-(0[1-9]|1[0-2])"), f"TYPE:{name}"), (outside, f"RANGE:{name}")]
    if column.type == "pseudonym":
        is_counter = f"regexp_full_match({cell}, {bound(_COUNTER)})"
        return [(f"{unlike(f'{_HEX}|{_UUID}')} OR {is_counter}", "PSEUDONYM_WEAK")]
    if column.type == "ags":
        return _ags_faults(column, bound, checks_keys)
    if column.type in ("code", "boolean"):
        return [(f"{cell} NOT IN {bound.listed(list(column.codes or _YES_NO))}", f"CODE:{name}")]
    too_long = (f"length({cell}) > {bound(column.maximum_length)}", f"TEXT_TOO_LONG:{name}")
    return [too_long] if column.pattern is None else [too_long, (unlike(column.pattern), f"PATTERN:{name}")]


def _ags_faults(column: Column, bound: Bound, checks_keys: bool) -> list[tuple[str, str]]:
    cell = text(column)
    unknown = [("g.ags IS NULL AND k.new_key IS NULL", "AGS_UNKNOWN")] if checks_keys else []
    return [
        (f"regexp_full_match({cell}, {bound('[1-9][0-9]{6}')})", "AGS_LEADING_ZERO"),
        (f"NOT regexp_full_match({cell}, {bound('[0-9]{8}')})", f"TYPE:{column.name}"),
        *unknown,
    ]


def _decimal_faults(column: Column, bound: Bound, mark: str) -> list[tuple[str, str]]:
    cell, number = text(column), f"-?[0-9]{{1,{column.digits - column.decimals}}}"
    right, wrong = ("[,]", "[.]") if mark == "," else ("[.]", "[,]")
    fraction = f"({right}[0-9]{{1,{column.decimals}}})?" if column.decimals else ""
    return [
        (f"regexp_full_match({cell}, {bound(f'{number}{wrong}[0-9]+')})", f"DECIMAL_MARK:{column.name}"),
        (f"NOT regexp_full_match({cell}, {bound(number + fraction)})", f"TYPE:{column.name}"),
        *_limits(column, bound),
    ]


def _limits(column: Column, bound: Bound) -> list[tuple[str, str]]:
    value = _value(column, bound, True)
    faults = []
    if column.allowed:
        faults.append((f"{value} NOT IN {bound.listed(column.allowed)}", f"CODE:{column.name}"))
    if column.minimum is not None:
        faults.append((f"{value} < {bound(column.minimum)}", f"RANGE:{column.name}"))
    if column.maximum is not None:
        faults.append((f"{value} > {bound(column.maximum)}", f"RANGE:{column.name}"))
    return faults


def _value(column: Column, bound: Bound, checks_keys: bool) -> str:
    cell = text(column)
    if column.type == "boolean":
        return _mapped(cell, [(bound(given), kept.upper()) for given, kept in (column.codes or _YES_NO).items()])
    if any(given != kept for given, kept in column.codes.items()):
        return _mapped(cell, [(bound(given), bound(kept)) for given, kept in column.codes.items()])
    return {
        "integer": f"TRY_CAST({cell} AS INTEGER)",
        "decimal": f"TRY_CAST(replace({cell}, ',', '.') AS {column.stored_type})",
        "month": f"TRY_CAST({cell} || '-01' AS DATE)",
        "pseudonym": f"lower({cell})",
        "ags": "coalesce(g.ags, k.new_key)" if checks_keys else cell,
    }.get(column.type, cell)


def _mapped(cell: str, pairs: list[tuple[str, str]]) -> str:
    return f"CASE {cell} {' '.join(f'WHEN {given} THEN {kept}' for given, kept in pairs)} END"
