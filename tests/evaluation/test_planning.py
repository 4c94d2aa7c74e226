"""A planned horizon: by hand, from assumed and from measured variances of the same world, and what is refused."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.evaluation.look_chances import LookYear, chances
from kkz_eval.evaluation.planning import plan_horizon
from kkz_eval.evaluation.planning_assumptions import SHARES, Assumed, assumptions_of
from kkz_eval.evaluation.planning_cells import CellFile, read_cells, untreated_cells
from kkz_eval.evaluation.planning_places import Places, places_of, reference_tables
from kkz_eval.evaluation.planning_result import PlannedOutcome
from kkz_eval.evaluation.run import specification_of
from kkz_eval.horizon.outcome_horizon import horizon
from kkz_eval.horizon.power_formula import minimum_detectable_effect, panel_variance
from kkz_eval.plan.model import Plan
from kkz_eval.plan.read import parse_plan, shipped_plan

EXAM = "german_insufficient"
KNOWN = Assumed(sd=0.02, correlation=0.6, drift=0.004, level=0.2)
LAST_YEAR = 2019
Changed = Callable[..., Plan]


@cache
def demo_plan() -> Plan:
    return parse_plan(shipped_plan("demo"), "the shipped demo plan")


def changed(**sections: Any) -> Plan:
    """The demo plan with the exam outcome alone, or others, and some sections changed."""
    names = sections.pop("outcomes", (EXAM,))
    content = demo_plan().model_dump()
    content["outcomes"] = [one for one in content["outcomes"] if one["name"] in names]
    content["threats"] = {}
    for section, changes in sections.items():
        content[section] = content[section] | changes if isinstance(changes, dict) else changes
    return Plan.model_validate(content)


@cache
def exam_places() -> Places:
    with reference_tables(changed()) as connection:
        return places_of(connection, demo_plan(), demo_plan().outcome(EXAM))


def planned(plan: Plan, basis: Assumed | CellFile = KNOWN, **more: Any) -> PlannedOutcome:
    (block,) = plan_horizon(plan, basis, **more)
    return block


@cache
def untreated_world(seed: int = 20260101) -> tuple[np.ndarray, np.ndarray]:
    """Children (U,) and cases (U, T) of 2006 to 2019: fading shocks and random walks as in `KNOWN`, no effect."""
    rng = np.random.default_rng(seed)
    n_units, n_periods = len(exam_places().units), LAST_YEAR - 2005
    shock = rng.normal(size=(n_units, n_periods))
    path = np.empty_like(shock)
    path[:, 0] = KNOWN.sd * shock[:, 0]
    for t in range(1, n_periods):
        path[:, t] = KNOWN.correlation * path[:, t - 1] + KNOWN.sd * np.sqrt(1 - KNOWN.correlation**2) * shock[:, t]
    path += KNOWN.drift * rng.normal(size=path.shape).cumsum(axis=1)
    n = np.round(exam_places().children).astype(int)
    return n, rng.binomial(n[:, None], np.clip(0.2 + path, 0, 1))


def cells_of(first: int = 2006, last: int = LAST_YEAR, *, never_only_after: int | None = None) -> CellFile:
    """Cells of the world as a file would hold them."""
    n, total = untreated_world()
    places = exam_places()
    return CellFile(
        "cells.csv",
        {
            (unit, period): {
                "n": float(n[u]),
                "total": float(total[u, period - 2006]),
                "total_of_squares": float(total[u, period - 2006]),
                "value": float("nan"),
            }
            for u, unit in enumerate(places.units)
            for period in range(first, last + 1)
            if never_only_after is None or period <= never_only_after or np.isinf(places.cohort[u])
        },
    )


def test_two_groups_two_periods_agree_with_the_closed_form() -> None:
    """First exposed year of one wave, equal places: the variance of Burlig, Preonas and Woerman with m = r = 1."""
    plan = changed(
        treatment={"waves": [2020]},
        estimation={"cluster": "unit", "weights": "equal"},
        excluded_periods=(),
    )
    assumed = Assumed(sd=0.03, correlation=0.5, drift=0.0, level=0.3, children_per_cell=80)
    block = planned(plan, assumed)
    (wave,) = block.waves
    places = int(block.rests_on["plan_places"])
    variance = panel_variance(
        n_pre=1,
        n_post=1,
        n_units=places,
        share_treated=wave.n_places / places,
        residual_variance=0.03**2 + 0.3 * 0.7 / 80,
        across=0.5 * 0.03**2,
    )
    first = block.years[0]
    # Programme from 1 August 2020, exam on 1 January 2021: five months of 5.79 years and pregnancy.
    share = (2021 - (2020 + 7 / 12)) / (5.79 + 280 / 365.25)
    assert first.period == wave.first_period == 2021
    assert first.share_of_full == pytest.approx(share, abs=1e-6)
    assert first.mde_average == pytest.approx(minimum_detectable_effect(variance, wave.n_places - 1))
    assert first.mde_full == pytest.approx(first.mde_average / share, rel=1e-5)


def test_first_cohorts_of_the_demo_plan_by_hand() -> None:
    """Wave of 1 January 2012, exam at 5.79 years on 1 January: a year of exposure in 2013; conceived after the start
    are those born from October 2012 on, examined from 2019 on. Later outcomes of the same cohorts come years later."""
    blocks = plan_horizon(demo_plan(), SHARES, outcomes=[EXAM, "grade_3_low", "leaving_without_certificate"])
    found = {
        block.outcome.name: (
            block.first_exposed.first_period,
            block.first_exposed.first_year,
            block.first_full.full_period,
            block.first_full.full_year,
        )
        for block in blocks
        if block.first_exposed and block.first_full
    }
    assert found == {
        EXAM: (2013, 2013, 2019, 2019),
        "grade_3_low": (2013, 2016, 2019, 2022),
        "leaving_without_certificate": (2013, 2023, 2019, 2029),
    }
    exam = blocks[0]
    assert [wave.wave for wave in exam.waves] == [2012, 2017, 2020]
    # every year from the first exposed to the end of the horizon but those the plan excludes
    assert [y.year for y in exam.years] == [y for y in range(2013, 2036) if y not in (2020, 2021, 2022)]
    assert all(year.is_projected and not year.is_extrapolated for year in exam.years)
    assert blocks[2].years[-1].year == 2035


def test_more_variation_and_fewer_children_need_larger_effects() -> None:
    base = planned(changed()).years[-1].mde_full
    for worse in (
        {"sd": 0.04},
        {"drift": 0.01},
        {"kreis_sd": 0.02},
        {"level": 0.5},
        {"children_per_cell": 20},
    ):
        assert planned(changed(), assumptions_of(**worse)).years[-1].mde_full > base


def test_year_in_which_an_effect_becomes_detectable() -> None:
    plain = planned(changed())
    sizes = [year.mde_full for year in plain.years]
    middle = (sizes[3] + sizes[4]) / 2
    found = planned(changed(), effect=middle)
    assert found.effect == middle
    assert found.detectable == found.years[4]
    assert planned(changed(), effect=sizes[-1] / 2).detectable is None
    assert plain.effect == demo_plan().outcome(EXAM).effect_worth_knowing


def test_a_single_look_has_the_power_of_its_test() -> None:
    """One look in 2024: P(|Z| > t) with all of the error of the outcome, t of the row's degrees of freedom."""
    plan = changed(looks={"first": 2024, "last": 2024}, outcomes=(EXAM, "u8_u9_complete", "sopess_flagged"))
    block = planned(plan, outcomes=[EXAM], effect=0.02)
    assert block.look_alpha == pytest.approx(0.05 / 3)
    (row,) = [year for year in block.years if year.p_detected is not None]
    assert row.year == 2024
    bound = stats.t.isf(0.05 / 3 / 2, row.df)
    drift = 0.02 * np.sqrt(row.information)
    assert row.p_detected == pytest.approx(stats.norm.sf(bound - drift) + stats.norm.sf(bound + drift), abs=1e-6)


