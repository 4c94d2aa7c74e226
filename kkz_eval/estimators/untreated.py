"""The outcome without treatment, from untreated cells, and what treated cells differ by from it.

Unit and period effects (and covariates) are fitted on untreated cells only; imputation and two-stage
difference-in-differences are averages of the differences and share their estimates.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import (
    Solution,
    WithinDesign,
    period_dummies,
    reduced_without_each_cluster,
    solve,
    within_design,
)
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, FloatArray, sum_by
from kkz_eval.estimators.staggered import Cells, Effects, Sample

NOT_IDENTIFIED = "no untreated cell tells what the period would have brought"


@dataclass(frozen=True, eq=False)
class UntreatedModel:
    """The fit on untreated cells.

    gap (U, T) and terms (U, T, p): outcome and regressors minus the unit's mean over its untreated cells, so that the
    difference to the untreated outcome is gap − terms · coefficients; has_own (U,): the unit has untreated cells.
    """

    design: WithinDesign
    solution: Solution
    gap: FloatArray
    terms: FloatArray
    has_own: BoolArray


def untreated_cells(sample: Sample, options: EstimatorOptions) -> BoolArray:
    """(U, T) cells with a value before adoption minus anticipation, or of units never treated."""
    untreated: BoolArray = (sample.event < -options.anticipation) & (sample.weight > 0)
    return untreated


def fit_untreated(sample: Sample, options: EstimatorOptions) -> UntreatedModel:
    """Fit unit effects, period effects and covariates on untreated cells.

    A unit with a single untreated cell helps no period effect but keeps its own level, so that its treated cells are
    compared too. Raises EstimationError when no unit has two untreated cells.
    """
    panel, untreated = sample.panel, untreated_cells(sample, options)
    if not (untreated.sum(axis=1) > 1).any():
        raise EstimationError(
            f"cells of {panel.outcome}: no unit has two periods without treatment, so that no period effect can be "
            "told from treatment; add periods before adoption or units that are never treated."
        )
    design = within_design(
        panel,
        sample.covariates,
        untreated,
        weighted=options.weighted,
        by_children=options.design == "cross_section",
    )
    weight = sample.weight * untreated
    total = weight.sum(axis=1)
    stacked = np.concatenate([np.nan_to_num(panel.value)[:, :, None], period_dummies(panel), sample.covariates], axis=2)
    mean = np.einsum("ut,utp->up", weight, stacked) / np.where(total > 0, total, 1.0)[:, None]
    apart = stacked - mean[:, None, :]
    return UntreatedModel(design, solve(design), apart[:, :, 0], apart[:, :, 1:], total > 0)


def imputed_effects(model: UntreatedModel, sample: Sample, cells: Cells, *, conservative: bool) -> Effects:
    """Mean difference of each group of cells to the untreated outcome.

    The influence function adds what the cells contribute about a centre, and what their untreated outcome owes to the
    fit on untreated cells. Centre: the mean of the group, or (conservative) the mean by squared weight, Borusyak,
    Jaravel and Spiess (2024), equation 8 by cohort and period.
    """
    gap = cells.mass * model.gap[:, cells.place]
    terms = cells.mass[:, :, None] * model.terms[:, cells.place]
    total = cells.mass.sum(axis=0)
    level = terms.sum(axis=0) / total[:, None]
    coefficient = model.solution.whole.coefficient
    estimate = gap.sum(axis=0) / total - level @ coefficient
    difference = model.gap[:, cells.place] - model.terms[:, cells.place] @ coefficient
    power = cells.mass ** (2 if conservative else 1)
    centre = (power * difference).sum(axis=0) / power.sum(axis=0)
    influence = cells.mass * (difference - centre) / total - model.solution.all_influence @ level.T
    known = model.solution.whole.estimable(level)
    influence[:, ~known] = 0.0
    return Effects(
        estimate=np.where(known, estimate, np.nan),
        influence=influence,
        is_reference=np.zeros(len(estimate), dtype=bool),
        reason=tuple(None if k else NOT_IDENTIFIED for k in known),
        without_each_cluster=lambda: _without_each_cluster(model, sample, gap, terms, cells.mass),
    )


def _without_each_cluster(
    model: UntreatedModel, sample: Sample, gap: FloatArray, terms: FloatArray, mass: FloatArray
) -> FloatArray:
    n_clusters, code = sample.codes
    gaps, masses = sum_by(code, n_clusters, gap), sum_by(code, n_clusters, mass)
    left = np.full(masses.shape, np.nan)
    all_terms, all_gap, all_mass = terms.sum(axis=0), gap.sum(axis=0), mass.sum(axis=0)
    for c, reduced in enumerate(reduced_without_each_cluster(model.design)):
        rest = all_mass - masses[c]
        some = rest > 1e-12 * all_mass
        level = (all_terms[some] - terms[code == c][:, some].sum(axis=0)) / rest[some, None]
        effect = (all_gap - gaps[c])[some] / rest[some] - level @ reduced.coefficient
        left[c, some] = np.where(reduced.estimable(level), effect, np.nan)
    return left
