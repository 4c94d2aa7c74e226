"""Cost per averted case from a plan's amounts, participation and stored effects: worked by hand."""

import duckdb
import pandas as pd
import pytest
from scipy import stats

from kkz_eval.evaluation.cost_table import NO_FULL_EFFECT, cost_rows
from kkz_eval.evaluation.made import ESTIMATE_COLUMNS
from kkz_eval.evaluation.signal_columns import COST_COLUMNS
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import in_memory

PRIMARY = "callaway_santanna_adjusted"
#: Of wave 2012 there are two places; the third begins after the plan's latest wave.
PLACES = (("05111000", 2012), ("05112000", 2012), ("05114000", 2017))
UNITS = (("05111000", 1.0, 6000), ("05112000", 1.0, 3000), ("05113000", 0.0, 9000), ("05114000", 0.0, 9000))
YEARLY = 2_300_000 + 2 * 30_000
CHILDREN = 1500


def plan_of(**changes: object) -> Plan:
    plan = parse_plan(shipped_plan("demo"), "demo")
    treatment = plan.treatment.model_copy(update={"waves": (2012,)})
    return plan.model_copy(update={"treatment": treatment} | changes)


def table(effects: dict[tuple[str, str], tuple[float, float]], plan: Plan | None = None) -> pd.DataFrame:
    """Rows for stored effects {(outcome, aggregation): (estimate, std_error)} with 12 degrees of freedom."""
    connection = in_memory()
    for schema in ("estimates", "reference", "horizon"):
        connection.execute(f"CREATE SCHEMA {schema}")
    columns = ", ".join(f"{column.name} {kind}" for column, kind in ESTIMATE_COLUMNS)
    connection.execute(f"CREATE TABLE estimates.{PRIMARY} ({columns})")
    for (outcome, aggregation), (estimate, std_error) in effects.items():
        connection.execute(
            f"INSERT INTO estimates.{PRIMARY} (outcome, comparison, aggregation, estimate, std_error, df, n, status)"
            " VALUES (?, 'main', ?, ?, ?, 12, 500, 'estimated')",
            [outcome, aggregation, estimate, std_error],
        )
    references(connection)
    connection.execute(
        "CREATE TABLE horizon.detectability AS SELECT 'german_insufficient' AS outcome, unnest([2024, 2025]) AS period,"
        " unnest([FALSE, TRUE]) AS is_projected, unnest([0.02, 0.01]) AS mde_full"
    )
    rows = list(cost_rows(connection, plan or plan_of()))
    return pd.DataFrame(rows, columns=[column.name for column, _ in COST_COLUMNS])


