"""Group-time effects with covariates of any kind, from children that stay in the database.

What belongs here: comparisons as entries of cells, the fit put together. What does not: statements (kkz_eval.cells).
"""

from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.influence_passes import RowInfluence, influence_products, unit_influence
from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.passes import ChildRelation, ChildRows, Members
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna, fit_of_effects
from kkz_eval.estimators.covariates.child_effects import (
    Regressions,
    Totals,
    Weighted,
    by_regression,
    by_weighting,
    empty_influence,
    regress,
)
from kkz_eval.estimators.covariates.child_scores import LIMITS, Boxes, Scores, boxes, fit_scores, reason, whitening
from kkz_eval.estimators.covariates.contrast import Problem
from kkz_eval.estimators.covariates.group_time import METHODS
from kkz_eval.estimators.covariates.moments import _parts
from kkz_eval.estimators.group_time import (
    Arms,
    GroupTimeEffects,
    IndexArray,
    Pairs,
    Sample,
    build_arms,
    cohort_sizes,
    comparisons,
    prepare,
    unadjusted_effects,
    unit_mass,
)
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, Method

NO_LEAVING_OUT = (
    "children that stay in the database are not estimated anew without each cluster; choose inference analytic or "
    "multiplier, or method reg, for which leaving out clusters is exact."
)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """B comparisons to estimate: pair (B,) their positions, entries, totals of whitened z, and the transform (K, K)."""

    pair: IndexArray
    members: Members
    totals: tuple[Totals, ...]
    transform: FloatArray


@dataclass(frozen=True, eq=False)
class ChildFormula:
    """The influence of a child in all comparisons that were estimated, for passes after the fit."""

    pair: IndexArray
    members: Members
    beta: FloatArray
    influence: RowInfluence


def callaway_santanna_children(relation: ChildRelation, options: EstimatorOptions) -> Fit:
    """ATT(g,t) and averages in repeated cross-sections, given covariates of children of any kind; the fit of
    `callaway_santanna` with design `cross_section` on the same children.

    Estimand, formulas and rules are those of `covariate_effects`; `options.method` as there. Nothing of a single child
    leaves the database: one statement per Newton step of all propensity scores together, one for the weighted sums,
    one for the influence of units (which holds one child where the unit is the child). Results are the same bytes for
    any number of threads and order of rows. `weighted = False` lets every child count alike. `leave_out` exists for
    method `reg` and raises EstimationError for the others: errors are analytic or from multipliers.

    Raises EstimationError for other designs, rows that do not fit, collinear covariates, and when covariates allow no
    effect at all.
    Source: Sant'Anna and Zhao (2020); Callaway and Sant'Anna (2021); DRDID 1.2.3, R did 2.5.1.
    """
    if options.design != "cross_section" or options.covariates is not None:
        what = "covariates of units" if options.design == "cross_section" else f"design {options.design}"
        raise EstimationError(
            f"children of {relation.columns.outcome}: {what} cannot be used with rows of children in the database; "
            "use design cross_section and name columns of children."
        )
    with relation.loaded(weighted=options.weighted) as rows:
        panel = rows.panel
        if options.method == "reg":
            fit = callaway_santanna(panel, options)
        else:
            sample = prepare(panel, options)
            pairs = comparisons(sample, options)
            if len(pairs.cohort) == 0:
                return callaway_santanna(panel, options)  # raises, and says why
            arms = build_arms(sample, pairs, options)
            effects = child_effects(rows, sample, pairs, arms, options)
            fit = fit_of_effects(sample, pairs, arms, effects, options, panel.missing_note())
        return replace(fit, extra={**fit.extra, "relation": relation, "n_passes": rows.n_passes})


