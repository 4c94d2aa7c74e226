"""The records of a plan. What belongs here: fields, their limits, and rules that hold inside one plan."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from kkz_eval.errors import PlanError
from kkz_eval.plan.horizon import Amount, Looks, Money, Threats

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Source = Literal["school_entry_exam", "kita_attendance", "education", "official"]
Stratum = Literal["german_low", "german_middle", "german_high", "other_low", "other_middle", "other_high", "unknown"]
Role = Literal["primary", "secondary", "placebo"]
Estimator = Literal[
    "callaway_santanna_adjusted",
    "callaway_santanna",
    "sun_abraham",
    "imputation",
    "two_stage",
    "etwfe",
    "etwfe_logit",
    "etwfe_poisson",
    "stacked",
    "synthetic_did",
    "event_study",
    "two_way_fixed_effects",
    "bacon",
    "dose",
]
#: The estimators that a plan may name; each has a table of its own in schema estimates.
PLAN_ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)

#: 280 days.
PREGNANCY_YEARS = 280 / 365.25
#: Statistics of official sources which a comparison may hold constant.
OFFICIAL_COVARIATES = ("sgb2_under_15",)


class Record(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(Record):
    """One outcome: where it is measured, in which unit, and when in a child's life.

    `measured_months`: months from 1 January of the period's year to the measurement. `age_years`: mean age at
    measurement. `window_years`: age up to which years under the programme count for this outcome.
    `effect_worth_knowing`: size of the full effect, in the outcome's own unit, that would matter; also the margin of
    "no relevant effect". `benefit_per_case`: present value of one case averted. `surrogates`: outcomes of the school
    entry exam of the same children that may tell of this one before it is due.
    """

    name: Name
    source: Source
    role: Role
    label_de: Text
    label_en: Text
    unit_of_measure: Literal["share", "points", "cm", "kg/m2", "months"]
    direction: Literal["lower", "higher"]
    first_valid_period: int
    last_valid_period: int
    period_kind: Literal["entry_year", "calendar_year", "kita_year"]
    measured_months: Annotated[int, Field(ge=0, le=240)]
    age_years: Annotated[float, Field(gt=0, le=25)]
    window_years: Annotated[float, Field(gt=0, le=25)]
    note_de: str = ""
    note_en: str = ""
    effect_worth_knowing: Annotated[float, Field(gt=0)] | None = None
    benefit_per_case: Amount | None = None
    surrogates: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _periods_in_order(self) -> Self:
        if self.first_valid_period > self.last_valid_period:
            raise ValueError(f"outcome {self.name}: first_valid_period lies after last_valid_period")
        return self


class Comparison(Record):
    """Who is compared with whom, and against which earlier period.

    `covariates` of the places are held constant; in `callaway_santanna` by `method`: regression adjustment, inverse
    probability weighting or doubly robust.
    """

    name: Name
    label_de: Text
    label_en: Text
    control_group: Literal["never_treated", "not_yet_treated"]
    base_period: Literal["varying", "universal"] = "universal"
    anticipation: Annotated[int, Field(ge=0, le=5)] = 0
    region: Literal["all", "rheinland", "westfalen"] = "all"
    covariates: tuple[Name, ...] = ()
    method: Literal["dr", "ipw", "reg"] = "reg"

    @model_validator(mode="after")
    def _covariates_known(self) -> Self:
        for covariate in self.covariates:
            if covariate not in OFFICIAL_COVARIATES:
                allowed = ", ".join(OFFICIAL_COVARIATES)
                raise ValueError(f"comparison {self.name}: covariate {covariate} is not known; allowed: {allowed}")
        return self


class Gap(Record):
    """Two groups of children of the same places: does the difference between them change with the programme?

    `first` and `second` are strata of the school entry exam, home language and parents' education.
    """

    name: Name
    label_de: Text
    label_en: Text
    first: tuple[Stratum, ...] = Field(min_length=1)
    second: tuple[Stratum, ...] = Field(min_length=1)
    first_de: Text
    first_en: Text
    second_de: Text
    second_en: Text

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.first) & set(self.second))
        if both:
            raise ValueError(f"gap {self.name}: stratum {both[0]} stands on both sides")
        return self


class ExcludedUnit(Record):
    """A municipality or Kreis left out of every comparison, and why."""

    unit: Annotated[str, StringConstraints(pattern=r"^\d{5}(\d{3})?$")]
    reason_de: Text
    reason_en: Text


class ExcludedPeriod(Record):
    """A period of one source left out of every comparison, and why."""

    source: Source
    period: int
    reason_de: Text
    reason_en: Text


class OfficialFile(Record):
    """A file of official statistics, by its path below the inbox."""

    file: Annotated[str, StringConstraints(pattern=r"^[\w .\-]+(/[\w .\-]+)*$")]
    kind: Literal["genesis_classic", "genesis_flat", "inkar_xls", "inkar_csv"]


class StudyQuestion(Record):
    """What is evaluated, for which unit, in which years, as of which day."""

    name: Name
    title_de: Text
    title_en: Text
    question_de: Text
    question_en: Text
    sources_de: Text
    sources_en: Text
    unit: Literal["ags", "kreis"]
    first_period: Annotated[int, Field(ge=1980, le=2100)]
    last_period: Annotated[int, Field(ge=1980, le=2100)]
    as_of: dt.date
    is_synthetic: bool = False

    @model_validator(mode="after")
    def _periods_in_order(self) -> Self:
        if self.first_period >= self.last_period:
            raise ValueError("study: first_period must lie before last_period")
        return self


class Treatment(Record):
    """Which waves count, by which rule a Gemeinde takes part, and from how much exposure a cohort counts as exposed."""

    waves: tuple[Literal[2012, 2017, 2020], ...] = Field(min_length=1)
    participation_rule: Literal["named", "with_kreis"]
    minimum_exposure_years: Annotated[float, Field(ge=0, le=5)] = 0.25


class Estimation(Record):
    """Which estimators run and how uncertainty is measured.

    The first estimator is the primary one: its numbers stand in front. The others are its robustness set. `draws` are
    those of simultaneous bands, `cross_check_draws` those of wild bootstrap and placebo reassignment beside the main
    results.
    """

    estimators: tuple[Estimator, ...] = Field(min_length=1)
    inference: Literal["jackknife", "analytic"] = "jackknife"
    cluster: Literal["kreis", "unit"] = "kreis"
    weights: Literal["children", "equal"] = "children"
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    draws: Annotated[int, Field(ge=100, le=100_000)] = 9_999
    cross_check_draws: Annotated[int, Field(ge=100, le=100_000)] = 1_999
    seed: Annotated[int, Field(ge=0)] = 2012


class Disclosure(Record):
    """Smallest number of children that a released figure may rest on."""

    threshold: Annotated[int, Field(ge=3, le=100)] = 10


class Plan(Record):
    """Everything that is decided before results are seen. Its hash stands on every released table."""

    study: StudyQuestion
    treatment: Treatment
    estimation: Estimation
    disclosure: Disclosure = Disclosure()
    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    comparisons: tuple[Comparison, ...] = Field(min_length=1)
    gaps: tuple[Gap, ...] = ()
    looks: Looks | None = None
    money: Money | None = None
    threats: Threats = Threats()
    excluded_units: tuple[ExcludedUnit, ...] = ()
    excluded_periods: tuple[ExcludedPeriod, ...] = ()
    official_files: tuple[OfficialFile, ...] = ()

    @model_validator(mode="after")
    def _names_unique(self) -> Self:
        _refuse_twice("outcome", (outcome.name for outcome in self.outcomes))
        gaps = [gap.name for gap in self.gaps]
        _refuse_twice("comparison or gap", [*(comparison.name for comparison in self.comparisons), *gaps])
        _refuse_twice("excluded unit", (excluded.unit for excluded in self.excluded_units))
        _refuse_twice("official file", (official.file for official in self.official_files))
        _refuse_twice("wave", (str(wave) for wave in self.treatment.waves))
        _refuse_twice("estimator", self.estimation.estimators)
        _refuse_twice("excluded period", (f"{e.source} {e.period}" for e in self.excluded_periods))
        return self

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        exam = {outcome.name for outcome in self.outcomes if outcome.source == "school_entry_exam"}
        for outcome in self.outcomes:
            _refuse_twice(f"outcome {outcome.name}: surrogate", outcome.surrogates)
            unknown = sorted(set(outcome.surrogates) - (exam - {outcome.name}))
            if unknown:
                raise ValueError(
                    f"outcome {outcome.name}: surrogate {unknown[0]} is not another outcome of the school entry exam"
                )
        control = self.threats.negative_control
        if control and control not in {outcome.name for outcome in self.outcomes}:
            raise ValueError(f"threats: negative_control {control} is not an outcome of this plan")
        return self

    @model_validator(mode="after")
    def _exposure_possible(self) -> Self:
        minimum = self.treatment.minimum_exposure_years
        for outcome in self.outcomes:
            longest = min(outcome.age_years, outcome.window_years) + PREGNANCY_YEARS
            if minimum > longest:
                raise ValueError(
                    f"minimum_exposure_years = {minimum} can never be reached by outcome {outcome.name},"
                    f" whose children live at most {longest:.1f} years in its window; lower it"
                )
        return self

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        digits = 8 if self.study.unit == "ags" else 5
        for excluded in self.excluded_units:
            if len(excluded.unit) != digits:
                raise ValueError(f"excluded unit {excluded.unit}: unit '{self.study.unit}' has keys of {digits} digits")
        official = [o.name for o in self.outcomes if o.source == "official"]
        if official and self.study.unit == "ags":
            raise ValueError(
                f"outcome {official[0]}: official statistics are given per Kreis; set study.unit = 'kreis'"
            )
        return self

    def changed(self, *, as_of: str = "", confidence: float = 0.0) -> "Plan":
        """This plan with the settings of one run; empty settings change nothing. Raises `PlanError`."""
        changes = self.model_dump()
        if as_of:
            changes["study"]["as_of"] = as_of
        if confidence:
            changes["estimation"]["confidence"] = confidence
        try:
            return Plan.model_validate(changes)
        except ValidationError as fault:
            name = str(fault.errors()[0]["loc"][-1])
            form = "write a day as 2025-12-31" if name == "as_of" else "write a number between 0.5 and 1"
            raise PlanError(f"run setting {name}: '{as_of or confidence}' is not possible; {form}.") from None

    def outcome(self, name: str) -> Outcome:
        """The outcome of that name; the plan has checked that names are unique."""
        return next(outcome for outcome in self.outcomes if outcome.name == name)


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name} is listed twice")
        seen.add(name)
