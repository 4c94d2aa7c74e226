"""The value of public funds: the published example, the cap rule, limits equal to exact ones."""

import math

import pytest
from scipy import stats

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.cost import Money
from kkz_eval.horizon.public_funds import (
    NO_GAIN,
    PAYS_ITSELF,
    marginal_value,
    marginal_value_interval,
    tax_revenue,
)


def euro(amount: float) -> Money:
    return Money(amount, "a stated source")


def test_the_published_school_finance_example() -> None:
    """Earnings of 10.81 per euro taxed at 18.8 %: revenue 2.03, net cost −1.03, value infinite (policyimpacts.org)."""
    revenue = tax_revenue(euro(10.81), tax_rate=0.188)
    result = marginal_value(euro(1), euro(10.81 * (1 - 0.188)), revenue)
    assert round(result.revenue, 2) == 2.03
    assert round(result.net_cost, 2) == -1.03
    assert result.value == math.inf
    assert result.reason == PAYS_ITSELF


def test_value_by_hand_and_without_meaning() -> None:
    assert marginal_value(euro(1), euro(2), euro(0.5)).value == 4.0
    nothing = marginal_value(euro(1), euro(-1), euro(2))
    assert nothing.value is None
    assert nothing.reason == NO_GAIN
    with pytest.raises(EstimationError, match="cannot be compared"):
        marginal_value(euro(1), Money(1, "a stated source", price_year=2012), euro(0))
    with pytest.raises(EstimationError, match="tax rate"):
        tax_revenue(euro(1), tax_rate=18.8)


def test_limits_equal_the_exact_ones_where_the_value_rises_with_the_effect() -> None:
    """Value = gδ/(C − rδ) rises in δ, so its limits are those of δ put in; four Monte-Carlo errors of a quantile."""
    cost, gain, back, effect, error, draws = 80.0, 10_000.0, 3_000.0, 0.01, 0.003, 40_000
    result = marginal_value_interval(
        euro(cost), euro(gain), euro(back), averted=effect, std_error=error, seed=1, draws=draws
    )
    for level, found in ((0.025, result.low), (0.975, result.high)):
        z = stats.norm.ppf(level)
        spread = 4 * math.sqrt(level * (1 - level) / draws) / stats.norm.pdf(z)
        low, high = (
            gain * d / (cost - back * d) for d in (effect + (z - spread) * error, effect + (z + spread) * error)
        )
        assert found is not None
        assert low < found < high
    assert result.share_pays_itself == 0.0


def test_infinite_limits_and_draws_without_meaning_are_said() -> None:
    rich = marginal_value_interval(euro(80), euro(10_000), euro(9_000), averted=0.01, std_error=0.003, seed=1)
    assert rich.high == math.inf
    assert 0.5 < rich.share_pays_itself < 1.0
    lost = marginal_value_interval(euro(80), euro(10_000), euro(-90_000), averted=0.0, std_error=0.01, seed=1)
    assert lost.low is None
    assert lost.reason is not None
    assert NO_GAIN in lost.reason
    with pytest.raises(EstimationError, match="positive standard error"):
        marginal_value_interval(euro(80), euro(1), euro(1), averted=0.1, std_error=0.0, seed=1)


def test_the_same_seed_gives_the_same_limits_and_a_link_widens_them() -> None:
    def limits(chain_error: float) -> tuple[float, float]:
        found = marginal_value_interval(
            euro(80), euro(10_000), euro(100), averted=0.01, std_error=0.003, chain=0.5, chain_error=chain_error, seed=7
        )
        assert found.low is not None
        assert found.high is not None
        return found.low, found.high

    assert limits(0.2) == limits(0.2)
    assert limits(0.2)[0] < limits(0.0)[0] < limits(0.0)[1] < limits(0.2)[1]
