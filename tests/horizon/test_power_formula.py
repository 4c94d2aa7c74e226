"""The closed-form power formula against the table of methods.md §2.1."""

import numpy as np
import pytest

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.power_formula import (
    autoregressive_covariance,
    average_covariances,
    minimum_detectable_effect,
    panel_variance,
    panel_variance_from_residuals,
)

GOLDEN = [
    (1, 1, 0.0, 0.800000, 2.530515),
    (1, 1, 0.5, 0.400000, 1.789344),
    (5, 5, 0.0, 0.160000, 1.131681),
    (5, 5, 0.5, 0.295938, 1.539090),
    (5, 5, 0.9, 0.198251, 1.259713),
    (10, 10, 0.5, 0.192062, 1.239896),
    (3, 9, 0.7, 0.334170, 1.635489),
]


@pytest.mark.parametrize(("n_pre", "n_post", "rho", "variance", "mde"), GOLDEN)
def test_reference_table(n_pre: int, n_post: int, rho: float, variance: float, mde: float) -> None:
    pre, post, across = average_covariances(autoregressive_covariance(n_pre + n_post, 10.0, rho), n_pre)
    found = panel_variance(
        n_pre=n_pre,
        n_post=n_post,
        n_units=100,
        share_treated=0.5,
        residual_variance=10.0,
        within_pre=pre,
        within_post=post,
        across=across,
    )
    assert found == pytest.approx(variance, abs=1e-6)
    assert minimum_detectable_effect(found, df=100) == pytest.approx(mde, abs=1e-6)


def test_average_covariances_of_the_table() -> None:
    found = average_covariances(autoregressive_covariance(10, 10.0, 0.5), 5)
    assert found == pytest.approx((3.0625, 3.0625, 0.750781), abs=1e-6)


@pytest.mark.parametrize(("n_pre", "n_post", "rho"), [(1, 1, 0.0), (5, 5, 0.5), (3, 9, 0.7), (4, 2, 0.3)])
def test_residual_version_agrees_with_the_error_version(n_pre: int, n_post: int, rho: float) -> None:
    """Expected moments of two-way residuals of I units put into the residual version give the error version back."""
    n_units, periods = 40, n_pre + n_post
    errors = autoregressive_covariance(periods, 10.0, rho)
    demean = np.eye(periods) - 1 / periods
    residual = (1 - 1 / n_units) * demean @ errors @ demean
    pre, post, _ = average_covariances(residual, n_pre)
    before, after, across = average_covariances(errors, n_pre)
    design = {"n_pre": n_pre, "n_post": n_post, "n_units": 100, "share_treated": 0.3}
    from_residuals = panel_variance_from_residuals(
        **design,
        n_units_estimated=n_units,
        residual_variance=float(np.trace(residual) / periods),
        within_pre=pre,
        within_post=post,
    )
    from_errors = panel_variance(
        **design, residual_variance=10.0, within_pre=before, within_post=after, across=across
    )  # fmt: skip
    if n_pre == n_post:  # otherwise the residual variance differs before and after, and one number stands for both
        assert from_residuals == pytest.approx(from_errors, rel=1e-12)
    else:
        assert from_residuals == pytest.approx(from_errors, rel=0.1)


@pytest.mark.parametrize(
    "change",
    [{"n_pre": 0}, {"n_post": 0}, {"n_units": 1}, {"share_treated": 0.0}, {"share_treated": 1.0}, {"across": 99.0}],
)
def test_impossible_designs_are_refused(change: dict[str, float]) -> None:
    design = {"n_pre": 2, "n_post": 2, "n_units": 10, "share_treated": 0.5, "residual_variance": 1.0, **change}
    with pytest.raises(EstimationError, match=r"\.$"):
        panel_variance(**design)
