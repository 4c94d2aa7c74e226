"""From which year a plan could tell what size of effect from chance, asked before any outcome exists.

What belongs here: the horizon of each outcome of a plan, from assumed variances, from cells before the programme, or
from the tables of a study that has been run. What does not: formulas (kkz_eval.horizon), words (kkz_eval.report).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from kkz_eval.errors import EstimationError, WarehouseError
from kkz_eval.evaluation.look_chances import LookYear, alpha_of, chances, look_settings
from kkz_eval.evaluation.planning_assumptions import Assumed
from kkz_eval.evaluation.planning_cells import CellFile, untreated_cells
from kkz_eval.evaluation.planning_places import Places, places_of, reference_tables, wave_starts
from kkz_eval.evaluation.planning_result import Basis, PlannedOutcome, PlannedYear
from kkz_eval.evaluation.run import specification_of
from kkz_eval.horizon.contrasts import Layout, group_time_contrasts
from kkz_eval.horizon.detectability import HorizonYear, MdeOptions, mde_by_year
from kkz_eval.horizon.exposure import dose_share, doses
from kkz_eval.horizon.outcome_horizon import HorizonOptions, planned_horizon
from kkz_eval.plan.model import Outcome, Plan
from kkz_eval.warehouse import read_frame, stored_plan

OTHER_UNIT = "the assumptions are for shares; give sd, drift and child sd in the unit of this outcome and name it"


def plan_horizon(
    plan: Plan, basis: Assumed | CellFile, *, outcomes: Sequence[str] = (), effect: float | None = None
) -> list[PlannedOutcome]:
    """The horizon of a plan's outcomes before any of them is known.

    basis: assumed variances, or cells of one outcome from before the programme; outcomes: names, default all but
    placebos; effect: size of the full effect to ask about, default the plan's effect_worth_knowing. Places and their
    waves, children and exposure come from the reference tables under the plan's rule; comparison and base period are
    those of its first comparison, without covariates and without adjusting for the children's composition. Every
    outcome is taken to be measured in every place and year but those the plan excludes, up to the end of the horizon.

    Raises EstimationError for an unknown outcome, impossible values, and a plan in which no place takes part; an
    outcome that cannot be planned for another reason has no rows and says why.
    """
    chosen = _chosen(plan, outcomes)
    if isinstance(basis, CellFile) and len(chosen) != 1:
        raise EstimationError(f"{basis.name} holds the cells of one outcome, the plan {len(chosen)}; name the outcome.")
    if isinstance(basis, Assumed) and not all(basis.fits(outcome) for outcome in chosen) and outcomes:
        wrong = next(outcome for outcome in chosen if not basis.fits(outcome))
        raise EstimationError(f"outcome {wrong.name} is measured in {wrong.unit_of_measure}: {OTHER_UNIT}.")
    if isinstance(basis, Assumed) and basis.child_sd is not None and not outcomes:
        raise EstimationError("A standard deviation between children belongs to one outcome; name the outcome.")
    planned = [o for o in chosen if not isinstance(basis, Assumed) or basis.fits(o)]
    _check_effect(planned, effect)
    with reference_tables(plan) as connection:
        return [
            _planned(connection, plan, outcome, basis, effect)
            if outcome in planned
            else _block(connection, plan, outcome, "assumed", effect, {}, reason=OTHER_UNIT)
            for outcome in chosen
        ]


def stored_horizon(
    connection: duckdb.DuckDBPyConnection, *, outcomes: Sequence[str] = (), effect: float | None = None
) -> list[PlannedOutcome]:
    """The horizon of a study that has been run, from its released table: variances are those of its untreated cells.

    Raises WarehouseError when the study has not been run, EstimationError as `plan_horizon`.
    """
    plan = stored_plan(connection)
    chosen = _chosen(plan, outcomes)
    _check_effect(chosen, effect)
    frame = read_frame(connection, "release.detectability", ("outcome", "period"))
    found = []
    for outcome in chosen:
        own = frame[frame["outcome"] == outcome.name]
        records = own.astype(object).where(own.notna(), None).to_dict("records")
        rows = [row for row in records if row["period"]]
        reason = "" if rows else "; ".join(str(row["note"]) for row in records) or "the study holds no horizon of it"
        years = [
            PlannedYear(
                period=int(row["period"]), year=int(row["year"]), is_projected=bool(row["is_projected"]),
                is_extrapolated=bool(row["is_extrapolated"]), n_effects=int(row["n_effects"]),
                years_under_programme=row["years_under_programme"], share_of_full=row["share_of_full"],
                information=row["information"], df=row["df"], mde_full=row["mde_full"],
                mde_full_error=row["mde_full_error"], mde_average=row["mde_average"], is_detectable=None,
                p_detected=None, note=row["note"] or "",
            )
            for row in rows
        ]  # fmt: skip
        told: dict[str, float | None] = {
            "last_period": float(max((y.period for y in years if not y.is_projected), default=0))
        }
        found.append(_block(connection, plan, outcome, "study", effect, told, years, reason=reason))
    return found


def has_stored_horizon(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the study has been run so far that its horizon can be read."""
    try:
        stored_plan(connection)
        read_frame(connection, "release.detectability")
    except WarehouseError:
        return False
    return True


