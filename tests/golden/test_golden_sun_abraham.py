"""Sun–Abraham against R fixest 0.14.2 `sunab`."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.sun_abraham import sun_abraham
from kkz_eval.inference.analytic import cluster_covariance

TOLERANCE = 1e-10


def position(fit: Fit, term: str) -> int:
    """Terms like `ATT`, `cohort::2004`, `year::-3`, `year::-3:cohort::2004`."""
    if term == "ATT":
        (found,) = fit.index(aggregation="overall")
    elif term.startswith("cohort::"):
        (found,) = fit.index(aggregation="group", cohort=int(term.removeprefix("cohort::")))
    elif (pair := re.fullmatch(r"year::(-?\d+):cohort::(\d+)", term)) is not None:
        (found,) = fit.index(aggregation="group_time", event_time=int(pair[1]), cohort=int(pair[2]))
    else:
        (found,) = fit.index(aggregation="event", event_time=int(term.removeprefix("year::")))
    return found


def assert_equal_to_fixest(fit: Fit, table: pd.DataFrame, factor: float) -> None:
    where = [position(fit, term) for term in table["term"]]
    std_error = np.sqrt(np.diag(cluster_covariance(fit)) / factor)
    np.testing.assert_allclose(fit.estimate[where], table["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(std_error[where], table["se_without_fix"], rtol=TOLERANCE)
    assert fit.analytic_df is not None
    np.testing.assert_array_equal(fit.analytic_df[where], table["df_t"])


@pytest.mark.parametrize("cluster", ["countyreal", "state"])
@pytest.mark.parametrize("weights", ["none", "popw"])
def test_mpdta(
    cluster: str, weights: str, mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    fit = sun_abraham(mpdta("panel", cluster, weights), EstimatorOptions())
    table = reference("mpdta_state_fixest.csv")
    own = table["model"].str.startswith("sunab") & (table["model"].str.contains("popw") == (weights == "popw"))
    default = table[own & (table["vcov"] == f"cluster:~{cluster}|ssc=default")]
    assert len(default) >= (23 if weights == "none" else 7)
    assert_equal_to_fixest(fit, default, 1.0)
    assert fit.extra["rank"] + 1 == default["K"].iloc[0]
    if cluster == "countyreal":
        unadjusted = table[own & (table["vcov"] == "cluster:~countyreal|ssc=noadj")]
        assert_equal_to_fixest(fit, unadjusted, fit.variance_factor)


def test_with_a_covariate(shared: Path, reference: Callable[[str], pd.DataFrame]) -> None:
    frame = pd.read_csv(shared / "golden" / "data" / "base_stagg.csv")
    frame["cohort"] = frame["year_treated"].where(frame["year_treated"] <= frame["year"].max())
    panel = CellPanel.from_frame(frame, "y", unit="id", period="year", value="y")
    x1 = CellPanel.from_frame(frame, "x1", unit="id", period="year", value="x1").value
    fit = sun_abraham(panel, EstimatorOptions(covariates=x1[:, :, None], covariate_names=("x1",)))
    table = reference("base_stagg_fixest.csv")
    own = table["model"].str.startswith("sunab(year_treated") & (table["vcov"] == "cluster:~id|ssc=default")
    effects = table[own & (table["term"] != "x1")]
    assert len(effects) == 17 + 1 + 9 + 81
    assert_equal_to_fixest(fit, effects, 1.0)
    assert fit.extra["rank"] + 1 == effects["K"].iloc[0]
    covariate = table[own & (table["term"] == "x1")].iloc[0]
    assert fit.extra["solution"].coefficient[0] == pytest.approx(covariate["estimate"], rel=TOLERANCE)
