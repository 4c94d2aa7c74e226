"""What is asked, as frozen records read from a TOML plan, and the folder in which one evaluation lives.

Belongs here: outcomes, treatment, comparisons, thresholds, the study's paths.
Does not: anything that reads data or computes.
"""

from kkz_eval.plan.model import Comparison, ExcludedPeriod, ExcludedUnit, OfficialFile, Outcome, Plan
from kkz_eval.plan.read import deviations, parse_plan, plan_from_json, read_plan, shipped_plan
from kkz_eval.plan.study import Study

__all__ = [
    "Comparison",
    "ExcludedPeriod",
    "ExcludedUnit",
    "OfficialFile",
    "Outcome",
    "Plan",
    "Study",
    "deviations",
    "parse_plan",
    "plan_from_json",
    "read_plan",
    "shipped_plan",
]
