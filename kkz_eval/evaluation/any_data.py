"""Difference-in-differences on any data: a frame, a DuckDB relation or a file in, rows of results out.

What belongs here: the words of the command and what they mean. What does not: checks of rows (any_frame.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from kkz_eval.errors import EstimationError
from kkz_eval.estimators.registry import estimator as registered
from kkz_eval.estimators.result import BasePeriod, ControlGroup, Estimate, Fit, Method
from kkz_eval.evaluation.any_cells import Prepared, prepare
from kkz_eval.evaluation.any_children import child_estimates, fit_children, needs_passes
from kkz_eval.evaluation.any_frame import Unbalanced
from kkz_eval.evaluation.any_groups import Roles, SampleDesign
from kkz_eval.evaluation.any_inference import with_reassignment, with_wild
from kkz_eval.evaluation.specification import Specification, run_specification
from kkz_eval.warehouse import Relation, nearest, open_rows

if TYPE_CHECKING:
    import pandas as pd

#: The estimators of the command, and their names in the registry.
ESTIMATORS: Mapping[str, str] = {
    "callaway_santanna": "callaway_santanna",
    "sun_abraham": "sun_abraham",
    "imputation": "imputation",
    "two_stage": "two_stage",
    "etwfe": "etwfe",
    "stacked": "stacked",
    "twfe": "two_way_fixed_effects",
    "event_study": "event_study",
    "bacon": "bacon",
    "synthetic_did": "synthetic_did",
    "dose": "dose",
}
ERRORS: Mapping[str, Literal["analytic", "jackknife"]] = {
    "analytic": "analytic",
    "jackknife": "jackknife",
    "multiplier": "analytic",
    "wild": "analytic",
    "randomisation": "analytic",
}
AGGREGATIONS = ("group_time", "overall", "group", "calendar", "event", "static", "dose", "decomposition", "pretest")
CHOICES: Mapping[str, Sequence[str]] = {
    "estimator": (*ESTIMATORS,),
    "method": ("dr", "ipw", "reg"),
    "control": ("never_treated", "not_yet_treated"),
    "base": ("varying", "universal"),
    "design": ("panel", "cross_section"),
    "unbalanced": ("keep", "balance"),
    "inference": (*ERRORS,),
}
NEVER_WORDS = ("", "empty", "inf", "infinity", "none", "nan")
WEIGHTED_COUNT = "n is not given: rows count by their weight"
CELLS_ALIKE = ("bacon", "synthetic_did")
ALIKE = "every pair of unit and period counts alike, whatever its number of rows"


def estimate(
    frame: "pd.DataFrame | Relation | str",
    *,
    outcome: str,
    unit: str,
    period: str,
    cohort: str,
    never: float | str | None = 0,
    estimator: str = "callaway_santanna",
    method: str | None = None,
    control: str | None = None,
    base: str | None = None,
    anticipation: int = 0,
    covariates: Sequence[str] = (),
    dose: str | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    design: str = "panel",
    unbalanced: str = "balance",
    aggregate: Sequence[str] = (),
    inference: str = "jackknife",
    confidence_level: float = 0.95,
    draws: int = 999,
    seed: int = 20120101,
) -> list[Estimate]:
    """Effects of a staggered treatment, from a frame with one row per unit and period, or per child.

    frame: a frame, a DuckDB relation, or a file as in `estimate_file`. The database reduces the rows to cells, so that
    memory does not grow with their number.

    outcome, unit, period, cohort name columns; cohort holds the unit's first treated period, and empty, inf or `never`
    (default 0; None or "inf": nothing else) for units never treated. Three lines to a picture::

        from kkz_eval.evaluation.any_data import estimate
        from kkz_eval.report.any_data import event_study_plot
        event_study_plot(estimate(frame, outcome="y", unit="id", period="year", cohort="first")).save("effects.svg")

    estimator: callaway_santanna, sun_abraham, imputation, two_stage, etwfe, stacked, twfe, event_study, bacon,
    synthetic_did or dose; what each estimates stands in its own module.
    dose: column of how much of the programme a unit had in a period (0 or empty before its cohort begins), for
    estimator dose; without it dose counts periods since adoption.
    method (dr): how callaway_santanna takes covariates; base (varying): its period of comparison before adoption.
    control: never_treated for callaway_santanna, else not_yet_treated, unless given.
    design: `panel`, one row per unit and period, weights and (for callaway_santanna) covariates constant per unit; or
    `cross_section`, one row per child, weights and covariates of the child. Covariates with more than 20 000
    combinations of values are taken by passes over the rows in the database; method dr and ipw then have no jackknife.
    unbalanced, in a panel: `balance` leaves out units without a row in every period; `keep` takes every row as an
    observation. These are the two conventions of R did (allow_unbalanced_panel).
    cluster (default: unit): within which errors may be dependent.
    aggregate: only these kinds of rows: group_time, overall, group, calendar, event, static, dose, decomposition,
    pretest.
    inference: `jackknife` leaves out one cluster at a time; `analytic` takes influence functions; `multiplier` is
    analytic too, and is the word for the simultaneous band from `draws` random multipliers, which every kind gives for
    event times; `wild` is the wild cluster bootstrap with the null imposed, for p-values and intervals; `randomisation`
    gives p-values by placebo reassignment of cohorts (callaway_santanna on a complete panel without covariates), with
    clusters as a whole where their units adopt together. Other intervals are Student's t with few-cluster degrees of
    freedom.

    With inference="analytic", estimates and standard errors of the defaults are those of R did 2.5.1. `n` counts rows
    of the treated cells. Rows without outcome or covariates are left out, and every row of the result says how many in
    `note`; rows that would change a result unseen are refused.

    Raises EstimationError, one sentence, for anything that does not fit.
    """
    given = {
        "estimator": estimator, "method": method, "control": control, "base": base, "design": design,
        "unbalanced": unbalanced, "inference": inference,
    }  # fmt: skip
    _check_choices(given, aggregate, anticipation, draws)
    if dose is not None and estimator != "dose":
        raise EstimationError(f"dose belongs to estimator dose; leave it out with estimator {estimator}.")
    is_callaway = estimator == "callaway_santanna"
    controls = cast(ControlGroup, control or ("never_treated" if is_callaway else "not_yet_treated"))
    chosen = cast(Method, method or "dr")
    roles = Roles(
        outcome, unit, period, cohort, None if cluster == unit else cluster, weights, tuple(covariates), _never(never),
        dose,
    )  # fmt: skip
    with open_rows(frame, roles.kinds) as data:
        many = needs_passes(data, roles, design=cast(SampleDesign, design), by_profile=is_callaway, method=chosen)
        database = data.connection if many else None
        prepared = prepare(
            data,
            roles,
            design=cast(SampleDesign, design),
            unbalanced=cast(Unbalanced, unbalanced),
            by_profile=is_callaway,
            method=chosen if database is None else "reg",  # its moments suffice for the checks
            control=controls,
        )
        specification = Specification(
            comparison="data",
            estimator=ESTIMATORS[estimator],
            control_group=controls,
            base_period=cast(BasePeriod, base or "varying"),
            anticipation=anticipation,
            design=prepared.design,
            inference=ERRORS[inference],
            confidence_level=confidence_level,
            seed=seed,
            draws=draws,
            method=chosen,
        )
        fit = None if database is None else fit_children(data, database, roles, specification)
    if estimator in CELLS_ALIKE and design == "cross_section":
        prepared = _alike(prepared, roles, estimator)
    names = roles.covariates if prepared.covariates is not None else ()
    if fit is not None:
        rows = child_estimates(fit, specification)
    else:
        rows = run_specification(prepared.panel, specification, prepared.covariates, names, prepared.dose)
    if inference in ("wild", "randomisation") and any(row.estimate is not None for row in rows):
        options = specification.options(prepared.covariates, names, prepared.dose)
        fit = fit or registered(specification.estimator)(prepared.panel, options)
        rows = _resampled(rows, fit, specification, inference)
    return [_as_asked(row, estimator, prepared) for row in _selected(rows, estimator, aggregate)]


def estimate_file(source: str, **options: Any) -> list[Estimate]:
    """`estimate` on FILE.csv, FILE.parquet or FILE.duckdb:table; only the columns named are read.

    Raises EstimationError and WarehouseError, one sentence, for files, columns and rows that do not fit.
    """
    return estimate(source, **options)


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def need_writable(source: str, output: Path | None) -> None:
    """Raise EstimationError when the results would be written over the data, or into no folder."""
    if output is None:
        return
    path = source.rsplit(":", 1)[0] if not Path(source).exists() else source
    if output.resolve() == Path(path).resolve():
        raise EstimationError(f"{output}: the results would replace the data; name another file.")
    if output.is_dir() or not output.resolve().parent.is_dir():
        raise EstimationError(f"{output}: name a file in a folder that exists.")


def _check_choices(given: Mapping[str, str | None], aggregate: Sequence[str], anticipation: int, draws: int) -> None:
    for option, value in given.items():
        if value is None:
            continue
        if value not in CHOICES[option]:
            raise EstimationError(f"{option} {value} is not known; {nearest(value, CHOICES[option])}")
    for value in aggregate:
        if value not in AGGREGATIONS:
            raise EstimationError(f"aggregate {value} is not known; {nearest(value, AGGREGATIONS)}")
    for option in ("method", "base"):
        if given[option] is not None and given["estimator"] != "callaway_santanna":
            raise EstimationError(
                f"{option} belongs to callaway_santanna; leave it out with estimator {given['estimator']}."
            )
    if anticipation < 0 or draws < 100:
        raise EstimationError("anticipation must not be negative, and draws must be at least 100.")


def _never(value: float | str | None) -> float | None:
    """The cohort that means never treated besides empty and inf; None: no other."""
    if value is None or str(value).strip().lower() in NEVER_WORDS:
        return None
    try:
        return float(value)
    except ValueError:
        raise EstimationError(f"never {value} is no number; give a number, empty or inf.") from None


def _resampled(rows: list[Estimate], fit: Fit, specification: Specification, inference: str) -> list[Estimate]:
    draws, seed = specification.draws, specification.seed
    if inference == "wild":
        return with_wild(rows, fit, confidence_level=specification.confidence_level, draws=draws, seed=seed)
    return with_reassignment(rows, fit, draws=draws, seed=seed)


def _alike(prepared: Prepared, roles: Roles, estimator: str) -> Prepared:
    """Estimators that know no numbers of children say so, and take no weights of children."""
    if not prepared.knows_children:
        raise EstimationError(
            f"column {roles.weights} varies within units, and {estimator} takes one weight per unit; give such "
            "a column, or leave weights out."
        )
    return replace(prepared, notes=(*prepared.notes, ALIKE))


def _selected(rows: list[Estimate], estimator: str, aggregate: Sequence[str]) -> list[Estimate]:
    if all(row.estimate is None for row in rows):
        raise EstimationError(rows[0].note)
    if not aggregate:
        return rows
    there = dict.fromkeys(row.aggregation for row in rows)
    absent = [name for name in aggregate if name not in there]
    if absent:
        raise EstimationError(
            f"estimator {estimator} gives no rows of {', '.join(absent)}; it gives {', '.join(there)}."
        )
    return [row for row in rows if row.aggregation in aggregate]


def _as_asked(row: Estimate, estimator: str, prepared: Prepared) -> Estimate:
    """The row under the command's name of the estimator, with what was left out in its note."""
    said = [row.note, *prepared.notes]
    if not prepared.knows_children:
        said.append(WEIGHTED_COUNT)
    note = "; ".join(part for part in said if part)
    return replace(row, estimator=estimator, note=note, n=row.n if prepared.knows_children else None)
