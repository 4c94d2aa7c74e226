"""Two-stage difference-in-differences (Gardner 2022) on cells."""

from dataclasses import replace

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.least_squares import absorbed_covariates
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.staggered import cells_of, fit_of, sample_of
from kkz_eval.estimators.untreated import fit_untreated, imputed_effects

NAME = "two_stage"
SENTENCE = (
    "two-stage difference-in-differences: mean difference of treated cells to unit and period effects fitted on all "
    "untreated cells; differs from Callaway–Sant'Anna because every period before adoption serves as base, and before "
    "adoption because those cells helped to fit"
)


def two_stage(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Mean difference of cells to the untreated outcome, by cohort and period, and its averages.

    Estimand: average effect on the treated cells of each average, under parallel trends in all periods and no
    anticipation beyond `options.anticipation`. First stage: unit and period effects and `options.covariates` on
    untreated cells, whatever `options.control_group`. Second stage: mean of the residuals; standard errors count the
    first stage (generalised method of moments). Effects before adoption are means of first-stage residuals: near zero
    by construction, they are a weak check. A unit with one untreated cell stays in. Design `cross_section` weighs
    cells by children.

    Raises EstimationError when no treated cell has an untreated comparison.
    Source: Gardner (2022), arXiv 2207.05943; R did2s.
    """
    sample = sample_of(panel, options)
    model = fit_untreated(sample, options)
    absorbed = absorbed_covariates(model.design, options.covariate_names)
    sample = replace(sample, note="; ".join(filter(None, [sample.note, absorbed])))
    cells = cells_of(sample, np.isfinite(sample.event) & model.has_own[:, None])
    effects = imputed_effects(model, sample, cells, conservative=False)
    n_lost = int((np.isfinite(sample.panel.cohort) & ~model.has_own).sum())
    if n_lost:
        lost = f"{n_lost} units without an untreated value left out"
        size = sample.size * (model.has_own | np.isinf(sample.panel.cohort))
        sample = replace(sample, size=size, note="; ".join(filter(None, [sample.note, lost])))
    fit = fit_of(NAME, sample, cells, effects, options, SENTENCE, shares_vary=True)
    return replace(fit, extra={**fit.extra, "model": model})