def child_effects(
    rows: ChildRows, sample: Sample, pairs: Pairs, arms: Arms, options: EstimatorOptions
) -> GroupTimeEffects:
    """ATT(g,t) with influence functions, by weighting or doubly robust.

    Raises EstimationError for covariates that are collinear among all children, and when no effect can be estimated.
    """
    panel = sample.panel
    assert isinstance(panel, MomentPanel)
    plain = unadjusted_effects(arms)
    effect, reasons = plain.effect.copy(), list(plain.reason)
    contrasts = _contrasts(rows, panel, pairs, arms, effect)
    formulas, values, problems, scores, apart = _estimated(rows, contrasts, options)
    effect[contrasts.pair] = values
    failures = []
    for b, k in enumerate(contrasts.pair):
        totals = contrasts.totals[b]
        near = apart.separating(b, touching=True)
        reasons[k] = reason(problems[b], panel.covariate_names, near, totals.treated, totals.control)
        failures += [reasons[k]] if reasons[k] is not None else []
    if failures and not np.isfinite(effect[~pairs.is_reference]).any():
        raise EstimationError(
            f"children of {panel.outcome}: no effect can be estimated with these covariates: {failures[0]}; "
            "use fewer or coarser covariates, or method reg."
        )
    formula = _formula(contrasts, scores.beta, formulas)
    influence = np.zeros_like(plain.influence)
    if len(contrasts.pair):
        summed = unit_influence(rows, formula.members, formula.beta, LIMITS, formula.influence)
        influence[:, contrasts.pair] = summed[rows.positions(panel.units)]
    return GroupTimeEffects(
        effect=effect,
        influence=influence,
        reason=reasons,
        leave_one_out=_no_leaving_out,
        coefficients=None,
        observations=formula,
        note=f"adjusted for {', '.join(panel.covariate_names)} ({METHODS[options.method]})",
    )


def child_products(fit: Fit) -> FloatArray:
    """Covariance (P, P) when every child is its own cluster, by one more pass over the children.

    The connection of the relation must still be open. Raises EstimationError for fits from anything but children.
    """
    relation = fit.extra.get("relation")
    sample: Sample = fit.extra["sample"]
    panel, options = sample.panel, fit.extra["options"]
    if not isinstance(relation, ChildRelation) or not isinstance(panel, MomentPanel):
        raise EstimationError(f"cells of {panel.outcome}: the fit knows no children; use child_covariance.")
    pairs: Pairs = fit.extra["pairs"]
    with relation.loaded(weighted=options.weighted) as rows:
        formula = fit.extra["effects"].observations
        if not isinstance(formula, ChildFormula):
            formula = _regression_formula(rows, panel, pairs, fit)
        position, size = cohort_sizes(sample, pairs, unit_mass(panel, options))
        with_sizes = _with_sizes(rows, panel, formula, position, len(size))
        gram = influence_products(rows, with_sizes.members, with_sizes.beta, LIMITS, with_sizes.influence)
    from_sizes = np.vstack([np.zeros((len(pairs.cohort), len(size))), fit.extra["derivative"]])
    weight = np.hstack([fit.extra["loading"][:, formula.pair], from_sizes])
    covariance: FloatArray = weight @ gram @ weight.T
    return covariance


def _contrasts(rows: ChildRows, panel: MomentPanel, pairs: Pairs, arms: Arms, effect: FloatArray) -> Contrasts:
    """Entries and totals of the comparisons that have children on every side."""
    transform, dependent = whitening(panel.moments.sum(axis=(0, 1)))
    if dependent is not None:
        raise EstimationError(
            f"children of {panel.outcome}: covariate {panel.covariate_names[dependent]} is constant or collinear with "
            "the covariates before it; leave it out."
        )
    moments, cross = transform @ panel.moments @ transform.T, panel.cross @ transform.T
    chosen = np.flatnonzero(~pairs.is_reference & np.isfinite(effect)).astype(np.intp)
    code = rows.cohort_code[rows.positions(panel.units)]
    totals, entries = [], []
    for b, k in enumerate(chosen):
        treated, treated_cross, control, control_cross = (
            np.stack([m.sum(axis=0) for m in part]) for part in _parts(arms, moments, cross, int(k))
        )
        totals.append(Totals(treated, treated_cross, control, control_cross))
        for arm in range(4):
            year = int(panel.periods[arms.moments[arm][0][0][k]])
            cells = rows.cell_of(np.unique(code[arms.member[arm, :, k]]), year)
            entries.append(np.column_stack([cells, *(np.full(len(cells), v) for v in (b, arm % 2, arm < 2))]))
    table = np.vstack(entries) if entries else np.zeros((0, 4), dtype=np.int64)
    members = Members(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(bool))
    return Contrasts(chosen, members, tuple(totals), transform)


