"""The effect in one comparison and the influence of a child on it, from sums over children.

The formulas are those of contrast.py and influence.py, written for z = (1, u) instead of profiles.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.cells.influence_passes import RowInfluence
from kkz_eval.estimators.covariates.contrast import Problem
from kkz_eval.estimators.covariates.design_matrix import inverse, times
from kkz_eval.estimators.result import FloatArray, Method

SIGN = np.array([1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Totals:
    """One comparison, of the terms +period, −base: Σw·zz' and Σw·zy of treated and comparison children,
    (2, K, K) and (2, K), z whitened."""

    treated: FloatArray
    treated_cross: FloatArray
    control: FloatArray
    control_cross: FloatArray


@dataclass(frozen=True, eq=False)
class Regressions:
    """Outcome regressions in both periods: coefficients (2, K) and inverse moments (2, K, K), zero where not used."""

    control: FloatArray
    control_inverse: FloatArray
    treated: FloatArray
    treated_inverse: FloatArray
    problem: Problem


@dataclass(frozen=True, eq=False)
class Weighted:
    """Σw·odds·z and Σw·odds·(y − expected)·z of comparison children, (2, K); variance (K, K) of the logit."""

    odds: FloatArray
    residual: FloatArray
    variance: FloatArray


def regress(method: Method, totals: Totals) -> Regressions:
    """The regressions a method needs."""
    zero = (np.zeros_like(totals.control_cross), np.zeros_like(totals.control))
    if method == "ipw":
        return Regressions(*zero, *zero, Problem.NONE)
    control_inverse, regular = inverse(totals.control)
    control = times(control_inverse, totals.control_cross)
    problem = Problem.NONE if regular.all() else Problem.CONTROL_COLLINEAR
    if method == "reg":
        return Regressions(control, control_inverse, *zero, problem)
    treated_inverse, regular = inverse(totals.treated)
    treated = times(treated_inverse, totals.treated_cross)
    if problem == Problem.NONE and not regular.all():
        problem = Problem.TREATED_COLLINEAR
    return Regressions(control, control_inverse, treated, treated_inverse, problem)


def empty_influence(size: int) -> RowInfluence:
    """Influence zero, of one comparison with K = size columns."""
    single, several = np.zeros((2, 2)), np.zeros((2, 2, size))
    return RowInfluence(single, single.copy(), single.copy(), *(several.copy() for _ in range(4)))


def by_regression(totals: Totals, fitted: Regressions) -> tuple[float, RowInfluence]:
    """Effect and influence of regression adjustment, averaged over the treated of both periods (DRDID `reg_did_rc`)."""
    own, mean, mass = _treated_means(totals)
    both = own.sum(axis=0)
    change = SIGN @ fitted.control
    expected = both @ change / both[0]
    part = empty_influence(len(both))
    part.a[0] = SIGN / mass
    part.l[0] = -change / both[0]
    part.l[0, :, 0] += -SIGN * mean / mass + expected / both[0]
    part.h[1] = -SIGN[:, None] * times(fitted.control_inverse, np.stack([both, both])) / both[0]
    part.g[1] = fitted.control
    return float(SIGN @ mean - expected), part


def by_weighting(
    method: Method, totals: Totals, fitted: Regressions, weighted: Weighted, *, as_drdid: bool
) -> tuple[float, RowInfluence]:
    """Effect and influence of weighting, or doubly robust with residuals (DRDID `std_ipw_did_rc`, `drdid_rc`)."""
    own, mean, mass = _treated_means(totals)
    mean = mean - (own * fitted.control).sum(axis=1) / mass
    weight = weighted.odds[:, 0]
    mean_control = weighted.residual[:, 0] / weight
    effect = float(SIGN @ (mean - mean_control))
    gradient = (SIGN / weight) @ (weighted.residual - mean_control[:, None] * weighted.odds)
    from_score = weighted.variance @ gradient
    part = empty_influence(own.shape[1])
    part.a[0] = SIGN / mass
    part.l[0] = -(SIGN / mass)[:, None] * fitted.control - from_score
    part.l[0, :, 0] -= SIGN * mean / mass
    part.c[1], part.m[1] = -SIGN / weight, -SIGN * mean_control / weight
    part.g[1] = fitted.control
    part.q[:] = from_score
    if method == "dr":
        effect += _add_regressions(part, own, mass, fitted, weighted.odds / weight[:, None], as_drdid=as_drdid)
    return effect, part


def _add_regressions(
    part: RowInfluence, own: FloatArray, mass: FloatArray, fitted: Regressions, toward: FloatArray, *, as_drdid: bool
) -> float:
    """What the locally efficient estimator adds to the effect, and to the influence of children."""
    sign, both = SIGN[:, None], own.sum(axis=0)
    balance = both / both[0] - own / mass[:, None]
    difference = fitted.treated - fitted.control
    over_all, over_own = difference @ both / both[0], (difference * own).sum(axis=1) / mass
    moved = (1.0 if as_drdid else sign) * (toward - own / mass[:, None]) - sign * balance
    part.h[1] = times(fitted.control_inverse, moved)
    part.h[0], part.g[0] = sign * times(fitted.treated_inverse, balance), fitted.treated
    part.l[0] += SIGN @ difference / both[0] - sign * difference / mass[:, None]
    part.l[0, :, 0] += -(SIGN @ over_all) / both[0] + SIGN * over_own / mass
    return float(SIGN @ (over_all - over_own))


def _treated_means(totals: Totals) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Σw·z (2, K), mean outcome (2,) and Σw (2,) of the treated."""
    own, mass = totals.treated[:, 0], totals.treated[:, 0, 0]
    return own, totals.treated_cross[:, 0] / mass, mass
