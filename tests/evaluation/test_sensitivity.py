"""What would change the conclusion: worlds with one known threat each, and what the rows about it say."""

from dataclasses import replace

import numpy as np
import pytest
from threat_worlds import (
    CONTROL,
    LEFT_OUT,
    START,
    TAU,
    YEARS,
    Place,
    effect,
    is_treated,
    number,
    plan_of,
    recovers,
    reference_tables,
    study,
    two_of_every_second_kreis,
)

from kkz_eval.horizon.migration import true_dose
from kkz_eval.warehouse import in_memory


def test_without_a_threat_every_estimate_is_the_effect_and_no_word_changes() -> None:
    found = study(effect).findings()
    again = {
        "main", "exposed_controls_dropped", "never_treated_only", "within_kreis", "region_westfalen",
        "region_rheinland", "without_second_programme", "anticipation", "leave_one_out",
    }  # fmt: skip
    for row in found.values():
        if row.threat in again:
            assert recovers(row), row
            assert row.changes_word is False


def test_the_main_row_comes_first_and_every_row_says_what_is_missing() -> None:
    rows = list(study(effect).findings().values())
    assert (rows[0].threat, rows[0].assumption) == ("main", "as planned")
    for row in rows:
        numbers = (row.value, row.estimate, row.std_error, row.df, row.ci_low, row.ci_high, row.breakdown)
        assert not any(value is not None and not np.isfinite(value) for value in numbers)
        assert (row.status == "estimated") or (row.estimate is None and row.note)


def test_spillover_with_the_true_share_gives_back_the_effect() -> None:
    """Exposed comparison places get half the effect; without them, or corrected for κ = 0.5, it is found."""

    def world(place: Place, year: int) -> float:
        exposed = place.kreis_number % 2 == 0 and year >= START
        return effect(place, year) or 0.5 * TAU * exposed

    found = study(world).findings()
    assert number(found["main", "as planned"]) < 0.9 * TAU
    assert recovers(found["spillover", "0.5 × effect on exposed places"])
    assert not recovers(found["spillover", "0.25 × effect on exposed places"])
    assert recovers(found["exposed_controls_dropped", ""])


def test_a_later_wave_that_moves_early_spoils_only_the_comparison_with_it() -> None:
    def cohort(place: Place) -> int | None:
        return two_of_every_second_kreis(place) or (2018 if place.number == 6 else None)

    def world(place: Place, year: int) -> float:
        early = place.number == 6 and two_of_every_second_kreis(place) is None and year >= START
        return effect(place, year) + TAU * early

    found = study(world, cohort=cohort).findings()
    early_only = number(found["never_treated_only", ""])
    assert number(found["main", "as planned"]) < early_only


def shocks(seed: int, size: float) -> dict[tuple[int, int], float]:
    rng = np.random.default_rng(seed)
    return {(kreis, year): size * rng.normal() for kreis in range(12) for year in YEARS}


def test_shocks_of_a_kreis_and_year_cancel_within_it() -> None:
    shock = shocks(3, 0.05)
    found = study(lambda p, t: effect(p, t) + shock[p.kreis_number, t]).findings()
    within = found["within_kreis", ""]
    assert recovers(within)
    assert within.value == pytest.approx(1.0)
    assert not recovers(found["main", "as planned"])


def test_a_negative_control_takes_out_drift_that_it_shares() -> None:
    shock = shocks(4, 0.03)
    drifting = study(
        lambda p, t: effect(p, t) + 2 * shock[p.kreis_number, t],
        control=lambda p, t: shock[p.kreis_number, t],
        n=10_000_000,
    ).findings()
    row = drifting["negative_control", CONTROL]
    assert recovers(row)
    assert row.value == pytest.approx(2.0, abs=0.01)
    assert not recovers(drifting["main", "as planned"])


def test_a_negative_control_that_is_sampling_error_only_says_so() -> None:
    row = study(effect, control=lambda _p, _t: 0.0).findings()["negative_control", ""]
    assert (row.status, row.estimate) == ("not estimable", None)
    assert "sampling error" in row.note