def _estimated(
    rows: ChildRows, contrasts: Contrasts, options: EstimatorOptions
) -> tuple[list[RowInfluence], FloatArray, list[Problem], Scores, Boxes]:
    """Influence, effect (NaN: none) and problem of every comparison, with its scores and the ranges of covariates."""
    n_contrasts, transform = len(contrasts.pair), contrasts.transform
    treated, control = (
        np.array([getattr(t, side).sum(axis=0) for t in contrasts.totals]).reshape(n_contrasts, *transform.shape)
        for side in ("treated", "control")
    )
    apart = boxes(rows, contrasts.members, n_contrasts)
    scores = fit_scores(rows, contrasts.members, transform, treated, control, apart)
    fitted = [regress(options.method, totals) for totals in contrasts.totals]
    odds, residual = _weighted(rows, contrasts, scores, fitted)
    effect, parts, problems = np.full(n_contrasts, np.nan), [], []
    for b, totals in enumerate(contrasts.totals):
        problem = Problem(int(scores.problem[b])) or fitted[b].problem
        if problem == Problem.NONE and not (odds[b, :, 0] > 0).all():
            problem = Problem.NO_OVERLAP
        part = empty_influence(len(transform))
        if problem == Problem.NONE:
            weighted = Weighted(odds[b], residual[b], scores.variance[b])
            effect[b], part = by_weighting(
                options.method, totals, fitted[b], weighted, as_drdid=options.influence_as_drdid
            )
        parts.append(part)
        problems.append(problem)
    return parts, effect, problems, scores, apart


def _weighted(
    rows: ChildRows, contrasts: Contrasts, scores: Scores, fitted: list[Regressions]
) -> tuple[FloatArray, FloatArray]:
    """Weighted sums of the comparison children of all comparisons that have scores, in whitened z, (B, 2, K)."""
    transform, usable = contrasts.transform, scores.problem == Problem.NONE
    mean = np.array([f.control for f in fitted]).reshape(len(fitted), 2, len(transform)) @ transform
    if not usable.any():
        return np.zeros(mean.shape), np.zeros(mean.shape)
    odds, residual = rows.weighted(contrasts.members.of(usable), scores.beta, mean, LIMITS)
    return odds @ transform.T, residual @ transform.T


def _formula(contrasts: Contrasts, beta: FloatArray, parts: list[RowInfluence]) -> ChildFormula:
    """Influences of all comparisons, for z = (1, u)."""
    stacked = {name: np.array([getattr(part, name) for part in parts]) for name in RowInfluence.__dataclass_fields__}
    for name in ("l", "h", "g", "q"):
        stacked[name] = stacked[name].reshape(len(parts), 2, 2, len(contrasts.transform)) @ contrasts.transform
    return ChildFormula(contrasts.pair, contrasts.members, beta, RowInfluence(**stacked))


def _regression_formula(rows: ChildRows, panel: MomentPanel, pairs: Pairs, fit: Fit) -> ChildFormula:
    """The influence of a child on regression adjustment, whose estimates come from moments."""
    contrasts = _contrasts(rows, panel, pairs, fit.extra["arms"], fit.estimate[: len(pairs.cohort)])
    method: Method = "reg"
    parts = [by_regression(totals, regress(method, totals))[1] for totals in contrasts.totals]
    return _formula(contrasts, np.zeros((len(parts), len(contrasts.transform))), parts)


def _with_sizes(
    rows: ChildRows, panel: MomentPanel, formula: ChildFormula, position: IndexArray, n_cohorts: int
) -> ChildFormula:
    """The formula with one more comparison per cohort, in which the influence of a child is its weight."""
    code = rows.cohort_code[rows.positions(panel.units)]
    n_before, more = len(formula.beta), [formula.members]
    for g in range(n_cohorts):
        for year in panel.periods:
            cells = rows.cell_of(np.unique(code[position == g]), int(year))
            one = np.ones(len(cells), dtype=np.int64)
            more.append(Members(cells, (n_before + g) * one, 0 * one, one > 0))
    members = Members(*(np.concatenate([getattr(m, name) for m in more]) for name in Members.__dataclass_fields__))
    grown = {
        name: np.concatenate([values, np.zeros((n_cohorts, *values.shape[1:]))])
        for name, values in vars(formula.influence).items()
    }
    grown["l"][n_before:, 0, 0, 0] = 1.0
    beta = np.vstack([formula.beta, np.zeros((n_cohorts, formula.beta.shape[1]))])
    return ChildFormula(formula.pair, members, beta, RowInfluence(**grown))


def _no_leaving_out(_code: IndexArray, _n_clusters: int) -> FloatArray:
    raise EstimationError(NO_LEAVING_OUT)
