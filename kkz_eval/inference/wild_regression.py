"""Wild cluster bootstrap of a regression on cells, from the cross-products of each cluster.

Source: MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38; its names of variants in the functions.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import WithinDesign, independent_columns, small_sample_factor
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray
from kkz_eval.inference.wild import Leverage, Multipliers, WildTest, chunks, need_fit, squares


@dataclass(frozen=True, eq=False)
class ClusterProducts:
    """What a regression on k columns needs: gram (G, k, k) = X'X and moment (G, k) = X'y of each of G clusters.

    factor: small-sample factor of the ordinary variance; clusters: labels (G,).
    """

    clusters: tuple[str, ...]
    gram: FloatArray
    moment: FloatArray
    factor: float = 1.0


def cluster_products(fit: Fit) -> tuple[ClusterProducts, FloatArray]:
    """Cross-products of `two_way_fixed_effects` or `event_study`, and contrasts (P, k) that are its parameters.

    Columns explained by others are left out. Raises EstimationError for fits of another kind.
    """
    design = fit.extra.get("design")
    if not isinstance(design, WithinDesign):
        raise EstimationError(
            f"estimator {fit.estimator}: a wild bootstrap of a regression needs a regression on cells; "
            "use wild_influence for other estimators."
        )
    labels, code = np.unique(design.panel.cluster, return_inverse=True)
    row = code[design.row_unit]
    present = np.unique(row)
    gram, moment = [], []
    for c in present:
        rows = row == c
        weighted = design.x[rows] * design.weight[rows, None]
        gram.append(weighted.T @ design.x[rows])
        moment.append(weighted.T @ design.y[rows])
    total = np.sum(gram, axis=0)
    kept = independent_columns(total, np.diag(total))
    factor = small_sample_factor(design.n_observations, int(kept.sum()) + 1, len(present))
    products = ClusterProducts(
        tuple(labels[present].tolist()), np.array(gram)[:, kept][:, :, kept], np.array(moment)[:, kept], factor
    )
    return products, _contrasts(fit, design.n_periods - 1, kept)


def _contrasts(fit: Fit, first: int, kept: BoolArray) -> FloatArray:
    """(P, kept) the parameters as sums of coefficients, NaN where collinear; coefficients of terms begin at `first`."""
    n_terms = len(kept) - first
    since = [
        i
        for i, parameter in enumerate(fit.parameters[:n_terms])
        if parameter.event_time is not None and parameter.event_time >= 0 and kept[first + i]
    ]
    contrasts = np.zeros((len(fit.parameters), len(kept)))
    for p, parameter in enumerate(fit.parameters):
        if p < n_terms:
            contrasts[p, first + p] = 1.0
        elif parameter.label == "overall":
            contrasts[p, [first + i for i in since]] = 1.0 / max(len(since), 1)
    contrasts[(contrasts[:, ~kept] != 0).any(axis=1)] = np.nan
    return contrasts[:, kept]


def wild_regression(
    products: ClusterProducts,
    contrast: FloatArray,
    draws: Multipliers,
    *,
    scores: Leverage = "ordinary",
    variance: Leverage = "ordinary",
    impose_null: bool = True,
) -> WildTest:
    """Wild cluster bootstrap of contrast'β of a least-squares regression, contrast (k,).

    `scores` "jackknife": clusters enter with the residuals of the regression without them; `variance` "jackknife":
    CV3 instead of CV1. With ordinary ones this is WCR-C (imposed null) or WCU-C of MacKinnon, Nielsen and Webb, with
    jackknife scores WCR-S. Raises EstimationError when the contrast does not exist (without some cluster, where the
    jackknife needs it).
    """
    if not np.isfinite(contrast).all() or not contrast.any():
        raise EstimationError(
            "the effect is explained by the other terms of the regression; a bootstrap has nothing to test."
        )
    need_fit(draws, len(products.clusters))
    total, moment = products.gram.sum(axis=0), products.moment.sum(axis=0)
    inverse = np.linalg.inv(total)
    beta = inverse @ moment
    loading = inverse @ contrast
    away = loading / (contrast @ loading)  # the restricted solution moves along this direction with the null
    needs_rest = "jackknife" in (scores, variance)
    rest = _inverses_without(products, total, contrast) if needs_rest else np.zeros((0, 0, 0))
    if scores == "ordinary":
        fitted, turn = np.broadcast_to(beta, products.moment.shape), np.broadcast_to(away, products.moment.shape)
    else:
        fitted, turn = _fits_without(products, moment, rest, contrast, float(contrast @ beta), impose_null=impose_null)
    at_estimate = products.moment - np.einsum("gij,gj->gi", products.gram, fitted)
    by_null = -np.einsum("gij,gj->gi", products.gram, turn) if impose_null else np.zeros_like(products.moment)
    rows = (
        np.broadcast_to(loading, products.moment.shape)
        if variance == "ordinary"
        else np.einsum("gij,j->gi", rest, contrast)
    )
    n_clusters = len(products.clusters)
    factor = products.factor if variance == "ordinary" else (n_clusters - 1) / n_clusters
    plain = products.moment - products.gram @ beta
    own = _parts(np.ones((1, n_clusters)), plain, products, inverse, loading, rows, variance)
    shift, square = [], []
    for v in chunks(draws.values):
        parts = [_parts(v, s, products, inverse, loading, rows, variance) for s in (at_estimate, by_null)]
        shift.append(np.column_stack([v @ (s @ loading) for s in (at_estimate, by_null)]))
        square.append(factor * squares(*parts))
    return WildTest(
        estimate=float(contrast @ beta),
        std_error=float(np.sqrt(factor * (own**2).sum())),
        shift=np.concatenate(shift),
        square=np.concatenate(square),
        is_complete=draws.is_complete,
    )


def _fits_without(
    products: ClusterProducts,
    moment: FloatArray,
    rest: FloatArray,
    contrast: FloatArray,
    estimate: float,
    *,
    impose_null: bool,
) -> tuple[FloatArray, FloatArray]:
    """(G, k) coefficients without each cluster, and their direction as the null moves; with it, those at estimate."""
    left = np.einsum("gij,gj->gi", rest, moment[None] - products.moment)
    turn = np.einsum("gij,j->gi", rest, contrast)
    turn /= (turn @ contrast)[:, None]
    if impose_null:
        left += turn * (estimate - left @ contrast)[:, None]
    return left, turn


def _parts(
    v: FloatArray,
    scores: FloatArray,
    products: ClusterProducts,
    inverse: FloatArray,
    loading: FloatArray,
    rows: FloatArray,
    variance: Leverage,
) -> FloatArray:
    """(B, G) what each cluster adds to the standard error: its score in the draw, or the change without it."""
    sums = v @ scores
    if variance == "ordinary":
        own: FloatArray = v * (scores @ loading) - sums @ (inverse @ (products.gram @ loading).T)
        return own
    change: FloatArray = sums @ rows.T - v * np.einsum("gi,gi->g", scores, rows) - (sums @ loading)[:, None]
    return change


def _inverses_without(products: ClusterProducts, total: FloatArray, contrast: FloatArray) -> FloatArray:
    """(G, k, k) inverses of X'X without each cluster; where other columns vanish, the generalised inverse."""
    rest = total[None] - products.gram
    inverses: FloatArray = np.asarray(np.linalg.pinv(rest, rcond=1e-10, hermitian=True), dtype=np.float64)
    back = np.einsum("gij,gjk,k->gi", rest, inverses, contrast)
    lost = np.abs(back - contrast).max(axis=1) > 1e-6 * np.abs(contrast).max()
    if lost.any():
        raise EstimationError(
            f"the effect does not exist without one of {int(lost.sum())} clusters; use ordinary scores and variance."
        )
    return inverses
