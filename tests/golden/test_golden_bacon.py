"""Goodman-Bacon decomposition against R bacondecomp."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.bacon import bacon
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions

TOLERANCE = 1e-10


@pytest.mark.parametrize(("dataset", "n_comparisons"), [("mpdta", 9), ("base_stagg", 81)])
def test_comparisons_and_weights(
    dataset: str,
    n_comparisons: int,
    shared: Path,
    mpdta: Callable[..., CellPanel],
    reference: Callable[[str], pd.DataFrame],
) -> None:
    if dataset == "mpdta":
        panel = mpdta()
    else:
        frame = pd.read_csv(shared / "golden" / "data" / "base_stagg.csv")
        frame["cohort"] = frame["year_treated"].where(frame["year_treated"] <= frame["year"].max())
        panel = CellPanel.from_frame(frame, "y", unit="id", period="year", value="y")
    fit = bacon(panel, EstimatorOptions())
    table = reference(f"{dataset}_nocontrols_bacondecomp.csv")
    assert len(table) == len(fit.index(aggregation="decomposition")) == n_comparisons
    where = [
        fit.index(aggregation="decomposition", cohort=k, period=None if np.isinf(u) else u)[0]
        for k, u in zip(table["treated"], table["untreated"], strict=True)
    ]
    np.testing.assert_allclose(fit.estimate[where], table["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(fit.extra["weight"][where], table["weight"], rtol=TOLERANCE)
    assert fit.extra["weight"].sum() == pytest.approx(1, abs=1e-14)
    regression = two_way_fixed_effects(panel, EstimatorOptions())
    assert fit.estimate[-1] == pytest.approx(regression.estimate[0], rel=TOLERANCE)
    assert fit.estimate[-1] == pytest.approx((table["estimate"] * table["weight"]).sum(), rel=TOLERANCE)
