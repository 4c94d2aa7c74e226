"""Callaway–Sant'Anna with covariates against R did 2.5.1 and DRDID 1.2.3: every scenario there is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.estimators.callaway_santanna import callaway_santanna, child_covariance
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance

TOLERANCE = {"reg": 1e-10, "ipw": 1e-8, "dr": 1e-8}
UNFINISHED = 2e-7  # R stops its logit before the maximum; see the test of its stopping rule
CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
DESIGN = {"panel": "panel", "rc": "cross_section", "unbalanced": "unbalanced"}
KEYS = ["design", "est_method", "control_group", "base_period", "anticipation", "cluster", "weights"]
FIELD = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}
PLAIN = [
    (design, method, control, base, 0, "none", "none")
    for design in ("panel", "rc", "unbalanced")
    for method in ("dr", "ipw", "reg")
    for control in ("nevertreated", "notyettreated")
    for base in ("varying", "universal")
]
SCENARIOS = [
    *PLAIN,
    *((*scenario[:5], "state", "none") for scenario in PLAIN),
    *((*scenario[:5], "countyreal", "none") for scenario in PLAIN if scenario[0] != "unbalanced"),
    *((*scenario[:4], 1, "none", "none") for scenario in PLAIN),
    *(
        (*scenario[:5], "none", "popw")
        for scenario in PLAIN
        if scenario[0] != "unbalanced" and scenario[3] == "varying"
    ),
]


@pytest.fixture(scope="module")
def tables(shared: Path) -> dict[str, pd.DataFrame]:
    """Reference numbers of the scenarios with the covariate lpop."""
    read = {name: pd.read_csv(shared / "golden" / "ref" / f"mpdta_did_{name}.csv") for name in ("attgt", "aggte")}
    return {name: table[table["xformla"] == "~lpop"] for name, table in read.items()}


@pytest.fixture(scope="module")
def adjusted(shared: Path, mpdta: Callable[..., CellPanel]) -> Callable[..., Fit]:
    """Callaway–Sant'Anna on mpdta given log population, in R did's words."""
    frame = pd.read_csv(shared / "golden" / "data" / "mpdta_state.csv").drop_duplicates("countyreal")
    population = frame.assign(countyreal=frame["countyreal"].astype(str)).set_index("countyreal")["lpop"]

    def fit(design: str, method: str, control: str, base: str, anticipation: int, cluster: str, weights: str) -> Fit:
        panel = mpdta(design, cluster, weights)
        lpop = population.reindex(panel.units).to_numpy()
        options = EstimatorOptions(
            control_group=CONTROL[control],
            base_period=base,
            anticipation=anticipation,
            design=DESIGN[design],
            method=method,
            covariates=np.repeat(lpop[:, None, None], len(panel.periods), axis=1),
            covariate_names=("lpop",),
        )
        return callaway_santanna(panel, options)

    return fit


def position(fit: Fit, kind: str, at: float, is_overall: bool) -> int:
    if kind == "simple":
        (found,) = fit.index(aggregation="overall")
        return found
    aggregation = {"dynamic": "event"}.get(kind, kind)
    wanted = {"label": "overall"} if is_overall else {FIELD[kind]: int(at)}
    (found,) = fit.index(aggregation=aggregation, **wanted)
    return found


def assert_equal_to_reference(
    fit: Fit, std_error: np.ndarray, where: list[int], table: pd.DataFrame, tolerance: float
) -> None:
    np.testing.assert_allclose(fit.estimate[where], table["att"], rtol=tolerance)
    no_error = table["se"].isna().to_numpy()
    np.testing.assert_allclose(std_error[where][~no_error], table["se"][~no_error], rtol=tolerance)
    assert fit.is_reference[where][no_error].all()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: "-".join(map(str, s)))
def test_all_scenarios_with_a_covariate(
    scenario: tuple[object, ...], adjusted: Callable[..., Fit], tables: dict[str, pd.DataFrame]
) -> None:
    fit = adjusted(*scenario)
    is_child = (scenario[0], scenario[5]) == ("rc", "none")  # R then takes every observation as independent
    std_error = np.sqrt(np.diag(child_covariance(fit) if is_child else cluster_covariance(fit)))
    effect, average = (of_scenario(tables[name], scenario) for name in ("attgt", "aggte"))
    where = [fit.index(aggregation="group_time", cohort=r.group, period=r.time)[0] for r in effect.itertuples()]
    assert sorted(where) == fit.index(aggregation="group_time")
    tolerance = tolerance_of(scenario)
    assert_equal_to_reference(fit, std_error, where, effect, tolerance)
    where = [position(fit, r.type, r.egt, bool(r.is_overall)) for r in average.itertuples()]
    assert_equal_to_reference(fit, std_error, where, average, tolerance)


def tolerance_of(scenario: tuple[object, ...]) -> float:
    design, method, control, _, anticipation, _, weights = scenario
    unfinished = weights == "popw" or (design, control, anticipation) == ("unbalanced", "nevertreated", 0)
    return UNFINISHED if method == "ipw" and unfinished else TOLERANCE[str(method)]


def of_scenario(table: pd.DataFrame, scenario: tuple[object, ...]) -> pd.DataFrame:
    return table[(table[KEYS] == list(scenario)).all(axis=1)]


def test_scenarios_are_all_there_are(tables: dict[str, pd.DataFrame]) -> None:
    for table in tables.values():
        there = table[KEYS].drop_duplicates().itertuples(index=False, name=None)
        assert sorted(map(str, there)) == sorted(map(str, SCENARIOS))


@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
def test_influence_functions_of_every_county(method: str, adjusted: Callable[..., Fit], shared: Path) -> None:
    table = pd.read_csv(shared / "golden" / "ref" / f"mpdta_did_inffunc_{method}_never_varying_lpop.csv")
    table = table.assign(countyreal=table["countyreal"].astype(str)).set_index("countyreal")
    fit = adjusted("panel", method, "nevertreated", "varying", 0, "none", "none")
    table = table.loc[fit.influence.units]
    for name in table:
        cohort, period = (int(part[1:]) for part in name.split("_"))
        (where,) = fit.index(aggregation="group_time", cohort=cohort, period=period)
        scale = np.abs(table[name]).max()
        np.testing.assert_allclose(
            len(table) * fit.influence.values[:, where] / scale, table[name] / scale, atol=TOLERANCE[method]
        )


@pytest.mark.parametrize(
    ("function", "spec", "method"),
    [
        ("drdid_rc", "low-level, cov", "dr"),
        ("drdid", "trad cov", "dr"),
        ("std_ipw_did_rc", "low-level, cov", "ipw"),
        ("ipwdid", "normalized TRUE cov", "ipw"),
        ("reg_did_rc", "low-level, cov", "reg"),
        ("ordid", "cov", "reg"),
        ("ipwdid", "normalized TRUE none", "ipw"),
        ("ordid", "none", "reg"),
        ("drdid", "trad none", "dr"),
    ],
)
def test_two_periods_of_children_with_four_covariates(function: str, spec: str, method: str, shared: Path) -> None:
    """Every child has a profile of its own."""
    frame = pd.read_csv(shared / "golden" / "data" / "sim_rc.csv")
    table = pd.read_csv(shared / "golden" / "ref" / "drdid.csv")
    (expected,) = table[(table["fun"] == function) & (table["spec"] == spec)].itertuples()
    frame["cohort"] = np.where(frame["d"] == 1, 1.0, np.nan)
    names = [] if spec.endswith("none") else ["x1", "x2", "x3", "x4"]
    panel = ProfilePanel.from_children(frame, "y", names, unit="id", period="post", value="y")
    fit = callaway_santanna(panel, EstimatorOptions(design="cross_section", method=method, base_period="varying"))
    (effect,) = fit.index(aggregation="group_time")
    std_error = np.sqrt(child_covariance(fit)[effect, effect])
    assert fit.estimate[effect] == pytest.approx(expected.att, rel=TOLERANCE[method])
    assert std_error == pytest.approx(expected.se, rel=TOLERANCE[method])


@pytest.mark.parametrize("data", ["tp2_const", "tp4_dyn"])
@pytest.mark.parametrize("control", ["nevertreated", "notyettreated"])
@pytest.mark.parametrize("method", ["dr", "reg"])
def test_simulated_panels(data: str, control: str, method: str, shared: Path) -> None:
    frame = pd.read_csv(shared / "golden" / "data" / f"{data}.csv")
    table = pd.read_csv(shared / "golden" / "ref" / "did_simulated_panels.csv")
    table = table[(table["dataset"] == data) & (table["control"] == control) & (table["est"] == method)]
    cells = CellPanel.from_frame(
        frame.assign(cohort=frame["G"].replace(0, np.nan)), "Y", unit="id", period="period", value="Y"
    )
    own = frame.assign(id=frame["id"].astype(str)).drop_duplicates("id").set_index("id")["X"]
    panel = ProfilePanel.from_cells(cells, own.loc[cells.units].to_numpy()[:, None], ("X",))
    fit = callaway_santanna(
        panel, EstimatorOptions(control_group=CONTROL[control], base_period="varying", method=method)
    )
    where = [fit.index(aggregation="group_time", cohort=r.group, period=r.t)[0] for r in table.itertuples()]
    assert sorted(where) == fit.index(aggregation="group_time")
    std_error = np.sqrt(np.diag(cluster_covariance(fit)))
    np.testing.assert_allclose(fit.estimate[where], table["att"], rtol=TOLERANCE[method])
    np.testing.assert_allclose(std_error[where], table["se"], rtol=TOLERANCE[method])


def logit_as_r(treated: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """R's iteratively reweighted least squares: its starting values, and its end when deviance changes by 1e-8."""
    mean = (weight * treated + 0.5) / (weight + 1)
    eta, before = np.log(mean / (1 - mean)), np.inf
    while True:
        working, w = eta + (treated - mean) / (mean * (1 - mean)), weight * mean * (1 - mean)
        eta = x @ np.linalg.solve(x.T @ (w[:, None] * x), x.T @ (w * working))
        mean = 1 / (1 + np.exp(-eta))
        deviance = -2 * np.sum(weight * np.log(np.where(treated == 1, mean, 1 - mean)))
        if abs(deviance - before) < 1e-8 * (abs(deviance) + 0.1):
            return mean
        before = deviance


