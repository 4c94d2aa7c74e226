"""Placebo adoption: the size and the power of the dose slope on the real history of places that were not treated.

The slope is linear in the cell means: an effect δ of full exposure moves it by δ·k'h and leaves deviations within
cohorts as they are. So the same draws give the power for every δ, and at δ = 0 the size of the whole procedure.
All draws share one history: their number is not the number of independent replications. Source: methods.md §2.4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import EstimatorOptions, FloatArray
from kkz_eval.horizon.contrasts import Layout, group_time_contrasts
from kkz_eval.horizon.dose_weights import factor, nonnegative_weights
from kkz_eval.horizon.exposure import DoseRule, Shape, dose_share, doses
from kkz_eval.horizon.placebo_draws import PlaceboAdoptions
from kkz_eval.horizon.sampling import sampling_variance
from kkz_eval.horizon.variance import VarianceModel, effect_covariance, estimated_model, variance
from kkz_eval.horizon.variogram import Variogram, estimate_variogram

CHUNK = 500
FORMULA_DRAWS = 100
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlaceboSlopes:
    """P placebo slopes: estimate, std_error, df (P,), NaN where a draw has no error; shift = k'h of a unit effect."""

    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    shift: float

    def critical(self, alpha: float) -> FloatArray:
        """(P,) |estimate| above which a draw counts as found; infinite without an error."""
        limit = np.asarray(stats.t.isf(alpha / 2, self.df)) * self.std_error
        return np.where(np.isfinite(limit), limit, np.inf)

    def power(self, effect: FloatArray | float, alpha: float = 0.05) -> FloatArray:
        """(E,) share of draws that find an effect of full exposure of each size, averaged over both directions."""
        limit = self.critical(alpha)[None]
        moved = np.atleast_1d(np.asarray(effect, dtype=np.float64))[:, None] * self.shift
        up, down = np.abs(self.estimate + moved) > limit, np.abs(self.estimate - moved) > limit
        found: FloatArray = (up.mean(axis=1) + down.mean(axis=1)) / 2
        return found

    def size(self, alpha: float = 0.05) -> float:
        """Share of draws that find an effect although there is none."""
        return float(self.power(0.0, alpha)[0])

    def minimum_detectable_effect(self, power: float = 0.8, alpha: float = 0.05) -> float | None:
        """Smallest effect of full exposure found in `power` of the draws; None if too many draws have no error."""
        limit = self.critical(alpha)
        steps = np.concatenate([limit - self.estimate, limit + self.estimate]) / abs(self.shift)
        steps = np.sort(steps[np.isfinite(steps) & (steps > 0)]) * (1 + 1e-12)
        low, high = 0, len(steps) - 1
        if high < 0 or self.power(steps[high], alpha)[0] < power:
            return None
        while low < high:  # power rises with the effect beyond the smallest effects
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(steps[middle], alpha)[0] >= power else (middle + 1, high)
        return float(steps[low])


def placebo_group_time(adoptions: PlaceboAdoptions, values: FloatArray) -> FloatArray:
    """(P, H, …) weighted means of values (U, …) by fake cohort (H cohorts, never last): products of two matrices."""
    cohorts = _cohorts(adoptions)
    flat = values.reshape(len(values), -1) * adoptions.panel.weight[:, None]
    means = np.empty((len(adoptions.cohort), len(cohorts), flat.shape[1]))
    for h, cohort in enumerate(cohorts):
        belongs = (adoptions.cohort == cohort).astype(np.float64)
        mass = belongs @ adoptions.panel.weight
        means[:, h] = np.divide(
            belongs @ flat, mass[:, None], out=np.full((len(belongs), flat.shape[1]), np.nan), where=mass[:, None] > 0
        )
    by_cohort: FloatArray = means.reshape(*means.shape[:2], *values.shape[1:])
    return by_cohort


def placebo_effects(
    adoptions: PlaceboAdoptions, cohort: IntArray, period: IntArray, base: IntArray, options: EstimatorOptions
) -> FloatArray:
    """(P, K) all placebo ATT(g,t) of K comparisons at once; NaN where a draw has no such cohort."""
    panel, cohorts = adoptions.panel, _cohorts(adoptions)
    at, before = (np.searchsorted(panel.periods, years) for years in (period, base))
    means = placebo_group_time(adoptions, panel.value)
    change = means[:, :, at] - means[:, :, before]
    mass = placebo_masses(adoptions)
    control = _controls(cohorts, cohort, period, base, options)
    weighted = np.einsum("phk,ph,hk->pk", np.nan_to_num(change), mass, control)
    total = mass @ control
    treated = change[:, np.searchsorted(cohorts, cohort), np.arange(len(cohort))]
    return np.asarray(treated - np.divide(weighted, total, out=np.full(total.shape, np.nan), where=total > 0))


