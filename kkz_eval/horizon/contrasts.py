"""Effects as fixed weights of cell means: every ATT(g,t) without covariates, also for periods that have no data yet.

With fixed unit weights the weights of each unit sum to zero over the periods, so that the variance of any effect
follows from the variogram of the cell means (methods.md §2.2), without data on the outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.group_time import Pairs, Sample, build_arms, comparisons, prepare
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, FloatArray, sum_by

YearArray = NDArray[np.int64]
UNNAMED = "layout"


@dataclass(frozen=True, eq=False)
class Layout:
    """Who adopts when, and which cells exist or will exist; no outcomes. U units, T periods in ascending order.

    units (U,), kreis (U,) labels: the Kreis is the cluster and shares shocks; cohort (U,) first treated period, inf =
    never; weight (U,) fixed and positive; periods (T,); is_observed (U, T) cells that have or will have a mean.

    Raises EstimationError for other shapes, weights that are not positive, periods that do not ascend.
    """

    units: NDArray[np.str_]
    kreis: NDArray[np.str_]
    cohort: FloatArray
    weight: FloatArray
    periods: YearArray
    is_observed: BoolArray

    def __post_init__(self) -> None:
        n = len(self.units)
        if any(len(column) != n for column in (self.kreis, self.cohort, self.weight)):
            raise EstimationError("A layout needs one Kreis, one cohort and one weight for each unit.")
        if self.is_observed.shape != (n, len(self.periods)):
            raise EstimationError("A layout needs one entry of is_observed for each unit and period.")
        if not (np.isfinite(self.weight) & (self.weight > 0)).all():
            raise EstimationError("A layout needs a positive weight for each unit; leave units without weight out.")
        if (np.diff(self.periods) <= 0).any():
            raise EstimationError("The periods of a layout must ascend and must not repeat.")

    @classmethod
    def from_panel(cls, panel: CellPanel, *, last_period: int | None = None) -> "Layout":
        """The layout of a panel, with the years up to `last_period` added; in those all units with data are measured.

        The cluster of the panel is the Kreis.
        """
        observed: BoolArray = np.asarray(np.isfinite(panel.value), dtype=bool)
        has_value: BoolArray = np.asarray(observed.any(axis=1), dtype=bool)
        last = int(panel.periods[-1]) if len(panel.periods) else 0
        later = np.arange(last + 1, max(last, last if last_period is None else last_period) + 1, dtype=np.int64)
        will_be = np.repeat(has_value[:, None], len(later), axis=1)
        return cls(
            units=panel.units,
            kreis=panel.cluster,
            cohort=panel.cohort,
            weight=panel.weight,
            periods=np.concatenate([panel.periods, later]),
            is_observed=np.hstack([observed, will_be]),
        )

    def as_panel(self) -> CellPanel:
        """A panel with zeros where cells exist: the comparisons of an estimator depend on nothing else."""
        value = np.where(self.is_observed, 0.0, np.nan)
        unknown = np.full(value.shape, np.nan)
        return CellPanel(
            UNNAMED, self.units, self.periods, self.cohort, self.kreis, self.weight, unknown, unknown, unknown, value
        )  # fmt: skip

    def untreated(self, anticipation: int = 0) -> BoolArray:
        """(U, T) cells before adoption minus anticipation."""
        return np.asarray(self.periods[None, :] < self.cohort[:, None] - anticipation, dtype=bool)

    def kreis_code(self) -> tuple[NDArray[np.intp], int]:
        """Position (U,) of each unit's Kreis among the sorted labels, and their number."""
        labels, code = np.unique(self.kreis, return_inverse=True)
        return code.astype(np.intp), len(labels)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """K effects ATT(g,t) as weights of cell means, ordered by period, then cohort.

    cohort, period, base (K,) years; weights (K, U, T) of the cell means of `layout`; treated_weight (K, U) share of a
    treated unit in its cohort's mean; cohort_size (K,) summed weight of the cohort; notes: what was left out.
    """

    layout: Layout
    cohort: YearArray
    period: YearArray
    base: YearArray
    weights: FloatArray
    treated_weight: FloatArray
    cohort_size: FloatArray
    notes: tuple[str, ...]

    @property
    def is_post(self) -> BoolArray:
        """(K,) effects from adoption on."""
        post: BoolArray = self.cohort <= self.period
        return post

    @property
    def columns(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(K,) positions of period and base among the periods of the layout."""
        periods = self.layout.periods
        return np.searchsorted(periods, self.period), np.searchsorted(periods, self.base)

    @property
    def long_difference(self) -> FloatArray:
        """(K, U) weights of the units' differences between period and base; `weights` holds nothing else."""
        column, _ = self.columns
        difference: FloatArray = self.weights[np.arange(len(column)), :, column]
        return difference

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> "Contrasts":
        """Some of the effects, by mask or positions."""
        return replace(
            self,
            cohort=self.cohort[keep],
            period=self.period[keep],
            base=self.base[keep],
            weights=self.weights[keep],
            treated_weight=self.treated_weight[keep],
            cohort_size=self.cohort_size[keep],
        )

    def treated_by_kreis(self, loading: FloatArray) -> FloatArray:
        """(R, C) treated weight of each Kreis in R averages with loadings (R, K), every effect counted positively."""
        code, n_kreise = self.layout.kreis_code()
        by_kreis: FloatArray = np.abs(loading) @ sum_by(code, n_kreise, self.treated_weight.T).T
        return by_kreis


def group_time_contrasts(layout: Layout, options: EstimatorOptions, *, with_pre_periods: bool = False) -> Contrasts:
    """Weights of all ATT(g,t) that `callaway_santanna` in design panel estimates from such cells, without references.

    Estimand and rules are those of `callaway_santanna` (base: last period before adoption minus anticipation; a unit
    enters where both periods are measured). The comparison units of a period are those of the whole layout, so that
    an effect keeps its weights when years are added, unless cohorts enter that counted as never treated before.
    Raises EstimationError when no cohort has a period before adoption and a comparison, or options have covariates.
    Source: methods.md §2.2; Callaway and Sant'Anna (2021).
    """
    if options.design != "panel" or options.covariates is not None:
        raise EstimationError(
            "Fixed weights of cell means exist for design panel without covariates only; choose these options."
        )
    sample = prepare(layout.as_panel(), options)
    pairs = comparisons(sample, options)
    years = sample.panel.periods
    wanted = ~pairs.is_reference
    if not with_pre_periods:
        wanted = wanted & (pairs.cohort <= years[pairs.period])
    pairs = _ordered(pairs, wanted)
    arms = build_arms(sample, pairs, options)
    exists: BoolArray = np.asarray(arms.member.any(axis=1).all(axis=0), dtype=bool)
    if not exists.any():
        raise EstimationError(
            f"No treated cohort has a period before adoption and a comparison group "
            f"({'; '.join(sample.notes) or 'no cohort adopts within the periods'}); "
            "add earlier periods or untreated units."
        )
    total = np.where(exists, arms.denominator.sum(axis=1), 1.0)
    share = (arms.denominator / total[:, None, :])[:, :, exists]
    pairs = _ordered(pairs, exists)
    position = {label: u for u, label in enumerate(layout.units.tolist())}
    row = np.array([position[label] for label in sample.panel.units.tolist()], dtype=np.intp)
    weights = _spread(layout, row, np.searchsorted(layout.periods, years), share, pairs)
    treated = np.zeros((len(pairs.cohort), len(layout.units)))
    treated[:, row] = share[0].T
    return Contrasts(
        layout=layout,
        cohort=pairs.cohort,
        period=years[pairs.period],
        base=years[pairs.base],
        weights=weights,
        treated_weight=treated,
        cohort_size=_sizes(sample, pairs),
        notes=sample.notes,
    )


def _ordered(pairs: Pairs, keep: BoolArray) -> Pairs:
    order = np.lexsort((pairs.cohort, pairs.period))
    order = order[keep[order]]
    return Pairs(pairs.cohort[order], pairs.period[order], pairs.base[order], pairs.comparison[order])


def _spread(
    layout: Layout, row: NDArray[np.intp], column: NDArray[np.intp], share: FloatArray, pairs: Pairs
) -> FloatArray:
    """(K, U, T): treated share minus comparison share in the period, the same with the other sign in the base."""
    weights = np.zeros((len(pairs.cohort), len(layout.units), len(layout.periods)))
    difference = (share[0] - share[1]).T
    k = np.arange(len(pairs.cohort))[:, None]
    weights[k, row[None], column[pairs.period][:, None]] += difference
    weights[k, row[None], column[pairs.base][:, None]] -= difference
    return weights


def _sizes(sample: Sample, pairs: Pairs) -> FloatArray:
    size = {g: float(sample.panel.weight[sample.panel.cohort == g].sum()) for g in np.unique(pairs.cohort)}
    return np.array([size[g] for g in pairs.cohort])


def overall_loading(contrasts: Contrasts, until: int) -> FloatArray:
    """(K,) weights of the average of all effects from adoption to `until`, by cohort size; zeros if there is none."""
    return _by_size(contrasts, contrasts.is_post & (contrasts.period <= until))


def event_loading(contrasts: Contrasts, event_time: int, until: int) -> FloatArray:
    """(K,) weights of the average effect `event_time` periods after adoption, by cohort size, with data to `until`."""
    at = contrasts.period - contrasts.cohort == event_time
    return _by_size(contrasts, at & (contrasts.period <= until))


def _by_size(contrasts: Contrasts, member: BoolArray) -> FloatArray:
    mass = np.where(member, contrasts.cohort_size, 0.0)
    loading: FloatArray = mass / mass.sum() if member.any() else mass
    return loading


def latest_event(contrasts: Contrasts, until: int) -> int | None:
    """The longest time since adoption measured by `until`, None if nobody has adopted by then."""
    seen = contrasts.is_post & (contrasts.period <= until)
    return int((contrasts.period - contrasts.cohort)[seen].max()) if seen.any() else None


def combine(contrasts: Contrasts, loadings: FloatArray | Sequence[FloatArray]) -> FloatArray:
    """(R, U, T) weights of cell means of R averages with loadings (R, K)."""
    combined: FloatArray = np.tensordot(np.asarray(loadings, dtype=np.float64), contrasts.weights, axes=1)
    return combined
