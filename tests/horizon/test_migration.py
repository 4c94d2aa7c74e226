"""True doses under moves: the reference numbers, and children followed year by year."""

import numpy as np
import pytest

from kkz_eval.errors import EstimationError
from kkz_eval.horizon.migration import corrected_for_mobility, true_dose


def test_reference_numbers() -> None:
    """m = .06, q = .3 and .1, five years: 4.510 and .070."""
    dose = true_dose(5, mobility=0.06, treated_in=0.3, comparison_in=0.1)
    assert round(dose.treated, 3) == 4.510
    assert round(dose.comparison, 3) == 0.070


@pytest.mark.slow
def test_children_followed_year_by_year_have_these_doses() -> None:
    """Seeded; in the middle of year u before the exam a child lives where it is examined if it has not moved since.

    Five Monte-Carlo errors.
    """
    rng = np.random.default_rng(1)
    n, mobility, shares, nominal = 200_000, 0.08, (0.35, 0.05), 6
    dose = true_dose(nominal, mobility=mobility, treated_in=shares[0], comparison_in=shares[1])
    for is_treated, share, expected in ((True, shares[0], dose.treated), (False, shares[1], dose.comparison)):
        years = np.zeros(n)
        since = rng.exponential(-1 / np.log(1 - mobility), n)  # years since the last move
        for u in range(1, nominal + 1):
            moved = since < u - 0.5
            years += np.where(moved, rng.random(n) < share, is_treated)
        assert years.mean() == pytest.approx(expected, abs=5 * years.std() / np.sqrt(n))


def test_a_linear_effect_is_recovered() -> None:
    dose = true_dose(5, mobility=0.06, treated_in=0.3, comparison_in=0.1)
    per_year = 0.02
    seen = per_year * (dose.treated - dose.comparison)  # effect at nominal dose 5, thinned by moves
    fixed = corrected_for_mobility(seen, 0.01, dose)
    assert fixed.estimate == pytest.approx(5 * per_year, rel=1e-12)
    assert fixed.std_error == pytest.approx(0.01 / dose.factor)
    assert "no return" in fixed.assumes
    still = true_dose(5, mobility=0.0, treated_in=0.3, comparison_in=0.1)
    assert (still.treated, still.comparison, still.factor) == (5.0, 0.0, 1.0)


def test_no_contrast_left_and_bad_input_are_refused_in_a_sentence() -> None:
    with pytest.raises(EstimationError, match="no contrast is left"):
        corrected_for_mobility(0.1, None, true_dose(5, mobility=0.9, treated_in=0.0, comparison_in=1.0))
    for bad in ({"mobility": 1.0}, {"treated_in": 1.2}, {"comparison_in": -0.1}):
        with pytest.raises(EstimationError, match="shares from 0 to 1"):
            true_dose(5, **{"mobility": 0.06, "treated_in": 0.3, "comparison_in": 0.1, **bad})
    with pytest.raises(EstimationError, match="at least one year"):
        true_dose(0, mobility=0.06, treated_in=0.3, comparison_in=0.1)
