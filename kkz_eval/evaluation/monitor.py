"""The horizon of a plan's outcomes: what could be told from chance by when, the slope in years of exposure, and looks.

What belongs here: which cells, doses and settings of the plan go into the horizon. What does not: formulas.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import adjusted_cells, callaway_santanna_adjusted
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.evaluation.horizon_columns import DETECTABILITY_COLUMNS, DOSE_RESPONSE_COLUMNS, PLACEBO_COLUMNS
from kkz_eval.evaluation.look_chances import LookYear, chances, look_settings
from kkz_eval.evaluation.made import Row, row_of
from kkz_eval.evaluation.run import ADJUSTS, specification_of
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.horizon.detectability import HorizonYear, MdeOptions
from kkz_eval.horizon.dose_slope import DoseBin, DoseSlope, dose_curve, effects_of
from kkz_eval.horizon.exposure import SHAPES, THRESHOLD_YEARS
from kkz_eval.horizon.outcome_horizon import Horizon, HorizonOptions, horizon
from kkz_eval.horizon.placebo import PlaceboStudy, placebo_study
from kkz_eval.horizon.placebo_draws import PlaceboAdoptions, placebo_adoptions
from kkz_eval.plan.model import Outcome, Plan

PLACEBO_DRAWS = 2_000


@dataclass(frozen=True, eq=False)
class Monitored:
    """One outcome's cells (composition taken out where the primary estimator does so), options and horizon."""

    outcome: Outcome
    panel: CellPanel
    options: EstimatorOptions
    horizon: Horizon

    def year_of(self, period: int) -> int:
        """Calendar year in which the period is measured."""
        return period + self.outcome.measured_months // 12

    def n_children(self, period: int) -> int | None:
        """Children in treated cells up to the period; None where numbers are unknown."""
        treated = self.panel.cohort[:, None] <= self.panel.periods[None]
        n = self.panel.n[treated & (self.panel.periods <= period)[None]]
        return None if np.isnan(n).any() else round(float(n.sum()))


