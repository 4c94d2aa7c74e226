"""Placebo reassignment: how large would t be if the years of adoption had fallen on other places?

Adoption years are exchanged between units of the same stratum, so that the number of adopters of each year stays. As
adoption was a choice and not a lottery, this is a check against chance and not a test by design. The statistic is
studentised, because with the plain effect the check is wrong where adopters differ in size from others.
Sources: Ferman and Pinto (2019); Roth and Sant'Anna (2023); MacKinnon and Webb (2020), Journal of Econometrics 218.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.aggregation import aggregation_weights, averages, plan_aggregations
from kkz_eval.estimators.group_time import Pairs, Sample
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, FloatArray

CHUNK = 500
TIE = 1e-9
"""Draws whose |t| is smaller by less than this share tie with the observed one and count as at least as large."""
ROUNDING = 1e-12
FEW_COLUMNS = 8
"""Up to so many it is faster to sum the products of all units beforehand than the units in every draw."""


@dataclass(frozen=True, eq=False)
class Reassignments:
    """Adoption cohorts (P, U) of the units in P reassignments.

    is_complete: all distinct ones, each once, the observed one among them.
    """

    cohort: FloatArray
    is_complete: bool


@dataclass(frozen=True, eq=False)
class PlaceboTest:
    """observed (M,) and draws (P, M): t statistics of M parameters; NaN where a draw has no such effect."""

    observed: FloatArray
    draws: FloatArray
    is_complete: bool

    @property
    def n_missing(self) -> NDArray[np.int64]:
        """(M,) draws in which the effect does not exist; they count as at least as large."""
        return np.asarray(np.isnan(self.draws).sum(axis=0), dtype=np.int64)

    @property
    def p_value(self) -> FloatArray:
        """(M,) (1 + number of draws with at least the observed |t|)/(1 + P); NaN without an observed t.

        With all distinct reassignments the observed one is among the draws, and the share is theirs.
        """
        extra = 0 if self.is_complete else 1
        reaches = ~(np.abs(self.draws) < np.abs(self.observed) * (1 - TIE))
        p = (extra + reaches.sum(axis=0)) / (extra + len(self.draws))
        return np.where(np.isnan(self.observed), np.nan, p)


def reassignments(
    fit: Fit,
    *,
    draws: int,
    seed: int,
    strata: NDArray[np.str_] | None = None,
    blocks: NDArray[np.str_] | None = None,
) -> Reassignments:
    """Adoption cohorts exchanged within strata: all distinct ways if there are no more than `draws`, else at random.

    strata, blocks: labels of the units of `fit.influence.units`. Blocks adopt together (a Kreis and its
    municipalities); without them each unit is its own. Raises EstimationError for fits other than
    `callaway_santanna` without covariates in design panel, for labels of another length, and for blocks that adopt in
    several years or lie in several strata.
    """
    sample, _, _ = _parts_of(fit)
    cohort = sample.panel.cohort
    labels = sample.panel.units if blocks is None else blocks
    stratum = np.zeros(len(cohort), dtype=np.str_) if strata is None else strata
    for name, given in (("strata", stratum), ("blocks", labels)):
        if len(given) != len(cohort):
            raise EstimationError(
                f"cells of {sample.panel.outcome}: {name} has {len(given)} labels and the fit {len(cohort)} units; "
                "give one label for each unit of the fit."
            )
    _, first, block = np.unique(labels, return_index=True, return_inverse=True)
    if (cohort[first][block] != cohort).any() or (stratum[first][block] != stratum).any():
        raise EstimationError(
            f"cells of {sample.panel.outcome}: units of one block adopt in different periods or lie in different "
            "strata; give blocks that adopt together."
        )
    by_block, groups = cohort[first], [np.flatnonzero(stratum[first] == s) for s in np.unique(stratum)]
    if np.prod([float(_n_distinct(by_block[group])) for group in groups]) <= draws:
        rows = np.array(list(_all_distinct(by_block, groups)))
        return Reassignments(rows[:, block], True)
    rng = np.random.default_rng(seed)
    rows = np.repeat(by_block[None], draws, axis=0)
    for group in groups:
        rows[:, group] = rng.permuted(rows[:, group], axis=1)
    return Reassignments(rows[:, block], False)


def _n_distinct(values: FloatArray) -> int:
    """The number of distinct orders of values that repeat."""
    _, counts = np.unique(values, return_counts=True)
    ways, left = 1, len(values)
    for count in counts.tolist():
        ways *= comb(left, count)
        left -= count
    return ways


def _all_distinct(values: FloatArray, groups: list[NDArray[np.intp]]) -> Iterator[FloatArray]:
    for orders in product(*(list(_orders(np.sort(values[group]).tolist())) for group in groups)):
        row = values.copy()
        for group, order in zip(groups, orders, strict=True):
            row[group] = order
        yield row


def _orders(values: list[float]) -> Iterator[list[float]]:
    """Distinct orders of a sorted list, each once."""
    if len(values) <= 1:
        yield values
        return
    for i, value in enumerate(values):
        if i == 0 or value != values[i - 1]:
            for rest in _orders(values[:i] + values[i + 1 :]):
                yield [value, *rest]


def placebo_test(fit: Fit, parameters: list[int], assigned: Reassignments) -> PlaceboTest:
    """The t statistics of the parameters under each reassignment; clusters stay where they are.

    t is the effect over the root of the summed squared cluster sums of its influence function, with the weights of
    averages as given: cohorts keep their number of units, so that the part that comes from estimated cohort sizes is
    left out. Raises EstimationError as `reassignments`.
    """
    sample, pairs, options = _parts_of(fit)
    if assigned.cohort.shape[1:] != sample.panel.cohort.shape:
        raise EstimationError(
            f"cells of {sample.panel.outcome}: the reassignments are for {assigned.cohort.shape[1]} units and the fit "
            f"has {len(sample.panel.cohort)}; make them for this fit."
        )
    work = _Placebo(sample, pairs, options, np.array(parameters, dtype=np.intp), assigned.cohort)
    observed = work.statistics(sample.panel.cohort[None])[0]
    chunks = [assigned.cohort[start : start + CHUNK] for start in range(0, len(assigned.cohort), CHUNK)]
    return PlaceboTest(observed, np.concatenate([work.statistics(part) for part in chunks]), assigned.is_complete)


def _parts_of(fit: Fit) -> tuple[Sample, Pairs, EstimatorOptions]:
    sample, options = fit.extra.get("sample"), fit.extra.get("options")
    if not isinstance(sample, Sample) or not isinstance(options, EstimatorOptions) or options.design != "panel":
        raise EstimationError(
            f"estimator {fit.estimator}: placebo reassignment needs callaway_santanna in design panel."
        )
    if isinstance(sample.panel, ProfilePanel | MomentPanel):
        raise EstimationError(
            f"cells of {sample.panel.outcome}: placebo reassignment takes no covariates; adjust the cells first."
        )
    return sample, fit.extra["pairs"], options


class _Placebo:
    """Sums over units under many assignments at once; every step is a product of matrices.

    U units, C clusters, K group-time effects, H cohorts with the comparison units' as the last, P assignments,
    M parameters. Clusters whose units adopt together in every assignment take the place of their units.
    """

    def __init__(
        self,
        sample: Sample,
        pairs: Pairs,
        options: EstimatorOptions,
        parameters: NDArray[np.intp],
        assigned: FloatArray,
    ) -> None:
        panel = sample.panel
        change = panel.value[:, pairs.period] - panel.value[:, pairs.base]
        complete = np.isfinite(change)
        mass = panel.weight[:, None] * complete
        moment = mass * np.where(complete, change, 0.0)
        total = mass.sum(axis=0)  # changes around their mean: effects stay, and squares do not cancel
        moment -= mass * np.divide(moment.sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
        labels, first, code = np.unique(panel.cluster, return_index=True, return_inverse=True)
        self.together = bool((assigned[:, first][:, code] == assigned).all()) and bool(
            (panel.cohort[first][code] == panel.cohort).all()
        )
        order = np.argsort(code, kind="stable")
        self.starts = np.searchsorted(code[order], np.arange(len(labels)))
        self.member = first if self.together else order

        def units(values: FloatArray) -> FloatArray:
            rows: FloatArray = values[order]
            return np.add.reduceat(rows, self.starts, axis=0) if self.together else rows

        self.mass, self.moment, self.weight = units(mass), units(moment), units(panel.weight)
        self.complete = units(complete.astype(np.float64))
        self.is_reference = pairs.is_reference
        self.cohorts = np.unique(panel.cohort)
        is_treated = self.cohorts[:, None] == pairs.cohort[None]
        if options.control_group == "never_treated":
            is_control: BoolArray = np.broadcast_to(np.isinf(self.cohorts)[:, None], is_treated.shape)
        else:
            is_control = (self.cohorts[:, None] > pairs.comparison[None]) & ~is_treated
        self.sides = (is_treated.astype(np.float64), is_control.astype(np.float64))
        self.plan = plan_aggregations(pairs.cohort, panel.periods[pairs.period], options)
        self.treated = np.searchsorted(self.cohorts, np.unique(pairs.cohort))
        self.parameters = parameters

    def statistics(self, cohort: FloatArray) -> FloatArray:
        """(P, M) t statistics for cohorts (P, units); NaN where an effect or its error does not exist."""
        belongs = (cohort[:, None, self.member] == self.cohorts[None, :, None]).astype(np.float64)
        sums, masses, counts = (self._by_cohort(belongs, part) for part in (self.moment, self.mass, self.complete))
        means, totals, exists = [], [], np.ones((len(cohort), self.mass.shape[1]), dtype=bool)
        for side in self.sides:
            total = (masses * side).sum(axis=1)
            exists &= (counts * side).sum(axis=1) > 0
            totals.append(np.where(total > 0, total, 1.0))
            means.append((sums * side).sum(axis=1) / totals[-1])
        effect = np.where(exists, np.where(self.is_reference, 0.0, means[0] - means[1]), np.nan)
        size = (belongs @ self.weight)[:, self.treated]
        if (size == size[0]).all() and (exists == exists[0]).all():  # as with equal weights and a complete panel
            weights = aggregation_weights(self.plan, size[:1], exists[:1])
        else:
            weights = aggregation_weights(self.plan, size, exists)
        n_pairs = effect.shape[1]
        estimates = np.concatenate([effect, averages(weights, effect)], axis=1)[:, self.parameters]
        statistics = np.full(estimates.shape, np.nan)
        terms = []
        for p in self.parameters:
            loading = (np.arange(n_pairs) == p)[None] * 1.0 if p < n_pairs else weights[:, p - n_pairs]
            used = np.flatnonzero((np.nan_to_num(loading) != 0).any(axis=0) & ~self.is_reference)
            loading = np.where(exists[:, used], np.nan_to_num(loading[:, used]), 0.0)
            terms.append([self._term(h, used, loading, means, totals) for h in range(len(self.cohorts))])
        variance = self._variances(belongs, terms)
        usable = np.isfinite(estimates) & (variance > (ROUNDING * np.maximum(1, np.abs(estimates))) ** 2)
        statistics[usable] = estimates[usable] / np.sqrt(variance[usable])
        return statistics

    def _by_cohort(self, belongs: FloatArray, values: FloatArray) -> FloatArray:
        """(P, H, K) sums of values (U, K) over the units of each cohort."""
        once = values[:, :1] if (values == values[:, :1]).all() else values  # a complete panel
        sums = belongs.reshape(-1, belongs.shape[2]) @ once
        return np.broadcast_to(sums.reshape(*belongs.shape[:2], -1), (*belongs.shape[:2], values.shape[1]))

    def _term(
        self,
        h: int,
        used: NDArray[np.intp],
        loading: FloatArray,
        means: list[FloatArray],
        totals: list[FloatArray],
    ) -> tuple[FloatArray, FloatArray]:
        """Columns (U, J) and factors (J, P): the influence function of the units while they are in cohort h.

        It is that of the sum of the effects `used` with loadings (P, their number).
        """
        here = (self.sides[0][h, used] != 0) | (self.sides[1][h, used] != 0)
        used, loading = used[here], loading[:, here]
        slope, level = np.zeros((2, *loading.shape))
        for side, sign, mean, total in zip(self.sides, (1.0, -1.0), means, totals, strict=True):
            share = sign * side[h, used] * loading / total[:, used]
            slope += share
            level -= share * mean[:, used]
        mass = self.mass[:, used]
        if len(used) > 1 and (mass == mass[:, :1]).all():  # a complete panel
            mass, level = mass[:, :1], level.sum(axis=1, keepdims=True)
        return np.hstack([self.moment[:, used], mass]), np.ascontiguousarray(np.hstack([slope, level]).T)

    def _variances(self, belongs: FloatArray, terms: list[list[tuple[FloatArray, FloatArray]]]) -> FloatArray:
        """(P, M) summed squared cluster sums of the influence functions that have terms [m][h]."""
        members = np.ascontiguousarray(belongs.transpose(1, 2, 0))  # (H, U, P)
        variances = np.zeros((len(terms), len(belongs)))
        short = [self.together and max(len(f) for _, f in term) <= FEW_COLUMNS for term in terms]
        chosen = np.flatnonzero(short)
        for h, those in enumerate(members if len(chosen) else ()):
            variances[chosen] += _quadratic(those, [terms[m][h] for m in chosen])
        for m in np.flatnonzero(~np.array(short)):
            influence = np.zeros(members.shape[1:])
            for those, (columns, factors) in zip(members, terms[m], strict=True):
                part = columns @ factors
                part *= those
                influence += part
            sums = influence if self.together else np.add.reduceat(influence, self.starts, axis=0)
            variances[m] = np.einsum("cp,cp->p", sums, sums)
        return variances.T


def _quadratic(members: FloatArray, terms: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """(M, P) sums over member units, members (U, P), of the squares of columns (U, J) times factors (J, P)."""
    pairs = [np.triu_indices(columns.shape[1]) for columns, _ in terms]
    parts = [c[:, i] * c[:, j] * np.where(i == j, 1.0, 2.0) for (c, _), (i, j) in zip(terms, pairs, strict=True)]
    products = iter(np.hstack(parts).T @ members)
    squares = np.zeros((len(terms), members.shape[1]))
    for m, ((_, factors), (i, j)) in enumerate(zip(terms, pairs, strict=True)):
        for a, b in zip(i.tolist(), j.tolist(), strict=True):
            squares[m] += next(products) * factors[a] * factors[b]
    return squares
