"""Alpha spending and the bounds of yearly looks.

All functions here rest on the canonical joint law of the statistics: Corr(Z_s, Z_t) = √(I_s / I_t), that is, the score
S = Z·√I has independent increments. The GLS-dose estimate has it; an average of a few event times has not, and bounds
from here would then err more often than alpha (methods.md §4.1). Other statistics: `simulated_bounds`.

Sources: Armitage, McPherson, Rowe 1969 (recursion); Lan, DeMets 1983; Hwang, Shih, DeCani 1990 (spending).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray

Spending = Literal["obrien_fleming", "pocock", "hwang_shih_decani"]
SPENDING: tuple[Spending, ...] = get_args(Spending)

SMALLEST_SPEND = 1e-12  # below it the quadrature cannot find the bound; the bound is infinite
SMALLEST_GROWTH = 1e-3  # share by which information must grow to count as a new look
WIDEST = 8.5  # standard deviations kept on each side; beyond lies less than 2e-17
LARGEST_BOUND = 10.0
NODES = (401, 801, 1601)


def cumulative_alpha(fraction: ArrayLike, alpha: float, spending: Spending, gamma: float = -4.0) -> FloatArray:
    """Two-sided alpha that may be spent by each information fraction (K,); fractions above 1 count as 1.

    obrien_fleming: 4·[1 − Φ(z_{1−α/4} / √t)], twice the one-sided spending of α/2, as gsDesign and rpact have it
    (putting the two-sided α into the one-sided formula gives other bounds). pocock: α·ln(1 + (e − 1)t).
    hwang_shih_decani: α(1 − e^{−γt}) / (1 − e^{−γ}), linear at γ = 0; only this one reads `gamma`.
    """
    share = np.minimum(np.asarray(fraction, dtype=np.float64), 1.0)
    if not (np.isfinite(share).all() and (share >= 0).all()):
        raise EstimationError("An information fraction is negative or missing; give fractions of 0 or more.")
    if spending == "obrien_fleming":
        with np.errstate(divide="ignore"):
            return np.asarray(4 * special.ndtr(-stats.norm.isf(alpha / 4) / np.sqrt(share)), dtype=np.float64)
    if spending == "pocock":
        return np.asarray(alpha * np.log1p(math.expm1(1) * share), dtype=np.float64)
    if spending == "hwang_shih_decani":
        shape = share if gamma == 0 else np.expm1(-gamma * share) / math.expm1(-gamma)
        return np.asarray(alpha * shape, dtype=np.float64)
    raise EstimationError(f"There is no spending function of this name; choose one of {', '.join(SPENDING)}.")


@dataclass(frozen=True, slots=True)
class _Survivors:
    """Score (n,) and probability mass (n,) of the histories that have crossed no bound so far."""

    score: FloatArray
    mass: FloatArray
    information: float


def _start() -> _Survivors:
    return _Survivors(np.zeros(1), np.ones(1), 0.0)


@lru_cache(maxsize=len(NODES))
def _legendre(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    node, weight = special.roots_legendre(n_nodes)
    return np.asarray(node, dtype=np.float64), np.asarray(weight, dtype=np.float64)


def _n_nodes(information: FloatArray) -> int:
    """Enough nodes to place at least three in two standard deviations of the smallest increment."""
    ratio = np.sqrt(information[:-1] / np.diff(information))
    needed = 1.5 * math.pi * WIDEST * float(ratio.max(initial=0.0))
    return next((n for n in NODES if n >= needed), NODES[-1])


def _crossing(before: _Survivors, information: float, bound: float, effect: float) -> float:
    """Probability of surviving until now and crossing ±bound at `information`."""
    gained = information - before.information
    centre, edge = before.score + effect * gained, bound * math.sqrt(information)
    tails = special.ndtr((centre - edge) / math.sqrt(gained)) + special.ndtr((-edge - centre) / math.sqrt(gained))
    return float(before.mass @ tails)


def _advance(before: _Survivors, information: float, bound: float, effect: float, n_nodes: int) -> _Survivors:
    """The survivors after the look at `information`."""
    root, gained = math.sqrt(information), information - before.information
    low = max(-bound * root, effect * information - WIDEST * root)
    high = min(bound * root, effect * information + WIDEST * root)
    if low >= high:  # the effect is so large that nobody stays inside the bounds
        return _Survivors(np.zeros(1), np.zeros(1), information)
    node, weight = _legendre(n_nodes)
    half = (high - low) / 2
    score = (low + high) / 2 + half * node
    distance = (score[:, None] - before.score[None, :] - effect * gained) / math.sqrt(gained)
    density = np.exp(-0.5 * distance**2) @ before.mass / math.sqrt(2 * math.pi * gained)
    return _Survivors(score, density * weight * half, information)


def _checked_information(information: ArrayLike) -> FloatArray:
    given = np.atleast_1d(np.asarray(information, dtype=np.float64))
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise EstimationError("The information of a look is missing or not positive; give 1/variance of the estimate.")
    if (given[1:] < given[:-1] * (1 + SMALLEST_GROWTH)).any():
        raise EstimationError("Information must grow from look to look by at least a thousandth; leave out the others.")
    return given


def checked_alpha(cumulative: ArrayLike, n_looks: int) -> FloatArray:
    """Cumulative alpha (K,) if it can belong to K looks: within [0, 1) and never falling; EstimationError if not."""
    alpha = np.atleast_1d(np.asarray(cumulative, dtype=np.float64))
    if len(alpha) != n_looks:
        raise EstimationError("Each look needs its information and its cumulative alpha; the numbers of both differ.")
    if not ((alpha >= 0) & (alpha < 1)).all() or (np.diff(alpha) < 0).any():
        raise EstimationError("Cumulative alpha must lie between 0 and 1 and must not fall from look to look.")
    return alpha


def z_bounds(information: ArrayLike, cumulative: ArrayLike, given: Sequence[float] = ()) -> FloatArray:
    """Two-sided bounds (K,) on |Z| such that with no effect the looks up to k cross with probability `cumulative[k]`.

    `information` (K,) is the actual one, in any unit; `given` are the bounds of the first looks, already used and kept.
    Where less than 1e-12 is to be spent the bound is infinite and the amount passes to the next look.
    Raises EstimationError when information does not grow by a thousandth or alpha falls.
    """
    growing = _checked_information(information)
    alpha = checked_alpha(cumulative, len(growing))
    n_nodes, state, spent = _n_nodes(growing), _start(), 0.0
    bounds: list[float] = []
    for position, now in enumerate(growing):
        if position < len(given):
            bound, spent = given[position], float(alpha[position])
        elif (spend := float(alpha[position]) - spent) < SMALLEST_SPEND:
            bound = math.inf
        else:
            bound, spent = _bound(state, float(now), spend), float(alpha[position])
        bounds.append(bound)
        if position + 1 < len(growing):
            state = _advance(state, float(now), bound, 0.0, n_nodes)
    return np.array(bounds)


def _bound(state: _Survivors, information: float, spend: float) -> float:
    if spend >= _crossing(state, information, 0.0, 0.0):
        return 0.0
    root = optimize.brentq(
        lambda bound: _crossing(state, information, bound, 0.0) - spend, 0.0, LARGEST_BOUND, xtol=1e-11
    )
    return float(root)


def crossing_probability(information: ArrayLike, bounds: ArrayLike, effect: float = 0.0) -> FloatArray:
    """Probability (K,) of having crossed ±bounds at one of the looks up to k when the true effect is `effect`.

    At effect 0 this is the error; otherwise the power, with E[Z_k] = effect·√information_k. Both sides count.
    For few clusters give t-adjusted bounds (`t_bounds`): the result is then the t-adjusted curve of detection.
    """
    growing = _checked_information(information)
    limits = np.atleast_1d(np.asarray(bounds, dtype=np.float64))
    if len(limits) != len(growing) or np.isnan(limits).any():
        raise EstimationError("Each look needs its information and its bound; the numbers of both differ.")
    n_nodes, state = _n_nodes(growing), _start()
    crossed = []
    for now, bound in zip(growing.tolist(), limits.tolist(), strict=True):
        crossed.append(_crossing(state, now, bound, effect))
        state = _advance(state, now, bound, effect, n_nodes)
    return np.cumsum(crossed)


def detectable_effect(information: ArrayLike, bounds: ArrayLike, power: float = 0.8) -> float:
    """Smallest true effect that crosses a bound by the last look with probability `power`, in units of the estimate.

    Raises EstimationError when no look has a finite bound.
    """
    limits = np.atleast_1d(np.asarray(bounds, dtype=np.float64))
    growing = _checked_information(information)
    if not np.isfinite(limits).any():
        raise EstimationError("No look has a finite bound, so no effect can be detected; plan looks at later years.")

    def shortfall(effect: float) -> float:
        return float(crossing_probability(growing, limits, effect)[-1]) - power

    if shortfall(0.0) >= 0:
        return 0.0
    reachable = np.isfinite(limits)
    largest = float(((limits + 10) / np.sqrt(growing))[reachable].min())
    return float(optimize.brentq(shortfall, 0.0, largest, xtol=1e-10 * largest))


def t_bounds(bounds: ArrayLike, df: ArrayLike) -> FloatArray:
    """Bounds (K,) for Student's t with df (K,) that have the same p-value as the z bounds; df infinite changes nothing.

    The looks are compared by p-value: reject when 2·P(t_df > |estimate/se|) ≤ 2·P(Z > bound). Each look then has its
    right error, but the dependence between looks is taken from the normal law, so the overall error is only near alpha.
    Five equal looks at .05, standard errors from clusters anew at each look: .053 (8 clusters) and .051 (20) with
    obrien_fleming, .056 and .052 with pocock; the z bounds themselves would err with .116 and .072.
    """
    tail = special.ndtr(-np.atleast_1d(np.asarray(bounds, dtype=np.float64)))
    return np.asarray(stats.t.isf(tail, np.asarray(df, dtype=np.float64)), dtype=np.float64)
