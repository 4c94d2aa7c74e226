"""The effect δ of full exposure, from group-time effects of cohorts with different doses: ATT(g,t) = δ·h(d(g,t)).

The slope is a weighted sum k'θ of the effects; the weights come from doses and a covariance, never from outcomes'
means, and stay fixed in its errors. Free GLS weights make yearly looks independent in their increments (the monitoring
statistic); weights that are not negative give the reported estimate. If effects differ by cohort for other reasons
than dose, δ is their k-weighted average. Source: methods.md §1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray
from kkz_eval.horizon.contrasts import Contrasts
from kkz_eval.horizon.dose_weights import SlopeWeights
from kkz_eval.horizon.exposure import Shape
from kkz_eval.inference.uncertainty import ONE_COMPARISON, ONE_TREATED

Method = Literal["gls", "gls_nonnegative", "gls_long_baseline"]
NO_DOSE = "no cohort has a dose that counts by this year"
UNSTABLE = "does not exist without one of its clusters: no standard error"
SMALLEST_REST = 0.05


@dataclass(frozen=True, eq=False)
class EffectSet:
    """K estimated effects with what inference needs, ordered as the contrasts they were looked up for.

    effect (K,); influence (U, K) in sums; left_out (C, K) without each cluster, NaN where an effect is gone;
    treated (C, K) treated weight and is_comparison (C, K) by cluster.
    """

    cohort: NDArray[np.int64]
    period: NDArray[np.int64]
    effect: FloatArray
    influence: FloatArray
    left_out: FloatArray
    treated: FloatArray
    is_comparison: BoolArray

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> "EffectSet":
        """Some of the effects, by mask or positions."""
        columns = {name: getattr(self, name)[:, keep] for name in ("influence", "left_out", "treated", "is_comparison")}
        rows = {name: getattr(self, name)[keep] for name in ("cohort", "period", "effect")}
        return replace(self, **rows, **columns)


@dataclass(frozen=True)
class DoseSlope:
    """One estimate of δ with the data up to `period`, in units of the outcome at full exposure.

    std_error, df from leaving out clusters with k fixed; model_std_error from the variance model; negative_share of
    the weights; mean_dose: Σ|k|d/Σ|k| years, max_dose: longest dose measured by then; `reason` says why numbers are
    missing; `note` what to know.
    """

    period: int
    shape: Shape
    method: Method
    estimate: float | None
    std_error: float | None
    df: float | None
    model_std_error: float | None
    information: float | None
    negative_share: float | None
    n_effects: int
    mean_dose: float | None
    max_dose: float | None
    reason: str = ""
    note: str = ""

    def interval(self, confidence_level: float = 0.95) -> tuple[float, float] | None:
        """Limits from Student's t; None without a standard error."""
        if self.estimate is None or self.std_error is None or self.df is None:
            return None
        half = float(stats.t.ppf(0.5 + confidence_level / 2, self.df)) * self.std_error
        return self.estimate - half, self.estimate + half


def effects_of(fit: Fit, contrasts: Contrasts) -> EffectSet:
    """The effects of a `callaway_santanna` fit in the order of the contrasts (which all lie within its data).

    Raises EstimationError when the fit lacks one of them.
    """
    where = {(p.cohort, p.period): i for i, p in enumerate(fit.parameters) if p.aggregation == "group_time"}
    pairs = list(zip(contrasts.cohort.tolist(), contrasts.period.tolist(), strict=True))
    chosen = [where[pair] for pair in pairs if pair in where and np.isfinite(fit.estimate[where[pair]])]
    if len(chosen) != len(pairs):
        raise EstimationError(
            f"{len(pairs) - len(chosen)} of {len(pairs)} effects were not estimated; "
            "make the contrasts for the periods and options of the estimate."
        )
    labels, code = np.unique(fit.influence.clusters, return_inverse=True)
    by_cluster = np.eye(len(labels))[code].T
    treated = fit.treated_weight[:, chosen]
    comparison = fit.used[:, chosen] & (treated == 0)
    return EffectSet(
        cohort=contrasts.cohort,
        period=contrasts.period,
        effect=fit.estimate[chosen],
        influence=fit.influence.values[:, chosen],
        left_out=fit.leave_out()[:, chosen],
        treated=by_cluster @ treated,
        is_comparison=(by_cluster @ comparison.astype(np.float64)) > 0,
    )


def slope_estimate(
    effects: EffectSet,
    share: FloatArray,
    dose: FloatArray,
    weights: SlopeWeights | None,
    *,
    period: int,
    shape: Shape,
    method: Method,
) -> DoseSlope:
    """δ̂ = k'θ̂ with its error, for effects, h (K,) and doses (K,) in the same order."""
    longest = float(dose.max()) if len(dose) else None
    empty = DoseSlope(period, shape, method, None, None, None, None, None, None, len(dose), None, longest, NO_DOSE)
    if weights is None:
        return empty
    k = weights.k
    std_error, reason, note = left_out_error(effects, share, k)
    df = treated_df(effects.treated @ np.abs(k)) if std_error is not None else None
    return replace(
        empty,
        estimate=float(k @ effects.effect),
        std_error=std_error,
        df=df,
        model_std_error=float(np.sqrt(weights.variance)),
        information=1 / weights.variance,
        negative_share=weights.negative_share,
        mean_dose=float(np.abs(k) @ dose / np.abs(k).sum()),
        reason=reason,
        note=note,
    )


def slope_influence(effects: EffectSet, k: FloatArray) -> FloatArray:
    """(U,) influence function k'ψ of the slope with k fixed, in sums over units."""
    influence: FloatArray = effects.influence @ k
    return influence


