"""How far a surrogate index may be wrong: its own past misses, and what an unexplained share would do.

What belongs here: bounds and the plain index of one experiment. What does not: the link between exam and school.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import BoolArray, FloatArray
from kkz_eval.horizon.surrogate import scaled_inverse

ALREADY = "the interval holds zero even if the index misses nothing"
NEVER_MISSED = "the past misses are all zero, so no multiple of them overturns the finding"
MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class HistoryBound:
    """Intervals of an index whose miss may be M̄ times the largest one of the past.

    largest_miss: B; intervals: (M̄, low, high); breakdown: smallest M̄ whose interval holds zero, None where `reason`
    says why there is none; n_misses: how many past misses B rests on.
    """

    largest_miss: float
    n_misses: int
    intervals: tuple[tuple[float, float, float], ...]
    breakdown: float | None
    reason: str | None


def history_bound(
    estimate: float,
    std_error: float,
    misses: FloatArray,
    *,
    df: float | None = None,
    miss_errors: FloatArray | None = None,
    miss_df: float | None = None,
    multiples: Sequence[float] = MULTIPLES,
    confidence_level: float = 0.95,
) -> HistoryBound:
    """CI(M̄) = index ± (M̄·B + c·se), B = the largest miss in cohorts where index and outcome are both known.

    misses (m,): `surrogate_misses` of early cohorts; NaN is left out. With `miss_errors` (m,) B is the largest upper
    limit |miss| + c·se of them (conservative), else the largest point. df None: normal law.
    Raises EstimationError without any past miss, or for negative multiples.
    """
    known = np.isfinite(misses) if miss_errors is None else np.isfinite(misses) & np.isfinite(miss_errors)
    if not known.any():
        raise EstimationError(
            "No early cohort has both the index and the later outcome, so the index has no history to bound it by; "
            "report the index as a projection without a bound."
        )
    if not (np.isfinite(estimate) and 0 < std_error < np.inf) or any(m < 0 for m in multiples):
        raise EstimationError(
            "A history bound needs an estimate, a positive standard error and multiples from 0 on; give these."
        )
    size = np.abs(misses[known])
    if miss_errors is not None:
        size = size + _quantile(confidence_level, miss_df) * miss_errors[known]
    largest, half = float(size.max()), _quantile(confidence_level, df) * std_error
    intervals = tuple((m, estimate - m * largest - half, estimate + m * largest + half) for m in multiples)
    gap = abs(estimate) - half
    reason = ALREADY if gap <= 0 else NEVER_MISSED if largest == 0 else None
    return HistoryBound(largest, int(known.sum()), intervals, None if reason else gap / largest, reason)


def _quantile(confidence_level: float, df: float | None) -> float:
    level = 0.5 + confidence_level / 2
    return float(stats.norm.ppf(level) if df is None else stats.t.ppf(level, df))


def unexplained_share_bound(
    variance_outcome: float, variance_treatment: float, outcome_fit: float, treatment_fit: float, share: float
) -> float:
    """√(ρ·Var(Y)·(1−R²_{W|S})·(1−R²_{Y|S}) / Var(W)): the largest bias of an index if surrogates leave out share ρ.

    outcome_fit, treatment_fit: R² of the outcome and of the treatment on the surrogates; share: ρ, the partial R² of
    the outcome on the treatment given the surrogates that is held possible. Attained at the true ρ.
    Source: Athey, Chetty, Imbens and Kang (NBER w26463).
    Raises EstimationError when a share lies outside 0 to 1 or a variance is not positive.
    """
    shares = (outcome_fit, treatment_fit, share)
    if not (variance_treatment > 0 and variance_outcome > 0 and all(0 <= s <= 1 for s in shares)):
        raise EstimationError(
            "The bound needs positive variances of outcome and treatment, and shares from 0 to 1; check the inputs."
        )
    return float(np.sqrt(share * variance_outcome * (1 - treatment_fit) * (1 - outcome_fit) / variance_treatment))


@dataclass(frozen=True, slots=True)
class CellBound:
    """The same bound among cells. `bound` at the assumed share; `share` and `bias` where the outcome is known."""

    bound: float
    share: float
    bias: float
    slope: FloatArray


def cell_bound(
    outcome: FloatArray, surrogates: FloatArray, treatment: FloatArray, *, assumed_share: float
) -> CellBound:
    """The bound of `unexplained_share_bound` for means of municipality-years.

    outcome (N,), surrogates (N, k), treatment (N,): residuals of unit and period effects (`two_way_residuals`). The
    link is the regression of these outcomes on these surrogates, for which the bound is sharp: |bias| equals the bound
    at ρ = `share`. With the link within cells it does not hold.
    Raises EstimationError when outcome, treatment or surrogates do not vary.
    """
    inverted, regular = scaled_inverse((surrogates.T @ surrogates)[None])
    if not regular[0] or not (float(treatment @ treatment) > 0 and float(outcome @ outcome) > 0):
        raise EstimationError(
            "After unit and period effects the surrogates are collinear, or treatment or outcome do not vary; drop one."
        )
    slope = inverted[0] @ (surrogates.T @ outcome)
    miss = outcome - surrogates @ slope
    rest = treatment - surrogates @ (inverted[0] @ (surrogates.T @ treatment))
    spread = float(rest @ rest) * float(miss @ miss)
    share = float(rest @ miss) ** 2 / spread if spread > 0 else 0.0
    size = float(treatment @ treatment)
    bound = unexplained_share_bound(
        float(outcome @ outcome), size, 1 - float(miss @ miss) / float(outcome @ outcome),
        1 - float(rest @ rest) / size, assumed_share,
    )  # fmt: skip
    return CellBound(bound, share, float(treatment @ miss) / size, slope)


@dataclass(frozen=True, slots=True)
class PlainIndex:
    """An index in one experiment.

    std_error counts the estimation of the link, std_error_given_link does not; outcome_fit and treatment_fit are the R²
    of outcome and treatment on the surrogates, for the bound.
    """

    estimate: float
    std_error: float
    std_error_given_link: float
    slope: FloatArray
    outcome_fit: float
    treatment_fit: float
    variance_outcome: float
    variance_treatment: float

    def bound(self, share: float) -> float:
        """Largest bias if the surrogates leave out `share` of the outcome that the treatment explains."""
        return unexplained_share_bound(
            self.variance_outcome, self.variance_treatment, self.outcome_fit, self.treatment_fit, share
        )


def surrogate_index(
    outcome: FloatArray, surrogates: FloatArray, treatment: BoolArray, reference: BoolArray
) -> PlainIndex:
    """Difference of mean predicted outcomes between arms; the prediction is least squares in the reference sample.

    outcome (N,) only read where `reference` (N,); surrogates (N, k); treatment (N,). R² and the variance of the outcome
    are those of the reference sample. Errors are robust to unequal variances. `std_error_given_link` is the one usual
    in print, without the error of the link.
    Source: Athey, Chetty, Imbens and Kang (NBER w26463).
    Raises EstimationError without a reference sample, with one arm only, or with collinear surrogates.
    """
    n_surrogates = surrogates.shape[1]
    if int(reference.sum()) <= n_surrogates + 1 or treatment.all() or not treatment.any():
        raise EstimationError(
            "The index needs a reference sample larger than the number of surrogates, and two arms; add observations."
        )
    centred = surrogates[reference] - surrogates[reference].mean(axis=0)
    y = outcome[reference] - outcome[reference].mean()
    inverted, regular = scaled_inverse((centred.T @ centred)[None])
    if not regular[0] or not float(y @ y) > 0:
        raise EstimationError(
            "In the reference sample the surrogates are collinear or the outcome does not vary; leave one out."
        )
    slope = inverted[0] @ (centred.T @ y)
    residual = y - centred @ slope
    arms = [(treatment, 1.0), (~treatment, -1.0)]
    change = sum(sign * surrogates[arm].mean(axis=0) for arm, sign in arms)
    influence = np.zeros(len(outcome))
    for arm, sign in arms:
        influence[arm] = sign * (surrogates[arm] - surrogates[arm].mean(axis=0)) @ slope / arm.sum()
    given = float(np.sqrt(influence @ influence))
    influence[reference] += residual * (centred @ (inverted[0] @ change))
    w = treatment - treatment.mean()
    s = surrogates - surrogates.mean(axis=0)
    fitted = s @ np.linalg.lstsq(s, w, rcond=None)[0]
    return PlainIndex(
        estimate=float(change @ slope),
        std_error=float(np.sqrt(influence @ influence)),
        std_error_given_link=given,
        slope=slope,
        outcome_fit=float(1 - residual @ residual / (y @ y)),
        treatment_fit=float(fitted @ fitted / (w @ w)),
        variance_outcome=float(y @ y / len(y)),
        variance_treatment=float(w @ w / len(w)),
    )
