"""Variances and covariances of effects that are fixed weights of cell means, from a model of the cell means.

Var(Σ ω_ct Ȳ_ct) = Σ_c [−½ Σ_ts ω_ct ω_cs (D − D_K)(|t−s|) + Σ_t ω_ct² s_ct] + Σ_k [−½ Ω_k' D_K Ω_k], Ω_k = Σ_{c∈k} ω_c,
for weights with Σ_t ω_ct = 0: no unit means to estimate, no stationarity. Source: methods.md §2.2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray, sum_by
from kkz_eval.horizon.contrasts import Contrasts, Layout
from kkz_eval.horizon.variogram import Variogram

BALANCE = 1e-9


@dataclass(frozen=True, eq=False)
class VarianceModel:
    """Variation of cell means of a layout of U units and T periods. Squared units of the outcome.

    own (S, N): D − D_K of S strata at lags 0, 1, …, N−1; stratum (U,); kreis_part (N,): D_K; sampling (U, T);
    longest_lag: lags beyond are extrapolated, None if nothing is; replicates: `own` and `kreis_part` without each
    Kreis, (C, S, N) and (C, N), None where the model is assumed and not estimated.
    """

    own: FloatArray
    stratum: NDArray[np.intp]
    kreis_part: FloatArray
    sampling: FloatArray
    longest_lag: int | None = None
    replicates: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True)
class VarianceAssumptions:
    """What is assumed about cell means when there are no outcomes yet, in units of the outcome.

    sd and rho: municipality shocks that fade, D(L) = 2·sd²(1 − rho^L) + random_walk_sd²·L; kreis_sd, kreis_rho: the
    same, shared by a Kreis; child_sd: standard deviation between the children of a cell, for a share p √(p(1−p));
    children: number of children per cell, one number or (U, T).

    Raises EstimationError for negative numbers, rho outside [0, 1) and cells without children.
    """

    sd: float
    rho: float
    random_walk_sd: float
    child_sd: float
    children: float | FloatArray
    kreis_sd: float = 0.0
    kreis_rho: float = 0.0

    def __post_init__(self) -> None:
        sizes = (self.sd, self.random_walk_sd, self.child_sd, self.kreis_sd)
        if not (np.isfinite(sizes).all() and min(sizes) >= 0):
            raise EstimationError("An assumed standard deviation is missing or negative; give 0 or more.")
        if not (0 <= self.rho < 1 and 0 <= self.kreis_rho < 1):
            raise EstimationError("An assumed rho must be at least 0 and below 1.")
        if not (np.isfinite(self.children) & (np.asarray(self.children) > 0)).all():
            raise EstimationError("An assumed number of children per cell is missing or not positive.")


def n_lags(layout: Layout) -> int:
    """Number of lags 0, 1, … that the periods of a layout can have."""
    return int(layout.periods[-1] - layout.periods[0]) + 1


def estimated_model(layout: Layout, variogram: Variogram, sampling: FloatArray) -> VarianceModel:
    """The model from a variogram of the same units and the expected sampling variances (U, T) of the layout.

    Raises EstimationError when the shapes do not belong together.
    """
    if sampling.shape != layout.is_observed.shape or len(variogram.stratum) != len(layout.units):
        raise EstimationError("The variogram or the sampling variances are for other cells than the layout.")
    own, kreis = variogram.at(n_lags(layout))
    return VarianceModel(
        own[0], variogram.stratum, kreis[0], sampling, variogram.longest_lag, (own[1:], kreis[1:])
    )  # fmt: skip


def assumed_model(layout: Layout, assumptions: VarianceAssumptions) -> VarianceModel:
    """The model that follows from assumptions; nothing in it comes from outcomes.

    Raises EstimationError when `children` is an array of another shape than the layout.
    """
    if np.ndim(assumptions.children) and np.shape(assumptions.children) != layout.is_observed.shape:
        raise EstimationError("The assumed numbers of children are for other cells than the layout; give one per cell.")
    lag = np.arange(n_lags(layout), dtype=np.float64)
    own = 2 * assumptions.sd**2 * (1 - assumptions.rho**lag) + assumptions.random_walk_sd**2 * lag
    kreis = 2 * assumptions.kreis_sd**2 * (1 - assumptions.kreis_rho**lag)
    own, kreis = np.where(lag > 0, own, 0.0), np.where(lag > 0, kreis, 0.0)
    children = np.broadcast_to(np.asarray(assumptions.children, dtype=np.float64), layout.is_observed.shape)
    stratum = np.zeros(len(layout.units), dtype=np.intp)
    return VarianceModel(own[None], stratum, kreis, assumptions.child_sd**2 / children)


def covariance(
    weights: FloatArray, layout: Layout, model: VarianceModel, other: FloatArray | None = None
) -> FloatArray:
    """Covariance (P, P) of P contrasts with weights (P, U, T) of cell means, or (P, R) with R `other` contrasts.

    Raises EstimationError when the weights of a unit do not sum to zero over the periods.
    """
    second = weights if other is None else other
    for given in (weights, second):
        _need_balance(given)
    lag = np.abs(layout.periods[:, None] - layout.periods[None, :]).astype(np.intp)
    code, n_kreise = layout.kreis_code()
    result = _product(weights * model.sampling, second)
    for s, curve in enumerate(model.own):
        units = model.stratum == s
        result -= 0.5 * _product(weights[:, units] @ curve[lag], second[:, units])
    if model.kreis_part.any():
        by_kreis, second_by_kreis = (_by_kreis(code, n_kreise, given) for given in (weights, second))
        result -= 0.5 * _product(by_kreis @ model.kreis_part[lag], second_by_kreis)
    return result


def effect_covariance(contrasts: Contrasts, model: VarianceModel) -> FloatArray:
    """Covariance (K, K) of group-time effects: `covariance` of their weights, without touching every cell.

    Each effect is a weighted sum of long differences from base b to period t, and
    Cov(ν_t − ν_b, ν_t' − ν_b') = ½[D(t−b') + D(b−t') − D(t−t') − D(b−b')].
    """
    weight, layout = contrasts.long_difference, contrasts.layout
    at, base = contrasts.columns
    result = _shared_sampling(weight, at, base, model.sampling)
    for s, curve in enumerate(model.own):
        part = weight[:, model.stratum == s]
        result += (part @ part.T) * _difference_covariance(contrasts, curve)
    if model.kreis_part.any():
        code, n_kreise = layout.kreis_code()
        by_kreis = sum_by(code, n_kreise, weight.T).T
        result += (by_kreis @ by_kreis.T) * _difference_covariance(contrasts, model.kreis_part)
    return result


def _difference_covariance(contrasts: Contrasts, curve: FloatArray) -> FloatArray:
    def between(first: NDArray[np.int64], second: NDArray[np.int64]) -> FloatArray:
        drift: FloatArray = curve[np.abs(first[:, None] - second[None, :])]
        return drift

    t, b = contrasts.period, contrasts.base
    return 0.5 * (between(t, b) + between(b, t) - between(t, t) - between(b, b))


def _shared_sampling(
    weight: FloatArray, at: NDArray[np.intp], base: NDArray[np.intp], sampling: FloatArray
) -> FloatArray:
    """Sampling part of the covariances: cells that two long differences share, with their signs."""
    in_period, in_base = (weight * sampling[:, at].T) @ weight.T, (weight * sampling[:, base].T) @ weight.T
    result = in_period * (at[:, None] == at[None, :]) + in_base * (base[:, None] == base[None, :])
    result -= in_period * (at[:, None] == base[None, :]) + in_base * (base[:, None] == at[None, :])
    return np.asarray(result, dtype=np.float64)


def variance(weights: FloatArray, layout: Layout, model: VarianceModel) -> FloatArray:
    """Variances (P,) of P contrasts with weights (P, U, T). Errors as `covariance`."""
    _need_balance(weights)
    own, kreis, sampling = lag_coefficients(weights, layout, model)
    result: FloatArray = np.einsum("psl,sl->p", own, model.own) + kreis @ model.kreis_part + sampling
    return result


def lag_coefficients(
    weights: FloatArray, layout: Layout, model: VarianceModel
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Factors of D − D_K by stratum (P, S, N) and of D_K (P, N), and the sampling part (P,), of P variances.

    A variance is linear in the variograms: with these factors it costs nothing under another one.
    """
    code, n_kreise = layout.kreis_code()
    by_kreis = _by_kreis(code, n_kreise, weights)
    steps = layout.periods - layout.periods[0]
    n = len(model.kreis_part)
    own = np.stack(
        [_lag_products(weights[:, model.stratum == s], steps, n) for s in range(len(model.own))], axis=1
    )  # fmt: skip
    sampling: FloatArray = np.einsum("put,ut->p", weights**2, model.sampling)
    return own, _lag_products(by_kreis, steps, n), sampling


