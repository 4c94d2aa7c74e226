"""Imputation estimator of Borusyak, Jaravel and Spiess (2024) on cells."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.least_squares import (
    WithinDesign,
    absorbed_covariates,
    reduced_without_each_cluster,
    small_sample_factor,
    solve,
    within_design,
)
from kkz_eval.estimators.regression import EXPLAINED
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray, Parameter
from kkz_eval.estimators.staggered import Sample, cells_of, fit_of, sample_of
from kkz_eval.estimators.untreated import fit_untreated, imputed_effects, untreated_cells

NAME = "imputation"
SENTENCE = (
    "imputation: mean difference of treated cells to the outcome imputed from unit and period effects of all untreated "
    "cells; differs from Callaway–Sant'Anna because every period before adoption serves as base"
)
LEADS = "before adoption, from untreated cells only, against all earlier periods of the treated units"


def imputation(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Mean difference of treated cells to their imputed untreated outcome, by cohort and period, and its averages.

    Estimand: average effect on the treated cells of each average, under parallel trends in all periods and no
    anticipation beyond `options.anticipation`. Unit and period effects and `options.covariates` are fitted on
    untreated cells only, whatever `options.control_group`. A unit with one untreated cell keeps its own level and
    stays in (R didimputation with recent fixest drops it). Averages weigh cells as given; standard errors centre
    effects by cohort and period, which makes them conservative. Event times before adoption are coefficients of a
    separate regression on untreated cells, from `options.min_event` on; without it all but the earliest. Design
    `cross_section` weighs cells by children.

    Raises EstimationError when no treated cell has an untreated comparison.
    Source: Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91, theorem 2, equation 8.
    """
    sample = sample_of(panel, options)
    model = fit_untreated(sample, options)
    absorbed = absorbed_covariates(model.design, options.covariate_names)
    sample = replace(sample, note="; ".join(filter(None, [sample.note, absorbed])))
    n_lost = int((np.isfinite(sample.panel.cohort) & ~model.has_own).sum())
    if n_lost:
        lost = f"{n_lost} units without an untreated value left out"
        size = sample.size * (model.has_own | np.isinf(sample.panel.cohort))
        sample = replace(sample, size=size, note="; ".join(filter(None, [sample.note, lost])))
    treated = sample.event >= -options.anticipation
    cells = cells_of(sample, treated & model.has_own[:, None])
    effects = imputed_effects(model, sample, cells, conservative=True)
    first = -options.anticipation if options.min_event is None else max(options.min_event, -options.anticipation)
    after = replace(options, min_event=first)
    fit = fit_of(NAME, sample, cells, effects, after, SENTENCE)
    fit = replace(fit, extra={**fit.extra, "model": model})
    return _with_leads(fit, sample, options)


def _with_leads(fit: Fit, sample: Sample, options: EstimatorOptions) -> Fit:
    """Add the coefficients of event times before adoption, where there are any."""
    untreated = untreated_cells(sample, options)
    times = np.unique(sample.event[untreated & np.isfinite(sample.event)]).astype(np.int64)
    low = times[0] + 1 if options.min_event is None else max(options.min_event, int(times[0]) + 1)
    leads = times[times >= low][::-1]
    if len(leads) == 0:
        return fit
    dummies = (sample.event[:, :, None] == leads[None, None, :]) & untreated[:, :, None]
    design = within_design(
        sample.panel,
        np.concatenate([sample.covariates, dummies.astype(np.float64)], axis=2),
        untreated,
        weighted=options.weighted,
        by_children=options.design == "cross_section",
    )
    return _joined(fit, sample, design, leads, dummies, untreated)


def _joined(
    fit: Fit,
    sample: Sample,
    design: WithinDesign,
    leads: NDArray[np.int64],
    dummies: BoolArray,
    untreated: BoolArray,
) -> Fit:
    solution, n, panel = solve(design), len(leads), sample.panel
    coefficient = solution.coefficient[-n:]
    n_clusters = len(np.unique(panel.cluster[untreated.any(axis=1)]))  # units with one cell count, as in fixest
    n_observations = panel.n[untreated].sum() if design.n_observations != design.enters.sum() else untreated.sum()
    factor = small_sample_factor(int(n_observations), solution.rank + 1, n_clusters)
    influence = solution.influence[:, -n:] * np.sqrt(factor)
    used = np.zeros(len(panel.units), dtype=bool)
    used[design.row_unit] = True
    note = "; ".join(filter(None, [LEADS, sample.note]))

    def leave_out() -> FloatArray:
        before = [np.where(left.kept, left.coefficient, np.nan)[-n:] for left in reduced_without_each_cluster(design)]
        return np.hstack([fit.leave_out(), np.array(before)])

    mass = sample.weight[:, :, None] * dummies
    return replace(
        fit,
        parameters=(*fit.parameters, *(Parameter("event", event_time=int(e)) for e in leads)),
        estimate=np.concatenate([fit.estimate, coefficient]),
        influence=replace(fit.influence, values=np.hstack([fit.influence.values, influence])),
        treated_weight=np.hstack([fit.treated_weight, mass.sum(axis=1)]),
        used=np.hstack([fit.used, np.repeat(used[:, None], n, axis=1)]),
        n_children=np.concatenate([fit.n_children, [panel.n[mass[:, :, j] > 0].sum() for j in range(n)]]),
        is_reference=np.concatenate([fit.is_reference, np.zeros(n, dtype=bool)]),
        reason=(*fit.reason, *(EXPLAINED if np.isnan(b) else None for b in coefficient)),
        notes=(*fit.notes, *(note,) * n),
        leave_out=leave_out,
    )
