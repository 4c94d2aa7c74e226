"""Trends that differ: honest bounds, what the look at earlier years could miss, and what can be found despite it.

What belongs here: which event study the bounds start from, and rows of them. What does not: the bounds themselves.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, Fit, FloatArray
from kkz_eval.evaluation.specification import fit_specification, uncertainty_of
from kkz_eval.evaluation.threats.columns import Finding
from kkz_eval.evaluation.threats.main_result import MainResult, word_of
from kkz_eval.horizon.breakdown import Breakdown, honest_mde, magnitudes_breakdown, smoothness_breakdown
from kkz_eval.horizon.honest_input import HonestInterval
from kkz_eval.horizon.honest_magnitudes import magnitudes_interval
from kkz_eval.horizon.honest_smoothness import smoothness_interval
from kkz_eval.horizon.pretrend_power import passing_moments, slope_for_power
from kkz_eval.inference.uncertainty import cluster_counts, effective_treated_clusters

MULTIPLES = (0.5, 1.0, 2.0)
MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0)
POWERS = (0.5, 0.8)
MOST_EACH = 5
"""More periods on one side make the intervals longer and the search slow without telling more."""


@dataclass(frozen=True, eq=False)
class Path:
    """The stretch of event times around the reference that bounds start from.

    beta (K,), sigma (K, K), the first `n_pre` before the reference; events (K,); df of the average of the later ones;
    n, n_units, n_clusters behind it; note: which years and event times.
    """

    beta: FloatArray
    sigma: FloatArray
    n_pre: int
    events: tuple[int, ...]
    df: float
    n: int | None
    n_units: int
    n_clusters: int
    note: str

    @property
    def n_post(self) -> int:
        return len(self.beta) - self.n_pre

    @property
    def average(self) -> FloatArray:
        """(n_post,) equal weights of the later event times."""
        return np.full(self.n_post, 1 / self.n_post)

    def finding(self, threat: str, assumption: str, note: str = "") -> Finding:
        """A row that rests on this path, without numbers yet."""
        text = "; ".join(part for part in (note, self.note) if part)
        return Finding(
            threat, assumption, df=self.df, n=self.n, n_units=self.n_units, n_clusters=self.n_clusters, note=text
        )


def unbroken_run(periods: NDArray[np.int64], cohort: FloatArray) -> BoolArray:
    """(T,) the stretch of neighbouring years in which most cohorts begin: the year before adoption and adoption itself.

    Restrictions on trends compare neighbouring years, so years across a gap in the calendar do not enter. Among equal
    stretches the longest counts, then the earliest.
    """
    stretch = np.cumsum(np.diff(periods, prepend=periods[0]) > 1)
    cohorts = np.unique(cohort[np.isfinite(cohort)])

    def worth(label: int) -> tuple[int, int, int]:
        years = set(periods[stretch == label].tolist())
        return sum(g in years and g - 1 in years for g in cohorts), len(years), -label

    best = max(range(int(stretch.max()) + 1), key=worth)
    chosen: BoolArray = np.asarray(stretch == best)
    return chosen


def chosen_events(events: list[int], reference: int, n_effective: float) -> tuple[list[int], list[int]]:
    """Event times before and after the reference: at most half as many as effective treated clusters in all.

    Nearest to the reference first, both sides alike and at most `MOST_EACH`; what one side lacks goes to the other.
    The rule looks at counts, never at estimates; a gap ends a side.
    """
    known = set(events)
    before: list[int] = []
    after: list[int] = []
    while reference - 1 - len(before) in known:
        before.append(reference - 1 - len(before))
    while reference + 1 + len(after) in known:
        after.append(reference + 1 + len(after))
    before, after, most = before[:MOST_EACH], after[:MOST_EACH], int(n_effective // 2)
    n_after = min(len(after), max(most // 2, most - len(before)))
    return before[: max(most - n_after, 0)][::-1], after[:n_after]


def event_path(main: MainResult) -> Path:
    """The primary estimator's event study on the unbroken run of years. Raises EstimationError when there is none."""
    panel, held = main.compared.panel, main.compared.covariates
    run = unbroken_run(panel.periods, panel.cohort)
    keep: BoolArray = np.asarray(np.isfinite(panel.value[:, run]).any(axis=1))
    fit = fit_specification(
        panel.select(keep).select_periods(run),
        main.specification,
        None if held is None else held[np.ix_(keep, run)],
        main.compared.covariate_names,
    )
    uncertainty = uncertainty_of(fit, main.specification)
    place = {fit.parameters[p].event_time: p for p in fit.index(aggregation="event", label="")}
    events = [int(e) for e, p in place.items() if e is not None and uncertainty.reason[p] is None]
    effective = effective_treated_clusters(fit)
    reference = -1 - main.specification.anticipation
    if reference not in place or not fit.is_reference[place[reference]]:
        raise EstimationError(
            "the effects before adoption are not all measured from the year before it, as bounds on trends need; "
            "choose an estimator and a base period that do, such as callaway_santanna with a universal base."
        )
    overall = (fit.index(aggregation="overall") or fit.index(label="overall") or [*place.values(), 0])[0]
    before, after = chosen_events([e for e in events if e != reference], reference, float(effective[overall]))
    if not before or not after:
        raise EstimationError(
            f"the event study of {main.outcome.name} has no unbroken run of years with an effect before and after the "
            "reference that the number of treated clusters allows; bounds on trends need both."
        )
    rows = [place[e] for e in (*before, *after)]
    years = panel.periods[run]
    return _path(fit, uncertainty.covariance, rows, len(before), f"years {years[0]} to {years[-1]}")


