"""Children that stay in the database: known truth, the same as from profiles, the same bytes, no row out, refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.cells.child_checks import ChildColumns
from kkz_eval.cells.passes import ChildRelation
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna, child_covariance
from kkz_eval.estimators.covariates.continuous import callaway_santanna_children, child_products
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import analytic, cluster_covariance
from kkz_eval.inference.jackknife import jackknife
from kkz_eval.warehouse import in_memory

METHODS = ("dr", "ipw", "reg")
NAMES = ("age", "income")
COLUMNS = ChildColumns("y", "unit", "period", "cohort", NAMES, cluster="kreis", weight="w")


def children(seed: int, n: int = 3_000, n_units: int = 24) -> pd.DataFrame:
    """One row per child. Treated units have older children, whose outcomes fall with time anyway. The effect is 2."""
    rng = np.random.default_rng(seed)
    unit, period = rng.integers(0, n_units, n), rng.integers(2011, 2016, n)
    cohort = np.array([2013.0, 2014.0, np.nan])[unit % 3]
    age = rng.normal(size=n) + 0.6 * (unit % 3 < 2)
    income = 30 * rng.gamma(2.0, size=n)
    own = age + 0.01 * income - 0.5 * age * (period - 2011)
    y = own + 2.0 * (period >= cohort) + 0.3 * (period - 2011) + rng.normal(size=n)
    return pd.DataFrame(
        {
            "unit": [f"u{u:02d}" for u in unit], "period": period, "cohort": cohort, "age": age, "income": income,
            "y": y, "w": rng.uniform(0.5, 2.0, n), "kreis": [f"k{u * 5 % 11:02d}" for u in unit],
        }
    )  # fmt: skip


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = in_memory()
    yield opened
    opened.close()


def stored(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, columns: ChildColumns = COLUMNS
) -> ChildRelation:
    connection.register("frame", frame)
    connection.execute("CREATE OR REPLACE TABLE children AS SELECT * FROM frame")
    connection.unregister("frame")
    return ChildRelation(connection, "children", columns)


def options(**more: Any) -> EstimatorOptions:
    return EstimatorOptions(**{"design": "cross_section", **more})


def from_profiles(frame: pd.DataFrame, chosen: EstimatorOptions, columns: ChildColumns = COLUMNS) -> Fit:
    """Every child has a profile of its own."""
    panel = ProfilePanel.from_children(
        frame, "y", columns.covariates, cluster=columns.cluster, child_weight=columns.weight, value="y"
    )
    return callaway_santanna(panel, chosen)


def assert_same(one: Fit, other: Fit, tolerance: float = 1e-10) -> None:
    assert one.parameters == other.parameters
    assert one.reason == other.reason
    for name in ("estimate", "treated_weight", "used", "n_children", "is_reference"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=tolerance)
    assert (one.influence.units == other.influence.units).all()
    assert (one.influence.clusters == other.influence.clusters).all()
    np.testing.assert_allclose(one.influence.values, other.influence.values, atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"control_group": "never_treated", "base_period": "varying"},
        {"anticipation": 1, "control_group": "never_treated"},
        {"influence_as_drdid": False, "balance_event": 1, "fully_exposed": frozenset({(2013, 2015)})},
    ],
)
def test_same_fit_as_from_profiles(method: str, more: dict[str, object], connection: duckdb.DuckDBPyConnection) -> None:
    frame = children(1)
    fit, other = (
        callaway_santanna_children(stored(connection, frame), options(method=method, **more)),
        from_profiles(frame, options(method=method, **more)),
    )
    assert_same(fit, other)
    assert fit.notes == other.notes
    np.testing.assert_allclose(child_products(fit), child_covariance(other), atol=1e-12)
    assert analytic(fit).std_error == pytest.approx(analytic(other).std_error, nan_ok=True, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
@settings(max_examples=3, deadline=None)
def test_what_must_not_matter(method: str, seed: int, factor: float) -> None:
    """Scale of weights, scale and sign of covariates, level of outcomes, names."""
    with in_memory() as opened:
        frame, chosen = children(seed), options(method=method)
        whole = callaway_santanna_children(stored(opened, frame), chosen)
        for changed in (
            frame.assign(w=factor * frame["w"]),
            frame.assign(age=3 - factor * frame["age"]),
            frame.assign(y=frame["y"] + 50 * factor),
            frame.assign(unit="z" + frame["unit"]),
        ):
            again = callaway_santanna_children(stored(opened, changed), chosen)
            np.testing.assert_allclose(again.estimate, whole.estimate, atol=1e-8)
            np.testing.assert_allclose(cluster_covariance(again), cluster_covariance(whole), atol=1e-8)


def test_unweighted_and_undivided(connection: duckdb.DuckDBPyConnection) -> None:
    """weighted = False lets every child count alike; without a cluster the unit is one."""
    frame = children(2)
    relation = stored(connection, frame)
    plain = ChildColumns("y", "unit", "period", "cohort", NAMES)
    alike = callaway_santanna_children(relation, options(weighted=False))
    assert_same(alike, callaway_santanna_children(ChildRelation(connection, "main.children", COLUMNS), options(
        weighted=False
    )), 0)  # fmt: skip
    one = callaway_santanna_children(ChildRelation(connection, "children", plain), options())
    np.testing.assert_allclose(one.estimate, alike.estimate, atol=1e-12)
    assert (one.influence.clusters == one.influence.units).all()


@pytest.mark.parametrize("method", METHODS)
def test_same_bytes_for_any_number_of_threads_and_order_of_rows(method: str) -> None:
    frame = children(3, n=150_000)  # several row groups, so that threads share the work
    shuffled = frame.sample(frac=1, random_state=3)
    found = []
    for table, threads in ((frame, 1), (frame, 4), (shuffled, 3)):
        with in_memory() as opened:
            opened.execute(f"SET threads = {threads}")
            fit = callaway_santanna_children(stored(opened, table), options(method=method))
            found.append((fit.estimate.tobytes(), fit.influence.values.tobytes(), child_products(fit).tobytes()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("method", METHODS)
def test_effect_of_two_is_found_where_composition_differs(method: str, connection: duckdb.DuckDBPyConnection) -> None:
    frame = children(4, n=40_000)
    fit = callaway_santanna_children(stored(connection, frame), options(method=method))
    (overall,) = fit.index(aggregation="overall")
    std_error = analytic(fit).std_error[overall]
    assert abs(fit.estimate[overall] - 2.0) < 4 * std_error < 0.3
    naive = from_profiles(frame, options(), ChildColumns("y", "unit", "period", "cohort", (), "kreis", "w"))
    assert naive.estimate[overall] < 2.0 - 4 * std_error


class Watched:
    """A connection that notes how many rows every statement gives out."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.sizes = connection, []

    def execute(self, *given: Any) -> "Watched":
        self.connection.execute(*given)
        return self

    def fetchall(self) -> list[Any]:
        rows = self.connection.fetchall()
        self.sizes.append(len(rows))
        return rows

    def df(self) -> pd.DataFrame:
        frame = self.connection.df()
        self.sizes.append(len(frame))
        return frame

    def fetchnumpy(self) -> dict[str, Any]:
        columns = self.connection.fetchnumpy()
        self.sizes.append(len(next(iter(columns.values()))))
        return columns


