"""The main result of a primary outcome, and the same estimate made again on other cells.

What belongs here: how a variation is estimated and told apart from the main result. What does not: which variations.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import adjusted_cells
from kkz_eval.estimators.group_time import Sample, cell_coefficients
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray
from kkz_eval.evaluation.run import ADJUSTS, specification_of
from kkz_eval.evaluation.specification import Specification, fit_specification, uncertainty_of
from kkz_eval.evaluation.study_cells import Compared, StudyCells
from kkz_eval.evaluation.threats.columns import Finding
from kkz_eval.evaluation.threats.surroundings import Surroundings
from kkz_eval.inference.uncertainty import Uncertainty, cluster_counts, t_intervals
from kkz_eval.plan.model import Outcome, Plan

CELL_WEIGHTS = "callaway_santanna"


@dataclass(frozen=True, eq=False)
class Result:
    """One overall effect: the fit it stands in, its place there, and the uncertainty of the fit."""

    fit: Fit
    place: int
    uncertainty: Uncertainty

    @property
    def estimate(self) -> float:
        """Effect in the outcome's own unit."""
        return float(self.fit.estimate[self.place])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return float(self.uncertainty.std_error[self.place])

    @property
    def df(self) -> float:
        """Degrees of freedom of its interval."""
        return float(self.uncertainty.df[self.place])

    @property
    def n_children(self) -> int | None:
        """Children in the treated cells; None where unknown."""
        n = float(self.fit.n_children[self.place])
        return round(n) if np.isfinite(n) else None


def overall_of(fit: Fit, specification: Specification) -> Result:
    """The overall effect of a fit. Raises EstimationError when it has no estimate or no standard error."""
    places = fit.index(aggregation="overall") or fit.index(aggregation="static") or fit.index(label="overall")
    if not places:
        raise EstimationError(
            f"{fit.estimator} gives no overall effect; let another estimator be the first of the plan."
        )
    place = places[0]
    uncertainty = uncertainty_of(fit, specification)
    reason = uncertainty.reason[place]
    if reason is not None:
        raise EstimationError(reason)
    return Result(fit, place, uncertainty)


