"""Early signal: what the effect on an exam finding says about a later outcome, when both are known for some children.

What belongs here: the link β among untreated children, the index β'ATT(S), by how much it missed. What does not: bounds
on the miss (`surrogate_bounds`) and data without a key between exam and school (`surrogate_unlinked`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.design_matrix import inverse, times
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray, InfluenceMatrix, sum_by

INDEX = "surrogate_index"
MISS = "surrogate_miss"
LINKED = "link estimated among untreated children within municipality and cohort"


@dataclass(frozen=True, eq=False)
class SurrogateLink:
    """Slope (k,) of the later outcome on k surrogates, and how every unit moves it.

    names (k,); influence: InfluenceMatrix (U, k) in sums over units; leave_out(): slopes (C, k) without each cluster,
    NaN where they do not exist; label: what kind of association it is; n_children behind it, NaN where unknown.
    """

    names: tuple[str, ...]
    slope: FloatArray
    influence: InfluenceMatrix
    leave_out: Callable[[], FloatArray]
    label: str
    n_children: float


def surrogate_link(panel: MomentPanel, *, anticipation: int = 0, reference: BoolArray | None = None) -> SurrogateLink:
    """β of the later outcome on the surrogates among children of the same untreated cell: (ΣA)⁻¹Σb.

    panel: the later outcome with the surrogates as covariates, both known for the same children; A = Sxx − SxSx'/n and
    b = Sxy − SxSy/n by cell (unit, cohort of children). Untreated: before adoption minus anticipation, or never
    treated; `reference` (U, T) keeps only some of these cells. Influence A⁻¹Σ_t(b − Aβ).

    Raises EstimationError without a reference sample and for surrogates that do not vary or are collinear.
    Source: Athey, Chetty, Imbens and Kang (NBER w26463) for the index; here within cells.
    """
    untreated = (panel.cohort[:, None] > panel.periods[None] + anticipation) & (panel.n > 1)
    if reference is not None:
        untreated = untreated & reference
    if not panel.covariate_names or not untreated.any():
        raise EstimationError(
            f"cells of {panel.outcome}: there is no reference sample, that is no untreated cell of two or more "
            "children with both the surrogates and the later outcome; wait for it or use published means."
        )
    mass = panel.moments[..., 0, 0]
    share = np.divide(1.0, mass, out=np.zeros_like(mass), where=untreated)
    x, y = panel.moments[..., 0, 1:], panel.cross[..., 0]
    within = panel.moments[..., 1:, 1:] - share[..., None, None] * x[..., :, None] * x[..., None, :]
    products = panel.cross[..., 1:] - (share * y)[..., None] * x
    a = np.where(untreated[..., None, None], within, 0.0).sum(axis=1)
    b = np.where(untreated[..., None], products, 0.0).sum(axis=1)
    size = np.einsum("utkk->k", np.where(untreated[..., None, None], panel.moments[..., 1:, 1:], 0.0))
    flat = np.einsum("ukk->k", a) <= 1e-12 * np.maximum(size, np.finfo(np.float64).tiny)
    inverted, regular = scaled_inverse(a.sum(axis=0)[None])
    if flat.any() or not regular[0]:
        which = panel.covariate_names[int(np.flatnonzero(flat)[0])] if flat.any() else ", ".join(panel.covariate_names)
        raise EstimationError(
            f"cells of {panel.outcome}: surrogate {which} does not vary among the children of untreated cells, or the "
            "surrogates are collinear; leave one out."
        )
    slope = inverted[0] @ b.sum(axis=0)
    return SurrogateLink(
        names=panel.covariate_names,
        slope=slope,
        influence=InfluenceMatrix(panel.units, panel.cluster, (b - a @ slope) @ inverted[0]),
        leave_out=lambda: slopes_without_each_cluster(panel.cluster, a, b),
        label=LINKED,
        n_children=float(panel.n[untreated].sum()),
    )


def scaled_inverse(matrix: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Inverses (…, k, k) of cross-products after scaling them to a unit diagonal, and (…) which are regular."""
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    outer = scale[..., :, None] * scale[..., None, :]
    inverted, regular = inverse(matrix / outer)
    return inverted / outer, regular