@pytest.mark.parametrize("method", METHODS)
def test_only_sums_leave_the_database(method: str, connection: duckdb.DuckDBPyConnection) -> None:
    n_units, n_periods = 24, 5
    stored(connection, children(5, n=20_000))
    before = connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    watched = Watched(connection)
    fit = callaway_santanna_children(ChildRelation(watched, "children", COLUMNS), options(method=method))
    child_products(fit)
    n_effects = len(fit.index(aggregation="group_time"))
    assert len(watched.sizes) > 4
    assert max(watched.sizes) <= n_units * max(n_periods, n_effects)
    assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == before


def test_a_file_that_is_only_read(tmp_path: Path) -> None:
    frame, path = children(6), str(tmp_path / "children.duckdb")
    with duckdb.connect(path) as opened:
        expected = callaway_santanna_children(stored(opened, frame), options())
    with duckdb.connect(path, read_only=True) as opened:
        opened.execute("SET enable_external_access = false")
        opened.execute("SET lock_configuration = true")
        assert_same(callaway_santanna_children(ChildRelation(opened, "children", COLUMNS), options()), expected, 0)


def test_leaving_out_clusters(connection: duckdb.DuckDBPyConnection) -> None:
    frame = children(7)
    relation = stored(connection, frame)
    for method in ("dr", "ipw"):
        fit = callaway_santanna_children(relation, options(method=method))
        with pytest.raises(EstimationError, match="choose inference analytic or multiplier, or method reg"):
            jackknife(fit)
    fit, other = (
        callaway_santanna_children(relation, options(method="reg")),
        from_profiles(frame, options(method="reg")),
    )
    np.testing.assert_allclose(jackknife(fit).std_error, jackknife(other).std_error, rtol=1e-8)


def changed(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    """Children with covariates that do not allow every comparison."""
    rng, treated = np.random.default_rng(8), frame["cohort"].notna()
    first = frame["cohort"] == 2013
    noise = rng.normal(size=len(frame))
    column = {
        "only among comparison children": (~treated & (noise > 0.8)) * 1.0,
        "only among treated children": (first & (noise > 0.8)) * 1.0,
        "apart": 5.0 * first + rng.random(len(frame)),
        "apart together": frame["age"] + np.where(first, 1, -1) * (0.1 + rng.random(len(frame))),
        "no overlap": 3.0 * first + noise,
        "some overlap": 1.2 * first + noise,
        "collinear in a cohort": np.where(first, 2 * frame["age"] + 3, noise),
        "an outlier": np.where(frame.index == 11, 1e5, noise),
    }[how]
    return frame.assign(income=column)


@pytest.mark.parametrize("method", ["dr", "ipw"])
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("only among comparison children", None),
        ("only among treated children", "covariate income tells treated and comparison units apart"),
        ("apart", "covariate income tells treated and comparison units apart"),
        ("apart together", "the covariates together tell treated and comparison units apart"),
        ("no overlap", "no overlap: some covariate values"),
        ("some overlap", None),
        ("collinear in a cohort", ""),
        ("an outlier", ""),
    ],
)
def test_what_cannot_be_estimated_has_the_same_reason(
    method: str, how: str, says: str | None, connection: duckdb.DuckDBPyConnection
) -> None:
    frame, chosen = changed(children(8), how), options(method=method, control_group="never_treated")
    try:
        expected = from_profiles(frame, chosen)
    except EstimationError as fault:
        sentence = str(fault).removeprefix("cells of y: ")
        with pytest.raises(EstimationError) as raised:
            callaway_santanna_children(stored(connection, frame), chosen)
        assert str(raised.value) == f"children of y: {sentence}"
        return
    fit = callaway_santanna_children(stored(connection, frame), chosen)
    assert_same(fit, expected, 1e-8)
    told = [r for r in fit.reason if r is not None]
    assert not told if says is None else any(says in r for r in told) or not says