def variance_error(weights: FloatArray, layout: Layout, model: VarianceModel) -> FloatArray | None:
    """(P,) jackknife standard errors of the variances that come from estimating the variogram; None if assumed."""
    if model.replicates is None:
        return None
    own, kreis, _ = lag_coefficients(weights, layout, model)
    own_replicates, kreis_replicates = model.replicates
    without = np.einsum("psl,csl->cp", own, own_replicates) + kreis_replicates @ kreis.T
    centre = np.einsum("psl,sl->p", own, model.own) + kreis @ model.kreis_part
    n = len(without)
    error: FloatArray = np.sqrt((n - 1) / n * ((without - centre) ** 2).sum(axis=0))
    return error


def _need_balance(weights: FloatArray) -> None:
    if weights.size and np.abs(weights.sum(axis=2)).max() > BALANCE * max(1.0, float(np.abs(weights).max())):
        raise EstimationError(
            "The weights of a unit do not sum to zero over the periods, so that the variance formula does not hold; "
            "use contrasts with fixed unit weights."
        )


def _product(first: FloatArray, second: FloatArray) -> FloatArray:
    product: FloatArray = first.reshape(len(first), -1) @ second.reshape(len(second), -1).T
    return product


def _by_kreis(code: NDArray[np.intp], n_kreise: int, weights: FloatArray) -> FloatArray:
    return np.moveaxis(sum_by(code, n_kreise, np.moveaxis(weights, 1, 0)), 0, 1)


def _lag_products(weights: FloatArray, steps: NDArray[np.int64], n: int) -> FloatArray:
    """(P, n) −½ Σ_c Σ_{|t−s| = L} ω_ct ω_cs for lags L."""
    products = np.matmul(np.swapaxes(weights, 1, 2), weights)
    lag = np.abs(steps[:, None] - steps[None, :])
    sums = np.stack([(products * (lag == step)).sum(axis=(1, 2)) for step in range(n)], axis=1)
    return -0.5 * sums
