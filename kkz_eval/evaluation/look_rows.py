"""Yearly looks at the primary outcomes, and the ledger that keeps every look that was taken.

What belongs here: readings from the tables of the horizon, and what is written into the ledger. What does not: bounds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from kkz_eval.errors import KkzError
from kkz_eval.evaluation.horizon_columns import LOOK_COLUMNS
from kkz_eval.evaluation.look_chances import alpha_of
from kkz_eval.evaluation.made import Row, row_of
from kkz_eval.horizon.confidence_sequence import ConfidenceSequence, confidence_sequence, tuned_rho
from kkz_eval.horizon.looks import Look, LookPlan, PastLook, Reading, take_looks, taken_looks
from kkz_eval.plan.horizon import Looks
from kkz_eval.plan.model import Outcome, Plan

NOT_TAKEN = {
    "before_first_look": "before the first look that the plan foresees",
    "not_planned": "the plan foresees no look in this period",
    "before_a_look_already_taken": "a later look has been taken already",
    "no_estimate": "no estimate of the slope with its error",
    "no_information": "the variance of the slope is not known",
    "no_alpha_left": "the error that the plan allows is spent",
    "information_shrinks": "less information than at the last look, after a correction of data",
    "information_does_not_grow": "no new information since the last look",
    "too_little_alpha": "too early: so little information that no bound exists yet",
}


@dataclass(frozen=True, eq=False)
class _Series:
    """Slopes and information of one outcome, by period."""

    outcome: Outcome
    periods: list[int]
    readings: list[Reading]
    maximum: float
    reported: dict[int, tuple[float | None, float | None]]
    year: dict[int, int]
    n: dict[int, int | None]


def look_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.looks`. Looks taken for the first time are written into `ledger.look` before they are shown.

    A look once taken is spent: later runs compute its statistic anew and keep its bound.
    """
    if plan.looks is None:
        return
    for outcome in plan.outcomes:
        if outcome.role != "primary":
            continue
        series = _series(connection, outcome, plan.looks)
        if series is None:
            note = "no period of the plan's looks has a slope"
            yield row_of(LOOK_COLUMNS, outcome=outcome.name, period=0, status="not estimable", note=note)
            continue
        past = recorded_looks(connection, outcome.name)
        try:
            looks = take_looks(_look_plan(plan, outcome, series), past, series.readings)
        except KkzError as reason:
            yield row_of(LOOK_COLUMNS, outcome=outcome.name, period=0, status="not estimable", note=str(reason))
            continue
        record_looks(connection, outcome.name, [look for look in taken_looks(past, looks) if look not in past])
        yield from _rows(series, looks, alpha_of(plan, outcome))


def recorded_looks(connection: duckdb.DuckDBPyConnection, outcome: str) -> list[PastLook]:
    """The looks of one outcome that were taken in this study, in the order of periods."""
    _create_ledger(connection)
    rows = connection.execute(
        "SELECT period, information, alpha_spent, z_bound FROM ledger.look WHERE outcome = ? ORDER BY period", [outcome]
    ).fetchall()
    return [PastLook(int(period), float(i), float(alpha), float(bound)) for period, i, alpha, bound in rows]


def record_looks(connection: duckdb.DuckDBPyConnection, outcome: str, looks: Sequence[PastLook]) -> None:
    """Add looks to the ledger; what is in it is never changed."""
    _create_ledger(connection)
    for look in looks:
        connection.execute(
            "INSERT INTO ledger.look VALUES (?, ?, ?, ?, ?)",
            [outcome, look.period, look.information, look.alpha_spent, look.z_bound],
        )


def _create_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS ledger")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS ledger.look (outcome VARCHAR, period INTEGER, information DOUBLE,"
        " alpha_spent DOUBLE, z_bound DOUBLE, PRIMARY KEY (outcome, period))"
    )


def _look_plan(plan: Plan, outcome: Outcome, series: _Series) -> LookPlan:
    looks = plan.looks
    assert looks is not None  # the caller has checked
    worth = outcome.effect_worth_knowing
    sign = -1.0 if outcome.direction == "lower" else 1.0
    return LookPlan(
        periods=tuple(series.periods),
        maximum_information=series.maximum,
        alpha=alpha_of(plan, outcome),
        spending=looks.spending,
        gamma=looks.gamma,
        margin=worth,
        planned_effect=None if worth is None else sign * worth,
    )


def _series(connection: duckdb.DuckDBPyConnection, outcome: Outcome, looks: Looks) -> _Series | None:
    years = connection.execute(
        "SELECT period, year, information, is_projected, n FROM horizon.detectability"
        " WHERE outcome = ? AND information IS NOT NULL AND year BETWEEN ? AND ? ORDER BY period",
        [outcome.name, looks.first, looks.last],
    ).fetchall()
    slopes = connection.execute(
        "SELECT method, period, estimate, std_error, df FROM horizon.dose_response"
        " WHERE outcome = ? AND kind = 'slope' AND shape = 'linear'",
        [outcome.name],
    ).fetchall()
    found = {(method, period): (estimate, error, df) for method, period, estimate, error, df in slopes}
    if not years or not found:
        return None
    none = (None, None, None)
    seen = [(period, information) for period, _, information, is_projected, _ in years if not is_projected]
    return _Series(
        outcome=outcome,
        periods=[period for period, *_ in years],
        readings=[Reading(period, information, *found.get(("gls", period), none)) for period, information in seen],
        maximum=max(information for _, _, information, *_ in years),
        reported={period: found.get(("gls_nonnegative", period), none)[:2] for period, _ in seen},
        year={period: year for period, year, *_ in years},
        n={period: n for period, *_, n in years},
    )


def _rows(series: _Series, looks: Sequence[Look], alpha: float) -> Iterator[Row]:
    sequence = _sequence(looks, series.maximum, alpha)
    for look in looks:
        reported = series.reported.get(look.period, (None, None))
        low, high = sequence.get(look.period, (None, None))
        yield row_of(
            LOOK_COLUMNS,
            outcome=series.outcome.name,
            period=look.period,
            year=series.year[look.period],
            information=look.information,
            fraction=look.fraction,
            alpha_spent=look.alpha_spent,
            z_bound=look.z_bound,
            t_bound=look.t_bound,
            estimate=look.estimate,
            std_error=look.std_error,
            df=look.df,
            p_value=look.p_value,
            ci_low=look.ci_low,
            ci_high=look.ci_high,
            has_crossed=look.crossed,
            verdict=look.status,
            reported_estimate=reported[0],
            reported_std_error=reported[1],
            sequence_low=low,
            sequence_high=high,
            power_planned=look.conditional_power_planned,
            power_current=look.conditional_power_current,
            n=series.n.get(look.period),
            status="estimated" if look.reason is None else "no look",
            note="" if look.reason is None else NOT_TAKEN[look.reason],
        )


def _sequence(looks: Sequence[Look], maximum: float, alpha: float) -> dict[int, tuple[float, float]]:
    """The open-ended confidence sequence by period; its variance is the model's, so it holds about, not exactly."""
    known = [look for look in looks if look.estimate is not None and look.information is not None]
    if not known:
        return {}
    found: ConfidenceSequence = confidence_sequence(
        [look.estimate for look in known if look.estimate is not None],
        [look.information for look in known if look.information is not None],
        tuned_rho(maximum, alpha),
        alpha,
    )
    return {
        look.period: (float(low), float(high)) for look, low, high in zip(known, found.low, found.high, strict=True)
    }
