"""Effects that reach the neighbours, and comparisons within a Kreis.

What belongs here: who is exposed by nesting in a Kreis. What does not: the algebra of contaminated comparisons.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.evaluation.threats.columns import Finding, not_estimable
from kkz_eval.evaluation.threats.main_result import MainResult, overall_of
from kkz_eval.horizon.drift import within_kreis_effects
from kkz_eval.horizon.spillover import (
    exposed_control_share,
    neighbour_exposure,
    spillover_table,
    without_exposed_controls,
)

KREIS_UNITS = "the units are Kreise: exposure by another Gemeinde of the same Kreis needs Gemeinden"


def kreise(main: MainResult) -> NDArray[np.str_]:
    """(U,) Kreis of each unit of the main result's cells."""
    places = main.cells.places(main.outcome.name)
    by_unit = dict(zip(places["unit"], places["kreis"], strict=True))
    return np.array([by_unit[unit] for unit in main.panel.units.tolist()], dtype=np.str_)


def exposure(main: MainResult) -> FloatArray:
    """(U, T) 1 where another Gemeinde of the same Kreis takes part by then, else 0; the outcome's own periods count."""
    own = kreise(main)
    same = (own[:, None] == own[None]).astype(np.float64)
    return np.asarray(neighbour_exposure(main.panel, same) > 0, dtype=np.float64)


def spillover(main: MainResult) -> list[Finding]:
    """τ̂/(1 − κs) for the plan's shares κ; s from the weights of exposed comparison cells."""
    if main.plan.study.unit != "ags":
        raise EstimationError(KREIS_UNITS + ".")
    sample, weights = main.weights_of(main.on_panel)
    seen = exposure(main)[
        np.ix_(np.searchsorted(main.panel.units, sample.units), np.searchsorted(main.panel.periods, sample.periods))
    ]
    treated = np.asarray(sample.cohort[:, None] <= sample.periods[None])
    share = exposed_control_share(weights, np.where(treated, 0.0, seen), treated)
    table = spillover_table(
        main.result.estimate, main.result.std_error, share, kappas=main.plan.threats.spillover
    )  # fmt: skip
    findings = []
    for row in table:
        said = f"{row.kappa:g} × effect on exposed places"
        if row.estimate is None or row.std_error is None:
            findings.append(not_estimable("spillover", row.reason or "", said, row.kappa))
            continue
        moved = main.moved("spillover", said, row.estimate, row.std_error, row.kappa)
        note = f"{share:.1%} of the comparison lies in a Kreis in which another Gemeinde takes part by then"
        findings.append(replace(moved, note=note))
    return findings


def exposed_controls_dropped(main: MainResult) -> list[Finding]:
    """The effect without never-participants in a Kreis in which another Gemeinde takes part."""
    if main.plan.study.unit != "ags":
        raise EstimationError(KREIS_UNITS + ".")
    kept = without_exposed_controls(main.panel, exposure(main))
    keep = np.isin(main.panel.units, kept.units)
    n_left, n_all = int((~kept.is_treated).sum()), int((~main.panel.is_treated).sum())
    note = f"{n_all - n_left} of {n_all} never participating places left out"
    return [main.finding("exposed_controls_dropped", main.units(keep), note=note)]


def within_kreis(main: MainResult) -> list[Finding]:
    """The effect against other Gemeinden of the same Kreis only; `value` is the share of the treated weight left."""
    if main.plan.study.unit != "ags":
        raise EstimationError("the units are Kreise: nothing is left to compare within one.")
    if main.compared.covariates is not None:
        raise EstimationError("the comparison within a Kreis does not hold covariates of places constant.")
    fit = within_kreis_effects(replace(main.panel, cluster=kreise(main)), main.plain.options())
    result = overall_of(fit, main.plain)
    share = float(fit.extra["remaining_share"][result.place])
    note = "value: share of the treated weight that has a comparison in its own Kreis"
    return [replace(main.finding("within_kreis", result, note=note), value=share)]
