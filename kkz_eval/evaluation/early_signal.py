"""What the exam already says about outcomes at school that are not due yet, and how far such a saying was off before.

What belongs here: which cohorts and periods are compared, rows. What does not: links, indices, bounds (`horizon`).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Fit, FloatArray, InfluenceMatrix
from kkz_eval.evaluation.cross_check import REASSIGNABLE
from kkz_eval.evaluation.linked_cells import Link, LinkedCells
from kkz_eval.evaluation.made import Row
from kkz_eval.evaluation.run import ADJUSTS, specification_of
from kkz_eval.evaluation.signal_columns import EARLY_SIGNAL_COLUMNS
from kkz_eval.evaluation.specification import fit_specification, uncertainty_of
from kkz_eval.evaluation.study_cells import Compared, StudyCells
from kkz_eval.horizon.surrogate import surrogate_effects, surrogate_misses
from kkz_eval.horizon.surrogate_bounds import history_bound
from kkz_eval.inference.uncertainty import Uncertainty, cluster_counts, t_intervals
from kkz_eval.plan.model import Comparison, Estimator, Outcome, Plan

#: Multiples of the largest past miss.
MULTIPLES = (1.0, 2.0)
NO_ERROR = "no past miss has a standard error, so that its interval has no end"
NOTHING_AHEAD = "no entry year has been examined whose outcome at school is not due yet"
Pairs = frozenset[tuple[int, int]]


def early_signal_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[Row]:
    """Rows of `horizon.early_signal`, for outcomes with surrogates, in the plan's first comparison.

    span "known": entry years in which exam and outcome are both known (kinds observed, index, miss); "before": the miss
    before adoption, where it should be nothing; "ahead": examined entry years later than the outcome's last (kinds
    index, bound, cautious_bound). The estimator is the primary one if it averages group-time effects, else
    callaway_santanna.
    """
    outcomes = [outcome for outcome in plan.outcomes if outcome.surrogates]
    if not outcomes:
        return
    cells, linked = StudyCells(connection), LinkedCells(connection)
    for outcome in outcomes:
        for row in _Signal(cells, linked, plan, outcome).rows():
            yield [row.get(column.name) for column, _ in EARLY_SIGNAL_COLUMNS]


def estimator_of(plan: Plan, comparison: Comparison) -> Estimator:
    """The primary estimator where its effects by cohort and period can be averaged anew, else callaway_santanna."""
    primary = plan.estimation.estimators[0]
    holds_covariates = primary in ADJUSTS and comparison.covariates
    return primary if primary in REASSIGNABLE and not holds_covariates else "callaway_santanna"


@dataclass(frozen=True, eq=False)
class _Measured:
    """A fit with its standard errors, limits and (cohort, period) pairs behind it."""

    fit: Fit
    uncertainty: Uncertainty
    low: FloatArray
    high: FloatArray
    pairs: Pairs


class _Signal:
    """One outcome: its panels, and rows as dictionaries by column."""

    def __init__(self, cells: StudyCells, linked: LinkedCells, plan: Plan, outcome: Outcome) -> None:
        self._cells, self._linked, self._outcome, self._threshold = cells, linked, outcome, plan.disclosure.threshold
        self._comparison = plan.comparisons[0]
        self._specification = specification_of(plan, self._comparison, estimator_of(plan, self._comparison))

    def rows(self) -> Iterator[dict[str, object]]:
        """All rows; what cannot be estimated is a row with the reason."""
        try:
            findings = [self._compared(name) for name in self._outcome.surrogates]
            link = self._linked.link(self._outcome, self._comparison)
        except EstimationError as reason:
            yield self._without("ahead", "index", str(reason))
            return
        examined = sorted(set.intersection(*(set(f.panel.periods.tolist()) for f in findings)))
        due = self._linked.due(self._outcome.name)
        known = [t for t in examined if t in due]
        ahead = [t for t in examined if t > max(due)]
        misses = None
        try:
            later = self._compared(self._outcome.name)
        except EstimationError as reason:  # no year after adoption yet: the time for which the index is made
            yield self._without("known", "index", str(reason))
        else:
            yield from self._before(link, later, findings, known)
            misses = yield from self._known(link, later, findings, known)
        yield from self._ahead(link, findings, examined, ahead, misses)

    def _before(
        self, link: Link, later: Compared, findings: list[Compared], known: list[int]
    ) -> Iterator[dict[str, object]]:
        anticipation = self._comparison.anticipation
        earlier = {
            g: [t for t in known if t + anticipation < g] for g in _cohorts(findings) if known and g <= max(known)
        }
        # the last one is what all are compared with
        pairs = frozenset((g, t) for g, periods in earlier.items() for t in periods[:-1])
        try:
            index = self._index(link, findings, known, pairs)
            miss = surrogate_misses(self._fit(later, known, pairs), index)
        except EstimationError as reason:
            yield self._without("before", "miss", str(reason))
            return
        yield from self._of(self._measured(miss, pairs), "before", "miss", link)

    def _known(
        self, link: Link, later: Compared, findings: list[Compared], known: list[int]
    ) -> Generator[dict[str, object], None, _Measured | None]:
        """Yields rows and returns the misses, None where no cohort is known."""
        pairs = frozenset((g, t) for g in _cohorts(findings) for t in known if g <= t)
        try:
            observed, index = self._fit(later, known, pairs), self._index(link, findings, known, pairs)
            miss = self._measured(surrogate_misses(observed, index), pairs)
        except EstimationError as reason:
            yield self._without("known", "index", str(reason))
            return None
        yield from self._of(self._measured(observed, pairs), "known", "observed", link)
        yield from self._of(self._measured(index, pairs), "known", "index", link)
        yield from self._of(miss, "known", "miss", link)
        return miss

    def _ahead(
        self, link: Link, findings: list[Compared], examined: list[int], ahead: list[int], misses: _Measured | None
    ) -> Iterator[dict[str, object]]:
        pairs = frozenset((g, t) for g in _cohorts(findings) for t in ahead if g <= t)
        if not ahead:
            yield self._without("ahead", "index", NOTHING_AHEAD)
            return
        try:
            index = self._measured(self._index(link, findings, examined, pairs), pairs)
        except EstimationError as reason:
            yield self._without("ahead", "index", str(reason))
            return
        rows = list(self._of(index, "ahead", "index", link))
        yield from rows
        points, limits = self._past(misses)
        for kind, sizes in (("bound", points), ("cautious_bound", limits)):
            for row in rows:
                yield from self._bounds(row, kind, sizes)

    def _past(self, misses: _Measured | None) -> tuple[FloatArray, FloatArray]:
        """Misses by cohort, and the far ends of their intervals; without those on too few children to be released."""
        if misses is None:
            return np.empty(0), np.empty(0)
        fit = misses.fit
        few = fit.n_children < self._threshold
        cohorts = [p for p, parameter in enumerate(fit.parameters) if parameter.cohort is not None and not few[p]]
        points = fit.estimate[cohorts]
        return points, np.maximum(np.abs(misses.low[cohorts]), np.abs(misses.high[cohorts]))

    def _bounds(self, row: dict[str, object], kind: str, misses: FloatArray) -> Iterator[dict[str, object]]:
        """The index row widened by multiples of the largest miss."""
        if row["status"] != "estimated":
            return
        estimate, std_error, df = (float(str(row[name])) for name in ("estimate", "std_error", "df"))
        try:
            bound = history_bound(
                estimate, std_error, misses, df=df, multiples=MULTIPLES,
                confidence_level=self._specification.confidence_level,
            )  # fmt: skip
        except EstimationError as reason:
            if row["cohort"] is None:
                yield self._without("ahead", kind, NO_ERROR if len(misses) else str(reason))
            return
        what = "largest past miss" if kind == "bound" else "far end of the interval of a past miss, the largest"
        note = "; ".join(filter(None, [f"{what}; known cohorts: {bound.n_misses}", bound.reason]))
        widened = {**row, "kind": kind, "largest_miss": bound.largest_miss, "breakdown": bound.breakdown, "note": note}
        for multiple, low, high in bound.intervals:
            yield {**widened, "multiple": multiple, "ci_low": low, "ci_high": high}

    def _compared(self, name: str) -> Compared:
        by_stratum = self._specification.estimator in ADJUSTS
        return self._cells.compared(name, self._comparison, by_stratum=by_stratum)

    def _index(self, link: Link, findings: list[Compared], periods: list[int], pairs: Pairs) -> Fit:
        return surrogate_effects(link.link, [self._fit(finding, periods, pairs) for finding in findings])

    def _fit(self, compared: Compared, periods: list[int], pairs: Pairs) -> Fit:
        """Averages of the effects of the given pairs, over all and by cohort, estimated from the given periods only.

        The estimators' average over fully exposed pairs is an average over any named pairs.
        """
        kept = np.isin(compared.panel.periods, periods)
        covariates = None if compared.covariates is None else compared.covariates[:, kept]
        chosen = replace(self._specification, fully_exposed=pairs)
        fit = fit_specification(compared.panel.select_periods(kept), chosen, covariates, compared.covariate_names)
        return only(fit, fit.index(aggregation="fully_exposed"))

    def _measured(self, fit: Fit, pairs: Pairs) -> _Measured:
        uncertainty = uncertainty_of(fit, self._specification)
        limits = t_intervals(fit.estimate, uncertainty, self._specification.confidence_level)
        return _Measured(fit, uncertainty, limits.low, limits.high, pairs)

    def _of(self, measured: _Measured, span: str, kind: str, link: Link) -> Iterator[dict[str, object]]:
        fit, uncertainty = measured.fit, measured.uncertainty
        _, _, n_clusters = cluster_counts(fit)
        for p, parameter in enumerate(fit.parameters):
            periods = [t for g, t in measured.pairs if parameter.cohort in (None, g)]
            says_link = kind == "index" and parameter.cohort is None
            yield self._base(span, kind) | {
                "cohort": parameter.cohort,
                "period_first": min(periods),
                "period_last": max(periods),
                "estimate": _number(fit.estimate[p]),
                "std_error": _number(uncertainty.std_error[p]),
                "df": _number(uncertainty.df[p]),
                "ci_low": _number(measured.low[p]),
                "ci_high": _number(measured.high[p]),
                "n": round(float(fit.n_children[p])) if np.isfinite(fit.n_children[p]) else None,
                "n_linked": None if kind == "observed" else link.n_linked,
                "n_units": int(fit.used[:, p].sum()),
                "n_clusters": int(n_clusters[p]),
                "status": "estimated" if uncertainty.reason[p] is None else "not estimable",
                "note": "; ".join(filter(None, [uncertainty.reason[p], link.note if says_link else ""])),
            }

    def _base(self, span: str, kind: str) -> dict[str, object]:
        return {
            "outcome": self._outcome.name,
            "comparison": self._comparison.name,
            "estimator": self._specification.estimator,
            "span": span,
            "kind": kind,
        }

    def _without(self, span: str, kind: str, reason: str) -> dict[str, object]:
        return self._base(span, kind) | {"status": "not estimable", "note": reason}


def only(fit: Fit, positions: list[int]) -> Fit:
    """The fit with some of its parameters. Raises EstimationError for none."""
    if not positions:
        raise EstimationError(
            "no participating cohort has entry years of this kind and earlier ones to compare them with; wait for them."
        )
    influence = fit.influence
    return replace(
        fit,
        parameters=tuple(fit.parameters[p] for p in positions),
        estimate=fit.estimate[positions],
        influence=InfluenceMatrix(influence.units, influence.clusters, influence.values[:, positions]),
        treated_weight=fit.treated_weight[:, positions],
        used=fit.used[:, positions],
        n_children=fit.n_children[positions],
        is_reference=fit.is_reference[positions],
        reason=tuple(fit.reason[p] for p in positions),
        notes=tuple(fit.notes[p] for p in positions),
        leave_out=lambda: fit.leave_out()[:, positions],
        analytic_df=None if fit.analytic_df is None else fit.analytic_df[positions],
        extra={},
    )


def _cohorts(findings: list[Compared]) -> list[int]:
    cohort = findings[0].panel.cohort
    return [int(g) for g in np.unique(cohort[np.isfinite(cohort)])]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