def test_chances_grow_from_look_to_look_and_end_with_the_last() -> None:
    block = planned(changed())
    chance = [(y.year, y.p_detected) for y in block.years if y.p_detected is not None]
    assert chance[0][0] == 2016
    assert chance[-1][0] == 2027
    assert (np.diff([p for _, p in chance]) >= 0).all()
    assert block.found_by_looks is not None
    assert block.detectable is not None
    assert block.found_by_looks.year >= block.detectable.year  # looks share the error, one test does not


def test_looks_without_new_information_are_left_out() -> None:
    rows = [LookYear(2016, 2016, 100.0, 20.0), LookYear(2017, 2017, 100.0, 20.0), LookYear(2018, 2018, 300.0, 20.0)]
    assert set(chances(rows, changed(), demo_plan().outcome(EXAM), 0.2)) == {2016, 2018}


def test_without_looks_in_the_plan_there_is_no_chance() -> None:
    block = planned(changed(looks=None))
    assert block.looks is None
    assert all(year.p_detected is None for year in block.years)
    assert block.detectable is not None


def test_cells_of_a_world_give_the_horizon_of_its_variances() -> None:
    """Variances estimated from simulated cells, against those that made them: within their own jackknife error."""
    measured = planned(changed(), cells_of(never_only_after=2012))
    assumed = planned(changed())
    assert [y.period for y in measured.years] == [y.period for y in assumed.years]
    checked = [(m, a) for m, a in zip(measured.years, assumed.years, strict=True) if m.year <= LAST_YEAR]
    for ours, theirs in checked:
        assert ours.mde_full_error is not None
        assert abs(ours.mde_full - theirs.mde_full) < 4 * ours.mde_full_error
        assert ours.mde_full == pytest.approx(theirs.mde_full, rel=0.12)
    assert measured.rests_on["children_known"] == 1