def _chosen(plan: Plan, names: Sequence[str]) -> list[Outcome]:
    """The outcomes asked for, in the plan's order; all but placebos when none is named."""
    known = {outcome.name for outcome in plan.outcomes}
    for name in names:
        if name not in known:
            raise EstimationError(
                f"outcome {name} is not one of plan {plan.study.name}; choose from {', '.join(sorted(known))}."
            )
    return [o for o in plan.outcomes if (o.name in names if names else o.role != "placebo")]


def _check_effect(outcomes: Sequence[Outcome], effect: float | None) -> None:
    if effect is None:
        return
    if not (np.isfinite(effect) and effect > 0):
        raise EstimationError(f"The effect {effect} is impossible; give its size as a number above 0, without a sign.")
    units = sorted({outcome.unit_of_measure for outcome in outcomes})
    if len(units) > 1:
        raise EstimationError(
            f"One effect cannot fit outcomes in {' and '.join(units)}; name the outcome that the effect belongs to."
        )
    if units == ["share"] and effect >= 1:
        raise EstimationError(f"The effect {effect} is impossible for a share; write 3 percentage points as 0.03.")


def _planned(
    connection: duckdb.DuckDBPyConnection, plan: Plan, outcome: Outcome, basis: Assumed | CellFile, effect: float | None
) -> PlannedOutcome:
    places = places_of(connection, plan, outcome)
    kind: Basis = "assumed" if isinstance(basis, Assumed) else "cells"
    try:
        layout = _layout(plan, outcome, places)
        found = (
            _from_assumptions(plan, layout, places, basis)
            if isinstance(basis, Assumed)
            else _from_cells(plan, outcome, layout, places, basis)
        )
    except EstimationError as reason:
        if kind == "cells":
            raise
        return _block(connection, plan, outcome, kind, effect, {}, reason=str(reason))
    years = [_year(outcome, year) for year in found.years]
    told = found.rests_on | {
        "plan_places": len(places.units),
        "plan_clusters": len(set(places.kreis)),
        "children": float(places.children.sum()),
    }
    return _block(connection, plan, outcome, kind, effect, told, years, found.notes)


@dataclass(frozen=True)
class _Found:
    years: Sequence[HorizonYear]
    rests_on: dict[str, float | None]
    notes: tuple[str, ...]


def _settings(plan: Plan) -> HorizonOptions:
    settings = look_settings(plan)
    return HorizonOptions(mde=MdeOptions(alpha=settings.alpha, power=settings.power))


def _left_out(plan: Plan, outcome: Outcome) -> frozenset[int]:
    return frozenset(excluded.period for excluded in plan.excluded_periods if excluded.source == outcome.source)


