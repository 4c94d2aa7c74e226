"""Cells from frames: what is refused, and how."""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError

Simulated = Callable[..., pd.DataFrame]


def small() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": ["a", "a", "b", "b"],
            "period": [2010, 2011, 2010, 2011],
            "cohort": [2011, 2011, None, None],
            "kreis": ["k1", "k1", "k2", "k2"],
            "weight": [2.0, 2.0, 1.0, 1.0],
            "n": [10, 12, 20, 0],
            "total": [5, 6, 4, 0],
        }
    )


def test_cells_hold_what_the_frame_says() -> None:
    panel = CellPanel.from_frame(small(), "y", cluster="kreis", weight="weight", n="n", total="total")
    assert panel.units.tolist() == ["a", "b"]
    assert panel.periods.tolist() == [2010, 2011]
    assert panel.cohort.tolist() == [2011, np.inf]
    assert panel.weight.tolist() == [2, 1]
    np.testing.assert_array_equal(panel.value, [[0.5, 0.5], [0.2, np.nan]])
    assert panel.is_treated.tolist() == [True, False]


def test_absent_rows_are_cells_without_children_or_missing_rates() -> None:
    frame = small().iloc[:3].assign(rate=0.1)
    counted = CellPanel.from_frame(frame, "y", n="n", total="total")
    assert counted.n[1, 1] == 0
    assert np.isnan(counted.value[1, 1])
    official = CellPanel.from_frame(frame, "y", value="rate")
    assert np.isnan(official.n).all()
    assert np.isnan(official.value[1, 1])


def test_decimal_and_nullable_columns_are_numbers() -> None:
    frame = small()
    frame["total"] = [Decimal("5.0"), Decimal("6.0"), Decimal("4.0"), None]
    frame["cohort"] = frame["cohort"].astype("Int64")
    panel = CellPanel.from_frame(frame, "y", n="n", total="total")
    assert panel.value[0, 1] == 0.5
    assert panel.cohort.tolist() == [2011, np.inf]


def test_order_of_rows_does_not_matter() -> None:
    frame = small()
    one = CellPanel.from_frame(frame, "y", cluster="kreis", weight="weight", n="n", total="total")
    other = CellPanel.from_frame(frame.iloc[::-1], "y", cluster="kreis", weight="weight", n="n", total="total")
    for name in ("units", "periods", "cohort", "cluster", "weight", "n", "total", "value"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_without_cluster() -> None:
    panel = CellPanel.from_frame(small(), "y", cluster="kreis", n="n", total="total")
    assert panel.without_cluster("k1").units.tolist() == ["b"]
    with pytest.raises(EstimationError, match="no cluster k9"):
        panel.without_cluster("k9")


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        (lambda f: pd.concat([f, f.iloc[:1]]), {}, r"1 rows repeat a pair of unit and period; aggregate"),
        (lambda f: f.assign(cohort=[2011, 2012, None, None]), {}, r"column cohort varies between periods in 1 of 2"),
        (lambda f: f.assign(total=["5", "six", "4", "0"]), {}, r"column total has type .* cannot be read as numbers"),
        (lambda f: f.assign(weight=[1, 1, None, None]), {"weight": "weight"}, r"column weight is missing.* in 2 rows"),
        (lambda f: f.assign(weight=[1, 2, 1, 1]), {"weight": "weight"}, r"column weight varies"),
        (lambda f: f.assign(kreis=["k1", "k2", "k2", "k2"]), {"cluster": "kreis"}, r"column kreis varies"),
        (lambda f: f.assign(kreis=[None, None, "k2", "k2"]), {"cluster": "kreis"}, r"column kreis is empty in 2 rows"),
        (lambda f: f.assign(cohort=np.nan), {}, r"none of the 2 units has a first treated period in column cohort"),
        (lambda f: f.assign(cohort=2011), {}, r"all 2 units have the same first treated period"),
        (lambda f: f.assign(cohort=[2011, 2011, 0, 0]), {}, r"column cohort is 0 or negative in 2 rows"),
        (lambda f: f.assign(cohort=[2011.5, 2011.5, None, None]), {}, r"column cohort must hold whole periods"),
        (lambda f: f.assign(n=[-1, 12, 20, 0]), {}, r"column n is negative or infinite in 1 cells"),
        (lambda f: f.assign(period=[2010, None, 2010, 2011]), {}, r"column period must hold whole numbers"),
        (lambda f: f.assign(unit=["a", "a", None, None]), {}, r"column unit is empty in 2 rows"),
        (lambda f: f.drop(columns="total"), {}, r"the frame has no column total; it has unit, period"),
        (lambda f: f.iloc[:0], {}, r"the frame has no rows"),
        (lambda f: f, {"total": None}, r"name the columns n and total, or the column value"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    change: Callable[[pd.DataFrame], pd.DataFrame], columns: dict[str, str | None], message: str
) -> None:
    with pytest.raises(EstimationError, match=message) as refusal:
        CellPanel.from_frame(change(small()), "y", **{"n": "n", "total": "total", **columns})
    assert str(refusal.value).startswith("cells of y: ")
    assert "six" not in str(refusal.value)


def test_cells_from_children_equal_cells_made_by_hand(simulated: Simulated) -> None:
    rng = np.random.default_rng(2)
    children = simulated(3, n_units=9, n_clusters=3).loc[:, ["unit", "period", "cohort", "kreis", "weight"]]
    children = children.loc[children.index.repeat(rng.integers(0, 5, len(children)))].reset_index(drop=True)
    children["value"] = rng.normal(size=len(children))
    children.loc[0, "value"] = np.nan
    names = {"cluster": "kreis", "weight": "weight"}
    panel = CellPanel.from_micro(children, "y", **names)
    for unit, period, n, total, squares in zip(
        np.repeat(panel.units, len(panel.periods)),
        np.tile(panel.periods, len(panel.units)),
        panel.n.ravel(),
        panel.total.ravel(),
        panel.total_of_squares.ravel(),
        strict=True,
    ):
        mine = children[(children["unit"] == unit) & (children["period"] == period)]["value"].dropna()
        assert n == len(mine)
        assert total == pytest.approx(mine.sum())
        assert squares == pytest.approx((mine**2).sum())
    shuffled = CellPanel.from_micro(children.sample(frac=1, random_state=1), "y", **names)
    np.testing.assert_array_equal(panel.total, shuffled.total)


def test_children_whose_unit_changes_cohort_are_refused() -> None:
    children = small().assign(value=1.0, cohort=[2011, 2012, None, None])
    with pytest.raises(EstimationError, match="column cohort varies between rows in 1 units"):
        CellPanel.from_micro(children, "y")
