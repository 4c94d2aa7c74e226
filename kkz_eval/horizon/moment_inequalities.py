"""Tests of moment inequalities with nuisance parameters (Andrews, Roth and Pakes 2023), for honest bounds.

The restrictions say: each of P rows D of the difference in trend δ lies between −(u'δ + e) and u'δ + e. For an effect
l'τ = θ the other effects are nuisance parameters. The test statistic is the linear program
min η so that moment − nuisance ≤ η·(its standard error), whose dual runs over the vertices γ of a polytope that depends
neither on θ nor on the data. D restricted to the periods after the reference is square and invertible, so the vertices
are known in closed form: multipliers p on the upper and m on the lower rows must satisfy p − m ∝ c, c = D'⁻¹l. They are
c⁺/c⁻ (effect too small), c⁻/c⁺ (effect too large) and, for each row, both sides at once (the bound itself is negative).
So each program becomes a maximum over P + 2 linear moments, and many polyhedra and values θ are tested in one go.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from kkz_eval.estimators.result import BoolArray, FloatArray
from kkz_eval.horizon.honest_input import EventStudy, HonestInterval

N_ANGLES = 2048
N_SCAN = 801
N_HALVINGS = 50
FARTHEST = 12.0
"""The scan of a test without first stage starts where the statistic is this many standard errors."""
PARALLEL = 1e-9


@dataclass(frozen=True)
class Moments:
    """The moments of H polyhedra at their J vertices: value + slope·θ ≤ 0 if θ agrees with the restriction.

    `value` (H, J) at θ = 0, `slope` (H, J) (only vertices 0 and 1 move with θ), `covariance` (H, J, J) of the moments,
    `weights` (H, J, K) of the coefficients in each moment.
    """

    value: FloatArray
    slope: FloatArray
    covariance: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class Window:
    """First stage of the hybrid with a fixed-length interval: |estimate − θ| ≤ half_length; one polyhedron only.

    `covariance` (J,) of the estimate with the moments.
    """

    estimate: float
    half_length: float
    covariance: FloatArray


@dataclass(frozen=True)
class Stage:
    """What the test does: level of the conditional stage, and `critical` values (H,) of the first, inf if none."""

    level: float
    critical: FloatArray
    df: float | None
    window: Window | None = None


def paired_moments(study: EventStudy, rows: FloatArray, bound_rows: FloatArray, bound: float) -> Moments:
    """Moments of |rows δ| ≤ bound_rows[h] δ + bound for each polyhedron h.

    rows (P, K) with P periods after the reference, invertible there; bound_rows (H, K) only of earlier periods.
    """
    direction = np.linalg.solve(rows[:, study.n_pre :].T, study.contrast)
    up, down, each = np.maximum(direction, 0), np.maximum(-direction, 0), np.eye(study.n_post)
    on_upper, on_lower = np.vstack([up, down, each]), np.vstack([down, up, each])
    upper, lower = rows - bound_rows[:, None, :], -rows - bound_rows[:, None, :]
    scale = _spread(upper, study.sigma) @ on_upper.T + _spread(lower, study.sigma) @ on_lower.T
    weights = (on_upper @ upper + on_lower @ lower) / scale[:, :, None]
    constant = bound * (on_upper + on_lower).sum(axis=1)
    slope = np.zeros_like(scale)
    slope[:, 0], slope[:, 1] = -1 / scale[:, 0], 1 / scale[:, 1]
    covariance = weights @ study.sigma @ weights.swapaxes(1, 2)
    return Moments(weights @ study.beta - constant / scale, slope, covariance, weights)


def _spread(rows: FloatArray, sigma: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("hpk,kl,hpl->hp", rows, sigma, rows)))


def least_favourable(covariance: FloatArray, level: float, df: float | None = None) -> FloatArray:
    """(H,): the 1 − level quantile of the largest of J centred normal moments with covariance (H, J, J) of rank ≤ 2.

    With df, of the moments over an independent √(χ²/df). In the plane of the two normals the moments are at most t
    inside a polygon; the mass outside is an average over directions, by the trapezoidal rule (error below 1e-6 of t).
    """
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    plane = eigenvectors[:, :, -2:] * np.sqrt(np.maximum(eigenvalues[:, None, -2:], 0))
    angles = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    reach = np.maximum((plane @ np.vstack([np.cos(angles), np.sin(angles)])).max(axis=1), 0)
    farthest = reach.max(axis=1)
    tail = -2 * np.log(level) if df is None else df * (level ** (-2 / df) - 1)
    low, high = np.zeros(len(reach)), farthest * np.sqrt(tail)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            squared = np.where(reach > 0, (middle[:, None] / reach) ** 2, np.inf)
        mass = np.exp(-squared / 2) if df is None else (1 + squared / df) ** (-df / 2)
        outside = mass.mean(axis=1) > level
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.asarray(high)


def second_stage(
    moments: Moments, alpha: float, *, hybrid: bool, df: float | None = None, window: Window | None = None
) -> Stage:
    """The test at level alpha; `hybrid`: least-favourable first stage. Either first stage takes alpha/10."""
    first = alpha / 10
    level = (alpha - first) / (1 - first) if hybrid or window is not None else alpha
    critical = least_favourable(moments.covariance, first, df) if hybrid else np.full(len(moments.value), np.inf)
    return Stage(level, critical, df, window)


def compatible(moments: Moments, theta: FloatArray, stage: Stage) -> BoolArray:
    """(H, G): whether polyhedron h lets the value theta[h, g] stand."""
    moment = moments.value[:, None, :] + moments.slope[:, None, :] * theta[:, :, None]
    largest = moment.argmax(axis=2)
    top = np.take_along_axis(moment, largest[:, :, None], axis=2)[:, :, 0]
    covariance = moments.covariance[np.arange(len(moment))[:, None], largest]
    variance = np.take_along_axis(covariance, largest[:, :, None], axis=2)[:, :, 0]
    known = variance <= PARALLEL**2 * np.maximum(moments.covariance.max(axis=(1, 2)), 1e-300)[:, None]
    variance = np.where(known, 1.0, variance)
    loading = covariance / variance[:, :, None]
    rest = moment - loading * top[:, :, None]
    low, high = _truncation(rest, 1 - loading)
    high = np.minimum(high, stage.critical[:, None])
    first = top <= stage.critical[:, None]
    if stage.window is not None:
        window = stage.window
        distance = window.estimate - theta
        first &= np.abs(distance) <= window.half_length
        low, high = _inside_window(window, window.covariance[largest] / variance, distance, top, low, high)
    spread = np.sqrt(variance)
    p_value = _truncated_tail(top / spread, low / spread, high / spread, stage.df)
    # A moment without noise (the bound itself) decides on its own; rounding must not.
    p_value = np.where((top <= 0) | (known & (top <= 1e-12)), 1.0, np.where(known, 0.0, p_value))
    return np.asarray(first & (p_value >= stage.level))


def _truncation(rest: FloatArray, gap: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends between which the largest moment stays the largest, the rest of the data given: rest ≤ gap·v for all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = rest / gap
    low = np.where(gap > PARALLEL, ends, -np.inf).max(axis=2)
    high = np.where(gap < -PARALLEL, ends, np.inf).min(axis=2)
    return low, high


def _inside_window(
    window: Window, loading: FloatArray, distance: FloatArray, top: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Ends tightened by the event that the fixed-length interval holds θ."""
    rest = distance - loading * top
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(-window.half_length - rest) / loading, (window.half_length - rest) / loading])
    matters = np.abs(loading) > PARALLEL
    low = np.where(matters, np.maximum(low, ends.min(axis=0)), low)
    return low, np.where(matters, np.minimum(high, ends.max(axis=0)), high)


