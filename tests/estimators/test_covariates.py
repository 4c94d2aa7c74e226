"""Covariates: known truth, the same from children and cells, the same without each cluster, refusals."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna, cell_weights, child_covariance
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.inference.analytic import cluster_covariance
from kkz_eval.inference.jackknife import refit_without_each_cluster

METHODS = ("dr", "ipw", "reg")
NAMES = ("education", "language")
FIXED = {"cluster": "kreis", "weight": "weight"}


def children(
    seed: int, *, n_units: int = 24, n_clusters: int = 8, noise: float = 1.0, steady: bool = False
) -> pd.DataFrame:
    """One row per child. Treated units have more children of low education, whose outcomes fall with time anyway.

    The effect is 2. steady: every unit has the same composition in all periods.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for unit in range(n_units):
        cohort = (2013.0, 2014.0, np.nan)[unit % 3]
        share = 0.6 if unit % 3 < 2 else 0.35
        for period in range(2011, 2016):
            mix = np.random.default_rng((seed, unit)) if steady else rng
            n = int(mix.integers(12, 25))
            education = (mix.random(n) < share + (0 if steady else 0.03 * (period - 2011))) * 1.0 + (
                mix.random(n) < 0.3
            )
            language = (mix.random(n) < 0.4) * 1.0
            own = 2.0 * education + language - 0.5 * education * (period - 2011)
            added = 2.0 if period >= cohort else 0.0
            frames.append(
                pd.DataFrame(
                    {
                        "unit": f"u{unit:03d}", "period": period, "cohort": cohort, "education": education,
                        "language": language, "weight": 1.0 + unit % 4, "kreis": f"k{unit * 5 % n_clusters:02d}",
                        "value": own + added + 0.3 * (period - 2011) + noise * rng.normal(size=n),
                        "w": rng.uniform(0.5, 2.0, n),
                    }
                )
            )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def profiles(frame: pd.DataFrame, **more: str | None) -> ProfilePanel:
    return ProfilePanel.from_children(frame, "y", NAMES, **{**FIXED, **more})


def options(**more: object) -> EstimatorOptions:
    return EstimatorOptions(**{"design": "cross_section", **more})


def unit_covariates(seed: int, simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]) -> ProfilePanel:
    """A panel of units with two covariates, one of which moves the trend and the adoption."""
    frame = simulated(seed, n_units=60, n_clusters=12, periods=range(2012, 2018), cohorts=(2014, 2016, np.nan, np.nan))
    panel = cells(frame)
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=60) + 0.5 * np.isfinite(panel.cohort), rng.integers(0, 3, 60)])
    return ProfilePanel.from_cells(panel, x, ("income", "kind"))


