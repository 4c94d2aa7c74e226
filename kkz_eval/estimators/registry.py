"""The estimators by name. A new estimator is one file and one line here."""

from collections.abc import Callable, Mapping

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.adjustment import callaway_santanna_adjusted
from kkz_eval.estimators.bacon import bacon
from kkz_eval.estimators.callaway_santanna import callaway_santanna
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
}


def estimator(name: str) -> Estimator:
    """The estimator called `name`. Raises EstimationError with the names there are."""
    if name not in ESTIMATORS:
        raise EstimationError(f"there is no estimator {name}; choose one of {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]
