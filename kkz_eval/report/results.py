"""Which released row answers which question of the report, and which word describes it.

What belongs here: picking rows and the rule of the status word. What does not: wording, formats, drawing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kkz_eval.report.frames import Row, Tables, number, rows, text, whole
from kkz_eval.report.front.records import Look, last_look, looks_of
from kkz_eval.report.meta import OutcomeMeta, ReportMeta

PRETREND_ALARM = 0.05


class Verdict(StrEnum):
    """Status of one outcome; the texts hold one word for each."""

    SEEN = "seen"
    UNWANTED = "unwanted"
    NO_RELEVANT = "no_relevant"
    UNDECIDED = "undecided"
    CHECK_CLEAR = "check_clear"
    CHECK_ALARM = "check_alarm"
    SUPPRESSED = "suppressed"
    NOT_ESTIMABLE = "not_estimable"


@dataclass(frozen=True, slots=True)
class Effect:
    """One released estimate; empty fields are None."""

    outcome: str
    comparison: str
    estimator: str
    aggregation: str
    cohort: int | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n_children: float | None
    n_units: float | None
    n_clusters: float | None
    status: str
    note: str
    event_time: int | None = None

    @property
    def is_summary(self) -> bool:
        """Whether this is the one number of its calculation; the event study's is the mean over its event times."""
        if self.cohort is not None:
            return False
        is_mean_of_events = self.estimator == "event_study" and self.aggregation == "event" and self.event_time is None
        return self.aggregation in ("overall", "static") or is_mean_of_events

    @property
    def has_interval(self) -> bool:
        """Whether estimate and interval were released."""
        return None not in (self.estimate, self.ci_low, self.ci_high)


def _effect(row: Row) -> Effect:
    return Effect(
        outcome=text(row["outcome"]),
        comparison=text(row["comparison"]),
        estimator=text(row["estimator"]),
        aggregation=text(row["aggregation"]),
        cohort=whole(row["cohort"]),
        estimate=number(row["estimate"]),
        ci_low=number(row["ci_low"]),
        ci_high=number(row["ci_high"]),
        p_value=number(row["p_value"]),
        n_children=number(row["n_children"]),
        n_units=number(row["n_units"]),
        n_clusters=number(row["n_clusters"]),
        status=text(row["status"]),
        note=text(row["note"]),
        event_time=whole(row["event_time"]),
    )


def is_of_gap(comparison: str) -> bool:
    """Whether rows of this comparison belong to a gap between groups: only theirs have a colon in their name."""
    return ":" in comparison


def verdict(effect: Effect | None, outcome: OutcomeMeta) -> Verdict:
    """The status word of an outcome, by rule from the interval alone.

    The interval lies wholly on the wanted side: seen. Wholly on the other side: unwanted. Otherwise: undecided. For a
    placebo outcome either side is an alarm, because the programme cannot have moved it.
    """
    if effect is None:
        return Verdict.NOT_ESTIMABLE
    if effect.estimate is None or effect.ci_low is None or effect.ci_high is None:
        return Verdict.SUPPRESSED if "suppress" in effect.status else Verdict.NOT_ESTIMABLE
    below, above = effect.ci_high < 0, effect.ci_low > 0
    if outcome.role == "placebo":
        return Verdict.CHECK_ALARM if below or above else Verdict.CHECK_CLEAR
    if not (below or above):
        return Verdict.UNDECIDED
    return Verdict.SEEN if below == (outcome.direction == "lower") else Verdict.UNWANTED


def look_verdict(look: Look, outcome: OutcomeMeta) -> Verdict:
    """The status word of a yearly look, which holds over all looks."""
    if look.verdict == "no_relevant_effect":
        return Verdict.NO_RELEVANT
    if look.verdict != "effect" or look.estimate is None:
        return Verdict.UNDECIDED
    return Verdict.SEEN if (look.estimate < 0) == (outcome.direction == "lower") else Verdict.UNWANTED


