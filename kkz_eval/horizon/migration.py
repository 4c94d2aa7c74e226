"""Moves between municipalities: the dose children really had, and what that does to an effect per year of dose.

What belongs here: expected doses and the correction. What does not: selective moves, which need counts and composition.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError

ASSUMES = "one draw of origin per year, no return, moves unrelated to the outcome"


@dataclass(frozen=True, slots=True)
class TrueDose:
    """Expected years under the programme at a nominal dose, by residence at the exam in treated or comparison places.

    factor: (treated − comparison)/nominal, what is left of an effect per year of dose.
    """

    nominal: int
    treated: float
    comparison: float

    @property
    def factor(self) -> float:
        """Share of the nominal contrast in dose that is real."""
        return (self.treated - self.comparison) / self.nominal


def true_dose(nominal: int, *, mobility: float, treated_in: float, comparison_in: float) -> TrueDose:
    """d̃_T = Σ_u [(1−m)^(u−½) + (1 − (1−m)^(u−½))·q_T] and d̃_C = q_C·Σ_u (1 − (1−m)^(u−½)), u = 1 … d.

    nominal: d, whole years from start to exam; mobility: m, share of children aged 0–6 who move between municipalities
    in a year; treated_in, comparison_in: q_T, q_C, share of in-movers of treated and comparison places who come from
    treated places. Assumes one draw of origin per year and no memory of return.
    Raises EstimationError for shares outside 0 to 1 or a dose below one year.
    """
    if not (nominal >= 1 and 0 <= mobility < 1 and 0 <= treated_in <= 1 and 0 <= comparison_in <= 1):
        raise EstimationError(
            "True doses need a nominal dose of at least one year and shares from 0 to 1 (mobility below 1); check them."
        )
    stayed = (1.0 - mobility) ** (np.arange(1, nominal + 1) - 0.5)
    treated = float((stayed + (1 - stayed) * treated_in).sum())
    return TrueDose(nominal, treated, float(comparison_in * (1 - stayed).sum()))


@dataclass(frozen=True, slots=True)
class MobilityCorrection:
    """An effect per nominal dose, corrected for moves: a sensitivity beside the uncorrected one, not its place."""

    factor: float
    estimate: float
    std_error: float | None
    assumes: str = ASSUMES


def corrected_for_mobility(estimate: float, std_error: float | None, dose: TrueDose) -> MobilityCorrection:
    """δ = δ̂·d/(d̃_T − d̃_C), for an effect that is linear in the dose.

    Raises EstimationError when treated places have no higher true dose than comparison places.
    """
    if not dose.factor > 0:
        raise EstimationError(
            f"With these moves children in treated places had {dose.treated:.2f} years and in comparison places "
            f"{dose.comparison:.2f}; no contrast is left that could be corrected."
        )
    error = None if std_error is None else std_error / dose.factor
    return MobilityCorrection(dose.factor, estimate / dose.factor, error)
