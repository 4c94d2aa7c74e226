"""Questions that the data must answer before anyone reads results.

What belongs here: question, query, answer in words. What does not: results.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import duckdb

from kkz_eval.errors import WarehouseError


@dataclass(frozen=True)
class CheckOutcome:
    """The answer: passed or not, one sentence, and counts. Never a value of a record."""

    passed: bool
    answer: str
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One question about one table. `must_hold` stops a run; otherwise a failure only warns.

    `ask` gives None when the study holds nothing that the question is about.
    """

    name: str
    table: str
    question: str
    must_hold: bool
    ask: Callable[[duckdb.DuckDBPyConnection], CheckOutcome | None]


def run(connection: duckdb.DuckDBPyConnection, name: str) -> CheckOutcome | None:
    """Ask one question by its name; None when there is nothing to ask it of."""
    for check in CHECKS:
        if check.name == name:
            return check.ask(connection)
    raise WarehouseError(f"there is no check '{name}'.")


def ask_all(connection: duckdb.DuckDBPyConnection) -> list[tuple[Check, CheckOutcome | None]]:
    """Every question with its answer; None where there is nothing to ask it of, or its tables are not built yet."""
    answers: list[tuple[Check, CheckOutcome | None]] = []
    for check in CHECKS:
        try:
            answers.append((check, check.ask(connection)))
        except duckdb.CatalogException:
            answers.append((check, None))
    return answers


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def _network(connection: duckdb.DuckDBPyConnection) -> CheckOutcome:
    wrong = _rows(
        connection,
        """
        SELECT wave FROM reference.network
        WHERE announced_members IS NOT NULL AND (
            announced_members <> counted_members OR announced_kreisfreie_staedte <> counted_kreisfreie_staedte
            OR announced_gemeinden <> counted_gemeinden OR announced_kreise <> counted_kreise)
        ORDER BY wave
        """,
    )
    share = _rows(connection, "SELECT counted_children, counted_members FROM reference.network WHERE wave = 2017")[0][0]
    percent = round(100 * float(str(share)), 1)
    if wrong:
        waves = ", ".join(str(row[0]) for row in wrong)
        return CheckOutcome(
            False, f"The register differs from the announced network in wave {waves}; mend the register."
        )
    return CheckOutcome(
        True,
        "18 pilots and 22 joiners as announced;"
        f" together they hold {percent} % of children under 6 (announced: about 60 %).",
        {"share of children under 6, percent": percent},
    )


def _rows_conserved(connection: duckdb.DuckDBPyConnection) -> CheckOutcome:
    """Counts the rows that are there, not what the ledger says of them."""
    tables = _rows(
        connection,
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'intake' AND column_name = 'line_no' ORDER BY table_name",
    )
    stored = " UNION ALL ".join(f'SELECT delivery_id FROM intake."{table}"' for (table,) in tables)
    lost = _rows(
        connection,
        f"""
        WITH present AS (SELECT delivery_id, count(*) AS n FROM ({stored}) GROUP BY delivery_id)
        SELECT delivery.file_name FROM intake.delivery AS delivery
        LEFT JOIN present ON present.delivery_id = delivery.delivery_id
        WHERE coalesce(present.n, 0) <> delivery.n_rows ORDER BY delivery.file_name
        """,
    )
    files, rows = _rows(connection, "SELECT count(*), coalesce(sum(n_rows), 0) FROM intake.delivery")[0]
    if lost:
        return CheckOutcome(
            False, f"{len(lost)} deliveries lost rows, first {lost[0][0]}; restore a backup and load again."
        )
    return CheckOutcome(True, f"{files} deliveries, {rows} rows in, all accepted or quarantined.")


