"""Group-time effects with covariates: every comparison of cohort and period as a contrast of profiles."""

from dataclasses import dataclass

import numpy as np

from kkz_eval.cells.profiles import ProfilePanel, sum_rows
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.contrast import Contrast, Problem, effects, fit_nuisance
from kkz_eval.estimators.covariates.design_matrix import first_dependent
from kkz_eval.estimators.covariates.influence import influence
from kkz_eval.estimators.covariates.observations import Observations, Rows, arm_rows, observe
from kkz_eval.estimators.covariates.propensity import separating
from kkz_eval.estimators.group_time import (
    Arms,
    Coefficients,
    GroupTimeEffects,
    IndexArray,
    Pairs,
    leave_one_out_effects,
    unadjusted_effects,
)
from kkz_eval.estimators.result import EstimatorOptions, FloatArray, Method

CHUNK = 2_000_000
METHODS = {"dr": "doubly robust", "ipw": "inverse probability weighting", "reg": "regression adjustment"}


@dataclass(frozen=True, eq=False)
class Problems:
    """Words for what went wrong in a comparison, by its names of covariates."""

    names: tuple[str, ...]
    profiles: FloatArray

    def reason(self, problem: int, contrast: Contrast, empty: str | None) -> str | None:
        """Why the only sample of the contrast has no estimate; None when it has one."""
        if problem == Problem.NONE:
            return None
        if problem == Problem.EMPTY:
            return empty or "no observation on one side"
        column = separating(self.profiles, contrast.treated.sum(axis=(0, 1)), contrast.control.sum(axis=(0, 1)))
        if problem == Problem.NO_OVERLAP and column is None:
            return "no overlap: some covariate values make a propensity score of 0.999 or more"
        if problem in (Problem.NO_OVERLAP, Problem.SEPARATED):
            who = "the covariates together tell" if column is None else f"covariate {self.names[column]} tells"
            return f"{who} treated and comparison units apart (perfect separation of the propensity score)"
        weights, side = {
            Problem.CONTROL_COLLINEAR: (contrast.control, "comparison"),
            Problem.TREATED_COLLINEAR: (contrast.treated, "treated"),
        }.get(Problem(problem), ((contrast.control + contrast.treated).sum(axis=0, keepdims=True), "compared"))
        found = [d for d in (first_dependent(self.profiles, w[0]) for w in weights) if d is not None]
        name = self.names[found[0] if found else -1]
        return f"covariate {name} is constant or collinear among the {side} observations"


def covariate_effects(panel: ProfilePanel, pairs: Pairs, arms: Arms, options: EstimatorOptions) -> GroupTimeEffects:
    """ATT(g,t) conditional on covariates, by `options.method`, with influence functions and leave-one-out estimates.

    Estimand: as without covariates, under parallel trends among children (or units) with equal covariates.
    Exact from cells: observations of equal covariates enter only by Σw and Σwy. Design `panel` follows DRDID's panel
    estimators, the others its repeated cross-section estimators; `reg` there averages over the treated of both
    periods, `dr` is the locally efficient one.

    Raises EstimationError for collinear or varying covariates, and when covariates allow no effect at all.
    Source: Sant'Anna and Zhao (2020), Journal of Econometrics 219; Callaway and Sant'Anna (2021); DRDID 1.2.3.
    """
    observations = observe(panel, options.design)
    words = Problems(observations.names, observations.profiles)
    plain = unadjusted_effects(arms)
    effect, values = plain.effect.copy(), np.zeros_like(plain.influence)
    reason = list(plain.reason)
    n_arms, n_pairs, n_profiles = len(arms.sign), len(effect), len(observations.x)
    level, slope = np.zeros((n_pairs, n_arms, n_profiles)), np.zeros((n_pairs, n_arms, n_profiles))
    failures = []
    for k in np.flatnonzero(~pairs.is_reference & np.isfinite(plain.effect)):
        rows = [arm_rows(observations, arms, j, int(k)) for j in range(n_arms)]
        contrast = _contrast(arms, observations.x, [_by_profile(r, n_profiles) for r in rows])
        nuisance = fit_nuisance(options.method, contrast)
        effect[k] = effects(options.method, contrast, nuisance)[0]
        reason[k] = words.reason(int(nuisance.problem[0]), contrast, plain.reason[k])
        if reason[k] is not None:
            failures.append(reason[k])
            continue
        part = influence(options.method, contrast, nuisance, as_drdid=options.influence_as_drdid)
        level[k], slope[k] = part.level, part.slope
        for j, r in enumerate(rows):
            own = level[k, j, r.profile] * r.weight + slope[k, j, r.profile] * r.total
            values[:, k] += sum_rows(r.unit, own, len(values))
    if failures and not np.isfinite(effect[~pairs.is_reference]).any():
        raise EstimationError(
            f"cells of {panel.outcome}: no effect can be estimated with these covariates: {failures[0]}; "
            "use fewer or coarser covariates, or method reg."
        )
    return GroupTimeEffects(
        effect=effect,
        influence=values,
        reason=reason,
        leave_one_out=lambda code, n: _leave_one_out(observations, pairs, arms, options.method, code, n),
        coefficients=Coefficients(level, slope),
        observations=observations,
        note=f"adjusted for {', '.join(observations.names)} ({METHODS[options.method]})" if observations.names else "",
    )


