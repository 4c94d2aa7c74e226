"""Effects by dose: years under the programme, or the share of a unit's children that it reaches.

Every number is a ratio of sums over treated unit-periods, so that estimates, influence functions and
leave-one-cluster-out estimates come from the same arrays.
"""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from kkz_eval.cells.moments import MomentPanel
from kkz_eval.cells.panel import CellPanel
from kkz_eval.cells.profiles import ProfilePanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.dose_levels import DoseBin, dose_bins, dose_of, follows_from_time, is_one_dose
from kkz_eval.estimators.group_time import Arms, IndexArray, Pairs, Sample, build_arms, comparisons, prepare, unit_mass
from kkz_eval.estimators.result import (
    BoolArray,
    EstimatorOptions,
    Fit,
    FloatArray,
    InfluenceMatrix,
    Parameter,
    sum_by,
)

NAME = "dose"
ONE_DOSE = "all doses are equal: nothing to compare"
CAUSAL = (
    "differences between doses are causal only if units with one dose would have responded to another dose as the "
    "units with that dose did (strong parallel trends)"
)
MATURITY = (
    "in these data dose follows from time since adoption alone, so that dose and maturity of the programme cannot be "
    "told apart"
)
SAME_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class Contrasts:
    """R treated units in K pairs of cohort and period, after adoption, and the units they are compared with.

    unit (R,) positions in the sample; change (R, K) own change since the base period; dose (R, K);
    mass (R, K) fixed weight of the unit, 0 where it does not enter; arms: weighted means of the comparison units.
    """

    sample: Sample
    pairs: Pairs
    unit: IndexArray
    change: FloatArray
    dose: FloatArray
    mass: FloatArray
    arms: Arms
    n_incomplete: int
    n_zero: int


