"""Callaway–Sant'Anna against R did 2.5.1: every scenario without covariates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.callaway_santanna import callaway_santanna, child_covariance
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance
from kkz_eval.inference.multiplier import simultaneous_critical_value
from kkz_eval.inference.pretest import wald_pretest

TOLERANCE = 1e-10
CONTROLS = ("nevertreated", "notyettreated")
BASES = ("varying", "universal")
KEYS = ["design", "control_group", "base_period", "anticipation", "cluster", "weights"]
SCENARIOS = [
    *(
        (d, c, b, 0, k, "none")
        for d in ("panel", "rc")
        for c in CONTROLS
        for b in BASES
        for k in ("none", "countyreal")
    ),
    *((d, c, b, 0, "state", "none") for d in ("panel", "rc", "unbalanced") for c in CONTROLS for b in BASES),
    *((d, c, b, 1, "none", "none") for d in ("panel", "rc", "unbalanced") for c in CONTROLS for b in BASES),
    *((d, c, "varying", 0, "none", "popw") for d in ("panel", "rc") for c in CONTROLS),
    *(("unbalanced", c, b, 0, "none", "none") for c in CONTROLS for b in BASES),
]
EVENT = {"dynamic": "event"}
FIELD = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}


def position(fit: Fit, kind: str, at: float, is_overall: bool) -> int:
    if kind == "simple":
        (found,) = fit.index(aggregation="overall")
    elif is_overall:
        (found,) = fit.index(aggregation=EVENT.get(kind, kind), label="overall")
    else:
        (found,) = fit.index(aggregation=EVENT.get(kind, kind), **{FIELD[kind]: int(at)})
    return found


def covariance(fit: Fit, scenario: tuple[object, ...]) -> np.ndarray:
    """In repeated cross-sections without clusters R takes every observation as independent."""
    return child_covariance(fit) if (scenario[0], scenario[4]) == ("rc", "none") else cluster_covariance(fit)


def assert_equal_to_reference(fit: Fit, std_error: np.ndarray, where: list[int], table: pd.DataFrame) -> None:
    np.testing.assert_allclose(fit.estimate[where], table["att"], rtol=TOLERANCE)
    no_error = table["se"].isna().to_numpy()
    np.testing.assert_allclose(std_error[where][~no_error], table["se"][~no_error], rtol=TOLERANCE)
    assert fit.is_reference[where][no_error].all()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: "-".join(map(str, s)))
def test_all_scenarios_without_covariates(
    scenario: tuple[object, ...], fitted: Callable[..., Fit], reference: Callable[[str], pd.DataFrame]
) -> None:
    fit = fitted(*scenario)
    std_error = np.sqrt(np.diag(covariance(fit, scenario)))
    effects, averages, pretests = (reference(f"mpdta_did_{name}.csv") for name in ("attgt", "aggte", "pretest"))
    for method in ("dr", "ipw", "reg"):  # without covariates the three are one estimator
        effect = of_scenario(effects, scenario, method)
        if method == "dr" or len(effect):
            where = [fit.index(aggregation="group_time", cohort=r.group, period=r.time)[0] for r in effect.itertuples()]
            assert sorted(where) == fit.index(aggregation="group_time")
            assert_equal_to_reference(fit, std_error, where, effect)
            average = of_scenario(averages, scenario, method)
            where = [position(fit, r.type, r.egt, bool(r.is_overall)) for r in average.itertuples()]
            assert_equal_to_reference(fit, std_error, where, average)
            (pretest,) = of_scenario(pretests, scenario, method).itertuples()
            assert_equal_to_pretest(fit, covariance(fit, scenario), pretest.W, pretest.Wpval)


def of_scenario(table: pd.DataFrame, scenario: tuple[object, ...], method: str) -> pd.DataFrame:
    return table[(table[KEYS] == list(scenario)).all(axis=1) & (table["est_method"] == method)]


def assert_equal_to_pretest(fit: Fit, matrix: np.ndarray, statistic: float, p_value: float) -> None:
    before = [
        p for p in fit.index(aggregation="group_time") if fit.parameters[p].event_time < 0 and not fit.is_reference[p]
    ]
    test = wald_pretest(fit.estimate[before], matrix[np.ix_(before, before)])
    assert test is not None
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.p_value == pytest.approx(p_value, abs=5.1e-6)  # R rounds to five digits


def test_scenarios_are_all_there_are(reference: Callable[[str], pd.DataFrame]) -> None:
    there = reference("mpdta_did_attgt.csv")[KEYS].drop_duplicates()
    assert sorted(map(str, there.itertuples(index=False, name=None))) == sorted(map(str, SCENARIOS))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("balance_e=0", {"balance_event": 0}),
        ("balance_e=1", {"balance_event": 1}),
        ("min_e=-1;max_e=1", {"min_event": -1, "max_event": 1}),
        ("max_e=2", {"max_event": 2}),
    ],
)
def test_options_of_the_event_aggregation(
    name: str, options: dict[str, int], fitted: Callable[..., Fit], reference: Callable[[str], pd.DataFrame]
) -> None:
    table = reference("mpdta_did_aggte_dynamic_options.csv")
    table = table[table["options"] == name]
    fit = fitted("panel", "notyettreated", "varying", 0, "none", "none", **options)
    where = [position(fit, "dynamic", r.egt, bool(r.is_overall)) for r in table.itertuples()]
    assert sorted(where) == fit.index(aggregation="event")
    assert_equal_to_reference(fit, np.sqrt(np.diag(cluster_covariance(fit))), where, table)


@pytest.mark.parametrize("cluster", ["none", "state"])
@pytest.mark.parametrize(("kind", "aggregation"), [("att_gt", "group_time"), ("dynamic", "event")])
def test_simultaneous_critical_values(
    cluster: str, kind: str, aggregation: str, fitted: Callable[..., Fit], reference: Callable[[str], pd.DataFrame]
) -> None:
    table = reference("mpdta_did_mboot_B100000.csv")
    expected = table.loc[(table["object"] == kind) & (table["cluster"] == cluster), "crit_val"].iloc[0]
    fit = fitted("panel", "nevertreated", "varying", 0, cluster, "none")
    _, sums = fit.influence.by_cluster()
    found = simultaneous_critical_value(
        sums[:, fit.index(aggregation=aggregation, label="")], 0.95, draws=100_000, seed=1
    )
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("case", ["never", "nonever"])
def test_periods_with_gaps_against_csdid(case: str) -> None:
    """Cohorts 2012 and 2017 adopt in gaps of the observed periods; once without a never-treated unit.

    The references come from csdid 0.4.3, the Python port of R did, on the panel beside them.
    """
    folder = Path(__file__).parent / "gap"
    panel = CellPanel.from_frame(pd.read_csv(folder / f"{case}_panel.csv"), "y", unit="id", value="y")
    table = pd.read_csv(folder / f"{case}_reference.csv")
    for (control, base, anticipation), part in table.groupby(["control_group", "base_period", "anticipation"]):
        options = EstimatorOptions(
            control_group={"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}[control],
            base_period=base,
            anticipation=anticipation,
        )
        fit = callaway_santanna(panel, options)
        where = [
            fit.index(aggregation="group_time", cohort=int(at), period=int(t))[0]
            if kind == "gt"
            else position(fit, kind, at, bool(np.isnan(at)))
            for kind, at, t in zip(part["type"], part["cohort_period_or_event"], part["period"], strict=True)
        ]
        std_error = np.sqrt(np.diag(cluster_covariance(fit)))
        np.testing.assert_allclose(fit.estimate[where], part["att"], rtol=1e-9, atol=1e-12)
        has_error = part["se"].notna().to_numpy()
        np.testing.assert_allclose(std_error[where][has_error], part["se"][has_error], rtol=1e-9)
