"""Pre-trend power against R pretrends on the He–Wang example; three periods before the reference, four after.

R's rectangles carry quasi-Monte-Carlo error of about 1e-4 (its slopes up to 0.3 %), Miwa's of about 2e-5.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kkz_eval.horizon.pretrend_power import pretrend_power, slope_for_power

Study = tuple[np.ndarray, np.ndarray, int]
TIMES = np.array([-3, -2, -1, 1, 2, 3, 4])


@pytest.fixture(scope="module")
def he_wang(shared: Path) -> Study:
    held = json.loads((shared / "golden" / "data" / "HeAndWangResults.json").read_text(encoding="utf-8"))
    assert (np.array(held["tVec"]) + 1 == TIMES).all()
    return np.array(held["beta"]), np.array(held["sigma"]), 3


@pytest.fixture(scope="module")
def scenarios(shared: Path) -> list[dict]:
    text = (shared / "golden" / "ref" / "pretrends_power_and_pretest_means.json").read_text(encoding="utf-8")
    return [one for one in json.loads(text) if one["dataset"] == "HeAndWangResults"]


def test_slopes_and_power(he_wang: Study, reference: Callable[[str], pd.DataFrame]) -> None:
    beta, sigma, n_pre = he_wang
    table = reference("pretrends_slope_for_power.csv")
    rows = table[table["dataset"] == "HeAndWangResults"]
    assert len(rows) == 4
    for row in rows.itertuples():
        slope = slope_for_power(sigma, n_pre, row.targetPower)
        assert slope == pytest.approx(row.slope_exact_miwa, rel=1e-4)
        assert slope == pytest.approx(row.slope, rel=3e-3)
        found = pretrend_power(beta, sigma, n_pre, row.slope * TIMES)
        assert found.power == pytest.approx(row.power_at_R_slope_miwa, abs=3e-5)


def test_bayes_factor_likelihood_ratio_and_means(he_wang: Study, scenarios: list[dict]) -> None:
    assert len(scenarios) == 4
    for one in scenarios:
        later = np.array(one["t"]) != -1
        found = pretrend_power(*he_wang, np.array(one["deltatrue"])[later])
        assert found.power == pytest.approx(one["Power"], abs=2e-4)
        assert found.bayes_factor == pytest.approx(one["Bayes.Factor"], abs=2e-4)
        assert found.likelihood_ratio == pytest.approx(one["Likelihood.Ratio"], rel=1e-10)
        assert found.mean_after_passing == pytest.approx(np.array(one["meanAfterPretesting"])[later], abs=2e-5)


def test_published_numbers(he_wang: Study) -> None:
    """Vignette of pretrends: linear drift with power one half, and the quadratic 0.024·(t + 1)²."""
    beta, sigma, n_pre = he_wang
    assert slope_for_power(sigma, n_pre, 0.5) == pytest.approx(0.05205871, rel=3e-4)
    assert slope_for_power(sigma, n_pre, 0.8) == pytest.approx(0.07912, rel=1e-4)
    linear = pretrend_power(beta, sigma, n_pre, 0.05205871 * TIMES)
    assert linear.size == pytest.approx(0.1213, abs=5e-5)
    assert linear.bayes_factor == pytest.approx(0.5691, abs=2e-4)
    assert linear.likelihood_ratio == pytest.approx(0.1057627, abs=5e-8)
    means = [-0.0923, -0.0556, -0.0279, 0.0649, 0.1208, 0.1695, 0.2245]
    assert linear.mean_after_passing == pytest.approx(means, abs=2e-4)
    quadratic = pretrend_power(beta, sigma, n_pre, 0.024 * TIMES**2)
    assert quadratic.power == pytest.approx(0.6624282, abs=1e-4)
    assert quadratic.bayes_factor == pytest.approx(0.3841516, abs=1e-4)
    assert quadratic.likelihood_ratio == pytest.approx(0.4332635, abs=5e-8)


def test_rectangles_agree_with_scipy(he_wang: Study) -> None:
    beta, sigma, n_pre = he_wang
    before, limits = sigma[:3, :3], 1.96 * np.sqrt(np.diag(sigma)[:3])
    for slope in (0.0, 0.05, 0.1):
        law = stats.multivariate_normal(slope * TIMES[:3], before, abseps=1e-7, releps=1e-7, maxpts=3_000_000, seed=1)
        found = pretrend_power(beta, sigma, n_pre, slope * TIMES)
        assert 1 - found.power == pytest.approx(law.cdf(limits, lower_limit=-limits), abs=1e-6)