@dataclass(frozen=True)
class Term:
    """One ratio Σ a·(effect) / Σ a·(dose or 1): a = mass, times dose when `by_dose`, within a bin of doses."""

    parameter: Parameter
    said: str
    by_dose: bool = False
    per_dose: bool = False
    within: DoseBin | None = None

    def weights(self, dose: FloatArray, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights of the effects and of the denominator, in the shape of dose."""
        chosen = mass if self.within is None else mass * self.within.holds(dose)
        weight: FloatArray = chosen * dose if self.by_dose else chosen
        return weight, weight * dose if self.per_dose else weight


OVERALL = Term(Parameter("overall"), "mean effect over treated unit-periods, whatever the dose")
RATIO = Term(Parameter("dose"), "effect per unit of dose: sum of effects by sum of doses", per_dose=True)
SLOPE = Term(
    Parameter("dose", label="slope"),
    "slope: effect per unit of dose by least squares through 0",
    by_dose=True,
    per_dose=True,
)
LINEARITY = Term(
    Parameter("dose", label="linearity"),
    "linearity: effect per unit of dose minus slope, 0 but for chance when effects are proportional to dose",
)
SUMMARIES = (OVERALL, RATIO, SLOPE)


def dose_response(panel: CellPanel, options: EstimatorOptions) -> Fit:
    """Effect per unit of dose, and the mean effect by dose.

    Dose: `options.dose` (U, T), for example years of life under the programme or the share of children reached; it may
    differ between the units of a cohort and change over time. Without it, periods since adoption, the first as 1.

    Estimands, over treated unit-periods i, t with dose d > 0 and fixed weights w of the units (in design
    `cross_section` times their children of all periods), with ATT the effect in a unit-period: `overall` Σ w ATT / Σ w;
    `dose` without label Σ w ATT / Σ w d, whose weights are positive whatever the shape of the effect; label `slope`
    Σ w d ATT / Σ w d², with more weight on high doses; label `linearity` their difference, which has expectation 0
    when the effect is proportional to dose; one `dose` row per bin with the mean effect in it. `extra["mean_dose"]`
    (P,) holds the mean dose behind each parameter. Bins: `options.dose_edges`, else by value up to four values,
    by whole numbers when doses exceed 1, by quartile otherwise. Bins are fixed when clusters are left out.

    Compared are the unit's own change since the base period of `callaway_santanna` and the mean change of the units
    `callaway_santanna` takes as comparison in that period and design. With dose 1 throughout and a complete panel,
    `dose` is the overall effect of `callaway_santanna`. A mean effect at a dose rests on parallel trends; that other
    units would have had the same effect at that dose, and so each difference between doses, on strong parallel trends.

    Raises EstimationError for doses that are negative, infinite, missing or positive before adoption, without any
    positive dose, with covariates, and when there is no comparison at all.
    Source: Callaway, Goodman-Bacon and Sant'Anna (2024), NBER working paper 32117.
    """
    if options.covariates is not None or isinstance(panel, ProfilePanel | MomentPanel):
        raise EstimationError(f"cells of {panel.outcome}: estimator dose takes no covariates; leave them out.")
    contrasts = _contrasts(panel, options)
    entering = contrasts.dose[contrasts.mass > 0]
    terms = (*SUMMARIES, *(_bin_term(b, contrasts) for b in dose_bins(entering, options.dose_edges)))
    shift, shift_influence = _comparison_change(contrasts.arms)
    parts = [_ratio(term, contrasts, shift, shift_influence) for term in terms]
    estimate, influence, share, used, children = (np.stack(column, axis=-1) for column in zip(*parts, strict=True))
    parameters = tuple(term.parameter for term in _with_check(terms))
    one_dose = is_one_dose(entering)
    left = contrasts.sample.panel
    return Fit(
        estimator=NAME,
        parameters=parameters,
        estimate=_with_difference(estimate, missing=one_dose),
        influence=InfluenceMatrix(left.units, left.cluster, _with_difference(influence, missing=False)),
        treated_weight=np.insert(share, len(SUMMARIES), share[:, 1] + share[:, 2], axis=1),
        used=np.insert(used, len(SUMMARIES), used[:, 1], axis=1),
        n_children=np.insert(children, len(SUMMARIES), children[1]),
        is_reference=np.zeros(len(parameters), dtype=bool),
        reason=tuple(ONE_DOSE if one_dose and p == LINEARITY.parameter else None for p in parameters),
        notes=_notes(terms, contrasts, options),
        leave_out=lambda: _leave_out(terms, contrasts),
        extra={
            "sample": contrasts.sample,
            "contrasts": contrasts,
            "mean_dose": np.array([_mean_dose(term, contrasts) for term in _with_check(terms)]),
        },
    )


def _contrasts(panel: CellPanel, options: EstimatorOptions) -> Contrasts:
    dose = dose_of(panel, options.dose)
    sample = prepare(panel, options)
    pairs = _after_adoption(sample, comparisons(sample, options))
    if len(pairs.cohort) == 0:
        raise EstimationError(
            f"cells of {panel.outcome}: no treated cohort has a period before adoption and a comparison group "
            f"({'; '.join(sample.notes) or 'no cohort adopts within the observed periods'}); add earlier periods."
        )
    arms = build_arms(sample, pairs, options)
    half = len(arms.sign) // 2  # the first half are the treated, the rest the comparison units
    comparison = replace(
        arms,
        sign=arms.sign[half:],
        numerator=arms.numerator[half:],
        denominator=arms.denominator[half:],
        member=arms.member[half:],
    )
    left = sample.panel
    unit = np.flatnonzero(np.isin(left.cohort, pairs.cohort)).astype(np.intp)
    row, column = np.searchsorted(panel.units, left.units[unit]), np.searchsorted(panel.periods, left.periods)
    own = dose[np.ix_(row, column)][:, pairs.period]
    change = left.value[unit][:, pairs.period] - left.value[unit][:, pairs.base]
    has_comparison: BoolArray = np.asarray(comparison.member.any(axis=1).all(axis=0))
    treated = (left.cohort[unit][:, None] == pairs.cohort[None, :]) & has_comparison[None, :]
    complete = treated & np.isfinite(change)
    enters = complete & (own > 0)
    if not enters.any():
        raise EstimationError(
            f"cells of {panel.outcome}: none of the {int(complete.sum())} treated unit-periods with a comparison has a "
            "dose above 0; there is no variation in dose: check its column or its unit."
        )
    return Contrasts(
        sample=sample,
        pairs=pairs,
        unit=unit,
        change=np.where(enters, change, 0.0),
        dose=np.where(enters, own, 0.0),
        mass=unit_mass(left, options)[unit][:, None] * enters,
        arms=comparison,
        n_incomplete=int((treated & ~complete & (own > 0)).sum()),
        n_zero=int((complete & (own == 0)).sum()),
    )


def _after_adoption(sample: Sample, pairs: Pairs) -> Pairs:
    post: BoolArray = np.asarray(sample.panel.periods[pairs.period] >= pairs.cohort)
    return Pairs(pairs.cohort[post], pairs.period[post], pairs.base[post], pairs.comparison[post])


def _comparison_change(arms: Arms) -> tuple[FloatArray, FloatArray]:
    """What the comparison units add to each effect: (K,) minus their mean change, and its influence functions (U, K).

    0 where there is none; no treated unit then enters.
    """
    total, count = arms.denominator.sum(axis=1), arms.member.sum(axis=1)
    safe = np.where(count > 0, total, 1.0)
    mean = arms.numerator.sum(axis=1) / safe
    deviation = (arms.numerator - mean[:, None, :] * arms.denominator) / safe[:, None, :]
    return arms.sign @ mean, np.einsum("j,juk->uk", arms.sign, deviation)


def _ratio(
    term: Term, contrasts: Contrasts, shift: FloatArray, shift_influence: FloatArray
) -> tuple[float, FloatArray, FloatArray, BoolArray, float]:
    """Estimate, influence (U,), treated weight (U,), units used (U,) and children of one term."""
    weight, divisor = term.weights(contrasts.dose, contrasts.mass)
    total = divisor.sum()
    effect = contrasts.change + shift[None]
    estimate = float((weight * effect).sum() / total)
    by_pair = weight.sum(axis=0)
    influence = shift_influence @ by_pair / total
    influence[contrasts.unit] += (weight * effect - estimate * divisor).sum(axis=1) / total
    share = np.zeros(len(influence))
    share[contrasts.unit] = weight.sum(axis=1) / weight.sum()
    used = contrasts.arms.member[:, :, by_pair > 0].any(axis=(0, 2)) | (share > 0)
    children = np.where(weight > 0, contrasts.sample.panel.n[contrasts.unit][:, contrasts.pairs.period], 0.0).sum()
    return estimate, influence, share, used, float(children)


def _with_difference(values: FloatArray, *, missing: bool | BoolArray) -> FloatArray:
    """(…, P) with ratio minus slope put in after the summaries; NaN where missing."""
    difference = np.where(missing, np.nan, values[..., 1] - values[..., 2])
    return np.insert(values, len(SUMMARIES), difference, axis=-1)


def _with_check(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    return (*terms[: len(SUMMARIES)], LINEARITY, *terms[len(SUMMARIES) :])


def _leave_out(terms: tuple[Term, ...], contrasts: Contrasts) -> FloatArray:
    labels, code = np.unique(contrasts.sample.panel.cluster, return_inverse=True)
    n_clusters, arms = len(labels), contrasts.arms
    everywhere = code.astype(np.intp)

    def without(values: FloatArray, code: IndexArray) -> FloatArray:
        rest: FloatArray = values.sum(axis=0)[None] - sum_by(code, n_clusters, values)
        return rest

    shift = np.zeros((n_clusters, len(contrasts.pairs.cohort)))
    exists: BoolArray = np.ones(shift.shape, dtype=bool)
    for j, sign in enumerate(arms.sign):
        there = np.rint(without(arms.member[j].astype(np.float64), everywhere)) > 0
        total = np.where(there, without(arms.denominator[j], everywhere), 1.0)
        shift += sign * without(arms.numerator[j], everywhere) / total
        exists = exists & there
    treated_code = everywhere[contrasts.unit]
    estimates, spread = np.full((n_clusters, len(terms)), np.nan), np.zeros((3, n_clusters))
    for p, term in enumerate(terms):
        weight, divisor = term.weights(contrasts.dose, contrasts.mass)
        there = exists & (np.rint(without((weight > 0).astype(np.float64), treated_code)) > 0)
        rest = without(weight, treated_code)
        effect = np.where(there, without(weight * contrasts.change, treated_code) + rest * shift, 0.0).sum(axis=1)
        total = np.where(there, without(divisor, treated_code), 0.0).sum(axis=1)
        np.divide(effect, total, out=estimates[:, p], where=there.any(axis=1))
        if p < len(SUMMARIES):
            spread[p] = total  # Σ w, Σ w d, Σ w d²
    one_dose: BoolArray = np.asarray(spread[0] * spread[2] - spread[1] ** 2 <= SAME_SPREAD * spread[0] * spread[2])
    return _with_difference(estimates, missing=one_dose)


def _bin_term(within: DoseBin, contrasts: Contrasts) -> Term:
    term = Term(Parameter("dose", label=within.label), f"mean effect at {within.label}", within=within)
    if within.is_value:
        return term
    return replace(term, said=f"{term.said}, there {_mean_dose(term, contrasts):.3g} on average")


def _mean_dose(term: Term, contrasts: Contrasts) -> float:
    weight, _ = replace(term, per_dose=False).weights(contrasts.dose, contrasts.mass)
    return float((weight * contrasts.dose).sum() / weight.sum())


def _notes(terms: tuple[Term, ...], contrasts: Contrasts, options: EstimatorOptions) -> tuple[str, ...]:
    early = f" and {options.anticipation} periods of anticipation" if options.anticipation else ""
    others = {"never_treated": "units never treated", "not_yet_treated": "units not yet treated"}
    shared = [
        f"each treated unit's change since the last period before adoption{early}, minus the mean change of "
        f"{others[options.control_group]}"
    ]
    if options.dose is None:
        shared.append("dose counts periods since adoption, the first as 1")
    if contrasts.n_incomplete:
        shared.append(f"{contrasts.n_incomplete} treated unit-periods without values in both periods left out")
    if contrasts.n_zero:
        shared.append(f"{contrasts.n_zero} unit-periods after adoption with dose 0 left out")
    enters = contrasts.mass > 0
    event = contrasts.sample.panel.periods[contrasts.pairs.period] - contrasts.pairs.cohort
    event_of = cast(IndexArray, np.broadcast_to(event, enters.shape)[enters])
    depends = follows_from_time(contrasts.dose[enters], event_of)
    about_doses = [CAUSAL, *([MATURITY] if depends else [])]
    return tuple(
        "; ".join(
            [
                term.said,
                *shared,
                *(about_doses if term.parameter.aggregation == "dose" else []),
                *contrasts.sample.notes,
            ]
        )
        for term in _with_check(terms)
    )
