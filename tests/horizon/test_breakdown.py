"""Breakdown values and the smallest effect an honest interval finds."""

import numpy as np
import pytest
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.breakdown import breakdown_value, honest_mde, magnitudes_breakdown, smoothness_breakdown
from kkz_eval.horizon.honest_input import HonestInterval
from kkz_eval.horizon.honest_magnitudes import magnitudes_interval
from kkz_eval.horizon.honest_smoothness import smoothness_interval

BETA = np.array([0.1, -0.05, 0.02, 1.2, 1.6])
SIGMA = 0.01 * (0.5 * np.eye(5) + 0.5)


@pytest.mark.parametrize("truth", [0.003, 0.7, 42.0])
def test_a_known_crossing_is_found(truth: float) -> None:
    found = breakdown_value(lambda bound: HonestInterval(bound, truth - bound, 2 * truth + bound), 0.1)
    assert found.status == "found"
    assert found.value == pytest.approx(truth, rel=2e-6)
    assert found.value <= truth


def test_without_a_crossing_there_is_no_number() -> None:
    never = breakdown_value(lambda bound: HonestInterval(bound, -1, 1), 0.1)
    always = breakdown_value(lambda bound: HonestInterval(bound, 1, 2), 0.1)
    assert (never.value, never.status) == (None, "never excluded")
    assert (always.value, always.status) == (None, "always excluded")
    assert "up to bound" in always.note


def test_an_empty_interval_excludes_everything() -> None:
    assert HonestInterval(0.1, None, None, "empty").excludes(0.0)
    assert not HonestInterval(0.1, -np.inf, 3.0).excludes(0.0)


@pytest.mark.parametrize("contrast", [None, [0.5, 0.5]])
@pytest.mark.parametrize("null", [0.0, 0.2, 3.0])
def test_the_interval_touches_the_null_value_at_the_breakdown(contrast: list[float] | None, null: float) -> None:
    pairs = [(smoothness_breakdown, smoothness_interval), (magnitudes_breakdown, magnitudes_interval)]
    for breakdown, interval in pairs:
        value = breakdown(BETA, SIGMA, 3, contrast, null=null).value
        assert interval(BETA, SIGMA, 3, value, contrast).excludes(null)
        wider = interval(BETA, SIGMA, 3, value * 1.00001, contrast)
        assert not wider.excludes(null)
        nearest = wider.low if null < wider.low + (wider.high - wider.low) / 2 else wider.high
        assert nearest == pytest.approx(null, abs=1e-4)


def test_fewer_clusters_break_down_earlier() -> None:
    for breakdown in (smoothness_breakdown, magnitudes_breakdown):
        assert breakdown(BETA, SIGMA, 3, df=5).value < breakdown(BETA, SIGMA, 3).value


def test_an_effect_that_is_not_there_has_no_breakdown() -> None:
    for breakdown in (smoothness_breakdown, magnitudes_breakdown):
        assert breakdown(np.zeros(5), SIGMA, 3).status == "never excluded"


def test_the_smallest_effect_is_found_with_the_power_asked_for() -> None:
    """The estimate is normal around effect − worst bias; the honest interval excludes 0 beyond its half-length."""
    plan = smoothness_interval(BETA, SIGMA, 3, 0.05)
    for power in (0.5, 0.8, 0.9):
        effect = honest_mde(plan.worst_bias, plan.std_error, power=power)
        law = stats.norm(effect - plan.worst_bias, plan.std_error)
        assert law.sf(plan.half_length) == pytest.approx(power, abs=1e-9)


def test_without_bias_it_is_the_usual_formula() -> None:
    usual = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
    assert honest_mde(0.0, 0.3) == pytest.approx(0.3 * usual)
    few = stats.t.isf(0.025, 9) + stats.t.ppf(0.8, 9)
    assert honest_mde(0.0, 0.3, df=9) == pytest.approx(0.3 * few)


@pytest.mark.parametrize(
    ("bias", "error", "more"),
    [(-0.1, 1.0, {}), (np.nan, 1.0, {}), (0.1, 0.0, {}), (0.1, 1.0, {"power": 1.0}), (0.1, 1.0, {"alpha": 0.7})],
)
def test_bad_input_is_refused(bias: float, error: float, more: dict) -> None:
    with pytest.raises(EstimationError):
        honest_mde(bias, error, **more)


@pytest.mark.parametrize("breakdown", [smoothness_breakdown, magnitudes_breakdown])
def test_bad_studies_are_refused(breakdown: object) -> None:
    with pytest.raises(EstimationError):
        breakdown(BETA, SIGMA, 0)
    with pytest.raises(EstimationError):
        breakdown(BETA, SIGMA, 3, alpha=0.9)
