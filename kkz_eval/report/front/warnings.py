"""What a reader of one opening page must watch out for.

What belongs here: warnings about one outcome. What does not: warnings about the whole report (wording.py).
"""

from kkz_eval.report.frames import number, rows, text, whole
from kkz_eval.report.front.words import FrontWords
from kkz_eval.report.results import PRETREND_ALARM, Verdict

RATIO = (0.8, 1.25)
"""Spread of fake adoptions beside the calculated one: outside of this the calculation is called rough."""
_LOW_COVERAGE = 0.8
_TABLES = ("effects", "event_study", "group_time", "description", "detectability", "dose_response", "looks")


def warnings(front: FrontWords) -> list[str]:
    """Everything particular about one outcome, the most serious first; one sentence where there is nothing."""
    found = [*_drifting(front), *_alarms(front), *_years(front), *_one_unit(front), *_ratio(front), *_held_back(front)]
    if front.meta.as_of.year >= 2020:
        found.append(front.words("front.warn.late_control"))
    return found or [front.words("front.warn.none")]


def _drifting(front: FrontWords) -> list[str]:
    p = front.wording.results.pretrend_p(front.outcome.name)
    return [front.words("front.warn.pretrend")] if p is not None and p < PRETREND_ALARM else []


def _alarms(front: FrontWords) -> list[str]:
    results = front.wording.results
    alarms = [o for o in front.meta.with_role("placebo") if results.verdict(o) is Verdict.CHECK_ALARM]
    return [front.words("front.warn.placebo", list=front.form.join(front.wording.quoted(alarms)))] if alarms else []


def _years(front: FrontWords) -> list[str]:
    """Years with few children, and years left out; a year left out is not named twice."""
    left_out = [
        entry for entry in front.meta.excluded_periods if entry.source in ("", front.outcome.source)
    ]  # fmt: skip
    gone = {entry.period for entry in left_out}
    thin = [
        year
        for row in rows(front.wording.tables, "coverage")
        if text(row["unit"]) == "all" and text(row["source"]) == front.outcome.source
        and (share := number(row["share_examined"])) is not None and share < _LOW_COVERAGE
        and (year := whole(row["year"])) is not None and year not in gone
    ]  # fmt: skip
    said = []
    if thin:
        said.append(front.words("front.warn.coverage", list=front.form.join([str(year) for year in sorted(thin)])))
    if left_out:
        by_reason: dict[str, list[str]] = {}
        for entry in left_out:
            by_reason.setdefault(entry.reason(front.wording.language), []).append(front.form.year(entry.period))
        named = "; ".join(f"{front.form.join(years)} ({reason})" for reason, years in by_reason.items())
        said.append(front.words("front.warn.excluded", list=named))
    return said


def _one_unit(front: FrontWords) -> list[str]:
    cohorts = sorted(
        {
            cohort
            for row in rows(front.wording.tables, "effects")
            if text(row["outcome"]) == front.outcome.name and text(row["aggregation"]) == "group"
            and ":" not in text(row["comparison"]) and whole(row["n_treated_units"]) == 1
            and (cohort := whole(row["cohort"])) is not None
        }
    )  # fmt: skip
    named = front.form.join([front.form.year(cohort) for cohort in cohorts])
    return [front.words("front.warn.one_unit", list=named)] if cohorts else []


def _ratio(front: FrontWords) -> list[str]:
    for row in rows(front.wording.tables, "placebo_adoption"):
        ratio = number(row["ratio"])
        if text(row["outcome"]) == front.outcome.name and ratio is not None and not RATIO[0] <= ratio <= RATIO[1]:
            return [front.words("front.warn.ratio", ratio=front.form.number(ratio, 1))]
    return []


def _held_back(front: FrontWords) -> list[str]:
    n = sum(
        "suppress" in text(row["status"])
        for name in _TABLES
        for row in rows(front.wording.tables, name)
        if text(row["outcome"]) == front.outcome.name
    )
    return [front.words("front.warn.suppressed", n=front.form.count(n))] if n else []
