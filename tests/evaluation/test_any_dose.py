"""`kkz-eval estimate --estimator dose`: from a column of doses to rows, by file and by frame; what is refused."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kkz_eval.errors import KkzError
from kkz_eval.estimators.result import Estimate
from kkz_eval.evaluation.any_data import estimate
from pipelines.cli import main

ROLES = {"outcome": "y", "unit": "place", "period": "year", "cohort": "first"}
DOSE = {"estimator": "dose", "dose": "share"}

Command = Callable[..., tuple[int, str, str]]


def panel(noise: float = 0.2) -> pd.DataFrame:
    """48 places, cohorts 3, 5 and never; shares of 0.25, 0.5, 0.75, 1 reached; the effect is 2 per unit of dose."""
    rng = np.random.default_rng(7)
    unit, year = (a.ravel() for a in np.meshgrid(np.arange(48), np.arange(1, 7), indexing="ij"))
    first = np.array([0, 3, 5])[unit % 3]
    share = np.where((first > 0) & (year >= first), (unit // 3 % 4 + 1) / 4, 0.0)
    y = rng.normal(size=48)[unit] + 0.3 * year + 2 * share + rng.normal(scale=noise, size=len(unit))
    return pd.DataFrame({"place": unit + 95, "year": year, "first": first, "y": y, "share": share})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `kkz-eval estimate FILE --name value …`; exit code, output, errors."""

    def run(file: object, **options: object) -> tuple[int, str, str]:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["kkz-eval", "estimate", str(file), *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def by_name(rows: list[Estimate]) -> dict[str, Estimate]:
    return {row.note.split(";")[0].split(":")[0]: row for row in rows}


@pytest.mark.parametrize("design", ["panel", "cross_section"])
def test_effect_per_unit_of_dose_and_curve(design: str) -> None:
    rows = by_name(estimate(panel(noise=1e-9), **ROLES, **DOSE, design=design, inference="analytic"))
    assert list(rows) == [
        "mean effect over treated unit-periods, whatever the dose", "effect per unit of dose", "slope", "linearity",
        *(f"mean effect at dose {dose}" for dose in (0.25, 0.5, 0.75, 1)),
    ]  # fmt: skip
    expected = [2 * 0.625, 2, 2, 0, 0.5, 1, 1.5, 2]
    assert [row.estimate for row in rows.values()] == pytest.approx(expected, abs=1e-8)
    assert {row.estimator for row in rows.values()} == {"dose"}


def test_file_and_frame_give_the_same_rows(command: Command, tmp_path: Path) -> None:
    frame = panel()
    frame.assign(share=frame["share"].replace(0, np.nan)).to_csv(tmp_path / "a.csv", index=False)  # empty before
    code, out, err = command(tmp_path / "a.csv", **ROLES, **DOSE, format="csv")
    assert (code, err) == (0, "")
    expected = estimate(frame, **ROLES, **DOSE)
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["estimate"] for row in rows] == [repr(row.estimate) for row in expected]
    assert [row["note"] for row in rows] == [row.note for row in expected]
    assert [row["aggregation"] for row in rows] == ["overall", *["dose"] * 7]
    assert all("strong parallel trends" in row["note"] for row in rows[1:])
    found = by_name(expected)
    assert found["effect per unit of dose"].ci_low < 2 < found["effect per unit of dose"].ci_high
    assert found["effect per unit of dose"].std_error < 0.1
    code, table, _ = command(tmp_path / "a.csv", **ROLES, **DOSE, aggregate="dose")
    assert code == 0
    assert "mean effect at dose 0.75" in table
    mixed = frame.sample(frac=1, random_state=1)
    assert estimate(mixed, **ROLES, **DOSE) == expected
    with duckdb.connect() as connection:
        query = connection.execute("SELECT * FROM mixed")
        assert estimate(query, **ROLES, **DOSE) == expected  # a result that can be read only once


def test_without_a_column_dose_counts_periods() -> None:
    frame = panel()
    known = estimate(frame, **ROLES, control="not_yet_treated", aggregate=["event"])
    rows = by_name(estimate(frame, **ROLES, estimator="dose"))
    for row in known:
        if row.event_time is not None and row.event_time >= 0:
            found = rows[f"mean effect at dose {row.event_time + 1}"]
            assert found.estimate == pytest.approx(row.estimate, abs=1e-12)
            assert found.std_error == pytest.approx(row.std_error, rel=1e-9)
    assert all("maturity of the programme cannot be told apart" in rows[name].note for name in ("slope", "linearity"))


@pytest.mark.parametrize("unbalanced", ["keep", "balance"])
def test_rows_that_are_left_out(unbalanced: str) -> None:
    frame = panel(noise=1e-9)
    frame.loc[[20, 40], "y"] = np.nan
    frame.loc[[20], "share"] = np.nan  # no outcome, so that its dose is not needed
    rows = estimate(frame, **ROLES, **DOSE, unbalanced=unbalanced, control="never_treated", inference="analytic")
    assert all("2 of 288 rows left out because column y is empty" in row.note for row in rows)
    if unbalanced == "balance":
        assert by_name(rows)["slope"].estimate == pytest.approx(2, abs=1e-8)


def test_wild_bootstrap_reaches_every_row() -> None:
    wild, analytic = (estimate(panel(), **ROLES, **DOSE, inference=kind) for kind in ("wild", "analytic"))
    for row, plain in zip(wild, analytic, strict=True):
        assert (row.estimate, row.std_error) == (plain.estimate, plain.std_error)
        assert row.note.startswith(plain.note)
        assert "wild bootstrap draws" in row.note
        assert (row.ci_low <= 0 <= row.ci_high) == (row.p_value > 0.05)
    assert wild[3].p_value > 0.05 > wild[1].p_value  # the check of linearity, the effect per unit of dose


def test_bad_doses_are_one_sentence(command: Command, tmp_path: Path) -> None:
    frame = panel()
    treated = frame.index[frame["share"] > 0]
    fixed = frame.groupby("place")["share"].transform("max")
    cases = [
        (frame, {"dose": "shar"}, "there is no column shar; the nearest is share"),
        (frame, {"estimator": "twfe"}, "dose belongs to estimator dose; leave it out with estimator twfe"),
        (frame.assign(share=-frame["share"]), {}, "dose is negative in 96 unit-periods of 32 units"),
        (
            frame.assign(share=fixed),
            {},
            "dose is above 0 before the unit's first treated period, or in a unit never treated, in 96 unit-periods",
        ),
        (frame.assign(share=frame["share"].mask(frame.index == treated[0])), {}, "dose is missing after adoption in 1"),
        (frame.assign(share=0), {}, "there is no variation in dose"),
        (frame.assign(share="x"), {}, "column share holds text that is no number in 288"),
        (frame, {"covariates": ["place"]}, "takes no covariates"),
        (frame, {"inference": "randomisation"}, "needs callaway_santanna"),
        (
            pd.concat([frame, frame.loc[treated[:2]].assign(share=0.9)]),
            {"design": "cross_section"},
            "column share varies within 2 pairs of place and year",
        ),
    ]
    for data, options, sentence in cases:
        with pytest.raises(KkzError) as fault:
            estimate(data, **{**ROLES, **DOSE, **options})
        assert sentence in str(fault.value)
        assert "\n" not in str(fault.value)
    frame.assign(share="much").to_csv(tmp_path / "a.csv", index=False)
    code, out, err = command(tmp_path / "a.csv", **ROLES, **DOSE)
    assert (code, out) == (1, "")
    assert "column share holds text" in err
    assert len(err.splitlines()) == 1
