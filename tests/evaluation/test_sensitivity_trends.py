"""Trends that differ: what the rows of honest bounds and of the look at earlier years say in known worlds."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from threat_worlds import LEFT_OUT, OUTCOME, START, YEARS, Place, effect, number, study, two_of_every_second_kreis

from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.evaluation.threats.main_result import main_result
from kkz_eval.evaluation.threats.surroundings import read_surroundings
from kkz_eval.evaluation.threats.trends import chosen_events, event_path, unbroken_run
from kkz_eval.horizon.honest_smoothness import smoothness_interval
from kkz_eval.horizon.pretrend_power import slope_for_power


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
