"""The link between exam and school from means of municipalities, when no key joins the children of both.

What belongs here: errors-in-variables with known sampling errors (Deaton 1985). What does not: children.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray, InfluenceMatrix, sum_by
from kkz_eval.horizon.surrogate import SurrogateLink, scaled_inverse, slopes_without_each_cluster

ECOLOGICAL = "municipal-level association, not a link between the findings of one child"
MINIMUM_RELIABILITY = 0.3


@dataclass(frozen=True, eq=False)
class UnlinkedLink:
    """An errors-in-variables link: `link` as for linked children, and what to print beside it.

    naive (k,): least squares of the means, pulled towards zero; std_error (k,): clustered; reliability: share of the
    variation of the means that is not sampling error; eigenvalues (k,): the same by direction, smallest first;
    n_cells, n_units: what it rests on.
    """

    link: SurrogateLink
    naive: FloatArray
    std_error: FloatArray
    reliability: float
    eigenvalues: FloatArray
    n_cells: int
    n_units: int


def two_way_residuals(values: FloatArray, enters: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Residuals (N, m) of values (U, T, m) on unit and period effects over the N cells `enters` (U, T), and (N,) h.

    h is the share of an independent error of a cell that is left in its residual; (1−1/T)(1−1/C) in full rectangles.
    Cells come in the order of units, then periods.
    """
    unit, period = np.nonzero(enters)
    _, unit = np.unique(unit, return_inverse=True)
    _, period = np.unique(period, return_inverse=True)
    dummies = np.zeros((len(unit), int(unit.max(initial=-1) + period.max(initial=-1)) + 2))
    dummies[np.arange(len(unit)), unit] = 1.0
    dummies[np.arange(len(unit)), unit.max(initial=-1) + 1 + period] = 1.0
    basis = dummies @ _root_of_inverse(dummies.T @ dummies)
    inside = values[enters]
    return inside - basis @ (basis.T @ inside), 1.0 - (basis**2).sum(axis=1)


def _root_of_inverse(gram: FloatArray) -> FloatArray:
    """Columns L with LL' = the pseudo-inverse; unit and period effects share one constant per connected part."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-10 * max(float(values[-1]), 1.0)
    root: FloatArray = vectors[:, kept] / np.sqrt(values[kept])
    return root


def errors_in_variables(
    outcome: FloatArray,
    surrogates: FloatArray,
    sampling: FloatArray,
    enters: BoolArray,
    *,
    names: tuple[str, ...],
    units: np.ndarray,
    clusters: np.ndarray,
    shared_sampling: FloatArray | None = None,
    minimum_reliability: float = MINIMUM_RELIABILITY,
    label: str = ECOLOGICAL,
) -> UnlinkedLink:
    """β = (M − Σ h·Σ_cb)⁻¹ (m − Σ h·σ_cb) from means of municipality c and birth cohort b, with two-way effects.

    outcome (U, T) means of the later outcome; surrogates (U, T, k) means; sampling (U, T, k, k) known sampling
    covariance of the surrogate means, within-cell covariance / n; `enters` (U, T) the untreated cells, cells with a
    missing value are left out; shared_sampling (U, T, k) sampling covariance of surrogates and outcome, 0 when
    different children are behind them. h as in `two_way_residuals`. All cells count alike. units, clusters (U,) labels.

    Leave-one-cluster-out slopes keep the unit and cohort effects of the whole sample.
    Raises EstimationError without enough cells, and when the smallest reliability of a direction is too low.
    Source: Deaton (1985), Journal of Econometrics 30. The slope is an association of municipal means.
    """
    shared = np.zeros(surrogates.shape) if shared_sampling is None else shared_sampling
    known = np.isfinite(outcome) & np.isfinite(surrogates).all(axis=2) & np.isfinite(sampling).all(axis=(2, 3))
    enters = enters & known & np.isfinite(shared).all(axis=2)
    enters = enters & (enters.sum(axis=1, keepdims=True) > 1)
    n_cells, n_units = int(enters.sum()), int(enters.any(axis=1).sum())
    if n_cells - n_units - int(enters.any(axis=0).sum()) + 1 <= len(names):
        raise EstimationError(
            f"There is no reference sample: {n_cells} untreated cells of {n_units} municipalities are too few for unit "
            f"and cohort effects and {len(names)} surrogates; add municipalities or birth cohorts."
        )
    residuals, left = two_way_residuals(np.concatenate([outcome[..., None], surrogates], axis=2), enters)
    y, x = residuals[:, 0], residuals[:, 1:]
    row_unit = np.nonzero(enters)[0]
    moment = sum_by(row_unit, len(units), x[:, :, None] * x[:, None, :])
    noise = sum_by(row_unit, len(units), left[:, None, None] * sampling[enters])
    product = sum_by(row_unit, len(units), x * y[:, None])
    a, b = moment - noise, product - sum_by(row_unit, len(units), left[:, None] * shared[enters])
    eigenvalues, share = _reliability(moment.sum(axis=0), noise.sum(axis=0), names)
    if eigenvalues[0] < minimum_reliability:
        raise EstimationError(
            f"The means of {', '.join(names)} are mostly sampling error: in the weakest direction "
            f"{eigenvalues[0]:.2f} of their variation is real, below {minimum_reliability:.2f}; use larger areas, "
            "summed years or linked data."
        )
    inverted, _ = scaled_inverse(a.sum(axis=0)[None])
    slope = inverted[0] @ b.sum(axis=0)
    influence = InfluenceMatrix(units, clusters, (b - a @ slope) @ inverted[0])
    _, sums = influence.by_cluster()
    return UnlinkedLink(
        link=SurrogateLink(
            names, slope, influence, lambda: slopes_without_each_cluster(clusters, a, b), label, float("nan")
        ),
        naive=scaled_inverse(moment.sum(axis=0)[None])[0][0] @ product.sum(axis=0),
        std_error=np.sqrt((sums**2).sum(axis=0)),
        reliability=share,
        eigenvalues=eigenvalues,
        n_cells=n_cells,
        n_units=n_units,
    )


def _reliability(moment: FloatArray, noise: FloatArray, names: tuple[str, ...]) -> tuple[FloatArray, float]:
    """Eigenvalues (k,) of the reliability matrix in ascending order, and 1 − tr(noise)/tr(moment)."""
    scale = np.sqrt(np.where(np.diag(moment) > 0, np.diag(moment), 1.0))
    values, vectors = np.linalg.eigh(moment / np.outer(scale, scale))
    if not values[0] > 1e-12:
        raise EstimationError(
            f"After unit and cohort effects the means of {', '.join(names)} do not vary or are collinear; "
            "leave one out."
        )
    root = vectors / np.sqrt(values)
    shares = np.linalg.eigvalsh(np.eye(len(scale)) - root.T @ (noise / np.outer(scale, scale)) @ root)
    return shares, float(1 - np.trace(noise) / np.trace(moment))
