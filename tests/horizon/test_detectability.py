"""Minimum detectable effects by year: by hand, planned and from data, ahead of the data, and what they promise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.horizon.contrasts import Layout, combine, event_loading, overall_loading
from kkz_eval.horizon.detectability import MdeOptions, detected_by_year, first_detectable_year
from kkz_eval.horizon.exposure import dose_share
from kkz_eval.horizon.outcome_horizon import Horizon, HorizonOptions, horizon, planned_horizon
from kkz_eval.horizon.variance import VarianceAssumptions, covariance, variance
from kkz_eval.inference.uncertainty import few_cluster_df

Array = NDArray[np.float64]
MakeLayout = Callable[..., Layout]
Cells = Callable[..., CellPanel]
Simulated = Callable[..., pd.DataFrame]
Dose = Callable[[NDArray[np.int64], NDArray[np.int64]], Array]
ASSUMED = VarianceAssumptions(sd=0.018, rho=0.6, random_walk_sd=0.004, child_sd=0.4, children=100.0)


def planned(layout: Layout, dose: Dose, assumed: VarianceAssumptions = ASSUMED, **more: object) -> Horizon:
    return planned_horizon(layout, dose, EstimatorOptions(), assumed, full_years=6.75, **more)


def t_sum(df: float, alpha: float = 0.05, power: float = 0.8) -> float:
    return float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df))


def test_first_year_of_one_cohort_by_hand(make_layout: MakeLayout, dose: Dose) -> None:
    """One effect with dose 0.5: MDE = (t + t)·√Var/(0.5/6.75), t with 4 equal treated Kreise − 1 degrees of freedom."""
    layout = make_layout(n_units=12, n_kreise=12, cohorts=(2010,), each=4)
    layout = replace(layout, weight=np.ones(12))
    assumed = VarianceAssumptions(sd=2.0, rho=0.0, random_walk_sd=0.0, child_sd=3.0, children=50.0)
    found = planned_horizon(layout, dose, EstimatorOptions(), assumed, full_years=6.75)
    error = np.sqrt((2 * 4.0 + 2 * 9.0 / 50) * (1 / 4 + 1 / 8))
    first = found.years[0]
    assert first.period == 2010
    assert first.df == pytest.approx(3)
    assert first.information == pytest.approx((0.5 / 6.75 / error) ** 2)
    assert first.mde_full == pytest.approx(t_sum(3) * error / (0.5 / 6.75))
    assert first.mde_full == pytest.approx(first.mde_nonnegative)
    assert first.mde_average == pytest.approx(t_sum(3) * error)
    assert first.mde_latest_event == pytest.approx(t_sum(3) * error)
    assert (first.max_dose, first.latest_event_time, first.longest_lag) == (0.5, 0, 1)
    assert first.is_projected
    assert not first.is_extrapolated


def test_every_year_from_the_definition(make_layout: MakeLayout, dose: Dose) -> None:
    """I_T = h'V⁻¹h over the effects up to T; average and latest effect by their own variances and df."""
    layout = make_layout()
    found = planned(layout, dose, settings=HorizonOptions(mde=MdeOptions(alpha=0.1, power=0.9)))
    contrasts, model = found.contrasts, found.model
    share = dose_share(dose(contrasts.cohort, contrasts.period), 6.75)
    whole = covariance(contrasts.weights, layout, model)
    for year in found.years:
        seen = contrasts.period <= year.period
        inverse = np.linalg.inv(whole[np.ix_(seen, seen)])
        assert year.information == pytest.approx(share[seen] @ inverse @ share[seen], rel=1e-9)
        assert year.df is not None
        assert year.mde_full == pytest.approx(t_sum(year.df, 0.1, 0.9) / np.sqrt(year.information), rel=1e-9)
        for mde, loading in (
            (year.mde_average, overall_loading(contrasts, year.period)),
            (year.mde_latest_event, event_loading(contrasts, year.latest_event_time, year.period)),
        ):
            by_kreis = contrasts.treated_by_kreis(loading[None])[0]
            df = by_kreis.sum() ** 2 / (by_kreis**2).sum() - 1
            error = np.sqrt(variance(combine(contrasts, [loading]), layout, model)[0])
            assert mde == pytest.approx(t_sum(df, 0.1, 0.9) * error, rel=1e-9)
        assert year.mean_share == pytest.approx(overall_loading(contrasts, year.period) @ share)
        assert year.mde_full_by_average == pytest.approx(year.mde_average / year.mean_share)
        assert year.mde_full_by_average >= t_sum(300, 0.1, 0.9) / np.sqrt(year.information)  # GLS is the best
    assert [year.period for year in found.years] == list(range(2010, 2020))
    assert (np.diff([year.information for year in found.years]) > 0).all()


