"""How far cell means of untreated municipalities drift apart in L years: the variogram D(L) and its Kreis part.

Model: Ȳ_ct = α_c + λ_t + ν_ct + ε_ct; D(L) = Var(ν_{c,t+L} − ν_ct) without the sampling error ε;
D_K(L) = Cov of that long difference between two municipalities of one Kreis. Source: methods.md §2.2, §2.3.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray, sum_by
from kkz_eval.horizon.sampling import SamplingVariance, sampling_variance
from kkz_eval.horizon.variogram_curve import Curves, fit_curves

NO_KREIS_PART = 1e-12
SINGULAR = 1e-9
FEWEST_DIFFERENCES = 10


@dataclass(frozen=True, eq=False)
class Variogram:
    """Measured variograms at L lags, and the curves through them. Squared units of the outcome.

    lags (L,) years; replicates (1 + C, S, L): D of S strata, first from all Kreise, then without each; kreis_replicates
    (1 + C, L): D_K; n_differences (L,) long differences behind each lag; stratum (U,) of each unit of the panel;
    sampling: the sampling part that was removed; curve: which of the two `at` gives within the data.
    """

    lags: FloatArray
    replicates: FloatArray
    kreis_replicates: FloatArray
    n_differences: FloatArray
    stratum: NDArray[np.intp]
    sampling: SamplingVariance
    curve: Literal["fitted", "measured"] = "fitted"

    @property
    def total(self) -> FloatArray:
        """(S, L) measured D."""
        measured: FloatArray = self.replicates[0]
        return measured

    @property
    def kreis_part(self) -> FloatArray:
        """(L,) measured D_K; 0 where no two untreated units share a Kreis."""
        measured: FloatArray = self.kreis_replicates[0]
        return measured

    @property
    def std_error(self) -> FloatArray:
        """(S, L) jackknife standard errors of D over Kreise."""
        n = len(self.replicates) - 1
        deviation = self.replicates[1:] - self.replicates[:1]
        error: FloatArray = np.sqrt((n - 1) / n * (deviation**2).sum(axis=0))
        return error

    @property
    def longest_lag(self) -> int:
        """The longest lag that is measured; beyond it the curve is extrapolated."""
        return int(self.lags[-1])

    @cached_property
    def own_curves(self) -> tuple[Curves, ...]:
        """One set of 1 + C curves for each stratum through D minus the curve of D_K."""
        nugget = not self.sampling.is_known
        own = self.replicates - self.kreis_curves.at(self.lags)[:, None, :]
        return tuple(
            fit_curves(self.lags, own[:, s], self.n_differences, with_nugget=nugget) for s in range(own.shape[1])
        )

    @cached_property
    def kreis_curves(self) -> Curves:
        """The 1 + C curves through D_K."""
        return fit_curves(self.lags, self.kreis_replicates, self.n_differences)

    def at(self, n_lags: int) -> tuple[FloatArray, FloatArray]:
        """(1 + C, S, n_lags) D − D_K and (1 + C, n_lags) D_K at lags 0, 1, …, in the chosen curve."""
        lag = np.arange(n_lags, dtype=np.float64)
        own = np.stack([curves.at(lag) for curves in self.own_curves], axis=1)
        kreis = self.kreis_curves.at(lag)
        if self.curve == "measured":
            inside = self.lags[self.lags < n_lags].astype(np.intp)
            own[:, :, inside] = (self.replicates - self.kreis_replicates[:, None])[:, :, : len(inside)]
            kreis[:, inside] = self.kreis_replicates[:, : len(inside)]
        return own, kreis


def estimate_variogram(
    panel: CellPanel,
    *,
    anticipation: int = 0,
    strata: NDArray[np.str_] | NDArray[np.int64] | None = None,
    curve: Literal["fitted", "measured"] = "fitted",
    sampling: SamplingVariance | None = None,
) -> Variogram:
    """D(L) and D_K(L) from cells before adoption minus anticipation; the cluster of the panel is the Kreis.

    Every pair of periods gives two weighted moments of the long differences about their mean (weights ∝ √unit weight):
    the squares, and the products of different units of one Kreis. Their expectations are linear in D and D_K; moments
    and expectations are summed over the pairs of one lag and solved, which is unbiased. Lags with fewer than ten
    differences are left to the curve. `strata` (U,) labels, such as size terciles, get a D each and share D_K. For
    outcomes with an unknown sampling part D holds it too (with a nugget in the curve).
    `curve` measured takes D as measured within the data; it need not give a valid covariance.

    Raises EstimationError without untreated long differences and when all untreated units lie in one Kreis.
    """
    sampling = sampling_variance(panel) if sampling is None else sampling
    untreated: BoolArray = panel.periods[None, :] < panel.cohort[:, None] - anticipation
    usable = untreated & np.isfinite(panel.value)
    _need_kreise(panel, usable)
    first, second, lags, n_differences, member = _pairs(panel, usable)
    labels, stratum = np.unique(np.zeros(len(panel.units)) if strata is None else strata, return_inverse=True)
    change = panel.value[:, second] - panel.value[:, first]
    noise = sampling.cell[:, first] + sampling.cell[:, second]
    enters = usable[:, first] & usable[:, second]
    _, kreis = np.unique(panel.cluster, return_inverse=True)
    root = np.where(enters, np.sqrt(panel.weight)[:, None], 0.0)
    shared = _solve_kreis_part(_moments(kreis, root, change, noise, member))
    of_stratum = [np.where((stratum == s)[:, None], root, 0.0) for s in range(len(labels))]
    totals = [_solve_total(_moments(kreis, weight, change, noise, member), shared) for weight in of_stratum]
    replicates = np.stack(totals, axis=1)
    if not np.isfinite(replicates[0]).all():
        raise EstimationError(
            f"cells of {panel.outcome}: a stratum has no long differences of two untreated units; use fewer strata."
        )
    # A lag that exists in one Kreis only has no value without it; it then counts as unchanged.
    replicates = np.where(np.isfinite(replicates), replicates, replicates[:1])
    return Variogram(lags, replicates, shared, n_differences, stratum.astype(np.intp), sampling, curve)


def _need_kreise(panel: CellPanel, usable: BoolArray) -> None:
    n_kreise = len(np.unique(panel.cluster[usable.any(axis=1)]))
    if n_kreise < 2:
        raise EstimationError(
            f"cells of {panel.outcome}: untreated cells lie in {n_kreise} Kreis or cluster; their drift can only be "
            "told from the common years with at least two: add untreated units."
        )


def _pairs(
    panel: CellPanel, usable: BoolArray
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray, FloatArray, FloatArray]:
    """Pairs of periods (M,) that two units or more share, the lags (L,), their differences (L,), member (M, L)."""
    first, second = np.triu_indices(len(panel.periods), k=1)
    count = (usable.astype(np.float64).T @ usable.astype(np.float64))[first, second]
    first, second, count = first[count >= 2], second[count >= 2], count[count >= 2]
    lag = panel.periods[second] - panel.periods[first]
    lags = np.unique(lag)
    member = (lag[:, None] == lags[None, :]).astype(np.float64)
    enough = count @ member >= FEWEST_DIFFERENCES
    if not enough.any():
        raise EstimationError(
            f"cells of {panel.outcome}: there are fewer than {FEWEST_DIFFERENCES} long differences of untreated units "
            "at every lag; add earlier periods or untreated units."
        )
    inside = member[:, enough].any(axis=1)
    return (
        first[inside].astype(np.intp),
        second[inside].astype(np.intp),
        lags[enough].astype(np.float64),
        (count @ member)[enough],
        member[np.ix_(inside, enough)],
    )


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over the pairs of each lag (R, L): squares and products, the factors of D and D_K, the sampling parts."""

    square: FloatArray
    square_d: FloatArray
    square_k: FloatArray
    square_s: FloatArray
    product: FloatArray
    product_d: FloatArray
    product_k: FloatArray
    product_s: FloatArray


