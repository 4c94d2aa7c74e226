"""Rows reduced by the database: the right sums to the last bit, whatever the order of rows, threads or type."""

import math
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import pytest

from kkz_eval.errors import EstimationError, KkzError
from kkz_eval.evaluation.any_data import estimate
from kkz_eval.evaluation.any_groups import WEIGHT_SUMS, Kept, Roles, grouped
from kkz_eval.warehouse import ROWS, exact_sum, open_rows

BY = ["unit", "period"]
ROLES = {"outcome": "y", "unit": "unit", "period": "period", "cohort": "cohort"}


def children(n: int = 40_000, seed: int = 3) -> pd.DataFrame:
    """Children of 12 units in 5 periods: an outcome with heavy tails, weights, a covariate, a level, a flag."""
    rng = np.random.default_rng(seed)
    unit, period = rng.integers(0, 12, n), rng.integers(1, 6, n)
    y = rng.normal(size=n) * np.exp(rng.normal(size=n)) + 0.1 * unit
    columns = {"unit": unit, "period": period, "cohort": np.array([0, 3, 4])[unit % 3], "y": y}
    columns |= {"w": rng.uniform(0.1, 3, n), "x": rng.normal(size=n), "level": rng.integers(0, 3, n)}
    return pd.DataFrame(columns).assign(flag=lambda f: (f["y"] > 0) * 1)


def groups(source: object, kept: Kept, *, threads: int = 2, **roles: object) -> pd.DataFrame:
    """The groups of a frame with so many threads, in one order."""
    chosen = Roles(**{**ROLES, **roles})
    with duckdb.connect(config={"threads": threads}) as connection:
        relation = connection.from_df(source)
        with open_rows(relation, chosen.kinds) as rows:
            table = grouped(rows, chosen, design="cross_section", kept=kept)
    keys = [name for name in (*BY, "x0") if name in table]
    return table.sort_values(keys, ignore_index=True)


@pytest.mark.parametrize(
    ("kept", "roles"),
    [
        ("sums", {}),
        ("sums", {"outcome": "flag"}),
        ("sums", {"weights": "w"}),
        ("profiles", {"covariates": ("level",)}),
        ("moments", {"covariates": ("x", "level"), "weights": "w"}),
    ],
)
def test_order_of_rows_and_threads_do_not_move_the_last_bit(kept: Kept, roles: dict[str, object]) -> None:
    frame = pd.concat([children()] * 4, ignore_index=True)  # more than one block of rows for each thread
    expected = groups(frame, kept, threads=1, **roles)
    for seed, threads in ((1, 1), (2, 4), (3, 3)):
        again = groups(frame.sample(frac=1, random_state=seed), kept, threads=threads, **roles)
        pd.testing.assert_frame_equal(again, expected, check_exact=True)


def test_sums_are_the_exact_ones() -> None:
    """Against sums with unlimited digits, rounded once."""
    frame = children()
    table = groups(frame, "moments", covariates=("x",), weights="w").set_index(BY)
    for key, part in frame.groupby(BY):
        y, w, x = (part[name].to_numpy() for name in ("y", "w", "x"))
        row = table.loc[key]
        assert row["n"] == row["rows"] == len(part)
        wanted = {"total": y, "squares": y * y, "m0": w * x, "m0_0": w * x * x, "m0_y": w * x * y}
        wanted |= dict(zip(WEIGHT_SUMS, (w, w * w, w * y, w * w * y, w * w * y * y), strict=True))
        for name, values in wanted.items():
            assert row[name] == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-13), name


def test_whole_numbers_add_up_exactly_in_every_type() -> None:
    frame = children()
    expected = groups(frame, "sums", outcome="flag")
    truth = frame.groupby(BY)["flag"].sum().to_numpy()
    assert (expected["total"] == truth).all()
    assert (expected["squares"] == truth).all()
    for kind in ("int8", "bool", "float64", "Int64", "float32"):
        again = groups(frame.astype({"flag": kind}), "sums", outcome="flag")
        pd.testing.assert_frame_equal(again, expected, check_exact=True)
    large = frame.assign(flag=3_000_000_000 + frame["flag"])  # squares beyond 64 bits
    table = groups(large, "sums", outcome="flag")
    assert (table["total"] == large.groupby(BY)["flag"].sum().to_numpy()).all()
    squares = large.groupby(BY)["flag"].apply(lambda part: sum(int(v) ** 2 for v in part))
    np.testing.assert_allclose(table["squares"], squares.astype(float), rtol=1e-15)


def test_one_huge_value_does_not_spoil_other_cells() -> None:
    frame = children()
    spoilt = frame.copy()
    spoilt.loc[frame.index[(frame["unit"] == 0) & (frame["period"] == 1)][0], "y"] = 1e12
    table, expected = groups(spoilt, "sums"), groups(frame, "sums")
    np.testing.assert_allclose(table["total"][1:], expected["total"][1:], rtol=1e-13)
    np.testing.assert_allclose(table["squares"][1:], expected["squares"][1:], rtol=1e-9)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("largest", [1e-300, 1.0, 1e150])
def test_exact_sum_keeps_scale(wide: bool, largest: float) -> None:
    values = np.array([1.0, -0.25, 0.5, 0.125]) * largest
    with duckdb.connect() as connection:
        frame = pd.DataFrame({"y": values})
        relation = connection.from_df(frame)
        found = relation.query("r", f"SELECT {exact_sum('y', largest, 4, wide=wide)} AS s, count(*) FROM r").df()
        empty = relation.query("r", f"SELECT {exact_sum('y', largest, 4, wide=wide)} AS s FROM r WHERE y IS NULL").df()
    assert found["s"][0] == pytest.approx(math.fsum(values), rel=1e-14)
    assert empty["s"][0] == 0


