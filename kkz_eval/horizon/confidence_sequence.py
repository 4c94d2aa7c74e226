"""An interval that holds at all looks together, however many there will be: the normal-mixture confidence sequence.

It needs no plan of looks, and pays for it: at five planned looks its power is about half of what spent alpha gives.
It rests on the score S = estimate·I with variance I and independent increments (GLS-dose only) and on large numbers:
with few treated clusters its cover is approximate.

Sources: Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021; Waudby-Smith et al. 2024.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Per look (K,): limits, log e-value against no effect, and the p-value valid at any time.

    The e-value grows with evidence; 1/alpha or more rejects. The p-value never rises from look to look.
    """

    low: FloatArray
    high: FloatArray
    log_e_value: FloatArray
    p_value: FloatArray


def tuned_rho(information: float, alpha: float = 0.05) -> float:
    """The mixture's variance that makes the two-sided interval nearly narrowest at `information`."""
    if not (0 < information < math.inf and 0 < alpha < 1):
        raise EstimationError("The sequence is tuned at a positive information and an alpha between 0 and 1.")
    log_odds = 2 * math.log(1 / alpha)
    return information / (log_odds + math.log1p(log_odds))


def score_bound(information: ArrayLike, rho: float, alpha: float = 0.05) -> FloatArray:
    """Largest |S| (K,) that is still compatible with no effect at each `information` (K,)."""
    total = np.asarray(information, dtype=np.float64) + rho
    return np.asarray(np.sqrt(total * np.log(total / (alpha**2 * rho))), dtype=np.float64)


def log_e_value(score: ArrayLike, information: ArrayLike, rho: float) -> FloatArray:
    """Log of the e-value (K,) against no effect: ½·ln(ρ/(I+ρ)) + S²/(2(I+ρ))."""
    total = np.asarray(information, dtype=np.float64) + rho
    return np.asarray(0.5 * np.log(rho / total) + np.square(score) / (2 * total), dtype=np.float64)


def confidence_sequence(
    estimate: ArrayLike, information: ArrayLike, rho: float, alpha: float = 0.05
) -> ConfidenceSequence:
    """The sequence for estimates (K,) of one effect in the order of the looks, with their information (K,).

    The true effect lies in all intervals together with probability 1 − alpha or more. `rho` must be fixed beforehand
    (`tuned_rho` at the year that matters most). Raises EstimationError for gaps and for information that is not
    positive.
    """
    effect = np.atleast_1d(np.asarray(estimate, dtype=np.float64))
    known = np.atleast_1d(np.asarray(information, dtype=np.float64))
    if effect.shape != known.shape or not np.isfinite(effect).all():
        raise EstimationError("Each look needs an estimate and its information; leave out looks without an estimate.")
    if not (np.isfinite(known).all() and (known > 0).all() and rho > 0 and 0 < alpha < 1):
        raise EstimationError("Information and rho must be positive and alpha must lie between 0 and 1.")
    width = score_bound(known, rho, alpha) / known
    evidence = log_e_value(effect * known, known, rho)
    p_value = np.exp(-np.maximum(np.maximum.accumulate(evidence), 0.0))
    return ConfidenceSequence(effect - width, effect + width, evidence, p_value)
