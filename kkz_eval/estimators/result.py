"""The one shape of a result, and the container that carries an estimator's numbers to inference."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Aggregation = Literal[
    "group_time", "overall", "group", "calendar", "event", "fully_exposed", "dose", "static", "decomposition", "pretest"
]
Status = Literal["estimated", "not estimable"]
ControlGroup = Literal["never_treated", "not_yet_treated"]
BasePeriod = Literal["varying", "universal"]
Design = Literal["panel", "cross_section", "unbalanced"]
Method = Literal["dr", "ipw", "reg"]


@dataclass(frozen=True)
class Estimate:
    """One row of the results: one number, its uncertainty, what it rests on.

    `overall` rows with `note` starting "mean of the …" are the overall of that aggregation; `static` is the one
    coefficient of two-way fixed effects; a `decomposition` row is a comparison of two cohorts behind it, `period` the
    first treated period of the comparison cohort (None: never treated); a `dose` row is an effect per unit of dose or
    the effect at some doses, which its note names first; a `pretest` row carries the F statistic in `estimate`.
    `label` tells rows apart that share all of these: "overall" the mean of an aggregation, the name of a `dose` row.
    `n` counts the children in the treated cells of the row's own periods, None where unknown (official rates).
    A row without a standard error is `not estimable` unless it is the reference period (zero by construction).
    None stands for everything that does not exist; NaN never occurs.
    """

    outcome: str
    comparison: str
    estimator: str
    aggregation: Aggregation
    cohort: int | None = None
    period: int | None = None
    event_time: int | None = None
    label: str = ""
    estimate: float | None = None
    std_error: float | None = None
    df: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    band_low: float | None = None
    band_high: float | None = None
    p_value: float | None = None
    n: int | None = None
    n_units: int = 0
    n_treated_units: int = 0
    n_clusters: int = 0
    status: Status = "estimated"
    note: str = ""


def estimates_frame(estimates: Iterable[Estimate]) -> "pd.DataFrame":
    """The rows as a data frame with one column per field of `Estimate`, missing entries as NULL."""
    import pandas as pd  # noqa: PLC0415  (pandas is slow to import)

    records = [asdict(row) for row in estimates]
    frame = pd.DataFrame(records, columns=list(Estimate.__dataclass_fields__))
    whole = ["cohort", "period", "event_time", "n", "n_units", "n_treated_units", "n_clusters"]
    numbers = ["estimate", "std_error", "df", "ci_low", "ci_high", "band_low", "band_high", "p_value"]
    return frame.astype({**dict.fromkeys(whole, "Int64"), **dict.fromkeys(numbers, "Float64")})


@dataclass(frozen=True)
class EstimatorOptions:
    """What an estimator may be told. Estimators ignore what does not concern them.

    `anticipation` is in units of the period (years). `balance_event`, `min_event`, `max_event` restrict the event
    aggregation as `balance_e`, `min_e`, `max_e` do in R did. `weighted` = False sets all unit weights to one.
    `fully_exposed` names the (cohort, period) pairs whose children were under the programme from pregnancy on.
    `covariates` (units, periods, k) with `covariate_names` are held constant: extra regressors of the regressions; in
    `callaway_santanna` by `method`: doubly robust, inverse probability weighting, or regression adjustment.
    `influence_as_drdid` = False: analytic errors of `dr` in cross-sections from the exact derivative instead of R's.
    `dose` (units, periods) of the panel is how much of the programme a unit had, 0 before adoption; without it
    estimator `dose` counts periods since adoption. `dose_edges`: increasing upper ends of the bins of its curve.

    Raises EstimationError for unknown choices and negative anticipation.
    """

    control_group: ControlGroup = "not_yet_treated"
    base_period: BasePeriod = "universal"
    anticipation: int = 0
    design: Design = "panel"
    weighted: bool = True
    balance_event: int | None = None
    min_event: int | None = None
    max_event: int | None = None
    fully_exposed: frozenset[tuple[int, int]] = frozenset()
    covariates: FloatArray | None = None
    covariate_names: tuple[str, ...] = ()
    method: Method = "dr"
    influence_as_drdid: bool = True
    dose: FloatArray | None = None
    dose_edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        allowed = {"control_group": ControlGroup, "base_period": BasePeriod, "design": Design, "method": Method}
        for name, choices in allowed.items():
            if getattr(self, name) not in get_args(choices):
                raise EstimationError(
                    f"{name} = {getattr(self, name)!r} is not known; choose {' or '.join(get_args(choices))}."
                )
        if self.anticipation < 0:
            raise EstimationError(
                f"anticipation = {self.anticipation} is negative; give a number of periods from 0 on."
            )


@dataclass(frozen=True)
class Parameter:
    """Which number: an aggregation and the cohort, period or event time it is for. `label` names what has none."""

    aggregation: Aggregation
    cohort: int | None = None
    period: int | None = None
    event_time: int | None = None
    label: str = ""


@dataclass(frozen=True)
class InfluenceMatrix:
    """Influence functions of P parameters over U units, in sums: Var(estimate) = Σ over clusters of (Σ values)².

    values (U, P); units (U,) and clusters (U,) labels. Divided by the sample size already, so that no n is needed.
    """

    units: NDArray[np.str_]
    clusters: NDArray[np.str_]
    values: FloatArray

    def by_cluster(self) -> tuple[NDArray[np.str_], FloatArray]:
        """Labels (G,) in ascending order and the sums (G, P) of the influence functions within clusters."""
        labels, code = np.unique(self.clusters, return_inverse=True)
        return labels, sum_by(code, len(labels), self.values)


def sum_by(code: NDArray[np.intp], n_groups: int, values: FloatArray) -> FloatArray:
    """Sums (n_groups, …) of values (U, …) by code (U,), in row order, so that they are reproducible bit by bit."""
    sums = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(sums, code, values)
    return sums


@dataclass(frozen=True)
class Fit:
    """What an estimator hands to inference. P parameters, U units of the panel, C clusters in ascending order.

    estimate (P,), NaN where `reason[p]` says why it cannot be estimated;
    influence: InfluenceMatrix (U, P);
    treated_weight (U, P): weight with which a treated unit enters a parameter (0 for the others), for the number of
    effective clusters; used (U, P): which units enter; n_children (P,): NaN where unknown;
    is_reference (P,): zero by construction; `notes[p]`: what a reader of this number must know;
    leave_out(): estimates without each cluster in turn, (C, P), NaN where the parameter then does not exist;
    variance_factor: small-sample factor of the analytic variance; analytic_df (P,) its degrees of freedom, or None
    for effective treated clusters minus one; extra: what only this estimator knows.
    """

    estimator: str
    parameters: tuple[Parameter, ...]
    estimate: FloatArray
    influence: InfluenceMatrix
    treated_weight: FloatArray
    used: BoolArray
    n_children: FloatArray
    is_reference: BoolArray
    reason: tuple[str | None, ...]
    notes: tuple[str, ...]
    leave_out: Callable[[], FloatArray]
    variance_factor: float = 1.0
    analytic_df: FloatArray | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def index(self, **wanted: object) -> list[int]:
        """Positions of the parameters whose fields equal `wanted`, e.g. index(aggregation="event", event_time=0)."""
        return [i for i, p in enumerate(self.parameters) if all(getattr(p, k) == v for k, v in wanted.items())]
