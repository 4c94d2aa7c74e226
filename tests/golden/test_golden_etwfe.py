"""Extended two-way fixed effects against R etwfe: coefficients and averages, linear and Poisson.

R's averages take their errors from numerical derivatives (a few 1e-6 relative); the coefficients carry exact ones.
fepois stops at 1e-8, which moves its averages by up to 4e-8.
"""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.etwfe import etwfe, etwfe_poisson
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance

EXACT = 1e-10
NUMERICAL_DERIVATIVE = 5e-5
GROUP = {"notyet": "not_yet_treated", "never": "never_treated"}


@pytest.fixture(scope="session")
def employment(mpdta: Callable[..., CellPanel]) -> Callable[..., CellPanel]:
    """Panels of employment in logs or, for `emp`, as a number."""

    def build(outcome: str, cluster: str) -> CellPanel:
        panel = mpdta("panel", cluster)
        if outcome == "lemp":
            return panel
        value = np.exp(panel.value)
        return CellPanel(
            "emp", panel.units, panel.periods, panel.cohort, panel.cluster, panel.weight, panel.n, value, value, value
        )

    return build


def fitted(employment: Callable[..., CellPanel], mpdta: Callable[..., CellPanel], scenario: pd.Series) -> Fit:
    outcome, _, covariate = scenario["model"].split()
    population = mpdta(value="lpop").value[:, :, None]
    options = EstimatorOptions(
        control_group=GROUP[scenario["cgroup"]],
        design="cross_section" if scenario["ivar"] == "none" else "panel",
        covariates=population if covariate == "lpop" else None,
        covariate_names=("lpop",) if covariate == "lpop" else (),
    )
    estimator = etwfe_poisson if scenario["family"] == "poisson" else etwfe
    return estimator(employment(outcome, scenario["cluster"]), options)


def position(fit: Fit, kind: str, key: float) -> int:
    if kind == "simple":
        (found,) = fit.index(aggregation="overall")
    elif kind == "event":
        (found,) = fit.index(aggregation="event", event_time=int(key))
    else:
        (found,) = fit.index(
            aggregation=kind, label="", **{"group": {"cohort": key}, "calendar": {"period": key}}[kind]
        )
    return found


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("cgroup", ["notyet", "never"])
@pytest.mark.parametrize("covariate", ["1", "lpop"])
def test_averages(
    family: str,
    cgroup: str,
    covariate: str,
    employment: Callable[..., CellPanel],
    mpdta: Callable[..., CellPanel],
    reference: Callable[[str], pd.DataFrame],
) -> None:
    table = reference("mpdta_etwfe_emfx.csv")
    own = (table["family"] == family) & (table["cgroup"] == cgroup) & table["model"].str.endswith(f" {covariate}")
    assert own.sum() >= 12
    for _, rows in table[own].groupby(["ivar", "cluster"]):
        fit = fitted(employment, mpdta, rows.iloc[0])
        where = [position(fit, kind, key) for kind, key in zip(rows["type"], rows["key"], strict=True)]
        std_error = np.sqrt(np.diag(cluster_covariance(fit)))
        tolerance = EXACT if family == "gaussian" else 1e-7
        np.testing.assert_allclose(fit.estimate[where], rows["estimate"], rtol=tolerance, atol=1e-13)
        real = ~fit.is_reference[where]
        np.testing.assert_allclose(std_error[where][real], rows["se"][real], rtol=NUMERICAL_DERIVATIVE)


def test_linear_coefficients_and_their_errors(
    employment: Callable[..., CellPanel], mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    """The effects by cohort and period are the coefficients of the treatment terms, exact errors included."""
    table = reference("mpdta_etwfe_coefs.csv")
    table = table[(table["family"] == "gaussian")]
    checked = 0
    for _, rows in table.groupby(["model", "cgroup", "ivar", "cluster"]):
        fit = fitted(employment, mpdta, rows.iloc[0])
        std_error = np.sqrt(np.diag(cluster_covariance(fit)))
        for row in rows.itertuples():
            pair = re.fullmatch(r"\.Dtreat:first\.treat::(\d+):year::(\d+)", row.term)
            if pair is None:
                continue
            (found,) = fit.index(aggregation="group_time", cohort=int(pair[1]), period=int(pair[2]))
            assert fit.estimate[found] == pytest.approx(row.estimate, rel=EXACT)
            assert std_error[found] == pytest.approx(row.se, rel=EXACT)
            checked += 1
    assert checked == 8 * 7 + 8 * 12


def test_poisson_coefficients_are_the_log_ratio_to_the_expected_mean(
    employment: Callable[..., CellPanel], mpdta: Callable[..., CellPanel], reference: Callable[[str], pd.DataFrame]
) -> None:
    table = reference("mpdta_etwfe_coefs.csv")
    rows = table[(table["model"] == "emp ~ 1") & (table["cgroup"] == "notyet")]
    fit = fitted(employment, mpdta, rows.iloc[0])
    panel = employment("emp", "countyreal")
    for row in rows[rows["term"].str.startswith(".Dtreat")].itertuples():
        cohort, year = (int(number) for number in re.findall(r"::(\d+)", row.term))
        (found,) = fit.index(aggregation="group_time", cohort=cohort, period=year)
        observed = panel.value[panel.cohort == cohort, list(panel.periods).index(year)].mean()
        assert np.log(observed / (observed - fit.estimate[found])) == pytest.approx(row.estimate, rel=1e-6)