def _path(fit: Fit, covariance: FloatArray, rows: list[int], n_pre: int, years: str) -> Path:
    events = tuple(int(fit.parameters[p].event_time or 0) for p in rows)
    post = rows[n_pre:]
    n = float(fit.n_children[post].sum())
    average = replace(fit, treated_weight=fit.treated_weight[:, post].mean(axis=1, keepdims=True))
    df = max(float(effective_treated_clusters(average)[0]) - 1, 1.0)
    return Path(
        beta=fit.estimate[rows],
        sigma=covariance[np.ix_(rows, rows)],
        n_pre=n_pre,
        events=events,
        df=df,
        n=round(n) if np.isfinite(n) else None,
        n_units=int(fit.used[:, rows].any(axis=1).sum()),
        n_clusters=int(cluster_counts(fit)[2][rows].max()),
        note=f"{years}, event times {events[0]} to {events[-1]}",
    )


def largest_bend(path: Path) -> float:
    """M̂: the largest second difference of the earlier coefficients, with zero at the reference.

    Raises EstimationError with fewer than two earlier coefficients.
    """
    if path.n_pre < 2:
        raise EstimationError("one year before the reference shows no bend of the earlier trend.")
    return float(np.abs(np.diff(np.append(path.beta[: path.n_pre], 0.0), n=2)).max())


def smoothness(main: MainResult, path: Path) -> list[Finding]:
    """Δ^SD: trends may bend by M a year, M = 0 and multiples of the largest earlier bend; average and last effect."""
    last = np.eye(path.n_post)[-1]
    bend = largest_bend(path) if path.n_pre > 1 else 0.0
    bounds = [(0.0, "0"), *((m * bend, f"{m:g} × largest earlier bend") for m in MULTIPLES if bend > 0)]
    findings = []
    for name, contrast in (("average", path.average), ("last", last)):
        found = smoothness_breakdown(path.beta, path.sigma, path.n_pre, contrast, alpha=main.alpha, df=path.df)
        for bound, said in bounds:
            one = smoothness_interval(
                path.beta, path.sigma, path.n_pre, bound, contrast, alpha=main.alpha, df=path.df
            )  # fmt: skip
            row = path.finding("honest_smoothness", f"{name}, bend {said}", found.note)
            findings.append(replace(_filled(main, row, one, found), estimate=one.estimate, std_error=one.std_error))
    return findings


