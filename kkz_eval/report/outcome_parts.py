"""The section of one outcome: what is seen, its pictures, and all its calculations side by side.

What belongs here: which sentence, picture and table an outcome gets. What does not: sections over all outcomes.
"""

from dataclasses import dataclass
from functools import cached_property

from kkz_eval.report.calculations import agreement_words, reasons
from kkz_eval.report.figures import description, event_study, specification_curve
from kkz_eval.report.frames import Row, number, rows, text
from kkz_eval.report.meta import OutcomeMeta, Role
from kkz_eval.report.parts import Figure, Parts, Printed
from kkz_eval.report.results import Verdict


@dataclass(frozen=True, slots=True)
class Calculations:
    """All ways to calculate one outcome: how far they agree, the picture, the table, reasons for gaps in it."""

    agreement: list[str]
    curve: Figure | None
    table: Printed
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class OutcomeSection:
    """Everything the report says on one outcome."""

    name: str
    label: str
    explanation: str
    verdict: Verdict
    seen: str
    full: str
    exposure: str
    not_full: str
    pretrend: str
    basis: str
    specification: str
    exposure_table: Printed | None
    by_wave: Printed | None
    event_study: Figure | None
    description: Figure | None
    calculations: Calculations | None


class OutcomeParts(Parts):
    """Sections of single outcomes."""

    @cached_property
    def _means(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in rows(self.wording.tables, "description"):
            found.setdefault(text(row["outcome"]), []).append(row)
        return found

    def outcomes(self, role: Role) -> list[OutcomeSection]:
        """One section per outcome of a role, in the order of the plan."""
        return [self._outcome(outcome) for outcome in self.meta.with_role(role)]

    def _outcome(self, outcome: OutcomeMeta) -> OutcomeSection:
        wording, name = self.wording, outcome.name
        return OutcomeSection(
            name=name,
            label=outcome.label(self.language),
            explanation=outcome.explanation(self.language),
            verdict=wording.results.verdict(outcome),
            seen=wording.seen(outcome) if outcome.role == "primary" else wording.seen_briefly(outcome),
            full=wording.fully_exposed(outcome),
            exposure=wording.exposure(outcome),
            not_full=wording.not_full(outcome),
            pretrend=wording.pretrend(outcome),
            basis=self._basis(outcome),
            specification=wording.specification(outcome),
            exposure_table=self.printed(self.tables.exposure((outcome,)), is_plain=True),
            by_wave=self.printed(self.tables.by_wave(outcome), is_plain=True),
            event_study=self._event_study(outcome),
            description=self._description(outcome),
            calculations=self._calculations(outcome) if outcome.role == "primary" else None,
        )

    def _basis(self, outcome: OutcomeMeta) -> str:
        main = self.wording.results.overall(outcome.name)
        basis = self.wording.basis(outcome)
        # A main method that is named after its adjustment must say where there was nothing to adjust.
        return f"{basis} {self.words('reason.not_adjusted')}" if main and "not adjusted" in main.note else basis

    def _event_study(self, outcome: OutcomeMeta) -> Figure | None:
        found = self.wording.results.event_study(outcome.name)
        if not any(number(row["estimate"]) is not None for row in found):
            return None
        return self.figure(
            f"event-{outcome.name}",
            event_study.event_study(found, outcome, self.language),
            event_study.alternative(found, outcome, self.language),
            self.tables.event_study(outcome),
            self.words("caption.event_study", confidence=self.confidence) if outcome.role == "primary" else "",
            self.words("label.event_study"),
        )

    def _description(self, outcome: OutcomeMeta) -> Figure | None:
        found = self._means.get(outcome.name, [])
        if not any(number(row["mean"]) is not None for row in found):
            return None
        names = {group: description.group_label(group, self.language) for group, *_ in description.groups(self.meta)}
        return self.figure(
            f"course-{outcome.name}",
            description.description(found, outcome, self.meta, self.language),
            description.alternative(found, outcome, self.language),
            self.tables.description(outcome, names),
            self.words("caption.description", confidence=self.confidence),
            self.words("label.description"),
        )

    def _calculations(self, outcome: OutcomeMeta) -> Calculations | None:
        found = self.wording.results.calculations(outcome.name)
        table = self.printed(self.calculation_tables.side_by_side(outcome), is_plain=True)
        if table is None or len(found) < 2:
            return None
        return Calculations(
            agreement_words(self.wording, outcome), self._curve(outcome), table, reasons(self.wording, outcome)
        )

    def _curve(self, outcome: OutcomeMeta) -> Figure | None:
        found, main = self.wording.results.calculations(outcome.name), self.wording.results.overall(outcome.name)
        chart = specification_curve.specification_curve(found, main, outcome, self.wording)
        if chart is None:
            return None
        return self.figure(
            f"curve-{outcome.name}",
            chart,
            specification_curve.alternative(found, outcome, self.language),
            self.calculation_tables.behind_curve(outcome, specification_curve.in_order(found)),
            self.words("caption.curve", confidence=self.confidence),
        )
