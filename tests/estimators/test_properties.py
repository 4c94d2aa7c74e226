"""What must not move an estimate, for every estimator there is, on random small panels; and what does move it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import cell_weights
from kkz_eval.estimators.registry import ESTIMATORS
from kkz_eval.estimators.result import EstimatorOptions, Fit, FloatArray
from kkz_eval.inference.analytic import analytic, cluster_covariance
from kkz_eval.inference.jackknife import jackknife

Simulated = Callable[..., pd.DataFrame]
Cells = Callable[..., CellPanel]
NAMES = tuple(ESTIMATORS)
CURVED = ("etwfe_logit", "etwfe_poisson")
LINEAR = tuple(name for name in NAMES if name not in (*CURVED, "synthetic_did"))
CELLS_ALIKE = ("bacon", "synthetic_did")
"""Count every cell once, whatever its children."""
FEW = settings(max_examples=6, deadline=None)
WORLDS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 100_000),
        "n_units": st.sampled_from([12, 15, 18]),
        "n_clusters": st.sampled_from([5, 7, 18]),
        "cohorts": st.sampled_from([(2014, 2016, np.nan), (2014, np.nan), (2014, 2016), (2010, 2013, 2015, np.nan)]),
    }
)
GAPS = st.sampled_from([0.0, 0.1])
OPTIONS = st.sampled_from(
    [{}, {"anticipation": 1}, {"control_group": "never_treated", "base_period": "varying"}, {"weighted": False}]
)
DESIGNS = st.sampled_from(["panel", "cross_section", "unbalanced"])


def shares(simulated: Simulated, world: dict[str, Any], gaps: float = 0.0) -> pd.DataFrame:
    """Outcomes between 0 and 1, so that every mean fits; some rows are missing."""
    frame = simulated(**world, periods=range(2010, 2018))
    value = 1 / (1 + np.exp(-frame["value"] / 3))
    frame = frame.assign(value=value, total=frame["n"] * value, squares=frame["n"] * (value**2 + 0.1))
    return frame.drop(index=frame.sample(frac=gaps, random_state=world["seed"]).index)


def fit_or_refusal(name: str, panel: CellPanel, options: EstimatorOptions) -> Fit | str:
    """Small random panels may allow no estimate; then both sides must say the same."""
    try:
        return ESTIMATORS[name](panel, options)
    except EstimationError as refusal:
        return str(refusal)


def assert_same(one: Fit | str, other: Fit | str, tolerance: float) -> None:
    """Estimates, analytic covariances and leave-one-out estimates; tolerance 0: to the last bit."""
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one.parameters == other.parameters
    assert one.reason == other.reason
    pairs = [
        (one.estimate, other.estimate),
        (cluster_covariance(one), cluster_covariance(other)),
        (np.sort(one.leave_out(), axis=0), np.sort(other.leave_out(), axis=0)),
    ]
    for wanted, found in pairs:
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def tolerance_of(name: str) -> float:
    """Sums in another order move the last bits; solvers that iterate stop a little elsewhere."""
    return 1e-6 if name in (*CURVED, "synthetic_did") else 1e-9


@pytest.mark.parametrize("name", NAMES)
@given(world=WORLDS, gaps=GAPS, more=OPTIONS, design=DESIGNS)
@FEW
def test_order_of_rows_and_cells_without_children_do_not_move_the_last_bit(
    name: str, world: dict[str, Any], gaps: float, more: dict[str, object], design: str, simulated: Simulated,
    cells: Cells,
) -> None:  # fmt: skip
    frame, options = shares(simulated, world, gaps), EstimatorOptions(**{**more, "design": design})
    fit = fit_or_refusal(name, cells(frame), options)
    assert_same(fit, fit_or_refusal(name, cells(frame.sample(frac=1, random_state=world["seed"])), options), 0)
    fixed = frame.drop_duplicates("unit")
    every = pd.concat([fixed.assign(period=t) for t in (*range(2010, 2018), 2050)])
    empty = every.merge(frame[["unit", "period"]], how="left", indicator=True).query("_merge == 'left_only'")
    empty = empty.drop(columns="_merge").assign(n=0, total=0.0, squares=0.0)
    assert len(empty) >= world["n_units"]
    assert_same(fit, fit_or_refusal(name, cells(pd.concat([frame, empty])), options), 0)
    nobody = frame[frame["unit"] == frame["unit"].max()].assign(unit="v", n=0, total=0.0, squares=0.0)
    added = fit_or_refusal(name, cells(pd.concat([frame, nobody])), options)
    if isinstance(fit, Fit) and isinstance(added, Fit):
        np.testing.assert_array_equal(added.estimate, fit.estimate)


@pytest.mark.parametrize("name", NAMES)
@given(world=WORLDS, gaps=GAPS, more=OPTIONS, factor=st.floats(0.01, 100))
@FEW
def test_names_of_units_and_clusters_and_the_scale_of_weights_do_not_matter(
    name: str, world: dict[str, Any], gaps: float, more: dict[str, object], factor: float, simulated: Simulated,
    cells: Cells,
) -> None:  # fmt: skip
    frame, options = shares(simulated, world, gaps), EstimatorOptions(**more)
    fit = fit_or_refusal(name, cells(frame), options)
    clusters = frame.assign(kreis=frame["kreis"].map(lambda k: f"z{99 - int(k[1:]):02d}"))
    assert_same(fit, fit_or_refusal(name, cells(clusters), options), tolerance_of(name))
    units = frame.assign(unit=frame["unit"].map(lambda u: f"v{999 - int(u[1:]):03d}"))
    assert_same(fit, fit_or_refusal(name, cells(units), options), tolerance_of(name))
    scaled = frame.assign(weight=factor * frame["weight"])
    assert_same(fit, fit_or_refusal(name, cells(scaled), options), tolerance_of(name))
    if name not in CURVED:
        quadrupled = frame.assign(weight=4 * frame["weight"])  # a power of two moves no bit
        assert_same(fit, fit_or_refusal(name, cells(quadrupled), options), 0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "etwfe_logit"])
@given(world=WORLDS, gaps=GAPS, factor=st.floats(0.1, 50))
@FEW
def test_estimates_and_errors_have_the_unit_of_the_outcome(
    name: str, world: dict[str, Any], gaps: float, factor: float, simulated: Simulated, cells: Cells
) -> None:
    """Log-odds have no such scale. With a factor below zero, effects change their sign."""
    frame = shares(simulated, world, gaps)
    factor = factor if name == "etwfe_poisson" else -factor
    fit = fit_or_refusal(name, cells(frame), EstimatorOptions())
    scaled = frame.assign(total=factor * frame["total"], squares=factor**2 * frame["squares"])
    other = fit_or_refusal(name, cells(scaled), EstimatorOptions())
    assert isinstance(fit, str) == isinstance(other, str)
    if isinstance(fit, Fit) and isinstance(other, Fit):
        np.testing.assert_allclose(other.estimate, factor * fit.estimate, rtol=1e-6, atol=1e-8 * abs(factor))
        for errors in (analytic, jackknife):
            one, two = errors(fit), errors(other)
            assert one.reason == two.reason
            np.testing.assert_allclose(two.std_error, abs(factor) * one.std_error, rtol=1e-6)
            np.testing.assert_allclose(two.df, one.df)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CURVED])
@given(world=WORLDS, gaps=GAPS, more=OPTIONS)
@FEW
def test_constants_of_units_and_periods_change_nothing_with_fixed_weights(
    name: str, world: dict[str, Any], gaps: float, more: dict[str, object], simulated: Simulated, cells: Cells
) -> None:
    """Synthetic controls keep only the constants of units: the noise behind their penalty counts common steps."""
    frame, options = shares(simulated, world, gaps), EstimatorOptions(**more)
    shift = 3.0 * frame["unit"].str[1:].astype(int)
    if name != "synthetic_did":
        shift = shift + (frame["period"] % 7) ** 2
    fit = fit_or_refusal(name, cells(frame), options)
    moved = fit_or_refusal(name, cells(frame.assign(total=frame["total"] + frame["n"] * shift)), options)
    assert_same(fit, moved, 1e-6 if name == "synthetic_did" else 1e-8)


@pytest.mark.parametrize("name", ["callaway_santanna", "etwfe", "stacked"])
def test_constants_of_units_move_estimates_whose_weights_move_with_children(
    name: str, simulated: Simulated, cells: Cells
) -> None:
    """In a cross-section of children, places that grow count more each year: composition looks like an effect."""
    frame = simulated(6)
    shifted = frame.assign(total=frame["n"] * (frame["value"] + 5.0 * frame["unit"].str[1:].astype(int)))
    moved = {
        design: ESTIMATORS[name](cells(shifted), EstimatorOptions(design=design)).estimate
        - ESTIMATORS[name](cells(frame), EstimatorOptions(design=design)).estimate
        for design in ("panel", "cross_section")
    }
    assert np.abs(moved["panel"]).max() < 1e-8
    assert np.abs(moved["cross_section"]).max() > 1


def perturbed_weights(name: str, panel: CellPanel, options: EstimatorOptions) -> tuple[Fit, FloatArray]:
    """The fit, and the change (P, U, T) of every estimate when one cell mean rises by one."""
    fit = ESTIMATORS[name](panel, options)
    weights = np.zeros((len(fit.estimate), *panel.value.shape))
    for unit, period in np.argwhere(np.isfinite(panel.value)):
        value = panel.value.copy()
        value[unit, period] += 1.0
        raised = CellPanel(**{**vars(panel), "value": value, "total": np.nan_to_num(value) * panel.n})
        weights[:, unit, period] = ESTIMATORS[name](raised, options).estimate - fit.estimate
    return fit, weights


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("base", ["varying", "universal"])
def test_weights_of_cell_means_sum_to_zero_and_rebuild_the_estimate(
    name: str, gaps: float, base: str, simulated: Simulated, cells: Cells
) -> None:
    """Σ_t ω = 0 for every unit and Σ_c ω = 0 in every period, with fixed weights, missing cells or not."""
    world = {"seed": 7, "n_units": 12, "n_clusters": 6, "cohorts": (2013, 2015, np.nan)}
    panel = cells(shares(simulated, world, gaps))
    options = EstimatorOptions(base_period=base)
    fit, weights = perturbed_weights(name, panel, options)
    exists = np.isfinite(fit.estimate)
    assert exists.sum() >= 1
    np.testing.assert_allclose(weights[exists].sum(axis=2), 0, atol=1e-10)
    np.testing.assert_allclose(weights[exists].sum(axis=1), 0, atol=1e-10)
    rebuilt = np.einsum("put,ut->p", weights[exists], np.nan_to_num(panel.value))
    np.testing.assert_allclose(rebuilt, fit.estimate[exists], atol=1e-10)
    if name == "callaway_santanna":
        np.testing.assert_allclose(cell_weights(fit)[exists], weights[exists], atol=1e-10)
        np.testing.assert_allclose(cell_weights(fit).sum(axis=2), 0, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CELLS_ALIKE])
@given(world=WORLDS, gaps=GAPS)
@FEW
def test_a_place_split_into_two_with_the_same_children_changes_nothing(
    name: str, world: dict[str, Any], gaps: float, simulated: Simulated, cells: Cells
) -> None:
    frame, options = shares(simulated, world, gaps), EstimatorOptions(design="cross_section")
    parts = {"x": 0.25, "y": 0.75}
    halves = [
        frame.assign(unit=frame["unit"] + part, **{c: share * frame[c] for c in ("n", "total", "squares")})
        for part, share in parts.items()
    ]
    whole, split = (fit_or_refusal(name, cells(f), options) for f in (frame, pd.concat(halves)))
    if isinstance(whole, Fit):
        assert_same(whole, split, tolerance_of(name))


@given(world=WORLDS)
@FEW
def test_children_and_cells_are_the_same_panel(world: dict[str, Any], simulated: Simulated) -> None:
    """Outcomes of yes and no: sums are whole numbers, so that nothing is rounded. Any order of rows."""
    rng = np.random.default_rng(world["seed"])
    frame = simulated(**world).drop(columns=["value", "total", "squares"])
    children = frame.loc[frame.index.repeat(frame["n"])].reset_index(drop=True)
    children["value"] = rng.integers(0, 2, len(children)).astype(float)
    keys = ["unit", "period", "cohort", "kreis", "weight"]
    table = children.groupby(keys, dropna=False).agg(n=("value", "size"), total=("value", "sum")).reset_index()
    fixed = {"cluster": "kreis", "weight": "weight"}
    by_cells = CellPanel.from_frame(table, "y", **fixed, n="n", total="total", total_of_squares="total")
    for rows in (children, children.sample(frac=1, random_state=world["seed"])):
        by_children = CellPanel.from_micro(rows, "y", **fixed)
        for field, values in vars(by_cells).items():
            np.testing.assert_array_equal(getattr(by_children, field), values)