def monitored(cells: StudyCells, plan: Plan, outcome: Outcome) -> Monitored:
    """The horizon of one outcome in the first comparison. Raises EstimationError when there is none."""
    panel, options = monitored_cells(cells, plan, outcome)
    settings = look_settings(plan)
    full_years = cells.full_years(outcome.name)
    found = horizon(
        panel,
        cells.years_under_programme(outcome.name),
        options,
        full_years=full_years,
        last_year=max(settings.projected_to - outcome.measured_months // 12, int(panel.periods[-1])),
        settings=HorizonOptions(
            mde=MdeOptions(alpha=settings.alpha, power=settings.power),
            strata=size_classes(len(panel.units)),
            # A window of up to three years has no years beyond the third.
            shapes=tuple(shape for shape in SHAPES if shape != "threshold" or full_years > THRESHOLD_YEARS),
        ),
    )
    return Monitored(outcome, panel, options, found)


def size_classes(n_units: int) -> int:
    """Classes of size with a variogram each: small places move more than large ones (docs/yearly_looks.md, 4)."""
    return 10 if n_units >= 200 else 3 if n_units >= 60 else 1


def monitored_cells(cells: StudyCells, plan: Plan, outcome: Outcome) -> tuple[CellPanel, EstimatorOptions]:
    """The cells on which `callaway_santanna` gives the primary estimator's effects, and its options."""
    comparison, estimator = plan.comparisons[0], plan.estimation.estimators[0]
    options = specification_of(plan, comparison, "callaway_santanna").options()
    if estimator not in ADJUSTS:
        return cells.compared(outcome.name, comparison).panel, options
    panel = cells.compared(outcome.name, comparison, by_stratum=True).panel
    return adjusted_cells(panel, callaway_santanna_adjusted(panel, options)), options


def detectability_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.detectability`: every outcome but placebos, by period."""
    cells = StudyCells(connection)
    for outcome in plan.outcomes:
        if outcome.role == "placebo":
            continue
        try:
            found = monitored(cells, plan, outcome)
        except EstimationError as reason:
            yield row_of(
                DETECTABILITY_COLUMNS, outcome=outcome.name, period=0, status="not estimable", note=str(reason)
            )
            continue
        chances = _detected(found, plan)
        for year in found.horizon.years:
            yield _year(found, year, chances.get(year.period))


def _year(found: Monitored, year: HorizonYear, chance: float | None) -> Row:
    worth = found.outcome.effect_worth_knowing
    known = None if worth is None or year.mde_full is None else year.mde_full <= worth
    return row_of(
        DETECTABILITY_COLUMNS,
        outcome=found.outcome.name,
        period=year.period,
        year=found.year_of(year.period),
        is_projected=year.is_projected,
        is_extrapolated=year.is_extrapolated,
        n_effects=year.n_effects,
        years_under_programme=year.max_dose,
        share_of_full=year.mean_share,
        information=year.information,
        df=year.df,
        mde_full=year.mde_full,
        mde_full_error=year.mde_full_error,
        mde_nonnegative=year.mde_nonnegative,
        mde_average=year.mde_average,
        mde_latest_event=year.mde_latest_event,
        latest_event_time=year.latest_event_time,
        effect_worth_knowing=worth,
        is_detectable=known,
        p_detected=chance,
        n=None if year.is_projected else found.n_children(year.period),
        status="not estimable" if year.mde_full is None else "estimated",
        note="; ".join(part for part in (year.reason, *found.horizon.notes) if part),
    )


def _detected(found: Monitored, plan: Plan) -> dict[int, float]:
    """Probability by period that a look has found the effect worth knowing, with the plan's bounds."""
    worth = found.outcome.effect_worth_knowing
    if worth is None:
        return {}
    rows = [
        LookYear(int(period), found.year_of(int(period)), float(information), float(df))
        for period, information, df in zip(*found.horizon.looks(), strict=True)
    ]
    return chances(rows, plan, found.outcome, worth)


def dose_response_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.dose_response`, by primary outcome: slopes by look and shape, dose curve, tests of the shape."""
    cells = StudyCells(connection)
    for outcome in plan.outcomes:
        if outcome.role != "primary":
            continue
        try:
            found = monitored(cells, plan, outcome)
        except EstimationError as reason:
            yield row_of(
                DOSE_RESPONSE_COLUMNS, outcome=outcome.name, kind="slope", shape="linear", method="gls", period=0,
                low=0.0, status="not estimable", note=str(reason),
            )  # fmt: skip
            continue
        for slope in found.horizon.slopes:
            yield _slope(found, slope, plan.estimation.confidence)
        if found.horizon.slopes:
            yield from (_bin(found, one) for one in _curve(found))
            yield from _tests(found)


def _slope(found: Monitored, slope: DoseSlope, confidence: float) -> Row:
    limits = slope.interval(confidence) or (None, None)
    return row_of(
        DOSE_RESPONSE_COLUMNS,
        outcome=found.outcome.name,
        kind="slope",
        shape=slope.shape,
        method=slope.method,
        period=slope.period,
        year=found.year_of(slope.period),
        low=0.0,
        estimate=slope.estimate,
        std_error=slope.std_error,
        df=slope.df,
        ci_low=limits[0],
        ci_high=limits[1],
        information=slope.information,
        negative_share=slope.negative_share,
        mean_years=slope.mean_dose,
        n_effects=slope.n_effects,
        n=found.n_children(slope.period),
        status="estimated" if slope.std_error is not None else "not estimable",
        note="; ".join(part for part in (slope.reason, slope.note) if part),
    )


def _curve(found: Monitored) -> list[DoseBin]:
    """Mean effects by whole years of exposure among the effects with data."""
    contrasts = found.horizon.contrasts
    done = contrasts.period <= found.panel.periods[-1]
    part = contrasts.select(done)
    effects = effects_of(callaway_santanna(found.panel, found.options), part)
    dose = found.horizon.dose[done]
    sizes = np.array([found.panel.weight[found.panel.cohort == cohort].sum() for cohort in part.cohort])
    edges = np.arange(0.0, np.ceil(dose.max()) + 1)
    return dose_curve(effects, dose, sizes, [float(edge) for edge in edges])


def _bin(found: Monitored, one: DoseBin) -> Row:
    last = int(found.panel.periods[-1])
    return row_of(
        DOSE_RESPONSE_COLUMNS,
        outcome=found.outcome.name,
        kind="curve",
        shape="none",
        method="mean",
        period=last,
        year=found.year_of(last),
        low=one.low,
        high=one.high,
        estimate=one.estimate,
        std_error=one.std_error,
        df=one.df,
        mean_years=one.mean_dose,
        n_effects=one.n_effects,
        n=found.n_children(last),
        status="estimated" if one.std_error is not None else "not estimable",
        note=one.reason,
    )


def _tests(found: Monitored) -> Iterator[Row]:
    last = int(found.panel.periods[-1])
    for shape, test in found.horizon.shape_tests.items():
        yield row_of(
            DOSE_RESPONSE_COLUMNS,
            outcome=found.outcome.name,
            kind="shape_test",
            shape=shape,
            method="gls",
            period=last,
            year=found.year_of(last),
            low=0.0,
            p_value=None if test is None else test.p_value,
            n_effects=len(found.horizon.dose),
            n=found.n_children(last),
            status="not estimable" if test is None else "estimated",
            note="" if test is None else "reference: chi-squared, hopeful with few treated clusters",
        )


def placebo_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.placebo_adoption`: fake adoptions, by primary outcome."""
    cells = StudyCells(connection)
    for outcome in plan.outcomes:
        if outcome.role != "primary":
            continue
        try:
            yield _placebo(cells, plan, outcome)
        except EstimationError as reason:
            yield row_of(PLACEBO_COLUMNS, outcome=outcome.name, status="not estimable", note=str(reason))


def _placebo(cells: StudyCells, plan: Plan, outcome: Outcome) -> Row:
    panel, options = monitored_cells(cells, plan, outcome)
    settings = look_settings(plan)
    adoptions, among = _fake_adoptions(panel, options, plan.estimation.seed)
    study: PlaceboStudy = placebo_study(
        adoptions, cells.years_under_programme(outcome.name), options, full_years=cells.full_years(outcome.name)
    )
    return row_of(
        PLACEBO_COLUMNS,
        outcome=outcome.name,
        n_draws=PLACEBO_DRAWS,
        n_units=len(adoptions.panel.units),
        first_period=int(adoptions.panel.periods[0]),
        last_period=int(adoptions.panel.periods[-1]),
        sd=study.sd,
        formula_sd=study.formula_sd,
        ratio=study.sd_ratio,
        size=study.slopes.size(settings.alpha),
        mde=study.slopes.minimum_detectable_effect(settings.power, settings.alpha),
        status="estimated",
        note=f"{among}; draws share one history: their number says nothing of the precision of the ratio",
    )


def _fake_adoptions(panel: CellPanel, options: EstimatorOptions, seed: int) -> tuple[PlaceboAdoptions, str]:
    """Among places that never took part; where they are too few, among all in the years before the programme."""
    try:
        found = placebo_adoptions(panel, draws=PLACEBO_DRAWS, seed=seed, anticipation=options.anticipation)
    except EstimationError:
        found = placebo_adoptions(
            panel, draws=PLACEBO_DRAWS, seed=seed, anticipation=options.anticipation, scope="before_programme"
        )
        return found, "too few places never took part: all places, in the years before the programme"
    return found, "places that never took part, in all years"
