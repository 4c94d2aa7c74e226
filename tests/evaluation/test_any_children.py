"""Any data with many values of covariates: rows of results as from profiles, and no jackknife is promised."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kkz_eval.errors import EstimationError
from kkz_eval.evaluation import any_children
from kkz_eval.evaluation.any_children import child_estimates, fit_children, needs_passes
from kkz_eval.evaluation.any_data import estimate
from kkz_eval.evaluation.any_groups import Roles
from kkz_eval.evaluation.specification import Specification
from kkz_eval.warehouse import Rows, in_memory

ROLES = Roles("points", "place", "year", "first", "kreis", "weight", ("age", "income"), 0.0)


def children(n: int = 3_000) -> pd.DataFrame:
    """One row per child, numbers as text as in a CSV file, with words for missing ones."""
    rng = np.random.default_rng(1)
    place, year = rng.integers(0, 24, n), rng.integers(2011, 2016, n)
    first = np.array([2013, 2014, 0])[place % 3]
    age, income = rng.normal(size=n) + 0.4 * (first > 0), 30 * rng.gamma(2.0, size=n)
    points = age + 0.01 * income + 2.0 * ((first > 0) & (year >= first)) + rng.normal(size=n)
    frame = pd.DataFrame({"place": place, "year": year, "first": first, "kreis": place * 5 % 11})
    for name, values in {"points": points, "age": age, "income": income, "weight": rng.uniform(0.5, 2, n)}.items():
        frame[name] = [repr(float(value)) for value in values]
    frame.loc[3:9, "age"] = "NA"
    frame.loc[20:22, "points"] = ""
    return frame


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = in_memory()
    yield opened
    opened.close()


def rows_of(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> Rows:
    relation = connection.from_df(frame)
    types = {str(name): str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    return Rows(relation, "", types)


@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
def test_rows_of_results_are_those_from_profiles(
    method: str, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    frame, path = children(), tmp_path / "children.csv"
    frame.to_csv(path, index=False)
    expected = estimate(
        str(path), outcome="points", unit="place", period="year", cohort="first", covariates=("age", "income"),
        weights="weight", cluster="kreis", design="cross_section", method=method, inference="analytic",
    )  # fmt: skip
    specification = Specification(
        "data", control_group="never_treated", base_period="varying", design="cross_section", inference="analytic",
        method=method, draws=999,
    )  # fmt: skip
    fit = fit_children(rows_of(connection, frame), connection, ROLES, specification)
    found = child_estimates(fit, specification)
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        one, two = asdict(row), asdict(other)
        note, long_note = one.pop("note"), two.pop("note")
        assert long_note.startswith(note)  # the command adds what was left out
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert value == (pytest.approx(two[name], rel=1e-8, abs=1e-10) if isinstance(value, float) else two[name])
    assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


@pytest.mark.parametrize("inference", ["analytic", "wild"])
def test_the_command_says_the_same_either_way(inference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "children.csv"
    children().to_csv(path, index=False)
    given = {
        "outcome": "points", "unit": "place", "period": "year", "cohort": "first", "covariates": ("age", "income"),
        "weights": "weight", "cluster": "kreis", "design": "cross_section", "draws": 199,
    }  # fmt: skip
    by_profile = estimate(str(path), inference=inference, **given)
    monkeypatch.setattr(any_children, "MOST_PROFILES", 100)
    by_passes = estimate(str(path), inference=inference, **given)
    for row, other in zip(by_passes, by_profile, strict=True):
        for name, value in asdict(row).items():
            found = asdict(other)[name]
            assert value == (pytest.approx(found, rel=1e-8, abs=1e-10) if isinstance(value, float) else found)
    with pytest.raises(EstimationError, match="choose inference analytic, multiplier or wild, or method reg"):
        estimate(str(path), inference="jackknife", **given)


def test_jackknife_is_refused_with_a_way_out(connection: duckdb.DuckDBPyConnection) -> None:
    specification = Specification("data", design="cross_section", base_period="varying", draws=999)
    with pytest.raises(EstimationError, match="choose inference analytic, multiplier or wild, or method reg"):
        fit_children(rows_of(connection, children()), connection, ROLES, specification)


def test_passes_are_for_many_values_only(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(connection, children())

    def needs(design: str = "cross_section", method: str = "dr", *, by_profile: bool = True) -> bool:
        return needs_passes(rows, ROLES, design=design, by_profile=by_profile, method=method)

    assert not needs()
    monkeypatch.setattr(any_children, "MOST_PROFILES", 100)
    assert needs() and needs(method="ipw")
    assert not needs(method="reg") and not needs(design="panel") and not needs(by_profile=False)
