"""What would change the answer: one line per threat, sorted by whether the answer hangs on it.

What belongs here: reading the table of sensitivity and choosing the line of each threat. What does not: the estimates.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from kkz_eval.report.frames import Row, flag, number, rows, text
from kkz_eval.report.front.words import FrontWords, years_in

#: Threats in the order in which they are told; a threat the report does not know comes last, by its name.
ORDER = (
    "honest_magnitudes", "pretrend_power", "coverage", "region_rheinland", "region_westfalen", "within_kreis",
    "spillover", "mobility", "never_treated_only", "exposed_controls_dropped", "without_second_programme",
    "leave_one_out", "ratio_scale", "anticipation", "with_covariate", "negative_control",
)  # fmt: skip
#: Rows that say the same in other terms, or stand elsewhere on the page.
ELSEWHERE = ("main", "honest_smoothness", "honest_mde")
_PER_CENT = re.compile(r"([\d.]+)%")
_SPAN_OF_YEARS = re.compile(r"(\d{4}) to (\d{4})")


class Line(NamedTuple):
    """One sentence, and whether the answer hangs on it; None where it is good to know for any answer."""

    said: str
    depends: bool | None


@dataclass(frozen=True, slots=True)
class Changes:
    """The block of one page: what was checked, and both lists."""

    intro: str
    depends: list[str]
    holds: list[str]
    untested: str


def changes(front: FrontWords) -> Changes:
    """All threats of one outcome; with one sentence alone where the release holds none or no main result."""
    words = front.words
    by_threat: dict[str, list[Row]] = {}
    for row in rows(front.wording.tables, "sensitivity"):
        if text(row["outcome"]) == front.outcome.name:
            by_threat.setdefault(text(row["threat"]), []).append(row)
    main = next((row for row in by_threat.get("main", []) if number(row["estimate"]) is not None), None)
    if main is None:
        return Changes(words(f"front.change_said.{'no_main' if by_threat else 'none'}"), [], [], "")
    lines, untested = [], []
    for threat in sorted((t for t in by_threat if t not in ELSEWHERE), key=_place):
        found = _lines(front, threat, by_threat[threat])
        lines += found
        if not found:
            untested.append(words.name("front.untested_name", threat))
    intro = words(
        "front.change_said.intro", value=front.wording.value(number(main["estimate"]) or 0.0, front.outcome),
        unit=front.wording.unit(front.outcome), span=_span(front, main),
    )  # fmt: skip
    depends = [line.said for line in lines if line.depends]
    return Changes(
        " ".join([intro, *(line.said for line in lines if line.depends is None)]),
        depends or [words("front.change_said.depends_none")],
        [line.said for line in lines if line.depends is False],
        words("front.change_said.untested", list=front.form.join(untested)) if untested else "",
    )


def _place(threat: str) -> tuple[int, str]:
    return (ORDER.index(threat) if threat in ORDER else len(ORDER), threat)


def _lines(front: FrontWords, threat: str, found: list[Row]) -> list[Line]:
    """The lines of one threat; none where nothing could be estimated."""
    if threat == "honest_magnitudes":
        return _honest(front, found)
    if threat == "pretrend_power":
        return _drift(front, found)
    known = [row for row in found if number(row["estimate"]) is not None]
    if threat == "coverage":
        return [line for row in known for line in _coverage(front, row)]
    return [_again(front, threat, known)] if known else []


def _honest(front: FrontWords, found: list[Row]) -> list[Line]:
    """How far the groups may drift apart by themselves before the interval holds zero."""
    limit = next((value for row in found if (value := number(row["breakdown"])) is not None), None)
    years = next((years for row in found if (years := years_in(text(row["note"]))) is not None), None)
    if limit is None or years is None:
        return []
    key = "honest_less" if limit < 1 else "honest_more"
    said = front.words(
        f"front.change_line.{key}", first=years[0], last=years[1],
        **({"share": front.form.percent(limit, 0)} if limit < 1 else {"times": front.form.number(limit, 1)}),
    )  # fmt: skip
    return [Line(said, True)]


def _drift(front: FrontWords, found: list[Row]) -> list[Line]:
    """A straight drift that the look at earlier years misses half of the time, beside the one that would be enough."""
    even = next((row for row in found if text(row["assumption"]).endswith("probability 0.5")), None)
    drift = None if even is None else number(even["value"])
    if even is None or drift is None:
        return []
    needed, fake = number(even["breakdown"]), number(even["estimate"])
    if needed is None:
        if fake is None:
            return []
        said = front.words("front.change_line.drift_open", drift=front.size(drift), fake=front.size(fake))
        return [Line(f"{said}.", None)]
    depends = flag(even["changes_word"])
    key = "drift_changes" if depends else "drift_holds"
    return [Line(front.words(f"front.change_line.{key}", drift=front.size(drift), needed=front.size(needed)), depends)]


def _coverage(front: FrontWords, row: Row) -> list[Line]:
    bounds = "bounds" in text(row["assumption"])
    found = _SPAN_OF_YEARS.search(text(row["assumption"]))
    years = text(row["assumption"]).split(" as ")[0].split(" with ")[0]
    if found:
        years = front.words("front.span", low=found.group(1), high=found.group(2))
    name = front.words(f"front.change_line.coverage_{'bounds' if bounds else 'observed'}", years=years)
    depends = flag(row["changes_word"])
    if bounds:
        return [Line(_line(front, name, _span(front, row)), depends)]
    return [Line(_valued(front, name, [row], depends), depends)]


def _again(front: FrontWords, threat: str, known: list[Row]) -> Line:
    """An effect estimated again: the variation that changes the answer, or the range over all of them."""
    changing = [row for row in known if flag(row["changes_word"])]
    told = [min(changing, key=lambda row: abs(number(row["value"]) or 0.0))] if changing else known
    return Line(_valued(front, _name(front, threat, told), told, bool(changing)), bool(changing))


def _valued(front: FrontWords, name: str, told: list[Row], with_span: bool) -> str:
    values = sorted(number(row["estimate"]) or 0.0 for row in told)
    shown = [front.wording.value(value, front.outcome) for value in values]
    value = shown[0] if shown[0] == shown[-1] else front.words("front.span", low=shown[0], high=shown[-1])
    if not with_span:
        return _line(front, name, value)
    return front.words("front.change_said.line_span", name=name, value=value, span=_span(front, told[0]))


def _line(front: FrontWords, name: str, value: str) -> str:
    return front.words("front.change_said.line", name=name, value=value)


def _span(front: FrontWords, row: Row) -> str:
    low, high = number(row["ci_low"]), number(row["ci_high"])
    return front.words("front.change_said.open_span") if low is None or high is None else front.span(low, high)


def _name(front: FrontWords, threat: str, told: list[Row]) -> str:
    """The reader's name of a threat with what was assumed."""
    key = f"leave_one_out_{front.meta.cluster}" if threat == "leave_one_out" else threat
    if not front.words.has(f"front.change_line.{key}"):
        return front.words("front.change_line.other", name=threat)
    values = [value for row in told if (value := number(row["value"])) is not None]
    share = ""
    if threat == "mobility":
        found = _PER_CENT.search(text(told[0]["assumption"]))
        share = front.form.percent(float(found.group(1)) / 100, 0) if found else ""
    elif values:
        ends = [front.form.percent(value, 0) for value in (min(values), max(values))]
        share = ends[0] if ends[0] == ends[1] else front.words("front.span", low=ends[0], high=ends[1])
    return front.words(f"front.change_line.{key}", share=share)
