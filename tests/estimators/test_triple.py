"""Triple differences: a gap within units is the difference of means, and what strikes both strata is not in it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.triple import common_sample, triple_differences
from kkz_eval.evaluation.specification import Specification, gap_rows
from kkz_eval.inference.analytic import analytic, cluster_covariance
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]


def strata(simulated: Simulated, seed: int, *, shock: float = 0.0, noise: float = 1.0) -> tuple[pd.DataFrame, ...]:
    """Two strata of the same units: effects 2 and 0.5, a gap of 3 before; a shock by Kreis and year hits both.

    Kreise adopt as a whole.
    """
    rng = np.random.default_rng(1000 + seed)
    first = simulated(seed, effect=lambda _g, _e: 2.0, noise=noise)
    second = simulated(seed + 1, effect=lambda _g, _e: 0.5, noise=noise)
    number = first["unit"].str[1:].astype(int)
    first["kreis"] = second["kreis"] = "k" + (number % 3 + 3 * (number // 9)).astype(str)
    levels = first.drop_duplicates("unit")["unit"]
    level = dict(zip(levels, rng.normal(0, 3, len(levels)), strict=True))
    places = first[["kreis", "period"]].drop_duplicates()
    struck = dict(zip(map(tuple, places.to_numpy()), shock * rng.normal(size=len(places)), strict=True))
    weight = first["weight"]
    out = []
    for frame, gap in ((first, 3.0), (second, 0.0)):
        own = frame.groupby("unit")["value"].transform("first") if noise == 0 else 0.0
        common = frame["unit"].map(level) + [struck[pair] for pair in zip(frame["kreis"], frame["period"], strict=True)]
        value = frame["value"] - own + gap + common
        out.append(frame.assign(value=value, weight=weight, total=frame["n"] * value))
    return tuple(out)


def holed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame.sample(frac=0.85, random_state=seed)


@pytest.mark.parametrize("design", ["panel", "unbalanced"])
@pytest.mark.parametrize(
    "options", [{}, {"anticipation": 1}, {"control_group": "never_treated", "base_period": "varying"}]
)
def test_equals_callaway_santanna_on_differences_of_means(
    design: str, options: dict[str, object], simulated: Simulated, cells: Cells
) -> None:
    """Estimates, influence functions and estimates without each cluster; cells, units and periods that are missing."""
    one, two = (holed(frame, i) for i, frame in enumerate(strata(simulated, 1, shock=1.0)))
    one, two = one[one["unit"] != "u004"], two[(two["unit"] != "u007") & (two["period"] != 2011)]
    chosen = EstimatorOptions(design=design, **options)
    fit = triple_differences(cells(one), cells(two), chosen)
    both = one.merge(two, on=["unit", "period"], suffixes=("", "_two"))
    both["gap"] = both["total"] / both["n"] - both["total_two"] / both["n_two"]
    names = {"n": None, "total": None, "total_of_squares": None}
    expected = callaway_santanna(cells(both, value="gap", **names), chosen)
    assert fit.parameters == expected.parameters
    np.testing.assert_allclose(fit.estimate, expected.estimate, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fit.influence.values, expected.influence.values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fit.leave_out(), expected.leave_out(), rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(fit.used, expected.used)
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == fit.extra["first"].estimate[overall] - fit.extra["second"].estimate[overall]
    n_alone = len(one) + len(two) - 2 * len(both)
    assert all(f"{n_alone} unit-periods with children of one stratum alone left out" in note for note in fit.notes)


def test_exact_truth_and_a_shock_that_strikes_both_is_not_in_the_gap(simulated: Simulated, cells: Cells) -> None:
    one, two = strata(simulated, 2, shock=5.0, noise=0)
    fit = triple_differences(cells(one), cells(two), EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == pytest.approx(1.5, abs=1e-12)
    assert fit.extra["gap_before"] == pytest.approx(3.0, abs=1e-12)
    assert np.abs(fit.influence.values).max() < 1e-12
    assert analytic(fit.extra["first"]).std_error[overall] > 0.3


def test_error_of_the_gap_does_not_contain_the_common_shock(simulated: Simulated, cells: Cells) -> None:
    """The same noise with and without the shock: equal errors of the gap, larger errors of the strata."""
    calm, struck = (
        triple_differences(*(cells(frame) for frame in strata(simulated, 3, shock=shock)), EstimatorOptions())
        for shock in (0.0, 4.0)
    )
    (overall,) = calm.index(aggregation="overall")
    np.testing.assert_allclose(struck.estimate, calm.estimate, atol=1e-10)
    np.testing.assert_allclose(cluster_covariance(struck), cluster_covariance(calm), atol=1e-10)
    for of in (analytic, jackknife):
        gap, first, second = (
            of(fit).std_error[overall] for fit in (struck, *map(struck.extra.get, ("first", "second")))
        )
        assert of(calm).std_error[overall] == pytest.approx(gap, rel=1e-9)
        assert gap < 0.5 * np.hypot(first, second)  # what two independent errors would give


def test_errors_of_both_kinds_agree_and_have_the_right_size(simulated: Simulated, cells: Cells) -> None:
    """60 samples with shocks: mean within three Monte-Carlo errors of 1.5, mean error within 30 % of the spread.

    A Kreis holds 3 of the 16 units of its cohort, so that without it deviations are up to 16/13 of those of influence
    functions.
    """
    found = []
    for seed in range(60):
        panels = [cells(frame, weight=None) for frame in strata(simulated, 10 * seed, shock=2.0)]
        fit = triple_differences(panels[0], panels[1], EstimatorOptions())
        (overall,) = fit.index(aggregation="overall")
        found.append((fit.estimate[overall], analytic(fit).std_error[overall], jackknife(fit).std_error[overall]))
    estimate, by_influence, by_jackknife = np.array(found).T
    assert estimate.mean() == pytest.approx(1.5, abs=3 * estimate.std() / np.sqrt(60))
    assert by_influence.mean() == pytest.approx(estimate.std(), rel=0.3)
    assert 1 < by_jackknife.mean() / by_influence.mean() < 16 / 13


def test_fast_jackknife_equals_estimating_anew(simulated: Simulated, cells: Cells) -> None:
    one, two = (cells(holed(frame, i)) for i, frame in enumerate(strata(simulated, 4)))

    def again(rest: CellPanel, options: EstimatorOptions) -> Fit:
        return triple_differences(rest, two.select(np.isin(two.units, rest.units)), options)

    fit = again(one, EstimatorOptions())
    np.testing.assert_allclose(
        fit.leave_out(), refit_without_each_cluster(again, one, EstimatorOptions(), fit), atol=1e-10
    )


def test_weights_are_fixed_and_the_same_for_both(simulated: Simulated, cells: Cells) -> None:
    """Only the sum of the two strata's weights counts; exchanging the strata turns the sign."""
    one, two = strata(simulated, 5)
    plain = triple_differences(cells(one), cells(two), EstimatorOptions())
    share = one["unit"].str[1:].astype(int) % 5 / 6 + 0.1
    split = triple_differences(
        cells(one.assign(weight=share * one["weight"])),
        cells(two.assign(weight=(1 - share) * two["weight"])),
        EstimatorOptions(),
    )
    np.testing.assert_allclose(split.estimate, plain.estimate, atol=1e-12)
    turned = triple_differences(cells(two), cells(one), EstimatorOptions())
    np.testing.assert_array_equal(turned.estimate, -plain.estimate)
    np.testing.assert_array_equal(plain.n_children, turned.n_children)
    group = plain.index(aggregation="group_time", cohort=2014, period=2015)[0]
    at = (one["cohort"] == 2014) & (one["period"] == 2015)
    assert plain.n_children[group] == one.loc[at, "n"].sum() + two.loc[at, "n"].sum()


