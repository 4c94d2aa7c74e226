"""Many outcomes at once: how often would at least one of them show what was seen, if none had changed?

Source: Romano and Wolf (2005), Econometrica 73; (2016), Statistics & Probability Letters 113, equation for p-values.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Fit, FloatArray
from kkz_eval.inference.wild import Multipliers, Scheme, WildTest, multipliers
from kkz_eval.inference.wild_influence import cluster_leverage, wild_influence

TIE = 1e-8
"""Draws smaller than an observed |t| by less than this share tie with it and count as at least as large."""


def romano_wolf(t: FloatArray, t_star: FloatArray) -> FloatArray:
    """Stepdown p-values (O,) of outcomes with t (O,), from joint draws t_star (B, O) under "no effect on any".

    The largest |t| is compared with the largest of all draws, the next with the largest of the remaining outcomes, and
    so on; p = (1 + number of draws at least as large)/(B + 1), never below the p of a larger |t|. Outcomes whose t
    does not exist have NaN and take no part; draws without a value count as larger than any t. Controls the
    probability of at least one false finding. Raises EstimationError when shapes do not fit.
    """
    if t_star.ndim != 2 or t_star.shape[1:] != t.shape or len(t_star) == 0:
        raise EstimationError(
            f"the draws have shape {t_star.shape} for {len(t)} outcomes; give one column of draws per outcome."
        )
    adjusted = np.full(len(t), np.nan)
    exists = np.flatnonzero(~np.isnan(t))
    order = exists[np.argsort(-np.abs(t[exists]), kind="stable")]
    size = np.where(np.isnan(t_star), np.inf, np.abs(t_star))[:, order]
    largest = np.maximum.accumulate(size[:, ::-1], axis=1)[:, ::-1]
    reaches = largest >= np.abs(t[order]) * (1 - TIE)
    adjusted[order] = np.maximum.accumulate((1 + reaches.sum(axis=0)) / (1 + len(t_star)))
    return adjusted


def joint_tests(
    fits: Sequence[Fit],
    parameters: Sequence[int],
    *,
    draws: int = 9_999,
    seed: int = 20120101,
    scheme: Scheme | None = None,
) -> list[WildTest]:
    """Restricted wild bootstraps of one parameter of each fit (one fit per outcome), with the same cluster weights.

    A cluster keeps its weight in all outcomes, so that what moves together in the data moves together in the draws.
    Clusters of outcomes may differ. Raises EstimationError as `wild_influence`.
    """
    labels = np.unique(np.concatenate([fit.influence.by_cluster()[0] for fit in fits]))
    shared = multipliers(len(labels), draws=draws, seed=seed, scheme=scheme)
    tests = []
    for fit, p in zip(fits, parameters, strict=True):
        own, sums = fit.influence.by_cluster()
        weights: Multipliers = replace(shared, values=shared.values[:, np.searchsorted(labels, own)])
        leverage = cluster_leverage(fit, p)
        tests.append(wild_influence(sums[:, p], leverage, float(fit.estimate[p]), weights, factor=fit.variance_factor))
    return tests


def adjusted_p_values(tests: Sequence[WildTest]) -> FloatArray:
    """`romano_wolf` on the bootstraps of `joint_tests`, one p-value per outcome."""
    return romano_wolf(np.array([test.t() for test in tests]), np.column_stack([test.t_star() for test in tests]))
