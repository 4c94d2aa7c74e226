"""The demo's Land as cells of one outcome, and what three ways of testing find in it year after year.

What belongs here: histories of cells as the demo makes them, and the library's path from cells to looks. What does not:
many histories (looks_measured.py). Places, waves, clusters, weights and doses are those of the demo's plan, built
by the files in sql/; shocks, sizes and effects are those of kkz_eval.demo. A cell's children are one binomial draw,
because children of random traits are just that; the traits that the report adjusts for stay at their mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kkz_eval.cells.panel import NEVER, CellPanel
from kkz_eval.demo import process
from kkz_eval.demo.effects import FULL_EFFECTS, exam_exposure, full_years
from kkz_eval.demo.places import ParticipationRule, make_places
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.contrasts import Contrasts, Layout, combine, group_time_contrasts, overall_loading
from kkz_eval.horizon.detectability import mde_by_year
from kkz_eval.horizon.dose_slope import EffectSet, effects_of, left_out_error, treated_df
from kkz_eval.horizon.exposure import dose_share, doses
from kkz_eval.horizon.looks import Look, LookPlan, PastLook, Reading, take_looks, taken_looks
from kkz_eval.horizon.outcome_horizon import Horizon, HorizonOptions, horizon
from kkz_eval.horizon.variance import VarianceModel, effect_covariance
from kkz_eval.plan.read import parse_plan, shipped_plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, read_frame, write_plan

FloatArray = NDArray[np.float64]
OUTCOME = "german_insufficient"
PLANTED = FULL_EFFECTS[OUTCOME]
GAP_YEARS = process.GAP_YEARS
FIRST_PERIOD = process.ENTRY_YEARS[0]
N_LOOKS = 10
ALPHA = 0.05
TRAITS = process.PROCESSES[OUTCOME]
#: What the average child's education, language and sex add to a cell's mean (shares as in kkz_eval.demo.children).
MEAN_OF_TRAITS = 0.21 * TRAITS.low + 0.45 * TRAITS.middle + 0.22 * TRAITS.other_language + 0.487 * TRAITS.girl
OPTIONS = EstimatorOptions()
SETTINGS = HorizonOptions(shapes=("linear",))


@dataclass(frozen=True)
class Design:
    """Which years are examined and looked at, and how many children there are (share of the real number).

    Looks are the first ten examined entry years from `first_look` on, as the demo's plan begins them.
    """

    name: str
    gap_years: tuple[int, ...] = GAP_YEARS
    scale: float = 1.0
    first_look: int = 2016

    @property
    def looks(self) -> tuple[int, ...]:
        """The ten planned looks."""
        return tuple(y for y in range(self.first_look, self.first_look + 99) if y not in self.gap_years)[:N_LOOKS]

    @property
    def periods(self) -> NDArray[np.int64]:
        """Examined entry years up to the last look."""
        return np.array([y for y in range(FIRST_PERIOD, self.looks[-1] + 1) if y not in self.gap_years], dtype=np.int64)


REAL = Design("real numbers of children")
NO_GAP = Design("the same, no season missing", gap_years=())
SMALL = Design("the demo's 6 % of the children", scale=0.06)


@dataclass(frozen=True, eq=False)
class Land:
    """Places (U,) as the demo's plan compares them; dose: mean years under the programme by (cohort, period).

    first_full: the first cohort and entry year whose children were under the programme from pregnancy on.
    """

    gemeinden: pd.DataFrame
    starts: pd.DataFrame
    rule: ParticipationRule
    units: NDArray[np.str_]
    kreis: NDArray[np.str_]
    wave: NDArray[np.int64]
    cohort: FloatArray
    weight: FloatArray
    dose: dict[tuple[int, int], float]
    full_years: float
    first_full: tuple[int, int]


def read_land() -> Land:
    """The Land of the demo's plan, from the project's own tables."""
    plan = parse_plan(shipped_plan("demo"), "demo")
    connection = in_memory()
    try:
        for schema in ("plan", "reference", "ledger", "cells"):
            connection.execute(f"CREATE SCHEMA {schema}")
        write_plan(connection, plan)
        for name, file in read_catalog().items():
            if file.schema == "reference" or name == "cells.adoption":
                build_table(connection, file)
        adoption = read_frame(connection, "cells.adoption", ("outcome", "unit"))
        exposure = read_frame(connection, "reference.exposure", ("outcome", "wave", "period"))
        gemeinden = read_frame(connection, "reference.gemeinde", ("ags",))
        starts = read_frame(connection, "reference.gemeinde_start", ("ags",))
    finally:
        connection.close()
    own = adoption[adoption["outcome"] == OUTCOME]
    first = own.dropna(subset=["cohort"])[["wave", "cohort"]].drop_duplicates()
    years = exposure[exposure["outcome"] == OUTCOME].merge(first, on="wave")
    full = years[years["is_fully_exposed"]].sort_values("period").iloc[0]
    columns = zip(years["cohort"], years["period"], years["years_under_programme"], strict=True)
    return Land(
        gemeinden=gemeinden,
        starts=starts,
        rule=plan.treatment.participation_rule,
        units=own["unit"].to_numpy(dtype=np.str_),
        kreis=own["cluster"].to_numpy(dtype=np.str_),
        wave=own["wave"].fillna(0).to_numpy(dtype=np.int64),
        cohort=own["cohort"].astype("float64").fillna(NEVER).to_numpy(dtype=np.float64),
        weight=own["weight"].to_numpy(dtype=np.float64),
        dose={(int(g), int(t)): float(d) for g, t, d in columns},
        full_years=float(years["full_years"].iloc[0]),
        first_full=(int(full["cohort"]), int(full["period"])),
    )


def moving_alike(land: Land) -> Land:
    """The same Land if places of all sizes had shocks of one size; in the demo large places move less than small."""
    return replace(land, gemeinden=land.gemeinden.assign(population_2022=50_000.0))


def planted_share(land: Land, periods: NDArray[np.int64]) -> FloatArray:
    """(U, T) share of the full effect in each cell: the mean of the children's own years, not that of the mean age."""
    by_wave = {0: np.zeros(len(periods))}
    for wave in set(land.wave.tolist()) - {0}:
        by_wave[wave] = np.array([exam_exposure(wave, int(period)) for period in periods]) / full_years(OUTCOME)
    return np.array([by_wave[wave] for wave in land.wave.tolist()])


