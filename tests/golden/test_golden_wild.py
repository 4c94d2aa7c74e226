"""Wild cluster bootstrap and few-cluster errors against R fwildclusterboot and summclust: all draws enumerated."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.least_squares import small_sample_factor
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.inference.wild import WildTest, multipliers
from kkz_eval.inference.wild_regression import cluster_products, wild_regression

LEVERAGE = {"1": "ordinary", "3": "jackknife"}
N_CELLS, N_COLUMNS = 88, 19
"""R counts all columns, state effects included; the ratio of the factors is the only difference in t."""


@pytest.fixture(scope="module")
def castle(shared: Path) -> Fit:
    frame = pd.read_csv(shared / "golden" / "data" / "castle_G8.csv")
    first = frame[frame["post"] == 1].groupby("sid")["year"].min()
    frame["cohort"] = frame["sid"].map(first)
    panel = CellPanel.from_frame(frame, "l_homicide", unit="sid", period="year", value="l_homicide")
    return two_way_fixed_effects(panel, EstimatorOptions())


def bootstrap(fit: Fit, kind: str, *, impose_null: bool) -> tuple[WildTest, float]:
    """The bootstrap of R's name for it ("31": jackknife scores, ordinary variance), and R's observed t over ours.

    With CV3 R multiplies only the observed t's variance with its small-sample factor, not that of the draws. Its
    p-value then compares different scales, so the draws are compared with t on their own scale.
    """
    scores, variance = "11" if kind == "fnw11" else kind
    products, contrasts = cluster_products(fit)
    test = wild_regression(
        products,
        contrasts[0],
        multipliers(8, draws=9_999, seed=1, scheme="rademacher"),
        scores=LEVERAGE[scores],
        variance=LEVERAGE[variance],
        impose_null=impose_null,
    )
    ours = fit.variance_factor if variance == "1" else 1.0
    return test, np.sqrt(ours / small_sample_factor(N_CELLS, N_COLUMNS, 8))


@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize("kind", ["fnw11", "11", "13", "31", "33"])
def test_every_draw_and_its_p_value(
    kind: str, impose_null: bool, castle: Fit, reference: Callable[[str], pd.DataFrame]
) -> None:
    test, ratio = bootstrap(castle, kind, impose_null=impose_null)
    assert test.is_complete
    table = reference("castle_wildboot_tboot_sorted.csv")
    chosen = (table["bootstrap_type"] == kind) & (table["impose_null"] == impose_null)
    expected = table.loc[chosen, "t_boot_sorted"].to_numpy()
    in_draws = ratio if kind[-1] == "1" else 1.0
    np.testing.assert_allclose(np.sort(test.t_star()) * in_draws, expected, rtol=1e-8, atol=1e-9)
    summary = reference("castle_wildboot_full_enumeration.csv")
    rows = summary[(summary["bootstrap_type"] == kind) & (summary["impose_null"] == impose_null)]
    strict, weak = (rows.iloc[0][name] for name in ("p_strict_tol", "p_weak_tol"))
    if kind[-1] == "3":
        strict, weak = (np.mean(np.abs(expected) >= abs(test.t()) * size) for size in (1 + 1e-8, 1 - 1e-8))
    for tail in ("two-tailed", "equal-tailed"):
        row = rows[rows["p_val_type"] == tail].iloc[0]
        assert test.estimate == pytest.approx(row["point_estimate"], rel=1e-10)
        assert test.t() * ratio == pytest.approx(row["t_stat"], rel=1e-9)
        assert strict - 1e-12 <= test.p_value(tail=tail) <= weak + 1e-12


@pytest.mark.parametrize(("impose_null", "n_ties"), [(True, 2), (False, 0)])
def test_confidence_interval(
    impose_null: bool, n_ties: int, castle: Fit, reference: Callable[[str], pd.DataFrame]
) -> None:
    """R's limits are, to 1e-5, where the share of draws beyond t falls to 5 %; it leaves out ties, so ours is wider."""
    test, _ = bootstrap(castle, "fnw11", impose_null=impose_null)
    summary = reference("castle_wildboot_full_enumeration.csv")
    row = summary[(summary["impose_null"] == impose_null) & summary["ci_lo"].notna()].iloc[0]
    low, high = test.interval(0.95)
    for limit, ours, outwards in ((row["ci_lo"], low, -1e-5), (row["ci_hi"], high, 1e-5)):
        assert test.p_value(limit + outwards) - n_ties / 256 <= 0.05 < test.p_value(limit - outwards) - n_ties / 256
        assert test.p_value(ours + outwards) <= 0.05 < test.p_value(ours - outwards)
        if n_ties == 0:
            assert ours == pytest.approx(limit, abs=1e-6)
    assert low <= row["ci_lo"] + 1e-6
    assert high >= row["ci_hi"] - 1e-6


def test_errors_of_few_clusters(castle: Fit, reference: Callable[[str], pd.DataFrame]) -> None:
    table = reference("castle_fewcluster_ses.csv").set_index("type")
    assert jackknife(castle).std_error[0] == pytest.approx(table.loc["CRV3", "se"], rel=1e-8)
    left = castle.leave_out()[:, 0]
    about_mean = np.sqrt(7 / 8 * ((left - left.mean()) ** 2).sum())
    assert about_mean == pytest.approx(table.loc["CRV3J", "se"], rel=1e-8)
    nonnested = table.loc["fixest:cluster,K.fixef=nonnested"]
    assert analytic(castle).std_error[0] == pytest.approx(nonnested["se"], rel=1e-10)
    assert castle.analytic_df is not None
    assert castle.analytic_df[0] == nonnested["df"]
    test_1, _ = bootstrap(castle, "11", impose_null=True)
    test_3, _ = bootstrap(castle, "13", impose_null=True)
    assert test_1.std_error == pytest.approx(nonnested["se"], rel=1e-10)
    assert test_3.std_error == pytest.approx(table.loc["CRV3", "se"], rel=1e-8)