class Results:
    """The rows of the tables of estimates, looked up by outcome."""

    def __init__(self, tables: Tables, meta: ReportMeta) -> None:
        self.meta = meta
        known = {outcome.name for outcome in meta.outcomes}
        every = [effect for effect in map(_effect, rows(tables, "effects")) if effect.outcome in known]
        self.effects = [effect for effect in every if not is_of_gap(effect.comparison)]
        self.of_gaps = [effect for effect in every if is_of_gap(effect.comparison)]
        self._by_outcome: dict[str, list[Effect]] = {}
        for effect in self.effects:
            self._by_outcome.setdefault(effect.outcome, []).append(effect)
        self._looks = {outcome.name: looks_of(tables, outcome.name) for outcome in meta.with_role("primary")}
        self._events = [
            row
            for row in rows(tables, "event_study")
            if text(row["outcome"]) in known and not is_of_gap(text(row["comparison"]))
        ]

    def estimator(self, outcome: str) -> str:
        """The estimator whose rows stand in front for an outcome: the main one, else the first that gave a number."""
        comparison = self.comparison(outcome)
        return _main(
            self.meta.main_estimator,
            (effect.estimator for effect in self._summaries(outcome) if effect.comparison == comparison),
        )

    def comparison(self, outcome: str) -> str:
        """The comparison whose rows stand in front for an outcome."""
        return _main(self.meta.main_comparison, (effect.comparison for effect in self._summaries(outcome)))

    def _summaries(self, outcome: str) -> list[Effect]:
        """One row per calculation of an outcome, those with a mean over cohorts first."""
        found = [effect for effect in self._of(outcome) if effect.is_summary]
        return sorted(found, key=lambda effect: effect.aggregation != "overall")

    def _of(self, outcome: str) -> list[Effect]:
        return self._by_outcome.get(outcome, [])

    def _pick(self, outcome: str, aggregation: str) -> Effect | None:
        return self._preferred(
            [effect for effect in self._of(outcome) if effect.aggregation == aggregation and effect.cohort is None],
            outcome,
        )

    def _preferred(self, found: list[Effect], outcome: str) -> Effect | None:
        main = (self.comparison(outcome), self.estimator(outcome))
        fitting = [effect for effect in found if (effect.comparison, effect.estimator) == main]
        return min(fitting, key=lambda effect: effect.note.startswith("mean of the"), default=None)

    def overall(self, outcome: str) -> Effect | None:
        """The main result of an outcome."""
        return self._preferred(self._summaries(outcome), outcome)

    def fully_exposed(self, outcome: str) -> Effect | None:
        """The result among cohorts that spent the whole early childhood under the programme."""
        return self._pick(outcome, "fully_exposed")

    def pretrend_p(self, outcome: str) -> float | None:
        """The p-value of the joint test that both groups moved alike before the programme."""
        test = self._pick(outcome, "pretest")
        return None if test is None else test.p_value

    def single_verdict(self, outcome: OutcomeMeta) -> Verdict:
        """The status word of an outcome's main result by its interval alone, as if nobody had looked before."""
        return verdict(self.overall(outcome.name), outcome)

    def verdict(self, outcome: OutcomeMeta) -> Verdict:
        """The status word of an outcome: that of its yearly looks where there are some, else that of its interval."""
        looks = self._looks.get(outcome.name, ())
        if outcome.role != "primary" or not looks:
            return self.single_verdict(outcome)
        look = last_look(looks)
        return Verdict.UNDECIDED if look is None else look_verdict(look, outcome)

    def look(self, outcome: str) -> Look | None:
        """The last yearly look that was taken; None for outcomes without looks."""
        return last_look(self._looks.get(outcome, ()))

    def by_wave(self, outcome: str) -> list[Effect]:
        """Main results per adoption cohort."""
        return [
            effect
            for effect in self._of(outcome)
            if effect.aggregation == "group"
            and effect.cohort is not None
            and effect.comparison == self.comparison(outcome)
            and effect.estimator == self.estimator(outcome)
        ]

    def calculations(self, outcome: str) -> list[Effect]:
        """One row per comparison and estimator, the main comparison and estimator first, then in the plan's order."""
        main = (self.comparison(outcome), self.estimator(outcome))
        comparisons = [entry.name for entry in self.meta.comparisons]

        def place(effect: Effect) -> tuple[int, str, int, str]:
            return (
                _place(effect.comparison, [main[0], *comparisons]),
                effect.comparison,
                _place(effect.estimator, [main[1], *self.meta.estimators]),
                effect.estimator,
            )

        by_name = {(e.comparison, e.estimator): e for e in reversed(self._summaries(outcome))}
        return sorted(by_name.values(), key=place)

    def other_calculations(self, outcome: str) -> list[Effect]:
        """Overall results of every other comparison and estimator."""
        main = (self.comparison(outcome), self.estimator(outcome))
        return [e for e in self.calculations(outcome) if (e.comparison, e.estimator) != main]

    def event_study(self, outcome: str) -> list[Row]:
        """Rows of the event study over all adoption cohorts, by event time."""
        every = [row for row in self._events if text(row["outcome"]) == outcome and whole(row["cohort"]) is None]
        comparison = _main(self.meta.main_comparison, (text(row["comparison"]) for row in every))
        every = [row for row in every if text(row["comparison"]) == comparison]
        estimator = _main(self.meta.main_estimator, (text(row["estimator"]) for row in every))
        chosen = [r for r in every if text(r["estimator"]) == estimator and whole(r["event_time"]) is not None]
        return sorted(chosen, key=lambda row: int(row["event_time"]))


def _main(wanted: str, found: Iterable[str]) -> str:
    """The wanted name if it was found, else the first name found, else the wanted one."""
    names = list(found)
    return wanted if wanted in names or not names else names[0]


def _place(name: str, order: Sequence[str]) -> int:
    """Position in an order; what it does not name comes last."""
    return order.index(name) if name in order else len(order)
