"""Measurement: drift of health offices, children not examined, moves between places, the scale of the effect.

What belongs here: which cells and shares the corrections take. What does not: the corrections.
"""

from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import adjusted_cells
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray, InfluenceMatrix, Parameter, sum_by
from kkz_eval.evaluation.run import ADJUSTS
from kkz_eval.evaluation.threats.columns import Finding, not_estimable
from kkz_eval.evaluation.threats.main_result import MainResult, Result, cells_where, overall_of, plain_cells, word_of
from kkz_eval.evaluation.threats.neighbours import kreise
from kkz_eval.horizon.coverage import coverage_bounds
from kkz_eval.horizon.drift import calibrated, shared_drift
from kkz_eval.horizon.migration import ASSUMES, corrected_for_mobility, true_dose
from kkz_eval.horizon.scale import ratio_effects, scale_dependent
from kkz_eval.horizon.surrogate_unlinked import UnlinkedLink
from kkz_eval.plan.model import Outcome

#: Smallest and largest value of one child, by unit of measure, and of outcomes whose unit has no limits of its own.
LIMITS_OF_UNIT = {"share": (0.0, 1.0), "months": (0.0, 12.0)}
LIMITS_OF_OUTCOME = {"sopess_flagged": (0.0, 9.0)}


def negative_control(main: MainResult) -> list[Finding]:
    """τ − λ·τ_NC: less what an outcome that the programme hardly moves says of drifting offices; `value` is λ."""
    name = main.plan.threats.negative_control
    if not name or name == main.outcome.name:
        raise EstimationError("the plan names no other outcome as negative control.")
    if main.specification.estimator not in {*ADJUSTS, "callaway_santanna"} or main.compared.covariates is not None:
        raise EstimationError("the calibration needs callaway_santanna without covariates of places.")
    control = main.cells.compared(name, main.plan.comparisons[0]).panel
    outcome, control = _in_common(replace(main.panel, cluster=kreise(main)), control)
    drift = _drift(outcome, control, name)
    fits = [callaway_santanna(panel, main.plain.options()) for panel in (outcome, control)]
    result = overall_of(calibrated(fits[0], fits[1], drift.link), main.plain)
    other = float(fits[1].estimate[result.place])
    note = (
        f"value: units of the outcome per unit of {name} in untreated Kreise and years; its own effect there is "
        f"{other:.4g}; sampling errors that both share in the same children are taken to be unrelated"
    )
    return [replace(main.finding("negative_control", result, name, note), value=float(drift.link.slope[0]))]


def _in_common(first: CellPanel, second: CellPanel) -> tuple[CellPanel, CellPanel]:
    """Both panels with the same units and periods, and values only where both have one."""
    panels = []
    for own, other in ((first, second), (second, first)):
        kept = own.select(np.isin(own.units, other.units))
        panels.append(kept.select_periods(np.isin(kept.periods, other.periods)))
    both = np.isfinite(panels[0].value) & np.isfinite(panels[1].value)
    if not both.any():
        raise EstimationError("outcome and negative control were never measured in the same place and period.")
    one, two = (cells_where(replace(panel, cluster=panels[0].cluster), both) for panel in panels)
    return one, two


def _drift(outcome: CellPanel, control: CellPanel, name: str) -> UnlinkedLink:
    """How both drift together, over Kreise and years without any participant yet."""
    labels, code = np.unique(outcome.cluster, return_inverse=True)

    def by_kreis(values: FloatArray) -> FloatArray:
        return sum_by(code.astype(np.intp), len(labels), np.nan_to_num(values))

    n = by_kreis(control.n)
    within = (control.total_of_squares - control.n * control.value**2)[control.n > 1].sum()
    free = (control.n[control.n > 1] - 1).sum()
    safe = np.where(n > 0, n, np.nan)
    spread = max(float(within / free), 0.0) if free > 0 else np.nan
    started = by_kreis((outcome.cohort[:, None] <= outcome.periods[None]).astype(np.float64)) > 0
    return shared_drift(
        by_kreis(outcome.n * outcome.value) / np.where(by_kreis(outcome.n) > 0, by_kreis(outcome.n), np.nan),
        by_kreis(control.total) / safe,
        spread / safe,
        ~started & (n > 0),
        name=name,
        kreise=labels,
    )


