"""What a fully exposed child and an averted case cost, under every reading of the plan's amounts.

What belongs here: where the numbers come from, rows. What does not: the arithmetic (`horizon.cost`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from kkz_eval.errors import EstimationError
from kkz_eval.evaluation.made import Row
from kkz_eval.evaluation.signal_columns import COST_COLUMNS
from kkz_eval.horizon.cost import (
    CostPerCase,
    Money,
    acceptability,
    break_even,
    cost_per_averted_case,
    cost_per_fully_exposed_child,
    valued_at_start,
    yearly_cost,
)
from kkz_eval.plan.horizon import Amount
from kkz_eval.plan.horizon import Money as PlanMoney
from kkz_eval.plan.model import Outcome, Plan

#: Discount rates beside the plan's own.
RATES = (0.01, 0.05)
#: Children under 6 are six birth cohorts.
COHORTS_UNDER_6 = 6
NO_FULL_EFFECT = (
    "no effect of full exposure yet: the average effect so far stands for it, set against the cost of full exposure, "
    "which makes a case look dearer than it is if effects grow with exposure"
)


@dataclass(frozen=True, slots=True)
class Reach:
    """n_places that take part; children of one entry year where the programme runs."""

    n_places: int
    children: float


@dataclass(frozen=True, slots=True)
class Effect:
    """Averted cases per child (or the outcome's own unit), positive = as wanted; kind: fully_exposed or overall."""

    kind: str
    averted: float
    std_error: float
    df: float | None
    n: int | None


def cost_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.cost`: primary outcomes and those with a benefit, by both readings of the cost and three rates.

    Without money in the plan there are none. The effect is the primary estimator's in the first comparison: that of
    full exposure, or the overall one where there is none yet.
    """
    if plan.money is None:
        return
    place = reach(connection, max(plan.treatment.waves))
    rates = sorted({*RATES, plan.money.discount_rate})
    for outcome in plan.outcomes:
        if outcome.role != "primary" and outcome.benefit_per_case is None:
            continue
        found = effect_of(connection, plan, outcome)
        years = _years_exposed(connection, outcome.name)
        detectable = _detectable(connection, outcome.name)
        for is_additive in (True, False):
            for rate in rates:
                is_choice = (is_additive, rate) == (plan.money.is_additive, plan.money.discount_rate)
                row: dict[str, object] = {"outcome": outcome.name, "is_additive": is_additive, "discount_rate": rate,
                                          "is_plan_choice": is_choice}  # fmt: skip
                row |= _costed(
                    plan.money, plan.estimation.confidence, outcome, place, found, (is_additive, rate, years)
                )
                row["detectable_effect"] = detectable
                yield [row.get(column.name) for column, _ in COST_COLUMNS]


def reach(connection: duckdb.DuckDBPyConnection, latest_wave: int) -> Reach:
    """Named places that take part by a wave, and children of one entry year where the programme then runs.

    Children are those of official statistics (under 6 at the end of 2015, by six), each unit by the share of its
    children that the programme reaches: children without a known finding cost as much as the others.
    """
    n_places = connection.execute(
        "SELECT count(DISTINCT ags) FROM reference.participation WHERE wave <= ?", [latest_wave]
    ).fetchall()[0][0]
    children = connection.execute(
        "SELECT coalesce(sum(unit.dose * gemeinde.children_under_6_2015), 0) FROM reference.unit AS unit"
        " INNER JOIN reference.gemeinde AS gemeinde ON gemeinde.ags = unit.unit OR gemeinde.kreis = unit.unit"
    ).fetchall()[0][0]
    return Reach(int(n_places), float(children) / COHORTS_UNDER_6)


def effect_of(connection: duckdb.DuckDBPyConnection, plan: Plan, outcome: Outcome) -> Effect | str:
    """The stored effect of full exposure, else the overall one; or why there is neither."""
    primary, comparison = plan.estimation.estimators[0], plan.comparisons[0].name
    rows = connection.execute(
        "SELECT aggregation, estimate, std_error, df, n, status, note"
        f' FROM estimates."{primary}"'
        " WHERE outcome = ? AND comparison = ? AND aggregation IN ('fully_exposed', 'overall', 'static')"
        " AND cohort IS NULL ORDER BY aggregation",
        [outcome.name, comparison],
    ).fetchall()
    sign = -1.0 if outcome.direction == "lower" else 1.0
    for aggregation, estimate, std_error, df, n, status, _ in rows:
        if status == "estimated" and estimate is not None and std_error is not None:
            kind = "fully_exposed" if aggregation == "fully_exposed" else "overall"
            return Effect(kind, sign * estimate, std_error, df, n)
    return str(rows[-1][-1]) if rows else f"{primary} gives no effect of {outcome.name}"


def _detectable(connection: duckdb.DuckDBPyConnection, outcome: str) -> float | None:
    """Smallest effect of full exposure that the data so far could show; None where it is not known."""
    rows = connection.execute(
        "SELECT mde_full FROM horizon.detectability WHERE outcome = ? AND NOT is_projected"
        " ORDER BY period DESC LIMIT 1",
        [outcome],
    ).fetchall()
    return None if not rows or rows[0][0] is None else float(rows[0][0])


def _years_exposed(connection: duckdb.DuckDBPyConnection, outcome: str) -> float:
    """Years from conception to the end of the outcome's window."""
    return float(
        connection.execute(
            "SELECT max(full_years) FROM reference.exposure WHERE outcome = ?", [outcome]
        ).fetchall()[0][0]
    )  # fmt: skip


def _costed(
    money: PlanMoney,
    confidence: float,
    outcome: Outcome,
    place: Reach,
    found: Effect | str,
    assumed: tuple[bool, float, float],
) -> dict[str, object]:
    """The row of one outcome; assumed: is_additive, discount rate, years exposed."""
    is_additive, rate, years = assumed
    amounts = [money.per_place, money.programme, *filter(None, [outcome.benefit_per_case])]
    row: dict[str, object] = {
        "n_places": place.n_places,
        "children_per_year": place.children,
        "benefit_per_case": outcome.benefit_per_case.euro if outcome.benefit_per_case else None,
        "price_year": money.programme.price_year,
        "source_de": "; ".join(amount.source_de for amount in amounts),
        "source_en": "; ".join(amount.source_en for amount in amounts),
        "status": "not estimable",
    }
    try:
        yearly = yearly_cost(
            _money(money.per_place), _money(money.programme), n_municipalities=place.n_places, is_additive=is_additive
        )
        whole = cost_per_fully_exposed_child(yearly, children_per_cohort=place.children)
        per_child = valued_at_start(whole, rate=rate, years_exposed=years)
        row |= {"yearly_cost": yearly.amount, "cost_per_child": per_child.amount}
        row |= _break_even(per_child, outcome)
        if isinstance(found, str):
            raise EstimationError(found)
        row |= {"effect_kind": found.kind, "averted": found.averted, "std_error": found.std_error, "df": found.df,
                "n": found.n}  # fmt: skip
        row |= _per_case(per_child, outcome, found, confidence)
    except EstimationError as reason:
        return row | {"note": str(reason)}
    return row


def _break_even(per_child: Money, outcome: Outcome) -> dict[str, object]:
    if outcome.benefit_per_case is None or outcome.unit_of_measure != "share":
        return {}
    return {"break_even_effect": break_even(per_child, _money(outcome.benefit_per_case)).effect}


def _per_case(per_child: Money, outcome: Outcome, found: Effect, confidence: float) -> dict[str, object]:
    case = cost_per_averted_case(
        per_child,
        found.averted,
        found.std_error,
        df=found.df,
        unit_of_measure=outcome.unit_of_measure,
        confidence_level=confidence,
    )
    low, high = _ends(case)
    worth = None
    if outcome.benefit_per_case is not None:
        values = [_money(outcome.benefit_per_case)]
        worth = float(acceptability(per_child, found.averted, found.std_error, values, df=found.df)[0])
    notes = [case.reason or "", NO_FULL_EFFECT if found.kind == "overall" else ""]
    return {
        "cost_per_case": case.estimate,
        "set_kind": case.kind,
        "set_low": low,
        "set_high": high,
        "acceptability": worth,
        "status": "estimated",
        "note": "; ".join(filter(None, notes)),
    }


def _ends(case: CostPerCase) -> tuple[float | None, float | None]:
    """The ends of the set; of two rays, the set is what lies below the first or above the second."""
    if case.kind == "two rays":
        (_, low), (high, _) = case.intervals
        return low, high
    return case.intervals[0]


def _money(amount: Amount) -> Money:
    return Money(amount.euro, amount.source_en, "EUR", amount.price_year)