def _layout(plan: Plan, outcome: Outcome, places: Places) -> Layout:
    """All places in all periods that can be measured by the end of the horizon."""
    first = max(plan.study.first_period, outcome.first_valid_period)
    last = look_settings(plan).projected_to - outcome.measured_months // 12
    if last <= first:
        raise EstimationError(
            f"{outcome.name} is measured from period {first} on, and the horizon ends in period {last}; give a later "
            "projected_to under [looks]."
        )
    return places.layout(range(first, last + 1), _left_out(plan, outcome))


def _from_assumptions(plan: Plan, layout: Layout, places: Places, assumed: Assumed) -> _Found:
    options = specification_of(plan, plan.comparisons[0], "callaway_santanna").options()
    found = planned_horizon(
        layout,
        places.dose,
        options,
        assumed.variances(places.children, len(layout.periods)),
        full_years=places.full_years,
        settings=_settings(plan),
    )
    return _Found(found.years, assumed.told(), found.contrasts.notes)


def _from_cells(plan: Plan, outcome: Outcome, layout: Layout, places: Places, file: CellFile) -> _Found:
    comparison = plan.comparisons[0]
    cells = untreated_cells(
        file, places, outcome.name, anticipation=comparison.anticipation, left_out=_left_out(plan, outcome)
    )
    model, sampling = cells.model(layout, places)
    contrasts = group_time_contrasts(layout, specification_of(plan, comparison, "callaway_santanna").options())
    settings = _settings(plan)
    years = doses(places.dose, contrasts.cohort, contrasts.period)
    share = dose_share(years, places.full_years, settings.shape)
    rows, _, _ = mde_by_year(contrasts, years, share, model, last_observed=None, options=settings.mde)
    told = cells.told() | {"longest_lag": model.longest_lag, "children_known": float(sampling.is_known)}
    return _Found(rows, told, contrasts.notes)


def _year(outcome: Outcome, year: HorizonYear) -> PlannedYear:
    return PlannedYear(
        period=year.period,
        year=year.period + outcome.measured_months // 12,
        is_projected=year.is_projected,
        is_extrapolated=year.is_extrapolated,
        n_effects=year.n_effects,
        years_under_programme=year.max_dose,
        share_of_full=year.mean_share,
        information=year.information,
        df=year.df,
        mde_full=year.mde_full,
        mde_full_error=year.mde_full_error,
        mde_average=year.mde_average,
        is_detectable=None,
        p_detected=None,
        note=year.reason,
    )


def _block(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    outcome: Outcome,
    basis: Basis,
    effect: float | None,
    rests_on: dict[str, float | None],
    years: Sequence[PlannedYear] = (),
    notes: tuple[str, ...] = (),
    reason: str = "",
) -> PlannedOutcome:
    settings = look_settings(plan)
    size = outcome.effect_worth_knowing if effect is None else effect
    return PlannedOutcome(
        outcome=outcome,
        basis=basis,
        waves=wave_starts(connection, plan, outcome),
        years=tuple(_asked(years, plan, outcome, size)),
        effect=size,
        last_year=settings.projected_to,
        alpha=settings.alpha,
        power=settings.power,
        look_alpha=None if plan.looks is None else alpha_of(plan, outcome),
        looks=None if plan.looks is None else (plan.looks.first, plan.looks.last),
        rests_on=rests_on,
        notes=notes,
        reason=reason,
    )


def _asked(years: Sequence[PlannedYear], plan: Plan, outcome: Outcome, effect: float | None) -> list[PlannedYear]:
    """The rows with the answers on one effect size."""
    if effect is None:
        return list(years)
    known = [
        LookYear(y.period, y.year, y.information, y.df) for y in years if y.information is not None and y.df is not None
    ]
    chance = chances(known, plan, outcome, effect)
    return [
        replace(
            year,
            is_detectable=None if year.mde_full is None else year.mde_full <= effect,
            p_detected=chance.get(year.period),
        )
        for year in years
    ]
