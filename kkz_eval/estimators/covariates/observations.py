"""What counts as an observation in each design, with its covariates: rows of unit, profile, weight and outcome."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.profiles import WW, WWY, WWYY, WY, ProfilePanel, W
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.covariates.design_matrix import basis, first_dependent
from kkz_eval.estimators.group_time import Arms, IndexArray
from kkz_eval.estimators.result import Design, FloatArray


@dataclass(frozen=True, eq=False)
class Rows:
    """R rows: unit, profile (R,) positions; weight Σw and total Σwy (R,), times the unit's own weight."""

    unit: IndexArray
    profile: IndexArray
    weight: FloatArray
    total: FloatArray


@dataclass(frozen=True, eq=False)
class Observations:
    """The observations of a design. profiles (P, k) in use, x (P, k+1) their basis; unit_profile (U,) in a panel.

    `by_period[t]` holds the rows of period t and `squares[t]` (R, 3) their Σw², Σw²y, Σw²y², in the other designs.
    """

    names: tuple[str, ...]
    profiles: FloatArray
    x: FloatArray
    unit_profile: IndexArray | None
    by_period: tuple[Rows, ...]
    squares: tuple[FloatArray, ...]


def observe(panel: ProfilePanel, design: Design) -> Observations:
    """Rows of the panel as the design counts them.

    Raises EstimationError when a covariate is collinear with those before it, or varies where the design needs one
    value: within a unit in design `panel`, within a cell in design `unbalanced`.
    """
    used, profile = np.unique(panel.row_profile, return_inverse=True)
    profiles, profile = panel.profiles[used], profile.astype(np.intp)
    dependent = first_dependent(profiles, np.ones(len(profiles)))
    if dependent is not None:
        raise EstimationError(
            f"cells of {panel.outcome}: covariate {panel.covariate_names[dependent]} is constant or collinear with "
            "the covariates before it; leave it out."
        )
    if design == "panel":
        group = panel.row_unit
        _need_one_profile(panel, profiles, profile, group, "unit", design)
    elif design == "unbalanced":
        group = panel.row_unit * len(panel.periods) + panel.row_period
        _need_one_profile(panel, profiles, profile, group, "cell", design)
    unit_profile = None
    if design == "panel":
        unit_profile = np.zeros(len(panel.units), dtype=np.intp)
        unit_profile[panel.row_unit] = profile
    by_period, squares = _rows_by_period(panel, profile, by_children=design == "cross_section")
    return Observations(panel.covariate_names, profiles, basis(profiles), unit_profile, by_period, squares)


def _need_one_profile(
    panel: ProfilePanel, profiles: FloatArray, profile: IndexArray, group: NDArray[np.intp], kind: str, design: Design
) -> None:
    size = int(group.max(initial=-1)) + 1
    for column, name in enumerate(panel.covariate_names):
        value = profiles[profile, column]
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, group, value)
        np.maximum.at(high, group, value)
        n_varying = int((high > low).sum())
        if n_varying:
            raise EstimationError(
                f"cells of {panel.outcome}: covariate {name} varies within {n_varying} of {len(np.unique(group))} "
                f"{kind}s; design {design} needs one value per {kind}: take its value before adoption, or use design "
                "cross_section."
            )


def _rows_by_period(
    panel: ProfilePanel, profile: IndexArray, *, by_children: bool
) -> tuple[tuple[Rows, ...], tuple[FloatArray, ...]]:
    fixed = panel.weight[panel.row_unit]
    if by_children:
        sums = panel.sums
    else:  # the value of the cell is the observation
        y = panel.value[panel.row_unit, panel.row_period]
        one = np.ones(len(y))
        sums = np.column_stack([one, one, one, y, y, y**2])
    rows, squares = [], []
    for period in range(len(panel.periods)):
        here = panel.row_period == period
        w = fixed[here]
        rows.append(Rows(panel.row_unit[here], profile[here], w * sums[here, W], w * sums[here, WY]))
        squares.append((w**2)[:, None] * sums[here][:, [WW, WWY, WWYY]])
    return tuple(rows), tuple(squares)


def arm_rows(observations: Observations, arms: Arms, arm: int, pair: int) -> Rows:
    """The rows of one arm of one comparison."""
    member = arms.member[arm, :, pair]
    if observations.unit_profile is not None:
        unit = np.flatnonzero(member).astype(np.intp)
        return Rows(
            unit,
            observations.unit_profile[unit],
            arms.denominator[arm, unit, pair],
            arms.numerator[arm, unit, pair],
        )
    rows = observations.by_period[int(arms.moments[arm][0][0][pair])]
    here = member[rows.unit]
    return Rows(rows.unit[here], rows.profile[here], rows.weight[here], rows.total[here])
