"""What would change the conclusion: worlds with one known threat each, and what the rows about it say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kkz_eval.evaluation.made import PLAN_HASH
from kkz_eval.evaluation.sensitivity import findings_of, sensitivity_rows
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.evaluation.threats.columns import SENSITIVITY_COLUMNS, Finding
from kkz_eval.evaluation.threats.main_result import main_result
from kkz_eval.evaluation.threats.surroundings import read_surroundings
from kkz_eval.evaluation.threats.trends import chosen_events, event_path, unbroken_run
from kkz_eval.horizon.honest_smoothness import smoothness_interval
from kkz_eval.horizon.migration import true_dose
from kkz_eval.horizon.pretrend_power import slope_for_power
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, write_plan

CATALOG = read_catalog()
RHINELAND = ("05154", "05158", "05166", "05362", "05374", "05378")
WESTPHALIA = ("05554", "05558", "05562", "05566", "05754", "05758")
YEARS = range(2008, 2025)
LEFT_OUT = (2020, 2021, 2022)
START = 2013
TAU = 0.05
OUTCOME, CONTROL = "german_insufficient", "hearing_finding"


@dataclass(frozen=True)
class Place:
    """A real Gemeinde; `kreis_number` and `number` count Kreise and the Gemeinden of one from 0."""

    ags: str
    kreis: str
    kreis_number: int
    number: int

    @property
    def is_rhineland(self) -> bool:
        return self.kreis in RHINELAND


World = Callable[[Place, int], float]
Findings = dict[tuple[str, str], Finding]


def two_of_every_second_kreis(place: Place) -> int | None:
    return START if place.kreis_number % 2 == 0 and place.number < 2 else None


def is_treated(place: Place, year: int) -> bool:
    first = two_of_every_second_kreis(place)
    return first is not None and year >= first


def effect(place: Place, year: int) -> float:
    """A world without any threat."""
    return TAU * is_treated(place, year)


def reference_tables(connection: duckdb.DuckDBPyConnection) -> list[Place]:
    for name in ("reference.gemeinde", "reference.kreis", "reference.second_programme"):
        build_table(connection, CATALOG[name])
    rows = connection.execute("SELECT ags, kreis FROM reference.gemeinde ORDER BY ags").fetchall()
    kreise = [kreis for pair in zip(RHINELAND, WESTPHALIA, strict=True) for kreis in pair]
    # Neighbouring numbers would put all participants into one part of the Land.
    kreise = [kreise[i] for i in (0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11)]
    return [
        Place(ags, kreis, number, position)
        for number, kreis in enumerate(kreise)
        for position, ags in enumerate([ags for ags, own in rows if own == kreis][:7])
    ]


def plan_of(**changes: Any) -> Plan:
    plan = parse_plan(shipped_plan("demo"), "demo")
    outcomes = tuple(o for o in plan.outcomes if o.name in (OUTCOME, CONTROL))
    estimation = plan.estimation.model_copy(update={"estimators": ("callaway_santanna",)})
    small = {"outcomes": outcomes, "comparisons": plan.comparisons[:1], "estimation": estimation, "gaps": ()}
    return plan.model_copy(update=small | changes)


@dataclass
class Study:
    """A warehouse in memory with one world in it."""

    connection: duckdb.DuckDBPyConnection
    plan: Plan

    def findings(self) -> Findings:
        cells, around = StudyCells(self.connection), read_surroundings(self.connection, self.plan)
        found = findings_of(cells, self.plan, self.plan.outcome(OUTCOME), around)
        rows = {(row.threat, row.assumption): row for row in found}
        assert len(rows) == len(found)
        return rows


def study(
    world: World,
    *,
    control: World = lambda _place, _year: 0.0,
    cohort: Callable[[Place], int | None] = two_of_every_second_kreis,
    plan: Plan | None = None,
    noise: float = 1e-5,
    examined: float = 1.0,
    n: int = 200,
    years_under_programme: float = 3.0,
) -> Study:
    """Level of the place + year + world + noise, in cells of n children; `examined` of them in the years left out."""
    plan = plan_of() if plan is None else plan
    connection = in_memory()
    for schema in ("plan", "reference", "staging", "cells", "horizon", "ledger", "disclosure"):
        connection.execute(f"CREATE SCHEMA {schema}")
    places = reference_tables(connection)
    write_plan(connection, plan)
    reason = connection.execute("SELECT min(reason) FROM plan.excluded_period").fetchall()[0][0]
    rng = np.random.default_rng(7)
    cells, adoption, expected = [], [], []
    for outcome, own in ((OUTCOME, world), (CONTROL, control)):
        for place in places:
            level = rng.uniform(0.2, 0.4)
            adoption.append(
                (outcome, place.ags, place.kreis, "rheinland" if place.is_rhineland else "westfalen",
                 2012 if cohort(place) else None, cohort(place), place.kreis, float(100 + place.number))
            )  # fmt: skip
            for year in YEARS:
                value = level + 0.01 * np.sin(year) + own(place, year) + noise * rng.normal()
                seen = round(n * examined) if year in LEFT_OUT else n
                is_used = year not in LEFT_OUT
                cells.append(
                    (outcome, place.ags, year, seen, seen * value, seen * value, value, is_used, reason)
                )  # fmt: skip
    expected = [(place.ags, year, n) for place in places for year in YEARS]
    exposure = [(o, 2012, year, 6.0, years_under_programme, False) for o in (OUTCOME, CONTROL) for year in YEARS]
    for name, rows, columns in (
        ("cells.panel", cells, "outcome unit period n total total_of_squares value is_used reason"),
        ("cells.adoption", adoption, "outcome unit kreis region wave cohort cluster weight"),
        ("reference.exposure", exposure, "outcome wave period full_years years_under_programme is_fully_exposed"),
        ("staging.registered_children", expected, "ags period n_children"),
    ):
        connection.register("given", pd.DataFrame(rows, columns=columns.split()))
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    connection.execute("CREATE TABLE cells.covariate (covariate VARCHAR, unit VARCHAR, period INTEGER, value DOUBLE)")
    return Study(connection, plan)


def number(row: Finding) -> float:
    assert row.status == "estimated", row.note
    assert row.estimate is not None
    return row.estimate


def recovers(row: Finding) -> bool:
    return abs(number(row) - TAU) < 1e-3


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


def drift(place: Place, year: int) -> float:
    """Participants drift by 0.01 a year all along; there is no effect."""
    return 0.01 * (year - 2008) * (two_of_every_second_kreis(place) is not None)


def test_a_straight_drift_is_no_effect_once_it_is_allowed() -> None:
    found = study(drift, noise=1e-4).findings()
    assert found["main", "as planned"].ci_low > 0  # type: ignore[operator]
    for which in ("average", "last"):
        row = found["honest_smoothness", f"{which}, bend 0"]
        assert row.ci_low <= 0 <= row.ci_high  # type: ignore[operator]
        assert number(row) == pytest.approx(0.0, abs=2e-3)
        assert row.changes_word
        assert row.breakdown is None and "even at bound 0" in row.note


def test_bounds_widen_and_break_down_where_they_first_hold_zero() -> None:
    made = study(effect, noise=5e-3)
    found = made.findings()
    names = [f"average, {m:g} × largest step" for m in (0.0, 0.5, 1.0, 1.5, 2.0)]
    rows = [found["honest_magnitudes", name] for name in names]
    widths = [row.ci_high - row.ci_low for row in rows]  # type: ignore[operator]
    assert widths == sorted(widths)
    cells, around = StudyCells(made.connection), read_surroundings(made.connection, made.plan)
    main = main_result(cells, made.plan, made.plan.outcome(OUTCOME), around)
    path = event_path(main)
    found_at = found["honest_smoothness", "average, bend 0"].breakdown
    assert found_at is not None

    def low(bound: float) -> float:
        return smoothness_interval(
            path.beta, path.sigma, path.n_pre, bound, path.average, alpha=main.alpha, df=path.df
        ).low  # fmt: skip

    assert low(found_at) > 0 > low(1.01 * found_at)
    small, large = found["honest_mde", "bend 0"], found["honest_mde", "bend 1 × largest earlier bend"]
    assert 0 < number(small) < number(large)


def test_drifts_the_earlier_years_would_miss_are_those_of_the_power_formula() -> None:
    made = study(effect, noise=5e-3)
    cells, around = StudyCells(made.connection), read_surroundings(made.connection, made.plan)
    path = event_path(main_result(cells, made.plan, made.plan.outcome(OUTCOME), around))
    found = made.findings()
    half, most = (found["pretrend_power", f"drift found with probability {p:g}"] for p in (0.5, 0.8))
    slope = slope_for_power(
        path.sigma[: path.n_pre, : path.n_pre], path.n_pre, 0.5, critical_value=float(stats.t.ppf(0.975, path.df))
    )
    assert half.value == pytest.approx(slope)
    assert half.estimate == pytest.approx(slope * (path.events[-1] + 1))
    assert most.value > half.value  # type: ignore[operator]
    # The drift that explains the main result: nearer end over the mean years since the base.
    main = found["main", "as planned"]
    years = np.mean([year - (START - 1) for year in YEARS if year >= START and year not in LEFT_OUT])
    assert half.breakdown == pytest.approx(main.ci_low / years)  # type: ignore[operator]
    assert half.changes_word is (half.value >= half.breakdown)  # type: ignore[operator]


def test_the_stretch_of_years_ends_at_a_gap_and_holds_most_cohorts() -> None:
    years = np.array([2008, 2009, 2010, 2014, 2015, 2016, 2017])
    assert years[unbroken_run(years, np.array([2010.0, np.inf]))].tolist() == [2008, 2009, 2010]
    assert years[unbroken_run(years, np.array([2010.0, 2015.0, 2016.0, np.inf]))].tolist() == [2014, 2015, 2016, 2017]
    assert years[unbroken_run(years, np.array([2014.0]))].tolist() == [2014, 2015, 2016, 2017]


@pytest.mark.parametrize(
    ("events", "clusters", "before", "after"),
    [
        (range(-9, 9), 12.0, [-4, -3, -2], [0, 1, 2]),
        (range(-9, 9), 7.9, [-3, -2], [0]),
        (range(-2, 9), 12.0, [-2], [0, 1, 2, 3, 4]),
        (range(-9, 1), 12.0, [-6, -5, -4, -3, -2], [0]),
        ([-5, -4, -2, 0, 1, 3], 40.0, [-2], [0, 1]),
        (range(-9, 9), 3.9, [-2], []),
    ],
)
def test_event_times_are_chosen_by_counts(
    events: Any, clusters: float, before: list[int], after: list[int]
) -> None:  # fmt: skip
    assert chosen_events(list(events), -1, clusters) == (before, after)


def test_too_few_participating_clusters_leave_no_bounds_but_a_reason() -> None:
    found = study(effect, cohort=lambda p: START if p.kreis_number in (0, 2) and p.number < 2 else None).findings()
    row = found["honest_smoothness", ""]
    assert (row.status, row.estimate) == ("not estimable", None)
    assert "treated clusters" in row.note
    assert found["main", "as planned"].status == "estimated"


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


def official() -> Iterator[tuple[str, Finding]]:
    """Kreise with rates only: half of them begin in 2012, and their trend follows child poverty as all others' does."""
    plan = parse_plan(shipped_plan("official"), "official")
    name = "kita_under_3_of_births"
    made = study(effect)
    write_plan(made.connection, plan)
    kreise = [row[0] for row in made.connection.execute("SELECT kreis FROM reference.kreis ORDER BY 1").fetchall()]
    rng = np.random.default_rng(5)
    poverty = {kreis: rng.uniform(0.1, 0.3) + 0.1 * (i % 2) for i, kreis in enumerate(kreise)}
    cells = []
    for i, kreis in enumerate(kreise):
        for year in range(2007, 2017):
            value = 0.1 + 0.1 * poverty[kreis] * (year - 2007) + TAU * (i % 2 and year >= 2012)
            cells.append((name, kreis, year, None, None, None, value + 1e-5 * rng.normal(), True, None))
    adoption = [
        (
            name,
            k,
            k,
            "rheinland" if k[2] in "13" else "westfalen",
            2012 if i % 2 else None,
            2012 if i % 2 else None,
            k,
            1.0,
        )
        for i, k in enumerate(kreise)
    ]
    frames = {
        "cells.panel": (cells, "outcome unit period n total total_of_squares value is_used reason"),
        "cells.adoption": (adoption, "outcome unit kreis region wave cohort cluster weight"),
        "cells.covariate": (
            [("sgb2_under_15", k, year, poverty[k]) for k in kreise for year in (2010, 2011, 2012)],
            "covariate unit period value",
        ),
    }
    for table, (rows, columns) in frames.items():
        made.connection.register("given", pd.DataFrame(rows, columns=columns.split()))
        made.connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM given")
    made.connection.execute("DELETE FROM staging.registered_children")
    cells_of, around = StudyCells(made.connection), read_surroundings(made.connection, plan)
    for row in findings_of(cells_of, plan, plan.outcome(name), around):
        yield f"{row.threat} {row.assumption}".strip(), row


