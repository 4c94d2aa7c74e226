"""Released tables behind the opening pages: three primary outcomes with three different answers, two later ones."""

import pandas as pd

from kkz_eval.report.frames import COLUMNS

GONE = (2020, 2021, 2022)
# name, size worth knowing, verdict of the last look, its estimate, the ends of its interval, benefit per case
PRIMARY = (
    ("german_insufficient", 0.03, "effect", -0.045, -0.068, -0.022, 5_000),
    ("sopess_flagged", 0.01, "undecided", -0.01, -0.3, 0.28, None),
    ("u8_u9_complete", 0.02, "no_relevant_effect", 0.002, -0.015, 0.019, None),
)  # fmt: skip
LATER = ("gymnasium", "leaving_without_certificate")


def smallest(year: int) -> float:
    """The smallest effect that stands out with the data up to a year."""
    return 0.4 / (year - 2011) ** 1.1


def _frame(name: str, records: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=list(COLUMNS[name]))


def _detectability() -> pd.DataFrame:
    return _frame(
        "detectability",
        [
            {"outcome": name, "period": year, "year": year, "is_projected": year > 2025, "is_extrapolated": year > 2029,
             "mde_full": smallest(year), "effect_worth_knowing": worth, "is_detectable": smallest(year) <= worth,
             "p_detected": max(0.0, (year - 2017) / 11) if 2016 <= year <= 2027 else None, "status": "estimated"}
            for name, worth, *_ in PRIMARY
            for year in range(2013, 2032)
            if year not in GONE
        ],
    )  # fmt: skip


def _looks() -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, _, verdict, estimate, low, high, _ in PRIMARY:
        for year in range(2016, 2026):
            if year in GONE:
                continue
            wide = 1 + 2.0 * (2025 - year)
            row: dict[str, object] = {"outcome": name, "period": year, "year": year, "estimate": estimate,
                                      "z_bound": None if year == 2016 else 2.0 * (14 / (year - 2011)) ** 0.5,
                                      "reported_estimate": estimate * 1.1, "power_planned": 0.1}  # fmt: skip
            if year == 2016:
                records.append({**row, "status": "no look", "note": "too early"})
                continue
            crossed = verdict == "effect" and year >= 2023
            said = verdict if year == 2025 or crossed else "undecided"
            ends = {"ci_low": estimate + (low - estimate) * wide, "ci_high": estimate + (high - estimate) * wide}
            records.append({**row, **ends, "status": "estimated", "verdict": said, "has_crossed": crossed})
    return _frame("looks", records)


def _dose_response() -> pd.DataFrame:
    return _frame(
        "dose_response",
        [
            {"outcome": name, "kind": "slope", "shape": shape, "method": "gls", "period": 2025, "year": 2025,
             "estimate": estimate * factor, "status": "estimated"}
            for name, _, _, estimate, *_ in PRIMARY
            for shape, factor in (("linear", 1.0), ("square_root", 1.1), ("threshold", 0.8))
        ],
    )  # fmt: skip


def _placebo_adoption() -> pd.DataFrame:
    return _frame(
        "placebo_adoption",
        [
            {"outcome": name, "n_draws": 2_000, "size": 0.04, "ratio": 1.0, "status": "estimated"}
            for name, *_ in PRIMARY
        ],
    )  # fmt: skip


def _sensitivity() -> pd.DataFrame:
    years = "years 2006 to 2019, event times -6 to 3"
    records: list[dict[str, object]] = []
    for name, _, _, estimate, *_ in PRIMARY:
        value = estimate * 0.8
        known = {"outcome": name, "estimate": value, "ci_low": value - 0.02, "ci_high": value + 0.02,
                 "changes_word": False, "status": "estimated", "note": ""}  # fmt: skip
        around_zero = {"ci_low": -0.2, "ci_high": 0.15, "changes_word": True}
        records += [
            {**known, "threat": "main", "assumption": "as planned"},
            {**known, "threat": "honest_magnitudes", "assumption": "average, 1 × largest step", "value": 1.0,
             "breakdown": 0.12, "note": years},
            {**known, "threat": "honest_mde", "assumption": "bend 1", "value": 0.01, "estimate": 0.21, "note": years},
            {**known, "threat": "pretrend_power", "assumption": "drift found with probability 0.5", "value": 0.004,
             "estimate": 0.016, "breakdown": 0.003, "changes_word": True, "note": years},
            {**known, **around_zero, "threat": "coverage", "assumption": "2020 to 2022 with bounds", "value": 0.55},
            {**known, **around_zero, "threat": "region_westfalen", "assumption": ""},
            {**known, "threat": "region_rheinland", "assumption": ""},
            {**known, "threat": "spillover", "assumption": "a", "value": -0.25, "estimate": value * 0.9},
            {**known, "threat": "spillover", "assumption": "b", "value": 0.5, "estimate": value * 1.2},
            {**known, "threat": "mobility", "assumption": "4.0% move in a year", "value": 0.93},
            {"outcome": name, "threat": "with_covariate", "assumption": "", "status": "not estimable", "note": "none"},
        ]  # fmt: skip
    return _frame("sensitivity", [{**record, "position": i} for i, record in enumerate(records, start=1)])


def _early_signal() -> pd.DataFrame:
    records: list[dict[str, object]] = []
    for name, low in zip(LATER, (-0.03, 0.004), strict=True):
        for span, kind, multiple, estimate, first, last, ends, miss in (
            ("ahead", "index", 0, 0.027, 2023, 2025, (0.022, 0.033), None),
            ("ahead", "bound", 1, 0.027, 2023, 2025, (0.012, 0.042), 0.014),
            ("ahead", "cautious_bound", 1, 0.027, 2023, 2025, (low, 0.06), 0.03),
            ("known", "index", 0, 0.019, 2013, 2019, (0.014, 0.025), None),
            ("known", "observed", 0, 0.021, 2013, 2019, (-0.006, 0.046), None),
            ("known", "miss", 0, 0.002, 2013, 2019, (-0.024, 0.025), None),
        ):
            records.append(
                {"outcome": name, "span": span, "kind": kind, "cohort_or_none": 0, "multiple_or_none": multiple,
                 "period_first": first, "period_last": last, "estimate": estimate, "ci_low": ends[0],
                 "ci_high": ends[1], "largest_miss": miss, "status": "estimated"}
            )  # fmt: skip
    return _frame("early_signal", records)


def _cost() -> pd.DataFrame:
    return _frame(
        "cost",
        [
            {"outcome": name, "is_additive": is_additive, "discount_rate": 0.03, "is_plan_choice": is_additive,
             "n_places": 72, "yearly_cost": 4_460_000, "cost_per_child": 37.1 if is_additive else 19.1,
             "cost_per_case": 703, "set_kind": "bounded", "set_low": 486, "set_high": 1_270,
             "benefit_per_case": benefit, "break_even_effect": None if benefit is None else 37.1 / benefit,
             "price_year": 2017, "source_de": "Annahme", "source_en": "assumption", "status": "estimated"}
            for name, *_, benefit in PRIMARY
            for is_additive in (True, False)
        ],
    )  # fmt: skip


def opening_tables() -> dict[str, pd.DataFrame]:
    """The seven tables by name; always the same."""
    return {
        "detectability": _detectability(),
        "looks": _looks(),
        "dose_response": _dose_response(),
        "placebo_adoption": _placebo_adoption(),
        "sensitivity": _sensitivity(),
        "early_signal": _early_signal(),
        "cost": _cost(),
    }