def assert_same(one: Fit, other: Fit, tolerance: float = 1e-10) -> None:
    assert one.parameters == other.parameters
    np.testing.assert_allclose(one.estimate, other.estimate, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(cluster_covariance(one), cluster_covariance(other), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("method", ["dr", "reg"])
def test_exact_truth_without_noise_where_means_are_misled(method: str) -> None:
    """Composition differs; outcomes of equal children move in parallel. Regression needs a steady composition."""
    frame = children(1, noise=0.0, steady=method == "reg")
    fit = callaway_santanna(profiles(frame), options(method=method))
    event = np.array([p.event_time if p.aggregation == "group_time" else -9 for p in fit.parameters])
    np.testing.assert_allclose(fit.estimate[event >= 0], 2.0, atol=1e-9)
    np.testing.assert_allclose(fit.estimate[(event < 0) & (event > -9)], 0.0, atol=1e-9)
    (overall,) = fit.index(aggregation="overall")
    means = callaway_santanna(CellPanel.from_micro(frame, "y", **FIXED), options())
    assert fit.estimate[overall] == pytest.approx(2.0, abs=1e-9)
    assert abs(means.estimate[overall] - 2.0) > 0.05


def test_weighting_is_near_the_truth_in_large_samples() -> None:
    frame = children(2, n_units=150, noise=0.1)
    fit = callaway_santanna(profiles(frame), options(method="ipw"))
    (overall,) = fit.index(aggregation="overall")
    assert fit.estimate[overall] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("child_weight", [None, "w"])
def test_children_and_cells_give_the_same_answer(method: str, child_weight: str | None) -> None:
    """One row per child as its own unit in a cluster, against cells of municipalities by profile."""
    frame = children(3, n_units=12, n_clusters=6)
    chosen = options(method=method)
    by_cells = callaway_santanna(profiles(frame, child_weight=child_weight), chosen)
    one_each = frame.assign(unit=[f"c{i:05d}" for i in range(len(frame))])
    by_children = callaway_santanna(profiles(one_each, child_weight=child_weight), chosen)
    assert_same(by_cells, by_children)
    alone = callaway_santanna(profiles(one_each, child_weight=child_weight, cluster=None), chosen)
    np.testing.assert_allclose(child_covariance(by_cells), cluster_covariance(alone), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
@settings(max_examples=5, deadline=None)
def test_what_must_not_matter(method: str, seed: int, factor: float) -> None:
    """Order of rows, split and empty cells, scale of weights and covariates, names of units and clusters."""
    frame = children(seed, n_units=12, n_clusters=6)
    keys = ["unit", "period", "cohort", "kreis", "weight", *NAMES]
    frame["squares"] = frame["value"] ** 2
    cells = frame.groupby(keys, dropna=False).agg(
        n=("value", "size"), total=("value", "sum"), squares=("squares", "sum")
    )
    cells = cells.reset_index()

    def fit(table: pd.DataFrame) -> Fit:
        panel = ProfilePanel.from_profiles(table, "y", NAMES, **FIXED, total_of_squares="squares")
        return callaway_santanna(panel, options(method=method))

    whole = fit(cells)
    assert_same(whole, callaway_santanna(profiles(frame), options(method=method)))
    assert_same(whole, fit(cells.sample(frac=1, random_state=seed)), 0)
    part = {name: cells[name] / 4 for name in ("n", "total", "squares")}
    rest = {name: cells[name] * 3 / 4 for name in ("n", "total", "squares")}
    assert_same(whole, fit(pd.concat([cells.assign(**part), cells.assign(**rest)])))
    empty = cells.head(40).assign(n=0, total=0.0, squares=0.0, education=7.0)
    assert_same(whole, fit(pd.concat([cells, empty])), 0)
    assert_same(whole, fit(cells.assign(weight=factor * cells["weight"])), 1e-8)
    assert_same(whole, fit(cells.assign(education=3 - factor * cells["education"])), 1e-7)
    assert_same(whole, fit(cells.assign(kreis=cells["kreis"].map(lambda k: f"z{99 - int(k[1:]):02d}"))))
    assert_same(whole, fit(cells.assign(unit=cells["unit"].map(lambda u: f"v{999 - int(u[1:]):03d}"))))


@pytest.mark.parametrize("design", ["panel", "cross_section", "unbalanced"])
@pytest.mark.parametrize("method", METHODS)
def test_without_covariates_the_three_methods_are_one(
    design: str, method: str, simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    panel = cells(simulated(4).sample(frac=0.9, random_state=1))
    nothing = ProfilePanel.from_cells(panel, np.zeros((len(panel.units), 0)), ())
    chosen = options(design=design, method=method)
    plain, same = callaway_santanna(panel, chosen), callaway_santanna(nothing, chosen)
    assert_same(plain, same)
    np.testing.assert_allclose(plain.influence.values, same.influence.values, atol=1e-10)
    np.testing.assert_allclose(plain.leave_out(), same.leave_out(), atol=1e-9)
    if design == "cross_section":
        np.testing.assert_allclose(child_covariance(plain), child_covariance(same), atol=1e-12)


def assert_fast_equals_slow(panel: CellPanel, chosen: EstimatorOptions) -> None:
    fit = callaway_santanna(panel, chosen)
    fast, slow = fit.leave_out(), refit_without_each_cluster(callaway_santanna, panel, chosen, fit)
    np.testing.assert_allclose(fast, slow, atol=1e-8)
    assert np.isfinite(slow).sum() > 0.8 * slow.size


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "more", [{}, {"anticipation": 1}, {"control_group": "never_treated", "base_period": "varying"}]
)
def test_leaving_out_clusters_equals_estimating_anew(
    method: str, more: dict[str, object], simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    frame = children(5)
    assert_fast_equals_slow(profiles(frame), options(method=method, **more))
    units = unit_covariates(5, simulated, cells)
    for design in ("panel", "unbalanced", "cross_section"):
        assert_fast_equals_slow(units, options(method=method, design=design, **more))
    if method == "reg":
        assert_fast_equals_slow(MomentPanel.from_children(frame, "y", NAMES, **FIXED), options(method=method, **more))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("design", ["panel", "cross_section", "unbalanced"])
def test_influence_functions_are_derivatives(
    method: str, design: str, simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    """A unit's influence is the slope of every estimate in the unit's weight, estimation of all parts included."""
    units = unit_covariates(6, simulated, cells)
    chosen = options(method=method, design=design, influence_as_drdid=False)
    fit = callaway_santanna(units, chosen)
    for unit in range(0, len(units.units), 7):
        step = np.where(np.arange(len(units.units)) == unit, 1e-5, 0.0)
        up, down = (
            callaway_santanna(replace(units, weight=units.weight * (1 + s * step)), chosen).estimate for s in (1, -1)
        )
        np.testing.assert_allclose(fit.influence.values[unit], (up - down) / 2e-5, atol=1e-7)


def test_influence_as_drdid_differs_in_doubly_robust_cross_sections_only() -> None:
    panel = profiles(children(7))
    for method in METHODS:
        one, other = (
            callaway_santanna(panel, options(method=method, influence_as_drdid=flag)).influence.values
            for flag in (True, False)
        )
        assert np.allclose(one, other) == (method != "dr")


def test_regression_from_moments_equals_regression_on_children() -> None:
    rng = np.random.default_rng(8)
    frame = children(8, n_units=12, n_clusters=6)
    frame["age"] = rng.normal(70, 3, len(frame)) + frame["education"]
    frame["value"] += 0.2 * frame["age"] * (frame["period"] - 2011)
    names = ("age", "education")
    by_profile = callaway_santanna(ProfilePanel.from_children(frame, "y", names, **FIXED), options(method="reg"))
    panel = MomentPanel.from_children(frame, "y", names, **FIXED)
    by_moment = callaway_santanna(panel, options(method="reg"))
    assert_same(by_profile, by_moment, 1e-9)
    np.testing.assert_allclose(by_profile.leave_out(), by_moment.leave_out(), atol=1e-8)
    for a in names:
        frame[f"{a}_y"] = frame[a] * frame["value"]
        for b in names:
            frame[f"{a}_{b}"] = frame[a] * frame[b]
    keys = ["unit", "period", "cohort", "kreis", "weight"]
    table = frame.assign(n=1).groupby(keys, dropna=False).sum(numeric_only=True).reset_index()
    from_table = MomentPanel.from_moments(
        table, "y", {a: a for a in names}, {("age", "age"): "age_age", ("education", "age"): "age_education",
        ("education", "education"): "education_education"}, {a: f"{a}_y" for a in names}, **FIXED, total="value",
    )  # fmt: skip
    assert_same(by_moment, callaway_santanna(from_table, options(method="reg")), 1e-8)
    with pytest.raises(EstimationError, match="moments of covariates allow method reg in design cross_section"):
        callaway_santanna(panel, options())
    with pytest.raises(EstimationError, match="hold no fourth powers"):
        child_covariance(by_moment)


def test_a_covariate_must_be_one_value_where_the_design_says_so() -> None:
    frame = children(9)
    with pytest.raises(EstimationError, match=r"covariate education varies within 24 of 24 units; design panel"):
        callaway_santanna(profiles(frame), options(design="panel"))
    with pytest.raises(EstimationError, match=r"covariate education varies within \d+ of 120 cells; design unbalanced"):
        callaway_santanna(profiles(frame), options(design="unbalanced"))


@pytest.mark.parametrize("method", METHODS)
def test_collinear_covariates_are_named(method: str) -> None:
    frame = children(10)
    frame["again"], frame["constant"] = 1 + 2 * frame["education"] - frame["language"], 3.3
    for name in ("again", "constant"):
        panel = ProfilePanel.from_children(frame, "y", (*NAMES, name), **FIXED)
        with pytest.raises(EstimationError, match=f"covariate {name} is constant or collinear with the covariates"):
            callaway_santanna(panel, options(method=method))
        moments = MomentPanel.from_profile_panel(panel)
        with pytest.raises(EstimationError, match=f"covariate {name} is constant or collinear with the covariates"):
            callaway_santanna(moments, options(method="reg"))


@pytest.mark.parametrize("method", ["dr", "ipw"])
def test_perfect_separation_is_refused_with_the_covariate(method: str) -> None:
    frame = children(11)
    frame["rural"] = frame["cohort"].notna() * 1.0
    panel = ProfilePanel.from_children(frame, "y", (*NAMES, "rural"), **FIXED)
    with pytest.raises(EstimationError, match=r"covariate rural tells treated and comparison units apart"):
        callaway_santanna(panel, options(method=method, control_group="never_treated"))


@pytest.mark.parametrize("method", ["dr", "ipw"])
def test_a_profile_that_only_the_treated_have_is_refused(method: str) -> None:
    frame = children(18)
    frame["coast"] = (frame["cohort"].notna() & (np.random.default_rng(18).random(len(frame)) < 0.2)) * 1.0
    panel = ProfilePanel.from_children(frame, "y", (*NAMES, "coast"), **FIXED)
    with pytest.raises(EstimationError, match="covariate coast tells treated and comparison units apart"):
        callaway_santanna(panel, options(method=method, control_group="never_treated"))


def test_separation_of_one_cohort_leaves_the_others() -> None:
    frame = children(12)
    frame["rural"] = np.random.default_rng(12).normal(size=len(frame)) + 20 * (frame["cohort"] == 2013)
    panel = ProfilePanel.from_children(frame, "y", (*NAMES, "rural"), **FIXED)
    fit = callaway_santanna(panel, options(method="ipw", control_group="never_treated"))
    (gone,) = fit.index(aggregation="group_time", cohort=2013, period=2014)
    assert np.isnan(fit.estimate[gone])
    assert fit.reason[gone].startswith("covariate rural tells treated and comparison units apart")
    (overall,) = fit.index(aggregation="overall")
    assert "group-time effects do not exist" in fit.notes[overall]


@pytest.mark.parametrize("method", ["dr", "ipw"])
def test_profiles_that_only_comparison_units_have_get_no_weight(
    method: str, simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    """The likelihood has no maximum then, but a limit: the fit without those units, for weights and for scores."""
    panel = cells(simulated(17, n_units=60, n_clusters=12, cohorts=(2014, 2016, np.nan, np.nan)))
    rng = np.random.default_rng(17)
    x = np.column_stack([rng.normal(size=60), np.isinf(panel.cohort) & (rng.random(60) < 0.3)])
    held = ProfilePanel.from_cells(panel, x, ("income", "city"))
    chosen = EstimatorOptions(method=method, control_group="never_treated")
    fit = callaway_santanna(held, chosen)
    if method == "ipw":
        rest = x[:, 1] == 0
        other = callaway_santanna(ProfilePanel.from_cells(panel.select(rest), x[rest, :1], ("income",)), chosen)
        np.testing.assert_allclose(fit.estimate, other.estimate, atol=1e-8)
        np.testing.assert_allclose(fit.influence.values[rest], other.influence.values, atol=1e-8)
        np.testing.assert_allclose(fit.influence.values[~rest], 0.0, atol=1e-8)
    assert_fast_equals_slow(held, chosen)


def test_no_overlap_is_refused() -> None:
    """Scores of almost one without perfect separation: one comparison child among thousands of treated."""
    rng = np.random.default_rng(13)
    frame = children(13, n_units=60)
    treated = frame["cohort"].notna()
    frame["income"] = rng.normal(0, 1, len(frame)) + 4.0 * treated
    panel = ProfilePanel.from_children(frame, "y", ("income",), **FIXED)
    with pytest.raises(EstimationError, match=r"no overlap: some covariate values make a propensity score of 0\.999"):
        callaway_santanna(panel, options(control_group="never_treated"))


def test_collinear_among_the_controls_of_one_comparison() -> None:
    frame = children(14)
    frame["rural"] = ((frame["unit"].str[1:].astype(int) % 2 == 0) & frame["cohort"].notna()) * 1.0
    panel = ProfilePanel.from_children(frame, "y", (*NAMES, "rural"), **FIXED)
    with pytest.raises(EstimationError, match="covariate rural is constant or collinear among the comparison"):
        callaway_santanna(panel, options(method="reg", control_group="never_treated"))


def test_missing_covariates_are_left_out_and_counted(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    frame = children(15)
    frame.loc[frame.index[[3, 4, 500]], "education"] = np.nan
    fit = callaway_santanna(profiles(frame), options())
    assert_same(fit, callaway_santanna(profiles(frame.dropna(subset=["education"])), options()), 0)
    assert all("3 children in 2 units without covariate values left out" in note for note in fit.notes)
    panel = cells(simulated(15))
    x = np.random.default_rng(15).normal(size=(len(panel.units), 1))
    x[[4, 9]] = np.nan
    fit = callaway_santanna(ProfilePanel.from_cells(panel, x, ("income",)), options(design="panel"))
    assert "2 units without covariate values left out" in fit.notes[0]
    kept = np.isfinite(x[:, 0])
    rest = ProfilePanel.from_cells(panel.select(kept), x[kept], ("income",))
    assert_same(fit, callaway_santanna(rest, options(design="panel")), 1e-12)


def test_covariates_by_options_and_what_they_rule_out(
    simulated: Callable[..., pd.DataFrame], cells: Callable[..., CellPanel]
) -> None:
    panel = cells(simulated(16))
    x = np.random.default_rng(16).normal(size=(len(panel.units), 1))
    layers = np.repeat(x[:, None], len(panel.periods), axis=1)
    chosen = options(design="panel", covariates=layers, covariate_names=("income",))
    held = ProfilePanel.from_cells(panel, x, ("income",))
    fit = callaway_santanna(panel, chosen)
    assert_same(fit, callaway_santanna(held, options(design="panel")), 0)
    assert "adjusted for income (doubly robust)" in fit.notes[0]
    with pytest.raises(EstimationError, match="give them in one place"):
        callaway_santanna(held, chosen)
    with pytest.raises(EstimationError, match="covariates have shape"):
        callaway_santanna(panel, options(covariates=layers[:3], covariate_names=("income",)))
    with pytest.raises(EstimationError, match="no weighted sum of cell means"):
        cell_weights(fit)
    with pytest.raises(EstimationError, match="method = 'ols' is not known"):
        options(method="ols")