def _log_upper(value: FloatArray, df: float | None) -> FloatArray:
    """log P(T > value)."""
    if df is None:
        return np.asarray(special.log_ndtr(-value))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(special.stdtr(df, -value)))


def _truncated_tail(value: FloatArray, low: FloatArray, high: FloatArray, df: float | None) -> FloatArray:
    """P(T > value | low ≤ T ≤ high), in logs, so that it holds far out in the tail."""
    # The value lies inside by construction; rounding must not push it out.
    low, high = np.minimum(low, value), np.maximum(high, value)
    at_value, at_low, at_high = (_log_upper(end, df) for end in (value, low, high))
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = at_value - at_low + np.log1p(-np.exp(at_high - at_value)) - np.log1p(-np.exp(at_high - at_low))
        return np.nan_to_num(np.exp(tail), nan=1.0)


def conditional_interval(
    moments: Moments,
    bound: float,
    alpha: float,
    *,
    hybrid: bool,
    df: float | None,
    unit: float,
    window: Window | None = None,
) -> HonestInterval:
    """The lowest and highest θ that some polyhedron lets stand.

    A scan from the first stage's ends inwards finds the outermost values, halving makes them exact. An island of
    agreement narrower than 1/800 of the first stage's range can be missed. `unit`: standard error of l'β, for widening
    the scan of a test without first stage. Without an end after ten doublings the interval is open there.
    """
    stage = second_stage(moments, alpha, hybrid=hybrid, df=df, window=window)

    def stands(theta: FloatArray) -> BoolArray:
        return compatible(moments, theta, stage)

    low, high = _range(moments, stage)
    bounded = hybrid or window is not None
    reach = _outermost(stands, low, high, -1.0, unit, bounded), _outermost(stands, low, high, 1.0, unit, bounded)
    if reach[0] is None or reach[1] is None:
        return HonestInterval(
            bound, None, None, "no effect agrees with the data and this bound on differences in trend"
        )
    return HonestInterval(bound, reach[0], reach[1])