def placebo_masses(adoptions: PlaceboAdoptions) -> FloatArray:
    """(P, H) summed weight of each fake cohort."""
    cohorts = _cohorts(adoptions)
    return np.stack([(adoptions.cohort == g) @ adoptions.panel.weight for g in cohorts], axis=1)


def placebo_slopes(
    adoptions: PlaceboAdoptions,
    values: FloatArray,
    k: FloatArray,
    shift: float,
    *,
    cohort: IntArray,
    period: IntArray,
    base: IntArray,
    options: EstimatorOptions,
) -> PlaceboSlopes:
    """Slopes k'θ of every draw with leave-one-cluster-out errors (CV3), k fixed, for K comparisons.

    values (U, T): cell means of the units and periods of `adoptions.panel`; shift = k'h. Long differences with the
    same treated and comparison units are summed with their k first, so that the work does not grow with K.
    Raises EstimationError for values that are missing.
    """
    panel = adoptions.panel
    if values.shape != panel.value.shape or not np.isfinite(values).all():
        raise EstimationError("Placebo slopes need a value of every unit and period of the placebo cells.")
    cohorts = _cohorts(adoptions)
    sides = _sides(panel.periods, k, cohorts, cohort, period, base, options)
    order = np.argsort(panel.cluster, kind="stable")
    _, starts = np.unique(panel.cluster[order], return_index=True)
    weight, value = panel.weight[order], values[order]
    parts = [
        _slopes(adoptions.cohort[first : first + CHUNK, order], weight, value, sides, starts, cohorts)
        for first in range(0, len(adoptions.cohort), CHUNK)
    ]
    estimate, error, df = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PlaceboSlopes(estimate, error, df, shift)


def _cohorts(adoptions: PlaceboAdoptions) -> FloatArray:
    found = np.unique(adoptions.cohort)
    return found if np.isinf(found[-1]) else np.append(found, np.inf)


def _controls(
    cohorts: FloatArray, cohort: IntArray, period: IntArray, base: IntArray, options: EstimatorOptions
) -> FloatArray:
    """(H, K) which fake cohorts are comparison units of each effect, by the rules of the estimator."""
    if options.control_group == "never_treated":
        never: FloatArray = np.repeat(np.isinf(cohorts)[:, None], len(cohort), axis=1) * 1.0
        return never
    until = np.maximum(period, base) + options.anticipation
    later: FloatArray = ((cohorts[:, None] > until[None]) & (cohorts[:, None] != cohort[None])) * 1.0
    return later


@dataclass(frozen=True, eq=False)
class _Side:
    """A signed mean over the units of cohorts `member` (H,): profile (T,) is the k-weighted sum of long differences."""

    sign: float
    member: NDArray[np.bool_]
    profile: FloatArray
    weight: float


def _sides(
    periods: IntArray,
    k: FloatArray,
    cohorts: FloatArray,
    cohort: IntArray,
    period: IntArray,
    base: IntArray,
    options: EstimatorOptions,
) -> list[_Side]:
    each = np.arange(len(k))
    difference = np.zeros((len(k), len(periods)))
    difference[each, np.searchsorted(periods, period)] += k
    difference[each, np.searchsorted(periods, base)] -= k
    sides = []
    for member, sign in (
        (cohorts[:, None] == cohort[None, :], 1.0),
        (_controls(cohorts, cohort, period, base, options) > 0, -1.0),
    ):
        patterns, which = np.unique(member, axis=1, return_inverse=True)
        for i, pattern in enumerate(patterns.T):
            part = which.reshape(-1) == i
            sides.append(_Side(sign, pattern, difference[part].sum(axis=0), float(np.abs(k[part]).sum())))
    return [side for side in sides if side.weight > 0]