def coverage(main: MainResult) -> list[Finding]:
    """With the years that the plan leaves out: as observed, and with children not examined at both extremes.

    Bounds take children of those years who were registered but not examined to have the smallest or the largest
    possible outcome, in the way that moves the effect most. `value`: share of the registered children examined.
    """
    years = _left_out_years(main)
    fuller = main.cells.including(main.outcome.name, years, main.around.excluded_reasons)
    adjusts = main.specification.estimator in ADJUSTS
    compared = fuller.compared(main.outcome.name, main.plan.comparisons[0], by_stratum=adjusts)
    panel = adjusted_cells(compared.panel, main.result.fit) if adjusts else compared.panel
    if not np.isin(years, panel.periods).any():
        raise EstimationError("no place delivered anything for the years that the plan leaves out.")
    result = main.again(panel, compared.covariates, compared.covariate_names)
    said = f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])
    findings = [main.finding("coverage", result, f"{said} as observed")]
    try:
        bounds = _bounded(main, result, plain_cells(compared.panel), years, f"{said} with bounds")
    except EstimationError as reason:
        bounds = not_estimable("coverage", str(reason), f"{said} with bounds")
    return [replace(findings[0], value=bounds.value), bounds]


def _left_out_years(main: MainResult) -> list[int]:
    """Years left out by the plan that could be used otherwise."""
    study, outcome = main.plan.study, main.outcome
    first = max(study.first_period, outcome.first_valid_period)
    last = min(study.last_period, outcome.last_valid_period)
    years = sorted(e.period for e in main.plan.excluded_periods if e.source == outcome.source)
    spoken = 12 * study.as_of.year + study.as_of.month - 1
    usable = [year for year in years if first <= year <= last and 12 * year + outcome.measured_months <= spoken]
    if not usable:
        raise EstimationError("the plan leaves out no year of this outcome's source.")
    return usable


def _bounded(main: MainResult, result: Result, raw: CellPanel, years: list[int], assumption: str) -> Finding:
    """Manski bounds of the effect, widened by the sampling error of the effect as observed."""
    smallest, largest = _limits(main.outcome)
    sample, weights = main.weights_of(result)
    rows, columns = np.searchsorted(raw.units, sample.units), np.searchsorted(raw.periods, sample.periods)
    value = raw.value[np.ix_(rows, columns)]
    examined, expected = _examined_and_expected(main, sample, years)
    # Nobody registered: whoever was examined nevertheless is all there is. An unknown number stays unknown.
    seen = np.where(np.isnan(expected), np.nan, (examined > 0).astype(np.float64))
    np.divide(np.minimum(examined, expected), expected, out=seen, where=expected > 0)
    bounds = coverage_bounds(value, seen, weights, smallest=smallest, largest=largest)
    # Composition is known of the examined children only, so what it explains shifts both ends alike.
    shift = result.estimate - float((weights * np.nan_to_num(value)).sum())
    low, high = bounds.low + shift, bounds.high + shift
    half = main.interval(0.0, result.std_error, result.df)[1]
    enters = (weights != 0) & np.isin(sample.periods, years)[None]
    share = float(np.minimum(examined, expected)[enters].sum() / expected[enters].sum()) if enters.any() else None
    note = f"without sampling error from {low:.4g} to {high:.4g}; value: share of registered children examined"
    if low <= 0 <= high:
        note = f"too wide to tell the direction: {note}"
    row = main.finding("coverage", result, assumption, note)
    return replace(
        row,
        value=share,
        std_error=None,
        ci_low=low - half,
        ci_high=high + half,
        changes_word=word_of(low - half, high + half) != main.word,
    )


def _limits(outcome: Outcome) -> tuple[float, float]:
    limits = LIMITS_OF_OUTCOME.get(outcome.name) or LIMITS_OF_UNIT.get(outcome.unit_of_measure)
    if limits is None:
        raise EstimationError(
            f"a child's value in {outcome.unit_of_measure} has no known limits, so there are no bounds."
        )
    return limits


def _examined_and_expected(main: MainResult, sample: CellPanel, years: list[int]) -> tuple[FloatArray, FloatArray]:
    """(U, T) children with any finding of the exam, and children registered; 1 and 1 in years that do not enter."""
    if not main.around.expected or main.outcome.source != "school_entry_exam":
        raise EstimationError("the number of children expected was not delivered, so coverage is unknown.")
    exam = [o.name for o in main.plan.outcomes if o.source == "school_entry_exam"]
    known = main.cells.known_children(exam)
    counts = {(str(u), int(t)): float(n) for u, t, n in zip(known["unit"], known["period"], known["n"], strict=True)}
    examined, expected = np.ones(sample.value.shape), np.ones(sample.value.shape)
    for t in np.flatnonzero(np.isin(sample.periods, years)):
        for u, unit in enumerate(sample.units.tolist()):
            key = (unit, int(sample.periods[t]))
            examined[u, t] = counts.get(key, 0.0)
            expected[u, t] = main.around.expected.get(key, np.nan)
    return examined, expected


