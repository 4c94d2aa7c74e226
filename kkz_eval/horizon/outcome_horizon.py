"""The horizon of one outcome in one call: from its cells, or from assumptions before there are any.

What belongs here: putting the parts together. What does not: formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, FloatArray
from kkz_eval.horizon.contrasts import Contrasts, Layout, group_time_contrasts
from kkz_eval.horizon.detectability import (
    HorizonYear,
    LookWeights,
    MdeOptions,
    first_detectable_year,
    look_weights,
    mde_by_year,
)
from kkz_eval.horizon.dose_slope import DoseSlope, EffectSet, Method, ShapeTest, effects_of, shape_test, slope_estimate
from kkz_eval.horizon.dose_weights import SlopeWeights, pseudo_inverse_weights
from kkz_eval.horizon.exposure import SHAPES, DoseRule, Shape, dose_share, doses
from kkz_eval.horizon.sampling import sampling_variance
from kkz_eval.horizon.variance import (
    VarianceAssumptions,
    VarianceModel,
    assumed_model,
    effect_covariance,
    estimated_model,
)
from kkz_eval.horizon.variogram import Variogram, estimate_variogram


@dataclass(frozen=True)
class HorizonOptions:
    """How the horizon is computed.

    shape: of the dose in `years`; shapes: for which slopes are estimated; strata: number of size classes with a
    variogram each; curve: variogram within the data as fitted (always valid) or as measured; long_baseline: effects
    before adoption enter the slope with dose 0 (more precise, but rests on parallel trends over all those years).
    """

    shape: Shape = "linear"
    shapes: tuple[Shape, ...] = SHAPES
    mde: MdeOptions = field(default_factory=MdeOptions)
    strata: int = 1
    curve: Literal["fitted", "measured"] = "fitted"
    long_baseline: bool = False


@dataclass(frozen=True, eq=False)
class Horizon:
    """One row per year, slopes per look and shape, and what they rest on.

    `years` from the first treated period to `last_year`; `slopes` for the years with data: by year, shape, method;
    `shape_tests` at the last look; `variogram` None when variances are assumed; `contrasts`, `dose`, `model` for
    further questions; `notes` what was left out.
    """

    outcome: str
    years: tuple[HorizonYear, ...]
    slopes: tuple[DoseSlope, ...]
    shape_tests: dict[Shape, ShapeTest | None]
    variogram: Variogram | None
    contrasts: Contrasts
    dose: FloatArray
    full_years: float
    model: VarianceModel
    notes: tuple[str, ...]

    def first_detectable_year(self, effect: float) -> HorizonYear | None:
        """First year that could tell an effect of full exposure of this size from chance; None if none does."""
        return first_detectable_year(self.years, effect)

    def looks(self) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
        """Periods, information and df of the years with a minimum detectable effect, for sequential bounds."""
        known = [(y.period, y.information, y.df) for y in self.years if y.df is not None and y.information is not None]
        return (
            np.array([row[0] for row in known], dtype=np.int64),
            np.array([row[1] for row in known], dtype=np.float64),
            np.array([row[2] for row in known], dtype=np.float64),
        )


def horizon(
    panel: CellPanel,
    dose: DoseRule,
    options: EstimatorOptions,
    *,
    full_years: float,
    last_year: int,
    as_of_period: int | None = None,
    settings: HorizonOptions | None = None,
) -> Horizon:
    """Minimum detectable effects by year to `last_year`, and the slope δ̂ at every look with data.

    panel: cells whose cluster is the Kreis; dose: years under the programme by (cohort, period); full_years: dose of a
    child under the programme from conception on; options: of `callaway_santanna` in design panel; as_of_period: use
    data up to it only (default: all). The variance model comes from the untreated cells of the data used, and is the
    same at all looks, so that the looks' information grows as sequential bounds suppose.

    Raises EstimationError when no effect can be compared, when fewer than two Kreise have untreated cells, when the
    dose is not known, and when `last_year` lies before the data.
    """
    settings = settings or HorizonOptions()
    panel = _until(panel, as_of_period)
    last_observed = int(panel.periods[-1])
    if last_year < last_observed:
        raise EstimationError(
            f"cells of {panel.outcome}: the horizon ends in {last_year}, before the last period {last_observed} with "
            "data; give a later last year or an earlier as_of_period."
        )
    if not options.weighted:
        panel = replace(panel, weight=np.ones(len(panel.units)))
    layout = Layout.from_panel(panel, last_period=last_year)
    contrasts = group_time_contrasts(layout, options)
    sampling = sampling_variance(panel, n_later=len(layout.periods) - len(panel.periods))
    variogram = estimate_variogram(
        panel,
        anticipation=options.anticipation,
        strata=_size_classes(panel, settings.strata),
        curve=settings.curve,
        sampling=sampling,
    )
    model = estimated_model(layout, variogram, sampling.expected)
    years = doses(dose, contrasts.cohort, contrasts.period)
    share = dose_share(years, full_years, settings.shape)
    rows, looks, lower = mde_by_year(
        contrasts, years, share, model, last_observed=last_observed, options=settings.mde
    )  # fmt: skip
    done = contrasts.period <= last_observed
    compared = _compared(panel, options, last_year)
    effects = effects_of(callaway_santanna(compared, options), contrasts.select(done)) if done.any() else None
    slopes: list[DoseSlope] = []
    tests: dict[Shape, ShapeTest | None] = {}
    if effects is not None:
        n = int(done.sum())
        for shape in settings.shapes:
            h = dose_share(years[:n], full_years, shape)
            found = looks if shape == settings.shape else look_weights(contrasts.select(done), h, lower[:n, :n])
            slopes += _slopes(effects, years, h, found, shape)
            tests[shape] = shape_test(effects.effect, h, lower[:n, :n])
        if settings.long_baseline:
            slopes += _long_baseline(compared, layout, options, model, dose, full_years, settings.shape, last_observed)
    return Horizon(
        outcome=panel.outcome,
        years=tuple(rows),
        slopes=tuple(sorted(slopes, key=lambda s: (s.period, SHAPES.index(s.shape), s.method))),
        shape_tests=tests,
        variogram=variogram,
        contrasts=contrasts,
        dose=years,
        full_years=full_years,
        model=model,
        notes=(*contrasts.notes, *_model_notes(variogram)),
    )


def planned_horizon(
    layout: Layout,
    dose: DoseRule,
    options: EstimatorOptions,
    assumptions: VarianceAssumptions,
    *,
    full_years: float,
    settings: HorizonOptions | None = None,
    outcome: str = "planned",
) -> Horizon:
    """The horizon before there are outcomes, from assumed variances; no slopes, and every year is projected.

    Raises EstimationError as `horizon`, and for assumptions under which the cell means would not vary.
    """
    settings = settings or HorizonOptions()
    contrasts = group_time_contrasts(layout, options)
    model = assumed_model(layout, assumptions)
    years = doses(dose, contrasts.cohort, contrasts.period)
    share = dose_share(years, full_years, settings.shape)
    rows, _, _ = mde_by_year(contrasts, years, share, model, last_observed=None, options=settings.mde)
    return Horizon(
        outcome, tuple(rows), (), {}, None, contrasts, years, full_years, model,
        (*contrasts.notes, "variances are assumed, not estimated"),
    )  # fmt: skip


def _until(panel: CellPanel, as_of_period: int | None) -> CellPanel:
    keep = np.isfinite(panel.value).any(axis=0)
    if as_of_period is not None:
        keep = keep & (panel.periods <= as_of_period)
    if not keep.any():
        raise EstimationError(
            f"cells of {panel.outcome}: there is no value up to the period asked for; choose a later one."
        )
    panel = panel.select_periods(np.asarray(keep))
    has_value = np.isfinite(panel.value).any(axis=1)
    return panel if has_value.all() else panel.select(np.asarray(has_value))


def _compared(panel: CellPanel, options: EstimatorOptions, last_year: int) -> CellPanel:
    """The units of the estimates: whoever adopts between the data and the end of the horizon is not never treated."""
    if options.control_group != "never_treated":
        return panel
    later = (panel.cohort > panel.periods[-1]) & (panel.cohort <= last_year + options.anticipation)
    return panel.select(~later) if later.any() else panel


def _size_classes(panel: CellPanel, n_classes: int) -> NDArray[np.int64] | None:
    """(U,) class of the unit's weight, equally many units in each; None for one class."""
    if n_classes == 1:
        return None
    if not 1 <= n_classes <= len(panel.units):
        raise EstimationError(f"{n_classes} size classes are impossible for {len(panel.units)} units; choose fewer.")
    rank = np.argsort(np.argsort(panel.weight, kind="stable"), kind="stable")
    return (rank * n_classes // len(rank)).astype(np.int64)


def _slopes(
    effects: EffectSet, dose: FloatArray, share: FloatArray, looks: Sequence[LookWeights], shape: Shape
) -> list[DoseSlope]:
    rows = []
    for look in looks:
        n = look.n_effects
        if n > len(effects.effect):
            break
        part = effects.select(np.arange(n))
        of_method: dict[Method, SlopeWeights | None] = {"gls": look.gls, "gls_nonnegative": look.nonnegative}
        for method, weights in of_method.items():
            rows.append(
                slope_estimate(part, share[:n], dose[:n], weights, period=look.period, shape=shape, method=method)
            )
    return rows


def _long_baseline(
    panel: CellPanel,
    layout: Layout,
    options: EstimatorOptions,
    model: VarianceModel,
    dose: DoseRule,
    full_years: float,
    shape: Shape,
    last_observed: int,
) -> list[DoseSlope]:
    """The slope at the last look with all effects before adoption at dose 0."""
    contrasts = group_time_contrasts(layout, options, with_pre_periods=True)
    contrasts = contrasts.select(contrasts.period <= last_observed)
    post = contrasts.is_post
    years = np.zeros(len(post))
    years[post] = doses(dose, contrasts.cohort[post], contrasts.period[post])
    share = np.where(post, dose_share(years, full_years, shape), 0.0)
    weights: SlopeWeights | None = pseudo_inverse_weights(share, effect_covariance(contrasts, model))
    effects = effects_of(callaway_santanna(panel, options), contrasts)
    row = slope_estimate(
        effects, share, years, weights, period=last_observed, shape=shape, method="gls_long_baseline"
    )  # fmt: skip
    return [row]


def _model_notes(variogram: Variogram) -> tuple[str, ...]:
    notes = []
    if not variogram.sampling.is_known:
        notes.append("numbers of children are unknown: drift and sampling are estimated together")
    if variogram.sampling.is_pooled:
        notes.append("the outcome is rare: all cells share one variance per child")
    return tuple(notes)
