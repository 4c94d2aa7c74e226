"""What is assumed about an outcome before there is any: checked, with the defaults for shares.

What belongs here: limits of assumptions and how they are told. What does not: places, years, effects.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.horizon.variance import VarianceAssumptions
from kkz_eval.plan.model import Outcome

#: The largest standard deviation that anything between 0 and 1 can have.
LARGEST_SHARE_SD = 0.5


def _need(holds: bool, name: str, value: float | None, rule: str) -> None:
    if not holds or (value is not None and not np.isfinite(value)):
        raise EstimationError(f"The assumption {name} = {value} is impossible; give {rule}.")


@dataclass(frozen=True)
class Assumed:
    """Assumptions about cell means of one outcome, or of all shares of a plan. Units of the outcome.

    sd, correlation: shocks of a place and year, and how much of them is left a year later; drift: standard deviation
    of the yearly step by which a place leaves the others for good; kreis_sd, kreis_correlation: shocks shared by a
    Kreis; level: share of children with the outcome, or child_sd: standard deviation between the children of a cell
    (one of both); children_per_cell: None for a year of birth of each place, its children under 6 at the end of 2015
    divided by six.

    Raises EstimationError for values that no outcome can have.
    """

    sd: float = 0.02
    correlation: float = 0.6
    drift: float = 0.004
    level: float | None = None
    child_sd: float | None = None
    kreis_sd: float = 0.0
    kreis_correlation: float = 0.0
    children_per_cell: float | None = None

    def __post_init__(self) -> None:
        _need(self.sd > 0, "sd", self.sd, "a number above 0, for a share about 0.01 to 0.03")
        _need(0 <= self.correlation < 1, "correlation", self.correlation, "a number from 0 to below 1")
        _need(self.drift >= 0, "drift", self.drift, "0 or more, in units of the outcome")
        _need(self.kreis_sd >= 0, "kreis-sd", self.kreis_sd, "0 or more, in units of the outcome")
        _need(
            0 <= self.kreis_correlation < 1, "kreis-correlation", self.kreis_correlation, "a number from 0 to below 1"
        )
        children = self.children_per_cell
        _need(children is None or children > 0, "children per cell", children, "a number above 0")
        if (self.level is None) == (self.child_sd is None):
            raise EstimationError(
                "Give either the level of a share or the standard deviation between children (child sd), not both and "
                "not neither."
            )
        _need(self.level is None or 0 < self.level < 1, "level", self.level, "a share between 0 and 1, such as 0.2")
        _need(self.child_sd is None or self.child_sd > 0, "child sd", self.child_sd, "a number above 0")
        if self.level is not None:
            for name, value in (("sd", self.sd), ("drift", self.drift), ("kreis-sd", self.kreis_sd)):
                _need(value < LARGEST_SHARE_SD, name, value, "less than 0.5: a share cannot vary more")

    @property
    def spread(self) -> float:
        """Standard deviation between the children of a cell: child_sd, or √(p(1 − p)) of the level p."""
        if self.child_sd is not None:
            return self.child_sd
        level = self.level or 0.0
        return float(np.sqrt(level * (1 - level)))

    def fits(self, outcome: Outcome) -> bool:
        """Whether the assumptions are in the unit of the outcome: a level is for shares only."""
        return self.level is None or outcome.unit_of_measure == "share"

    def variances(self, children: FloatArray, n_periods: int) -> VarianceAssumptions:
        """As the variance model takes them, for places with `children` (U,) of one year of birth."""
        per_cell = np.broadcast_to(children[:, None], (len(children), n_periods))
        return VarianceAssumptions(
            sd=self.sd,
            rho=self.correlation,
            random_walk_sd=self.drift,
            child_sd=self.spread,
            children=per_cell if self.children_per_cell is None else self.children_per_cell,
            kreis_sd=self.kreis_sd,
            kreis_rho=self.kreis_correlation,
        )

    def told(self) -> dict[str, float | None]:
        """Every assumption by its name, for whoever reads the table."""
        return {
            "sd": self.sd,
            "correlation": self.correlation,
            "drift": self.drift,
            "kreis_sd": self.kreis_sd,
            "kreis_correlation": self.kreis_correlation,
            "level": self.level,
            "child_sd": self.spread,
            "children_per_cell": self.children_per_cell,
        }


#: Round numbers in the usual size of shares at school entry; they stand for no data.
SHARES = Assumed(level=0.2)


def assumptions_of(
    *,
    sd: float | None = None,
    correlation: float | None = None,
    drift: float | None = None,
    level: float | None = None,
    child_sd: float | None = None,
    kreis_sd: float | None = None,
    kreis_correlation: float | None = None,
    children_per_cell: float | None = None,
) -> Assumed:
    """The assumptions given, completed by those of `SHARES`.

    With child_sd the outcome is no share: then sd and drift must be given too, because no default has its unit.
    Raises EstimationError as `Assumed`.
    """
    if child_sd is not None and (sd is None or drift is None):
        raise EstimationError(
            "With the standard deviation between children (child sd) give sd and drift too, all in the outcome's own "
            "unit; there are defaults for shares only."
        )
    return Assumed(
        sd=SHARES.sd if sd is None else sd,
        correlation=SHARES.correlation if correlation is None else correlation,
        drift=SHARES.drift if drift is None else drift,
        level=SHARES.level if level is None and child_sd is None else level,
        child_sd=child_sd,
        kreis_sd=kreis_sd or 0.0,
        kreis_correlation=kreis_correlation or 0.0,
        children_per_cell=children_per_cell,
    )
