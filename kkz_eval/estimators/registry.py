"""The estimators by name, and what each estimates. A new estimator is one file, one line and one sentence here."""

from collections.abc import Callable, Mapping

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import callaway_santanna_adjusted
from kkz_eval.estimators.bacon import bacon
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.dose import dose_response
from kkz_eval.estimators.etwfe import etwfe, etwfe_logit, etwfe_poisson
from kkz_eval.estimators.imputation import imputation
from kkz_eval.estimators.regression import event_study, two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit
from kkz_eval.estimators.stacked import stacked
from kkz_eval.estimators.sun_abraham import sun_abraham
from kkz_eval.estimators.synthetic_did import synthetic_did
from kkz_eval.estimators.two_stage import two_stage

Estimator = Callable[[CellPanel, EstimatorOptions], Fit]

ESTIMATORS: Mapping[str, Estimator] = {
    "callaway_santanna": callaway_santanna,
    "two_way_fixed_effects": two_way_fixed_effects,
    "event_study": event_study,
    "callaway_santanna_adjusted": callaway_santanna_adjusted,
    "sun_abraham": sun_abraham,
    "imputation": imputation,
    "two_stage": two_stage,
    "etwfe": etwfe,
    "etwfe_logit": etwfe_logit,
    "etwfe_poisson": etwfe_poisson,
    "stacked": stacked,
    "bacon": bacon,
    "synthetic_did": synthetic_did,
    "dose": dose_response,
}

ESTIMANDS: Mapping[str, str] = {
    "callaway_santanna": "The average effect on the units that take part, cohort by cohort: their change since the "
    "last period before adoption, minus the change of units not (yet) taking part.",
    "two_way_fixed_effects": "One average over all treated cells with weights that the timing decides, some of which "
    "can be negative; it equals the others only where the effect is the same in every cohort and period.",
    "event_study": "One average per period since adoption from a single regression; where cohorts differ, it mixes in "
    "effects of other periods.",
    "callaway_santanna_adjusted": "As callaway_santanna, with outcomes compared at the same composition of children; "
    "it differs where the composition of children has changed.",
    "sun_abraham": "As callaway_santanna, but compared only with units that never take part, and averaged by treated "
    "cells; it differs where cells are missing or cohorts not yet treated would serve as comparison.",
    "imputation": "The average difference of treated cells to what unit and period effects of all untreated cells "
    "predict; it differs because every period before adoption serves as base, not only the last.",
    "two_stage": "The same average as imputation, with another standard error; its effects before adoption are near "
    "zero by construction.",
    "etwfe": "The average effect on treated cells from one regression with a term for each cohort and period; it "
    "differs because every period before adoption serves as base.",
    "etwfe_logit": "As etwfe for shares, under the assumption that the log-odds would have moved in parallel; it "
    "differs where the levels of shares differ between units.",
    "etwfe_poisson": "As etwfe for counts and rates, under the assumption that ratios would have stayed the same; it "
    "differs where the levels differ between units.",
    "stacked": "The average effect on cohorts that are all observed in the same window around adoption; it differs "
    "because later effects of early cohorts and cohorts outside the window are left out.",
    "bacon": "No effect of its own: the comparisons that two_way_fixed_effects averages, among units observed in every "
    "period; those with units already treated as comparison are no effects where effects change with time.",
    "synthetic_did": "The average effect on the units that take part, against never-treated units weighted so that "
    "they moved alike before; it differs where the plain comparison group moved differently.",
    "dose": "The average effect of each amount of exposure on the units that had it, against units not yet treated; "
    "differences between amounts are effects of more exposure only if units would have reacted alike.",
}
"""What each estimator estimates, and why its number may differ from the others: one plain sentence each."""


def estimator(name: str) -> Estimator:
    """The estimator called `name`. Raises EstimationError with the names there are."""
    if name not in ESTIMATORS:
        raise EstimationError(f"there is no estimator {name}; choose one of {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]
