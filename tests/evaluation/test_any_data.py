"""The command `kkz-eval estimate` and its Python twin: R's numbers, the same from every kind of file, bad input."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kkz_eval.errors import EstimationError, KkzError, WarehouseError
from kkz_eval.estimators.result import Estimate
from kkz_eval.evaluation.any_data import ESTIMATORS, estimate, estimate_file
from kkz_eval.evaluation.any_output import COLUMNS
from kkz_eval.report.any_data import event_study_plot
from pipelines.cli import main

ROLES = {"outcome": "y", "unit": "place", "period": "year", "cohort": "first"}
MPDTA = {"outcome": "lemp", "unit": "countyreal", "period": "year", "cohort": "first.treat"}
KINDS = {"simple": "overall", "dynamic": "event"}
FIELDS = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}

Command = Callable[..., tuple[int, str, str]]


def panel(n_units: int = 24, n_periods: int = 6, effect: float = 2.0) -> pd.DataFrame:
    """Cohorts 3, 5 and never; unit and period effects, noise, a constant effect; x and w constant within units."""
    rng = np.random.default_rng(7)
    unit, year = (a.ravel() for a in np.meshgrid(np.arange(n_units), np.arange(1, n_periods + 1), indexing="ij"))
    first = np.array([0, 3, 5])[unit % 3]
    x, w = rng.normal(size=n_units), rng.uniform(0.5, 2.0, n_units)
    y = x[unit] + 0.3 * year + effect * ((first > 0) & (year >= first)) + rng.normal(scale=0.2, size=len(unit))
    return pd.DataFrame({"place": unit + 100, "year": year, "first": first, "y": y, "x": x[unit], "w": w[unit]})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `kkz-eval estimate FILE --name value …`; exit code, output, errors."""

    def run(file: object, *flags: str, **options: object) -> tuple[int, str, str]:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["kkz-eval", "estimate", str(file), *words, *flags])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize(
    ("scenario", "options"),
    [
        (("panel", "~1", "none", "none"), {}),
        (("panel", "~1", "state", "none"), {"cluster": "state"}),
        (("panel", "~1", "none", "popw"), {"weights": "popw"}),
        (("panel", "~lpop", "none", "none"), {"covariates": "lpop", "method": "reg"}),
        (("rc", "~1", "countyreal", "none"), {"design": "cross_section"}),
        (("rc", "~lpop", "countyreal", "none"), {"design": "cross_section", "covariates": "lpop", "method": "reg"}),
        (("unbalanced", "~1", "none", "none"), {"unbalanced": "keep"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_command_gives_the_numbers_of_r_did(
    scenario: tuple[str, ...], options: dict[str, str], command: Command, shared: Path
) -> None:
    design, formula, cluster, weights = scenario
    data = "mpdta_unbalanced" if design == "unbalanced" else "mpdta_state"
    code, out, _ = command(
        shared / "golden" / "data" / f"{data}.csv", **MPDTA, **options, inference="analytic", format="csv"
    )
    assert code == 0
    rows = read(out)
    table = pd.read_csv(shared / "golden" / "ref" / "mpdta_did_aggte.csv")
    wanted = {
        "design": design, "xformla": formula, "cluster": cluster, "weights": weights, "anticipation": 0,
        "control_group": "nevertreated", "base_period": "varying", "est_method": options.get("method", "dr"),
    }  # fmt: skip
    table = table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]
    assert len(table) == 18
    for r in table.itertuples():
        at = "" if r.is_overall else str(int(r.egt))
        (row,) = (
            row
            for row in rows
            if row["aggregation"] == KINDS.get(r.type, r.type) and row[FIELDS.get(r.type, "cohort")] == at
        )
        assert float(row["estimate"]) == pytest.approx(r.att, rel=1e-10)
        if row["std_error"] or cluster != "state":  # the one state of a cohort has no error of its own
            assert float(row["std_error"]) == pytest.approx(r.se, rel=1e-10)


def test_balancing_leaves_out_incomplete_units_and_says_so(shared: Path) -> None:
    frame = pd.read_csv(shared / "golden" / "data" / "mpdta_state.csv")
    holed = frame.drop(frame.index[[3, 700, 1999]])
    complete = holed.groupby("countyreal")["year"].transform("size") == 5
    rows, expected = (estimate(f, **MPDTA, inference="analytic") for f in (holed, holed[complete]))
    assert [r.estimate for r in rows] == [r.estimate for r in expected]
    assert all("3 of 500 units without a row in every period left out" in row.note for row in rows)


def test_csv_parquet_and_duckdb_give_the_same_bytes(command: Command, tmp_path: Path) -> None:
    frame = panel().assign(**{"odd name": lambda f: f["w"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "semicolon.csv", index=False, sep=";")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.t AS SELECT * FROM frame")
        connection.execute(f"COPY s.t TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    before = (tmp_path / "a.duckdb").read_bytes()
    options = {**ROLES, "format": "csv", "weights": "odd name", "covariates": "x"}
    outputs = []
    for source in ("a.csv", "semicolon.csv", "a.parquet", "a.duckdb:s.t"):
        code, out, err = command(tmp_path / source, **options)
        assert (code, err) == (0, "")
        outputs.append(out)
    assert len(set(outputs)) == 1
    assert (tmp_path / "a.duckdb").read_bytes() == before
    rows = estimate(frame, **ROLES, weights="odd name", covariates=["x"])
    assert [row["estimate"] for row in read(outputs[0])] == [repr(row.estimate) for row in rows]


def test_columns_formats_and_output(command: Command, tmp_path: Path) -> None:
    panel().to_csv(tmp_path / "a.csv", index=False)
    _, out, _ = command(tmp_path / "a.csv", **ROLES, format="csv", aggregate="overall,event")
    head = out.splitlines()[0]
    assert head == (
        "estimator,aggregation,cohort,period,event_time,estimate,std_error,df,ci_low,ci_high,"
        "band_low,band_high,p_value,n,n_units,n_clusters,note"
    )
    assert {row["aggregation"] for row in read(out)} == {"overall", "event"}
    _, text, _ = command(tmp_path / "a.csv", **ROLES, format="json", aggregate="overall,event")
    records = json.loads(text)
    assert [tuple(record) for record in records] == [COLUMNS] * len(records)
    as_csv = [{k: "" if v is None else str(v) for k, v in record.items()} for record in records]
    assert as_csv == read(out)
    code, said, _ = command(tmp_path / "a.csv", **ROLES, aggregate="overall,event", output=tmp_path / "b.csv")
    assert code == 0
    assert f"{len(records)} rows" in said
    assert (tmp_path / "b.csv").read_text(encoding="utf-8") == out
    _, table, _ = command(tmp_path / "a.csv", **ROLES, aggregate="overall")
    assert table.splitlines()[0] == "estimator: callaway_santanna"
    code, _, err = command(tmp_path / "a.csv", **ROLES, output=tmp_path / "a.csv")
    assert code == 1
    assert "would replace the data" in err


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_every_estimator_finds_the_effect(name: str, design: str) -> None:
    rows = estimate(panel(), **ROLES, estimator=name, design=design)
    assert {row.estimator for row in rows} == {name}
    overall = [
        r for r in rows if r.aggregation in ("overall", "static") or (r.aggregation, r.event_time) == ("event", None)
    ]
    assert overall[0].estimate == pytest.approx(2.0, abs=0.1)
    assert overall[0].std_error is not None
    assert overall[0].n


@pytest.mark.parametrize("never", [0, np.nan, np.inf, 9999])
def test_never_treated_may_be_written_in_any_way(never: float) -> None:
    frame = panel()
    expected = estimate(frame, **ROLES)
    coded = frame.assign(first=frame["first"].replace(0, never).astype(float))
    assert estimate(coded, **ROLES, never=never if never == 9999 else 0) == expected
    if never not in (0, 9999):
        assert estimate(coded, **ROLES, never="inf") == expected


def test_order_of_rows_and_a_relation_change_nothing() -> None:
    frame = panel()
    expected = estimate(frame, **ROLES, estimator="imputation", design="cross_section", weights="w")
    shuffled = frame.sample(frac=1, random_state=3)
    assert estimate(shuffled, **ROLES, estimator="imputation", design="cross_section", weights="w") == expected
    with duckdb.connect() as connection:
        relation = connection.from_df(shuffled)
        assert estimate(relation, **ROLES, estimator="imputation", design="cross_section", weights="w") == expected


def test_weights_of_children_count() -> None:
    """A child of weight 2 is two children."""
    frame = panel().assign(child=1)
    heavy = frame.assign(child=1 + frame["year"] % 2)
    twice = pd.concat([frame, frame[frame["year"] % 2 == 1]])
    for name in ("callaway_santanna", "twfe"):
        once, doubled = (
            estimate(f, **ROLES, estimator=name, design="cross_section", weights=w)
            for f, w in ((heavy, "child"), (twice, None))
        )
        for a, b in zip(once, doubled, strict=True):
            assert (a.aggregation, a.cohort, a.event_time) == (b.aggregation, b.cohort, b.event_time)
            assert a.estimate == pytest.approx(b.estimate, rel=1e-10, abs=1e-12)
    for name in ("bacon", "synthetic_did"):
        with pytest.raises(EstimationError, match="column child varies within units"):
            estimate(heavy, **ROLES, estimator=name, design="cross_section", weights="child")
        rows = estimate(heavy, **ROLES, estimator=name, design="cross_section")
        assert all("every pair of unit and period counts alike" in row.note for row in rows)


def test_multiplier_is_analytic_with_a_seeded_band() -> None:
    rows, analytic, again = (
        estimate(panel(), **ROLES, inference=kind, seed=seed, draws=500)
        for kind, seed in (("multiplier", 1), ("analytic", 1), ("multiplier", 2))
    )
    assert rows == analytic
    event = [i for i, row in enumerate(rows) if row.band_low is not None]
    assert event
    assert all(rows[i].band_low < rows[i].ci_low for i in event)
    assert [rows[i].std_error for i in event] == [again[i].std_error for i in event]
    assert any(rows[i].band_low != again[i].band_low for i in event)


@pytest.mark.parametrize("name", ["callaway_santanna", "twfe", "imputation", "bacon"])
def test_wild_bootstrap_gives_p_values_and_intervals(name: str) -> None:
    wild, analytic, again = (
        estimate(panel(effect=0.1), **ROLES, estimator=name, inference=kind, seed=seed)
        for kind, seed in (("wild", 1), ("analytic", 1), ("wild", 1))
    )
    assert wild == again
    for row, plain in zip(wild, analytic, strict=True):
        assert (row.estimate, row.std_error) == (plain.estimate, plain.std_error)
        if plain.p_value is not None and row.aggregation != "pretest":
            assert "wild bootstrap draws" in row.note
            assert row.p_value >= 1 / 1000
            if row.ci_low is not None and row.ci_high is not None:  # test and interval agree
                assert (row.ci_low <= 0 <= row.ci_high) == (row.p_value > 0.05)


def test_randomisation_gives_p_values() -> None:
    none, large = (
        estimate(panel(effect=effect), **ROLES, inference="randomisation", aggregate=["overall"])[0]
        for effect in (0, 2)
    )
    assert none.p_value > 0.05
    assert large.p_value == pytest.approx(1 / 1000)
    assert "999 random placebo reassignments of cohorts" in large.note
    blocks = panel().assign(block=lambda f: f["place"] % 6)  # two blocks per cohort: 6!/(2!2!2!) = 90 ways
    (row,) = estimate(blocks, **ROLES, cluster="block", inference="randomisation", aggregate=["overall"])
    assert "90 possible placebo reassignments" in row.note
    for name in ("imputation", "synthetic_did", "twfe"):
        with pytest.raises(EstimationError, match="needs callaway_santanna"):
            estimate(panel(), **ROLES, estimator=name, inference="randomisation")


def test_three_lines_from_data_to_a_picture() -> None:
    chart = event_study_plot(estimate(panel(), **ROLES))
    drawn = chart.to_dict()
    assert any("band_low" in json.dumps(layer) for layer in drawn["layer"])
    with pytest.raises(EstimationError, match="no row with an event time"):
        event_study_plot(estimate(panel(), **ROLES, estimator="twfe"))


def test_what_is_left_out_is_counted_in_every_note() -> None:
    frame = panel()
    frame.loc[[0, 7, 8], "y"] = np.nan
    frame.loc[[20], "x"] = np.nan
    frame = frame[frame["year"] != 4]
    rows = estimate(frame, **ROLES, covariates=["x"], unbalanced="keep")
    assert rows
    for row in rows:
        assert "3 of 120 rows left out because column y is empty" in row.note
        assert "1 of 120 rows left out because column x is empty" in row.note
        assert "column year has no rows in 1 periods (between 3 and 5)" in row.note
    late = estimate(panel().assign(first=lambda f: f["first"].replace(0, 50)), **ROLES, control="not_yet_treated")
    assert all("8 units first treated after the last period count as never treated" in row.note for row in late)


def broken(column: str, rows: object, value: object) -> pd.DataFrame:
    frame = panel().astype({column: object})
    frame.loc[rows, column] = value
    return frame


BAD = {
    "no column": (panel(), {"outcome": "yy"}, "no column yy; the nearest is y"),
    "no rows": (panel().head(0), {}, "the data have no rows"),
    "text": (broken("y", [3, 4], "abc"), {}, "column y holds text that is no number in 2 of 144 rows"),
    "all empty": (broken("y", slice(None), None), {}, "column y is empty in all 144 rows"),
    "infinite": (broken("y", [0], np.inf), {}, "column y is infinite in 1 of 144 rows"),
    "cohort": (broken("first", [6, 7], 5), {}, "column first varies within 1 of 24 units of column place"),
    "treated always": (
        panel().assign(first=lambda f: f["first"].gt(0) * 1),
        {},
        "all 16 treated units of 24 are treated from the first period 1 on",
    ),
    "none treated": (panel().assign(first=0), {}, "none of the 24 units is treated in the periods 1 to 6"),
    "no control": (panel().assign(first=4), {}, "all 24 units are treated from the same period on"),
    "twice": (
        pd.concat([panel(), panel().head(3)]),
        {},
        "3 of 147 rows repeat a pair of place and year, in 1 units",
    ),
    "period": (broken("year", [0], 1.5), {}, "column year is empty or no whole number in 1 of 144 rows"),
    "dates": (panel().assign(year=pd.Timestamp("2020-01-01")), {}, "column year holds dates"),
    "unit": (broken("place", [0, 1], None), {}, "column place is empty in 2 of 144 rows"),
    "weights": (
        broken("w", [0, 1], np.nan),
        {"weights": "w"},
        "column w is missing, infinite, zero or negative in 2 of",
    ),
    "varying weights": (broken("w", [0], 9.0), {"weights": "w"}, "column w varies within 1 of 24 units"),
    "varying covariate": (broken("x", [0], 9.0), {"covariates": ["x"]}, "covariate x varies within 1 of 24 units"),
    "child covariate": (
        pd.concat([panel(), panel().assign(x=1.0)]),
        {"covariates": ["x"], "design": "cross_section", "estimator": "twfe"},
        "covariate x varies within 144 pairs of unit and period",
    ),
    "cluster": (broken("w", [0], 9.0), {"cluster": "w"}, "column w varies within 1 of 24 units"),
    "zero cohort": (panel(), {"never": "inf"}, "column first is 0 or negative in 48 of 144 rows"),
    "0 between": (panel().assign(year=lambda f: f["year"] - 3), {}, "0 may be a first treated period or mean never"),
    "never": (panel(), {"never": "nobody"}, "never nobody is no number"),
    "never lost": (
        panel().drop(index=panel().query("first == 0 and year == 2").index),
        {},
        "none of the 8 never-treated units has a row in each of the 6 periods",
    ),
    "nobody complete": (
        panel().drop(index=panel().query("year == place % 6 + 1").index),
        {},
        "none of the 24 units of column place has a row in each of the 6 periods",
    ),
    "estimator": (
        panel(),
        {"estimator": "sunabraham"},
        "estimator sunabraham is not known; the nearest is sun_abraham",
    ),
    "inference": (panel(), {"inference": "bootstrap"}, "inference bootstrap is not known; choose one of analytic"),
    "aggregate": (panel(), {"aggregate": ["dynamic"]}, "aggregate dynamic is not known"),
    "no such rows": (panel(), {"aggregate": ["event"], "estimator": "twfe"}, "twfe gives no rows of event"),
    "method": (panel(), {"method": "reg", "estimator": "twfe"}, "method belongs to callaway_santanna"),
    "bacon": (panel(), {"covariates": ["x"], "estimator": "bacon"}, "takes no covariates"),
    "draws": (panel(), {"draws": 5}, "draws must be at least 100"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str) -> None:
    frame, options, sentence = BAD[case]
    with pytest.raises(KkzError) as fault:
        estimate(frame, **{**ROLES, **options})
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)


def test_bad_files(command: Command, tmp_path: Path) -> None:
    text = panel().to_csv(index=False)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "words.csv").write_text(text.replace(",3,", ",third,"), encoding="utf-8")
    (tmp_path / "ragged.csv").write_text(text + "1,2,3,4,5,6,7,8,9\n" * 3, encoding="utf-8")
    (tmp_path / "comment.csv").write_text(text.replace("100,1,", "#100,1,"), encoding="utf-8")
    (tmp_path / "headless.csv").write_text(text.split("\n", 1)[1], encoding="utf-8")
    (tmp_path / "short.csv").write_text(text + "100\n", encoding="utf-8")
    (tmp_path / "latin.csv").write_bytes(text.replace("place", "pläce").encode("latin-1"))
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "damaged.duckdb").write_bytes(b"not a database" * 500)
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE TABLE cells AS SELECT 1 AS y")
    cases = {
        "b.csv": "there is no such file",
        "a.txt": "this format is not read",
        "words.csv": "column year holds text that is no number in",
        "ragged.csv": "ragged.csv: this file cannot be read as csv",
        "short.csv": "short.csv: this file cannot be read as csv",
        "latin.csv": "latin.csv: this file cannot be read as csv",
        "headless.csv": "the first line of the file must hold the names",
        "empty.csv": "the file is empty",
        "a.parquet": "a.parquet: this file cannot be read as parquet",
        "damaged.duckdb:t": "damaged",
        "a.duckdb:cell": "there is no table cell; the nearest is cells",
        "a.duckdb:cells": "there is no column",
    }
    for name, sentence in cases.items():
        code, out, err = command(tmp_path / name, **ROLES)
        assert (code, out) == (1, ""), name
        assert sentence in err, (name, err)
        assert len(err.splitlines()) == 1
    _, out, _ = command(tmp_path / "comment.csv", **ROLES, format="json")  # a place called #100, no comment
    assert "2 of 25 units without a row in every period left out" in json.loads(out)[0]["note"]
    code, _, err = command(tmp_path / "a.csv", **{**ROLES, "outcome": 'y" FROM t; --'})
    assert code == 1
    assert "there is no column" in err
    code, _, err = command(tmp_path / "a.csv", "--colour", "red", **ROLES)
    assert code == 2
    assert "--colour" in err


def test_words_for_missing_in_a_csv(command: Command, tmp_path: Path) -> None:
    frame = panel().astype({"y": object, "first": object})
    frame.loc[[0, 7], "y"] = "NA"
    frame["first"] = frame["first"].map({0: "Inf", 3: "3", 5: "5"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    code, out, _ = command(tmp_path / "a.csv", **ROLES, format="csv", unbalanced="keep")
    assert code == 0
    assert all("2 of 144 rows left out because column y is empty" in row["note"] for row in read(out))


def test_a_view_of_a_database_reaches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(panel().to_csv(index=False), encoding="utf-8")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute(f"CREATE VIEW t AS SELECT * FROM read_csv('{tmp_path}/secret.csv')")
    with pytest.raises(WarehouseError):
        estimate_file(f"{tmp_path}/a.duckdb:t", **ROLES)


def test_rows_are_of_the_one_shape() -> None:
    assert all(isinstance(row, Estimate) for row in estimate(panel(), **ROLES))
