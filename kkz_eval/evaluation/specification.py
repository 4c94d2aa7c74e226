"""One way to compare, and the rows of results it gives."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.registry import ESTIMANDS, estimator
from kkz_eval.estimators.result import (
    BasePeriod,
    ControlGroup,
    Design,
    Estimate,
    EstimatorOptions,
    Fit,
    FloatArray,
    Method,
    Parameter,
)
from kkz_eval.estimators.triple import NAME as TRIPLE_DIFFERENCES
from kkz_eval.estimators.triple import triple_differences
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.inference.multiplier import few_cluster_critical_values, simultaneous_critical_value
from kkz_eval.inference.pretest import wald_pretest
from kkz_eval.inference.uncertainty import Uncertainty, cluster_counts, effective_treated_clusters, t_intervals

REFERENCE = "reference period, zero by construction"
#: Estimators whose own notes do not say what they estimate.
WORDLESS = frozenset(
    {"callaway_santanna", "callaway_santanna_adjusted", "two_way_fixed_effects", "event_study", "synthetic_did"}
)


@dataclass(frozen=True)
class Specification:
    """A comparison, fixed before the data are looked at.

    `comparison` is the name under which its rows are stored; `estimator` a name of the registry; `confidence_level`
    of intervals and bands; `draws` and `seed` of the multiplier bootstrap behind the bands. The other fields are
    explained at `EstimatorOptions`.

    Raises EstimationError for unknown choices and numbers out of range.
    """

    comparison: str
    estimator: str = "callaway_santanna"
    control_group: ControlGroup = "not_yet_treated"
    base_period: BasePeriod = "universal"
    anticipation: int = 0
    design: Design = "panel"
    inference: Literal["analytic", "jackknife"] = "jackknife"
    confidence_level: float = 0.95
    seed: int = 20120101
    draws: int = 10_000
    weighted: bool = True
    balance_event: int | None = None
    min_event: int | None = None
    max_event: int | None = None
    fully_exposed: frozenset[tuple[int, int]] = frozenset()
    method: Method = "dr"
    dose_edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        where = f"specification {self.comparison}"
        if self.inference not in ("analytic", "jackknife"):
            raise EstimationError(
                f"{where}: inference = {self.inference!r} is not known; choose analytic or jackknife."
            )
        if not 0 < self.confidence_level < 1:
            raise EstimationError(f"{where}: confidence_level = {self.confidence_level} is not between 0 and 1.")
        if self.draws < 100:
            raise EstimationError(f"{where}: draws = {self.draws} is too few for a band; give at least 100.")
        estimator(self.estimator)
        self.options()

    def options(
        self, covariates: FloatArray | None = None, names: tuple[str, ...] = (), dose: FloatArray | None = None
    ) -> EstimatorOptions:
        """The part that the estimator sees."""
        return EstimatorOptions(
            control_group=self.control_group,
            base_period=self.base_period,
            anticipation=self.anticipation,
            design=self.design,
            weighted=self.weighted,
            balance_event=self.balance_event,
            min_event=self.min_event,
            max_event=self.max_event,
            fully_exposed=self.fully_exposed,
            covariates=covariates,
            covariate_names=names,
            method=self.method,
            dose=dose,
            dose_edges=self.dose_edges,
        )


def fit_specification(
    panel: CellPanel,
    specification: Specification,
    covariates: FloatArray | None = None,
    covariate_names: tuple[str, ...] = (),
) -> Fit:
    """Estimates and influence functions, for whoever needs more than rows (bands over outcomes, sensitivity, horizon).

    Raises EstimationError when nothing can be estimated.
    """
    return estimator(specification.estimator)(panel, specification.options(covariates, covariate_names))


def uncertainty_of(fit: Fit, specification: Specification) -> Uncertainty:
    """Standard errors, degrees of freedom and covariance as the specification asks for."""
    return jackknife(fit) if specification.inference == "jackknife" else analytic(fit)


def run_specification(
    panel: CellPanel,
    specification: Specification,
    covariates: FloatArray | None = None,
    covariate_names: tuple[str, ...] = (),
    dose: FloatArray | None = None,
) -> list[Estimate]:
    """All rows of one specification on one outcome.

    covariates: (U, T, k) held constant, with their k names (`EstimatorOptions`); they give no rows of their own.
    dose: (U, T), for estimator dose.

    callaway_santanna: every group_time, overall, group, calendar and event row, the mean of each aggregation (the row
    without cohort, period or event time), and a pretest row. event_study: event rows, their mean, pretest.
    two_way_fixed_effects: one static row. dose: one overall row, and the dose rows that their notes name. Event rows
    carry simultaneous bands. What cannot be estimated is a row with status `not estimable` and the reason in `note`;
    when nothing can, that is one row.
    """
    build = estimator(specification.estimator)
    try:
        fit = build(panel, specification.options(covariates, covariate_names, dose))
    except EstimationError as reason:
        return [not_estimable(panel.outcome, specification, str(reason))]
    return _rows_of_fit(panel, specification, fit)


def gap_rows(
    first: CellPanel, second: CellPanel, specification: Specification, names: tuple[str, str] = ("first", "second")
) -> list[Estimate]:
    """Does a gap close? Effects on two strata and on the gap between them, on one sample (`triple_differences`).

    first, second: cells of the strata, called by `names`. The comparison of the rows is that of the specification with
    ": first", ": second" and ": first minus second" (the names) after it; rows of the gap have estimator
    triple_differences. When nothing can be estimated, that is one row, of the gap.

    Raises EstimationError for a specification of another estimator than callaway_santanna.
    """
    if specification.estimator != "callaway_santanna":
        raise EstimationError(
            f"specification {specification.comparison}: a gap is estimated by callaway_santanna, not by "
            f"{specification.estimator}; change the estimator."
        )
    said = [*names, f"{names[0]} minus {names[1]}"]
    chosen = [replace(specification, comparison=f"{specification.comparison}: {name}") for name in said]
    try:
        fit = triple_differences(first, second, specification.options())
    except EstimationError as reason:
        return [replace(not_estimable(first.outcome, chosen[2], str(reason)), estimator=TRIPLE_DIFFERENCES)]
    fits: list[Fit] = [fit.extra["first"], fit.extra["second"], fit]
    return [
        replace(row, estimator=one.estimator)
        for one, own in zip(fits, chosen, strict=True)
        for row in _rows_of_fit(first, own, one)
    ]


def _rows_of_fit(panel: CellPanel, specification: Specification, fit: Fit) -> list[Estimate]:
    uncertainty = uncertainty_of(fit, specification)
    rows = _rows(panel, specification, fit, uncertainty)
    if fit.index(aggregation="event"):
        rows.append(_pretest(panel, specification, fit, uncertainty))
    return rows


def not_estimable(outcome: str, specification: Specification, reason: str) -> Estimate:
    """The one row of a specification that cannot be estimated at all, with the reason in `note`."""
    return Estimate(
        outcome=outcome,
        comparison=specification.comparison,
        estimator=specification.estimator,
        aggregation="static" if specification.estimator == "two_way_fixed_effects" else "overall",
        status="not estimable",
        note=reason,
    )


def _rows(panel: CellPanel, specification: Specification, fit: Fit, uncertainty: Uncertainty) -> list[Estimate]:
    limits = t_intervals(fit.estimate, uncertainty, specification.confidence_level)
    half_band = _half_bands(fit, uncertainty, specification)
    _, _, n_clusters = cluster_counts(fit)
    effects = (p for p, parameter in enumerate(fit.parameters) if is_row(parameter))
    order = sorted(effects, key=lambda p: _position(fit, p))
    return [
        Estimate(
            outcome=panel.outcome,
            comparison=specification.comparison,
            estimator=specification.estimator,
            aggregation=fit.parameters[p].aggregation,
            cohort=fit.parameters[p].cohort,
            period=fit.parameters[p].period,
            event_time=fit.parameters[p].event_time,
            label=fit.parameters[p].label,
            estimate=_number(fit.estimate[p]),
            std_error=_number(uncertainty.std_error[p]),
            df=_number(uncertainty.df[p]),
            ci_low=_number(limits.low[p]),
            ci_high=_number(limits.high[p]),
            band_low=_number(fit.estimate[p] - half_band[p]),
            band_high=_number(fit.estimate[p] + half_band[p]),
            p_value=_number(limits.p_value[p]),
            n=_whole(fit.n_children[p]),
            n_units=int(fit.used[:, p].sum()),
            n_treated_units=int((fit.treated_weight[:, p] != 0).sum()),
            n_clusters=int(n_clusters[p]),
            status="estimated" if uncertainty.reason[p] is None else "not estimable",
            note=_note(fit, uncertainty, p),
        )
        for p in order
    ]


def is_row(parameter: Parameter) -> bool:
    """Whether a parameter is a row of the results: covariates, which have a label of their own, are none."""
    return parameter.label in ("", "overall") or parameter.aggregation == "dose"


def _position(fit: Fit, p: int) -> tuple[int, int, int, int]:
    """Sort key: aggregation in the order of the reader's questions, then cohort, period, event time; means last."""
    kinds = ("group_time", "static", "overall", "group", "calendar", "event", "fully_exposed", "dose", "decomposition")
    parameter = fit.parameters[p]
    place = parameter.event_time if parameter.period is None else parameter.period
    is_mean = int(parameter.label == "overall")
    return kinds.index(parameter.aggregation), is_mean, parameter.cohort or 0, place or 0


