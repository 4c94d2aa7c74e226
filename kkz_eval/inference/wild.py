"""Wild cluster bootstrap: the distribution of t when whole clusters change their sign at random.

Everything is computed from sums over clusters, so that its cost does not grow with units or children. The statistics
of all draws are kept as functions of the effect that is tested: p-values for any null and confidence intervals by
inversion need no new draws.
Sources: Cameron, Gelbach and Miller (2008); MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38;
Webb (2023) for the six-point weights; Kline and Santos (2012) for the score form used with influence functions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import WithinDesign, independent_columns, small_sample_factor
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray, sum_by

Scheme = Literal["rademacher", "webb"]
Tail = Literal["two-tailed", "equal-tailed"]
Leverage = Literal["ordinary", "jackknife"]

POINTS: dict[Scheme, FloatArray] = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5]),
}
FEW_CLUSTERS = 12
"""Below this number ±1 gives too few different draws for a p-value that says anything."""
CHUNK = 1_000
TIE = 1e-8
"""Draws whose |t| is smaller by less than this share tie with the observed t and count as at least as extreme."""
ROUNDING = 1e-12
DEGENERATE = 1e-24
LARGEST = 2.0**20
"""A limit further than this many standard errors from the estimate is no limit."""


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Random weights of the clusters: values (B, G); is_complete: all possible draws, each once."""

    values: FloatArray
    is_complete: bool
    scheme: Scheme


@dataclass(frozen=True, eq=False)
class ClusterProducts:
    """What a regression on k columns needs: gram (G, k, k) = X'X and moment (G, k) = X'y of each of G clusters.

    factor: small-sample factor of the ordinary variance; clusters: labels (G,).
    """

    clusters: tuple[str, ...]
    gram: FloatArray
    moment: FloatArray
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class WildTest:
    """The bootstrap of one effect.

    estimate, std_error: as without bootstrap; B draws of the deviation, shift (B, 2), and of its squared standard
    error, square (B, 3), as polynomials of (null − estimate), lowest power first.
    """

    estimate: float
    std_error: float
    shift: FloatArray
    square: FloatArray
    is_complete: bool

    def t(self, null: float = 0.0) -> float:
        """(estimate − null)/standard error."""
        return (self.estimate - null) / self.std_error

    def t_star(self, null: float = 0.0) -> FloatArray:
        """(B,) the statistics of the draws when the effect is `null`; ±inf where a draw has no standard error."""
        by = null - self.estimate
        shift = self.shift @ [1.0, by]
        square = self.square @ [1.0, by, by**2]
        usable = square > DEGENERATE * (self.std_error**2 + by**2)
        ratio: FloatArray = np.divide(shift, np.sqrt(np.abs(square)), out=np.copysign(np.inf, shift), where=usable)
        return ratio

    def p_value(self, null: float = 0.0, tail: Tail = "two-tailed") -> float:
        """Share of draws at least as extreme as the observed t; ties count as extreme.

        Two-tailed: in |t|; equal-tailed: twice the smaller tail. With random draws (1 + number)/(1 + B), so that the
        p-value is never zero; with all possible draws the observed one is among them.
        """
        observed, draws = self.t(null), self.t_star(null)
        margin = TIE * abs(observed)
        extra = 0 if self.is_complete else 1

        def share(mask: BoolArray) -> float:
            return (extra + int(np.count_nonzero(mask))) / (extra + len(draws))

        if tail == "two-tailed":
            return share(np.abs(draws) >= abs(observed) - margin)
        return min(1.0, 2 * min(share(draws <= observed + margin), share(draws >= observed - margin)))

    def interval(self, confidence_level: float = 0.95, tail: Tail = "two-tailed") -> tuple[float, float]:
        """Nearest nulls on both sides of the estimate at which p falls to 1 − level; ±inf where it never does."""

        def limit(direction: float) -> float:
            def is_outside(distance: float) -> bool:
                null = self.estimate + direction * distance * self.std_error
                return self.p_value(null, tail) <= 1 - confidence_level + ROUNDING

            distance = _first(is_outside)
            return self.estimate + direction * distance * self.std_error

        return limit(-1.0), limit(1.0)


def _first(holds: Callable[[float], bool]) -> float:
    """The smallest x > 0 from which on `holds`, searched outwards in steps of a quarter, then by halving."""
    low, high, step = 0.0, 0.25, 0.25
    while not holds(high):
        if high > LARGEST:
            return float("inf")
        low, high = high, high + step
        step = step if high < 8 else 2 * step
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def multipliers(n_clusters: int, *, draws: int, seed: int, scheme: Scheme | None = None) -> Multipliers:
    """Weights of the clusters: all combinations when there are no more than `draws`, else drawn with the seed.

    `scheme` None: Webb's six points with fewer than 12 clusters, ±1 otherwise.
    """
    chosen = default_scheme(n_clusters) if scheme is None else scheme
    points = POINTS[chosen]
    if len(points) ** n_clusters <= draws:
        places = np.indices((len(points),) * n_clusters).reshape(n_clusters, -1).T
        return Multipliers(points[places], True, chosen)
    rng = np.random.default_rng(seed)
    return Multipliers(points[rng.integers(0, len(points), (draws, n_clusters))], False, chosen)


