"""Reading released tables safely: missing tables, missing columns, empty values and any order of rows.

What belongs here: columns, cell values and the marks of empty cells. What does not: wording and drawing.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd

from kkz_eval.report.locale import NOT_ESTIMABLE, SUPPRESSED

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]

_SIZES = "n_children n_units n_treated_units n_clusters status note plan_sha256"
_TEST = f"estimate std_error df ci_low ci_high p_value {_SIZES}"
_EFFECT = f"outcome comparison estimator aggregation cohort event_time period {_TEST}"

COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "participation": "unit name kreis kreis_name region wave start_date dose role reason",
        "coverage": "source unit name year n_files n_delivered n_accepted n_quarantined n_expected "
        "n_regions n_regions_expected share_examined status",
        "description": "outcome comparison_group period n mean ci_low ci_high status note",
        "exposure": "outcome wave period measurement_date years_under_programme full_years share_of_full is_exposed "
        "is_fully_exposed first_exposed_period first_exposed_year first_fully_exposed_period "
        "first_fully_exposed_year can_be_known_now",
        "effects": _EFFECT,
        "event_study": "outcome comparison estimator cohort event_time years_under_programme estimate std_error df "
        f"ci_low ci_high band_low band_high p_value {_SIZES}",
        "group_time": _EFFECT,
        "cross_check": "outcome comparison estimator family n_outcomes estimate p_value p_wild p_placebo p_family "
        "n_draws n_children status note plan_sha256",
        "detectability": "outcome period year is_projected is_extrapolated n_effects years_under_programme "
        "share_of_full information df mde_full mde_full_error mde_nonnegative mde_average mde_latest_event "
        "latest_event_time effect_worth_knowing is_detectable p_detected n_children status note plan_sha256",
        "dose_response": "outcome kind shape method period year low high estimate std_error df ci_low ci_high p_value "
        "information negative_share mean_years n_effects n_children status note plan_sha256",
        "looks": "outcome period year information fraction alpha_spent z_bound t_bound estimate std_error df p_value "
        "ci_low ci_high has_crossed verdict reported_estimate reported_std_error sequence_low sequence_high "
        "power_planned power_current n_children status note plan_sha256",
        "placebo_adoption": "outcome n_draws n_units first_period last_period sd formula_sd ratio size mde status note "
        "plan_sha256",
        "early_signal": "outcome comparison estimator span kind cohort_or_none multiple_or_none cohort multiple "
        "period_first period_last estimate std_error df ci_low ci_high largest_miss breakdown n_children "
        "n_linked n_units n_clusters status note plan_sha256",
        "cost": "outcome is_additive discount_rate is_plan_choice n_places children_per_year yearly_cost "
        "cost_per_child effect_kind averted std_error df cost_per_case set_kind set_low set_high "
        "benefit_per_case acceptability break_even_effect detectable_effect price_year source_de "
        "source_en n_children status note plan_sha256",
        "sensitivity": "outcome threat assumption position value estimate std_error df ci_low ci_high breakdown "
        "changes_word n_children n_units n_clusters status note plan_sha256",
        "dictionary": "table_name column_name unit description",
    }.items()
}


def is_empty(value: Any) -> bool:
    """None, NaN, NaT and NA all mean: there is no value here."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return value is pd.NA or value is pd.NaT


def number(value: Any) -> float | None:
    """A number or nothing."""
    return None if is_empty(value) else float(value)


def whole(value: Any) -> int | None:
    """A whole number or nothing."""
    return None if is_empty(value) else round(float(value))


def text(value: Any) -> str:
    """Text; empty for nothing."""
    return "" if is_empty(value) else str(value)


def flag(value: Any) -> bool:
    """A flag; nothing counts as no."""
    return False if is_empty(value) else bool(value)


def day(value: Any) -> date | None:
    """A calendar day or nothing; accepts dates, time stamps and ISO text."""
    if is_empty(value):
        return None
    if isinstance(value, datetime):  # pandas time stamps are datetimes
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def _order(value: Any) -> tuple[int, float, str]:
    """A sort key for values of any kind: numbers first, then text, nothing last."""
    if is_empty(value):
        return (2, 0.0, "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


class KeptTables(dict[str, pd.DataFrame]):
    """Tables whose rows are put in order once; a report reads each of them many times."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.in_order: dict[str, list[Row]] = {}


def kept(tables: Tables) -> KeptTables:
    """The same tables, with their rows kept once read. Nobody changes these rows."""
    return tables if isinstance(tables, KeptTables) else KeptTables(tables)


def rows(tables: Tables, name: str) -> list[Row]:
    """The rows of a released table in a fixed order, each with every column of `COLUMNS[name]`.

    A table or column that was not released reads as empty: an official study has no coverage, a study without dated
    estimates no bands. The order does not depend on the order of delivery, so the report's bytes do not either.
    """
    if isinstance(tables, KeptTables):
        if name not in tables.in_order:
            tables.in_order[name] = _in_order(tables, name)
        return tables.in_order[name]
    return _in_order(tables, name)


def _in_order(tables: Tables, name: str) -> list[Row]:
    frame = tables.get(name)
    if frame is None or frame.empty:
        return []
    columns = COLUMNS[name]
    lists = [frame[c].tolist() if c in frame.columns else [None] * len(frame) for c in columns]
    records = [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]
    return sorted(records, key=lambda record: [_order(record[column]) for column in columns])


def mark(status: Any) -> str:
    """What stands in a cell without a value: `·` where the value was kept back, `–` where there is none."""
    return SUPPRESSED if "suppress" in text(status) else NOT_ESTIMABLE
