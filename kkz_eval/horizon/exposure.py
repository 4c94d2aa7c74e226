"""Dose: years under the programme of a cohort's children, and the share of the full effect that a dose may have.

What the years are is decided elsewhere (the table of exposure); here they are looked up and given a shape.
"""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

DoseRule = Callable[[NDArray[np.int64], NDArray[np.int64]], FloatArray] | Mapping[tuple[int, int], float]
"""Years under the programme by (cohort, period): a function of two arrays (K,), or a table."""

Shape = Literal["linear", "square_root", "threshold"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
THRESHOLD_YEARS = 3.0


def doses(rule: DoseRule, cohort: NDArray[np.int64], period: NDArray[np.int64]) -> FloatArray:
    """Years (K,) under the programme of each (cohort, period).

    Raises EstimationError for pairs the table does not hold, and for doses that are missing or negative.
    """
    if isinstance(rule, Mapping):
        pairs = list(zip(cohort.tolist(), period.tolist(), strict=True))
        absent = [pair for pair in pairs if pair not in rule]
        if absent:
            raise EstimationError(
                f"The dose of cohort {absent[0][0]} in period {absent[0][1]} is not in the table of exposure "
                f"({len(absent)} pairs are missing); extend the table to the last year asked for."
            )
        years = np.array([rule[pair] for pair in pairs], dtype=np.float64)
    else:
        years = np.asarray(rule(cohort, period), dtype=np.float64)
    if years.shape != cohort.shape or not (np.isfinite(years) & (years >= 0)).all():
        raise EstimationError("A dose is missing or negative; give years under the programme of 0 or more.")
    return years


def dose_share(dose: FloatArray, full_years: float, shape: Shape = "linear") -> FloatArray:
    """Share h(d) of the full effect at each dose: 0 at no dose, 1 at `full_years` and above.

    linear: each year counts the same. square_root: the first years count most. threshold: only years beyond the third
    count. Source: methods.md §1. Raises EstimationError for an unknown shape and a full dose that is too short for it.
    """
    if shape not in SHAPES:
        raise EstimationError(f"There is no dose shape of this name; choose one of {', '.join(SHAPES)}.")
    start = THRESHOLD_YEARS if shape == "threshold" else 0.0
    if not (np.isfinite(full_years) and full_years > start):
        raise EstimationError(f"The full dose is {full_years} years; shape {shape} needs more than {start:g}.")
    share = np.clip((dose - start) / (full_years - start), 0.0, 1.0)
    return np.sqrt(share) if shape == "square_root" else share
