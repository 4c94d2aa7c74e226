"""The rules of a contract run over a table of text, as SQL. What belongs here: which rows are accepted, and why others
are not. What does not: storing either.

Four temporary tables are made: `intake_text` (line_no, one VARCHAR per column), `intake_unread` (lines that are no
row), `intake_bad` (line_no, reasons) and, on the way, `intake_fault`.
"""

import datetime as dt
from dataclasses import dataclass

import duckdb

from kkz_eval.errors import DeliveryError, WarehouseError
from kkz_eval.intake import rules
from kkz_eval.intake.contract import Contract
from kkz_eval.intake.formats.table import TextTable
from kkz_eval.intake.rules import Bound, quoted

_SUSPICIOUS_SHARE = 0.01
_ENOUGH_TO_JUDGE = 20
_TEMPORARY = ("intake_text", "intake_unread", "intake_bad", "intake_fault")


@dataclass(frozen=True)
class Keys:
    """Tables of valid keys of Gemeinden (`ags`) and of replaced ones (`old_key`, `new_key`); None: not checked."""

    gemeinde: str | None = "reference.gemeinde"
    key_change: str | None = "reference.key_change"


@dataclass(frozen=True)
class Situation:
    """What a file is judged against. `other_deliveries`: active deliveries of the source that stay beside this one."""

    file_name: str
    year: int
    as_of: dt.date
    keys: Keys
    other_deliveries: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Rows of the file, rows to be quarantined, and per reason (rows, first line). Rows in = accepted + quarantined."""

    n_rows: int
    n_quarantined: int
    reasons: dict[str, tuple[int, int]]
    empty_columns: tuple[str, ...]

    @property
    def n_accepted(self) -> int:
        """Rows that fit the contract."""
        return self.n_rows - self.n_quarantined


def load_text(con: duckdb.DuckDBPyConnection, contract: Contract, table: TextTable) -> None:
    """Fill `intake_text` and `intake_unread`. Raises `duckdb.InvalidInputException` when rows differ in length."""
    drop_temporary(con)
    cells = [*(["line"] if table.has_line_numbers else []), *(f"c{position}" for position in range(table.n_columns))]
    kinds = ", ".join(f"'{cell}': 'VARCHAR'" for cell in cells)
    chosen = []
    for column in contract.columns:
        position = table.columns.get(column.name)
        cell = "CAST(NULL AS VARCHAR)" if position is None else f"c{position}"
        trimmed = f"nullif(trim({cell}, ' '), '')" if table.has_blanks_at_edges else cell
        chosen.append(f"{trimmed} AS {quoted(column.name)}")
    line = (
        "CAST(line AS INTEGER)"
        if table.has_line_numbers
        else f"CAST(row_number() OVER () + {table.lines_skipped} AS INTEGER)"
    )
    con.execute(
        f"CREATE TEMP TABLE intake_text AS SELECT {line} AS line_no, {', '.join(chosen)}"
        f" FROM read_csv($file, columns = {{{kinds}}}, delim = $delimiter, {_AS_IT_IS}, skip = {table.lines_skipped})",
        {"file": _no_pattern(table), "delimiter": table.delimiter},
    )
    con.execute("CREATE TEMP TABLE intake_unread (line_no INTEGER, reason VARCHAR, raw VARCHAR)")
    if table.faulty is not None:
        con.execute(
            "INSERT INTO intake_unread SELECT CAST(line AS INTEGER), reason, raw FROM read_csv($file,"
            " columns = {'line': 'VARCHAR', 'reason': 'VARCHAR', 'raw': 'VARCHAR'}, delim = $delimiter,"
            f" {_AS_IT_IS})",
            {"file": str(table.faulty), "delimiter": table.delimiter},
        )
    n_text, n_unread = con.execute(
        "SELECT (SELECT count(*) FROM intake_text), (SELECT count(*) FROM intake_unread)"
    ).fetchall()[0]
    if (n_text, n_unread) != (table.n_rows, table.n_faulty):
        raise duckdb.InvalidInputException("rows and lines differ in number")


_AS_IT_IS = "quote = '', escape = '', header = false, auto_detect = false, strict_mode = true, new_line = '\\n'"


def _no_pattern(table: TextTable) -> str:
    """The path as one that DuckDB cannot read as a pattern of several files."""
    return "".join(f"[{sign}]" if sign in "[*?" else sign for sign in str(table.path))


def drop_temporary(con: duckdb.DuckDBPyConnection) -> None:
    """Remove the temporary tables: they hold personal data."""
    for table in _TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")


def judge(con: duckdb.DuckDBPyConnection, contract: Contract, situation: Situation) -> Verdict:
    """Fill `intake_bad` and count.

    Raises `DeliveryError`: DIRECT_IDENTIFIER_SUSPECTED when cells look like persons, PSEUDONYM_WEAK when the pseudonyms
    are none, TOO_MANY_BAD_ROWS when more rows than the contract allows would be quarantined.
    """
    check_keys_exist(con, contract, situation.keys)
    _find_faults(con, contract, situation)
    _find_repeats(con, contract, situation)
    con.execute(
        "CREATE TEMP TABLE intake_bad AS SELECT line_no,"
        " string_split(string_agg(reasons, ' ' ORDER BY part, reasons), ' ') AS reasons"
        " FROM intake_fault GROUP BY line_no"
    )
    _refuse_suspicious(con, contract, situation.file_name)
    verdict = _count(con, contract, situation)
    _refuse_too_many(contract, situation, verdict)
    return verdict


def stored_columns(contract: Contract, keys: Keys) -> tuple[str, str, Bound]:
    """SELECT list of the typed columns, the FROM clause that it needs, and the values bound in both."""
    bound, checks_keys = Bound(), keys.gemeinde is not None
    chosen = [
        f"CAST({rules.stored(column, bound, checks_keys)} AS {column.stored_type}) AS {quoted(column.name)}"
        for column in contract.columns
    ]
    return ", ".join(chosen), _from(contract, keys), bound


def _from(contract: Contract, keys: Keys) -> str:
    """`intake_text` with, where keys are checked, the Gemeinde or the successor of a dissolved one."""
    located = next((column for column in contract.columns if column.type == "ags"), None)
    if located is None or keys.gemeinde is None:
        return "intake_text AS t"
    cell = rules.text(located)
    change = (
        f"(SELECT old_key, min(new_key) AS new_key FROM {keys.key_change}"
        " GROUP BY old_key HAVING count(DISTINCT new_key) = 1)"
        if keys.key_change
        else "(SELECT NULL AS old_key, NULL AS new_key WHERE false)"
    )
    return (
        f"intake_text AS t LEFT JOIN {keys.gemeinde} AS g ON g.ags = {cell}"
        f" LEFT JOIN {change} AS k ON k.old_key = {cell} AND length(k.old_key) = 8"
    )


def check_keys_exist(con: duckdb.DuckDBPyConnection, contract: Contract, keys: Keys) -> None:
    """Raise `WarehouseError` when a table of valid keys is not there yet."""
    if not any(column.type == "ags" for column in contract.columns):
        return
    for name in filter(None, (keys.gemeinde, keys.key_change)):
        schema, _, table = name.partition(".")
        found = con.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", [schema, table]
        ).fetchall()[0][0]
        if not found:
            raise WarehouseError(
                f"{name}: this table of valid keys is not there yet; build the reference tables first."
            )


def _find_faults(con: duckdb.DuckDBPyConnection, contract: Contract, situation: Situation) -> None:
    """Cells that break a rule, and blank rows, into `intake_fault`."""
    bound, checks_keys = Bound(), situation.keys.gemeinde is not None
    reasons = [
        rules.reason(column, contract, situation.year, situation.as_of, bound, checks_keys)
        for column in contract.columns
    ]
    every = ", ".join([*reasons, rules.body_mass_index_reason(contract, bound)])
    blank = f"coalesce({', '.join(rules.text(column) for column in contract.columns)}) IS NULL"
    con.execute(
        "CREATE TEMP TABLE intake_fault AS SELECT line_no, 1 AS part, reasons FROM ("
        f"SELECT t.line_no, CASE WHEN {blank} THEN 'BLANK_ROW' ELSE concat_ws(' ', {every}) END AS reasons"
        f" FROM {_from(contract, situation.keys)}) WHERE reasons <> ''",
        bound.values,
    )


def _find_repeats(con: duckdb.DuckDBPyConnection, contract: Contract, situation: Situation) -> None:
    """Rows whose key stands twice in the file or in another delivery, into `intake_fault`."""
    bound = Bound()
    names = [quoted(name) for name in contract.key]
    listed = ", ".join(names)
    parts = ", ".join(
        f"{rules.stored(contract.column(name), bound, situation.keys.gemeinde is not None)} AS {quoted(name)}"
        for name in contract.key
    )
    keyed = f"keyed AS (SELECT t.line_no, {parts} FROM {_from(contract, situation.keys)})"
    given = " AND ".join(f"{name} IS NOT NULL" for name in names)
    content = ", ".join(rules.text(column) for column in contract.columns)
    con.execute(
        f"INSERT INTO intake_fault WITH {keyed},"
        f" repeated AS (SELECT {listed} FROM keyed WHERE {given} GROUP BY {listed} HAVING count(*) > 1),"
        f" member AS (SELECT keyed.*, row({content}) AS content FROM keyed"
        f" JOIN repeated USING ({listed}) JOIN intake_text AS t USING (line_no)),"
        f" clash AS (SELECT {listed}, count(DISTINCT content) > 1 AS differs, min(line_no) AS first_line"
        f" FROM member GROUP BY {listed})"
        " SELECT line_no, 2, CASE WHEN differs THEN 'DUP_CONFLICT' ELSE 'DUP_IDENTICAL' END"
        f" FROM member JOIN clash USING ({listed}) WHERE differs OR line_no > first_line",
        bound.values,
    )
    if not situation.other_deliveries:
        return
    others = bound.listed(list(situation.other_deliveries))
    # Where the year belongs to the key, only rows of this year can repeat it, and DuckDB skips the others.
    same_year = (
        f"AND {quoted(contract.year_column)} = {bound(situation.year)}" if contract.year_column in contract.key else ""
    )
    con.execute(
        f"INSERT INTO intake_fault WITH {keyed}, other AS (SELECT {listed} FROM intake.{quoted(contract.source)}"
        f" WHERE delivery_id IN {others} {same_year})"
        f" SELECT line_no, 3, 'DUP_OTHER_DELIVERY' FROM keyed SEMI JOIN other USING ({listed})",
        bound.values,
    )


def _refuse_suspicious(con: duckdb.DuckDBPyConnection, contract: Contract, file_name: str) -> None:
    """Free text, and cells of rows that broke a rule, must not look like persons."""
    bound = Bound()
    pattern = bound(rules.SUSPICIOUS)
    n_rows = _number(con, "SELECT count(*) FROM intake_text")
    looks = [f"count(*) FILTER (regexp_full_match({rules.text(column)}, {pattern}))" for column in contract.columns]
    found = con.execute(
        f"SELECT {', '.join(looks)} FROM intake_text AS t WHERE t.line_no IN (SELECT line_no FROM intake_bad)",
        bound.values,
    ).fetchall()[0]
    free = [column for column in contract.columns if column.type == "text" and column.pattern is None]
    in_text = {column.name: 0 for column in contract.columns}
    for column in free:
        in_text[column.name] = _number(
            con,
            f"SELECT coalesce(sum(n), 0) FROM (SELECT {quoted(column.name)} AS text, count(*) AS n FROM intake_text"
            " GROUP BY text) WHERE regexp_full_match(text, $p0)",
            {"p0": rules.SUSPICIOUS},
        )
    for column, number in zip(contract.columns, found, strict=True):
        if max(number, in_text[column.name]) >= max(1, _SUSPICIOUS_SHARE * n_rows):
            raise DeliveryError(
                "DIRECT_IDENTIFIER_SUSPECTED",
                f"{file_name}, column {column.header}: cells look like e-mail addresses, insurance or account numbers"
                " or full dates, and nothing was kept; deliver the file with pseudonyms and months only.",
            )
    for column in contract.columns:
        if column.type != "pseudonym":
            continue
        numbers = f"count(*) FILTER (regexp_full_match({rules.text(column)}, '[0-9]+'))"
        n_numbers = _number(con, f"SELECT {numbers} FROM intake_text AS t")
        if n_rows >= _ENOUGH_TO_JUDGE and n_numbers == n_rows:
            raise DeliveryError(
                "PSEUDONYM_WEAK",
                f"{file_name}, column {column.header}: all pseudonyms are plain numbers, which are easily traced back;"
                " use a keyed hash with at least 16 hexadecimal digits.",
            )


def _count(con: duckdb.DuckDBPyConnection, contract: Contract, situation: Situation) -> Verdict:
    bound = Bound()
    expected = [
        column
        for column in contract.columns
        if not column.may_be_blank and not (column.blank_before and situation.year < column.blank_before)
    ]
    known = ", ".join(f"count(*) FILTER (NOT {rules.not_known(column, bound)})" for column in expected)
    n_text, *n_known = con.execute(f"SELECT count(*), {known} FROM intake_text AS t", bound.values).fetchall()[0]
    rows = con.execute(
        "SELECT reason, count(*), min(line_no) FROM (SELECT line_no, unnest(reasons) AS reason FROM intake_bad"
        " UNION ALL SELECT line_no, reason FROM intake_unread) GROUP BY reason ORDER BY count(*) DESC, reason"
    ).fetchall()
    n_unread = _number(con, "SELECT count(*) FROM intake_unread")
    return Verdict(
        n_rows=n_text + n_unread,
        n_quarantined=_number(con, "SELECT count(*) FROM intake_bad") + n_unread,
        reasons={reason: (number, first) for reason, number, first in rows},
        empty_columns=tuple(column.name for column, number in zip(expected, n_known, strict=True) if not number),
    )


_ADVICE = {
    "AGS_LEADING_ZERO": "the leading zero of AGS was lost, as Excel does: export the column as text",
    "PSEUDONYM_WEAK": "pseudonyms need at least 16 hexadecimal digits of a keyed hash",
    "YEAR_MISMATCH": "the file's name states another year than its rows",
    "YEAR_RANGE": "the year lies in the future or before the contract",
    "DUP_OTHER_DELIVERY": "these rows are in another file already; to correct a file, deliver it under its old name",
}


def _refuse_too_many(contract: Contract, situation: Situation, verdict: Verdict) -> None:
    n_bad, limit = verdict.n_quarantined, contract.max_quarantined_share
    if n_bad < verdict.n_rows and n_bad <= limit * verdict.n_rows:
        return
    told = "; ".join(f"{reason} in {n} rows, first in line {line}" for reason, (n, line) in verdict.reasons.items())
    advice = [text for reason, text in _ADVICE.items() if reason in verdict.reasons]
    weak = verdict.reasons.get("PSEUDONYM_WEAK", (0, 0))[0] > limit * verdict.n_rows
    raise DeliveryError(
        "PSEUDONYM_WEAK" if weak else "TOO_MANY_BAD_ROWS",
        f"{situation.file_name}: {n_bad} of {verdict.n_rows} rows break the contract, more than {100 * limit:g} %, and"
        f" nothing was kept: {told}; {'; '.join([*advice, 'correct the file and deliver it again'])}.",
    )


def _number(con: duckdb.DuckDBPyConnection, query: str, values: dict[str, object] | None = None) -> int:
    return int(con.execute(query, values or {}).fetchall()[0][0])