def test_missing_values_are_left_out_and_counted(connection: duckdb.DuckDBPyConnection) -> None:
    frame = children(9)
    frame.loc[3:20, "age"] = np.nan
    frame.loc[frame["unit"] == "u04", "income"] = np.nan
    frame.loc[30:40, "y"] = np.nan
    for method in METHODS:
        fit, expected = (
            callaway_santanna_children(stored(connection, frame), options(method=method)),
            from_profiles(frame, options(method=method)),
        )
        assert_same(fit, expected)
        assert fit.notes == expected.notes


def test_names_are_quoted(connection: duckdb.DuckDBPyConnection) -> None:
    frame = children(10)
    odd = {"y": 'y"; DROP TABLE x; --', "age": "age ?", "income": "code", "unit": "label", "w": "w'", "kreis": "v"}
    columns = ChildColumns(odd["y"], odd["unit"], "period", "cohort", (odd["age"], "code"), "v", odd["w"])
    expected = callaway_santanna_children(stored(connection, frame), options())
    fit = callaway_santanna_children(stored(connection, frame.rename(columns=odd), columns), options())
    assert fit.estimate.tobytes() == expected.estimate.tobytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.assign(income=2 * f["age"] + 1), "covariate income is constant or collinear"),
        (lambda f: f.assign(age=1.0), "covariate age is constant or collinear"),
        (lambda f: f.assign(income="high"), "column income has type VARCHAR, not numbers"),
        (
            lambda f: f.assign(w=np.where(f.index == 3, 0.0, f["w"])),
            "column w is missing, infinite, zero or negative in 1",
        ),
        (lambda f: f.assign(y=np.where(f.index < 2, np.inf, f["y"])), "column y is infinite in 2 of 3000 rows"),
        (lambda f: f.assign(period=f["period"] + 0.5), "column period is empty or no whole number in 3000"),
        (lambda f: f.assign(unit=f["unit"].where(f.index > 4)), "column unit is empty in 5 of 3000 rows"),
        (lambda f: f.assign(cohort=f["cohort"].where(f.index > 0, 2015)), "column cohort varies within 1 of 24 units"),
        (lambda f: f.assign(kreis=f["kreis"].where(f.index > 0, "k99")), "column kreis varies within 1 of 24 units"),
        (lambda f: f.assign(age=np.nan), "none of the 3000 rows has an outcome and all covariates"),
        (lambda f: f.drop(columns="age"), "there is no column age; choose one of unit, period"),
        (lambda f: f.assign(cohort=np.nan), "none of the 24 units has a first treated period"),
        (lambda f: f[f["cohort"] == 2013], "have the same first treated period"),
        (lambda f: f[f["period"] > 2013], "no treated cohort has a period before adoption"),
    ],
)
@pytest.mark.parametrize("method", ["dr", "reg"])
def test_refusals(
    change: Callable[[pd.DataFrame], pd.DataFrame], says: str, method: str, connection: duckdb.DuckDBPyConnection
) -> None:
    frame = change(children(11))
    with pytest.raises(EstimationError, match=says):
        callaway_santanna_children(stored(connection, frame), options(method=method))


def test_refusals_of_names_and_designs(connection: duckdb.DuckDBPyConnection) -> None:
    relation = stored(connection, children(12))
    with pytest.raises(EstimationError, match="there is no table or view pupils"):
        ChildRelation(connection, "pupils", COLUMNS)
    with pytest.raises(EstimationError, match="covariate age is named twice"):
        ChildRelation(connection, "children", ChildColumns("y", "unit", "period", "cohort", ("age", "age")))
    with pytest.raises(EstimationError, match="no covariate is named"):
        ChildRelation(connection, "children", ChildColumns("y", "unit", "period", "cohort", ()))
    with pytest.raises(EstimationError, match="design panel cannot be used with rows of children"):
        callaway_santanna_children(relation, EstimatorOptions())
    plain = from_profiles(children(12), options())
    with pytest.raises(EstimationError, match="the fit knows no children"):
        child_products(plain)
