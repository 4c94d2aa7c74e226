"""Regression adjustment from moments: exact for covariates of any kind, without a single child or profile."""

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.design_matrix import inverse, times
from kkz_eval.estimators.group_time import (
    Arms,
    GroupTimeEffects,
    IndexArray,
    Pairs,
    leave_one_out_effects,
    unadjusted_effects,
)
from kkz_eval.estimators.result import EstimatorOptions, FloatArray, sum_by

DEPENDENT = 1e-13  # share of a covariate's mean square that the covariates before it leave over


def moment_effects(panel: MomentPanel, pairs: Pairs, arms: Arms, options: EstimatorOptions) -> GroupTimeEffects:
    """ATT(g,t) by regression adjustment in repeated cross-sections, from Σzz' and Σzy of z = (1, x) by cell.

    Estimand and formulas as `covariate_effects` with method `reg`; all sums are linear in the moments, so cells give
    what the children would give. Errors by unit or cluster only.

    Raises EstimationError for other methods and designs, collinear covariates, and when no effect can be estimated.
    Source: Sant'Anna and Zhao (2020), DRDID `reg_did_rc`.
    """
    where = f"cells of {panel.outcome}"
    if options.method != "reg" or options.design != "cross_section":
        raise EstimationError(
            f"{where}: moments of covariates allow method reg in design cross_section, not {options.method} in "
            f"{options.design}; use cells by profile, or the estimator callaway_santanna_adjusted."
        )
    moments, cross = _whitened(panel)
    plain = unadjusted_effects(arms)
    effect, values, reason = plain.effect.copy(), np.zeros_like(plain.influence), list(plain.reason)
    failures = []
    for k in np.flatnonzero(~pairs.is_reference & np.isfinite(plain.effect)):
        parts = _parts(arms, moments, cross, int(k))
        found, inverted, slope = _adjusted(*(tuple(m.sum(axis=0)[None] for m in part) for part in parts))
        effect[k] = found[0]
        if np.isnan(effect[k]):
            failures.append(f"covariates {', '.join(panel.covariate_names)} are collinear among comparison children")
            reason[k] = failures[-1]
        else:
            values[:, k] = _influence(parts, inverted[:, 0], slope[:, 0])
    if failures and not np.isfinite(effect[~pairs.is_reference]).any():
        raise EstimationError(f"{where}: no effect can be estimated: {failures[0]}; use fewer covariates.")
    return GroupTimeEffects(
        effect=effect,
        influence=values,
        reason=reason,
        leave_one_out=lambda code, n: _leave_one_out(arms, pairs, moments, cross, code, n),
        coefficients=None,
        note=f"adjusted for {', '.join(panel.covariate_names)} (regression adjustment)"
        if panel.covariate_names
        else "",
    )


def _whitened(panel: MomentPanel) -> tuple[FloatArray, FloatArray]:
    """Moments and products with unit weights, of covariates made orthonormal over all cells (for rounding only)."""
    moments = panel.weight[:, None, None, None] * panel.moments
    cross = panel.weight[:, None, None] * panel.cross
    whole = moments.sum(axis=(0, 1))
    scale = np.sqrt(np.maximum(np.diag(whole), np.finfo(np.float64).tiny))
    correlation = whole / np.outer(scale, scale)
    transform = np.eye(len(whole))
    for j in range(len(whole)):  # Gram-Schmidt, so that the first dependent covariate has a name
        row = transform[j]
        for earlier in transform[:j]:
            row = row - (row @ correlation @ earlier) * earlier
        for earlier in transform[:j]:
            row = row - (row @ correlation @ earlier) * earlier
        length = row @ correlation @ row
        if length <= DEPENDENT:
            raise EstimationError(
                f"cells of {panel.outcome}: covariate {panel.covariate_names[j - 1]} is constant or collinear with the "
                "covariates before it; leave it out."
            )
        transform[j] = row / np.sqrt(length)
    transform = transform / scale[None]
    transform[0] /= transform[0, 0]  # the first entry of z stays one
    return transform @ moments @ transform.T, cross @ transform.T


Parts = tuple[tuple[FloatArray, ...], tuple[FloatArray, ...], tuple[FloatArray, ...], tuple[FloatArray, ...]]


def _parts(arms: Arms, moments: FloatArray, cross: FloatArray, pair: int) -> Parts:
    """By unit, for the terms +period, −base: moments and products of the cohort, moments and products of controls."""
    found: list[list[FloatArray]] = [[], [], [], []]
    for j in range(4):
        period = int(arms.moments[j][0][0][pair])
        member = arms.member[j, :, pair]
        found[2 * (j // 2)].append(moments[:, period] * member[:, None, None])
        found[2 * (j // 2) + 1].append(cross[:, period] * member[:, None])
    return tuple(found[0]), tuple(found[1]), tuple(found[2]), tuple(found[3])


def _adjusted(
    treated: tuple[FloatArray, ...],
    treated_cross: tuple[FloatArray, ...],
    control: tuple[FloatArray, ...],
    control_cross: tuple[FloatArray, ...],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Effects (B,), NaN where controls are collinear; inverse moments (2, B, k, k) and coefficients (2, B, k)."""
    inverted, regular = inverse(np.stack(control))
    slope = times(inverted, np.stack(control_cross))
    both = treated[0][:, 0] + treated[1][:, 0]  # Σz of the cohort; the first entry of z is constant
    mass = np.stack(treated)[:, :, 0, 0]
    own = np.divide(np.stack(treated_cross)[:, :, 0], mass, out=np.zeros_like(mass), where=mass > 0)
    expected = np.divide(
        (both * (slope[0] - slope[1])).sum(axis=1), both[:, 0], out=np.zeros(len(both)), where=both[:, 0] > 0
    )
    effect = own[0] - own[1] - expected
    return np.where(regular.all(axis=0), effect, np.nan), inverted, slope


def _influence(parts: Parts, inverted: FloatArray, slope: FloatArray) -> FloatArray:
    """Influence functions (U,), in sums."""
    treated, treated_cross, control, control_cross = parts
    both = sum(m[:, :, 0].sum(axis=0) for m in treated)
    change = slope[0] - slope[1]
    expected = (both @ change) / both[0]
    values = np.zeros(len(treated[0]))
    for p, sign in enumerate((1.0, -1.0)):
        mass, total = treated[p][:, 0, 0], treated_cross[p][:, 0]
        values += sign * (total - total.sum() / mass.sum() * mass) / mass.sum()
        values -= (treated[p][:, 0] @ change - expected * mass) / both[0]
        leverage = inverted[p] @ both / both[0]
        values -= sign * (control_cross[p] - control[p] @ slope[p]) @ leverage
    return values


def _leave_one_out(
    arms: Arms, pairs: Pairs, moments: FloatArray, cross: FloatArray, code: IndexArray, n_clusters: int
) -> FloatArray:
    """ATT (C, K) without each cluster in turn, by subtracting its moments."""
    replicates = leave_one_out_effects(arms, code, n_clusters)
    for k in np.flatnonzero(~pairs.is_reference):
        rest = (
            tuple(m.sum(axis=0)[None] - sum_by(code, n_clusters, m) for m in part)
            for part in _parts(arms, moments, cross, int(k))
        )
        estimate, _, _ = _adjusted(*rest)
        replicates[:, k] = np.where(np.isfinite(replicates[:, k]), estimate, np.nan)
    return replicates