def history(land: Land, design: Design, seed: int, effects: Sequence[float]) -> list[CellPanel]:
    """One history of shocks and children; a panel for each effect of full exposure, all with the same shocks."""
    places = make_places(land.gemeinden, land.starts, land.rule, seed)
    if places.ags != land.units.tolist():
        raise RuntimeError("The demo's places are not those of the plan.")
    year = design.periods - process.FIRST_YEAR
    share = places.level[OUTCOME][:, year] + MEAN_OF_TRAITS
    planted, panels = planted_share(land, design.periods), []
    for effect in effects:
        rng = np.random.default_rng([seed, 1])
        real = rng.poisson(places.cohort_size[:, year])
        n = np.floor(real * design.scale + rng.random(real.shape)).astype(np.int64)
        total = rng.binomial(n, np.clip(share + effect * planted, 0.0, 1.0)).astype(np.float64)
        value = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
        panels.append(
            CellPanel(
                OUTCOME, land.units, design.periods, land.cohort, land.kreis, land.weight,
                n.astype(np.float64), total, total.copy(), value,
            )
        )  # fmt: skip
    return panels


def look_horizon(
    land: Land, design: Design, panel: CellPanel, as_of: int | None = None, settings: HorizonOptions = SETTINGS
) -> Horizon:
    """The horizon to the last planned look, with a variance model from this history alone."""
    return horizon(
        panel,
        land.dose,
        OPTIONS,
        full_years=land.full_years,
        last_year=design.looks[-1],
        as_of_period=as_of,
        settings=settings,
    )


def readings(found: Horizon, design: Design) -> tuple[LookPlan, list[Reading]]:
    """Plan and readings as the report makes them: slopes by GLS, the model's information and its largest value."""
    years = [y for y in found.years if y.information is not None and design.looks[0] <= y.period]
    slopes = {slope.period: slope for slope in found.slopes if slope.method == "gls"}
    plan = LookPlan(
        periods=tuple(y.period for y in years),
        maximum_information=max(y.information for y in years if y.information is not None),
        alpha=ALPHA,
    )
    seen = [y for y in years if not y.is_projected]
    return plan, [
        Reading(y.period, y.information, slopes[y.period].estimate, slopes[y.period].std_error, slopes[y.period].df)
        for y in seen
    ]


@dataclass(frozen=True, eq=False)
class Rivals:
    """p-values of other tests: of the average effect so far at each look (K,), of the first fully exposed cohort."""

    average: FloatArray
    first_full: float