def mobility(main: MainResult) -> list[Finding]:
    """The effect divided by the share of the contrast in dose that moves leave; `value` is that share."""
    moves = main.plan.threats.mobility
    if moves is None:
        raise EstimationError("the plan states no shares of children who move between municipalities.")
    years = _mean_dose(main)
    dose = true_dose(
        max(round(years), 1),
        mobility=moves.yearly_moves,
        treated_in=moves.from_treated_to_treated,
        comparison_in=moves.from_treated_to_comparison,
    )
    found = corrected_for_mobility(main.result.estimate, main.result.std_error, dose)
    said = f"{moves.yearly_moves:.1%} move in a year"
    row = main.moved("mobility", said, found.estimate, found.std_error or 0.0, found.factor)
    note = f"value: share of the contrast in dose that is real, at {dose.nominal} years under the programme; {ASSUMES}"
    return [replace(row, note=note)]


def _mean_dose(main: MainResult) -> float:
    """Mean years under the programme of the treated cells behind the effect, by their weight in it."""
    years = main.cells.years_under_programme(main.outcome.name)
    sample, weights = main.weights_of(main.on_panel)
    treated = sample.cohort[:, None] <= sample.periods[None]
    dose = np.array([[years.get((_whole(g), int(t)), 0.0) for t in sample.periods] for g in sample.cohort])
    own = np.where(treated, weights, 0.0)
    return float((own * dose).sum() / own.sum())


def _whole(cohort: float) -> int:
    return int(cohort) if np.isfinite(cohort) else -1


@dataclass(frozen=True, eq=False)
class _Mean:
    """Weights (K,) of group-time effects, in the order of a fit's parameters."""

    weights: FloatArray

    def of(self, values: FloatArray) -> FloatArray:
        """Weighted means over the last axis of (…, K), over the effects that exist."""
        exists = np.isfinite(values)
        mass = np.where(exists, self.weights, 0.0)
        size = mass.sum(axis=-1)
        total = (mass * np.nan_to_num(values)).sum(axis=-1)
        return np.asarray(np.divide(total, size, out=np.full(np.shape(size), np.nan), where=size > 0))


def ratio_scale(main: MainResult) -> list[Finding]:
    """The effect from parallel trends of ratios, expressed as a difference; `value` is the mean ratio of ratios."""
    raw = plain_cells(main.compared.panel)
    fits = ratio_effects(raw, main.plain.options())
    weights = _overall_weights(main, fits.as_difference)
    fit = _averaged(fits.as_difference, weights)
    result = overall_of(fit, main.plain)
    ratio = float(np.exp(_Mean(weights).of(fits.log_ratio.estimate)))
    additive = callaway_santanna(raw, replace(main.plain, design="cross_section", weighted=False).options())
    flags = [flag for flag, w in zip(scale_dependent(additive, fits.as_difference), weights, strict=True) if w > 0]
    other = int(sum(flag is True for flag in flags))
    note = "value: ratio of ratios; children count alike and composition is not taken out"
    note += f"; {other} of {len(flags)} cohort and year effects change their sign with the scale"
    if result.estimate * main.result.estimate < 0:
        note = f"scale-dependent: the sign differs from that of the difference; {note}"
    return [replace(main.finding("ratio_scale", result, "ratio of ratios", note), value=ratio)]


def _overall_weights(main: MainResult, fit: Fit) -> FloatArray:
    """(K,) weights of the main effect's group-time effects, found again among the parameters of `fit`."""
    main.weights_of(main.on_panel)
    own = main.on_panel.fit
    loading = own.extra["loading"][main.on_panel.place]
    found = {(p.cohort, p.period): float(w) for p, w in zip(own.parameters, loading, strict=False)}
    return np.array([found.get((p.cohort, p.period), 0.0) for p in fit.parameters])


def _averaged(fit: Fit, weights: FloatArray) -> Fit:
    """A fit of one parameter: the weighted mean of group-time effects; the weights are taken as known."""
    mean = _Mean(weights)
    exists: BoolArray = np.asarray(np.isfinite(fit.estimate) & (weights != 0))
    if not exists.any():
        raise EstimationError("no effect exists as a ratio: some group of children has no case at all.")
    share = np.where(exists, weights, 0.0) / weights[exists].sum()
    return replace(
        fit,
        parameters=(Parameter("overall"),),
        estimate=np.atleast_1d(mean.of(fit.estimate)),
        influence=InfluenceMatrix(fit.influence.units, fit.influence.clusters, (fit.influence.values @ share)[:, None]),
        treated_weight=(fit.treated_weight @ share)[:, None],
        used=np.asarray(fit.used[:, exists].any(axis=1))[:, None],
        n_children=np.array([fit.n_children[exists].sum()]),
        is_reference=np.array([False]),
        reason=(None,),
        notes=("",),
        leave_out=lambda: mean.of(fit.leave_out())[:, None],
    )
