"""The demo study at its default scale: what was planted is found, in the released tables, by the main job."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.disclosure import RELEASED_TABLES
from kkz_eval.plan import Study
from kkz_eval.warehouse import Warehouse

PRIMARY = "german_insufficient"
OUTCOMES = (
    "german_insufficient",
    "sopess_flagged",
    "u8_u9_complete",
    "visuomotor_flagged",
    "counting_flagged",
    "coordination_flagged",
    "attention_flagged",
    "mmr_two_doses",
    "speech_referral",
    "bmi",
    "kita_45_hours",
    "kita_months",
    "grade_3_low",
    "gymnasium",
    "grade_repeated",
    "leaving_without_certificate",
    "hearing_finding",
    "height",
)


def released(study: Study, table: str) -> pd.DataFrame:
    return pd.read_csv(study.release_folder / "latest" / "csv" / f"{table}.csv", dtype={"unit": str, "kreis": str})


@pytest.fixture(scope="module")
def expected(demo: Study) -> pd.DataFrame:
    """The planted effect of every outcome, cohort and period, from the generator's own statement."""
    planted = pd.read_csv(demo.root / "effects.csv")
    with Warehouse.of(demo).connect() as connection:
        adoption = connection.execute(
            "SELECT outcome, wave, cohort, sum(weight) AS size FROM cells.adoption"
            " WHERE cohort IS NOT NULL GROUP BY ALL"
        ).df()
    return planted.merge(adoption, on=["outcome", "wave"])[["outcome", "cohort", "period", "effect", "size"]]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_overall_effect_is_within_three_standard_errors_of_the_truth(
    demo: Study, expected: pd.DataFrame, outcome: str
) -> None:
    """The truth of the overall effect: the planted effects of its (cohort, period) pairs, by cohort size."""
    rows = released(demo, "group_time").query(
        "outcome == @outcome and comparison == 'main' and estimator == 'callaway_santanna_adjusted' and event_time >= 0"
    )
    pairs = rows.dropna(subset=["estimate"]).merge(expected, on=["outcome", "cohort", "period"], how="left")
    assert len(pairs) == len(rows.dropna(subset=["estimate"])) > 0
    assert pairs["effect"].notna().all()
    truth = np.average(pairs["effect"], weights=pairs["size"])
    found = overall(demo, outcome)
    assert abs(found["estimate"] - truth) <= 3 * found["std_error"]


def overall(study: Study, outcome: str) -> pd.Series:
    rows = released(study, "effects")
    rows = rows[rows["outcome"] == outcome].query(
        "comparison == 'main' and estimator == 'callaway_santanna_adjusted' and aggregation == 'overall'"
    )
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_truth_would_not_be_found_by_comparing_levels(demo: Study) -> None:
    """Poor cities volunteer: in 2019 their fully exposed children still do worse than others on the primary outcome."""
    means = (
        released(demo, "description")
        .query("outcome == @PRIMARY and period == 2019")
        .set_index("comparison_group")["mean"]
    )
    assert means["wave_2012"] > means["never"]
    assert overall(demo, PRIMARY)["estimate"] < 0


def test_the_primary_effect_is_found_by_the_fully_exposed_cohorts_of_the_first_wave(demo: Study) -> None:
    full = released(demo, "effects").query(
        "outcome == @PRIMARY and comparison == 'main' and aggregation == 'fully_exposed' and row_label == '2013'"
    )
    truth = (
        pd.read_csv(demo.root / "truth.csv")
        .query("outcome == @PRIMARY and years_of_exposure == 'full'")["effect"]
        .iloc[0]
    )
    row = full.iloc[0]
    assert row["ci_high"] < 0
    assert abs(row["estimate"] - truth) <= 3 * row["std_error"]


def test_placebos_show_nothing(demo: Study) -> None:
    for outcome in ("hearing_finding", "height"):
        row = overall(demo, outcome)
        assert row["ci_low"] < 0 < row["ci_high"]


def test_every_fault_of_the_deliveries_is_in_quarantine_and_nothing_else(demo: Study) -> None:
    planted = pd.read_csv(demo.root / "faults.csv").groupby("file_name")["n_lines"].sum()
    with Warehouse.of(demo).connect() as connection:
        rows = connection.execute("SELECT file_name, n_rows, n_accepted, n_quarantined FROM intake.delivery").fetchall()
    assert len(rows) == len(list((demo.inbox).rglob("*.csv")))
    for name, n_rows, n_accepted, n_quarantined in rows:
        assert n_rows == n_accepted + n_quarantined
        assert n_quarantined == planted.get(name, 0)


def test_exposure_dates_the_answer(demo: Study) -> None:
    rows = released(demo, "exposure").query("outcome == @PRIMARY").drop_duplicates(["wave"]).set_index("wave")
    assert rows.loc[2012, "first_exposed_period"] == 2013
    assert rows.loc[2012, "first_fully_exposed_period"] == 2019
    assert rows.loc[2017, "first_fully_exposed_period"] == 2024


def test_the_examination_gap_is_left_out_and_shown(demo: Study) -> None:
    used = set(released(demo, "group_time").query("outcome == @PRIMARY and comparison == 'main'")["period"])
    assert not used & {2020, 2021, 2022}
    described = released(demo, "description").query("outcome == @PRIMARY and period == 2021")
    assert described["note"].str.startswith("not used for effects: pandemic").all()
    coverage = released(demo, "coverage").query("source == 'school_entry_exam' and unit == 'all'").set_index("year")
    assert coverage.loc[2021, "share_examined"] < 0.9 < coverage.loc[2019, "share_examined"]


def test_the_release_is_complete_private_and_matches_its_manifest(demo: Study) -> None:
    folder = demo.release_folder / "latest"
    listed = dict(
        reversed(line.split("  ", 1)) for line in (folder / "MANIFEST.sha256").read_text(encoding="utf-8").splitlines()
    )
    real = folder.resolve()
    present = {path.relative_to(real).as_posix() for path in real.rglob("*") if path.is_file()}
    assert present == set(listed) | {"MANIFEST.sha256"}
    for name, digest in listed.items():
        path = folder / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        assert path.stat().st_mode & 0o077 == 0
    for table in RELEASED_TABLES:
        for kind, suffix in (("csv", "csv"), ("csv_excel", "csv"), ("parquet", "parquet")):
            assert f"{kind}/{table}.{suffix}" in listed


def test_every_released_estimate_carries_the_plan_and_a_reason_where_there_is_none(demo: Study) -> None:
    for table in ("effects", "event_study", "group_time"):
        rows = released(demo, table)
        assert rows["plan_sha256"].nunique() == 1
        missing = rows[rows["status"] == "not estimable"]
        assert missing["note"].str.len().gt(0).all()
        shown = rows[(rows["status"] == "estimated") & rows["std_error"].notna()]
        assert np.isfinite(shown[["estimate", "std_error", "ci_low", "ci_high"]]).all(axis=None)


def test_parquet_and_csv_hold_the_same(demo: Study) -> None:
    folder = Path(demo.release_folder / "latest").resolve()
    with Warehouse.of(demo).connect() as connection:
        for table in RELEASED_TABLES:
            stored = connection.execute(
                f"SELECT count(*) FROM read_parquet('{folder}/parquet/{table}.parquet')"
            ).fetchall()
            assert stored[0][0] == len(released(demo, table))
