"""What is not in the cells: children not examined, suppressed counts, rounded counts.

What belongs here: bounds and variances that follow from the rule of what is missing. What does not: imputation.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

Rounding = Literal["nearest", "random"]


@dataclass(frozen=True, slots=True)
class ContrastBounds:
    """Smallest and largest value of a contrast Σ ω·value; `as_observed`: children not seen taken to be like the others.

    as_observed is None where it does not exist (suppressed counts). The width is no sampling error.
    """

    low: float
    high: float
    as_observed: float | None

    @property
    def width(self) -> float:
        """high − low."""
        return self.high - self.low


def coverage_bounds(
    value: FloatArray, coverage: FloatArray, weights: FloatArray, *, smallest: float = 0.0, largest: float = 1.0
) -> ContrastBounds:
    """Manski bounds of a linear contrast of shares when only a part of the children was examined.

    A cell lies in p·cov + [smallest, largest]·(1 − cov). value, coverage, weights (U, T): mean among examined children,
    examined/eligible in 0 to 1, and ω of the cell means. Cells without weight are not read; a cell with weight and
    coverage 0 may be anything. Raises EstimationError for a weighted cell without value, or with a value or coverage
    out of range.
    """
    enters = weights != 0
    p, cov, omega = value[enters], coverage[enters], weights[enters]
    _need(np.isfinite(cov) & (cov >= 0) & (cov <= 1), "a coverage outside 0 to 1", "check expected children")
    seen = cov > 0
    inside = np.isfinite(p) & (p >= smallest) & (p <= largest)
    _need(inside | ~seen, f"no value between {smallest:g} and {largest:g}", "take an outcome with known limits")
    known = np.where(seen, p, 0.0) * cov
    low, high = _linear(omega, known + (1 - cov) * smallest, known + (1 - cov) * largest)
    return ContrastBounds(low, high, float(omega @ p) if inside.all() else None)


def suppressed_bounds(
    count: FloatArray, n: FloatArray, weights: FloatArray, *, smallest: int = 1, largest: int
) -> ContrastBounds:
    """Exact bounds of a linear contrast of shares when counts from `smallest` to `largest` were suppressed.

    count (U, T), NaN = suppressed; n (U, T) denominators; weights (U, T) ω of the cell means. A suppressed count takes
    the end that its sign of ω calls for, and never more than n. Cells without weight are not read.
    Raises EstimationError for weighted cells without denominator or with fewer children than the smallest count.
    """
    if not 0 <= smallest <= largest:
        raise EstimationError(f"Suppressed counts from {smallest} to {largest} are no range; check the threshold.")
    enters = weights != 0
    y, size, omega = count[enters], n[enters], weights[enters]
    _need(np.isfinite(size) & (size > 0), "no known number of children", "deliver denominators")
    hidden = np.isnan(y)
    _need(~hidden | (size >= smallest), "fewer children than the smallest suppressed count", "check the threshold")
    low, high = _linear(
        omega, np.where(hidden, smallest, y) / size, np.where(hidden, np.minimum(largest, size), y) / size
    )
    return ContrastBounds(low, high, None if hidden.any() else low)


def _linear(omega: FloatArray, low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Smallest and largest Σ ω·v over low ≤ v ≤ high."""
    up = omega > 0
    return float(omega @ np.where(up, low, high)), float(omega @ np.where(up, high, low))


def _need(holds: np.ndarray, what: str, advice: str) -> None:
    n_bad = int((~holds).sum())
    if n_bad:
        raise EstimationError(f"{n_bad} cells of the contrast have {what}; {advice} or leave these cells out.")


def rounding_variance(base: int, *, rule: Rounding = "nearest") -> float:
    """Variance of the error of a count rounded to multiples of `base`: (b²−1)/12 to the nearest, (b²−1)/6 at random.

    nearest: odd b, remainders taken to be evenly spread; random: unbiased rounding up or down, on average over evenly
    spread remainders. Raises EstimationError for a base below 1 and, to the nearest, an even one (ties).
    """
    if base < 1 or (rule == "nearest" and base % 2 == 0):
        raise EstimationError(
            f"Rounding to multiples of {base} has no stated error; give an odd base, or rule random if it was unbiased."
        )
    return (base**2 - 1) / (12 if rule == "nearest" else 6)


def with_rounding(sampling: FloatArray, n: FloatArray, base: int, *, rule: Rounding = "nearest") -> FloatArray:
    """Sampling variances of shares (U, T) plus that of rounded counts: s + v/n². NaN where n is 0 or unknown."""
    size = np.where(n > 0, n, np.nan)
    return np.asarray(sampling + rounding_variance(base, rule=rule) / size**2, dtype=np.float64)
