"""Effects that reach the neighbours: how much they would change an estimate, and estimates that allow for them.

What belongs here: exposure of neighbours, the algebra of contaminated comparisons, rings. What does not: the choice of
the ring, which belongs in the plan before outcomes are seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.regression import event_study, two_way_fixed_effects
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray

KAPPAS = (-0.25, 0.0, 0.25, 0.5)


def neighbour_exposure(panel: CellPanel, neighbours: FloatArray) -> FloatArray:
    """(U, T) share of the neighbourhood of each unit that is under the programme by each period.

    neighbours (U, U): weights ≥ 0 of the neighbours of each row, e.g. 1 or their children; the diagonal is not read.
    Units without neighbours have 0. Exposure `> 0` is "some neighbour treated".
    Raises EstimationError for a matrix of another shape or with negative or missing weights.
    """
    n_units = len(panel.units)
    if neighbours.shape != (n_units, n_units) or not (np.isfinite(neighbours) & (neighbours >= 0)).all():
        raise EstimationError(
            f"cells of {panel.outcome}: neighbours need one weight from 0 on for each pair of the {n_units} units."
        )
    weight = np.where(np.eye(n_units, dtype=bool), 0.0, neighbours)
    total = weight.sum(axis=1, keepdims=True)
    treated = (panel.cohort[:, None] <= panel.periods[None]).astype(np.float64)
    return np.asarray(np.divide(weight @ treated, total, out=np.zeros(treated.shape), where=total > 0))


@dataclass(frozen=True, slots=True)
class SpilloverRow:
    """The estimate if untreated neighbours get κ times the effect; None where `reason` says why."""

    kappa: float
    factor: float | None
    estimate: float | None
    std_error: float | None
    reason: str | None


def spillover_table(
    estimate: float, std_error: float | None, exposed_share: float, *, kappas: Sequence[float] = KAPPAS
) -> tuple[SpilloverRow, ...]:
    """τ = τ̂/(1 − κs) for each κ: if the comparison holds share s of exposed units, E τ̂ = τ(1 − κs).

    exposed_share: weight share of exposed units among the comparison units of this estimate (`exposed_control_share`).
    Where κs ≥ 1 the estimate says nothing about τ. Raises EstimationError for an estimate or share that is no number.
    """
    if not (np.isfinite(exposed_share) and np.isfinite(estimate)):
        raise EstimationError("The spillover table needs an estimate and a share of exposed comparisons; give both.")
    rows = []
    for kappa in kappas:
        left = 1.0 - kappa * exposed_share
        if left <= 0:
            reason = "spillovers would be as large as the effect among all comparisons: nothing is left to compare"
            rows.append(SpilloverRow(kappa, None, None, None, reason))
            continue
        error = None if std_error is None else std_error / left
        rows.append(SpilloverRow(kappa, 1 / left, estimate / left, error, None))
    return tuple(rows)


def exposed_control_share(weights: FloatArray, exposure: FloatArray, treated: BoolArray) -> float:
    """s: how much exposure the comparison cells of a linear estimate carry, relative to the treated cells.

    weights (U, T) of the cell means (sum of an estimate's `cell_weights`); exposure (U, T), 0 where treated; treated
    (U, T) cells under the programme. s = −Σ ω·exposure over untreated cells / Σ ω over treated cells, so that exposure
    before the base period counts against.
    Raises EstimationError when no treated cell has weight.
    """
    own = float(weights[treated].sum())
    if not own > 0:
        raise EstimationError("The estimate puts no positive weight on treated cells; give the weights of an effect.")
    return -float((weights * exposure)[~treated].sum()) / own


def without_exposed_controls(panel: CellPanel, exposure: FloatArray) -> CellPanel:
    """The panel without units that are never treated in it but exposed in some period; exposure (U, T) > 0.

    Units treated later stay; take never-treated units as comparison to leave out their exposure too.
    Raises EstimationError when no comparison unit is left.
    """
    exposed = (exposure > 0).any(axis=1) & ~panel.is_treated
    left = ~panel.is_treated & ~exposed
    if not left.any():
        raise EstimationError(
            f"cells of {panel.outcome}: all {int(exposed.sum())} comparison units are exposed; choose a smaller ring."
        )
    return panel.select(~exposed)


def ring_regression(
    panel: CellPanel, rings: FloatArray, names: tuple[str, ...], options: EstimatorOptions, *, by_event: bool = False
) -> Fit:
    """Ȳ = unit + period + τ·D + Σ_r ρ_r·Ring_r·(1 − D): effect and spillover together, on cells (Butts 2021).

    rings (U, T, R): exposure of the unit in each period by ring, disjoint; it counts while a unit is untreated itself.
    Parameters: as `two_way_fixed_effects` or, `by_event`, `event_study`; the spillovers carry the ring's name as label.
    A ring that no untreated cell is in has a reason instead of a number.
    Raises EstimationError for rings of another shape, and as the regressions.
    """
    if rings.shape != (*panel.value.shape, len(names)) or not names:
        raise EstimationError(
            f"cells of {panel.outcome}: rings have shape {rings.shape}; they need one layer of units × periods for "
            f"each of the {len(names)} names."
        )
    untreated = panel.periods[None] < panel.cohort[:, None]
    layers = np.where(untreated[..., None], rings, 0.0)
    if options.covariates is not None:
        layers = np.concatenate([layers, options.covariates], axis=2)
    options = replace(options, covariates=layers, covariate_names=(*names, *options.covariate_names))
    fit = (event_study if by_event else two_way_fixed_effects)(panel, options)
    return replace(fit, estimator="ring_regression")
