"""Two-step adjustment for covariates of children with fixed weights of municipalities."""

from dataclasses import replace

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.covariates.design_matrix import inverse
from kkz_eval.estimators.group_time import Sample
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, InfluenceMatrix, sum_by

NAME = "callaway_santanna_adjusted"
NOT_ADJUSTED = "cells hold no covariates of children: not adjusted"


def callaway_santanna_adjusted(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """ATT_adj = ATT_ȳ − γ̂'ATT_x̄: effects on mean outcomes, less what changed composition of children explains.

    γ̂ is the slope of the outcome on the children's covariates within untreated cells, (ΣA)⁻¹Σb with
    A = Σxx' − n·x̄x̄' and b = Σxy − n·x̄ȳ. ATT_ȳ and ATT_x̄ are `callaway_santanna` on cell means, so the weights of the
    municipalities stay fixed in design `panel`. Estimand: as `callaway_santanna`, under parallel trends of the outcome
    adjusted for composition; γ is taken to be the same everywhere. `options.covariates` and `method` have no say.

    panel: a MomentPanel or ProfilePanel; without covariates of children nothing is adjusted, and a note says so.
    `extra["slope"]` (k,) is γ̂, `extra["composition"]` (P, k) are ATT_x̄. Influence functions and leave-one-out
    estimates include the estimation of γ̂. Raises EstimationError when γ̂ does not exist or covariates are collinear.
    """
    if isinstance(panel, ProfilePanel):
        panel = MomentPanel.from_profile_panel(panel)
    options = replace(options, covariates=None, covariate_names=())
    if not isinstance(panel, MomentPanel) or not panel.covariate_names:
        cells = panel.outcome_cells() if isinstance(panel, MomentPanel) else panel
        fit = callaway_santanna(cells, options)
        notes = tuple("; ".join(part for part in (note, NOT_ADJUSTED) if part) for note in fit.notes)
        return replace(fit, estimator=NAME, notes=notes)
    fit = callaway_santanna(panel.outcome_cells(), options)
    of_covariates = [callaway_santanna(panel.covariate_cells(j), options) for j in range(len(panel.covariate_names))]
    sample: Sample = fit.extra["sample"]
    within, products = _within_untreated(panel, sample, options)
    slope, inverted = _slope(panel, within.sum(axis=0), products.sum(axis=0))
    composition = np.column_stack([other.estimate for other in of_covariates])
    values = fit.influence.values - sum(g * f.influence.values for g, f in zip(slope, of_covariates, strict=True))
    score = (products - within @ slope) @ inverted
    values = values - score @ np.nan_to_num(composition).T
    missing = panel.missing_note()
    added = f"composition of children by {', '.join(panel.covariate_names)} taken out"
    notes = tuple("; ".join(part for part in (note, added, missing) if part) for note in fit.notes)
    return replace(
        fit,
        estimator=NAME,
        estimate=fit.estimate - composition @ slope,
        influence=InfluenceMatrix(fit.influence.units, fit.influence.clusters, values),
        notes=notes,
        leave_out=lambda: _leave_out(panel, fit, of_covariates, within, products),
        extra={**fit.extra, "slope": slope, "composition": composition},
    )


def adjusted_cells(panel: CellPanel, fit: Fit) -> CellPanel:
    """Cells whose means are less what composition explains by the fit's γ̂: ȳ − x̄γ̂.

    `callaway_santanna` on them gives the adjusted effects with γ̂ as if it were known. Sums of squares are those of
    y − x'γ̂ of children that count alike. Without covariates of children the cells are those of the panel.
    """
    if isinstance(panel, ProfilePanel):
        panel = MomentPanel.from_profile_panel(panel)
    if not isinstance(panel, MomentPanel) or not panel.covariate_names:
        return panel.outcome_cells() if isinstance(panel, MomentPanel) else panel
    cells = panel.outcome_cells()
    means = np.stack([panel.covariate_cells(j).value for j in range(len(panel.covariate_names))], axis=2)
    slope = fit.extra["slope"]
    value = cells.value - means @ slope
    # Σ(y − x'γ)² from the moments, so that what the children vary within cells stays known.
    squares = panel.total_of_squares - 2 * panel.cross[..., 1:] @ slope
    squares = squares + np.einsum("utij,i,j->ut", panel.moments[..., 1:, 1:], slope, slope)
    return replace(cells, value=value, total=np.where(cells.n > 0, value * cells.n, 0.0), total_of_squares=squares)


def _within_untreated(panel: MomentPanel, sample: Sample, options: EstimatorOptions) -> tuple[FloatArray, FloatArray]:
    """By unit of the sample: Σ over untreated periods of A (U, k, k) and b (U, k), around the means of the cells."""
    rows = np.searchsorted(panel.units, sample.panel.units)
    columns = np.searchsorted(panel.periods, sample.panel.periods)
    moments = panel.moments[np.ix_(rows, columns)]
    cross = panel.cross[np.ix_(rows, columns)]
    mass = moments[..., 0, 0]
    untreated = (sample.panel.cohort[:, None] > sample.panel.periods[None] + options.anticipation) & (mass > 0)
    share = np.divide(1.0, mass, out=np.zeros_like(mass), where=untreated)
    x, y = moments[..., 0, 1:], cross[..., 0]
    within = moments[..., 1:, 1:] - share[..., None, None] * x[..., :, None] * x[..., None, :]
    products = cross[..., 1:] - (share * y)[..., None] * x
    return (
        np.where(untreated[..., None, None], within, 0.0).sum(axis=1),
        np.where(untreated[..., None], products, 0.0).sum(axis=1),
    )


def _slope(panel: MomentPanel, within: FloatArray, products: FloatArray) -> tuple[FloatArray, FloatArray]:
    """γ̂ (k,) and (ΣA)⁻¹ (k, k)."""
    total = (panel.moments.sum(axis=(0, 1)))[1:, 1:]
    spread = np.diag(within) / np.maximum(np.diag(total), np.finfo(np.float64).tiny)
    flat = np.flatnonzero(spread <= 1e-12)
    scale = np.sqrt(np.where(np.diag(within) > 0, np.diag(within), 1.0))
    inverted, regular = inverse(within / np.outer(scale, scale))
    if len(flat) or not regular:
        which = (
            panel.covariate_names[flat[0]] if len(flat) else _first_dependent(panel, within / np.outer(scale, scale))
        )
        raise EstimationError(
            f"cells of {panel.outcome}: covariate {which} does not vary among the children of untreated cells, or is "
            "collinear with the covariates before it; leave it out."
        )
    inverted = inverted / np.outer(scale, scale)
    return inverted @ products, inverted


def _first_dependent(panel: MomentPanel, correlation: FloatArray) -> str:
    for size in range(1, len(correlation) + 1):
        _, regular = inverse(correlation[:size, :size])
        if not regular:
            return panel.covariate_names[size - 1]
    return panel.covariate_names[-1]


def _leave_out(
    panel: MomentPanel, fit: Fit, of_covariates: list[Fit], within: FloatArray, products: FloatArray
) -> FloatArray:
    """Estimates (C, P) without each cluster, with γ̂ estimated anew."""
    labels, code = np.unique(fit.influence.clusters, return_inverse=True)
    a = within.sum(axis=0)[None] - sum_by(code, len(labels), within)
    b = products.sum(axis=0)[None] - sum_by(code, len(labels), products)
    slopes = np.full(b.shape, np.nan)
    for c in range(len(labels)):
        try:
            slopes[c], _ = _slope(panel, a[c], b[c])
        except EstimationError:  # γ̂ does not exist without this cluster: nothing does
            continue
    left = fit.leave_out()
    for j, other in enumerate(of_covariates):
        left = left - slopes[:, [j]] * other.leave_out()
    return left
