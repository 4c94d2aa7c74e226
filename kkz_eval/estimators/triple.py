"""Triple differences: the effect on a gap between two strata of the same units' children. Does the gap close?"""

from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.group_time import Pairs, Sample
from kkz_eval.estimators.result import BoolArray, EstimatorOptions, Fit, InfluenceMatrix

NAME = "triple_differences"
GAP = "effect on the gap, first stratum minus second"
SHARED = "only unit-periods in which both strata have children"


@dataclass(frozen=True, eq=False)
class CommonSample:
    """Both strata on the same units, periods and weights, with values in the same cells; what was left out."""

    first: CellPanel
    second: CellPanel
    notes: tuple[str, ...]


def triple_differences(first: CellPanel, second: CellPanel, options: EstimatorOptions) -> Fit:
    """Effect on the difference first − second within units: ATT(g,t) of the gap and all its averages.

    first, second: cells of two strata, such as children of parents with little and with much education; units and
    periods may differ, only unit-periods with a value of both enter. A unit's weight is the sum of its weights in both,
    the same for both strata and fixed. Parameters are those of `callaway_santanna`, each the difference of the
    effects on the two strata.

    Estimand: difference of the two strata's ATT, under parallel trends of the gap; the strata themselves need no
    parallel trends (Olden and Møen 2022). What strikes both strata of a place alike, such as a shock of a Kreis in a
    year, is in neither the estimate nor its error: influence functions and estimates without a cluster are differences
    within the same units. Designs `panel` and `unbalanced`, in which unit means count and not children.

    `extra["first"]` and `extra["second"]` are the strata's own fits on the same sample, with the same parameters, and
    `extra["gap_before"]` the mean gap of the treated units in their last period before adoption (minus anticipation),
    None where unknown: with an effect of the opposite sign, the gap closes.

    Raises EstimationError for design cross_section, covariates, cohorts or clusters that differ between the strata,
    and when no unit-period has both or nothing can be estimated.
    Source: Olden and Møen (2022), The Econometrics Journal 25; Callaway and Sant'Anna (2021).
    """
    _need_unit_means(first, second, options)
    common = common_sample(first, second)
    one, two = (callaway_santanna(panel, options) for panel in (common.first, common.second))
    before = _gap_before(one, two)
    said = "" if before is None else f"gap of treated units in their last period before adoption {before:.4g}"
    notes = [
        "; ".join(part for part in (GAP, said if p.aggregation == "overall" else "", note, *common.notes) if part)
        for p, note in zip(one.parameters, one.notes, strict=True)
    ]
    return replace(
        one,
        estimator=NAME,
        estimate=one.estimate - two.estimate,
        influence=InfluenceMatrix(
            one.influence.units, one.influence.clusters, one.influence.values - two.influence.values
        ),
        n_children=one.n_children + two.n_children,
        notes=tuple(notes),
        leave_out=lambda: one.leave_out() - two.leave_out(),
        extra={
            "first": _stratum(one, common, "first"),
            "second": _stratum(two, common, "second"),
            "gap_before": before,
            "options": options,
        },
    )


def common_sample(first: CellPanel, second: CellPanel) -> CommonSample:
    """The two strata on the units and periods they share, without values where one of them has none.

    Raises EstimationError when they share none, or a shared unit differs in cohort or cluster.
    """
    units, at_first, at_second = np.intersect1d(first.units, second.units, return_indices=True)
    periods, when_first, when_second = np.intersect1d(first.periods, second.periods, return_indices=True)
    for name in ("cohort", "cluster"):
        differs: BoolArray = getattr(first, name)[at_first] != getattr(second, name)[at_second]
        if differs.any():
            raise EstimationError(
                f"cells of {first.outcome}: the {name} differs between the strata in {int(differs.sum())} of "
                f"{len(units)} units; both strata of a unit need the same."
            )
    weight = first.weight[at_first] + second.weight[at_second]
    places = (np.ix_(at_first, when_first), np.ix_(at_second, when_second))
    both: BoolArray = np.isfinite(first.value[places[0]]) & np.isfinite(second.value[places[1]])
    if not both.any():
        raise EstimationError(
            f"cells of {first.outcome}: no unit has a value of both strata in any period; check that both use the same "
            "names of units."
        )
    cells = []
    for panel, place, at in ((first, places[0], at_first), (second, places[1], at_second)):
        n, total, squares = (getattr(panel, name)[place] for name in ("n", "total", "total_of_squares"))
        cells.append(
            CellPanel(
                outcome=panel.outcome,
                units=units,
                periods=periods,
                cohort=panel.cohort[at],
                cluster=panel.cluster[at],
                weight=weight,
                n=np.where(both | np.isnan(n), n, 0.0),
                total=np.where(both, total, 0.0),
                total_of_squares=np.where(both, squares, 0.0),
                value=np.where(both, panel.value[place], np.nan),
            )
        )
    n_alone = int(np.isfinite(first.value).sum() + np.isfinite(second.value).sum() - 2 * both.sum())
    notes = [SHARED]
    if n_alone:
        notes.append(f"{n_alone} unit-periods with children of one stratum alone left out")
    return CommonSample(cells[0], cells[1], tuple(notes))


def _need_unit_means(first: CellPanel, second: CellPanel, options: EstimatorOptions) -> None:
    if options.design == "cross_section":
        raise EstimationError(
            f"cells of {first.outcome}: design cross_section weighs the strata by their own children; a gap within "
            "units needs the same weights for both: use design panel."
        )
    has_covariates = any(isinstance(panel, ProfilePanel | MomentPanel) for panel in (first, second))
    if has_covariates or options.covariates is not None:
        raise EstimationError(f"cells of {first.outcome}: triple differences take no covariates; leave them out.")


def _stratum(fit: Fit, common: CommonSample, which: str) -> Fit:
    said = f"effect on the {which} stratum"
    notes = ("; ".join(part for part in (said, note, *common.notes) if part) for note in fit.notes)
    return replace(fit, notes=tuple(notes))


def _gap_before(one: Fit, two: Fit) -> float | None:
    """Mean gap of the treated units in the base period of their cohort, by weight."""
    sample: Sample = one.extra["sample"]
    pairs: Pairs = one.extra["pairs"]
    post = np.flatnonzero(sample.panel.periods[pairs.period] >= pairs.cohort)
    cohort, at = np.unique(pairs.cohort[post], return_index=True)
    gap = (sample.panel.value - two.extra["sample"].panel.value)[:, pairs.base[post][at]]
    belongs: BoolArray = (sample.panel.cohort[:, None] == cohort[None, :]) & np.isfinite(gap)
    mass = sample.panel.weight[:, None] * belongs
    return float((mass * np.nan_to_num(gap)).sum() / mass.sum()) if belongs.any() else None
