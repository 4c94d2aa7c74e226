"""What can be excluded, and what the remaining looks can still show.

What belongs here: equivalence, the three status words, conditional and predictive power. What does not: bounds.
None of it stops data collection: futility here informs and never binds.
"""

import math
from dataclasses import dataclass
from typing import Literal

from scipy import special, stats

from kkz_eval.errors import EstimationError

StatusWord = Literal["effect", "no_relevant_effect", "undecided"]


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests of |effect| < margin at level alpha, by the 1 − 2·alpha interval (low, high).

    `p_value` is the larger of the two one-sided ones; effects beyond low and high are excluded, whatever the margin.
    """

    low: float
    high: float
    p_value: float
    is_inside: bool


def equivalence(
    estimate: float, std_error: float, margin: float, *, alpha: float = 0.05, df: float | None = None
) -> Equivalence:
    """Whether the effect is shown to be smaller than ±margin in one look at the data (TOST; Schuirmann 1987).

    For repeated looks use the repeated interval and `status_word`. `df` None means the normal law.
    Raises EstimationError for a margin or standard error that is not positive.
    """
    if not (margin > 0 and 0 < std_error < math.inf and math.isfinite(estimate) and 0 < alpha < 0.5):
        raise EstimationError(
            "Equivalence needs an estimate, a positive standard error, a positive margin and an alpha below one half."
        )
    known_df = math.inf if df is None else df
    width = float(stats.t.isf(alpha, known_df)) * std_error
    p_value = float(stats.t.sf((margin - abs(estimate)) / std_error, known_df))
    low, high = estimate - width, estimate + width
    return Equivalence(low, high, p_value, is_inside=-margin < low and high < margin)


def status_word(low: float, high: float, margin: float | None) -> StatusWord:
    """The word for an interval: `effect` if it leaves out 0, `no_relevant_effect` if it lies within ±margin.

    An interval that leaves out 0 and lies within the margin is an `effect`: a small one, which the interval shows.
    Everything else, and everything without a margin that does not leave out 0, is `undecided`.
    """
    if low > 0 or high < 0:
        return "effect"
    if margin is not None and -margin < low and high < margin:
        return "no_relevant_effect"
    return "undecided"


def _checked_fraction(fraction: float) -> float:
    if not 0 < fraction < 1:
        raise EstimationError("Conditional power needs an information fraction between 0 and 1, before the last look.")
    return fraction


def current_trend(fraction: float, z: float) -> float:
    """The drift (expected z at full information) that would continue what has been seen: z/√fraction."""
    return z / math.sqrt(_checked_fraction(fraction))


def conditional_power(fraction: float, z: float, drift: float, critical: float = 1.959963984540054) -> float:
    """Probability that the z of full information exceeds `critical`, given z now at `fraction` and the true drift.

    `drift` is the expected z at full information: effect·√I_max. Upper side; for an effect that is expected to be
    negative turn the signs of z and drift. Source: methods.md §5, Lan and Wittes 1988.
    """
    rest = 1 - _checked_fraction(fraction)
    return float(special.ndtr(-(critical - z * math.sqrt(fraction) - drift * rest) / math.sqrt(rest)))


def predictive_power(fraction: float, z: float, critical: float = 1.959963984540054) -> float:
    """Conditional power averaged over what the data say about the drift (flat prior): Φ̄((c·√t − z)/√(1−t))."""
    rest = 1 - _checked_fraction(fraction)
    return float(special.ndtr(-(critical * math.sqrt(fraction) - z) / math.sqrt(rest)))