def slopes_without_each_cluster(cluster: np.ndarray, a: FloatArray, b: FloatArray) -> FloatArray:
    """(ΣA)⁻¹Σb (C, k) without each cluster in turn, from the sums of units a (U, k, k) and b (U, k)."""
    labels, code = np.unique(cluster, return_inverse=True)
    rest_a = a.sum(axis=0)[None] - sum_by(code, len(labels), a)
    rest_b = b.sum(axis=0)[None] - sum_by(code, len(labels), b)
    inverted, regular = scaled_inverse(rest_a)
    return np.where(regular[:, None], times(inverted, rest_b), np.nan)


def surrogate_effects(link: SurrogateLink, of_surrogates: Sequence[Fit]) -> Fit:
    """τ_SI = β'ATT_S for every parameter: the effect on the later outcome if it works through the surrogates only.

    of_surrogates: k fits, one per name of the link in its order, with the same parameters; units may be others than
    those of the link. ψ = β'ψ_S + ATT_S'ψ_β. `extra`: `slope` (k,), `surrogate_effects` (P, k).
    Raises EstimationError when the fits do not match the link or each other.
    """
    if len(of_surrogates) != len(link.names) or any(
        fit.parameters != of_surrogates[0].parameters for fit in of_surrogates
    ):
        raise EstimationError(
            f"The index needs one fit for each of the {len(link.names)} surrogates {', '.join(link.names)}, all with "
            "the same parameters; estimate them from the same cells with the same options."
        )
    first = of_surrogates[0]
    effects = np.column_stack([fit.estimate for fit in of_surrogates])
    units, clusters = _all_units(link.influence, *(fit.influence for fit in of_surrogates))
    values = _to_units(link.influence, units) @ np.nan_to_num(effects).T
    for slope, fit in zip(link.slope, of_surrogates, strict=True):
        values = values + slope * np.sqrt(fit.variance_factor) * _to_units(fit.influence, units)

    def leave_out() -> FloatArray:
        labels = np.unique(clusters)
        slopes = _to_clusters(link.influence, link.leave_out(), link.slope, labels)
        left = np.zeros((len(labels), len(first.parameters)))
        for j, fit in enumerate(of_surrogates):
            left += slopes[:, [j]] * _to_clusters(fit.influence, fit.leave_out(), fit.estimate, labels)
        return left

    return replace(
        _moved(first, units),
        estimator=INDEX,
        estimate=effects @ link.slope,
        influence=InfluenceMatrix(units, clusters, values),
        reason=_first_reasons(*of_surrogates),
        notes=tuple("; ".join(filter(None, [note, link.label])) for note in first.notes),
        leave_out=leave_out,
        variance_factor=1.0,
        extra={"slope": link.slope, "surrogate_effects": effects, "names": link.names},
    )


def surrogate_misses(outcome: Fit, index: Fit, *, name: str = MISS) -> Fit:
    """ATT_Y − β'ATT_S: what the index missed where both sides are known; equal to the DiD of the residual Y − β'S.

    Zero in expectation when the residual has parallel trends and the programme works through the surrogates only; in
    periods before adoption a placebo. Also any other difference of two fits. Raises EstimationError unless both have
    the same parameters, because averages over other cohorts and periods are no counterpart.
    """
    if outcome.parameters != index.parameters:
        raise EstimationError(
            "The effect on the outcome and the one to take off it have different parameters; estimate both from the "
            "same cells with the same options."
        )
    units, clusters = _all_units(outcome.influence, index.influence)
    own, other = _to_units(outcome.influence, units), _to_units(index.influence, units)
    values = np.sqrt(outcome.variance_factor) * own - np.sqrt(index.variance_factor) * other

    def leave_out() -> FloatArray:
        labels = np.unique(clusters)
        return _to_clusters(outcome.influence, outcome.leave_out(), outcome.estimate, labels) - _to_clusters(
            index.influence, index.leave_out(), index.estimate, labels
        )

    return replace(
        _moved(outcome, units),
        estimator=name,
        estimate=outcome.estimate - index.estimate,
        influence=InfluenceMatrix(units, clusters, values),
        reason=_first_reasons(outcome, index),
        leave_out=leave_out,
        variance_factor=1.0,
        extra={"outcome": outcome, "index": index},
    )