def magnitudes(main: MainResult, path: Path) -> list[Finding]:
    """Δ^RM: steps of the trend after the start are at most M̄ times the largest one before; average effect."""
    contrast = path.average
    post = path.sigma[path.n_pre :, path.n_pre :]
    found = magnitudes_breakdown(path.beta, path.sigma, path.n_pre, contrast, alpha=main.alpha, df=path.df)
    findings = []
    for bound in MAGNITUDES:
        one = magnitudes_interval(
            path.beta, path.sigma, path.n_pre, bound, contrast, alpha=main.alpha, df=path.df
        )  # fmt: skip
        row = _filled(
            main, path.finding("honest_magnitudes", f"average, {bound:g} × largest step", found.note), one, found
        )
        estimate, error = float(contrast @ path.beta[path.n_pre :]), float(np.sqrt(contrast @ post @ contrast))
        findings.append(replace(row, estimate=estimate, std_error=error))
    return findings


def _filled(main: MainResult, row: Finding, one: HonestInterval, found: Breakdown) -> Finding:
    """The interval of one bound; open ends are empty, as the note says."""
    if one.low is None or one.high is None:
        return replace(row, value=one.bound, breakdown=found.value, note="; ".join([one.note, row.note]))
    open_end = not np.isfinite([one.low, one.high]).all()
    return replace(
        row,
        value=one.bound,
        ci_low=one.low if np.isfinite(one.low) else None,
        ci_high=one.high if np.isfinite(one.high) else None,
        breakdown=found.value,
        changes_word=word_of(one.low, one.high) != main.word,
        note="; ".join(["the interval is open at one end", row.note]) if open_end else row.note,
    )


def pretrends(main: MainResult, path: Path) -> list[Finding]:
    """Straight drifts that the usual look at the earlier years finds with probability 0.5 and 0.8.

    `value` is the drift per year, `estimate` what it alone would fake at the last event time. `breakdown` is the drift
    that would move the nearer end of the main interval to zero; the word changes when the drift reaches it.
    """
    critical = float(stats.t.ppf(1 - main.alpha / 2, path.df))
    without = 1 - passing_moments(np.zeros(path.n_pre), path.sigma[: path.n_pre, : path.n_pre], critical)[0]
    span = path.events[-1] - (path.events[path.n_pre - 1] + 1)
    needed = _drift_that_explains(main)
    findings = []
    for power in POWERS:
        slope = slope_for_power(path.sigma[: path.n_pre, : path.n_pre], path.n_pre, power, critical_value=critical)
        row = path.finding(
            "pretrend_power",
            f"drift found with probability {power:g}",
            f"value: drift per year; estimate: what it fakes at event time {path.events[-1]}; without any drift the "
            f"look reports one with probability {without:.2f}",
        )
        changes = None if main.word == 0 or needed is None else slope >= needed
        findings.append(replace(row, value=slope, estimate=slope * span, breakdown=needed, changes_word=changes))
    return findings


def _drift_that_explains(main: MainResult) -> float | None:
    """Drift per year at which the main interval would touch zero; None when it holds zero or years are unknown."""
    known = main.result.fit.extra
    if main.word == 0 or not {"pairs", "loading", "sample"} <= known.keys():
        return None
    pairs, loading, years = known["pairs"], known["loading"], known["sample"].panel.periods
    since = float(loading[main.result.place] @ (years[pairs.period] - years[pairs.base]))
    low, high = main.interval(main.result.estimate, main.result.std_error, main.result.df)
    return min(abs(low), abs(high)) / since if since > 0 else None


def detectable(main: MainResult, path: Path) -> list[Finding]:
    """Smallest average effect that an honest interval finds with probability 0.8, at M = 0 and M = largest bend."""
    bounds = [(0.0, "bend 0")]
    if path.n_pre > 1:
        bounds.append((largest_bend(path), "bend 1 × largest earlier bend"))
    findings = []
    worth = main.outcome.effect_worth_knowing
    for bound, said in bounds:
        one = smoothness_interval(
            path.beta, path.sigma, path.n_pre, bound, path.average, alpha=main.alpha, df=path.df
        )  # fmt: skip
        smallest = honest_mde(one.worst_bias, one.std_error, alpha=main.alpha, df=path.df)
        note = "estimate: smallest average effect found with probability 0.8"
        if worth is not None:
            note += f"; {'above' if smallest > worth else 'not above'} the effect worth knowing"
        row = path.finding("honest_mde", said, note)
        findings.append(replace(row, value=bound, estimate=smallest, std_error=one.std_error))
    return findings
