"""Other places in the comparison: regions, the second programme, covariates of places, one Kreis left out.

What belongs here: who is compared instead. What does not: how an effect is estimated.
"""

from dataclasses import replace

import numpy as np

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.evaluation.specification import fit_specification
from kkz_eval.evaluation.threats.columns import Finding, not_estimable
from kkz_eval.evaluation.threats.main_result import CELL_WEIGHTS, MainResult, Result, cells_where, overall_of
from kkz_eval.plan.model import OFFICIAL_COVARIATES

REGIONS = ("westfalen", "rheinland")
INCOMPLETE = "only members that are named are known, not all 39"


def never_treated_only(main: MainResult) -> list[Finding]:
    """Only places that never take part as comparison."""
    return [
        main.finding("never_treated_only", main.again(specification=replace(main.plain, control_group="never_treated")))
    ]


def anticipation(main: MainResult) -> list[Finding]:
    """The year before the first exposed one may be affected already, so the reference lies a year earlier."""
    years = main.plain.anticipation + 1
    result = main.again(specification=replace(main.plain, anticipation=years))
    return [replace(main.finding("anticipation", result, "one year earlier"), value=float(years))]


def region(main: MainResult, name: str) -> list[Finding]:
    """Only places of one part of the Land."""
    places = main.cells.places(main.outcome.name)
    chosen = places.loc[places["region"] == name, "unit"].tolist()
    return [main.finding(f"region_{name}", main.units(np.isin(main.panel.units, chosen)))]


def second_programme(main: MainResult) -> list[Finding]:
    """Without the places of the Rhineland's own programme, and with membership in it held constant.

    Membership is taken as a feature of a place: most years of joining are not known.
    """
    threat = "without_second_programme"
    members = np.isin(main.panel.units, sorted(main.around.second_programme))
    if not members.any():
        raise EstimationError("no place of this comparison is known to have been in the second programme.")
    findings = []
    for assumption in ("left out", "held constant"):
        try:
            result = main.units(~members) if assumption == "left out" else _held(main, members.astype(np.float64))
        except EstimationError as reason:
            findings.append(not_estimable(threat, str(reason), assumption))
            continue
        row = main.finding(threat, result, assumption, f"{int(members.sum())} places of the programme; {INCOMPLETE}")
        findings.append(replace(row, value=float(members.sum())))
    return findings


def _held(main: MainResult, feature: FloatArray) -> Result:
    covariates, names = main.with_layer(np.broadcast_to(feature[:, None], main.panel.value.shape), "second_programme")
    return main.again(covariates=covariates, names=names)


def leave_one_out(main: MainResult) -> list[Finding]:
    """The smallest and the largest effect without one participating cluster, and which one that is."""
    labels, _ = main.result.fit.influence.by_cluster()
    treated_units = main.result.fit.treated_weight[:, main.result.place] != 0
    treated = np.isin(labels, main.result.fit.influence.clusters[treated_units])
    without = np.where(treated, main.result.fit.leave_out()[:, main.result.place], np.nan)
    if np.isfinite(without).sum() < 2:
        raise EstimationError("the effect rests on one participating cluster.")
    findings = []
    for assumption, c in (("smallest", int(np.nanargmin(without))), ("largest", int(np.nanargmax(without)))):
        key = str(labels[c])
        keep = main.compared.panel.cluster != key
        held = main.compared.covariates
        fit = fit_specification(
            main.compared.panel.select(keep),
            main.specification,
            None if held is None else held[keep],
            main.compared.covariate_names,
        )
        named = f"{key} ({main.around.names[key]})" if key in main.around.names else key
        note = f"{assumption} estimate of {int(treated.sum())} clusters left out in turn: without {named}"
        findings.append(main.finding("leave_one_out", overall_of(fit, main.specification), assumption, note))
    return findings


def covariates(main: MainResult) -> list[Finding]:
    """With each known covariate of places held constant, beside the same cells without it.

    Known are official statistics and, among outcomes of the plan, Kita quotas. A Kita quota may be a way in which the
    programme works, so the row with it is no better than the row without. callaway_santanna takes one value per place:
    its mean in the years before the first adoption.
    """
    layers = _known_layers(main)
    if not layers:
        raise EstimationError(
            "no covariate of places is known for this comparison: official statistics are given per Kreis."
        )
    findings = []
    for name, layer in layers.items():
        earlier = _before_first_adoption(main, layer) if main.plain.estimator == CELL_WEIGHTS else layer
        findings += _with_covariate(main, name, earlier)
    return findings


def _before_first_adoption(main: MainResult, layer: FloatArray) -> FloatArray:
    """(U, T) the mean of the covariate in the years before any place adopts, NaN for places without one."""
    before = layer[:, main.panel.periods < main.panel.cohort.min() - main.plain.anticipation]
    n = np.isfinite(before).sum(axis=1)
    mean = np.divide(np.nansum(before, axis=1), n, out=np.full(len(n), np.nan), where=n > 0)
    return np.repeat(mean[:, None], layer.shape[1], axis=1)


def _with_covariate(main: MainResult, name: str, layer: FloatArray) -> list[Finding]:
    """Two rows, on the cells in which the covariate is known."""
    threat, known = f"with_covariate_{name}", np.isfinite(layer)
    if not known.any():
        return [not_estimable(threat, "the covariate has no value before the first adoption.")]
    panel = cells_where(main.panel, known)
    given, names = main.with_layer(np.nan_to_num(layer), name)
    years = main.panel.periods[known.any(axis=0)]
    note = f"years {years[0]} to {years[-1]}"
    if main.plain.estimator == CELL_WEIGHTS:
        note += ", at its mean level before the first adoption"
    findings = []
    for assumption, held, named in (
        ("without it, same cells", main.compared.covariates, main.compared.covariate_names),
        ("held constant", given, names),
    ):
        try:
            findings.append(main.finding(threat, main.again(panel, held, named), assumption, note))
        except EstimationError as reason:
            findings.append(not_estimable(threat, str(reason), assumption))
    return findings


def _known_layers(main: MainResult) -> dict[str, FloatArray]:
    """Covariates (U, T) by name, NaN where unknown; only those with a value in some cell of the comparison."""
    kita = [o.name for o in main.plan.outcomes if o.source == "official" and o.name.startswith("kita_")]
    frames = {name: main.cells.covariate(name) for name in OFFICIAL_COVARIATES}
    frames |= {name: main.cells.means(name) for name in kita if name != main.outcome.name}
    layers = {}
    for name, frame in frames.items():
        wide = frame.pivot(index="unit", columns="period", values="value")
        layer = wide.reindex(index=main.panel.units, columns=main.panel.periods).to_numpy(dtype=np.float64)
        if np.isfinite(layer).any():
            layers[name] = layer
    return layers
