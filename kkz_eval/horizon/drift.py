"""Health offices that measure differently over time: comparisons within a Kreis, and a negative control outcome.

What belongs here: estimates that allow for shocks shared by a Kreis and year. What does not: how offices are recorded.
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.group_time import IndexArray, Pairs, Sample, build_arms, comparisons, prepare
from kkz_eval.estimators.result import (
    BoolArray,
    EstimatorOptions,
    Fit,
    FloatArray,
    InfluenceMatrix,
    Parameter,
    sum_by,
)
from kkz_eval.horizon.surrogate import SurrogateLink, surrogate_effects, surrogate_misses
from kkz_eval.horizon.surrogate_unlinked import UnlinkedLink, errors_in_variables

WITHIN = "within_kreis"
CALIBRATED = "negative_control_calibrated"
SHARED = "drift shared with the negative control, from untreated Kreise and years"
NO_PAIR = "no Kreis holds treated and comparison municipalities in this period"


@dataclass(frozen=True, eq=False)
class _Within:
    """K comparisons within G Kreise; zero where a Kreis lacks treated or comparison municipalities.

    numerator, size (G, K): weighted gap to the comparison, treated weight; code (U,): Kreis of each unit; influence
    (U, K) of the numerator; treated (U, K): treated weight; member (U, K): units that enter; share (K,) of treated
    weight left.
    """

    numerator: FloatArray
    size: FloatArray
    code: IndexArray
    influence: FloatArray
    treated: FloatArray
    member: BoolArray
    share: FloatArray


def within_kreis_effects(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """ATT(g,t) with Kreis × year effects: treated municipalities against untreated ones of the same Kreis only.

    The cluster of the panel is the Kreis. Every Kreis with both enters with its treated weight, so that a shock shared
    by a Kreis and year cancels; kreisfreie Städte and Kreise that join as a whole drop out. `extra["remaining_share"]`
    (P,) is the share of treated weight left, in the notes too. Estimand: effect on the municipalities that are left.
    Parameters: group_time, and `overall` over all treated unit-periods that are left.

    Raises EstimationError for designs other than `panel` and when no Kreis holds both at any time.
    """
    if options.design != "panel":
        raise EstimationError(f"Within-Kreis effects need design panel, not {options.design}; choose it in the plan.")
    sample = prepare(panel, options)
    pairs = comparisons(sample, options)
    within = _within(sample, pairs, options)
    total = within.size.sum(axis=0)
    post = (sample.panel.periods[pairs.period] >= pairs.cohort) & (total > 0)
    if not post.any():
        raise EstimationError(
            f"cells of {panel.outcome}: no Kreis holds treated and comparison municipalities after adoption, so that "
            "Kreis and year effects leave nothing to compare; report the comparison between Kreise."
        )
    effect = np.divide(within.numerator.sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)
    influence = _influence(within, effect, total)
    overall, overall_influence = _overall(within, effect, influence, post)
    loading = np.vstack([np.eye(len(total)), post * total / total[post].sum()])
    weight = np.divide(within.treated, total, out=np.zeros_like(within.treated), where=total > 0)
    share = np.append(within.share, _pooled_share(within, post))
    children = np.where(within.treated > 0, sample.panel.n[:, pairs.period], 0.0).sum(axis=0)
    years = sample.panel.periods[pairs.period]
    return Fit(
        estimator=WITHIN,
        parameters=(
            *(
                Parameter("group_time", cohort=int(g), period=int(t), event_time=int(t - g))
                for g, t in zip(pairs.cohort, years, strict=True)
            ),
            Parameter("overall"),
        ),
        estimate=np.append(np.where(pairs.is_reference & (total > 0), 0.0, effect), overall),
        influence=InfluenceMatrix(
            sample.panel.units, sample.panel.cluster, np.column_stack([influence, overall_influence])
        ),
        treated_weight=weight @ loading.T,
        used=np.column_stack([within.member, within.member[:, post].any(axis=1)]),
        n_children=np.append(children, children[post].sum()),
        is_reference=np.append(pairs.is_reference & (total > 0), False),
        reason=(*(None if d > 0 else NO_PAIR for d in total), None),
        notes=tuple(
            "; ".join([f"{s:.0%} of the treated weight has a comparison in its own Kreis", *sample.notes])
            for s in share
        ),
        leave_out=lambda: _leave_out(within, pairs, post),
        extra={"remaining_share": share, "sample": sample, "pairs": pairs},
    )


def _within(sample: Sample, pairs: Pairs, options: EstimatorOptions) -> _Within:
    arms = build_arms(sample, pairs, options)
    labels, position = np.unique(sample.panel.cluster, return_inverse=True)
    code = position.astype(np.intp)
    own, other = (sum_by(code, len(labels), arms.denominator[j]) for j in (0, 1))
    changes, controls = (sum_by(code, len(labels), arms.numerator[j]) for j in (0, 1))
    both = (own > 0) & (other > 0)
    mean = np.divide(controls, other, out=np.zeros_like(controls), where=both)
    ratio = np.divide(own, other, out=np.zeros_like(own), where=both)
    treated = np.where(both[code], arms.denominator[0], 0.0)
    gap = np.where(both[code], arms.numerator[0] - mean[code] * arms.denominator[0], 0.0)
    noise = ratio[code] * (arms.numerator[1] - mean[code] * arms.denominator[1])
    size = np.where(both, own, 0.0)
    all_treated = own.sum(axis=0)
    return _Within(
        numerator=np.where(both, changes - mean * own, 0.0),
        size=size,
        code=code,
        influence=gap - noise,
        treated=treated,
        member=arms.member.any(axis=0) & both[code],
        share=np.divide(size.sum(axis=0), all_treated, out=np.zeros(len(all_treated)), where=all_treated > 0),
    )


def _influence(within: _Within, effect: FloatArray, total: FloatArray) -> FloatArray:
    deviation = within.influence - within.treated * np.nan_to_num(effect)
    return np.divide(deviation, total, out=np.zeros_like(deviation), where=total > 0)


def _overall(within: _Within, effect: FloatArray, influence: FloatArray, post: BoolArray) -> tuple[float, FloatArray]:
    """Mean over treated unit-periods and its influence, that of the sizes included."""
    size = within.size.sum(axis=0)[post]
    mean = float(effect[post] @ size / size.sum())
    moved = influence[:, post] @ size + within.treated[:, post] @ (effect[post] - mean)
    return mean, moved / size.sum()


def _pooled_share(within: _Within, post: BoolArray) -> float:
    size, share = within.size.sum(axis=0)[post], within.share[post]
    return float(size.sum() / (size / share).sum())


def _leave_out(within: _Within, pairs: Pairs, post: BoolArray) -> FloatArray:
    """Estimates (C, P) without each Kreis, NaN where no other Kreis is left."""
    others = (within.size > 0).sum(axis=0)[None] - (within.size > 0)
    numerator = within.numerator.sum(axis=0)[None] - within.numerator
    size = within.size.sum(axis=0)[None] - within.size
    effect = np.divide(numerator, size, out=np.full(size.shape, np.nan), where=others > 0)
    effect[:, pairs.is_reference] *= 0.0
    enters = post[None] & (others > 0)
    all_size = np.where(enters, size, 0.0).sum(axis=1)
    pooled = np.where(enters, numerator, 0.0).sum(axis=1)
    overall = np.divide(pooled, all_size, out=np.full(len(pooled), np.nan), where=enters.any(axis=1))
    return np.column_stack([effect, overall])


def shared_drift(
    outcome: FloatArray,
    negative_control: FloatArray,
    sampling: FloatArray,
    untreated: BoolArray,
    *,
    name: str,
    kreise: np.ndarray,
    shared_sampling: FloatArray | None = None,
) -> UnlinkedLink:
    """λ = Cov(ν, ν_NC)/Var(ν_NC): how the outcome drifts with a negative control, in untreated Kreise and years.

    outcome, negative_control (G, T): means of Kreis and year; sampling (G, T): sampling variance of the negative
    control's mean; shared_sampling (G, T): sampling covariance of both, because the same children are behind them;
    untreated (G, T). Two-way effects and errors in variables as `errors_in_variables`, with its errors.
    """
    return errors_in_variables(
        outcome,
        negative_control[..., None],
        sampling[..., None, None],
        untreated,
        names=(name,),
        units=kreise,
        clusters=kreise,
        shared_sampling=None if shared_sampling is None else shared_sampling[..., None],
        label=SHARED,
    )


def calibrated(outcome: Fit, negative_control: Fit, drift: SurrogateLink) -> Fit:
    """τ − λ·τ_NC: the effect less what the negative control says the office's drift was; ψ − λψ_NC − τ_NC·ψ_λ.

    The programme must not reach the negative control. Both fits: same cells and options, clustered by Kreis, so that
    their clusters are the units of the drift. Raises EstimationError when the fits have different parameters.
    """
    part = surrogate_effects(drift, (negative_control,))
    return surrogate_misses(outcome, part, name=CALIBRATED)
