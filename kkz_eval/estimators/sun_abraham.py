"""Interaction-weighted event study of Sun and Abraham (2021) on cells."""

from dataclasses import replace

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit
from kkz_eval.estimators.saturated import saturated_fit
from kkz_eval.estimators.staggered import Sample, cells_of, sample_of

NAME = "sun_abraham"
SENTENCE = (
    "Sun–Abraham: one coefficient per cohort and period beside unit and period effects, averaged by treated cells; "
    "equals Callaway–Sant'Anna with never-treated comparison and universal base when no cell is missing"
)


def sun_abraham(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Effects by cohort and event time from one regression, and their averages.

    Estimand: average effect on each cohort in each period against its last period before adoption minus
    anticipation, compared with never-treated units (without any: with the last cohort before it adopts), whatever
    `options.control_group`. Terms: cohort × event time, unit and period effects, `options.covariates` in front.
    Averages weigh by treated cells, and weights are taken as given (as R fixest `sunab`). Analytic errors are
    fixest's default. Design `cross_section` weighs cells by children.

    Raises EstimationError when no treated cell has a comparison.
    Source: Sun and Abraham (2021), Journal of Econometrics 225.
    """
    sample = sample_of(panel, options)
    reference = reference_cells(sample, options)
    based: BoolArray = np.asarray(reference.any(axis=1))
    n_lost = int((np.isfinite(sample.panel.cohort) & ~based).sum())
    if n_lost:
        lost = f"{n_lost} units of cohorts without a value before adoption left out"
        sample = replace(
            sample,
            weight=sample.weight * (based | np.isinf(sample.panel.cohort))[:, None],
            note="; ".join(filter(None, [sample.note, lost])),
        )
    cells = cells_of(sample, np.isfinite(sample.event) & based[:, None])
    is_reference = reference[:, cells.place][np.argmax(cells.mass > 0, axis=0), np.arange(len(cells.cohort))]
    return saturated_fit(NAME, sample, cells, is_reference, options, SENTENCE)


def reference_cells(sample: Sample, options: EstimatorOptions) -> BoolArray:
    """(U, T) the last period before adoption minus anticipation in which the cohort has a value; never: nowhere.

    Raises EstimationError when no cohort has one.
    """
    panel = sample.panel
    reference = np.zeros(panel.value.shape, dtype=bool)
    for cohort in np.unique(panel.cohort[np.isfinite(panel.cohort)]):
        units = panel.cohort == cohort
        has_value = (sample.weight[units] > 0).any(axis=0)
        before = np.flatnonzero(has_value & (panel.periods < cohort - options.anticipation))
        if len(before):
            reference[units, before[-1]] = True
    if not reference.any():
        raise EstimationError(f"cells of {panel.outcome}: no treated unit has a value before adoption; add periods.")
    return reference
