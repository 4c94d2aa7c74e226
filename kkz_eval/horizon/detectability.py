"""From which year an effect could be told from chance: minimum detectable effects by year, now and projected.

MDE_full(T) = (t_{df, 1−α/2} + t_{df, power})/√I_T with I_T = h'V⁻¹h over all effects measured by year T: the effect of
full exposure that a two-sided test finds with the stated power if the dose counts as h says. Source: methods.md §2.4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.contrasts import Contrasts, combine, event_loading, latest_event, overall_loading
from kkz_eval.horizon.dose_slope import NO_DOSE, treated_df
from kkz_eval.horizon.dose_weights import SlopeWeights, factor, gls_weights, nonnegative_weights
from kkz_eval.horizon.power_formula import minimum_detectable_effect
from kkz_eval.horizon.spending import crossing_probability, t_bounds
from kkz_eval.horizon.variance import VarianceModel, effect_covariance, variance_error
from kkz_eval.inference.uncertainty import ONE_TREATED

__all__ = ["HorizonYear", "MdeOptions", "detected_by_year", "first_detectable_year", "mde_by_year"]


@dataclass(frozen=True)
class MdeOptions:
    """Two-sided error `alpha` and `power` of the minimum detectable effect."""

    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and 0 < self.power < 1):
            raise EstimationError("Alpha and power of a minimum detectable effect must lie between 0 and 1.")


@dataclass(frozen=True)
class HorizonYear:
    """What could be told from chance with the data up to one period. Units of the outcome; None has a `reason`.

    information: 1/variance of the GLS slope; mde_full: effect of full exposure found by the GLS slope (monitoring
    test); mde_full_error: its jackknife error from the estimated variogram; mde_nonnegative: by the reported slope;
    mde_latest_event: of the single effect after `latest_event_time` periods; mde_average: of the average effect over
    all treated periods so far, whose mean share of the full dose is `mean_share`; df and df_nonnegative of the slopes;
    max_dose: longest exposure measured (years); is_projected: after the data; is_extrapolated: rests on drift over
    more years than are measured; longest_lag: those years.
    """

    period: int
    is_projected: bool
    is_extrapolated: bool
    n_effects: int
    max_dose: float
    mean_share: float | None = None
    df: float | None = None
    df_nonnegative: float | None = None
    information: float | None = None
    mde_full: float | None = None
    mde_full_error: float | None = None
    mde_nonnegative: float | None = None
    mde_latest_event: float | None = None
    latest_event_time: int | None = None
    mde_average: float | None = None
    negative_share: float | None = None
    longest_lag: int = 0
    reason: str = ""

    @property
    def mde_full_by_average(self) -> float | None:
        """Effect of full exposure that the average effect would show: mde_average/mean_share, beside mde_full."""
        if self.mde_average is None or not self.mean_share:
            return None
        return self.mde_average / self.mean_share


@dataclass(frozen=True, eq=False)
class LookWeights:
    """Weights of the slope at one look: the first n_effects of the contrasts lie in or before `period`."""

    period: int
    n_effects: int
    gls: SlopeWeights | None
    nonnegative: SlopeWeights | None


def look_weights(contrasts: Contrasts, share: FloatArray, lower: FloatArray) -> list[LookWeights]:
    """Weights at every period with effects, from h (K,) and the factor of V of all contrasts (ordered by period)."""
    looks = []
    for period in np.unique(contrasts.period):
        n = int((contrasts.period <= period).sum())
        block, h = lower[:n, :n], share[:n]
        looks.append(LookWeights(int(period), n, gls_weights(h, block), nonnegative_weights(h, block)))
    return looks


def mde_by_year(
    contrasts: Contrasts,
    dose: FloatArray,
    share: FloatArray,
    model: VarianceModel,
    *,
    last_observed: int | None,
    options: MdeOptions | None = None,
) -> tuple[list[HorizonYear], list[LookWeights], FloatArray]:
    """Rows by period, the weights behind them, and the factor of V; dose (K,) years and share h (K,) of the contrasts.

    last_observed: last period with data; None: all are planned. Raises EstimationError for effects before adoption
    among the contrasts and when V is no valid covariance.
    """
    options = options or MdeOptions()
    if not contrasts.is_post.all():
        raise EstimationError("Minimum detectable effects by year take effects from adoption on; leave out the others.")
    lower = factor(effect_covariance(contrasts, model))
    looks = look_weights(contrasts, share, lower)
    rows = [_frame(contrasts, dose, share, model, look, last_observed) for look in looks]
    rows = _with_slopes(contrasts, model, looks, rows, options)
    return _with_averages(contrasts, lower, looks, rows, options), looks, lower


def _frame(
    contrasts: Contrasts,
    dose: FloatArray,
    share: FloatArray,
    model: VarianceModel,
    look: LookWeights,
    last_observed: int | None,
) -> HorizonYear:
    longest = int(look.period - contrasts.base[: look.n_effects].min())
    return HorizonYear(
        period=look.period,
        is_projected=last_observed is None or look.period > last_observed,
        is_extrapolated=model.longest_lag is not None and longest > model.longest_lag,
        n_effects=look.n_effects,
        max_dose=float(dose[: look.n_effects].max()),
        mean_share=float(overall_loading(contrasts, look.period) @ share),
        latest_event_time=latest_event(contrasts, look.period),
        longest_lag=longest,
        reason="" if look.gls is not None else NO_DOSE,
    )


def _padded(weights: SlopeWeights, n: int) -> FloatArray:
    return np.concatenate([weights.k, np.zeros(n - len(weights.k))])


def _mde(variance: float, by_kreis: FloatArray, options: MdeOptions) -> tuple[float | None, float | None]:
    """(MDE, df); (None, None) when one treated Kreis alone stands behind the effect."""
    if (by_kreis > 0).sum() <= 1:
        return None, None
    df = treated_df(by_kreis)
    return minimum_detectable_effect(variance, df, alpha=options.alpha, power=options.power), df


def _with_slopes(
    contrasts: Contrasts,
    model: VarianceModel,
    looks: list[LookWeights],
    rows: list[HorizonYear],
    options: MdeOptions,
) -> list[HorizonYear]:
    n = len(contrasts.cohort)
    known = [
        (i, look.gls, look.nonnegative)
        for i, look in enumerate(looks)
        if look.gls is not None and look.nonnegative is not None
    ]
    if not known:
        return rows
    free = np.array([_padded(gls, n) for _, gls, _ in known])
    treated_free = contrasts.treated_by_kreis(free)
    treated_kept = contrasts.treated_by_kreis(np.array([_padded(plus, n) for _, _, plus in known]))
    # With optimal weights the derivative of the variance is that at fixed weights.
    error = variance_error(combine(contrasts, free), contrasts.layout, model)
    rows = list(rows)
    for r, (i, gls, plus) in enumerate(known):
        full, df = _mde(gls.variance, treated_free[r], options)
        reported, df_reported = _mde(plus.variance, treated_kept[r], options)
        rows[i] = replace(
            rows[i],
            information=1 / gls.variance,
            negative_share=gls.negative_share,
            mde_full=full,
            df=df,
            mde_full_error=None if full is None or error is None else float(full * error[r] / (2 * gls.variance)),
            mde_nonnegative=reported,
            df_nonnegative=df_reported,
            reason=ONE_TREATED if full is None else "",
        )
    return rows


def _with_averages(
    contrasts: Contrasts, lower: FloatArray, looks: list[LookWeights], rows: list[HorizonYear], options: MdeOptions
) -> list[HorizonYear]:
    average = np.array([overall_loading(contrasts, look.period) for look in looks])
    latest = np.array(
        [
            event_loading(contrasts, row.latest_event_time, row.period)
            if row.latest_event_time is not None
            else np.zeros(len(contrasts.cohort))
            for row in rows
        ]
    )
    filled = []
    by_kreis = contrasts.treated_by_kreis(np.vstack([average, latest]))
    spread = (np.vstack([average, latest]) @ lower) ** 2
    for i, row in enumerate(rows):
        of_average, _ = _mde(float(spread[i].sum()), by_kreis[i], options)
        of_latest, _ = _mde(float(spread[len(rows) + i].sum()), by_kreis[len(rows) + i], options)
        filled.append(replace(row, mde_average=of_average, mde_latest_event=of_latest))
    return filled


def first_detectable_year(years: Sequence[HorizonYear], effect: float) -> HorizonYear | None:
    """T* = the first year whose mde_full is at most the absolute effect; None if no year of the horizon reaches it."""
    return next((year for year in years if year.mde_full is not None and year.mde_full <= abs(effect)), None)


def detected_by_year(
    information: ArrayLike,
    bounds: ArrayLike,
    effect: float,
    *,
    df: ArrayLike | None = None,
    crossing: Callable[[ArrayLike, ArrayLike, float], FloatArray] = crossing_probability,
) -> FloatArray:
    """Probability (K,) that a look up to the k-th has crossed its z bound when the effect of full exposure is `effect`.

    information (K,) and bounds (K,) of the looks; with df (K,) the bounds become those of Student's t with the same
    p-value, as fits few treated clusters (without it the curve is too hopeful in early years). `crossing` computes
    the probabilities for independent increments. Raises EstimationError as `crossing` does.
    """
    limits = np.atleast_1d(np.asarray(bounds, dtype=np.float64)) if df is None else t_bounds(bounds, df)
    return crossing(np.asarray(information, dtype=np.float64), limits, abs(effect))