def test_rows_show_both_strata_and_the_gap(simulated: Simulated, cells: Cells) -> None:
    one, two = (cells(holed(frame, i)) for i, frame in enumerate(strata(simulated, 6)))
    rows = gap_rows(one, two, Specification("main", draws=500), ("poor", "other"))
    key = {(row.comparison, row.aggregation, row.cohort, row.period, row.event_time): row for row in rows}
    assert len(key) == len(rows)
    names = ["main: poor", "main: other", "main: poor minus other"]
    assert list(dict.fromkeys(row.comparison for row in rows)) == names
    gaps = [row for row in rows if row.comparison == names[2]]
    assert {row.estimator for row in gaps} == {"triple_differences"}
    assert {row.aggregation for row in gaps} == {"group_time", "overall", "group", "calendar", "event", "pretest"}
    for row in gaps:
        parts = [key[name, row.aggregation, row.cohort, row.period, row.event_time] for name in names[:2]]
        if row.aggregation == "pretest":
            continue
        assert row.estimate == pytest.approx(parts[0].estimate - parts[1].estimate, abs=1e-12)
        assert row.n == parts[0].n + parts[1].n
        assert {part.n_units for part in parts} == {row.n_units}
        assert "only unit-periods in which both strata have children" in row.note
    (overall,) = [row for row in gaps if row.aggregation == "overall"]
    assert overall.note.startswith("effect on the gap, first stratum minus second; gap of treated units in their last")
    assert parts[0].estimator == "callaway_santanna"
    assert "effect on the first stratum" in key["main: poor", "overall", None, None, None].note