def _range(moments: Moments, stage: Stage) -> tuple[FloatArray, FloatArray]:
    """(H,) each: where θ can stand at all given the first stage; or where the statistic is not extreme."""
    if stage.window is not None:
        half = stage.window.half_length
        return np.array([stage.window.estimate - half]), np.array([stage.window.estimate + half])
    spread = np.sqrt(np.diagonal(moments.covariance, axis1=1, axis2=2).max(axis=1))
    limit = np.where(np.isfinite(stage.critical), stage.critical, FARTHEST * spread)
    ends = (limit[:, None] - moments.value[:, :2]) / moments.slope[:, :2]
    return ends.min(axis=1), ends.max(axis=1)


def _outermost(
    stands: Callable[[FloatArray], BoolArray],
    low: FloatArray,
    high: FloatArray,
    side: float,
    unit: float,
    bounded: bool,
) -> float | None:
    """The outermost θ that stands on one side; None when none stands."""
    start, end = (low, high) if side < 0 else (high, low)
    share = np.linspace(0, 1, N_SCAN)
    for doubling in range(1 if bounded else 11):
        begin = start if doubling == 0 else start + side * unit * 10.0 * 2**doubling
        grid = begin[:, None] + (end - begin)[:, None] * share
        ok = stands(grid)
        if not ok[:, 0].any() or bounded:
            break
    else:
        return side * np.inf
    some = ok.any(axis=1)
    if not some.any():
        return None
    first = ok.argmax(axis=1)
    rows = np.arange(len(grid))
    inner, outer = grid[rows, first], grid[rows, np.maximum(first - 1, 0)]
    for _ in range(N_HALVINGS):
        middle = (inner + outer) / 2
        fine = stands(middle[:, None])[:, 0]
        inner, outer = np.where(fine, middle, inner), np.where(fine, outer, middle)
    return float(side * np.max(np.where(some, side * inner, -np.inf)))
