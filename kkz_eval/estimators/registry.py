"""The estimators by name. A new estimator is one file and one line here."""

from collections.abc import Callable, Mapping

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.regression import event_study, two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions, Fit

Estimator = Callable[[CellPanel, EstimatorOptions], Fit]

ESTIMATORS: Mapping[str, Estimator] = {
    "callaway_santanna": callaway_santanna,
    "two_way_fixed_effects": two_way_fixed_effects,
    "event_study": event_study,
}


def estimator(name: str) -> Estimator:
    """The estimator called `name`. Raises EstimationError with the names there are."""
    if name not in ESTIMATORS:
        raise EstimationError(f"there is no estimator {name}; choose one of {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]
