"""Two-way fixed effects and the event study, on cells.

Both are here because readers know them, not because they are the main estimator: with staggered adoption and effects
that differ between cohorts they weight some effects negatively (Goodman-Bacon 2021, Sun and Abraham 2021).
"""

from dataclasses import replace

import numpy as np

from kkz_eval.cells.panel import NEVER, CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.least_squares import (
    WithinDesign,
    absorbed_covariates,
    small_sample_factor,
    solve,
    solve_without_each_cluster,
    within_design,
)
from kkz_eval.estimators.result import (
    BoolArray,
    EstimatorOptions,
    Fit,
    FloatArray,
    InfluenceMatrix,
    Parameter,
)

EXPLAINED = "explained by the fixed effects and the other terms"


def two_way_fixed_effects(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """One coefficient: mean of the outcome on "adopted", with unit and period effects.

    Design `panel` and `unbalanced`: cells weighted by the unit's fixed weight; `cross_section`: also by children,
    which equals the regression on children. Periods of anticipation before adoption are left out, so that they count
    neither as treated nor as untreated; so are units treated up to the first period plus anticipation.
    `options.covariates` (U, T, k) follow as further terms. Analytic errors are fixest's default (clusters, unit
    effects counted as nested), with clusters minus one degrees of freedom.

    Raises EstimationError when no treated cell with a comparison is left.
    """
    sample, covariates, note = comparable(panel, options)
    event = event_times(sample)
    adopted = event >= 0
    keep = ~((event >= -options.anticipation) & (event < 0))
    regressors = np.concatenate([adopted[:, :, None].astype(np.float64), covariates], axis=2)
    design = within_design(
        sample, regressors, keep, weighted=options.weighted, by_children=options.design == "cross_section"
    )
    terms = (Parameter("static"), *(Parameter("static", label=name) for name in options.covariate_names))
    cells = [adopted, *(keep for _ in options.covariate_names)]
    note = "; ".join(filter(None, [note, absorbed_covariates(design, options.covariate_names, first=1)]))
    return _fit("two_way_fixed_effects", design, terms, cells, note)


def event_study(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """One coefficient per event time, with unit and period effects; never-treated units have none.

    The reference is −1 minus anticipation, or the last observed event time before it. `min_event` and `max_event`
    collect all earlier and all later event times in one term each. Without a never-treated unit the earliest event
    time serves as second reference. `overall` is the mean of the coefficients since adoption. Weights, covariates
    and errors as in `two_way_fixed_effects`.

    Raises EstimationError when no treated cell with a comparison is left.
    """
    sample, covariates, note = comparable(panel, options)
    event = event_times(sample)
    observed = np.isfinite(event) & np.isfinite(sample.value)
    low = -np.inf if options.min_event is None else options.min_event
    high = np.inf if options.max_event is None else options.max_event
    binned = np.where(np.isfinite(event), np.clip(event, low, high), event)
    times = np.unique(binned[observed]).astype(np.int64)
    before = times[times <= -1 - options.anticipation]
    if len(before) == 0:
        raise EstimationError(f"cells of {panel.outcome}: no treated unit has a value before adoption; add periods.")
    reference = int(before[-1])
    others = times[times != reference]
    ordered = np.sort(others)[::-1]  # the earliest comes last, so that it is the one dropped as second reference
    dummies = binned[:, :, None] == ordered[None, None, :]
    design = within_design(
        sample,
        np.concatenate([covariates, dummies.astype(np.float64)], axis=2),
        np.ones(event.shape, dtype=bool),
        weighted=options.weighted,
        by_children=options.design == "cross_section",
    )
    note = "; ".join(filter(None, [note, absorbed_covariates(design, options.covariate_names)]))
    keep = np.ones(event.shape, dtype=bool)
    terms = (
        *(Parameter("event", label=name) for name in options.covariate_names),
        *(Parameter("event", event_time=int(e)) for e in ordered),
    )
    cells = [*(keep for _ in options.covariate_names), *(dummies[:, :, i] for i in range(len(ordered)))]
    if (binned != event)[observed].any():
        note = "; ".join([*filter(None, [note]), f"event times collected from {times[0]} down and {times[-1]} up"])
    fit = _fit("event_study", design, terms, cells, note)
    return _with_reference_and_mean(fit, reference, (binned == reference) & design.enters)


def comparable(panel: CellPanel, options: EstimatorOptions) -> tuple[CellPanel, FloatArray, str]:
    """Units that can be compared, their covariates (U, T, k), and in words what was left out.

    Cohorts after the last period plus anticipation count as never treated; units treated up to the first period plus
    anticipation are left out. Raises EstimationError when covariates do not fit or no treated unit is left.
    """
    covariates = np.zeros((*panel.value.shape, 0)) if options.covariates is None else options.covariates
    if covariates.shape != (*panel.value.shape, len(options.covariate_names)):
        raise EstimationError(
            f"cells of {panel.outcome}: covariates have shape {covariates.shape}; they need one layer of "
            f"units × periods for each of the {len(options.covariate_names)} covariate names."
        )
    has_value: BoolArray = np.asarray(np.isfinite(panel.value).any(axis=0))
    panel, covariates = panel.select_periods(has_value), covariates[:, has_value]
    if len(panel.periods) == 0:
        raise EstimationError(f"cells of {panel.outcome}: no cell has a value; nothing can be estimated.")
    cohort = np.where(panel.cohort > panel.periods[-1] + options.anticipation, NEVER, panel.cohort)
    always: BoolArray = np.asarray(cohort <= panel.periods[0] + options.anticipation)
    panel = replace(panel, cohort=cohort).select(~always)
    if not (panel.cohort <= panel.periods[-1]).any():
        raise EstimationError(f"cells of {panel.outcome}: no unit adopts after the first observed period; add periods.")
    note = f"{int(always.sum())} units treated before any base period left out" if always.any() else ""
    return panel, covariates[~always], note


def event_times(panel: CellPanel) -> FloatArray:
    """(U, T) period minus first treated period, −inf for units never treated."""
    return panel.periods[None, :].astype(np.float64) - panel.cohort[:, None]


def _fit(
    name: str,
    design: WithinDesign,
    terms: tuple[Parameter, ...],
    cells: list[BoolArray],
    note: str,
) -> Fit:
    solution = solve(design)
    panel = design.panel
    n_clusters = len(np.unique(panel.cluster[np.unique(design.row_unit)]))
    treated = [mask & design.enters & np.isfinite(panel.cohort)[:, None] for mask in cells]
    weight = panel.weight[:, None]
    used = np.zeros(len(panel.units), dtype=bool)
    used[design.row_unit] = True
    n_single = int((~used).sum())
    notes = "; ".join(filter(None, [note, f"{n_single} units with fewer than two values left out" if n_single else ""]))
    factor = small_sample_factor(design.n_observations, solution.rank + 1, n_clusters)
    return Fit(
        estimator=name,
        parameters=terms,
        estimate=solution.coefficient,
        influence=InfluenceMatrix(panel.units, panel.cluster, solution.influence),
        treated_weight=np.column_stack([(weight * mask).sum(axis=1) for mask in treated]),
        used=np.repeat(used[:, None], len(terms), axis=1),
        n_children=np.array([panel.n[mask].sum() for mask in treated]),
        is_reference=np.zeros(len(terms), dtype=bool),
        reason=tuple(EXPLAINED if np.isnan(b) else None for b in solution.coefficient),
        notes=(notes,) * len(terms),
        leave_out=lambda: solve_without_each_cluster(design),
        variance_factor=factor,
        analytic_df=np.full(len(terms), n_clusters - 1.0),
        extra={"design": design, "rank": solution.rank, "n_units": int(used.sum())},
    )


def _with_reference_and_mean(fit: Fit, reference: int, cells: BoolArray) -> Fit:
    """Add the reference (zero) and the mean of the coefficients since adoption."""
    times = np.array([np.nan if p.event_time is None else p.event_time for p in fit.parameters])
    since = (times >= 0) & np.isfinite(fit.estimate)
    share = since / max(int(since.sum()), 1)
    sample: CellPanel = fit.extra["design"].panel

    def leave_out() -> FloatArray:
        left = fit.leave_out()
        after = left[:, times >= 0]
        exists = np.isfinite(after)
        count = exists.sum(axis=1)
        mean = np.divide(np.nan_to_num(after).sum(axis=1), count, out=np.full(len(left), np.nan), where=count > 0)
        return np.column_stack([left, np.zeros(len(left)), mean])

    def append(columns: FloatArray, reference_column: FloatArray, mean_column: FloatArray) -> FloatArray:
        return np.column_stack([columns, reference_column, mean_column])

    values, weight = fit.influence.values, fit.treated_weight
    n_reference = np.array([sample.n[cells].sum()])
    enters = since.astype(np.float64)
    return replace(
        fit,
        parameters=(*fit.parameters, Parameter("event", event_time=reference), Parameter("event", label="overall")),
        estimate=np.concatenate(
            [fit.estimate, [0.0, float(np.nan_to_num(fit.estimate) @ share) if since.any() else np.nan]]
        ),
        influence=replace(fit.influence, values=append(values, np.zeros(len(values)), values @ share)),
        treated_weight=append(weight, (sample.weight[:, None] * cells).sum(axis=1), weight @ share),
        used=np.repeat(fit.used[:, :1], len(times) + 2, axis=1),
        n_children=np.concatenate([fit.n_children, n_reference, [fit.n_children[enters > 0].sum()]]),
        is_reference=np.append(fit.is_reference, [True, False]),
        reason=(*fit.reason, None, None if since.any() else "no coefficient since adoption"),
        notes=(
            *fit.notes,
            *fit.notes[:1],
            "; ".join(["mean of the effects since adoption", *filter(None, fit.notes[:1])]),
        ),
        leave_out=leave_out,
        analytic_df=None if fit.analytic_df is None else np.append(fit.analytic_df, fit.analytic_df[:1].repeat(2)),
    )
