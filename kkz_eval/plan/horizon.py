"""The records of a plan on when something can be known: yearly looks, money, threats.

What belongs here: fields, their limits, rules inside one record. What does not: outcomes and comparisons (model.py).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Words = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Share = Annotated[float, Field(ge=0, le=1)]


class HorizonRecord(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Looks(HorizonRecord):
    """Yearly looks at the primary outcomes: when the first and the last is taken and how the total error is shared.

    Outcomes share `alpha` equally among those of role primary. `projected_to`: last year of the table of
    detectability.
    """

    first: Annotated[int, Field(ge=1990, le=2100)]
    last: Annotated[int, Field(ge=1990, le=2100)]
    projected_to: Annotated[int, Field(ge=1990, le=2100)] = 2035
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.8
    spending: Literal["obrien_fleming", "pocock", "hwang_shih_decani"] = "obrien_fleming"
    gamma: Annotated[float, Field(ge=-10, le=10)] = -4.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.first <= self.last <= self.projected_to:
            raise ValueError("looks: first, last and projected_to must follow one another in time")
        return self


class Amount(HorizonRecord):
    """A sum of money with its source; `price_year`: the year whose prices it is in."""

    euro: Annotated[float, Field(gt=0)]
    price_year: Annotated[int, Field(ge=1990, le=2100)]
    source_de: Words
    source_en: Words


class Money(HorizonRecord):
    """What the programme costs in a year. Whether the two sums add up is a decision, not a default."""

    per_place: Amount
    programme: Amount
    is_additive: bool
    discount_rate: Annotated[float, Field(ge=0, le=0.2)] = 0.03


class Mobility(HorizonRecord):
    """Moves between municipalities in early childhood: yearly share that moves in, and where they come from.

    `from_treated_to_treated`: share of those who move into participating places that come from participating places;
    `from_treated_to_comparison` likewise of those who move into comparison places.
    """

    yearly_moves: Share
    from_treated_to_treated: Share
    from_treated_to_comparison: Share
    source_de: Words
    source_en: Words


class Threats(HorizonRecord):
    """What could mislead, and the assumptions under which the sensitivity table asks how far.

    `spillover`: effect on exposed comparison places as shares of the effect; `negative_control`: outcome that the same
    examiners measure and the programme can hardly move.
    """

    spillover: tuple[Annotated[float, Field(gt=-1, lt=1)], ...] = (-0.25, 0.25, 0.5)
    negative_control: str = ""
    mobility: Mobility | None = None