def test_one_treated_unit_and_official_rates(simulated: Simulated, cells: Cells) -> None:
    one, two = (frame[frame["cohort"].isna() | (frame["unit"] == "u000")] for frame in strata(simulated, 7, noise=0))
    rates = {"n": None, "total": None, "total_of_squares": None, "value": "value", "cluster": None}
    rows = gap_rows(cells(one, **rates), cells(two, **rates), Specification("main", draws=500))
    overall = [row for row in rows if row.aggregation == "overall"]
    assert [row.estimate for row in overall] == pytest.approx([2.0, 0.5, 1.5])
    assert all(row.status == "not estimable" and "one treated cluster" in row.note for row in overall)
    assert all(row.n is None for row in overall)


def test_what_does_not_fit_is_refused(simulated: Simulated, cells: Cells) -> None:
    one, two = (cells(frame) for frame in strata(simulated, 8))
    with pytest.raises(EstimationError, match=r"same weights for both: use design panel"):
        triple_differences(one, two, EstimatorOptions(design="cross_section"))
    layers = EstimatorOptions(covariates=np.zeros((*one.value.shape, 1)), covariate_names=("x",))
    with pytest.raises(EstimationError, match="take no covariates"):
        triple_differences(one, two, layers)
    with pytest.raises(EstimationError, match="the cohort differs between the strata in 16 of 48 units"):
        triple_differences(one, replace(two, cohort=np.where(two.cohort == 2014, 2015, two.cohort)), EstimatorOptions())
    with pytest.raises(EstimationError, match="the cluster differs between the strata in 48 of 48 units"):
        triple_differences(one, replace(two, cluster=two.units), EstimatorOptions())
    elsewhere = replace(two, units=np.char.add("x", two.units))
    with pytest.raises(EstimationError, match="no unit has a value of both strata"):
        common_sample(one, elsewhere)
    (row,) = gap_rows(one, elsewhere, Specification("main"))
    assert (row.estimator, row.comparison, row.status) == (
        "triple_differences", "main: first minus second", "not estimable"
    )  # fmt: skip
    with pytest.raises(EstimationError, match="a gap is estimated by callaway_santanna, not by imputation"):
        gap_rows(one, two, Specification("main", estimator="imputation"))
