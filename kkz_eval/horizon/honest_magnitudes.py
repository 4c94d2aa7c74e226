"""Honest intervals when differences in trend after the start are at most M̄ times the largest one before it.

Δ^RM(M̄) of Rambachan and Roth 2023: |δ_{t+1} − δ_t| ≤ M̄·max_{s<0}|δ_{s+1} − δ_s| for t ≥ 0, δ the difference in trend,
δ_0 = 0. Δ^RM is a union: one polyhedron for each step s before the reference and each sign of that step. A value of the
effect agrees with the data if any of them agrees.

Few clusters: `df` takes Student's t with df degrees of freedom (usually clusters − 1) in place of the normal, in the
truncated distribution and in the least-favourable value. That is a repair without a theorem; df=None is the published
method.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kkz_eval.estimators.result import BoolArray
from kkz_eval.horizon.honest_input import EventStudy, HonestInterval, check_bound, check_level, event_study
from kkz_eval.horizon.moment_inequalities import Moments, compatible, conditional_interval, paired_moments, second_stage

MagnitudesMethod = Literal["conditional", "least_favourable"]


def magnitudes_interval(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    bound: float,
    contrast: ArrayLike | None = None,
    *,
    method: MagnitudesMethod = "least_favourable",
    alpha: float = 0.05,
    df: float | None = None,
) -> HonestInterval:
    """Confidence set of l'τ over Δ^RM(bound), from its lowest to its highest value.

    Shapes as in EventStudy; `bound` M̄ has no unit. `method`: the conditional test of Andrews, Roth and Pakes 2023 or
    its hybrid with least-favourable critical values (C-LF, first stage alpha/10, recommended). Critical values come
    from quadrature, not simulation; end points from root search. bound=0 gives the interval under parallel trends.
    With one period before the reference the largest step is that one step, of which the data know little.
    Raises EstimationError for bad input. Source: Rambachan and Roth 2023, section 3.2 and appendix.
    """
    study = event_study(beta, sigma, n_pre, contrast)
    check_level(alpha, df)
    check_bound(bound)
    return conditional_interval(
        _moments(study, bound), bound, alpha, hybrid=method == "least_favourable", df=df, unit=study.std_error
    )


def agrees_with_magnitudes(
    beta: ArrayLike,
    sigma: ArrayLike,
    n_pre: int,
    bound: float,
    values: ArrayLike,
    contrast: ArrayLike | None = None,
    *,
    method: MagnitudesMethod = "least_favourable",
    alpha: float = 0.05,
    df: float | None = None,
) -> BoolArray:
    """For each of `values` (G,) of l'τ: whether the test behind `magnitudes_interval` lets it stand. Same errors."""
    study = event_study(beta, sigma, n_pre, contrast)
    check_level(alpha, df)
    check_bound(bound)
    moments = _moments(study, bound)
    stage = second_stage(moments, alpha, hybrid=method == "least_favourable", df=df)
    theta = np.broadcast_to(np.asarray(values, dtype=float), (len(moments.value), np.size(values)))
    return np.asarray(compatible(moments, theta, stage).any(axis=0))


def _moments(study: EventStudy, bound: float) -> Moments:
    """Steps after the reference against bound times each step before it, with each sign: 2·n_pre polyhedra."""
    size = len(study.beta)
    reference = np.insert(np.eye(size), study.n_pre, 0.0, axis=0)
    steps = np.diff(reference, axis=0)
    before, after = steps[: study.n_pre], steps[study.n_pre :]
    return paired_moments(study, after, bound * np.vstack([before, -before]), 0.0)