def _slopes(
    fake: FloatArray,
    weight: FloatArray,
    value: FloatArray,
    sides: list[_Side],
    starts: NDArray[np.intp],
    cohorts: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Estimate, error and df (P,) of draws `fake` (P, U) with units ordered by cluster."""
    n_clusters = len(starts)
    estimate, deviation = np.zeros(len(fake)), np.zeros((len(fake), n_clusters))
    treated = np.zeros((len(fake), n_clusters))
    for side in sides:
        member = np.isin(fake, cohorts[side.member]) * weight
        mass = np.add.reduceat(member, starts, axis=1)
        moment = np.add.reduceat(member * (value @ side.profile), starts, axis=1)
        total = mass.sum(axis=1)
        total = np.where(total > 0, total, np.nan)  # a draw without this cohort has no slope
        mean = moment.sum(axis=1) / total
        rest = total[:, None] - mass
        rest = np.where(rest > 1e-12 * total[:, None], rest, np.nan)
        estimate += side.sign * mean
        deviation -= side.sign * (moment - mass * mean[:, None]) / rest
        if side.sign > 0:
            treated += side.weight * mass / total[:, None]
    squares = (treated**2).sum(axis=1)
    df = np.maximum(treated.sum(axis=1) ** 2 / squares - 1, 1.0)
    error = np.sqrt((n_clusters - 1) / n_clusters * (deviation**2).sum(axis=1))
    return estimate, error, df


@dataclass(frozen=True, eq=False)
class PlaceboStudy:
    """Placebo slopes at the last period of the placebo cells, beside what the variance formula says.

    formula_sd: root mean of the formula's variances over (some of) the draws; sd: of the placebo slopes.
    """

    slopes: PlaceboSlopes
    formula_sd: float
    k: FloatArray
    cohort: IntArray
    period: IntArray
    dose: FloatArray
    n_left_out: int
    shift_years: int

    @property
    def sd(self) -> float:
        """Standard deviation of the placebo slopes about zero, their expectation."""
        return float(np.sqrt(np.nanmean(self.slopes.estimate**2)))

    @property
    def sd_ratio(self) -> float:
        """sd / formula_sd; about 0.8 to 1.2 where the formula describes the history."""
        return self.sd / self.formula_sd


def placebo_study(
    adoptions: PlaceboAdoptions,
    dose: DoseRule,
    options: EstimatorOptions,
    *,
    full_years: float,
    shape: Shape = "linear",
    variogram: Variogram | None = None,
) -> PlaceboStudy:
    """Size, power and empirical detectable effect of the dose slope with weights that are not negative.

    The weights come from the formula's covariance for the first draw and are the same for all draws. Fake cohorts keep
    the doses of the real ones they stand for (moved with them). Without `variogram` it is estimated from these cells.
    Raises EstimationError when the placebo design has no effect with a dose.
    """
    panel = adoptions.panel
    first = CellPanel(
        panel.outcome, panel.units, panel.periods, adoptions.cohort[0], panel.cluster, panel.weight,
        panel.n, panel.total, panel.total_of_squares, panel.value,
    )  # fmt: skip
    layout = Layout.from_panel(first)
    contrasts = group_time_contrasts(layout, options)
    sampling = sampling_variance(panel)
    variogram = variogram or estimate_variogram(panel, sampling=sampling)
    model = estimated_model(layout, variogram, sampling.expected)
    years = doses(dose, contrasts.cohort + adoptions.shift, contrasts.period + adoptions.shift)
    share = dose_share(years, full_years, shape)
    weights = nonnegative_weights(share, factor(effect_covariance(contrasts, model)))
    if weights is None:
        raise EstimationError(f"cells of {panel.outcome}: no placebo cohort has a dose that counts; use another shape.")
    sides = _sides(
        panel.periods, weights.k, _cohorts(adoptions), contrasts.cohort, contrasts.period, contrasts.base, options
    )
    slopes = placebo_slopes(
        adoptions, panel.value, weights.k, float(weights.k @ share),
        cohort=contrasts.cohort, period=contrasts.period, base=contrasts.base, options=options,
    )  # fmt: skip
    return PlaceboStudy(
        slopes=slopes,
        formula_sd=_formula_sd(adoptions, layout, model, sides),
        k=weights.k,
        cohort=contrasts.cohort,
        period=contrasts.period,
        dose=years,
        n_left_out=adoptions.n_left_out,
        shift_years=adoptions.shift,
    )


def _formula_sd(adoptions: PlaceboAdoptions, layout: Layout, model: VarianceModel, sides: list[_Side]) -> float:
    """Root mean variance by the formula over the first draws."""
    fake, cohorts = adoptions.cohort[:FORMULA_DRAWS], _cohorts(adoptions)
    weights = np.zeros((len(fake), *layout.is_observed.shape))
    for side in sides:
        member = np.isin(fake, cohorts[side.member]) * layout.weight
        total = member.sum(axis=1, keepdims=True)
        share = np.divide(member, total, out=np.full(member.shape, np.nan), where=total > 0)
        weights += side.sign * share[:, :, None] * side.profile
    exists = np.isfinite(weights).all(axis=(1, 2))
    return float(np.sqrt(variance(weights[exists], layout, model).mean()))