def test_bounds_of_coverage_close_when_all_were_examined_and_hold_the_truth_when_not() -> None:
    full = study(effect).findings()
    seen, bounded = full["coverage", "2020 to 2022 as observed"], full["coverage", "2020 to 2022 with bounds"]
    assert recovers(seen)
    assert (bounded.ci_low, bounded.ci_high) == pytest.approx((seen.ci_low, seen.ci_high))
    assert bounded.value == 1.0

    def selective(place: Place, year: int) -> float:
        """Of the half that is examined in those years, participants show no effect although all have it."""
        return effect(place, year) if year not in LEFT_OUT else 0.0

    half = study(selective, examined=0.5).findings()
    seen, bounded = half["coverage", "2020 to 2022 as observed"], half["coverage", "2020 to 2022 with bounds"]
    assert number(seen) < 0.8 * TAU
    assert bounded.value == pytest.approx(0.5)
    assert bounded.ci_low is not None and bounded.ci_high is not None
    assert bounded.ci_low < TAU < bounded.ci_high
    # Three of nine or more years, half of the children missing: each arm may move by 0.5 in those years.
    years = len([year for year in YEARS if year >= START])
    assert bounded.ci_high - bounded.ci_low == pytest.approx(2 * 0.5 * len(LEFT_OUT) / years, rel=0.01)
    assert bounded.changes_word


def test_a_plan_that_leaves_out_no_year_has_no_row_of_coverage() -> None:
    made = study(effect)
    row = replace(made, plan=plan_of(excluded_periods=())).findings()["coverage", ""]
    assert row.status == "not estimable"
    assert "leaves out no year" in row.note


def test_moves_enlarge_the_effect_by_the_dose_that_is_left() -> None:
    made = study(effect, years_under_programme=3.0)
    moves = made.plan.threats.mobility
    assert moves is not None
    dose = true_dose(
        3,
        mobility=moves.yearly_moves,
        treated_in=moves.from_treated_to_treated,
        comparison_in=moves.from_treated_to_comparison,
    )
    found = made.findings()
    row = found["mobility", "4.0% move in a year"]
    assert row.value == pytest.approx(dose.factor)
    assert number(row) * dose.factor == pytest.approx(number(found["main", "as planned"]))


def test_what_is_parallel_as_a_ratio_only_is_no_effect_on_that_scale() -> None:
    """All shares fall by the same factor from 2013 on; participants started higher, so differences are not parallel."""
    made = study(effect)
    made.connection.execute(
        "UPDATE cells.panel SET value = f.start * CASE WHEN period >= 2013 THEN 0.5 ELSE 1 END"
        " FROM (SELECT DISTINCT unit AS u, CASE WHEN cohort IS NULL THEN 0.2 ELSE 0.6 END AS start"
        " FROM cells.adoption) AS f WHERE unit = f.u"
    )
    made.connection.execute("UPDATE cells.panel SET value = value * (1 + 1e-5 * sin(hash(unit || period) % 1000))")
    made.connection.execute("UPDATE cells.panel SET total = n * value, total_of_squares = n * value")
    found = made.findings()
    row = found["ratio_scale", "ratio of ratios"]
    assert number(found["main", "as planned"]) == pytest.approx(-0.2, abs=1e-3)
    assert number(row) == pytest.approx(0.0, abs=1e-3)
    assert row.value == pytest.approx(1.0, abs=1e-3)


def test_each_region_has_its_own_effect() -> None:
    found = study(lambda p, t: effect(p, t) * (3 if p.is_rhineland else 1)).findings()
    assert number(found["region_westfalen", ""]) == pytest.approx(TAU, abs=1e-3)
    assert number(found["region_rheinland", ""]) == pytest.approx(3 * TAU, abs=1e-3)


def test_comparisons_with_another_programme_hide_the_effect_unless_they_are_left_out_or_held_constant() -> None:
    def member(place: Place) -> bool:
        return place.kreis == "05166" or place.ags in ("05362032", "05378004")

    def world(place: Place, year: int) -> float:
        return effect(place, year) + TAU * (member(place) and year >= START)

    def cohort(place: Place) -> int | None:
        return None if member(place) else two_of_every_second_kreis(place)

    found = study(lambda p, t: world(p, t) if not (member(p) and is_treated(p, t)) else TAU, cohort=cohort).findings()
    assert number(found["main", "as planned"]) < 0.95 * TAU
    assert recovers(found["without_second_programme", "left out"])
    assert recovers(found["without_second_programme", "held constant"])