def test_planned_from_cells_is_the_horizon_of_the_data() -> None:
    """The same cells through `horizon`, which has the treated ones too: only the smoothing of children's variance
    differs."""
    n, total = untreated_world()
    places, plan = exam_places(), changed()
    children = np.repeat(n[:, None], total.shape[1], axis=1).astype(float)
    panel = CellPanel(
        EXAM, np.array(places.units), np.arange(2006, LAST_YEAR + 1), places.cohort, np.array(places.kreis),
        places.weight, children, total.astype(float), total.astype(float), total / children,
    )  # fmt: skip
    options = specification_of(plan, plan.comparisons[0], "callaway_santanna").options()
    data = horizon(panel, places.dose, options, full_years=places.full_years, last_year=LAST_YEAR)
    block = planned(plan, cells_of())
    for ours, theirs in zip(block.years, data.years, strict=False):
        assert ours.period == theirs.period
        assert ours.df == pytest.approx(theirs.df, rel=0.02)
        assert ours.mde_full == pytest.approx(theirs.mde_full, rel=0.02)


def test_treated_cells_of_a_file_are_left_out() -> None:
    """Whatever stands in exposed cells changes nothing; foreign keys are not counted either."""
    clean = cells_of(never_only_after=2012)
    exposed = {key: cell | {"total": 0.0, "total_of_squares": 0.0} for key, cell in cells_of().cells.items()}
    stranger = {("09999999", 2010): next(iter(clean.cells.values()))}
    mixed = CellFile("cells.csv", exposed | stranger | clean.cells)
    keep = exam_places().cohort > 2013
    later = {k: v for k, v in cells_of().cells.items() if keep[exam_places().units.index(k[0])]}
    first, second = (CellFile("cells.csv", base.cells | later) for base in (clean, mixed))
    one, two = planned(changed(), first), planned(changed(), second)
    assert [y.mde_full for y in one.years] == [y.mde_full for y in two.years]
    assert two.rests_on["cells_used"] == one.rests_on["cells_used"]
    assert two.rests_on["cells_given"] > one.rests_on["cells_given"]


def test_years_beyond_the_lags_of_the_cells_are_flagged() -> None:
    """Cells of 2006 to 2010 show lags up to four years; the base of the first cohort is 2012."""
    block = planned(changed(), cells_of(last=2010))
    assert block.rests_on["longest_lag"] == 4
    assert [y.period for y in block.years if not y.is_extrapolated] == [2013, 2014, 2015, 2016]