def test_never_treated_spelled_in_many_ways_is_one_group() -> None:
    frame = children()
    spelled = frame["cohort"].astype(float).to_numpy().copy()
    never = np.flatnonzero(spelled == 0)
    spelled[never[::3]], spelled[never[1::3]] = np.nan, np.inf
    table = groups(frame.assign(cohort=spelled), "sums")
    assert not table.duplicated(BY).any()
    pd.testing.assert_frame_equal(table, groups(frame, "sums"), check_exact=True)


@pytest.mark.parametrize("covariates", [(), ("level",), ("x",)])
@pytest.mark.parametrize("weights", [None, "w"])
def test_a_parquet_file_a_frame_and_text_give_the_same(
    covariates: tuple[str, ...], weights: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, frame = tmp_path_factory.mktemp("rows"), children(4_000)
    frame.to_csv(folder / "a.csv", index=False)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM frame) TO '{folder}/a.parquet' (FORMAT parquet)")
    options = {**ROLES, "design": "cross_section", "method": "reg", "covariates": covariates, "weights": weights}
    rows = estimate(frame, **options, inference="analytic")
    for name in ("a.csv", "a.parquet"):
        assert estimate(str(folder / name), **options, inference="analytic") == rows


def test_regression_by_moments_is_regression_by_profiles() -> None:
    """A discrete covariate by moments gives what least squares on every child gives."""
    frame = children(4_000)
    options = {**ROLES, "design": "cross_section", "covariates": ["level"], "inference": "analytic"}
    by_moments = estimate(frame, **options, method="reg", aggregate=["group_time"])
    for row in by_moments:
        treated, never = frame[frame["cohort"] == row.cohort], frame[frame["cohort"] == 0]
        base = row.period - 1 if row.period < row.cohort else row.cohort - 1
        change = (
            treated.loc[treated["period"] == row.period, "y"].mean()
            - treated.loc[treated["period"] == base, "y"].mean()
        )
        z = np.column_stack([np.ones(len(treated)), treated["level"]]).mean(axis=0)
        for period, sign in ((row.period, -1), (base, 1)):
            part = never[never["period"] == period]
            x = np.column_stack([np.ones(len(part)), part["level"]])
            change += sign * float(z_of(treated, (row.period, base)) @ np.linalg.lstsq(x, part["y"], rcond=None)[0])
        assert z.shape == (2,)
        assert row.estimate == pytest.approx(change, rel=1e-9)


def z_of(treated: pd.DataFrame, periods: tuple[int, int]) -> np.ndarray:
    """Mean covariates of the treated children of both periods."""
    part = treated[treated["period"].isin(periods)]
    return np.array([1.0, part["level"].mean()])


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, object], str]] = {
    "weights": (
        lambda f: f.assign(w=f["w"].where(f["w"] > 0.2, -1.0)),
        {"weights": "w"},
        "column w is missing, infinite, zero or negative in",
    ),
    "infinite": (lambda f: f.assign(y=f["y"].where(f["y"] < 3, np.inf)), {}, "column y is infinite in"),
    "huge": (lambda f: f.assign(y=f["y"] * 1e80), {}, "column y holds numbers beyond"),
    "period": (lambda f: f.assign(period=f["period"] + 0.5 * (f["unit"] == 1)), {}, "is empty or no whole number in"),
    "cohort": (lambda f: f.assign(cohort=f["cohort"].where(f["period"] > 1, 3)), {}, "varies within 8 of 12 units"),
    "covariate": (lambda f: f.assign(x=np.nan), {"covariates": ["x"]}, "column x is empty in all 4000 rows"),
    "unit": (lambda f: f.assign(unit=f["unit"].where(f["unit"] > 0)), {}, "column unit is empty in"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_of_children_are_counted_in_one_sentence(case: str) -> None:
    spoil, options, sentence = BAD[case]
    with pytest.raises(KkzError) as fault:
        estimate(spoil(children(4_000)), **ROLES, design="cross_section", **options)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)


def test_what_is_left_out_of_children_is_counted() -> None:
    frame = children(4_000)
    frame.loc[:9, "y"] = np.nan
    frame.loc[5:29, "level"] = np.nan
    rows = estimate(frame, **ROLES, design="cross_section", covariates=["level"], inference="analytic")
    for row in rows:
        assert "10 of 4000 rows left out because column y is empty" in row.note
        assert "20 of 4000 rows left out because column level is empty" in row.note


def test_only_groups_leave_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """No query on the rows of children answers with more lines than there are groups."""
    sizes = []
    from kkz_eval.warehouse import Rows  # noqa: PLC0415

    query = Rows.query

    def counted(rows: Rows, text: str) -> pd.DataFrame:
        assert ROWS in text
        answer = query(rows, text)
        sizes.append(len(answer))
        return answer

    monkeypatch.setattr(Rows, "query", counted)
    options = {**ROLES, "design": "cross_section", "inference": "analytic"}
    estimate(children(), **options, covariates=["level"])
    estimate(children(), **options, covariates=["x"], method="reg")
    estimate(children(), **options, weights="w")
    assert max(sizes) == 12 * 5 * 3


def test_a_value_that_may_mean_two_things_is_refused() -> None:
    with pytest.raises(EstimationError, match="4 may be a first treated period or mean never treated"):
        estimate(children(4_000), **ROLES, design="cross_section", never=4)