def rivals(land: Land, design: Design, panel: CellPanel, found: Horizon) -> Rivals:
    """The same effects with the same errors and degrees of freedom, put together in the usual ways."""
    effects = effects_of(callaway_santanna(panel, OPTIONS), found.contrasts)
    average = [_p_value(effects, overall_loading(found.contrasts, look)) for look in design.looks]
    cohort, period = land.first_full
    wanted = (found.contrasts.cohort == cohort) & (found.contrasts.period == period)
    if wanted.sum() != 1:
        raise RuntimeError("The first fully exposed cohort is not examined in this design.")
    return Rivals(np.array(average), _p_value(effects, wanted.astype(np.float64)))


def _p_value(effects: EffectSet, loading: FloatArray) -> float:
    part, k = effects.select(loading > 0), loading[loading > 0]
    error, _, _ = left_out_error(part, np.ones(len(k)), k)
    if error is None:
        return 1.0
    return float(2 * stats.t.sf(abs(float(k @ part.effect)) / error, treated_df(part.treated @ k)))


def year_by_year(land: Land, design: Design, panel: CellPanel) -> tuple[list[Look], set[int]]:
    """Each look with the data of its year only, past looks from the ledger, as studies are run.

    Returns the looks as first taken, and the years in which any row shown, old or new, lay beyond its bound.
    """
    past: tuple[PastLook, ...] = ()
    taken: list[Look] = []
    shown: set[int] = set()
    for year in design.looks:
        plan, seen = readings(look_horizon(land, design, panel, as_of=year), design)
        looks = take_looks(plan, past, seen)
        past = taken_looks(past, looks)
        taken += [look for look in looks if look.period == year]
        if any(look.crossed for look in looks):
            shown.add(year)
    return taken, shown


def true_model(land: Land, design: Design, sampling: FloatArray) -> tuple[Layout, VarianceModel]:
    """The variation that the demo has, with expected sampling variances (U, T); nothing in it is estimated."""
    layout = Layout(
        land.units, land.kreis, land.cohort, land.weight, design.periods, np.ones(sampling.shape, dtype=np.bool_)
    )  # fmt: skip
    lag = np.arange(int(np.ptp(design.periods)) + 1, dtype=np.float64)
    population = land.gemeinden["population_2022"].to_numpy(dtype=np.float64)
    moves = np.array([0.8, 1.0, 1.2])  # of large, middling and small places in kkz_eval.demo.places
    size = np.where(population > 100_000, 0, np.where(population > 20_000, 1, 2)).astype(np.intp)
    shock = 2 * (TRAITS.spread * process.SHOCK) ** 2 * (1 - process.SHOCK_PERSISTENCE**lag)
    drift = 2 * (TRAITS.spread * process.DRIFT) ** 2 * (1 - process.DRIFT_PERSISTENCE**lag)
    return layout, VarianceModel(moves[:, None] ** 2 * shock, size, drift, sampling)


@dataclass(frozen=True, eq=False)
class SlopeVariance:
    """Loadings (K, M) of M effects in the slope at every look, and the slope's variance (K,) by the formula."""

    loadings: FloatArray
    variance: FloatArray


def slope_variance(land: Land, design: Design, contrasts: Contrasts, model: VarianceModel) -> SlopeVariance:
    """The monitoring test's weights under a variance model, and what the formula says of their variance."""
    years = doses(land.dose, contrasts.cohort, contrasts.period)
    _, looks, _ = mde_by_year(contrasts, years, dose_share(years, land.full_years), model, last_observed=None)
    slopes = [look.gls for look in looks if look.period in design.looks and look.gls is not None]
    loadings = np.array([np.pad(slope.k, (0, len(years) - len(slope.k))) for slope in slopes])
    return SlopeVariance(loadings, np.array([slope.variance for slope in slopes]))


def cell_weights(land: Land, design: Design, sampling: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights (K, U, T) of the cells in the slope at every look under the true model, and its variances (K,)."""
    layout, model = true_model(land, design, sampling)
    contrasts = group_time_contrasts(layout, OPTIONS)
    slopes = slope_variance(land, design, contrasts, model)
    return combine(contrasts, slopes.loadings), slopes.variance


def estimated_over_true(land: Land, design: Design, panel: CellPanel, sampling: FloatArray, strata: int) -> FloatArray:
    """(K,) the slope's variance as the library estimates it from one history, over that of the same weights in truth.

    strata: number of size classes with a variogram each.
    """
    found = look_horizon(land, design, panel, settings=replace(SETTINGS, strata=strata))
    slopes = slope_variance(land, design, found.contrasts, found.model)
    true = effect_covariance(found.contrasts, true_model(land, design, sampling)[1])
    variance: FloatArray = np.einsum("km,mn,kn->k", slopes.loadings, true, slopes.loadings)
    return slopes.variance / variance