def residual_cells(panel: MomentPanel, slope: FloatArray) -> CellPanel:
    """Cells of the residual Y − β'S of every child; slope (k,) in the order of the covariates."""
    cells = panel.outcome_cells()
    total = cells.total - panel.moments[..., 0, 1:] @ slope
    value = np.divide(total, cells.n, out=np.full(total.shape, np.nan), where=cells.n > 0)
    return replace(cells, outcome=f"{panel.outcome} not explained", total=total, value=value)


def discretised(values: FloatArray, cuts: Sequence[float]) -> FloatArray:
    """(N,) number of the class of each value, 0 below the first cut; NaN stays. For a link that is no straight line."""
    edges = np.asarray(cuts, dtype=np.float64)
    if len(edges) == 0 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise EstimationError("Classes of a surrogate need at least one cut, in ascending order.")
    return np.where(np.isnan(values), np.nan, np.digitize(values, edges))


def profile_indicators(panel: ProfilePanel) -> MomentPanel:
    """The cells with one indicator surrogate per profile but the first: the link is then any function of the profile.

    The slope of a profile is its mean outcome less that of the first profile, within cells.
    """
    names = [
        ", ".join(f"{name} {value:g}" for name, value in zip(panel.covariate_names, profile, strict=True))
        for profile in panel.profiles
    ]
    indicators = replace(panel, covariate_names=tuple(names[1:]), profiles=np.eye(len(names))[:, 1:])
    return MomentPanel.from_profile_panel(indicators)


def _all_units(*matrices: InfluenceMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Units of all in ascending order, and their clusters, which must be the same everywhere."""
    every_unit = np.concatenate([m.units for m in matrices])
    every_cluster = np.concatenate([m.clusters for m in matrices])
    units, first, code = np.unique(every_unit, return_index=True, return_inverse=True)
    clusters = every_cluster[first]
    n_other = int((clusters[code] != every_cluster).sum())
    if n_other:
        raise EstimationError(
            f"{n_other} units belong to one cluster among the surrogates and to another in the linked sample; "
            "use the same clusters."
        )
    return units, clusters


def _to_units(matrix: InfluenceMatrix, units: np.ndarray) -> FloatArray:
    return _placed(matrix.values, matrix.units, units)


def _placed(values: FloatArray, own: np.ndarray, units: np.ndarray) -> FloatArray:
    placed = np.zeros((len(units), values.shape[1]), dtype=values.dtype)
    placed[np.searchsorted(units, own)] = values
    return placed


def _to_clusters(matrix: InfluenceMatrix, left: FloatArray, whole: FloatArray, labels: np.ndarray) -> FloatArray:
    """Leave-one-out rows of all clusters; leaving out a cluster that is not in the sample changes nothing."""
    rows = np.repeat(whole[None], len(labels), axis=0)
    rows[np.searchsorted(labels, np.unique(matrix.clusters))] = left
    return rows


def _moved(fit: Fit, units: np.ndarray) -> Fit:
    own = fit.influence.units
    return replace(
        fit,
        treated_weight=_placed(fit.treated_weight, own, units),
        used=np.asarray(_placed(fit.used.astype(np.float64), own, units) > 0),
    )


def _first_reasons(*fits: Fit) -> tuple[str | None, ...]:
    return tuple(
        next((r for r in reasons if r is not None), None) for reasons in zip(*(f.reason for f in fits), strict=True)
    )