def references(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE reference.participation (ags VARCHAR, wave INTEGER)")
    connection.executemany("INSERT INTO reference.participation VALUES (?, ?)", PLACES)
    connection.execute("CREATE TABLE reference.unit (unit VARCHAR, dose DOUBLE)")
    connection.execute("CREATE TABLE reference.gemeinde (ags VARCHAR, kreis VARCHAR, children_under_6_2015 INTEGER)")
    for ags, dose, children in UNITS:
        connection.execute("INSERT INTO reference.unit VALUES (?, ?)", [ags, dose])
        connection.execute("INSERT INTO reference.gemeinde VALUES (?, ?, ?)", [ags, ags[:5], children])
    connection.execute(
        "CREATE TABLE reference.exposure AS SELECT unnest(['german_insufficient', 'sopess_flagged', 'u8_u9_complete',"
        " 'leaving_without_certificate']) AS outcome, 6.0 AS full_years"
    )


def chosen(rows: pd.DataFrame, outcome: str) -> pd.Series:
    own = rows[(rows["outcome"] == outcome) & rows["is_plan_choice"]]
    assert len(own) == 1
    return own.iloc[0]


def factor(rate: float) -> float:
    """Six equal yearly payments at continuous time, valued at the start, by adding up small steps."""
    steps = [(k + 0.5) / 10_000 * 6 for k in range(10_000)]
    return sum((1 + rate) ** -t for t in steps) / len(steps)


def test_cost_per_child_and_case_by_hand() -> None:
    rows = table({("german_insufficient", "fully_exposed"): (-0.05, 0.01)})
    row = chosen(rows, "german_insufficient")
    assert (row["n_places"], row["children_per_year"], row["yearly_cost"]) == (2, CHILDREN, YEARLY)
    per_child = YEARLY / CHILDREN * factor(0.03)
    assert row["cost_per_child"] == pytest.approx(per_child, rel=1e-6)
    assert row["averted"] == 0.05
    assert row["cost_per_case"] == pytest.approx(per_child / 0.05, rel=1e-6)
    half = stats.t.ppf(0.975, 12) * 0.01
    assert row["set_kind"] == "bounded"
    # with a known cost the ends are the cost over the ends of the effect's interval
    assert (row["set_low"], row["set_high"]) == pytest.approx((per_child / (0.05 + half), per_child / (0.05 - half)))
    assert row["break_even_effect"] == pytest.approx(per_child / 5000, rel=1e-6)
    assert row["acceptability"] == pytest.approx(stats.t.cdf((0.05 - per_child / 5000) / 0.01, 12), rel=1e-6)
    assert row["detectable_effect"] == 0.02
    assert "grant of 30,000" in row["source_en"]


def test_the_detectable_effect_is_that_of_the_data_so_far_not_of_years_to_come() -> None:
    rows = table({("german_insufficient", "fully_exposed"): (-0.04, 0.01)})
    assert chosen(rows, "german_insufficient")["detectable_effect"] == 0.02
    assert pd.isna(chosen(rows, "u8_u9_complete")["detectable_effect"])


def test_both_readings_and_three_rates_stand_beside_the_plans_choice() -> None:
    rows = table({("german_insufficient", "fully_exposed"): (-0.05, 0.01)})
    own = rows[rows["outcome"] == "german_insufficient"]
    assert {(bool(a), r) for a, r in zip(own["is_additive"], own["discount_rate"], strict=True)} == {
        (a, r) for a in (True, False) for r in (0.01, 0.03, 0.05)
    }
    assert own["is_plan_choice"].sum() == 1
    assert set(own.loc[~own["is_additive"].astype(bool), "yearly_cost"]) == {2_300_000.0}
    cost = own.set_index(["is_additive", "discount_rate"])["cost_per_child"]
    for is_additive in (True, False):
        assert cost[is_additive, 0.01] > cost[is_additive, 0.03] > cost[is_additive, 0.05]


def test_a_plan_rate_of_one_of_the_others_gives_no_row_twice() -> None:
    money = plan_of().money
    assert money is not None
    rows = table({}, plan_of(money=money.model_copy(update={"discount_rate": 0.05})))
    assert sorted(set(rows["discount_rate"])) == [0.01, 0.05]
    assert not rows.duplicated(["outcome", "is_additive", "discount_rate"]).any()


def test_an_effect_that_may_be_zero_has_no_bounded_cost() -> None:
    row = chosen(table({("german_insufficient", "fully_exposed"): (-0.01, 0.01)}), "german_insufficient")
    half, cost = stats.t.ppf(0.975, 12) * 0.01, row["cost_per_child"]
    assert row["set_kind"] == "two rays"
    assert (row["set_low"], row["set_high"]) == pytest.approx((cost / (0.01 - half), cost / (0.01 + half)))


def test_wanted_cases_count_for_an_outcome_that_should_rise() -> None:
    row = chosen(table({("u8_u9_complete", "fully_exposed"): (0.06, 0.01)}), "u8_u9_complete")
    assert row["averted"] == 0.06
    assert row["cost_per_case"] == pytest.approx(row["cost_per_child"] / 0.06)
    assert pd.isna(row["benefit_per_case"])
    assert pd.isna(row["break_even_effect"])


def test_without_an_effect_of_full_exposure_the_average_stands_in_and_says_so() -> None:
    row = chosen(table({("german_insufficient", "overall"): (-0.02, 0.01)}), "german_insufficient")
    assert (row["effect_kind"], row["averted"], row["note"]) == ("overall", 0.02, NO_FULL_EFFECT)


def test_points_have_no_cases_but_a_cost_per_child() -> None:
    row = chosen(table({("sopess_flagged", "fully_exposed"): (-0.35, 0.1)}), "sopess_flagged")
    assert row["status"] == "not estimable"
    assert "no cases to avert" in row["note"]
    assert row["cost_per_child"] > 0


def test_an_outcome_that_was_not_estimated_keeps_its_costs_and_break_even() -> None:
    row = chosen(table({}), "leaving_without_certificate")
    assert row["status"] == "not estimable"
    assert "leaving_without_certificate" in row["note"]
    assert row["break_even_effect"] == pytest.approx(row["cost_per_child"] / 20_000)


def test_amounts_in_prices_of_different_years_are_not_added() -> None:
    money = plan_of().money
    assert money is not None
    later = money.programme.model_copy(update={"price_year": 2024})
    rows = table({}, plan_of(money=money.model_copy(update={"programme": later})))
    assert rows["note"].str.contains("one currency and price year").all()
    assert rows["cost_per_child"].isna().all()


def test_only_primary_outcomes_and_those_with_a_benefit() -> None:
    assert list(table({})["outcome"].unique()) == [
        "german_insufficient",
        "sopess_flagged",
        "u8_u9_complete",
        "leaving_without_certificate",
    ]


def test_a_plan_without_money_gives_no_rows() -> None:
    assert table({}, plan_of(money=None)).empty