def test_rates_of_kreise_give_rows_where_children_are_not_needed_and_reasons_where_they_are() -> None:
    found = dict(official())
    biased, right = found["main as planned"], found["with_covariate_sgb2_under_15 held constant"]
    assert number(biased) > 1.2 * TAU
    assert recovers(right)
    assert number(found["with_covariate_sgb2_under_15 without it, same cells"]) == pytest.approx(number(biased))
    assert biased.n is None
    for name in ("spillover", "exposed_controls_dropped", "within_kreis", "ratio_scale", "coverage", "mobility"):
        assert found[name].status == "not estimable" and found[name].note
    assert found["honest_smoothness average, bend 0"].status == "estimated"


def released(*findings: Finding) -> list[tuple[object, ...]]:
    """threat, status, estimate, n_children of disclosure.sensitivity, threshold 10."""
    connection = in_memory()
    for schema in ("plan", "horizon", "disclosure", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute("CREATE TABLE plan.study AS SELECT 10 AS threshold")
    columns = ", ".join(f"{column.name} {kind}" for column, kind in (*SENSITIVITY_COLUMNS, PLAN_HASH))
    connection.execute(f"CREATE TABLE horizon.sensitivity ({columns})")
    for row in findings:
        connection.execute(
            "INSERT INTO horizon.sensitivity (outcome, threat, assumption, estimate, n, status, note)"
            " VALUES ('y', ?, ?, ?, ?, ?, ?)",
            [row.threat, row.assumption, row.estimate, row.n, row.status, row.note],
        )
    build_table(connection, CATALOG["disclosure.sensitivity"])
    return connection.execute(
        "SELECT threat, status, estimate, n_children FROM disclosure.sensitivity ORDER BY threat"
    ).fetchall()


def test_rows_on_few_children_or_few_others_than_the_main_result_are_taken_out() -> None:
    row = Finding("main", estimate=1.0, n=500)
    rows = released(
        row,
        replace(row, threat="a_same_children"),
        replace(row, threat="b_few_others", n=495),
        replace(row, threat="c_many_others", n=400),
        replace(row, threat="d_few", n=9),
        replace(row, threat="e_unknown", n=None),
    )
    assert rows == [
        ("a_same_children", "estimated", 1.0, 500),
        ("b_few_others", "suppressed", None, None),
        ("c_many_others", "estimated", 1.0, 400),
        ("d_few", "suppressed", None, None),
        ("e_unknown", "estimated", 1.0, None),
        ("main", "estimated", 1.0, 500),
    ]


def test_rows_of_the_table_are_those_of_primary_outcomes_in_a_fixed_order() -> None:
    made = study(effect)
    first, second = (
        list(sensitivity_rows(made.connection, made.plan)),
        list(sensitivity_rows(made.connection, made.plan)),
    )
    assert first == second
    assert {row[0] for row in first} == {OUTCOME}
    assert [row[3] for row in first] == list(range(1, len(first) + 1))
    assert len({(row[0], row[1], row[2]) for row in first}) == len(first)


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