def test_df_of_the_average_is_that_of_its_inference(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    """The average effect has the degrees of freedom that the jackknife of the estimate uses."""
    panel = cells(simulated(1))
    found = horizon(panel, dose, EstimatorOptions(), full_years=6.75, last_year=2019)
    fit = callaway_santanna(panel, EstimatorOptions())
    (overall,) = fit.index(aggregation="overall")
    last = found.years[-1]
    error = np.sqrt(
        variance(
            combine(found.contrasts, [overall_loading(found.contrasts, 2019)]), found.contrasts.layout, found.model
        )
    )
    assert last.mde_average == pytest.approx(t_sum(few_cluster_df(fit)[overall]) * error[0], rel=1e-9)


def test_horizon_goes_beyond_the_data_and_says_so(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(2))  # 2010 to 2019, cohorts 2014 and 2017
    found = horizon(panel, dose, EstimatorOptions(), full_years=6.75, last_year=2026)
    assert [y.period for y in found.years] == list(range(2014, 2027))
    assert [y.is_projected for y in found.years] == [False] * 6 + [True] * 7
    assert found.variogram is not None
    assert found.variogram.longest_lag == 9
    # the base of the first cohort is 2013: from 2023 on effects span ten years and more
    assert [y.is_extrapolated for y in found.years] == [False] * 9 + [True] * 4
    assert {s.period for s in found.slopes} == set(range(2014, 2020))
    assert len(found.slopes) == 6 * 3 * 2
    assert all(y.mde_full_error is not None and y.mde_full_error > 0 for y in found.years)
    periods, information, df = found.looks()
    assert periods.tolist() == [y.period for y in found.years]
    assert (np.diff(information) > 0).all()
    assert (df >= 1).all()


def test_as_of_a_period_nothing_later_is_used(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(3))
    early = panel.select_periods(panel.periods <= 2017)
    whole = horizon(panel, dose, EstimatorOptions(), full_years=6.75, last_year=2022, as_of_period=2017)
    cut = horizon(early, dose, EstimatorOptions(), full_years=6.75, last_year=2022)
    assert whole.years == cut.years
    assert whole.slopes == cut.slopes


def test_adding_years_does_not_move_the_years_before(make_layout: MakeLayout, dose: Dose) -> None:
    short, long = planned(make_layout(n_periods=10), dose), planned(make_layout(n_periods=20), dose)
    for before, after in zip(short.years, long.years, strict=False):
        assert after.period == before.period
        if before.period < 2014:  # the cohort of 2014 is a comparison of both until then
            assert after.mde_full == pytest.approx(before.mde_full, rel=1e-9)


def test_excluded_years_have_no_row_and_later_ones_stay(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(4))
    gap = panel.select_periods(panel.periods != 2016)
    found = horizon(gap, dose, EstimatorOptions(), full_years=6.75, last_year=2020)
    assert [y.period for y in found.years] == [2014, 2015, 2017, 2018, 2019, 2020]


def test_first_year_that_shows_an_effect(make_layout: MakeLayout, dose: Dose) -> None:
    found = planned(make_layout(), dose)
    values = [year.mde_full for year in found.years]
    target = (values[4] + values[5]) / 2
    year = found.first_detectable_year(-target)
    assert year is not None
    assert year.period == found.years[5].period
    assert found.first_detectable_year(values[-1] / 2) is None
    assert first_detectable_year([], 1.0) is None


def test_without_a_dose_that_counts_there_is_a_reason(make_layout: MakeLayout, dose: Dose) -> None:
    """If only years beyond the third count, the first three years show nothing."""
    found = planned(make_layout(), dose, settings=HorizonOptions(shape="threshold"))
    for year in found.years[:3]:
        assert year.mde_full is None
        assert year.information is None
        assert "dose" in year.reason
        assert year.mde_average is not None
    assert found.years[3].mde_full is not None


def test_larger_shocks_and_fewer_children_need_larger_effects(make_layout: MakeLayout, dose: Dose) -> None:
    layout = make_layout()
    base = planned(layout, dose).years[-1].mde_full
    for worse in (
        replace(ASSUMED, sd=0.03),
        replace(ASSUMED, random_walk_sd=0.01),
        replace(ASSUMED, children=25.0),
        replace(ASSUMED, children=np.full((60, 14), 25.0)),
        replace(ASSUMED, kreis_sd=0.02),
    ):
        assert planned(layout, dose, worse).years[-1].mde_full > base


def test_probability_of_detection_by_year(make_layout: MakeLayout, dose: Dose) -> None:
    """Against simulated looks with independent increments; Student's bounds make early detection less likely."""
    found = planned(make_layout(), dose)
    _, information, df = found.looks()
    bounds = np.linspace(4.0, 2.1, len(information))
    effect = float(found.years[-1].mde_full)
    rng = np.random.default_rng(1)
    gained = np.diff(information, prepend=0.0)
    score = (effect * gained + np.sqrt(gained) * rng.normal(size=(40_000, len(gained)))).cumsum(axis=1)
    crossed = np.abs(score / np.sqrt(information)) > bounds
    simulated = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    np.testing.assert_allclose(detected_by_year(information, bounds, -effect), simulated, atol=0.01)  # 4 MC errors
    careful = detected_by_year(information, bounds, effect, df=df)
    assert (careful < detected_by_year(information, bounds, effect)).all()
    assert (np.diff(careful) >= 0).all()
    given = detected_by_year(information, bounds, effect, crossing=lambda _i, b, e: np.asarray(b) * 0 + e)
    assert (given == effect).all()


def test_future_adopters_are_no_never_treated_units(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    """Estimates and weights agree for a cohort that adopts after the data, whichever units compare."""
    panel = cells(simulated(9, cohorts=(2014, 2022, np.nan)))
    for control in ("never_treated", "not_yet_treated"):
        found = horizon(
            panel, dose, EstimatorOptions(control_group=control), full_years=6.75, last_year=2025,
            settings=HorizonOptions(shapes=("linear",)),
        )  # fmt: skip
        contrasts = found.contrasts
        assert set(contrasts.cohort.tolist()) == {2014, 2022}
        done = contrasts.period <= 2019
        value = np.hstack([panel.value, np.zeros((48, 6))])
        effects = np.einsum("kut,ut->k", contrasts.weights[done], value)
        (row,) = [s for s in found.slopes if (s.period, s.method) == (2014, "gls")]
        assert row.estimate == pytest.approx(effects[0] / (0.5 / 6.75), rel=1e-9)


def test_before_anybody_adopts_all_years_are_projected(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(10))
    early = panel.select_periods(panel.periods < 2014)
    found = horizon(early, dose, EstimatorOptions(), full_years=6.75, last_year=2020)
    assert found.slopes == ()
    assert all(year.is_projected and year.mde_full is not None for year in found.years)
    assert [y.period for y in found.years if not y.is_extrapolated] == [2014, 2015, 2016]  # lags up to 3 are measured


def test_long_baseline_is_one_more_slope_and_no_less_precise(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(5))
    settings = HorizonOptions(shapes=("linear",), long_baseline=True)
    found = horizon(panel, dose, EstimatorOptions(), full_years=6.75, last_year=2019, settings=settings)
    (long,) = [s for s in found.slopes if s.method == "gls_long_baseline"]
    (usual,) = [s for s in found.slopes if s.method == "gls" and s.period == 2019]
    assert long.information >= usual.information * (1 - 1e-9)
    assert long.std_error is not None


def test_unweighted_options_are_followed(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(6))
    one = horizon(panel, dose, EstimatorOptions(weighted=False), full_years=6.75, last_year=2021)
    other = horizon(
        replace(panel, weight=np.ones(len(panel.units))), dose, EstimatorOptions(), full_years=6.75, last_year=2021
    )  # fmt: skip
    assert one.years == other.years
    assert one.slopes == other.slopes


def test_names_weights_and_units_of_measure_do_not_matter(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    """Points instead of shares multiply effects by 100; other names of Kreise and doubled weights change nothing."""
    panel = cells(simulated(11))
    other = replace(
        panel,
        cluster=np.array(["z" + str(99 - int(label[1:])) for label in panel.cluster]),
        weight=2 * panel.weight,
        value=100 * panel.value,
        total=100 * panel.total,
        total_of_squares=1e4 * panel.total_of_squares,
    )
    one, two = (horizon(p, dose, EstimatorOptions(), full_years=6.75, last_year=2022) for p in (panel, other))
    for a, b in zip(one.years, two.years, strict=True):
        assert b.df == pytest.approx(a.df, rel=1e-6)
        for name in ("mde_full", "mde_nonnegative", "mde_latest_event", "mde_average", "mde_full_error"):
            assert getattr(b, name) == pytest.approx(100 * getattr(a, name), rel=1e-6)
    for c, d in zip(one.slopes, two.slopes, strict=True):
        assert (c.estimate is None) == (d.estimate is None)
        if c.estimate is not None:
            assert d.estimate == pytest.approx(100 * c.estimate, rel=1e-6)
            assert d.std_error == pytest.approx(100 * c.std_error, rel=1e-6)


def test_units_with_unknown_numbers_and_size_classes(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(7))
    unknown = np.full(panel.value.shape, np.nan)
    blind = replace(panel, n=unknown, total=unknown, total_of_squares=unknown)
    found = horizon(blind, dose, EstimatorOptions(), full_years=6.75, last_year=2021)
    assert any("numbers of children are unknown" in note for note in found.notes)
    assert found.years[-1].mde_full is not None
    classes = horizon(
        panel, dose, EstimatorOptions(), full_years=6.75, last_year=2021, settings=HorizonOptions(strata=3)
    )
    assert classes.variogram is not None
    assert classes.variogram.total.shape[0] == 3


def test_bad_questions_are_refused(simulated: Simulated, cells: Cells, dose: Dose) -> None:
    panel = cells(simulated(8))

    def ask(given: CellPanel, **more: object) -> Horizon:
        return horizon(given, dose, EstimatorOptions(), **{"full_years": 6.75, "last_year": 2021, **more})

    for bad in (
        panel.select_periods(panel.periods >= 2017),
        panel.select(np.isinf(panel.cohort)),
        panel.select(panel.cohort == 2014),
        replace(panel, cluster=np.full(len(panel.units), "k")),
    ):
        with pytest.raises(EstimationError, match=r"^[A-Zc].*\.$"):
            ask(bad)
    with pytest.raises(EstimationError, match="before the last period"):
        ask(panel, last_year=2015)
    with pytest.raises(EstimationError, match="no value up to"):
        ask(panel, as_of_period=2001)
    with pytest.raises(EstimationError, match="full dose"):
        ask(panel, full_years=0.0)
    with pytest.raises(EstimationError, match="size classes"):
        ask(panel, settings=HorizonOptions(strata=0))
    with pytest.raises(EstimationError, match="table of exposure"):
        horizon(panel, {(2014, 2014): 0.5}, EstimatorOptions(), full_years=6.75, last_year=2021)
    with pytest.raises(EstimationError, match="Alpha and power"):
        MdeOptions(power=1.0)
    still = replace(panel, value=np.ones_like(panel.value), total=panel.n, total_of_squares=panel.n)
    with pytest.raises(EstimationError, match="vary too little"):
        ask(still)
