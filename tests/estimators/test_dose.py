"""Effects by dose: known truth, sums taken by hand, Callaway–Sant'Anna as the special case, what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.dose import CAUSAL, MATURITY, ONE_DOSE, dose_response
from kkz_eval.estimators.dose_levels import dose_bins
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.inference.analytic import analytic
from kkz_eval.inference.jackknife import jackknife, refit_without_each_cluster
from kkz_eval.inference.uncertainty import ONE_TREATED

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
DESIGNS = ("panel", "cross_section", "unbalanced")
SUMMARIES = ("", "slope", "linearity")


def at(fit: Fit, label: str = "", aggregation: str = "dose") -> float:
    (found,) = fit.index(aggregation=aggregation, label=label)
    return float(fit.estimate[found])


def own_doses(frame: pd.DataFrame, *, growing: bool) -> pd.Series:
    """A share per unit between 0.1 and 1, the same for ever or growing with time; 0 before adoption."""
    share = (frame["unit"].str[1:].astype(int) % 10 + 1) / 10
    since = frame["period"] - frame["cohort"] + 1
    return (share * (since if growing else 1)).where(since > 0, 0.0)


def layer(frame: pd.DataFrame, panel: CellPanel) -> FloatArray:
    wide = frame.pivot(index="unit", columns="period", values="dose").reindex(panel.units, columns=panel.periods)
    return wide.to_numpy(dtype=np.float64)


def with_effect(frame: pd.DataFrame, effect: Callable[[pd.Series], pd.Series], *, growing: bool) -> pd.DataFrame:
    frame = frame.assign(dose=own_doses(frame, growing=growing))
    frame["value"] += effect(frame["dose"])
    return frame.assign(total=frame["n"] * frame["value"])


@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_exact_truth_without_noise(
    design: str, control: str, growing: bool, simulated: Simulated, cells: Cells
) -> None:
    """An effect of 2 per unit of dose comes back from every summary; a bin gives twice its mean dose."""
    frame = with_effect(simulated(1, noise=0).assign(n=10, weight=1.0), lambda d: 2 * d, growing=growing)
    panel = cells(frame)
    fit = dose_response(panel, EstimatorOptions(design=design, control_group=control, dose=layer(frame, panel)))
    assert at(fit) == pytest.approx(2, abs=1e-12)
    assert at(fit, "slope") == pytest.approx(2, abs=1e-12)
    assert at(fit, "linearity") == pytest.approx(0, abs=1e-12)
    bins = [p for p in fit.index(aggregation="dose") if fit.parameters[p].label not in SUMMARIES]
    assert len(bins) == (6 if growing else 4)
    np.testing.assert_allclose(fit.estimate[bins], 2 * fit.extra["mean_dose"][bins], atol=1e-12)
    treated = frame.loc[frame["dose"] > 0, "dose"]
    assert at(fit, aggregation="overall") == pytest.approx(2 * treated.mean(), abs=1e-12)


@pytest.mark.parametrize("anticipation", [0, 1])
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_sums_taken_by_hand(control: str, anticipation: int, simulated: Simulated, cells: Cells) -> None:
    """Missing cells, weights, a curved effect: unit by unit against means of the comparison units."""
    frame = with_effect(simulated(2), lambda d: d**2, growing=True).sample(frac=0.9, random_state=2)
    panel = cells(frame)
    chosen = EstimatorOptions(
        control_group=control, anticipation=anticipation, dose=layer(frame, panel), dose_edges=(0.5, 2.0)
    )
    fit = dose_response(panel, chosen)
    wide = frame.pivot(index="unit", columns="period", values="value")
    units = frame.drop_duplicates("unit").set_index("unit").sort_index()
    first = units["cohort"].fillna(np.inf)
    rows = []
    for row in frame[frame["dose"] > 0].itertuples():
        change = wide[row.period] - wide[row.cohort - 1 - anticipation]
        untreated = np.isinf(first) if control == "never_treated" else first > row.period + anticipation
        among = change[untreated & (first != row.cohort)].dropna()
        effect = change[row.unit] - np.average(among, weights=units.loc[among.index, "weight"])
        rows.append((row.weight, row.dose, effect, row.n))
    w, d, effect, n = np.array([row for row in rows if np.isfinite(row[2])]).T
    assert at(fit) == pytest.approx((w * effect).sum() / (w * d).sum(), abs=1e-12)
    assert at(fit, "slope") == pytest.approx((w * d * effect).sum() / (w * d**2).sum(), abs=1e-12)
    assert at(fit, "linearity") == pytest.approx(at(fit) - at(fit, "slope"), abs=1e-12)
    assert at(fit, aggregation="overall") == pytest.approx(np.average(effect, weights=w), abs=1e-12)
    for label, inside in {
        "dose over 0 up to 0.5": d <= 0.5,
        "dose over 0.5 up to 2": (d > 0.5) & (d <= 2),
        "dose over 2": d > 2,
    }.items():
        assert at(fit, label) == pytest.approx(np.average(effect[inside], weights=w[inside]), abs=1e-12)
        (p,) = fit.index(label=label)
        assert fit.n_children[p] == n[inside].sum()
        assert fit.extra["mean_dose"][p] == pytest.approx(np.average(d[inside], weights=w[inside]))
    assert "treated unit-periods without values in both periods left out" in fit.notes[0]


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("dose", [1.0, 0.25])
def test_equal_doses_give_the_overall_effect_by_the_dose(
    dose: float, control: str, simulated: Simulated, cells: Cells
) -> None:
    panel = cells(simulated(3, effect=lambda g, e: e + g - 2014))
    chosen = EstimatorOptions(control_group=control)
    doses = np.where(panel.periods[None] >= panel.cohort[:, None], dose, 0.0)
    fit, known = dose_response(panel, replace(chosen, dose=doses)), callaway_santanna(panel, chosen)
    (overall,) = known.index(aggregation="overall")
    for label in ("", "slope"):
        (p,) = fit.index(aggregation="dose", label=label)
        assert fit.estimate[p] == pytest.approx(known.estimate[overall] / dose, rel=1e-12)
        np.testing.assert_allclose(fit.influence.values[:, p], known.influence.values[:, overall] / dose, atol=1e-13)
        np.testing.assert_allclose(fit.leave_out()[:, p], known.leave_out()[:, overall] / dose, rtol=1e-11)
        np.testing.assert_array_equal(fit.used[:, p], known.used[:, overall])
        assert fit.n_children[p] == known.n_children[overall]
    (check,) = fit.index(label="linearity")
    assert fit.reason[check] == ONE_DOSE
    assert np.isnan(fit.estimate[check])
    assert np.isnan(fit.leave_out()[:, check]).all()
    assert at(fit, f"dose {dose:g}") == pytest.approx(known.estimate[overall], rel=1e-12)


def test_without_doses_a_bin_is_an_event_time(simulated: Simulated, cells: Cells) -> None:
    panel = cells(simulated(4, effect=lambda _g, e: np.sqrt(e + 1)))
    fit, known = dose_response(panel, EstimatorOptions()), callaway_santanna(panel, EstimatorOptions())
    for event in range(6):
        (p,), (k,) = fit.index(label=f"dose {event + 1}"), known.index(aggregation="event", event_time=event)
        assert fit.estimate[p] == pytest.approx(known.estimate[k], abs=1e-12)
        np.testing.assert_allclose(fit.influence.values[:, p], known.influence.values[:, k], atol=1e-13)
    assert all(MATURITY in fit.notes[p] and CAUSAL in fit.notes[p] for p in fit.index(aggregation="dose"))
    assert "periods since adoption, the first as 1" in fit.notes[0]


def test_numbers_of_r_did(shared: Path) -> None:
    """mpdta: half the dose is twice R's simple effect; doses counted in periods are R's dynamic effects."""
    table = pd.read_csv(shared / "golden" / "ref" / "mpdta_did_aggte.csv")
    wanted = {
        "design": "panel", "xformla": "~1", "cluster": "none", "weights": "none", "anticipation": 0,
        "control_group": "nevertreated", "base_period": "varying", "est_method": "dr",
    }  # fmt: skip
    table = table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]
    frame = pd.read_csv(shared / "golden" / "data" / "mpdta_state.csv").replace({"first.treat": {0: np.nan}})
    panel = CellPanel.from_frame(frame, "lemp", unit="countyreal", period="year", cohort="first.treat", value="lemp")
    chosen = EstimatorOptions(control_group="never_treated", base_period="varying")
    half = np.where(panel.periods[None] >= panel.cohort[:, None], 0.5, 0.0)
    fit = dose_response(panel, replace(chosen, dose=half))
    simple = table[table["type"] == "simple"].iloc[0]
    (p,) = fit.index(aggregation="dose", label="")
    assert fit.estimate[p] == pytest.approx(2 * simple["att"], rel=1e-10)
    assert analytic(fit).std_error[p] == pytest.approx(2 * simple["se"], rel=1e-10)
    fit = dose_response(panel, chosen)
    dynamic = table[(table["type"] == "dynamic") & (table["egt"] >= 0) & ~table["is_overall"].astype(bool)]
    assert len(dynamic) == 4
    for row in dynamic.itertuples():
        (p,) = fit.index(label=f"dose {row.egt + 1:.0f}")
        assert fit.estimate[p] == pytest.approx(row.att, rel=1e-10)
        assert analytic(fit).std_error[p] == pytest.approx(row.se, rel=1e-10)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("growing", [False, True])
def test_fast_jackknife_equals_estimating_anew(growing: bool, design: str, simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(5, n_clusters=12), lambda d: d**2, growing=growing).sample(frac=0.9, random_state=5)
    frame.loc[frame["kreis"] == "k03", "cohort"] = 2014
    frame["dose"] = own_doses(frame, growing=growing)
    panel = cells(frame)
    chosen = EstimatorOptions(design=design, dose_edges=(0.25, 0.5, 1.0))

    def again(rest: CellPanel, options: EstimatorOptions) -> Fit:
        return dose_response(rest, replace(options, dose=layer(frame, rest)))

    fit = again(panel, chosen)
    slow = refit_without_each_cluster(again, panel, chosen, fit)
    assert np.isfinite(slow).all()
    np.testing.assert_allclose(fit.leave_out(), slow, atol=1e-10)


def test_errors_of_both_kinds_agree_and_have_the_right_size(simulated: Simulated, cells: Cells) -> None:
    """100 samples: mean within three Monte-Carlo errors of the truth 2; mean error within 25 % of the spread.

    Of 32 treated units the one with the highest doses holds 15 % of the slope, so that without it deviations are up
    to 1/0.85 of those that influence functions show.
    """
    found = []
    for seed in range(100):
        frame = with_effect(simulated(seed, n_clusters=48), lambda d: 2 * d, growing=True)
        panel = cells(frame, weight=None)
        fit = dose_response(panel, EstimatorOptions(dose=layer(frame, panel)))
        rows = [fit.index(aggregation="dose", label=label)[0] for label in SUMMARIES]
        found.append(np.stack([fit.estimate, analytic(fit).std_error, jackknife(fit).std_error])[:, rows])
    estimate, by_influence, by_jackknife = np.moveaxis(np.array(found), 1, 0)
    spread = estimate.std(axis=0)
    assert (np.abs(estimate.mean(axis=0) - [2, 2, 0]) < 3 * spread / 10).all()
    np.testing.assert_allclose(by_influence.mean(axis=0), spread, rtol=0.25)
    larger = (by_jackknife / by_influence).mean(axis=0)
    assert ((larger > 1) & (larger < 1 / 0.85)).all()


def test_a_curved_effect_is_seen_in_the_check_and_the_curve(simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(7, noise=0.1), lambda d: d**2, growing=True)
    panel = cells(frame)
    rows = run_specification(panel, Specification("main", estimator="dose"), dose=layer(frame, panel))
    by_note = {row.note.split("; ")[0]: row for row in rows}
    (check,) = [row for said, row in by_note.items() if said.startswith("linearity")]
    assert check.ci_high < 0  # the slope, which looks at high doses, is the larger
    assert [row.aggregation for row in rows] == ["overall", *["dose"] * (len(rows) - 1)]
    assert len(by_note) == len(rows) == 4 + 6
    curve = [row for said, row in by_note.items() if said.startswith("mean effect at dose")]
    assert np.all(np.diff([row.estimate for row in curve]) > 0)
    assert all(row.n and row.n_clusters and row.std_error for row in curve)


@given(scale=st.floats(0.01, 1000), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_scale_of_dose_and_order_of_rows(scale: float, seed: int, simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(seed, n_units=24, n_clusters=8), lambda d: d, growing=False)
    panel, mixed = cells(frame), cells(frame.sample(frac=1, random_state=seed))
    fit = dose_response(panel, EstimatorOptions(dose=layer(frame, panel)))
    larger = dose_response(mixed, EstimatorOptions(dose=scale * layer(frame, mixed)))
    for label in SUMMARIES:
        assert at(larger, label) == pytest.approx(at(fit, label) / scale, rel=1e-9, abs=1e-12 / scale)
    assert at(larger, aggregation="overall") == at(fit, aggregation="overall")


def test_dose_that_differs_within_an_event_time_is_told_apart_from_maturity(simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(8), lambda d: d, growing=False)
    panel = cells(frame)
    fit = dose_response(panel, EstimatorOptions(dose=layer(frame, panel)))
    assert not any(MATURITY in note for note in fit.notes)
    assert all(CAUSAL in fit.notes[p] for p in fit.index(aggregation="dose"))


def test_dose_zero_after_adoption_is_left_out_and_counted(simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(9, noise=0), lambda d: 3 * d, growing=False)
    pause = (frame["cohort"] == 2014) & (frame["period"] == 2016)
    frame.loc[pause, "value"] -= 3 * frame.loc[pause, "dose"]
    frame.loc[pause, "dose"] = 0
    panel = cells(frame.assign(total=frame["n"] * frame["value"]))
    fit = dose_response(panel, EstimatorOptions(dose=layer(frame, panel)))
    assert at(fit) == pytest.approx(3, abs=1e-12)
    assert all(f"{pause.sum()} unit-periods after adoption with dose 0 left out" in note for note in fit.notes)


@pytest.mark.parametrize("periods", [range(2013, 2015), range(2010, 2020)])
def test_one_treated_unit_keeps_its_estimate(periods: range, simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(10, noise=0, periods=periods), lambda d: 2 * d, growing=True)
    frame = frame[frame["cohort"].isna() | (frame["unit"] == "u000")]
    panel = cells(frame, cluster=None)
    fit = dose_response(panel, EstimatorOptions(dose=layer(frame, panel)))
    assert at(fit) == pytest.approx(2, abs=1e-12)
    for uncertainty in (jackknife(fit), analytic(fit)):
        kept = [p for p in fit.index(aggregation="dose") if fit.parameters[p].label != "linearity"]
        assert {uncertainty.reason[p] for p in kept} == {ONE_TREATED}
    rows = run_specification(panel, Specification("main", estimator="dose"), dose=layer(frame, panel))
    assert {row.status for row in rows} == {"not estimable"}


@given(
    doses=st.lists(st.floats(0.001, 200), min_size=1, max_size=60),
    edges=st.lists(st.integers(1, 10_000), max_size=5, unique=True),
)
@settings(deadline=None)
def test_every_dose_lies_in_exactly_one_bin(doses: list[float], edges: list[int]) -> None:
    ends = tuple(edge / 100 for edge in sorted(edges))
    dose = np.array(doses)
    bins = dose_bins(dose, ends)
    np.testing.assert_array_equal(sum(b.holds(dose).astype(int) for b in bins), 1)
    assert all(b.holds(dose).any() for b in bins)


def test_bins_by_the_kind_of_dose() -> None:
    def labels(dose: list[float], edges: tuple[float, ...] = ()) -> list[str]:
        return [b.label.removeprefix("dose ") for b in dose_bins(np.array(dose), edges)]

    assert labels([0.1 * 30, 3, 1, 2]) == ["1", "2", "3"]  # 0.1 · 30 is 3.0000000000000004
    assert labels([0.5, 1, 0.5]) == ["0.5", "1"]
    assert labels([0.4, 1.5, 1.7, 2.0, 6.6]) == ["over 0 up to 1", "over 1 up to 2", "over 6 up to 7"]
    assert labels([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]) == [
        "over 0 up to 0.2", "over 0.2 up to 0.4", "over 0.4 up to 0.6", "over 0.6 up to 0.8"
    ]  # fmt: skip
    assert len(labels([float(dose) for dose in range(100, 200)])) == 4
    assert labels([0.2, 0.8, 3.0], (0.5, 1.0)) == ["over 0 up to 0.5", "over 0.5 up to 1", "over 1"]
    for edges in ((1.0, 0.5), (0.0, 1.0), (np.nan,)):
        with pytest.raises(EstimationError, match="must increase from above 0"):
            dose_bins(np.ones(3), edges)


def test_doses_that_cannot_be_are_refused(simulated: Simulated, cells: Cells) -> None:
    frame = with_effect(simulated(11), lambda d: d, growing=False)
    panel = cells(frame)
    good = layer(frame, panel)
    treated = np.flatnonzero(panel.cohort == 2014)
    cases = {
        "dose is negative in 2 unit-periods of 1 units": (treated[0], [5, 6], -1.0),
        "dose is infinite in 1 unit-periods of 1 units": (treated[0], [5], np.inf),
        "or in a unit never treated, in 4 unit-periods of 2 units": (
            treated[:2, None], [[0, 1]], 0.5
        ),
        "dose is missing after adoption in 1 unit-periods": (treated[0], [5], np.nan),
        "there is no variation in dose": (slice(None), slice(None), 0.0),
    }  # fmt: skip
    for said, (row, column, value) in cases.items():
        dose = good.copy()
        dose[row, column] = value
        with pytest.raises(EstimationError, match=said):
            dose_response(panel, EstimatorOptions(dose=dose))
    with pytest.raises(EstimationError, match="dose has shape"):
        dose_response(panel, EstimatorOptions(dose=good[:, 1:]))
    layers = np.zeros((*panel.value.shape, 1))
    with pytest.raises(EstimationError, match="takes no covariates"):
        dose_response(panel, EstimatorOptions(covariates=layers, covariate_names=("x",)))
    with pytest.raises(EstimationError, match="no treated cohort has a period before adoption"):
        dose_response(panel.select_periods(panel.periods >= 2017), EstimatorOptions())
    empty = np.where(panel.periods[None] >= panel.cohort[:, None], good, np.nan)  # empty before adoption is 0
    np.testing.assert_array_equal(
        dose_response(panel, EstimatorOptions(dose=empty)).estimate,
        dose_response(panel, EstimatorOptions(dose=good)).estimate,
    )
