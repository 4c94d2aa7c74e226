"""Variances of effects from a model of the cell means: by hand, by another route, and against simulated histories."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.contrasts import Layout, combine, group_time_contrasts, overall_loading
from kkz_eval.horizon.variance import (
    VarianceAssumptions,
    VarianceModel,
    assumed_model,
    covariance,
    effect_covariance,
    variance,
    variance_error,
)

Array = NDArray[np.float64]
MakeLayout = Callable[..., Layout]


def random_model(layout: Layout, seed: int, n_strata: int = 2) -> VarianceModel:
    rng = np.random.default_rng(seed)
    n = len(layout.periods)
    lag = np.arange(n)
    curves = np.stack([2 * s * (1 - r**lag) + k * lag for s, r, k in rng.uniform(0.1, 0.9, (n_strata + 1, 3))])
    curves[:, 0] = 0
    return VarianceModel(
        own=curves[:-1],
        stratum=rng.integers(0, n_strata, len(layout.units)),
        kreis_part=curves[-1],
        sampling=rng.uniform(0.1, 1, layout.is_observed.shape),
    )


def full_covariance(layout: Layout, model: VarianceModel) -> Array:
    """Covariance of all cells (U·T, U·T) of a history with these variograms that starts at zero in the first year."""
    step = layout.periods - layout.periods[0]
    lag = np.abs(step[:, None] - step[None, :])

    def started(curve: Array) -> Array:
        return 0.5 * (curve[step][:, None] + curve[step][None, :] - curve[lag])

    same_kreis = (layout.kreis[:, None] == layout.kreis[None, :]).astype(float)
    whole = np.kron(same_kreis, started(model.kreis_part))
    for s, curve in enumerate(model.own):
        whole += np.kron(np.diag((model.stratum == s).astype(float)), started(curve))
    return whole + np.diag(model.sampling.ravel())


@pytest.mark.parametrize("more", [{}, {"control_group": "never_treated"}, {"anticipation": 1}])
def test_equals_the_covariance_of_all_cells(more: dict[str, object], make_layout: MakeLayout) -> None:
    layout = make_layout(n_units=18, n_kreise=5, each=4)
    contrasts = group_time_contrasts(layout, EstimatorOptions(**more), with_pre_periods=True)
    model = random_model(layout, 1)
    flat = contrasts.weights.reshape(len(contrasts.weights), -1)
    truth = flat @ full_covariance(layout, model) @ flat.T
    np.testing.assert_allclose(covariance(contrasts.weights, layout, model), truth, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(effect_covariance(contrasts, model), truth, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(variance(contrasts.weights, layout, model), np.diag(truth), rtol=1e-10)
    half = contrasts.weights[:5]
    np.testing.assert_allclose(covariance(half, layout, model, contrasts.weights), truth[:5], rtol=1e-10, atol=1e-12)


def test_one_difference_by_hand(make_layout: MakeLayout) -> None:
    """Equal weights, D(L) = 2·sd²: Var ATT(g,t) = (2·sd² + 2·child_sd²/n)(1/N treated + 1/N comparison)."""
    layout = make_layout(n_units=12, n_kreise=12, cohorts=(2010,), each=4)
    contrasts = group_time_contrasts(layout, EstimatorOptions(weighted=False))
    model = assumed_model(layout, VarianceAssumptions(sd=2.0, rho=0.0, random_walk_sd=0.0, child_sd=3.0, children=50.0))
    expected = (2 * 4.0 + 2 * 9.0 / 50) * (1 / 4 + 1 / 8)
    np.testing.assert_allclose(variance(contrasts.weights, layout, model), expected, rtol=1e-12)


def test_shocks_of_a_kreis_cancel_where_it_has_both_sides(make_layout: MakeLayout) -> None:
    """Half of every Kreis adopts, equal weights: nothing of the Kreis part is left. Whole Kreise adopt: all of it."""
    whole = make_layout(n_units=16, n_kreise=4, cohorts=(2010,), each=8)
    assumptions = VarianceAssumptions(0.0, 0.0, 0.0, 1.0, 1e12, kreis_sd=1.0, kreis_rho=0.5)
    for half_of_each, expected in ((True, 0.0), (False, 2 * (1 - 0.5) * (1 / 2 + 1 / 2))):
        inside = np.arange(16) // 4 < 2 if half_of_each else np.arange(16) % 4 < 2
        layout = Layout(
            whole.units, whole.kreis, np.where(inside, 2010.0, np.inf), np.ones(16), whole.periods, whole.is_observed
        )
        contrasts = group_time_contrasts(layout, EstimatorOptions())
        first = variance(contrasts.weights[:1], layout, assumed_model(layout, assumptions))
        assert first[0] == pytest.approx(expected, abs=1e-10)


def test_error_of_a_variance_is_that_of_its_replicates(make_layout: MakeLayout) -> None:
    """The jackknife error equals the one from evaluating the variance anew under each replicate of the variogram."""
    layout = make_layout()
    contrasts = group_time_contrasts(layout, EstimatorOptions())
    model, rng = random_model(layout, 2), np.random.default_rng(3)
    factor = rng.uniform(0.9, 1.1, 15)
    replicates = (factor[:, None, None] * model.own, factor[::-1, None] * model.kreis_part)
    whole = VarianceModel(model.own, model.stratum, model.kreis_part, model.sampling, 13, replicates)
    weights = combine(contrasts, [overall_loading(contrasts, 2015), overall_loading(contrasts, 2019)])
    error = variance_error(weights, layout, whole)
    assert error is not None
    anew = np.array(
        [
            variance(weights, layout, VarianceModel(own, model.stratum, kreis, model.sampling))
            for own, kreis in zip(*replicates, strict=True)
        ]
    )
    deviation = anew - variance(weights, layout, model)
    np.testing.assert_allclose(error, np.sqrt(14 / 15 * (deviation**2).sum(axis=0)), rtol=1e-10)
    assert variance_error(weights, layout, model) is None


def test_weights_that_do_not_balance_are_refused(make_layout: MakeLayout) -> None:
    layout = make_layout()
    weights = np.zeros((1, *layout.is_observed.shape))
    weights[0, 0, 0] = 1.0
    with pytest.raises(EstimationError, match="sum to zero"):
        variance(weights, layout, random_model(layout, 4))
    with pytest.raises(EstimationError, match="sum to zero"):
        covariance(weights, layout, random_model(layout, 4))


@pytest.mark.parametrize("change", [{"sd": -1.0}, {"sd": np.nan}, {"rho": 1.0}, {"children": 0.0}, {"kreis_rho": -0.1}])
def test_impossible_assumptions_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(EstimationError, match=r"\.$"):
        VarianceAssumptions(
            **{"sd": 1.0, "rho": 0.5, "random_walk_sd": 0.1, "child_sd": 1.0, "children": 10.0, **change}
        )


DESIGNS = {
    "fading": {"sd": 0.018, "rho": 0.6, "random_walk_sd": 0.0},
    "random walk": {"sd": 0.0, "rho": 0.0, "random_walk_sd": 0.01},
    "both": {"sd": 0.018, "rho": 0.6, "random_walk_sd": 0.004},
    "shared by a Kreis": {"sd": 0.01, "rho": 0.3, "random_walk_sd": 0.004, "kreis_sd": 0.02, "kreis_rho": 0.7},
}


@pytest.mark.slow
@pytest.mark.parametrize("design", list(DESIGNS))
@pytest.mark.parametrize("more", [{}, {"control_group": "never_treated", "anticipation": 1}])
def test_formula_against_simulated_histories(
    design: str, more: dict[str, object], make_layout: MakeLayout, make_shocks: Callable[..., Array]
) -> None:
    """20,000 histories: the error of a simulated standard deviation is 0.5 %, so 3 % is six of those."""
    layout, rng = make_layout(), np.random.default_rng(20120101)
    contrasts = group_time_contrasts(layout, EstimatorOptions(**more))
    periods = len(layout.periods)
    assumptions = VarianceAssumptions(
        **DESIGNS[design], child_sd=0.4, children=np.repeat(layout.weight[:, None], periods, 1)
    )
    model = assumed_model(layout, assumptions)
    weights = np.concatenate(
        [contrasts.weights, combine(contrasts, [overall_loading(contrasts, int(t)) for t in (2012, 2015, 2019)])]
    )
    sums = np.zeros((2, len(weights)))
    for _ in range(20):
        noise = np.sqrt(model.sampling) * rng.normal(size=(1000, *model.sampling.shape))
        history = make_shocks(rng, 1000, layout.kreis, periods, **DESIGNS[design]) + noise
        estimates = history.reshape(1000, -1) @ weights.reshape(len(weights), -1).T
        sums += np.array([estimates.sum(axis=0), (estimates**2).sum(axis=0)])
    simulated = np.sqrt(sums[1] / 20_000 - (sums[0] / 20_000) ** 2)
    np.testing.assert_allclose(simulated / np.sqrt(variance(weights, layout, model)), 1.0, atol=0.03)
