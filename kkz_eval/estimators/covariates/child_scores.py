"""Propensity scores of children that stay in the database: one statement per Newton step for all comparisons at once.

What belongs here: the logits, and in words why one does not exist. What does not: effects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.passes import ChildRows, Limits, Members
from kkz_eval.estimators.covariates.contrast import Problem
from kkz_eval.estimators.covariates.design_matrix import inverse, pseudo_inverse, times
from kkz_eval.estimators.covariates.propensity import CAP, CERTAIN, CONVERGED, MOST_ITERATIONS, NEVER, NO_OVERLAP, TRIM
from kkz_eval.estimators.result import FloatArray

LIMITS = Limits(never=NEVER, cap=CAP, trim=TRIM)
OVERSHOT = 0.9
DEPENDENT = 1e-13  # share of a covariate's mean square that the covariates before it leave over


@dataclass(frozen=True, eq=False)
class Scores:
    """Logits of B comparisons: beta (B, K) of z = (1, u); variance (B, K, K) of the coefficients of whitened z;
    problem (B,)."""

    beta: FloatArray
    variance: FloatArray
    problem: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Smallest and largest covariates (B, k) of the treated and of the comparison children."""

    treated: tuple[FloatArray, FloatArray]
    control: tuple[FloatArray, FloatArray]

    def separating(self, contrast: int, *, touching: bool) -> int | None:
        """The first covariate whose ranges lie apart, or None; touching: ranges that meet in a point count as well."""
        (t_low, t_high), (c_low, c_high) = self.treated, self.control
        above, below = t_low[contrast] - c_high[contrast], c_low[contrast] - t_high[contrast]
        gap = np.maximum(above, below)
        found = np.flatnonzero(gap >= 0 if touching else gap > 0)
        return int(found[0]) if len(found) else None

    def reach(self, step: FloatArray) -> FloatArray:
        """(B,) by how much the linear index of a child can move at most with a step (B, K) of the coefficients of z."""
        low = np.minimum(self.treated[0], self.control[0])
        high = np.maximum(self.treated[1], self.control[1])
        ends = np.stack([step[:, 1:] * low, step[:, 1:] * high])
        furthest = step[:, 0] + np.stack([ends.min(axis=0), ends.max(axis=0)]).sum(axis=2)
        reached: FloatArray = np.abs(furthest).max(axis=0)
        return reached


def boxes(rows: ChildRows, members: Members, n_contrasts: int) -> Boxes:
    """Ranges of the covariates by side, from the ranges of cells."""
    cells, low, high = rows.boxes()
    at = np.searchsorted(cells, members.cell).clip(max=len(cells) - 1)
    there = cells[at] == members.cell
    sides = []
    for side in (members.treated, ~members.treated):
        use = side & there
        least = np.full((n_contrasts, low.shape[1]), np.inf)
        most = np.full((n_contrasts, low.shape[1]), -np.inf)
        np.minimum.at(least, members.contrast[use], low[at[use]])
        np.maximum.at(most, members.contrast[use], high[at[use]])
        sides.append((least, most))
    return Boxes(sides[0], sides[1])


def whitening(moments: FloatArray) -> tuple[FloatArray, int | None]:
    """Transform (K, K) that makes Σzz' of z = (1, u) the identity up to scale, and the first dependent covariate.

    The constant stays one. Gram-Schmidt, so that the first dependent covariate has a name.
    """
    scale = np.sqrt(np.maximum(np.diag(moments), np.finfo(np.float64).tiny))
    correlation = moments / np.outer(scale, scale)
    transform = np.eye(len(moments))
    for j in range(len(moments)):
        row = transform[j]
        for _ in range(2):  # once more against rounding
            for earlier in transform[:j]:
                row = row - (row @ correlation @ earlier) * earlier
        length = row @ correlation @ row
        if j and length <= DEPENDENT:
            return np.eye(len(moments)), j - 1
        transform[j] = row / np.sqrt(max(length, np.finfo(np.float64).tiny))
    transform = transform / scale[None]
    return transform / transform[0, 0], None


def fit_scores(
    rows: ChildRows, members: Members, transform: FloatArray, treated: FloatArray, control: FloatArray, apart: Boxes
) -> Scores:
    """Maximum likelihood by Newton steps, halved where they go beyond the maximum.

    treated, control (B, K, K): moments of whitened z. Rules and limits are those of `fit_propensity`: comparison
    children with a score of zero in the limit get no odds; scores driven to one are perfect separation; overlap is
    missing from a score of 0.999 on.
    """
    n_contrasts, size = treated.shape[:2]
    problem = np.full(n_contrasts, int(Problem.NONE))
    problem[~inverse(treated + control)[1]] = Problem.COLLINEAR
    is_apart = np.array([apart.separating(b, touching=False) is not None for b in range(n_contrasts)], dtype=bool)
    problem[is_apart & (problem == Problem.NONE)] = Problem.SEPARATED
    beta, step = np.zeros((n_contrasts, size)), np.zeros((n_contrasts, size))
    beta[:, 0] = np.log(treated[:, 0, 0] / control[:, 0, 0])
    promised, variance = np.zeros(n_contrasts), np.zeros((n_contrasts, size, size))
    running = problem == Problem.NONE
    for _ in range(MOST_ITERATIONS):
        if not running.any():
            break
        sums = rows.scores(members.of(running), beta @ transform, LIMITS)
        score, information = sums.score @ transform.T, transform @ sums.information @ transform.T
        gained = (score * step).sum(axis=1)
        too_far = running & (gained < -OVERSHOT * promised)
        step[too_far] /= 2
        beta[too_far] -= step[too_far]
        promised[too_far] /= 2
        accepted = running & ~too_far
        gone = accepted & ((sums.largest > CERTAIN) | (sums.n_controls == 0))
        problem[gone] = Problem.SEPARATED
        accepted &= ~gone
        variance[accepted] = pseudo_inverse(information[accepted])
        step[accepted] = times(variance[accepted], score[accepted])
        promised[accepted] = (score * step).sum(axis=1)[accepted]
        beta[accepted] += step[accepted]
        done = accepted & (apart.reach(step @ transform) < CONVERGED)
        problem[done & (sums.largest >= np.log(NO_OVERLAP / (1 - NO_OVERLAP)))] = Problem.NO_OVERLAP
        running &= ~gone & ~done
    problem[running] = Problem.SEPARATED
    return Scores(beta @ transform, variance, problem)


def reason(
    problem: int, names: tuple[str, ...], separating: int | None, treated: FloatArray, control: FloatArray
) -> str | None:
    """Why a comparison has no estimate, in words; None when it has one. treated, control (2, K, K): its moments."""
    if problem == Problem.NONE:
        return None
    if problem == Problem.NO_OVERLAP and separating is None:
        return "no overlap: some covariate values make a propensity score of 0.999 or more"
    if problem in (Problem.NO_OVERLAP, Problem.SEPARATED):
        who = "the covariates together tell" if separating is None else f"covariate {names[separating]} tells"
        return f"{who} treated and comparison units apart (perfect separation of the propensity score)"
    moments, side = {
        Problem.CONTROL_COLLINEAR: (control, "comparison"),
        Problem.TREATED_COLLINEAR: (treated, "treated"),
    }.get(Problem(problem), ((control + treated).sum(axis=0, keepdims=True), "compared"))
    found = [d for d in (whitening(m)[1] for m in moments) if d is not None]
    name = names[found[0] if found else -1]
    return f"covariate {name} is constant or collinear among the {side} observations"