def test_a_file_of_values_without_children_is_enough() -> None:
    file = cells_of(last=2012)
    values = {
        key: {"n": float("nan"), "total": float("nan"), "total_of_squares": float("nan"), "value": c["total"] / c["n"]}
        for key, c in file.cells.items()
    }
    block = planned(changed(), CellFile("values.csv", values))
    assert block.rests_on["children_known"] == 0
    assert block.years[-1].mde_full == pytest.approx(planned(changed(), file).years[-1].mde_full, rel=0.3)


def test_kreise_with_a_part_in_the_programme_compare_until_it_starts() -> None:
    plan = parse_plan(shipped_plan("official"), "the shipped official plan")
    outcome = plan.outcomes[0]
    with reference_tables(plan) as connection:
        places = places_of(connection, plan, outcome)
        partial = connection.execute("SELECT unit FROM reference.unit WHERE role = 'partial' ORDER BY 1").fetchall()
    layout = places.layout(range(1995, 2036))
    assert partial
    for (unit,) in partial:
        seen = layout.is_observed[places.units.index(unit)]
        assert seen[0]
        assert not seen[-1]
        assert np.isinf(places.cohort[places.units.index(unit)])


def test_places_carry_the_children_of_the_reference() -> None:
    """Düsseldorf had 35,375 children under 6 at the end of 2015 (GENESIS 12411-02-03-5)."""
    places = exam_places()
    assert places.children[places.units.index("05111000")] == pytest.approx(35375 / 6)
    assert len(places.units) == 396


def test_every_outcome_of_the_demo_plan_has_a_table_or_a_reason() -> None:
    blocks = plan_horizon(demo_plan(), SHARES)
    names = [o.name for o in demo_plan().outcomes if o.role != "placebo"]
    assert [block.outcome.name for block in blocks] == names
    for block in blocks:
        is_share = block.outcome.unit_of_measure == "share"
        assert bool(block.years) == is_share
        assert ("shares" in block.reason) != is_share
    assert plan_horizon(demo_plan(), SHARES, outcomes=[EXAM]) == blocks[:1]  # the same again, and alone


def test_an_outcome_that_is_no_share_is_planned_in_its_own_unit() -> None:
    """Points, a hundred times the share in every assumption: a hundred times the smallest effect."""
    share = planned(changed(), Assumed(child_sd=0.4), outcomes=[EXAM])
    points = planned(
        changed(outcomes=("sopess_flagged",), study={"first_period": 2010}),
        assumptions_of(sd=2.0, drift=0.4, child_sd=40.0),
        outcomes=["sopess_flagged"],
    )
    exam = planned(changed(study={"first_period": 2010}), Assumed(child_sd=0.4), outcomes=[EXAM])
    assert points.years[-1].mde_full == pytest.approx(100 * exam.years[-1].mde_full)
    assert share.years[-1].mde_full == pytest.approx(exam.years[-1].mde_full)  # earlier years are no base


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sd": 0.0}, "sd = 0.0"),
        ({"sd": -0.1}, "sd = -0.1"),
        ({"sd": float("nan")}, "sd"),
        ({"sd": 0.6}, "sd = 0.6"),
        ({"correlation": 1.0}, "correlation = 1.0"),
        ({"correlation": -0.1}, "correlation"),
        ({"drift": -0.004}, "drift"),
        ({"level": 0.0}, "level"),
        ({"level": 20.0}, "level"),
        ({"kreis_sd": -1.0}, "kreis-sd"),
        ({"kreis_correlation": 1.0}, "kreis-correlation"),
        ({"children_per_cell": 0.0}, "children per cell"),
        ({"children_per_cell": float("inf")}, "children per cell"),
        ({"child_sd": 0.4}, "sd and drift"),
        ({"child_sd": -1.0, "sd": 1.0, "drift": 0.0}, "child sd"),
        ({"child_sd": 1.0, "level": 0.2, "sd": 1.0, "drift": 0.0}, "not both"),
    ],
)
def test_impossible_assumptions_are_refused(given: dict[str, float], named: str) -> None:
    with pytest.raises(EstimationError, match=named):
        assumptions_of(**given)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(EstimationError, match="not one of plan demo"):
        plan_horizon(demo_plan(), SHARES, outcomes=["reading"])
    with pytest.raises(EstimationError, match="measured in points"):
        plan_horizon(demo_plan(), SHARES, outcomes=["sopess_flagged"])
    with pytest.raises(EstimationError, match="name the outcome"):
        plan_horizon(demo_plan(), Assumed(child_sd=1.0))
    for effect in (0.0, -0.03, float("nan"), 3.0):
        with pytest.raises(EstimationError, match="impossible"):
            planned(changed(), effect=effect)
    with pytest.raises(EstimationError, match="name the outcome"):
        plan_horizon(demo_plan(), cells_of(last=2010))