@dataclass(frozen=True, eq=False)
class MainResult:
    """What every threat starts from: an outcome's cells, its overall effect, and what surrounds the study.

    `panel` are the cells on which variations are estimated: where the primary estimator takes out the composition of
    children, cells less what the main fit's slope explains, so that a variation changes nothing but what it is about.
    """

    cells: StudyCells
    plan: Plan
    outcome: Outcome
    specification: Specification
    compared: Compared
    result: Result
    panel: CellPanel
    around: Surroundings

    @property
    def plain(self) -> Specification:
        """The specification of variations: on cells without composition it is the unadjusted estimator."""
        if self.specification.estimator in ADJUSTS:
            return replace(self.specification, estimator=CELL_WEIGHTS)
        return self.specification

    @cached_property
    def on_panel(self) -> Result:
        """The main effect estimated on `panel`: for callaway_santanna, with weights of cells (`weights_of`)."""
        return self.again()

    @property
    def word(self) -> int:
        """Where the main interval lies: 1 above zero, −1 below it, 0 around it."""
        low, high = self.interval(self.result.estimate, self.result.std_error, self.result.df)
        return word_of(low, high)

    def interval(self, estimate: float, std_error: float, df: float) -> tuple[float, float]:
        """Limits of the plan's confidence from Student's t."""
        one = Uncertainty(np.array([std_error]), np.array([df]), np.array([[std_error**2]]), (None,))
        limits = t_intervals(np.array([estimate]), one, self.specification.confidence_level)
        return float(limits.low[0]), float(limits.high[0])

    @property
    def alpha(self) -> float:
        """Error of the plan's intervals."""
        return 1 - self.specification.confidence_level

    def units(self, keep: BoolArray) -> Result:
        """The effect with only the units where keep (U,) holds. Raises EstimationError as the estimator."""
        treated = self.panel.is_treated
        if not (keep & treated).any() or not (keep & ~treated).any():
            raise EstimationError("no participating or no comparison place is left to compare.")
        held = self.compared.covariates
        return self.again(self.panel.select(keep), None if held is None else held[keep], self.compared.covariate_names)

    def again(
        self,
        panel: CellPanel | None = None,
        covariates: FloatArray | None = None,
        names: tuple[str, ...] = (),
        *,
        specification: Specification | None = None,
    ) -> Result:
        """The effect on other cells, with another specification, or with covariates (U, T, k) and their names.

        Without cells and covariates: those of the main result. Raises EstimationError as the estimator, `overall_of`.
        """
        specification = self.plain if specification is None else specification
        if panel is None and covariates is None:
            covariates, names = self.compared.covariates, self.compared.covariate_names
        panel = self.panel if panel is None else panel
        return overall_of(fit_specification(panel, specification, covariates, names), specification)

    def with_layer(self, layer: FloatArray, name: str) -> tuple[FloatArray, tuple[str, ...]]:
        """One more covariate (U, T) after those of the plan (U, T, k), and all names."""
        held = self.compared.covariates
        stacked = layer[..., None] if held is None else np.concatenate([held, layer[..., None]], axis=2)
        return stacked, (*self.compared.covariate_names, name)

    def weights_of(self, result: Result) -> tuple[CellPanel, FloatArray]:
        """The cells (U, T) behind an overall effect and their weights: the effect is their weighted sum.

        Raises EstimationError for estimators other than callaway_santanna and with covariates.
        """
        if result.fit.estimator != CELL_WEIGHTS or self.compared.covariates is not None:
            raise EstimationError(
                "only effects of callaway_santanna without covariates of places are known weighted sums of cells."
            )
        sample: Sample = result.fit.extra["sample"]
        loading = result.fit.extra["loading"][[result.place]]
        return sample.panel, cell_coefficients(result.fit.extra["arms"], loading, len(sample.panel.periods))[0]

    def finding(self, threat: str, result: Result, assumption: str = "", note: str = "") -> Finding:
        """The row of an effect that was estimated again."""
        low, high = self.interval(result.estimate, result.std_error, result.df)
        _, _, n_clusters = cluster_counts(result.fit)
        return Finding(
            threat=threat,
            assumption=assumption,
            estimate=result.estimate,
            std_error=result.std_error,
            df=result.df,
            ci_low=low,
            ci_high=high,
            changes_word=word_of(low, high) != self.word,
            n=result.n_children,
            n_units=int(result.fit.used[:, result.place].sum()),
            n_clusters=int(n_clusters[result.place]),
            note=note,
        )

    def moved(self, threat: str, assumption: str, estimate: float, std_error: float, value: float) -> Finding:
        """The row of the main effect after an algebraic correction: it rests on the same children."""
        low, high = self.interval(estimate, std_error, self.result.df)
        return replace(
            self.finding(threat, self.result, assumption),
            value=value,
            estimate=estimate,
            std_error=std_error,
            ci_low=low,
            ci_high=high,
            changes_word=word_of(low, high) != self.word,
        )


def word_of(low: float, high: float) -> int:
    """1 when the interval lies above zero, −1 when below, 0 when it holds zero."""
    return int(low > 0) - int(high < 0)


def main_result(cells: StudyCells, plan: Plan, outcome: Outcome, around: Surroundings) -> MainResult:
    """The primary estimator's overall effect of the first comparison. Raises EstimationError when there is none."""
    comparison = plan.comparisons[0]
    specification = specification_of(plan, comparison, plan.estimation.estimators[0])
    adjusts = specification.estimator in ADJUSTS
    if adjusts and comparison.covariates:
        raise EstimationError("the primary estimator does not hold covariates of places constant.")
    compared = cells.compared(outcome.name, comparison, by_stratum=adjusts)
    fit = fit_specification(compared.panel, specification, compared.covariates, compared.covariate_names)
    panel = adjusted_cells(compared.panel, fit) if adjusts else compared.panel
    return MainResult(
        cells, plan, outcome, specification, compared, overall_of(fit, specification), panel, around
    )  # fmt: skip


def plain_cells(panel: CellPanel) -> CellPanel:
    """The cells without what they know of the covariates of their children."""
    return CellPanel(**{field.name: getattr(panel, field.name) for field in fields(CellPanel)})


def cells_where(panel: CellPanel, known: BoolArray) -> CellPanel:
    """The panel with only the cells where known (U, T) holds; the others count as never measured."""
    empty = 0.0 if np.isfinite(panel.n).all() else np.nan
    return replace(
        panel,
        n=np.where(known, panel.n, empty),
        total=np.where(known, panel.total, empty),
        total_of_squares=np.where(known, panel.total_of_squares, empty),
        value=np.where(known, panel.value, np.nan),
    )