def _moments(
    kreis: NDArray[np.intp], weight: FloatArray, change: FloatArray, noise: FloatArray, member: FloatArray
) -> _Moments:
    """Moments of all Kreise and without each in turn; weight, change, noise (U, M).

    With q the weights scaled to sum to one, μ = Σq d and Q the sum of q in a unit's Kreis,
    E Σq(d−μ)² = D(1 − Σq²) − D_K·N + Σ(q − q²)s with N = ΣQ² − Σq² over Kreise and units, and accordingly for
    Σ q_c q_c'(d_c−μ)(d_c'−μ) over different units of one Kreis. All terms are sums over Kreise.
    """
    n_kreise = int(kreis.max()) + 1
    d, s = np.where(weight > 0, change, 0.0), np.where(weight > 0, noise, 0.0)

    def by_kreis(values: FloatArray) -> FloatArray:
        return sum_by(kreis, n_kreise, values)

    def variants(sums: FloatArray) -> FloatArray:
        """All Kreise together, then without each: (1 + C, M)."""
        total = sums.sum(axis=0, keepdims=True)
        return np.concatenate([total, total - sums])

    w1, w2, w3 = by_kreis(weight), by_kreis(weight**2), by_kreis(weight**3)
    a1, s2 = by_kreis(weight * d), by_kreis(weight**2 * s)
    mass = variants(w1)
    mass = np.where(mass > 1e-12 * mass[:1], mass, np.nan)  # what subtraction leaves of nothing
    mean = variants(a1) / mass
    q2, q2s = variants(w2) / mass**2, variants(s2) / mass**2
    n = (variants(w1**2) - variants(w2)) / mass**2
    square = variants(by_kreis(weight * d**2)) / mass - mean**2
    ab = variants(a1**2) - 2 * mean * variants(a1 * w1) + mean**2 * variants(w1**2)
    own = variants(by_kreis(weight**2 * d**2)) - 2 * mean * variants(by_kreis(weight**2 * d)) + mean**2 * variants(w2)
    c1 = (variants(w1 * w2) - variants(w3)) / mass**3
    c2 = (variants(w1**3) - 2 * variants(w1 * w2) + variants(w3)) / mass**3
    cs = (variants(w1 * s2) - variants(by_kreis(weight**3 * s))) / mass**3

    def over_pairs(values: FloatArray) -> FloatArray:
        return np.nan_to_num(values) @ member

    return _Moments(
        square=over_pairs(square),
        square_d=over_pairs(1 - q2),
        square_k=over_pairs(-n),
        square_s=over_pairs(variants(by_kreis(weight * s)) / mass - q2s),
        product=over_pairs((ab - own) / mass**2),
        product_d=over_pairs(-2 * c1 + q2 * n),
        product_k=over_pairs(n - 2 * c2 + n**2),
        product_s=over_pairs(-2 * cs + q2s * n),
    )


def _solve_kreis_part(m: _Moments) -> FloatArray:
    """(1 + C, L) D_K from the two equations; 0 where no two units share a Kreis."""
    determinant = m.square_d * m.product_k - m.square_k * m.product_d
    exists = (-m.square_k > NO_KREIS_PART) & (np.abs(determinant) > SINGULAR * np.abs(m.square_d * m.square_k))
    top = m.square_d * (m.product - m.product_s) - m.product_d * (m.square - m.square_s)
    return np.divide(top, determinant, out=np.zeros_like(top), where=exists)


def _solve_total(m: _Moments, kreis_part: FloatArray) -> FloatArray:
    """(1 + C, L) D from the squares, given D_K."""
    top = m.square - m.square_s - m.square_k * kreis_part
    return np.divide(top, m.square_d, out=np.full_like(top, np.nan), where=m.square_d > NO_KREIS_PART)
