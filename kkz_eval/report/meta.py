"""What the report must know beside the released tables: names, labels, dates, rules.

What belongs here: frozen records without behaviour beyond picking a language. What does not: numbers of results.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Language = Literal["de", "en"]
Role = Literal["primary", "secondary", "placebo"]
Direction = Literal["lower", "higher"]
PeriodKind = Literal["entry_year", "calendar_year", "kita_year"]

LANGUAGES: tuple[Language, ...] = ("de", "en")


def _pick(language: Language, german: str, english: str) -> str:
    """The wording of one language; the other one if the first was left empty."""
    return (german or english) if language == "de" else (english or german)


@dataclass(frozen=True, slots=True)
class OutcomeMeta:
    """One outcome as the plan names it.

    `unit_of_measure` is `share` (shown in percentage points), `points`, `cm`, `kg/m2`, `months` or any other word.
    `direction` says which change is wanted; for a placebo outcome it is not used.
    """

    name: str
    label_de: str
    label_en: str
    unit_of_measure: str
    direction: Direction
    role: Role
    source: str
    period_kind: PeriodKind = "entry_year"
    explanation_de: str = ""
    explanation_en: str = ""

    def label(self, language: Language) -> str:
        """Name of the outcome for readers."""
        return _pick(language, self.label_de, self.label_en)

    def explanation(self, language: Language) -> str:
        """One sentence on what is measured; may be empty."""
        return _pick(language, self.explanation_de, self.explanation_en)


@dataclass(frozen=True, slots=True)
class ComparisonMeta:
    """One way to choose the municipalities that are compared with."""

    name: str
    label_de: str
    label_en: str

    def label(self, language: Language) -> str:
        """Name of the comparison for readers."""
        return _pick(language, self.label_de, self.label_en)


@dataclass(frozen=True, slots=True)
class GapMeta:
    """Two groups of children between which a gap may close; effects on the gap are those of `first` minus `second`."""

    name: str
    label_de: str
    label_en: str
    first_de: str
    first_en: str
    second_de: str
    second_en: str

    def label(self, language: Language) -> str:
        """The question about the gap."""
        return _pick(language, self.label_de, self.label_en)

    def first(self, language: Language) -> str:
        """Name of the first group."""
        return _pick(language, self.first_de, self.first_en)

    def second(self, language: Language) -> str:
        """Name of the second group."""
        return _pick(language, self.second_de, self.second_en)


@dataclass(frozen=True, slots=True)
class ExcludedPeriod:
    """A period that the main calculation leaves out, and why; of one source, or of all where `source` is empty."""

    period: int
    reason_de: str
    reason_en: str = ""
    source: str = ""

    def reason(self, language: Language) -> str:
        """Why the period is left out."""
        return _pick(language, self.reason_de, self.reason_en)


@dataclass(frozen=True, slots=True)
class ReportMeta:
    """Everything the report prints that is not a released number.

    The first comparison is the main one. `main_estimator` names the rows of the main results; where an outcome has
    none, the report takes the first estimator it finds and says which. `estimators` gives the order in which methods
    stand side by side; those it does not name come last. `threshold` is the smallest number of children that may
    appear. `cluster` says what `n_clusters` counts, `power` in which share of cases the plan wants an effect worth
    knowing to be found. `is_synthetic` puts a banner on the page: the children are invented.
    """

    study_name: str
    title_de: str
    title_en: str
    question_de: str
    question_en: str
    outcomes: tuple[OutcomeMeta, ...]
    comparisons: tuple[ComparisonMeta, ...]
    waves: tuple[int, ...]
    unit: Literal["ags", "kreis"]
    as_of: date
    release: int
    plan_sha256: str
    threshold: int
    deviations: tuple[str, ...] = ()
    excluded_periods: tuple[ExcludedPeriod, ...] = ()
    data_notes_de: tuple[str, ...] = ()
    data_notes_en: tuple[str, ...] = ()
    method_notes_de: tuple[str, ...] = ()
    method_notes_en: tuple[str, ...] = ()
    main_estimator: str = ""
    estimators: tuple[str, ...] = ()
    gaps: tuple[GapMeta, ...] = ()
    cluster: Literal["kreis", "unit"] = "kreis"
    confidence: float = 0.95
    power: float = 0.8
    is_synthetic: bool = False
    software_version: str = ""

    @property
    def main_comparison(self) -> str:
        """Name of the comparison whose results stand in front; empty if the plan names none."""
        return self.comparisons[0].name if self.comparisons else ""

    def title(self, language: Language) -> str:
        """Title of the plan."""
        return _pick(language, self.title_de, self.title_en)

    def question(self, language: Language) -> str:
        """The question the plan asks."""
        return _pick(language, self.question_de, self.question_en)

    def data_notes(self, language: Language) -> tuple[str, ...]:
        """Notes on the sources of the data."""
        first, other = (self.data_notes_de, self.data_notes_en)
        return (first or other) if language == "de" else (other or first)

    def method_notes(self, language: Language) -> tuple[str, ...]:
        """Notes on how this study was calculated, beyond the general note of the report."""
        first, other = (self.method_notes_de, self.method_notes_en)
        return (first or other) if language == "de" else (other or first)

    @property
    def by_role(self) -> tuple[OutcomeMeta, ...]:
        """All outcomes: primary, then secondary, then placebo; within a role in the order of the plan."""
        return (*self.with_role("primary"), *self.with_role("secondary"), *self.with_role("placebo"))

    def with_role(self, role: Role) -> tuple[OutcomeMeta, ...]:
        """Outcomes of one role, in the order of the plan."""
        return tuple(outcome for outcome in self.outcomes if outcome.role == role)