def test_an_effect_that_begins_a_year_early_is_found_with_anticipation() -> None:
    def world(place: Place, year: int) -> float:
        return TAU * (two_of_every_second_kreis(place) is not None and year >= START - 1)

    found = study(world).findings()
    assert not recovers(found["main", "as planned"])
    assert recovers(found["anticipation", "one year earlier"])


def test_the_kreis_on_which_most_depends_is_named() -> None:
    odd = "05562"
    found = study(
        lambda p, t: effect(p, t) * (5 if p.kreis == odd else 1),
        cohort=lambda p: START if (p.kreis_number in (0, 4) or p.kreis == odd) and p.number < 2 else None,
    ).findings()
    row = found["leave_one_out", "smallest"]
    assert odd in row.note and "Recklinghausen" in row.note
    assert number(row) < number(found["main", "as planned"]) < number(found["leave_one_out", "largest"])


@pytest.mark.parametrize("estimator", ["imputation", "event_study", "two_way_fixed_effects", "stacked"])
def test_another_primary_estimator_gives_rows_or_reasons(estimator: str) -> None:
    plan = plan_of()
    estimation = plan.estimation.model_copy(update={"estimators": (estimator,)})
    found = study(effect, plan=plan.model_copy(update={"estimation": estimation}), noise=1e-3).findings()
    for threat in ("exposed_controls_dropped", "region_rheinland", "region_westfalen"):
        assert number(found[threat, ""]) == pytest.approx(TAU, abs=5e-3)
    assert found["spillover", ""].status == "not estimable"
    assert "callaway_santanna" in found["spillover", ""].note


def test_composition_stays_out_of_the_variations() -> None:
    """Participants get more children of a group with a higher level; the adjusted estimator is right throughout."""
    plan = plan_of()
    estimators = ("callaway_santanna_adjusted",)
    made = study(
        lambda p, t: effect(p, t) + 0.3 * (0.5 if is_treated(p, t) else 0.25),
        plan=plan.model_copy(update={"estimation": plan.estimation.model_copy(update={"estimators": estimators})}),
    )
    made.connection.execute(
        "CREATE TABLE cells.profile AS"
        " SELECT c.outcome, c.unit, c.period, s.stratum, s.share * c.n AS n,"
        " s.share * c.n * (c.value + s.level - 0.3 * c.large) AS total, 0.0 AS total_of_squares FROM"
        " (SELECT p.*, CASE WHEN a.cohort <= p.period THEN 0.5 ELSE 0.25 END AS large FROM cells.panel AS p"
        "  JOIN cells.adoption AS a ON a.outcome = p.outcome AND a.unit = p.unit) AS c,"
        " LATERAL (SELECT * FROM (VALUES ('german_high', 1 - c.large, 0.0), ('german_low', c.large, 0.3))"
        "  AS v(stratum, share, level)) AS s"
    )
    found = made.findings()
    for threat in ("main", "region_rheinland", "region_westfalen", "exposed_controls_dropped", "coverage"):
        rows = [row for row in found.values() if row.threat == threat]
        assert rows and all(recovers(row) for row in rows), threat


def test_the_places_of_the_second_programme_exist_and_lie_in_the_rhineland() -> None:
    connection = in_memory()
    for schema in ("reference", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    reference_tables(connection)
    rows = connection.execute(
        "SELECT p.ags, p.level, k.region, g.ags FROM reference.second_programme AS p"
        " JOIN reference.kreis AS k ON k.kreis = p.kreis LEFT JOIN reference.gemeinde AS g ON g.ags = p.ags"
    ).fetchall()
    assert len(rows) == connection.execute("SELECT count(*) FROM reference.second_programme").fetchall()[0][0]
    for ags, level, region, gemeinde in rows:
        assert region == "rheinland"
        assert (level == "kreis" and ags.endswith("000")) or gemeinde == ags
