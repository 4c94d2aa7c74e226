"""Children that stay in the database against R did 2.5.1 and DRDID 1.2.3: every scenario of repeated cross-sections."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.child_checks import ChildColumns
from kkz_eval.cells.passes import ChildRelation
from kkz_eval.estimators.covariates.continuous import callaway_santanna_children, child_products
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance
from kkz_eval.warehouse import in_memory

TOLERANCE = {"reg": 1e-10, "ipw": 1e-8, "dr": 1e-8}
UNFINISHED = 2e-7  # R stops its logit before the maximum; see test_golden_covariates.py
CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
KEYS = ["est_method", "control_group", "base_period", "anticipation", "cluster", "weights"]
FIELD = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}


@pytest.fixture(scope="module")
def tables(shared: Path) -> dict[str, pd.DataFrame]:
    """Reference numbers of repeated cross-sections with the covariate lpop."""
    read = {name: pd.read_csv(shared / "golden" / "ref" / f"mpdta_did_{name}.csv") for name in ("attgt", "aggte")}
    return {name: table[(table["xformla"] == "~lpop") & (table["design"] == "rc")] for name, table in read.items()}


@pytest.fixture(scope="module")
def connection(shared: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """mpdta with one row per county and year, and the children of DRDID's example, as tables."""
    opened = in_memory()
    for name in ("mpdta_state", "sim_rc"):
        opened.register("frame", pd.read_csv(shared / "golden" / "data" / f"{name}.csv"))
        opened.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        opened.unregister("frame")
    yield opened
    opened.close()


def position(fit: Fit, kind: str, at: float, is_overall: bool) -> int:
    if kind == "simple":
        (found,) = fit.index(aggregation="overall")
        return found
    wanted = {"label": "overall"} if is_overall else {FIELD[kind]: int(at)}
    (found,) = fit.index(aggregation={"dynamic": "event"}.get(kind, kind), **wanted)
    return found


def test_all_scenarios(connection: duckdb.DuckDBPyConnection, tables: dict[str, pd.DataFrame]) -> None:
    scenarios = list(tables["attgt"][KEYS].drop_duplicates().itertuples(index=False, name=None))
    assert {scenario[0] for scenario in scenarios} == {"dr", "ipw", "reg"}
    for scenario in scenarios:
        method, control, base, anticipation, cluster, weights = scenario
        columns = ChildColumns(
            "lemp", "countyreal", "year", "first.treat", ("lpop",), cluster="state" if cluster == "state" else None,
            weight="popw" if weights == "popw" else None, never=0,
        )  # fmt: skip
        options = EstimatorOptions(
            control_group=CONTROL[control], base_period=base, anticipation=int(anticipation), design="cross_section",
            method=method,
        )  # fmt: skip
        fit = callaway_santanna_children(ChildRelation(connection, "mpdta_state", columns), options)
        covariance = child_products(fit) if cluster == "none" else cluster_covariance(fit)
        std_error = np.sqrt(np.diag(covariance))
        tolerance = UNFINISHED if method == "ipw" and weights == "popw" else TOLERANCE[method]
        effect, average = (table[(table[KEYS] == list(scenario)).all(axis=1)] for table in tables.values())
        where = [fit.index(aggregation="group_time", cohort=r.group, period=r.time)[0] for r in effect.itertuples()]
        assert sorted(where) == fit.index(aggregation="group_time")
        assert_equal(fit, std_error, where, effect, tolerance)
        where = [position(fit, r.type, r.egt, bool(r.is_overall)) for r in average.itertuples()]
        assert_equal(fit, std_error, where, average, tolerance)


def assert_equal(fit: Fit, std_error: np.ndarray, where: list[int], table: pd.DataFrame, tolerance: float) -> None:
    np.testing.assert_allclose(fit.estimate[where], table["att"], rtol=tolerance)
    has_error = table["se"].notna().to_numpy()
    np.testing.assert_allclose(std_error[where][has_error], table["se"][has_error], rtol=tolerance)
    assert fit.is_reference[where][~has_error].all()


@pytest.mark.parametrize(
    ("function", "spec", "method"),
    [
        ("drdid_rc", "low-level, cov", "dr"),
        ("drdid", "trad cov", "dr"),
        ("std_ipw_did_rc", "low-level, cov", "ipw"),
        ("ipwdid", "normalized TRUE cov", "ipw"),
        ("reg_did_rc", "low-level, cov", "reg"),
        ("ordid", "cov", "reg"),
    ],
)
def test_two_periods_with_four_continuous_covariates(
    function: str, spec: str, method: str, connection: duckdb.DuckDBPyConnection, shared: Path
) -> None:
    table = pd.read_csv(shared / "golden" / "ref" / "drdid.csv")
    (expected,) = table[(table["fun"] == function) & (table["spec"] == spec)].itertuples()
    columns = ChildColumns("y", "id", "post", "d", ("x1", "x2", "x3", "x4"), never=0)
    fit = callaway_santanna_children(
        ChildRelation(connection, "sim_rc", columns),
        EstimatorOptions(design="cross_section", method=method, base_period="varying"),
    )
    (effect,) = fit.index(aggregation="group_time")
    assert fit.estimate[effect] == pytest.approx(expected.att, rel=TOLERANCE[method])
    for covariance in (child_products(fit), cluster_covariance(fit)):  # a unit is a child here
        assert np.sqrt(covariance[effect, effect]) == pytest.approx(expected.se, rel=TOLERANCE[method])
