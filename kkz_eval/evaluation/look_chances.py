"""The chance that a plan's yearly looks find an effect by a year, from the information of the years.

What belongs here: which years are looks. What does not: bounds and probabilities (kkz_eval.horizon.spending).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kkz_eval.horizon.detectability import detected_by_year
from kkz_eval.horizon.spending import cumulative_alpha, z_bounds
from kkz_eval.plan.horizon import Looks
from kkz_eval.plan.model import Outcome, Plan

#: A plan without looks still gets its table of detectability, under these settings.
UNPLANNED = Looks(first=2016, last=2035)
#: Growth of information from which a year is a new look (as in horizon.spending).
GROWTH = 1.001


@dataclass(frozen=True)
class LookYear:
    """A period, the calendar year of its measurement, and what is known of the slope by then."""

    period: int
    year: int
    information: float
    df: float


def look_settings(plan: Plan) -> Looks:
    """The plan's looks, or the settings of a plan that has none."""
    return plan.looks or UNPLANNED


def alpha_of(plan: Plan, outcome: Outcome) -> float:
    """Total error of one outcome's looks: shared equally among primary outcomes, undivided for each of the others."""
    n_primary = sum(one.role == "primary" for one in plan.outcomes)
    return look_settings(plan).alpha / (n_primary if outcome.role == "primary" else 1)


def chances(rows: Sequence[LookYear], plan: Plan, outcome: Outcome, effect: float) -> dict[int, float]:
    """Probability by period that a look up to it has found an effect of full exposure of this size.

    Looks are the years from the plan's first to its last in which information grows; without looks in the plan, or
    without information in these years, there is none.
    """
    if plan.looks is None:
        return {}
    looks: list[LookYear] = []
    previous = 0.0
    for row in rows:
        if plan.looks.first <= row.year <= plan.looks.last:
            if row.information >= previous * GROWTH:
                looks.append(row)
            previous = row.information
    if not looks:
        return {}
    information = np.array([look.information for look in looks])
    alpha = cumulative_alpha(
        information / information[-1], alpha_of(plan, outcome), plan.looks.spending, plan.looks.gamma
    )
    df = np.array([look.df for look in looks])
    found = detected_by_year(information, z_bounds(information, alpha), effect, df=df)
    return {look.period: float(chance) for look, chance in zip(looks, found, strict=True)}