def left_out_slopes(effects: EffectSet, share: FloatArray, k: FloatArray) -> FloatArray:
    """(C,) the slope without each cluster, k fixed; NaN where it does not exist.

    Where a cohort rests on one cluster its effects go with the cluster; the others' weights are then scaled to k'h = 1.
    """
    exists = np.isfinite(effects.left_out)
    rest = exists @ (k * share)
    numerator = np.nan_to_num(effects.left_out) @ k
    left = np.divide(numerator, rest, out=np.full(len(rest), np.nan), where=np.abs(rest) > SMALLEST_REST)
    return np.asarray(left, dtype=np.float64)


def left_out_error(effects: EffectSet, share: FloatArray, k: FloatArray) -> tuple[float | None, str, str]:
    """Standard error by leaving out each cluster (CV3), or None with the reason; and a note on thin cohorts.

    Source: MacKinnon, Nielsen and Webb (2023).
    """
    used = np.abs(k) > 0
    n_treated = int((effects.treated[:, used] > 0).any(axis=1).sum())
    if n_treated <= 1:
        return None, ONE_TREATED, ""
    if effects.is_comparison[:, used].any(axis=1).sum() <= 1:
        return None, ONE_COMPARISON, ""
    slopes = left_out_slopes(effects, share, k)
    if np.isnan(slopes).any():
        return None, UNSTABLE, ""
    n = len(slopes)
    error = float(np.sqrt((n - 1) / n * ((slopes - k @ effects.effect) ** 2).sum()))
    thin = np.unique(effects.cohort[np.isnan(effects.left_out).any(axis=0) & used])
    note = f"cohort {', '.join(map(str, thin))} rests on one cluster" if len(thin) else ""
    return (error, "", note) if error > 0 else (None, "no variation between clusters: no standard error", note)


def treated_df(treated_weight: FloatArray) -> float:
    """Effective treated clusters (Σa)²/Σa² minus one, at least one, from the treated weight (C,) of the clusters."""
    squares = float((treated_weight**2).sum())
    return max(float(treated_weight.sum()) ** 2 / squares - 1.0, 1.0) if squares > 0 else 1.0


@dataclass(frozen=True)
class ShapeTest:
    """Whether the effects fit one slope in h: `statistic` J, `n_restrictions` m − 1, `p_value`; `reference` of it."""

    statistic: float
    n_restrictions: int
    p_value: float
    reference: Literal["chi-squared", "placebo"]


def shape_statistic(effect: FloatArray, share: FloatArray, lower: FloatArray) -> FloatArray:
    """J = (θ − hδ̂)'V⁻¹(θ − hδ̂) of effects (K,), or of R draws (R, K), with the factor of V and δ̂ by GLS."""
    scaled = linalg.solve_triangular(lower, np.atleast_2d(effect).T, lower=True)
    half = linalg.solve_triangular(lower, share, lower=True)
    rest = scaled - half[:, None] * (half @ scaled / (half @ half))[None]
    return np.asarray((rest**2).sum(axis=0), dtype=np.float64)


def shape_test(
    effect: FloatArray, share: FloatArray, lower: FloatArray, draws: FloatArray | None = None
) -> ShapeTest | None:
    """Test of the dose shape; None with fewer than two effects or without any dose.

    The reference is χ²(m − 1), which needs many more treated clusters than effects; or `draws` (R, K) of the effects
    from placebo adoptions, then p = (1 + number of draws with at least the observed J)/(1 + R).
    """
    if len(effect) < 2 or not (share > 0).any():
        return None
    observed = float(shape_statistic(effect, share, lower)[0])
    if draws is None:
        return ShapeTest(observed, len(effect) - 1, float(stats.chi2.sf(observed, len(effect) - 1)), "chi-squared")
    reached = shape_statistic(draws, share, lower) >= observed * (1 - 1e-9)
    return ShapeTest(observed, len(effect) - 1, float((1 + reached.sum()) / (1 + len(draws))), "placebo")


@dataclass(frozen=True)
class DoseBin:
    """Average effect of the cohorts with a dose of `low` to below `high` years (the last bin holds `high` too)."""

    low: float
    high: float
    mean_dose: float | None
    estimate: float | None
    std_error: float | None
    df: float | None
    n_effects: int
    reason: str = ""


def dose_curve(effects: EffectSet, dose: FloatArray, size: FloatArray, edges: Sequence[float]) -> list[DoseBin]:
    """τ(d): averages of the effects by dose, weighted by the size (K,) of their cohorts, in bins with these edges.

    Dose and maturity of the programme cannot be told apart before children are fully exposed: both are years since
    start. Raises EstimationError for edges that do not ascend.
    """
    if len(edges) < 2 or (np.diff(edges) <= 0).any():
        raise EstimationError("The edges of dose bins must ascend, and there must be at least two.")
    return [_bin(effects, dose, size, low, high, is_last=high == edges[-1]) for low, high in pairwise(edges)]


def _bin(effects: EffectSet, dose: FloatArray, size: FloatArray, low: float, high: float, *, is_last: bool) -> DoseBin:
    inside = (dose >= low) & ((dose < high) | (is_last & (dose == high)))
    if not inside.any():
        return DoseBin(low, high, None, None, None, None, 0, "no cohort has a dose in this range")
    part, k = effects.select(inside), size[inside] / size[inside].sum()
    std_error, reason, _ = left_out_error(part, np.ones(len(k)), k)
    return DoseBin(
        low=low,
        high=high,
        mean_dose=float(k @ dose[inside]),
        estimate=float(k @ part.effect),
        std_error=std_error,
        df=None if std_error is None else treated_df(part.treated @ k),
        n_effects=int(inside.sum()),
        reason=reason,
    )
