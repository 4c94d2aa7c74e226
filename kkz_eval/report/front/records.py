"""Rows behind the opening pages: what could be seen in which year, the yearly looks, the cost.

What belongs here: released rows as records. What does not: sentences and pictures.
"""

from dataclasses import dataclass

from kkz_eval.report.frames import Row, Tables, flag, number, rows, text, whole


@dataclass(frozen=True, slots=True)
class SeenYear:
    """What can be told from chance with the data up to one year, in the outcome's own unit.

    `smallest` is the smallest effect of a whole early childhood that is found with the plan's power, `worth` the size
    that the plan calls worth knowing, `chance` the probability that a yearly look has found that size by then.
    """

    year: int
    is_projected: bool
    is_extrapolated: bool
    smallest: float
    worth: float | None
    is_detectable: bool
    chance: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """One yearly look: effect of a whole early childhood and its interval that is valid over all looks.

    `verdict` is empty and the interval None where no look was taken; `without_negative` is the estimate by the slope
    without negative weights; `power_left` the chance to find the effect worth knowing at the last planned look;
    `bound` what the statistic must pass.
    """

    year: int
    estimate: float | None
    low: float | None
    high: float | None
    verdict: str
    has_crossed: bool
    without_negative: float | None
    power_left: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """The plan's own answer on cost for one outcome; euros, and effects in the outcome's unit."""

    per_child: float | None
    per_child_range: tuple[float, float] | None
    n_places: int | None
    yearly: float | None
    price_year: int | None
    benefit: float | None
    break_even: float | None
    per_case: float | None
    set_kind: str
    set_low: float | None
    set_high: float | None
    sources: dict[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """All records of one outcome."""

    years: tuple[SeenYear, ...]
    looks: tuple[Look, ...]
    cost: Cost | None

    @property
    def now(self) -> SeenYear | None:
        """The last year with data."""
        return next((year for year in reversed(self.years) if not year.is_projected), None)

    @property
    def first_detectable(self) -> SeenYear | None:
        """The first year from which an effect worth knowing is found with the plan's power."""
        return next((year for year in self.years if year.is_detectable), None)

    @property
    def worth(self) -> float | None:
        """The size of effect that the plan calls worth knowing."""
        return next((year.worth for year in self.years if year.worth is not None), None)

    @property
    def look(self) -> Look | None:
        """The last look that was taken."""
        return last_look(self.looks)

    @property
    def planned_looks(self) -> list[SeenYear]:
        """Years in which the plan looks, those to come included; none for a plan without yearly looks."""
        return [year for year in self.years if year.chance is not None] if self.looks else []


def last_look(looks: tuple[Look, ...]) -> Look | None:
    """The last look that was taken; None where none was."""
    return next((look for look in reversed(looks) if look.verdict), None)


def _of(tables: Tables, name: str, outcome: str) -> list[Row]:
    return [row for row in rows(tables, name) if text(row["outcome"]) == outcome]


def looks_of(tables: Tables, outcome: str) -> tuple[Look, ...]:
    """Yearly looks of one outcome, earliest first; looks that came too early are among them, without a verdict."""
    found = [(year, row) for row in _of(tables, "looks", outcome) if (year := whole(row["year"])) is not None]
    return tuple(
        Look(
            year=year,
            estimate=number(row["estimate"]),
            low=number(row["ci_low"]),
            high=number(row["ci_high"]),
            verdict=text(row["verdict"]) if number(row["estimate"]) is not None else "",
            has_crossed=flag(row["has_crossed"]),
            without_negative=number(row["reported_estimate"]),
            power_left=number(row["power_planned"]),
            bound=number(row["z_bound"]),
        )
        for year, row in sorted(found, key=lambda entry: entry[0])
    )


def years_of(tables: Tables, outcome: str) -> tuple[SeenYear, ...]:
    """What can be told from chance by year, earliest first; years without a number are left out."""
    found = []
    for row in _of(tables, "detectability", outcome):
        year, smallest = whole(row["year"]), number(row["mde_full"])
        if year is not None and smallest is not None:
            found.append(
                SeenYear(
                    year=year,
                    is_projected=flag(row["is_projected"]),
                    is_extrapolated=flag(row["is_extrapolated"]),
                    smallest=smallest,
                    worth=number(row["effect_worth_knowing"]),
                    is_detectable=flag(row["is_detectable"]),
                    chance=number(row["p_detected"]),
                )
            )
    return tuple(sorted(found, key=lambda entry: entry.year))


def cost_of(tables: Tables, outcome: str) -> Cost | None:
    """The row of the plan's own choice, with the range of cost over the other assumptions."""
    found = _of(tables, "cost", outcome)
    chosen = next((row for row in found if flag(row["is_plan_choice"])), None)
    if chosen is None:
        return None
    every = [value for row in found if (value := number(row["cost_per_child"])) is not None]
    return Cost(
        per_child=number(chosen["cost_per_child"]),
        per_child_range=(min(every), max(every)) if len(set(every)) > 1 else None,
        n_places=whole(chosen["n_places"]),
        yearly=number(chosen["yearly_cost"]),
        price_year=whole(chosen["price_year"]),
        benefit=number(chosen["benefit_per_case"]),
        break_even=number(chosen["break_even_effect"]),
        per_case=number(chosen["cost_per_case"]),
        set_kind=text(chosen["set_kind"]),
        set_low=number(chosen["set_low"]),
        set_high=number(chosen["set_high"]),
        sources={language: text(chosen[f"source_{language}"]) for language in ("de", "en")},
    )


def opening_of(tables: Tables, outcome: str) -> Opening:
    """All records of one outcome; empty ones for releases without these tables."""
    return Opening(years_of(tables, outcome), looks_of(tables, outcome), cost_of(tables, outcome))