def _note(fit: Fit, uncertainty: Uncertainty, p: int) -> str:
    parameter = fit.parameters[p]
    is_main = parameter.aggregation in ("overall", "static") or parameter.label == "overall"
    said = ESTIMANDS[fit.estimator] if is_main and fit.estimator in WORDLESS else ""
    parts = [uncertainty.reason[p] or "", REFERENCE if fit.is_reference[p] else "", fit.notes[p], said]
    return "; ".join(part for part in parts if part)


def _half_bands(fit: Fit, uncertainty: Uncertainty, specification: Specification) -> FloatArray:
    """(P,) half widths of the simultaneous band over event times; NaN for everything else."""
    half = np.full(len(fit.parameters), np.nan)
    has_error = np.isfinite(uncertainty.std_error)
    events = [p for p in fit.index(aggregation="event", label="") if has_error[p]]
    if not events:
        return half
    _, sums = fit.influence.by_cluster()
    critical = simultaneous_critical_value(
        sums[:, events], specification.confidence_level, draws=specification.draws, seed=specification.seed
    )
    half[events] = few_cluster_critical_values(critical, uncertainty.df[events]) * uncertainty.std_error[events]
    return half


def _pretest(panel: CellPanel, specification: Specification, fit: Fit, uncertainty: Uncertainty) -> Estimate:
    """Joint test of the effects before adoption (minus anticipation).

    All group-time effects are tested when there are at most half as many as effective treated clusters; otherwise
    the event times nearest to adoption, up to that number. This rule looks at counts, never at estimates.
    """
    has_error = np.isfinite(uncertainty.std_error)

    def before(aggregation: str) -> list[int]:
        return [
            p
            for p in fit.index(aggregation=aggregation, label="")
            if has_error[p] and (fit.parameters[p].event_time or 0) < -specification.anticipation
        ]

    overall = fit.index(aggregation="overall") or fit.index(label="overall")
    n_effective = float(effective_treated_clusters(fit)[overall[0]])
    most = int(n_effective // 2)
    tested, kind = before("group_time"), "group-time effects"
    if not 0 < len(tested) <= most:
        by_event = sorted(before("event"), key=lambda p: fit.parameters[p].event_time or 0)
        tested = by_event[max(0, len(by_event) - most) :] if most else []
        kind = f"effects at event times {', '.join(str(fit.parameters[p].event_time) for p in tested)}"
    test = wald_pretest(fit.estimate[tested], uncertainty.covariance[np.ix_(tested, tested)], n_effective)
    used, treated = fit.used[:, tested].any(axis=1), (fit.treated_weight[:, tested] != 0).any(axis=1)
    return Estimate(
        outcome=panel.outcome,
        comparison=specification.comparison,
        estimator=specification.estimator,
        aggregation="pretest",
        estimate=None if test is None else _number(test.f_statistic),
        df=None if test is None else test.df,
        p_value=None if test is None else _number(test.p_value),
        n=_whole(fit.n_children[tested].sum()),
        n_units=int(used.sum()),
        n_treated_units=int(treated.sum()),
        n_clusters=len(np.unique(fit.influence.clusters[used])),
        status="not estimable" if test is None else "estimated",
        note="no effects before adoption that few treated clusters allow to test jointly"
        if test is None
        else f"joint test of {len(tested)} {kind} before adoption; estimate is the F statistic",
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _whole(value: float) -> int | None:
    return round(float(value)) if np.isfinite(value) else None
