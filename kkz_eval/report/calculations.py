"""The ways to calculate one outcome side by side: how far they agree, and why some gave nothing.

What belongs here: counting over calculations, and reasons in the reader's words. What does not: tables and pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.results import Effect
from kkz_eval.report.texts import Texts
from kkz_eval.report.wording import Wording

# A fragment of the estimator's own reason, and the entry below [reason] that says it in plain words.
_REASONS = (
    ("share no period before and after adoption", "no_window"),
    ("is observed at all", "no_window"),
    ("values lie outside 0 to 1", "only_shares"),
    ("values are negative", "only_counts"),
    ("has a period before adoption", "no_before"),
    ("has a value before adoption", "no_before"),
    ("no covariates", "no_covariates"),
    ("composition only", "no_covariates"),
    ("needs units treated and units never treated", "needs_never"),
    ("not adjusted", "not_adjusted"),
    ("has a value", "no_values"),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the calculations of one outcome compare; counts of calculations.

    `n` gave an estimate with interval; `same` of them have the sign of the main result (of the first one where the main
    one gave nothing); `clear` have an interval without zero; `distinct` is the number of different results (to five
    digits); `missing` gave no estimate.
    """

    n: int
    same: int
    clear: int
    distinct: int
    missing: int
    is_downward: bool
    has_main: bool
    low: float
    high: float


def excludes_zero(effect: Effect) -> bool:
    """Whether the interval lies wholly on one side of zero."""
    return (effect.ci_low is not None and effect.ci_low > 0) or (effect.ci_high is not None and effect.ci_high < 0)


def agreement(found: Sequence[Effect], main: Effect | None) -> Agreement | None:
    """Counts over the calculations of one outcome; None where none gave an estimate with an interval."""
    known = [(effect, effect.estimate) for effect in found if effect.has_interval and effect.estimate is not None]
    if not known:
        return None
    has_main = main is not None and main.has_interval
    reference = main.estimate if main is not None and has_main and main.estimate is not None else known[0][1]
    values = [value for _, value in known]
    return Agreement(
        n=len(known),
        same=sum((value < 0) == (reference < 0) and value != 0 for value in values),
        clear=sum(excludes_zero(effect) for effect, _ in known),
        distinct=len({tuple(f"{v or 0.0:.5g}" for v in (e.estimate, e.ci_low, e.ci_high)) for e, _ in known}),
        missing=len(found) - len(known),
        is_downward=reference < 0,
        has_main=has_main,
        low=min(values),
        high=max(values),
    )


def agreement_words(wording: Wording, outcome: OutcomeMeta) -> list[str]:
    """How far the calculations of one outcome agree, and what that means; empty where there is nothing to compare."""
    words, results = wording.words, wording.results
    counted = agreement(results.calculations(outcome.name), results.overall(outcome.name))
    if counted is None or counted.n < 2:
        return []
    said = [
        words(
            f"calculations.{'agreement' if counted.has_main else 'agreement_alone'}",
            same=counted.same, n=counted.n, clear=counted.clear,
            direction=words(f"calculations.{'down' if counted.is_downward else 'up'}"),
        ),
        words(
            "calculations.range", low=wording.value(counted.low, outcome), high=wording.value(counted.high, outcome),
            unit=wording.unit(outcome),
        ),
    ]  # fmt: skip
    if counted.missing:
        said.append(words("calculations.missing", n=counted.missing))
    meaning = "distinct" if counted.distinct < counted.n else "same_data"
    return [" ".join(said), words(f"calculations.{meaning}", n=counted.distinct)]


def reason(note: str, words: Texts) -> str:
    """A reason in plain words of the language; one the report does not know stands as the program worded it."""
    key = next((key for fragment, key in _REASONS if fragment in note), "")
    return words(f"reason.{key}") if key else words("reason.other", note=note) if note else words("reason.none")


def reasons(wording: Wording, outcome: OutcomeMeta) -> list[str]:
    """One line per method that gave no estimate, or was not adjusted as its name says."""
    words = wording.words
    lines = []
    for effect in wording.results.calculations(outcome.name):
        name = words.name("estimator_short", effect.estimator)
        if effect.estimate is None and "suppress" not in effect.status:
            lines.append(words("calculations.reason", estimator=name, reason=reason(effect.note, words)))
        elif "not adjusted" in effect.note:
            lines.append(words("calculations.remark", estimator=name, remark=words("reason.not_adjusted")))
    return list(dict.fromkeys(lines))  # the same reason holds for most comparisons
