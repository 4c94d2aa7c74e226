"""The effect of one cohort in one period with covariates, and the influence of every observation on it.

One code for panels (one period of changes) and repeated cross-sections (a period and its base): Sant'Anna and Zhao
(2020), as in DRDID 1.2.3 `reg_did_*`, `std_ipw_did_*`, `drdid_panel`, `drdid_rc`.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kkz_eval.estimators.covariates.design_matrix import inverse, moments, times
from kkz_eval.estimators.covariates.propensity import Propensity, fit_propensity
from kkz_eval.estimators.result import FloatArray, Method


class Problem(IntEnum):
    """Why a contrast has no estimate."""

    NONE = 0
    EMPTY = 1
    CONTROL_COLLINEAR = 2
    TREATED_COLLINEAR = 3
    COLLINEAR = 4
    SEPARATED = 5
    NO_OVERLAP = 6


@dataclass(frozen=True, eq=False)
class Contrast:
    """Sums by profile for S terms (+period, −base; or changes alone) in B samples: weights and weighted outcomes.

    x (P, k) basis with a constant; sign (S,); treated, control, treated_total, control_total (S, B, P).
    """

    x: FloatArray
    sign: FloatArray
    treated: FloatArray
    control: FloatArray
    treated_total: FloatArray
    control_total: FloatArray


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Fitted outcome means and propensity scores. Parts that the method does not use are zero or None.

    control_mean (S, B, P) outcome expected without treatment, control_inverse (S, B, k, k); treated_… the same among
    the treated, for the locally efficient estimator of cross-sections; problem (B,).
    """

    control_mean: FloatArray
    control_inverse: FloatArray | None
    treated_mean: FloatArray | None
    treated_inverse: FloatArray | None
    propensity: Propensity | None
    problem: NDArray[np.int64]


def fit_nuisance(method: Method, contrast: Contrast) -> Nuisance:
    """Outcome regressions and propensity scores of all samples."""
    control_mean, control_inverse = np.zeros_like(contrast.control), None
    treated_mean = treated_inverse = propensity = None
    problem = np.zeros(contrast.control.shape[1], dtype=np.int64)

    def mark(where: NDArray[np.bool_], kind: Problem) -> None:
        problem[where & (problem == Problem.NONE)] = kind

    empty = (contrast.treated.sum(axis=2) <= 0).any(axis=0) | (contrast.control.sum(axis=2) <= 0).any(axis=0)
    mark(empty, Problem.EMPTY)
    if method != "reg":
        propensity = fit_propensity(contrast.x, contrast.treated.sum(axis=0), contrast.control.sum(axis=0))
        mark(propensity.is_collinear, Problem.COLLINEAR)
        mark(propensity.is_separated, Problem.SEPARATED)
        mark(propensity.lacks_overlap, Problem.NO_OVERLAP)
    if method != "ipw":
        control_mean, control_inverse, regular = _regress(contrast.x, contrast.control, contrast.control_total)
        mark(~regular, Problem.CONTROL_COLLINEAR)
    if method == "dr" and len(contrast.sign) > 1:
        treated_mean, treated_inverse, regular = _regress(contrast.x, contrast.treated, contrast.treated_total)
        mark(~regular, Problem.TREATED_COLLINEAR)
    return Nuisance(control_mean, control_inverse, treated_mean, treated_inverse, propensity, problem)


def _regress(x: FloatArray, weight: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Fitted means (S, B, P), inverse moments (S, B, k, k), and (B,) where all of them exist."""
    inverted, regular = inverse(moments(x, weight))
    return times(inverted, total @ x) @ x.T, inverted, np.asarray(regular.all(axis=0))


def effects(method: Method, contrast: Contrast, nuisance: Nuisance) -> FloatArray:
    """The effect (B,) in each sample, NaN where `nuisance.problem` says why."""
    sign = contrast.sign
    if method == "reg":
        both = contrast.treated.sum(axis=0)
        change = np.tensordot(sign, nuisance.control_mean, axes=1)
        own = np.tensordot(sign, _ratio(contrast.treated_total, contrast.treated), axes=1)
        effect = own - _ratio(both * change, both)
    else:
        treated, control = weighted_residual_means(contrast, nuisance)
        effect = np.tensordot(sign, treated - control, axes=1)
        if nuisance.treated_mean is not None:
            over_all, over_own = mean_differences(contrast, nuisance)
            effect = effect + np.tensordot(sign, over_all - over_own, axes=1)
    return np.where(nuisance.problem == Problem.NONE, effect, np.nan)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Sums over profiles (…, P) divided; zero where there is no weight."""
    top, bottom = numerator.sum(axis=-1), denominator.sum(axis=-1)
    quotient: FloatArray = np.divide(top, bottom, out=np.zeros(top.shape), where=bottom != 0)
    return quotient


def weighted_residual_means(contrast: Contrast, nuisance: Nuisance) -> tuple[FloatArray, FloatArray]:
    """(S, B) mean residuals of the treated, and of the controls reweighted by their odds of treatment."""
    assert nuisance.propensity is not None
    weight = nuisance.propensity.odds * contrast.control
    treated = _ratio(contrast.treated_total - contrast.treated * nuisance.control_mean, contrast.treated)
    residual = nuisance.propensity.odds * (contrast.control_total - contrast.control * nuisance.control_mean)
    return treated, _ratio(residual, weight)


def mean_differences(contrast: Contrast, nuisance: Nuisance) -> tuple[FloatArray, FloatArray]:
    """(S, B) mean of treated minus control regression over all treated, and over the treated of the term."""
    assert nuisance.treated_mean is not None
    difference = nuisance.treated_mean - nuisance.control_mean
    both = contrast.treated.sum(axis=0)
    return _ratio(both * difference, both), _ratio(contrast.treated * difference, contrast.treated)
