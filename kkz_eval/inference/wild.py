"""Wild cluster bootstrap: the distribution of t when whole clusters change their sign at random.

Everything is computed from sums over clusters, so that its cost does not grow with units or children. The statistics
of all draws are kept as functions of the effect that is tested: p-values for any null and confidence intervals by
inversion need no new draws.
Sources: Cameron, Gelbach and Miller (2008); MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38;
Webb (2023) for the six-point weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray

Scheme = Literal["rademacher", "webb"]
Tail = Literal["two-tailed", "equal-tailed"]
Leverage = Literal["ordinary", "jackknife"]
"""How scores or variances are formed: as they are (CV1), or as without the cluster itself (CV3)."""

POINTS: dict[Scheme, FloatArray] = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5]),
}
FEW_CLUSTERS = 12
"""Below this number ±1 gives too few different draws for a p-value that says anything."""
CHUNK = 1_000
TIE = 1e-8
"""Draws whose |t| is smaller by less than this share tie with the observed t and count as at least as extreme."""
ROUNDING = 1e-12
DEGENERATE = 1e-24
LARGEST = 2.0**20
"""A limit further than this many standard errors from the estimate is no limit."""


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Random weights of the clusters: values (B, G); is_complete: all possible draws, each once."""

    values: FloatArray
    is_complete: bool
    scheme: Scheme


@dataclass(frozen=True, eq=False)
class WildTest:
    """The bootstrap of one effect.

    estimate, std_error: as without bootstrap; B draws of the deviation, shift (B, 2), and of its squared standard
    error, square (B, 3), as polynomials of (null − estimate), lowest power first.
    """

    estimate: float
    std_error: float
    shift: FloatArray
    square: FloatArray
    is_complete: bool

    def t(self, null: float = 0.0) -> float:
        """(estimate − null)/standard error."""
        return (self.estimate - null) / self.std_error

    def t_star(self, null: float = 0.0) -> FloatArray:
        """(B,) the statistics of the draws when the effect is `null`; ±inf where a draw has no standard error."""
        by = null - self.estimate
        shift = self.shift @ [1.0, by]
        square = self.square @ [1.0, by, by**2]
        usable = square > DEGENERATE * (self.std_error**2 + by**2)
        ratio: FloatArray = np.divide(shift, np.sqrt(np.abs(square)), out=np.copysign(np.inf, shift), where=usable)
        return ratio

    def p_value(self, null: float = 0.0, tail: Tail = "two-tailed") -> float:
        """Share of draws at least as extreme as the observed t; ties count as extreme.

        Two-tailed: in |t|; equal-tailed: twice the smaller tail. With random draws (1 + number)/(1 + B), so that the
        p-value is never zero; with all possible draws the observed one is among them.
        """
        observed, draws = self.t(null), self.t_star(null)
        margin = TIE * abs(observed)
        extra = 0 if self.is_complete else 1

        def share(mask: BoolArray) -> float:
            return (extra + int(np.count_nonzero(mask))) / (extra + len(draws))

        if tail == "two-tailed":
            return share(np.abs(draws) >= abs(observed) - margin)
        return min(1.0, 2 * min(share(draws <= observed + margin), share(draws >= observed - margin)))

    def interval(self, confidence_level: float = 0.95, tail: Tail = "two-tailed") -> tuple[float, float]:
        """Nearest nulls on both sides of the estimate at which p falls to 1 − level; ±inf where it never does."""

        def limit(direction: float) -> float:
            def is_outside(distance: float) -> bool:
                null = self.estimate + direction * distance * self.std_error
                return self.p_value(null, tail) <= 1 - confidence_level + ROUNDING

            distance = _first(is_outside)
            return self.estimate + direction * distance * self.std_error

        return limit(-1.0), limit(1.0)


def _first(holds: Callable[[float], bool]) -> float:
    """The smallest x > 0 from which on `holds`, searched outwards in steps of a quarter, then by halving."""
    low, high, step = 0.0, 0.25, 0.25
    while not holds(high):
        if high > LARGEST:
            return float("inf")
        low, high = high, high + step
        step = step if high < 8 else 2 * step
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def multipliers(n_clusters: int, *, draws: int, seed: int, scheme: Scheme | None = None) -> Multipliers:
    """Weights of the clusters: all combinations when there are no more than `draws`, else drawn with the seed.

    `scheme` None: Webb's six points with fewer than 12 clusters, ±1 otherwise.
    """
    chosen = default_scheme(n_clusters) if scheme is None else scheme
    points = POINTS[chosen]
    if len(points) ** n_clusters <= draws:
        places = np.indices((len(points),) * n_clusters).reshape(n_clusters, -1).T
        return Multipliers(points[places], True, chosen)
    rng = np.random.default_rng(seed)
    return Multipliers(points[rng.integers(0, len(points), (draws, n_clusters))], False, chosen)


def default_scheme(n_clusters: int) -> Scheme:
    """Webb's weights for few clusters, Rademacher's otherwise."""
    return "webb" if n_clusters < FEW_CLUSTERS else "rademacher"


def squares(at_estimate: FloatArray, by_null: FloatArray) -> FloatArray:
    """(B, 3) coefficients of Σ_g (a_g + b_g·x)² in powers of x."""
    pairs = ((at_estimate, at_estimate), (2 * at_estimate, by_null), (by_null, by_null))
    return np.column_stack([np.einsum("bg,bg->b", first, second) for first, second in pairs])


def chunks(values: FloatArray) -> Iterator[FloatArray]:
    """The draws in portions, so that memory does not grow with their number."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def need_fit(draws: Multipliers, n_clusters: int) -> None:
    """Raises EstimationError unless there is one weight for each of at least two clusters."""
    if n_clusters < 2 or draws.values.shape[1] != n_clusters:
        raise EstimationError(
            f"the bootstrap weights are for {draws.values.shape[1]} clusters and the effect has {n_clusters}; "
            "give one weight per cluster, and at least two clusters."
        )
