"""Influence of an observation on a contrast: weight·(level + slope·outcome), with level and slope by arm and profile.

An arm is treated or control in one term of the contrast: first the S treated arms, then the S control arms.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.estimators.covariates.contrast import (
    Contrast,
    Nuisance,
    mean_differences,
    weighted_residual_means,
)
from kkz_eval.estimators.result import FloatArray, Method


@dataclass(frozen=True, eq=False)
class Influence:
    """level, slope (2S, P): an observation of weight w and outcome y in that arm and profile has w·(level + slope·y).

    The influence functions are in sums: their squares, summed over independent observations, are the variance.
    """

    level: FloatArray
    slope: FloatArray


def influence(method: Method, contrast: Contrast, nuisance: Nuisance, *, as_drdid: bool) -> Influence:
    """Level and slope for the one sample of a contrast with B = 1.

    as_drdid concerns method `dr` in cross-sections only. There DRDID 1.2.3 gives the part that comes from estimating
    the controls' regression in the base period the opposite sign of the derivative (its `inf.treat.or`, `inf.cont.or`).
    The part vanishes in large samples when the propensity score is right. True follows DRDID, False the derivative.
    Source: Sant'Anna and Zhao (2020), section 3; for cross-sections the locally efficient estimator of section 3.2.
    """
    if method == "reg":
        return _of_regression(contrast, nuisance)
    return _of_weighting(contrast, nuisance, as_drdid=as_drdid)


def _of_regression(contrast: Contrast, nuisance: Nuisance) -> Influence:
    x, sign = contrast.x, contrast.sign
    both = contrast.treated.sum(axis=0)[0]
    n_both = both.sum()
    n_own = contrast.treated.sum(axis=2)  # (S, 1)
    mean = contrast.treated_total.sum(axis=2) / n_own
    expected = nuisance.control_mean[:, 0]
    change = sign @ expected
    slope_treated = np.broadcast_to(sign[:, None] / n_own, expected.shape)
    level_treated = -slope_treated * mean - (change - (both @ change) / n_both)[None] / n_both
    assert nuisance.control_inverse is not None
    leverage = nuisance.control_inverse[:, 0] @ (both @ x) @ x.T / n_both
    slope_control = -sign[:, None] * leverage
    return Influence(
        np.vstack([level_treated, -slope_control * expected]), np.vstack([slope_treated, slope_control])
    )  # fmt: skip


def _of_weighting(contrast: Contrast, nuisance: Nuisance, *, as_drdid: bool) -> Influence:
    """Weighting, with residuals instead of outcomes when there is an outcome regression (doubly robust)."""
    assert nuisance.propensity is not None
    x, sign = contrast.x, contrast.sign[:, None]
    odds, score = nuisance.propensity.odds[0], nuisance.propensity.score[0]
    expected = nuisance.control_mean[:, 0]
    treated, control = contrast.treated[:, 0], contrast.control[:, 0]
    weight = odds * control
    mean_treated, mean_control = weighted_residual_means(contrast, nuisance)
    slope_treated = np.broadcast_to(sign / treated.sum(axis=1, keepdims=True), treated.shape)
    slope_control = -sign * odds / weight.sum(axis=1, keepdims=True)
    level_treated = -slope_treated * (mean_treated + expected)
    level_control = -slope_control * (mean_control + expected)
    residual = odds * (contrast.control_total[:, 0] - control * (expected + mean_control))
    gradient = (sign * residual / weight.sum(axis=1, keepdims=True)).sum(axis=0) @ x
    from_score = x @ (nuisance.propensity.variance[0] @ gradient)
    level_treated = level_treated - (1 - score) * from_score
    level_control = level_control + score * from_score
    if nuisance.control_inverse is not None:
        own = treated / treated.sum(axis=1, keepdims=True)
        toward = sign * (weight / weight.sum(axis=1, keepdims=True) - own)
        if as_drdid:
            toward = np.abs(sign) * (weight / weight.sum(axis=1, keepdims=True) - own)
        if nuisance.treated_mean is not None:
            assert nuisance.treated_inverse is not None
            both = treated.sum(axis=0)
            balance = both / both.sum() - own
            toward = toward - sign * balance
            leverage = sign * _leverage(x, nuisance.treated_inverse[:, 0], balance)
            slope_treated = slope_treated + leverage
            level_treated = level_treated - leverage * nuisance.treated_mean[:, 0] + _efficient(contrast, nuisance)
        leverage = _leverage(x, nuisance.control_inverse[:, 0], toward)
        slope_control = slope_control + leverage
        level_control = level_control - leverage * expected
    return Influence(np.vstack([level_treated, level_control]), np.vstack([slope_treated, slope_control]))


def _leverage(x: FloatArray, inverted: FloatArray, target: FloatArray) -> FloatArray:
    """(S, P) how a fitted mean, averaged with weights target (S, P), moves with an outcome in each profile."""
    moved: FloatArray = np.einsum("skl,sl->sk", inverted, target @ x) @ x.T
    return moved


def _efficient(contrast: Contrast, nuisance: Nuisance) -> FloatArray:
    """(S, P) part of the treated level from averaging the two regressions over all treated and over the term's own.

    All treated are those of both terms, so that every term's average enters the level of both.
    """
    assert nuisance.treated_mean is not None
    difference = nuisance.treated_mean[:, 0] - nuisance.control_mean[:, 0]
    over_all, over_own = mean_differences(contrast, nuisance)
    treated = contrast.treated[:, 0]
    sign = contrast.sign[:, None]
    common = (sign * (difference - over_all)).sum(axis=0) / treated.sum()
    part: FloatArray = common[None] - sign * (difference - over_own) / treated.sum(axis=1, keepdims=True)
    return part
