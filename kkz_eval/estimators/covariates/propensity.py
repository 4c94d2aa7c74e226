"""Propensity scores: logit of belonging to the treated cohort on covariates, from sums of weights by profile."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kkz_eval.estimators.covariates.design_matrix import inverse, moments, times
from kkz_eval.estimators.result import BoolArray, FloatArray

MOST_ITERATIONS = 60
CONVERGED = 1e-10
LARGEST_STEP = 4.0
CERTAIN = 30.0  # on the logit scale: probabilities of 1e-13, reached only when covariates tell the groups apart
CAP = 1.0 - 1e-6
NO_OVERLAP = 0.999
TRIM = 0.995


@dataclass(frozen=True, eq=False)
class Propensity:
    """score (B, P) of B samples in P profiles, capped; odds (B, P) score/(1−score), zero from 0.995 on (trimmed);
    variance (B, k, k): inverse information; is_separated, lacks_overlap (B,)."""

    score: FloatArray
    odds: FloatArray
    variance: FloatArray
    is_separated: BoolArray
    lacks_overlap: BoolArray


def fit_propensity(x: FloatArray, treated: FloatArray, control: FloatArray) -> Propensity:
    """Maximum likelihood by Newton steps for B samples at once.

    x (P, k), first column constant; treated, control (B, P) sums of weights. Profiles without weight have no say.
    Trimming and capping as DRDID 1.2.3 does; overlap is missing from a score of 0.999 on, as in R did 2.5.1.
    """
    scale = (treated + control).sum(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    treated, total = treated / scale, (treated + control) / scale
    share = np.clip(treated.sum(axis=1), 1e-12, 1 - 1e-12)
    beta = np.zeros((len(treated), x.shape[1]))
    beta[:, 0] = np.log(share / (1 - share)) / x[0, 0]
    running, separated = np.full(len(beta), True), np.full(len(beta), False)
    for _ in range(MOST_ITERATIONS):
        step, is_stuck = _newton_step(x, treated[running], total[running], beta[running])
        beta[running] += step
        change = np.abs(step @ x.T).max(axis=1)
        eta = np.where(total[running] > 0, np.abs(beta[running] @ x.T), 0.0).max(axis=1)
        gone = is_stuck | (eta > CERTAIN)
        separated[np.flatnonzero(running)[gone]] = True
        running[np.flatnonzero(running)[gone | (change < CONVERGED)]] = False
        if not running.any():
            break
    separated |= running
    score = expit(beta @ x.T)
    information = moments(x, total * score * (1 - score))
    variance, regular = inverse(information)
    largest = np.where(total > 0, score, 0.0).max(axis=1)
    score = np.minimum(score, CAP)
    return Propensity(
        score=score,
        odds=np.where(score < TRIM, score / (1 - score), 0.0),
        variance=variance / scale[:, :, None],
        is_separated=separated | ~regular,
        lacks_overlap=largest >= NO_OVERLAP,
    )


def _newton_step(x: FloatArray, treated: FloatArray, total: FloatArray, beta: FloatArray) -> tuple[FloatArray, BoolArray]:
    """One step (B, k), shortened where it moves a logit by more than 4; and (B,) where the information is singular."""
    score = expit(beta @ x.T)
    variance, regular = inverse(moments(x, total * score * (1 - score)))
    step = np.where(regular[:, None], times(variance, (treated - total * score) @ x), 0.0)
    reach = np.where(total > 0, np.abs(step @ x.T), 0.0).max(axis=1, keepdims=True)
    return step * np.minimum(1.0, LARGEST_STEP / np.maximum(reach, LARGEST_STEP)), ~regular


def separating(profiles: FloatArray, treated: FloatArray, control: FloatArray) -> int | None:
    """Position of the first covariate that alone tells treated from comparison profiles, or None (several together)."""
    for column in range(profiles.shape[1]):
        one, other = profiles[treated > 0, column], profiles[control > 0, column]
        if len(one) and len(other) and (one.min() >= other.max() or one.max() <= other.min()):
            return column
    return None
