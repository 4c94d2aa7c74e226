"""Errors of synthetic difference-in-differences as its authors define them: placebo and fixed-weight jackknife.

Source: Arkhangelsky et al. (2021), Algorithms 3 and 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import Fit, FloatArray
from kkz_eval.estimators.synthetic_did import NAME, Block, solve_block


@dataclass(frozen=True, eq=False)
class PlaceboEffects:
    """effects (R,): the overall effect with comparison units in the place of the treated; is_complete: all choices.

    units: for each effect the units that took the place, in the order of the cohorts.
    """

    effects: FloatArray
    units: tuple[tuple[str, ...], ...]
    is_complete: bool

    @property
    def std_error(self) -> float:
        """Standard deviation of the placebo effects about their mean (divisor R)."""
        return float(self.effects.std())

    def p_value(self, estimate: float) -> float:
        """(1 + number of placebo effects at least as large as |estimate|)/(1 + R): a rank, without normality."""
        return (1 + int(np.count_nonzero(np.abs(self.effects) >= abs(estimate)))) / (1 + len(self.effects))


def placebo_effects(fit: Fit, *, draws: int, seed: int) -> PlaceboEffects:
    """The overall effect when comparison units stand in for the treated, which are left out.

    Weights are found anew, with the ridge of the fit. All choices when one cohort has no more than `draws`, else
    drawn with the seed. The error assumes that treated units vary as comparison units do.
    Raises EstimationError when there are not more comparison than treated units, or another estimator made the fit.
    """
    sample, blocks = _parts_of(fit)
    control = blocks[0].control
    counts = [len(b.treated) for b in blocks]
    if sum(counts) >= len(control):
        raise EstimationError(
            f"cells of {sample.outcome}: a placebo needs more comparison units ({len(control)}) than treated ones "
            f"({sum(counts)}); use the jackknife."
        )
    is_complete = len(blocks) == 1 and comb(len(control), counts[0]) <= draws
    chosen = list(_all(control, counts[0]) if is_complete else _drawn(control, counts, draws, seed))
    effects = np.array([_placebo(sample, blocks, control, units) for units in chosen])
    labels = tuple(tuple(str(u) for part in units for u in sample.units[part]) for units in chosen)
    return PlaceboEffects(effects, labels, is_complete)


def _all(control: NDArray[np.intp], count: int) -> Iterator[list[NDArray[np.intp]]]:
    for units in combinations(control.tolist(), count):
        yield [np.array(units, dtype=np.intp)]


def _drawn(control: NDArray[np.intp], counts: list[int], draws: int, seed: int) -> Iterator[list[NDArray[np.intp]]]:
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        units = rng.permutation(control)[: sum(counts)]
        yield np.split(units, np.cumsum(counts)[:-1])


def _placebo(sample: CellPanel, blocks: list[Block], control: NDArray[np.intp], units: list[NDArray[np.intp]]) -> float:
    rest = np.setdiff1d(control, np.concatenate(units))
    total, mass = 0.0, 0.0
    for block, treated in zip(blocks, units, strict=True):
        weight = sample.weight[treated]
        again = solve_block(sample.value, replace(block, treated=treated, control=rest, share=weight / weight.sum()))
        size = sample.weight[block.treated].sum()
        total += size * float(again.effects.sum())
        mass += size * len(block.after)
    return total / mass


def fixed_weight_jackknife(fit: Fit) -> float:
    """Standard error of the overall effect from leaving out each cluster, the weights of the others rescaled.

    √((G−1)/G · Σ (θ_(−c) − mean)²) over the clusters of the units used; NaN when a cohort lies in one cluster. With
    fixed weights it is fast; the jackknife of the fit finds the weights anew.
    Raises EstimationError when another estimator made the fit.
    """
    sample, blocks = _parts_of(fit)
    left = np.array([_without(sample, blocks, sample.cluster == label) for label in sample.clusters])
    n = len(left)
    return float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))


def _without(sample: CellPanel, blocks: list[Block], gone: NDArray[np.bool_]) -> float:
    total, mass = 0.0, 0.0
    for b in blocks:
        change = sample.value[:, b.after].mean(axis=1) - sample.value[:, b.before] @ b.weights.periods
        means = []
        for units, share in ((b.treated, b.share), (b.control, b.weights.units)):
            kept = np.where(gone[units], 0.0, share)
            means.append(float(kept @ change[units]) / kept.sum() if kept.sum() > 0 else np.nan)
        size = float(sample.weight[b.treated][~gone[b.treated]].sum()) * len(b.after)
        total += size * (means[0] - means[1])
        mass += size
    return total / mass if mass > 0 else float("nan")


def _parts_of(fit: Fit) -> tuple[CellPanel, list[Block]]:
    if fit.estimator != NAME:
        raise EstimationError(f"estimator {fit.estimator}: these errors are for {NAME}; use the jackknife.")
    return fit.extra["sample"], fit.extra["blocks"]
