"""The early signal: what the exam leads one to expect for outcomes at school, beside how far it missed before.

What belongs here: reading its table and which sentence is said. What does not: how the link is estimated.
"""

from dataclasses import dataclass

from kkz_eval.report.frames import Row, number, rows, text, whole
from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.wording import Wording


@dataclass(frozen=True, slots=True)
class Signal:
    """What is said on one later outcome."""

    name: str
    label: str
    said: list[str]


def signals(wording: Wording) -> list[Signal]:
    """One entry per later outcome with rows, in the order of the plan."""
    by_outcome: dict[str, list[Row]] = {}
    for row in rows(wording.tables, "early_signal"):
        by_outcome.setdefault(text(row["outcome"]), []).append(row)
    return [
        Signal(outcome.name, outcome.label(wording.language), _said(wording, outcome, by_outcome[outcome.name]))
        for outcome in wording.meta.outcomes
        if outcome.name in by_outcome
    ]


def _pick(found: list[Row], span: str, kind: str, multiple: int = 0) -> Row | None:
    """The row over all cohorts, if it has an estimate with its interval."""
    for row in found:
        key = (text(row["span"]), text(row["kind"]), whole(row["cohort_or_none"]), whole(row["multiple_or_none"]))
        if key == (span, kind, 0, multiple) and None not in (number(row["estimate"]), number(row["ci_low"])):
            return None if number(row["ci_high"]) is None else row
    return None


def _said(wording: Wording, outcome: OutcomeMeta, found: list[Row]) -> list[str]:
    words, ahead = wording.words, _pick(found, "ahead", "index")
    if ahead is None:
        return [words("front.early_said.not_estimable")]
    said = [
        words(
            "front.early_said.expected", first=whole(ahead["period_first"]), last=whole(ahead["period_last"]),
            value=_value(wording, outcome, ahead), unit=wording.unit(outcome), span=_span(wording, outcome, ahead),
        ),
        _known(wording, outcome, found),
    ]  # fmt: skip
    return [*said, *_bounds(wording, outcome, found)]


def _known(wording: Wording, outcome: OutcomeMeta, found: list[Row]) -> str:
    """Prediction and observation side by side for earlier children."""
    index, observed = _pick(found, "known", "index"), _pick(found, "known", "observed")
    miss = _pick(found, "known", "miss")
    if index is None or observed is None or miss is None:
        return wording.words("front.early_said.none_known")
    return wording.words(
        "front.early_said.known", first=whole(observed["period_first"]), last=whole(observed["period_last"]),
        index=_value(wording, outcome, index), observed=_value(wording, outcome, observed),
        span=_span(wording, outcome, observed), miss=_size(wording, outcome, number(miss["estimate"]) or 0.0),
    )  # fmt: skip


def _bounds(wording: Wording, outcome: OutcomeMeta, found: list[Row]) -> list[str]:
    said = []
    bound, cautious = _pick(found, "ahead", "bound", 1), _pick(found, "ahead", "cautious_bound", 1)
    if bound is not None and number(bound["largest_miss"]) is not None:
        low, high = _ends(wording, outcome, bound)
        miss = _size(wording, outcome, number(bound["largest_miss"]) or 0.0)
        said.append(wording.words("front.early_said.bound", miss=miss, low=low, high=high))
    if cautious is not None:
        low, high = _ends(wording, outcome, cautious)
        is_one_sided = (number(cautious["ci_low"]) or 0.0) * (number(cautious["ci_high"]) or 0.0) > 0
        key = "cautious_holds" if is_one_sided else "cautious_open"
        said.append(wording.words(f"front.early_said.{key}", low=low, high=high))
    return said


def _value(wording: Wording, outcome: OutcomeMeta, row: Row) -> str:
    return wording.value(number(row["estimate"]) or 0.0, outcome)


def _size(wording: Wording, outcome: OutcomeMeta, value: float) -> str:
    shown = wording.value(abs(value), outcome, signed=False)
    return wording.words("front.size", value=shown, unit=wording.unit(outcome))


def _ends(wording: Wording, outcome: OutcomeMeta, row: Row) -> tuple[str, str]:
    low, high = (wording.value(number(row[end]) or 0.0, outcome) for end in ("ci_low", "ci_high"))
    return low, high


def _span(wording: Wording, outcome: OutcomeMeta, row: Row) -> str:
    low, high = _ends(wording, outcome, row)
    return wording.words("front.span", low=low, high=high)