def _years_complete(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    spans = _rows(
        connection,
        """
        SELECT source, max(year) - min(year) + 1 - count(DISTINCT year) FROM intake.delivery
        WHERE is_active AND year IS NOT NULL GROUP BY source ORDER BY source
        """,
    )
    if not spans:
        return None
    gaps = [f"{source}: {n} years missing between first and last" for source, n in spans if n]
    if gaps:
        return CheckOutcome(False, f"{'; '.join(gaps)}. Ask for these deliveries.")
    return CheckOutcome(True, "Every source has a delivery for each year between its first and last.")


def _newest_year(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    newest = _rows(
        connection,
        """
        SELECT source, max(year),
            max(year) < year(plan.study.as_of) - CASE WHEN month(plan.study.as_of) > 10 THEN 0 ELSE 1 END AS is_late
        FROM intake.delivery CROSS JOIN plan.study
        WHERE is_active AND year IS NOT NULL
        GROUP BY source, plan.study.as_of ORDER BY source
        """,
    )
    if not newest:
        return None
    late = [f"{source}: newest year {year}" for source, year, is_late in newest if is_late]
    if late:
        return CheckOutcome(False, f"{'; '.join(late)}. The newest school year should be here by 31 October.")
    return CheckOutcome(True, "The newest school year is here for every source of children.")


def _exam_coverage(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    years = _rows(
        connection,
        """
        SELECT coverage.year, coverage.n_accepted, coverage.share_examined, coverage.status
        FROM release.coverage AS coverage
        CROSS JOIN plan.study
        LEFT JOIN plan.excluded_period AS excluded
            ON excluded.source = coverage.source AND excluded.period = coverage.year
        WHERE coverage.source = 'school_entry_exam' AND coverage.unit = 'all' AND excluded.period IS NULL
            AND coverage.year BETWEEN plan.study.first_period AND plan.study.last_period
        ORDER BY coverage.year
        """,
    )
    if not years:
        return None
    low = [str(year) for year, n, share, _ in years if n == 0 or (share is not None and float(str(share)) < 0.9)]
    unknown = [str(year) for year, n, share, _ in years if share is None and n != 0]
    aside = f" Not known for {', '.join(unknown)}: no number expected, or few children not examined." if unknown else ""
    if low:
        told = (
            f"Fewer than 90 % of expected children were examined in {', '.join(low)}; consider excluding these years."
        )
        return CheckOutcome(False, told + aside)
    return CheckOutcome(True, f"In {len(years) - len(unknown)} years at least 90 % were examined.{aside}")


def _outcomes_present(connection: duckdb.DuckDBPyConnection) -> CheckOutcome:
    missing = _rows(
        connection,
        """
        SELECT plan.outcome.outcome FROM plan.outcome
        WHERE plan.outcome.outcome NOT IN (SELECT outcome FROM cells.panel WHERE is_used)
        ORDER BY position
        """,
    )
    if missing:
        names = ", ".join(str(row[0]) for row in missing)
        return CheckOutcome(
            False, f"No usable cell for: {names}. Deliver the source or take the outcome out of the plan."
        )
    return CheckOutcome(True, "Every outcome of the plan has usable cells.")


#: Rows of the plan's first comparison, from the first estimator that gives the row.
_MAIN_ROWS = """
    SELECT estimate.outcome, estimate.p_value, estimate.ci_low, estimate.ci_high
    FROM disclosure.estimate AS estimate
    INNER JOIN plan.comparison ON plan.comparison.comparison = estimate.comparison AND plan.comparison.position = 1
    INNER JOIN plan.outcome ON plan.outcome.outcome = estimate.outcome
    WHERE estimate.estimator = (
        SELECT min(estimator) FROM disclosure.estimate WHERE estimator <> 'two_way_fixed_effects')
"""


def _pretrends(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    tested = _rows(
        connection,
        f"{_MAIN_ROWS} AND estimate.aggregation = 'pretest' AND estimate.p_value IS NOT NULL"
        " ORDER BY plan.outcome.position",
    )
    if not tested:
        return None
    low = [str(row[0]) for row in tested if float(str(row[1])) < 0.05]
    expected = round(0.05 * len(tested), 1)
    told = (
        f"{len(low)} of {len(tested)} outcomes moved apart before the start (p < 0.05);"
        f" {expected} are expected by chance"
    )
    return CheckOutcome(len(low) <= max(1, 2 * expected), f"{told}: {', '.join(low) or 'none'}.")


def _placebos(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    looked_at = _rows(
        connection,
        f"{_MAIN_ROWS} AND plan.outcome.role = 'placebo' AND estimate.cohort IS NULL AND estimate.period IS NULL"
        " AND estimate.aggregation IN ('overall', 'event') AND estimate.event_time IS NULL"
        " AND estimate.ci_low IS NOT NULL ORDER BY plan.outcome.position",
    )
    if not looked_at:
        return None
    seen = sorted({str(row[0]) for row in looked_at if float(str(row[2])) > 0 or float(str(row[3])) < 0})
    if seen:
        return CheckOutcome(
            False, f"A change is seen where none should be: {', '.join(seen)}. Read all results with this in mind."
        )
    return CheckOutcome(True, "No change is seen in the outcomes that the programme can hardly move.")


def _published_quota(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    # Exact arithmetic: a printed decimal stands for everything within half a unit of it.
    compared = _rows(
        connection,
        """
        WITH printed AS (
            SELECT region_key AS kreis, year, value FROM intake.official_figure
            WHERE table_code = 'AI003-2' AND measure LIKE 'Anteil Schulabgänger ohne Hauptschulabschluss%'
                AND region_level = 'kreis' AND value IS NOT NULL)
        SELECT counted.kreis, counted.year,
            abs(100 * CAST(counted.count AS DECIMAL(18, 4)) - printed.value * counted.denominator)
            <= CAST(0.05 AS DECIMAL(4, 2)) * counted.denominator AS agrees
        FROM staging.official_count AS counted
        INNER JOIN printed ON printed.kreis = counted.kreis AND printed.year = counted.year
        WHERE counted.series = 'leavers_without_degree'
        ORDER BY counted.kreis, counted.year
        """,
    )
    wrong = [f"{kreis} in {year}" for kreis, year, agrees in compared if not agrees]
    told = f"{len(compared)} Kreis-years of leavers without a degree compared with the printed quota"
    if not compared:
        return None
    if wrong:
        return CheckOutcome(False, f"{told}; they differ for {', '.join(wrong)}. Check these files.")
    return CheckOutcome(True, f"{told}: all agree to the printed decimal.", {"Kreis-years compared": len(compared)})


def _inkar_as_genesis(connection: duckdb.DuckDBPyConnection) -> CheckOutcome | None:
    compared = _rows(
        connection,
        """
        SELECT reference.kreis.name, counted.year,
            abs(counted.count / CAST(counted.denominator AS DOUBLE) - rated.rate) <= 0.0000501 AS agrees
        FROM staging.official_count AS counted
        INNER JOIN staging.official_rate AS rated ON rated.kreis = counted.kreis AND rated.year = counted.year
        INNER JOIN reference.kreis ON reference.kreis.kreis = counted.kreis
        WHERE counted.series = 'leavers_without_degree' AND rated.series = 'leavers_without_degree_inkar'
        ORDER BY reference.kreis.name, counted.year
        """,
    )
    wrong = [f"{name} {year}" for name, year, agrees in compared if not agrees]
    told = f"{len(compared)} Kreis-years of leavers compared between INKAR and GENESIS"
    if not compared:
        return None
    if wrong:
        return CheckOutcome(False, f"{told}; they differ by more than rounding in: {', '.join(wrong)}.")
    return CheckOutcome(True, f"{told}: all agree to rounding.", {"Kreis-years compared": len(compared)})


CHECKS = (
    Check(
        "network_as_announced", "reference.network", "Does the register match the announced network?", True, _network
    ),
    Check(
        "rows_conserved",
        "staging.school_entry_exam",
        "Were all delivered rows accepted or quarantined?",
        True,
        _rows_conserved,
    ),
    Check("years_complete", "staging.school_entry_exam", "Is there a delivery for every year?", False, _years_complete),
    Check("newest_year_delivered", "staging.school_entry_exam", "Is the newest school year here?", False, _newest_year),
    Check(
        "exam_coverage", "release.coverage", "Were enough children examined in every year used?", False, _exam_coverage
    ),
    Check("quota_as_published", "cells.official", "Do counts give the printed quota?", True, _published_quota),
    Check("inkar_as_genesis", "cells.official_rate", "Do INKAR and GENESIS agree?", False, _inkar_as_genesis),
    Check("outcomes_present", "cells.panel", "Does every outcome of the plan have data?", False, _outcomes_present),
    Check("pretrends", "release.effects", "Did groups move together before the start?", False, _pretrends),
    Check("placebos_quiet", "release.effects", "Do outcomes that cannot move stay put?", False, _placebos),
)