def default_scheme(n_clusters: int) -> Scheme:
    """Webb's weights for few clusters, Rademacher's otherwise."""
    return "webb" if n_clusters < FEW_CLUSTERS else "rademacher"


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
    _need_fit(draws, len(products.clusters))
    total, moment = products.gram.sum(axis=0), products.moment.sum(axis=0)
    inverse = np.linalg.inv(total)
    beta = inverse @ moment
    loading = inverse @ contrast
    away = loading / (contrast @ loading)  # the restricted solution moves along this direction with the null
    needs_rest = "jackknife" in (scores, variance)
    rest = _inverses_without(products, total, contrast) if needs_rest else np.zeros((0, 0, 0))
    by_null = np.zeros_like(products.moment)
    if scores == "ordinary":
        at_estimate = products.moment - products.gram @ beta
        if impose_null:
            by_null = -(products.gram @ away)
    else:
        left = np.einsum("gij,gj->gi", rest, moment[None] - products.moment)
        if impose_null:
            turn = np.einsum("gij,j->gi", rest, contrast)
            turn /= (turn @ contrast)[:, None]
            left += turn * (contrast @ beta - left @ contrast)[:, None]
            by_null = -np.einsum("gij,gj->gi", products.gram, turn)
        at_estimate = products.moment - np.einsum("gij,gj->gi", products.gram, left)
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
    for v in _chunks(draws.values):
        parts = [_parts(v, s, products, inverse, loading, rows, variance) for s in (at_estimate, by_null)]
        shift.append(np.column_stack([v @ (s @ loading) for s in (at_estimate, by_null)]))
        square.append(factor * _squares(*parts))
    return WildTest(
        estimate=float(contrast @ beta),
        std_error=float(np.sqrt(factor * (own**2).sum())),
        shift=np.concatenate(shift),
        square=np.concatenate(square),
        is_complete=draws.is_complete,
    )


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


def _squares(at_estimate: FloatArray, by_null: FloatArray) -> FloatArray:
    """(B, 3) coefficients of Σ_g (a_g + b_g·x)² in powers of x."""
    pairs = ((at_estimate, at_estimate), (2 * at_estimate, by_null), (by_null, by_null))
    return np.column_stack([np.einsum("bg,bg->b", first, second) for first, second in pairs])


def _chunks(values: FloatArray) -> Iterator[FloatArray]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


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


def _need_fit(draws: Multipliers, n_clusters: int) -> None:
    if n_clusters < 2 or draws.values.shape[1] != n_clusters:
        raise EstimationError(
            f"the bootstrap weights are for {draws.values.shape[1]} clusters and the effect has {n_clusters}; "
            "give one weight per cluster, and at least two clusters."
        )


def wild_influence(
    influence: FloatArray,
    leverage: FloatArray,
    estimate: float,
    draws: Multipliers,
    *,
    factor: float = 1.0,
) -> WildTest:
    """Restricted wild bootstrap of any estimate from its influence function, summed within clusters (G,).

    leverage (G,), summing to 1: how much each cluster's own outcome determines the estimate. Under the null r the
    cluster's score is influence + leverage·(estimate − r), as in a regression on one variable, whose restricted
    bootstrap this is exactly; with every sign +1 the draw gives the observed t. Raises EstimationError when the effect
    has no variation between clusters.
    """
    _need_fit(draws, len(influence))
    std_error = float(np.sqrt(factor * (influence**2).sum()))
    if not std_error > 0:
        raise EstimationError("the effect has no variation between clusters; a bootstrap has nothing to test.")
    shift, square = [], []
    for v in _chunks(draws.values):
        sums = [v @ influence, -(v @ leverage)]
        parts = [
            v * score - leverage * total[:, None] for score, total in zip((influence, -leverage), sums, strict=True)
        ]
        shift.append(np.column_stack(sums))
        square.append(factor * _squares(parts[0], parts[1]))
    return WildTest(
        estimate=estimate,
        std_error=std_error,
        shift=np.concatenate(shift),
        square=np.concatenate(square),
        is_complete=draws.is_complete,
    )


def cluster_leverage(fit: Fit, parameter: int) -> FloatArray:
    """(G,) leverage of the clusters on one parameter: treated clusters by their weight, comparison units alike.

    As in a regression on "treated" with a constant: of the treated side's shares 1 − π, of the comparison side's π,
    with π the share of treated among the units used.
    """
    _, code = np.unique(fit.influence.clusters, return_inverse=True)
    n_clusters = int(code.max(initial=-1)) + 1
    weight = np.abs(fit.treated_weight[:, parameter])
    comparison = (fit.used[:, parameter] & (weight == 0)).astype(np.float64)
    if not weight.any() or not comparison.any():
        raise EstimationError(
            f"estimator {fit.estimator}: the effect has no treated or no comparison units; choose another parameter."
        )
    share = np.count_nonzero(weight) / (np.count_nonzero(weight) + comparison.sum())
    by_unit = (1 - share) * weight / weight.sum() + share * comparison / comparison.sum()
    return sum_by(code.astype(np.intp), n_clusters, by_unit)


def wild_fit(
    fit: Fit, parameter: int, *, draws: int = 9_999, seed: int = 20120101, scheme: Scheme | None = None
) -> WildTest:
    """Restricted wild bootstrap of one parameter of any fit, clusters as in the fit. Errors as `wild_influence`."""
    _, sums = fit.influence.by_cluster()
    if fit.reason[parameter] is not None or fit.is_reference[parameter]:
        raise EstimationError(
            f"estimator {fit.estimator}: the parameter has no estimate to test "
            f"({fit.reason[parameter] or 'zero by construction'}); choose another one."
        )
    return wild_influence(
        sums[:, parameter],
        cluster_leverage(fit, parameter),
        float(fit.estimate[parameter]),
        multipliers(len(sums), draws=draws, seed=seed, scheme=scheme),
        factor=fit.variance_factor,
    )
