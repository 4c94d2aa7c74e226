"""Two-way fixed effects and event studies against R fixest 0.14.2."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.least_squares import small_sample_factor
from kkz_eval.estimators.regression import event_study, two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import analytic, cluster_covariance
from kkz_eval.inference.uncertainty import t_intervals

TOLERANCE = 1e-10


def assert_equal_to_fixest(fit: Fit, table: pd.DataFrame, position: Callable[[str], int]) -> None:
    where = [position(term) for term in table["term"]]
    std_error = np.sqrt(np.diag(cluster_covariance(fit)))
    np.testing.assert_allclose(fit.estimate[where], table["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(std_error[where], table["se_without_fix"], rtol=TOLERANCE)
    assert fit.analytic_df is not None
    np.testing.assert_array_equal(fit.analytic_df[where], table["df_t"])
    assert fit.extra["rank"] + 1 == table["K"].iloc[0]
    if not table["vcov_psd_fixed"].any():
        limits = t_intervals(fit.estimate, analytic(fit), 0.95)
        known = np.isfinite(limits.low[where])
        np.testing.assert_allclose(limits.low[where][known], table["ci_lo"][known], rtol=1e-8)
        np.testing.assert_allclose(limits.p_value[where][known], table["pvalue"][known], rtol=1e-7)


def event_position(fit: Fit, shift: int = 0) -> Callable[[str], int]:
    """Terms like `rel::-3`, `period::4:treat`, `x1`, `D`."""

    def find(term: str) -> int:
        if "::" in term and not term.startswith("lpop"):
            _, after = term.split("::")
            (found,) = fit.index(aggregation="event", event_time=int(after.removesuffix(":treat")) - shift)
        else:
            (found,) = fit.index(label=term) or fit.index(aggregation="static", label="")
        return found

    return find


def default_clusters(table: pd.DataFrame, model: str, cluster: str) -> pd.DataFrame:
    chosen = table[(table["model"] == model) & (table["vcov"] == f"cluster:~{cluster}|ssc=default")]
    assert len(chosen)
    return chosen


@pytest.mark.parametrize(
    ("dataset", "period", "shift", "models"),
    [
        (
            "base_stagg",
            "year",
            0,
            (
                "twfe: y ~ x1 + D | id + year",
                "event: y ~ x1 + i(time_to_treatment, ref=c(-1,-1000)) | id + year",
            ),
        ),
        (
            "base_did",
            "period",
            6,
            (
                "twfe: y ~ x1 + treat*post | id + period",
                "event: y ~ x1 + i(period, treat, ref=5) | id + period",
            ),
        ),
    ],
)
def test_with_a_covariate(
    dataset: str,
    period: str,
    shift: int,
    models: tuple[str, str],
    shared: Path,
    reference: Callable[[str], pd.DataFrame],
) -> None:
    frame = pd.read_csv(shared / "golden" / "data" / f"{dataset}.csv")
    if dataset == "base_did":
        frame["cohort"] = np.where(frame["treat"] == 1, 6, np.nan)
    else:
        frame["cohort"] = frame["year_treated"].where(frame["year_treated"] <= frame["year"].max())
    panel = CellPanel.from_frame(frame, "y", unit="id", period=period, value="y")
    x1 = CellPanel.from_frame(frame, "x1", unit="id", period=period, value="x1").value
    options = EstimatorOptions(covariates=x1[:, :, None], covariate_names=("x1",))
    table = reference(f"{dataset}_fixest.csv")
    for estimator, model in zip((two_way_fixed_effects, event_study), models, strict=True):
        fit = estimator(panel, options)
        assert_equal_to_fixest(fit, default_clusters(table, model, "id"), event_position(fit, shift))


@pytest.mark.parametrize("cluster", ["countyreal", "state"])
@pytest.mark.parametrize("weights", ["none", "popw"])
def test_mpdta(
    cluster: str, weights: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    panel = mpdta("panel", cluster, weights)
    suffix = " [weights=popw]" if weights == "popw" else ""
    table = reference("mpdta_state_fixest.csv")
    for estimator, model in (
        (two_way_fixed_effects, "twfe: lemp ~ D | countyreal + year"),
        (event_study, "event: lemp ~ i(rel, ref=c(-1,-1000)) | countyreal + year"),
    ):
        fit = estimator(panel, EstimatorOptions())
        assert_equal_to_fixest(fit, default_clusters(table, model + suffix, cluster), event_position(fit))


def test_mpdta_with_a_covariate_in_each_year(
    mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    panel, population = mpdta(cluster="state"), mpdta(value="lpop").value
    names = [f"lpop:year::{year}" for year in panel.periods[1:]]
    layers = np.stack([population * (panel.periods == year) for year in panel.periods[1:]], axis=2)
    fit = two_way_fixed_effects(panel, EstimatorOptions(covariates=layers, covariate_names=tuple(names)))
    model = "twfe + lpop x year: lemp ~ D + lpop:i(year, ref=2003) | countyreal + year"
    table = default_clusters(reference("mpdta_state_fixest.csv"), model, "state")
    assert_equal_to_fixest(fit, table, event_position(fit))


@pytest.mark.parametrize(("counting", "n_parameters"), [("noadj", None), ("Kfull", 505), ("Knone", 1)])
def test_small_sample_factor_is_the_only_difference(
    counting: str, n_parameters: int | None, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    fit = two_way_fixed_effects(mpdta(), EstimatorOptions())
    table = reference("mpdta_state_fixest.csv")
    model = "twfe: lemp ~ D | countyreal + year"
    row = table[(table["model"] == model) & (table["vcov"] == f"cluster:~countyreal|ssc={counting}")].iloc[0]
    factor = 1.0 if n_parameters is None else small_sample_factor(2500, n_parameters, 500)
    std_error = np.sqrt(cluster_covariance(fit)[0, 0] / fit.variance_factor * factor)
    assert std_error == pytest.approx(row["se"], rel=TOLERANCE)