@pytest.mark.parametrize(("design", "weights"), [("panel", "popw"), ("unbalanced", "none")])
def test_what_is_left_is_where_r_stops(
    design: str, weights: str, adjusted: Callable[..., Fit], tables: dict[str, pd.DataFrame], shared: Path
) -> None:
    """With R's logit R's number comes back to 1e-12; the fit here is at the maximum, and 1e-8 away."""
    scenario = (design, "ipw", "nevertreated", "varying", 0, "none", weights)
    fit = adjusted(*scenario)
    data = "mpdta_state" if design == "panel" else "mpdta_unbalanced"
    frame = pd.read_csv(shared / "golden" / "data" / f"{data}.csv")
    frame["weight"] = frame["popw"] if weights == "popw" else 1.0
    farther = []
    for row in of_scenario(tables["attgt"], scenario).itertuples():
        years = [row.time, min(row.time, row.group) - 1]
        rows = frame[frame["first.treat"].isin([0, row.group]) & frame["year"].isin(years)]
        logit = rows[rows["year"] == row.time] if design == "panel" else rows  # a panel holds each county once
        score = logit_as_r(
            (logit["first.treat"] == row.group).to_numpy() * 1.0,
            np.column_stack([np.ones(len(logit)), logit["lpop"]]),
            (logit["weight"] / logit["weight"].mean()).to_numpy(),
        )
        odds = pd.Series(score / (1 - score), index=logit["lpop"]).groupby(level=0).first()
        as_r = 0.0
        for year, sign in zip(years, (1, -1), strict=True):
            here = rows[rows["year"] == year]
            treated = here[here["first.treat"] == row.group]
            control = here[here["first.treat"] == 0]
            toward = control["weight"] * control["lpop"].map(odds)
            as_r += sign * np.average(treated["lemp"], weights=treated["weight"])
            as_r -= sign * np.average(control["lemp"], weights=toward)
        assert as_r == pytest.approx(row.att, rel=1e-11)
        (where,) = fit.index(aggregation="group_time", cohort=row.group, period=row.time)
        farther.append(abs(fit.estimate[where] / row.att - 1))
    assert 1e-9 < max(farther) < UNFINISHED
