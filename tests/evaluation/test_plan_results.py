"""What a plan makes of its cells: estimates, gaps, cross-checks. Known effects in, the same effects out."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from small_study import COHORT, FULL_YEARS, PERIODS, STRATUM_GAP, WAVE, small_plan, small_study

from kkz_eval.evaluation.made import MADE_TABLES, fingerprint_now, make_table
from kkz_eval.plan import Plan
from kkz_eval.warehouse.build import fingerprints

FULL_EFFECT = -0.05
YEARS = np.clip(PERIODS[PERIODS >= COHORT] - WAVE, 0, FULL_YEARS)
TRUTH = FULL_EFFECT * float(np.mean(YEARS / FULL_YEARS))
"""The overall effect: the mean over the periods since adoption of an effect that grows with years of exposure."""


def made(connection: duckdb.DuckDBPyConnection, plan: Plan, name: str) -> pd.DataFrame:
    make_table(connection, plan, name)
    return connection.execute(f"SELECT * FROM {name}").df()


def overall(frame: pd.DataFrame, outcome: str, comparison: str = "main") -> pd.Series:
    rows = frame[
        (frame["outcome"] == outcome)
        & (frame["comparison"] == comparison)
        & (frame["aggregation"] == "overall")
        & (frame["label"] == "")
    ]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


@pytest.fixture(scope="module")
def drifting(plan: Plan) -> duckdb.DuckDBPyConnection:
    """Adopters gain ten percentage points of children who do worse, whoever starts a programme."""
    return small_study(plan, full_effect=FULL_EFFECT, drift_of_composition=0.1)


def test_the_primary_estimator_takes_composition_out_and_the_plain_one_does_not(
    plan: Plan, drifting: duckdb.DuckDBPyConnection
) -> None:
    adjusted = overall(made(drifting, plan, "estimates.callaway_santanna_adjusted"), "german_insufficient")
    plain = overall(made(drifting, plan, "estimates.callaway_santanna"), "german_insufficient")
    assert adjusted["estimate"] == pytest.approx(TRUTH, abs=3 * adjusted["std_error"])
    gained = 0.1 * (np.mean(PERIODS[PERIODS >= COHORT]) - (COHORT - 1)) / (PERIODS[-1] - PERIODS[0])
    assert plain["estimate"] - adjusted["estimate"] == pytest.approx(STRATUM_GAP * gained, rel=0.05)


def test_a_gap_that_does_not_close_is_not_seen_to_close(plan: Plan, drifting: duckdb.DuckDBPyConnection) -> None:
    """The effect is the same in both groups, so that each has it and their gap stays."""
    gap = plan.gaps[1]
    rows = made(drifting, plan, "estimates.triple_differences")
    for group in ("first", "second"):
        found = overall(rows, "german_insufficient", f"{gap.name}: {group}")
        assert found["estimate"] == pytest.approx(TRUTH, abs=3 * found["std_error"])
    difference = overall(rows, "german_insufficient", f"{gap.name}: first minus second")
    assert difference["estimator"] == "triple_differences"
    assert difference["estimate"] == pytest.approx(0.0, abs=3 * difference["std_error"])


def test_cross_checks_agree_where_there_is_an_effect_and_where_there_is_none(
    plan: Plan, drifting: duckdb.DuckDBPyConnection
) -> None:
    rows = made(drifting, plan, "estimates.cross_check").set_index("outcome")
    smallest = 1 / (1 + plan.estimation.cross_check_draws)
    for column in ("p_value", "p_wild", "p_placebo", "p_family"):
        assert rows.loc["german_insufficient", column] < 0.01
        assert rows.loc["hearing_finding", column] > 0.05
    assert (rows[["p_wild", "p_placebo", "p_family"]] >= smallest * (1 - 1e-9)).all().all()
    assert rows.loc["german_insufficient", "n_outcomes"] == 2
    assert (rows["p_family"] >= rows["p_wild"] - 1e-12).all()


def test_an_estimator_that_the_plan_leaves_out_has_an_empty_table(drifting: duckdb.DuckDBPyConnection) -> None:
    few = small_plan(estimation={"estimators": ("callaway_santanna",)})
    assert made(drifting, few, "estimates.imputation").empty


def test_a_table_is_fresh_until_something_it_reads_is_built_again(plan: Plan) -> None:
    connection = small_study(plan)
    name = "estimates.callaway_santanna"
    make_table(connection, plan, name)
    assert fingerprints(connection)[name] == fingerprint_now(connection, name)
    connection.execute("INSERT INTO ledger.build VALUES ('cells.panel', 'other', 'x', 1)")
    assert fingerprints(connection)[name] != fingerprint_now(connection, name)


def test_every_made_table_says_what_it_is_and_has_unique_columns() -> None:
    for table in MADE_TABLES.values():
        names = [column.name for column, _ in table.columns]
        assert len(names) == len(set(names))
        assert table.grain
        assert table.reads


def test_covariates_of_places_are_refused_by_the_adjusted_estimator_in_words(plan: Plan) -> None:
    comparisons = [plan.comparisons[0].model_dump() | {"covariates": ("sgb2_under_15",)}]
    held = small_plan(comparisons=comparisons, gaps=())
    rows = made(small_study(held), held, "estimates.callaway_santanna_adjusted")
    assert set(rows["status"]) == {"not estimable"}
    assert rows["note"].str.contains("does not hold sgb2_under_15 constant").all()
