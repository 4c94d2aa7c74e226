"""Effects as ratios: parallel trends hold for at most one of differences and ratios unless assignment was at random.

What belongs here: the ratio of ratios and where it disagrees with the difference. What does not: a choice between them.
"""

from dataclasses import dataclass, replace

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.group_time import Arms, IndexArray, Pairs, Sample, build_arms, comparisons, prepare
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray, InfluenceMatrix, Parameter, sum_by

LOG_RATIO = "log_ratio"
RATIO_ADDITIVE = "ratio_as_difference"
CHILDREN = "children count alike"
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class RatioEffects:
    """The same effects (K group-time parameters) on two scales.

    log_ratio: ln of the ratio of ratios; as_difference: p̄_gt·(1 − exp(−log_ratio)), comparable with an additive effect.
    """

    log_ratio: Fit
    as_difference: Fit


def ratio_effects(panel: CellPanel, options: EstimatorOptions) -> RatioEffects:
    """log RR(g,t) = ln(p̄_gt/p̄_gb) − ln(p̄_Ct/p̄_Cb) of cohort and comparison shares, from sums over children.

    Estimand: ratio effect on cohort g in period t under parallel trends of log shares. Shares are sums of children's
    outcomes over children (weights of units do not enter). ψ = Σ ±(Y_c − p̄·n_c)/(Σn·p̄). Outcomes must not be negative.
    Effects with an arm without children or without a case have NaN and a reason.

    Raises EstimationError for negative outcomes, unknown numbers of children, or no comparison at all.
    Source: Roth and Sant'Anna (2023), Econometrica 91, on the choice of scale.
    """
    options = replace(options, design="cross_section", weighted=False)
    if (panel.n > 0).any() and float(np.nanmin(np.where(panel.n > 0, panel.total, np.nan))) < 0:
        raise EstimationError(f"cells of {panel.outcome}: ratios need outcomes from 0 on; report differences only.")
    sample = prepare(panel, options)
    pairs = comparisons(sample, options)
    if len(pairs.cohort) == 0:
        raise EstimationError(
            f"cells of {panel.outcome}: no treated cohort has a period before adoption and a comparison group; "
            "add earlier periods."
        )
    arms = build_arms(sample, pairs, options)
    sums, sizes = arms.numerator.sum(axis=1), arms.denominator.sum(axis=1)
    log_ratio, difference = _effects(arms.sign, sums, sizes)
    safe_sum, safe_size = (np.where(part > 0, part, 1.0) for part in (sums, sizes))
    score = arms.numerator - (sums / safe_size)[:, None] * arms.denominator
    psi_log = np.einsum("j,juk->uk", arms.sign, score / safe_sum[:, None])
    share = sums[0] / safe_size[0]
    with np.errstate(invalid="ignore"):
        left = np.nan_to_num(np.exp(-log_ratio))
    psi_difference = score[0] / safe_size[0] * (1 - left) + share * left * psi_log
    reason = tuple(_reason(arms, sums[:, k], sizes[:, k]) for k in range(len(log_ratio)))
    return RatioEffects(
        _fit(LOG_RATIO, sample, pairs, arms, log_ratio, psi_log, reason, 0),
        _fit(RATIO_ADDITIVE, sample, pairs, arms, difference, psi_difference, reason, 1),
    )


def _effects(sign: FloatArray, sums: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log ratio and difference over (…) from sums and sizes (J, …); NaN where an arm has no case."""
    exists = (sums > 0) & (sizes > 0)
    mean = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=exists)
    log_ratio = np.tensordot(sign, np.log(mean), axes=1)
    return log_ratio, -mean[0] * np.expm1(-log_ratio)


def _reason(arms: Arms, sums: FloatArray, sizes: FloatArray) -> str | None:
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        return f"no {arms.labels[empty[0]]}"
    no_case = np.flatnonzero(sums == 0)
    return f"no case in any {arms.labels[no_case[0]]}: no ratio" if len(no_case) else None


def _fit(
    name: str,
    sample: Sample,
    pairs: Pairs,
    arms: Arms,
    effect: FloatArray,
    influence: FloatArray,
    reason: tuple[str | None, ...],
    scale: int,
) -> Fit:
    reference = pairs.is_reference & np.isfinite(effect)
    influence = np.where(np.isfinite(effect)[None] & ~reference[None], influence, 0.0)
    treated = arms.denominator[0]
    size = treated.sum(axis=0)
    years = sample.panel.periods[pairs.period]

    def leave_out() -> FloatArray:
        labels, code = np.unique(sample.panel.cluster, return_inverse=True)
        rest = [_without_each(part, code, len(labels)) for part in (arms.numerator, arms.denominator)]
        left = _effects(arms.sign, rest[0], rest[1])[scale]
        left[:, pairs.is_reference] *= 0.0
        return left

    return Fit(
        estimator=name,
        parameters=tuple(
            Parameter("group_time", cohort=int(g), period=int(t), event_time=int(t - g))
            for g, t in zip(pairs.cohort, years, strict=True)
        ),
        estimate=np.where(reference, 0.0, effect),
        influence=InfluenceMatrix(sample.panel.units, sample.panel.cluster, influence),
        treated_weight=np.divide(treated, size, out=np.zeros_like(treated), where=size > 0),
        used=np.asarray(arms.member.any(axis=0)),
        n_children=np.where(arms.member[0], sample.panel.n[:, pairs.period], 0.0).sum(axis=0),
        is_reference=reference,
        reason=reason,
        notes=("; ".join([CHILDREN, *sample.notes]),) * len(effect),
        leave_out=leave_out,
    )


def _without_each(part: FloatArray, code: IndexArray, n_clusters: int) -> FloatArray:
    """Sums (J, C, K) of the arms (J, U, K) without each cluster; what is left of rounding counts as nothing."""
    whole = part.sum(axis=1)[:, None]
    rest = whole - np.stack([sum_by(code, n_clusters, arm) for arm in part])
    return np.where(rest > ROUNDING * whole, rest, 0.0)


def scale_dependent(additive: Fit, ratio: Fit) -> tuple[bool | None, ...]:
    """For each parameter of `ratio` whether its sign differs from that of the additive effect ("scale-dependent").

    None where one of them does not exist, is zero, or is the reference period.
    """
    flags: list[bool | None] = []
    known = dict(zip(additive.parameters, additive.estimate, strict=True))
    for parameter, value in zip(ratio.parameters, ratio.estimate, strict=True):
        product = float(value) * float(known.get(parameter, np.nan))
        flags.append(None if not np.isfinite(product) or product == 0 else product < 0)
    return tuple(flags)