def _by_profile(rows: Rows, n_profiles: int) -> tuple[FloatArray, FloatArray]:
    """Σw and Σwy by profile, each (1, P)."""
    weight, total = (sum_rows(rows.profile, values, n_profiles) for values in (rows.weight, rows.total))
    return weight[None], total[None]


def _contrast(arms: Arms, x: FloatArray, sums: list[tuple[FloatArray, FloatArray]]) -> Contrast:
    n_terms = len(arms.sign) // 2
    weight, total = np.stack([w for w, _ in sums]), np.stack([t for _, t in sums])
    return Contrast(
        x, arms.sign[:n_terms], weight[:n_terms], weight[n_terms:], total[:n_terms], total[n_terms:]
    )  # fmt: skip


def _leave_one_out(
    observations: Observations, pairs: Pairs, arms: Arms, method: Method, code: IndexArray, n_clusters: int
) -> FloatArray:
    """ATT (C, K) without each cluster in turn, all clusters of a comparison at once. NaN where it then does not exist.

    code (U,): position of each unit's cluster.
    """
    replicates = leave_one_out_effects(arms, code, n_clusters)  # existence, and the zeros of the reference periods
    n_profiles = len(observations.x)
    step = max(1, CHUNK // (n_profiles * observations.x.shape[1]))
    for k in np.flatnonzero(~pairs.is_reference):
        rows = [arm_rows(observations, arms, j, int(k)) for j in range(len(arms.sign))]
        for start in range(0, n_clusters, step):
            stop = min(n_clusters, start + step)
            sums = [_without_clusters(r, code, start, stop, n_profiles) for r in rows]
            contrast = _contrast(arms, observations.x, sums)
            estimate = effects(method, contrast, fit_nuisance(method, contrast))
            kept = np.isfinite(replicates[start:stop, k])
            replicates[start:stop, k] = np.where(kept, estimate, np.nan)
    return replicates


def _without_clusters(
    rows: Rows, code: IndexArray, start: int, stop: int, n_profiles: int
) -> tuple[FloatArray, FloatArray]:
    """Σw and Σwy (stop−start, P) of the rows without cluster start, start+1, …; exactly zero where no row is left."""
    cluster = code[rows.unit]
    here = (cluster >= start) & (cluster < stop)
    cell = (cluster[here] - start) * n_profiles + rows.profile[here]
    shape = (stop - start, n_profiles)
    gone = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    is_left = np.bincount(rows.profile, minlength=n_profiles)[None] > gone
    parts = []
    for values in (rows.weight, rows.total):
        taken = np.bincount(cell, values[here], shape[0] * shape[1]).reshape(shape)
        parts.append(np.where(is_left, np.bincount(rows.profile, values, n_profiles)[None] - taken, 0.0))
    return parts[0], parts[1]
