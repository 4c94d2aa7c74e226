"""Propensity scores: logit of belonging to the treated cohort on covariates, from sums of weights by profile."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kkz_eval.estimators.covariates.design_matrix import inverse, moments, pseudo_inverse, times
from kkz_eval.estimators.result import BoolArray, FloatArray

MOST_ITERATIONS = 60
CONVERGED = 1e-10
LARGEST_STEP = 4.0
CERTAIN = 30.0  # on the logit scale: reached only where covariates leave no doubt about the group
NEVER = -25.0  # a score of 1e-11: comparison observations there get no weight
CAP = 1.0 - 1e-6
NO_OVERLAP = 0.999
TRIM = 0.995


@dataclass(frozen=True, eq=False)
class Propensity:
    """score (B, P) of B samples in P profiles, capped; odds (B, P) score/(1−score), zero from 0.995 on (trimmed);
    variance (B, k, k): inverse information; is_collinear, is_separated, lacks_overlap (B,)."""

    score: FloatArray
    odds: FloatArray
    variance: FloatArray
    is_collinear: BoolArray
    is_separated: BoolArray
    lacks_overlap: BoolArray


def fit_propensity(x: FloatArray, treated: FloatArray, control: FloatArray) -> Propensity:
    """Maximum likelihood by Newton steps for B samples at once.

    x (P, k), first column constant; treated, control (B, P) sums of weights. Profiles without weight have no say.
    Profiles that only comparison observations have may drive the score to zero: it is set to zero there, they get no
    odds, and the rest is fitted without them, which is the limit of the likelihood. Scores driven to one are perfect
    separation. Trimming and capping as DRDID 1.2.3; overlap is missing from a score of 0.999 on, as in R did 2.5.1.
    """
    scale = (treated + control).sum(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    treated, total = treated / scale, (treated + control) / scale
    share = np.clip(treated.sum(axis=1), 1e-12, 1 - 1e-12)
    beta = np.zeros((len(treated), x.shape[1]))
    beta[:, 0] = np.log(share / (1 - share)) / x[0, 0]
    _, regular = inverse(moments(x, total))
    collinear, separated = ~regular, np.full(len(beta), False)
    never = np.full(total.shape, False)
    running = np.flatnonzero(~collinear)
    for _ in range(MOST_ITERATIONS):
        if not len(running):
            break
        step = _newton_step(x, treated[running], total[running], beta[running])
        beta[running] += step
        eta = beta[running] @ x.T
        lost = (eta < NEVER) & (treated[running] == 0) & (total[running] > 0)
        never[running] |= lost
        total[running] = np.where(lost, 0.0, total[running])
        moved = np.where(total[running] > 0, np.abs(step @ x.T), 0.0).max(axis=1)
        gone = np.where(total[running] > 0, eta, 0.0).max(axis=1) > CERTAIN
        gone |= (total[running] <= treated[running]).all(axis=1)  # no comparison observation is left
        separated[running[gone]] = True
        running = running[~gone & ((moved >= CONVERGED) | lost.any(axis=1))]
    separated[running] = True
    score = np.where(never, 0.0, expit(beta @ x.T))
    variance = pseudo_inverse(moments(x, total * score * (1 - score)))
    largest = np.where(total > 0, score, 0.0).max(axis=1)
    score = np.minimum(score, CAP)
    return Propensity(
        score=score,
        odds=np.where(score < TRIM, score / (1 - score), 0.0),
        variance=variance / scale[:, :, None],
        is_collinear=collinear,
        is_separated=separated,
        lacks_overlap=largest >= NO_OVERLAP,
    )


def _newton_step(x: FloatArray, treated: FloatArray, total: FloatArray, beta: FloatArray) -> FloatArray:
    """One step (B, k), shortened where it moves a logit by more than 4; none in directions without information."""
    score = expit(beta @ x.T)
    variance = pseudo_inverse(moments(x, total * score * (1 - score)))
    step = times(variance, (treated - total * score) @ x)
    reach = np.where(total > 0, np.abs(step @ x.T), 0.0).max(axis=1, keepdims=True)
    shortened: FloatArray = step * np.minimum(1.0, LARGEST_STEP / np.maximum(reach, LARGEST_STEP))
    return shortened


def separating(profiles: FloatArray, treated: FloatArray, control: FloatArray) -> int | None:
    """Position of the first covariate that alone tells treated from comparison profiles, or None (several together)."""
    for column in range(profiles.shape[1]):
        one, other = profiles[treated > 0, column], profiles[control > 0, column]
        if len(one) and len(other) and (one.min() >= other.max() or one.max() <= other.min()):
            return column
    return None
