"""Honest bounds against R HonestDiD on its Medicaid example.

R takes the quantile of the fixed-length interval from 10⁶ draws; an exact solution of the same programme is held in
its own file. R's conditional end points are the outermost accepted points of a grid, so that the exact ones lie
up to one step outside; its least-favourable value comes from 1,000 draws, 5 per cent Monte-Carlo error.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kkz_eval.horizon.breakdown import magnitudes_breakdown, smoothness_breakdown
from kkz_eval.horizon.honest_magnitudes import magnitudes_interval
from kkz_eval.horizon.honest_smoothness import smoothness_interval, smoothness_set

Study = tuple[np.ndarray, np.ndarray, int]
Reference = Callable[..., pd.DataFrame]
CONTRASTS = {"first": [1.0, 0.0], "avg": [0.5, 0.5]}
METHODS = {"Conditional": "conditional", "C-LF": "least_favourable", "C-F": "fixed_length_hybrid"}

PUBLISHED = {
    0.0: (0.0259, 0.0607),
    0.01: (0.0132, 0.0787),
    0.02: (0.00286, 0.0907),
    0.03: (-0.00714, 0.101),
    0.04: (-0.0171, 0.111),
    0.05: (-0.0271, 0.121),
}
"""README of HonestDiD, three digits, quantile by simulation."""

FIXED_LENGTH = {
    0.0: (0.02597, 0.06072),
    0.01: (0.01317, 0.07868),
    0.02: (0.00283, 0.09074),
    0.03: (-0.00716, 0.10074),
    0.04: (-0.01716, 0.11074),
    0.05: (-0.02716, 0.12074),
}
"""The same six from another implementation with an exact quantile, five decimals."""

MAGNITUDES = {0.5: (0.0241, 0.0673), 1.0: (0.0171, 0.0720), 1.5: (0.00859, 0.0796), 2.0: (-0.00107, 0.0883)}
"""README of HonestDiD, C-LF."""


@pytest.fixture(scope="module")
def medicaid(shared: Path) -> Study:
    held = json.loads((shared / "golden" / "data" / "ehec_eventstudy.json").read_text(encoding="utf-8"))
    return np.array(held["betahat"]), np.array(held["sigma"]), held["numPrePeriods"]


@pytest.mark.parametrize("bound", list(FIXED_LENGTH))
def test_fixed_length_intervals_of_the_readme(medicaid: Study, bound: float) -> None:
    found = smoothness_interval(*medicaid, bound)
    assert [found.low, found.high] == pytest.approx(FIXED_LENGTH[bound], abs=1e-5)
    assert [found.low, found.high] == pytest.approx(PUBLISHED[bound], abs=5e-4)
    assert found.low == pytest.approx(PUBLISHED[bound][0], abs=1e-4)


def test_fixed_length_intervals_against_the_exact_solution(medicaid: Study, reference: Reference) -> None:
    table = reference("honestdid_flci_exact_check.csv")
    assert len(table) == 12
    for row in table.itertuples():
        found = smoothness_interval(*medicaid, row.M, CONTRASTS[row.l_vec])
        assert found.half_length == pytest.approx(row.exact_halflength, rel=1e-9)
        assert [found.low, found.high] == pytest.approx([row.exact_lb, row.exact_ub], abs=1e-8)
        assert [found.low, found.high] == pytest.approx([row.R_lb, row.R_ub], abs=0.0015 * row.R_halflength)


@pytest.mark.parametrize("bound", list(MAGNITUDES))
def test_relative_magnitudes_of_the_readme(medicaid: Study, bound: float) -> None:
    found = magnitudes_interval(*medicaid, bound)
    assert [found.low, found.high] == pytest.approx(MAGNITUDES[bound], abs=5e-4)


def check_ends(found: object, row: object, step: float, noise: float = 0.0) -> None:
    """The exact ends lie at most a step outside R's grid points; `noise` allows for R's simulated values.

    Least-favourable values off by 5 per cent move an end by no more than another step.
    """
    noise = max(noise, step if row.method == "C-LF" else 0.01 * step)
    assert -step - noise <= found.low - row.lb <= noise
    assert -noise <= found.high - row.ub <= step + noise


def test_relative_magnitudes_within_a_grid_step(medicaid: Study, reference: Reference) -> None:
    table = reference("honestdid_rm.csv")
    assert len(table) == 12
    assert not (table["lb_at_grid_bound"] | table["ub_at_grid_bound"]).any()
    for row in table.itertuples():
        found = magnitudes_interval(*medicaid, row.M, CONTRASTS[row.l_vec], method=METHODS[row.method])
        check_ends(found, row, 40 * row.sd_theta / 999)


def test_conditional_smoothness_sets_within_a_grid_step(medicaid: Study, reference: Reference) -> None:
    table = reference("honestdid_sd.csv")
    assert len(table) == 12
    for row in table.itertuples():
        found = smoothness_set(*medicaid, row.M, CONTRASTS[row.l_vec], method=METHODS[row.method])
        # The grid spans 20 standard errors either side of the identified set; that of the hybrid its first stage.
        width, noise = 40 * row.sd_theta + 2 * row.M, 0.0
        if row.method == "C-F":
            half = smoothness_interval(*medicaid, row.M, CONTRASTS[row.l_vec], alpha=0.005).half_length
            # R's half-length comes from simulation, off by up to 0.15 per cent.
            width, noise = 2 * half, 0.0015 * half
        check_ends(found, row, width / 999, noise)


def test_breakdown_values_lie_between_the_published_bounds(medicaid: Study) -> None:
    """README: zero is excluded at M = 0.02 and M̄ = 1.5, not at M = 0.03 and M̄ = 2."""
    smooth, relative = smoothness_breakdown(*medicaid), magnitudes_breakdown(*medicaid)
    assert 0.02 < smooth.value < 0.03
    assert 1.5 < relative.value < 2
    # From 0.02 to 0.03 the interval only lengthens, by one unit per unit of M.
    assert smooth.value == pytest.approx(0.02 + FIXED_LENGTH[0.02][0], abs=2e-5)
