"""The chance that a plan's yearly looks find an effect by a year, from the information of the years.

What belongs here: which years are looks. What does not: bounds and probabilities (kkz_eval.horizon.spending).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kkz_eval.evaluation.monitor import GROWTH, alpha_of
from kkz_eval.horizon.detectability import detected_by_year
from kkz_eval.horizon.spending import cumulative_alpha, z_bounds
from kkz_eval.plan.model import Outcome, Plan


@dataclass(frozen=True)
class LookYear:
    """A period, the calendar year of its measurement, and what is known of the slope by then."""

    period: int
    year: int
    information: float
    df: float


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
