"""Spillovers of known size: the algebra is exact, dropping exposed controls removes them, rings recover them."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna, cell_weights
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.spillover import (
    exposed_control_share,
    neighbour_exposure,
    ring_regression,
    spillover_table,
    without_exposed_controls,
)

TAU, KAPPA = 2.0, 0.25
Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def ring_of_units(n_units: int, width: int = 1) -> np.ndarray:
    """Units on a circle are neighbours of the next `width` on both sides."""
    apart = np.abs(np.subtract.outer(np.arange(n_units), np.arange(n_units)))
    apart = np.minimum(apart, n_units - apart)
    return ((apart > 0) & (apart <= width)) * 1.0


def with_spillover(simulated: Simulated, cells: Cells, *, noise: float = 0.0, kappa: float = KAPPA) -> CellPanel:
    """Every third unit is treated, the one after it untreated and exposed, the third neither; effect TAU."""
    frame = simulated(5, cohorts=(2014, np.nan, np.nan, np.nan, np.nan, np.nan), noise=noise, effect=lambda _g, _e: TAU)
    exposure = neighbour_exposure(cells(frame), ring_of_units(48)) > 0
    unit = frame["unit"].str[1:].astype(int).to_numpy()
    reached = exposure[unit, frame["period"].to_numpy() - 2010] & frame["cohort"].isna().to_numpy()
    added = kappa * TAU * reached
    return cells(frame.assign(value=frame["value"] + added, total=frame["total"] + frame["n"] * added))


def test_exposure_is_the_share_of_neighbours_under_the_programme(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(1, cohorts=(2014, np.nan, 2017)))
    exposure = neighbour_exposure(panel, ring_of_units(48) + 5 * np.eye(48))
    by_hand = np.zeros(exposure.shape)
    for u in range(48):
        for t, year in enumerate(panel.periods):
            by_hand[u, t] = np.mean([panel.cohort[v % 48] <= year for v in (u - 1, u + 1)])
    np.testing.assert_allclose(exposure, by_hand)
    assert (neighbour_exposure(panel, np.zeros((48, 48))) == 0).all()
    with pytest.raises(EstimationError, match="one weight from 0 on"):
        neighbour_exposure(panel, -ring_of_units(48))


def test_the_algebra_is_exact_for_every_effect(simulated: Simulated, cells: Cells) -> None:
    """Without noise estimate = τ(1 − κs), so the row of the true κ is τ."""
    panel = with_spillover(simulated, cells)
    fit = callaway_santanna(panel, EstimatorOptions())
    weights = cell_weights(fit)
    exposure = (neighbour_exposure(panel, ring_of_units(48)) > 0) * 1.0
    treated = panel.cohort[:, None] <= panel.periods[None]
    n_checked = 0
    for p, parameter in enumerate(fit.parameters):
        if parameter.event_time is None or parameter.event_time < 0:
            continue
        share = exposed_control_share(weights[p], exposure, treated)
        assert 0.2 < share < 0.6
        assert fit.estimate[p] == pytest.approx(TAU * (1 - KAPPA * share), rel=1e-10)
        (row,) = spillover_table(float(fit.estimate[p]), 0.1, share, kappas=(KAPPA,))
        assert row.estimate == pytest.approx(TAU, rel=1e-10)
        assert row.std_error == pytest.approx(0.1 / (1 - KAPPA * share))
        n_checked += 1
    assert n_checked >= 10


def test_a_spillover_as_large_as_the_effect_leaves_a_reason_and_no_number() -> None:
    rows = spillover_table(1.0, None, 1.0, kappas=(0.0, 0.5, 1.0, 2.0))
    assert [row.estimate for row in rows] == [1.0, 2.0, None, None]
    assert [row.reason is None for row in rows] == [True, True, False, False]
    with pytest.raises(EstimationError, match="share of exposed"):
        spillover_table(1.0, None, float("nan"))
    with pytest.raises(EstimationError, match="no positive weight"):
        exposed_control_share(np.zeros((2, 2)), np.zeros((2, 2)), np.ones((2, 2), dtype=bool))


def test_dropping_exposed_controls_removes_the_spillover(simulated: Simulated, cells: Cells) -> None:
    panel = with_spillover(simulated, cells)
    exposure = neighbour_exposure(panel, ring_of_units(48))
    kept = without_exposed_controls(panel, exposure)
    assert kept.is_treated.sum() == panel.is_treated.sum()
    fit = callaway_santanna(kept, EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == pytest.approx(TAU, rel=1e-10)
    with pytest.raises(EstimationError, match="choose a smaller ring"):
        without_exposed_controls(panel, np.ones(exposure.shape))


@pytest.mark.parametrize("by_event", [False, True])
def test_ring_regression_recovers_effect_and_spillover(simulated: Simulated, cells: Cells, by_event: bool) -> None:
    """The near ring gets κτ, the far ring nothing."""
    panel = with_spillover(simulated, cells)
    near = neighbour_exposure(panel, ring_of_units(48)) > 0
    far = (neighbour_exposure(panel, ring_of_units(48, width=2)) > 0) & ~near
    rings = np.stack([near, far], axis=2) * 1.0
    fit = ring_regression(panel, rings, ("near", "far"), EstimatorOptions(), by_event=by_event)
    found = {p.label: fit.estimate[i] for i, p in enumerate(fit.parameters) if p.label in ("near", "far")}
    assert found["near"] == pytest.approx(KAPPA * TAU, rel=1e-8)
    assert found["far"] == pytest.approx(0.0, abs=1e-8)
    effects = [
        e
        for p, e in zip(fit.parameters, fit.estimate, strict=True)
        if not p.label and (p.event_time is None or p.event_time >= 0)
    ]
    np.testing.assert_allclose(effects, TAU, rtol=1e-8)


def test_rings_nobody_is_in_and_rings_of_another_shape(simulated: Simulated, cells: Cells) -> None:
    panel = with_spillover(simulated, cells, noise=1.0)
    fit = ring_regression(panel, np.zeros((*panel.value.shape, 1)), ("empty",), EstimatorOptions())
    (empty,) = fit.index(label="empty")
    assert np.isnan(fit.estimate[empty])
    assert fit.reason[empty] is not None
    with pytest.raises(EstimationError, match="one layer of units"):
        ring_regression(panel, np.zeros((2, 2, 1)), ("near",), EstimatorOptions())