def test_a_plan_without_participants_is_refused() -> None:
    treated = [unit for unit, g in zip(exam_places().units, exam_places().cohort, strict=True) if np.isfinite(g)]
    excluded = [{"unit": unit, "reason_de": "geprüft", "reason_en": "tested"} for unit in treated]
    with pytest.raises(EstimationError, match="no place takes part"):
        planned(changed(excluded_units=excluded))


def test_a_horizon_that_ends_too_early_is_a_reason() -> None:
    late = "leaving_without_certificate"  # measured ten years after school entry
    plan = changed(outcomes=(EXAM, "sopess_flagged", late), looks={"first": 2014, "last": 2015, "projected_to": 2016})
    block = planned(plan, outcomes=[late])
    assert not block.years
    assert "projected_to" in block.reason


def test_cells_of_other_places_are_refused() -> None:
    cell = next(iter(cells_of(last=2010).cells.values()))
    with pytest.raises(EstimationError, match="leading zero"):
        untreated_cells(CellFile("cells.csv", {("5111000", 2010): cell}), exam_places(), EXAM)


def test_both_separators_and_decimal_marks_read_the_same(tmp_path: Path) -> None:
    english, german = tmp_path / "en.csv", tmp_path / "de.csv"
    english.write_text("unit,period,n,value\n05111000,2010,10,0.25\n\n05111000,2011,,0.5\n", encoding="utf-8")
    german.write_text("unit;period;n;value\n05111000;2010;10;0,25\n05111000;2011;;0,5\n", encoding="utf-8-sig")
    first, second = read_cells(english).cells, read_cells(german).cells
    assert first.keys() == second.keys() == {("05111000", 2010), ("05111000", 2011)}
    assert first["05111000", 2010]["value"] == second["05111000", 2010]["value"] == 0.25
    assert np.isnan(first["05111000", 2011]["n"])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "empty"),
        ("unit,period,n,total\n", "no cell"),
        ("unit,period,n\n05111000,2010,9\n", "line 1"),
        ("unit,period,n,total,mean\n", "column mean"),
        ("unit,unit,period,n,total\n", "twice"),
        ("unit,period,n,total,value\n", "not both"),
        ("unit,period,n,total\n05111000,2010,9\n", "line 2"),
        ("unit,period,n,total\n,2010,9,3\n", "line 2, column unit"),
        ("unit,period,n,total\n05111000,early,9,3\n", "line 2, column period"),
        ("unit,period,n,total\n05111000,2010,9,77x\n", "line 2, column total"),
        ("unit,period,n,total\n05111000,2010,9,inf\n", "line 2, column total"),
        ("unit,period,n,total\n05111000,2010,7.5,3\n", "line 2, column n"),
        ("unit,period,n,total\n05111000,2010,-9,3\n", "line 2, column n"),
        ("unit,period,n,total\n05111000,2010,0,3\n", "line 2, column total"),
        ("unit,period,n,total,total_of_squares\n05111000,2010,2,4,1\n", "column total_of_squares"),
        ("unit,period,n,total\n05111000,2010,9,3\n05111000,2010,9,3\n", "line 3"),
    ],
)
def test_bad_files_of_cells_are_refused_by_line_and_column(text: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "cells.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EstimationError, match=place) as refused:
        read_cells(file)
    assert str(refused.value).endswith(".")
    assert "77x" not in str(refused.value)  # never an entry


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EstimationError, match="no such file"):
        read_cells(tmp_path / "absent.csv")
