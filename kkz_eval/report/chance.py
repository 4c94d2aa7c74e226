"""How easily the main results would arise by chance: several p-values per outcome, corrected for many outcomes too.

What belongs here: reading the table of cross-checks and its one sentence. What does not: how a bootstrap works.
"""

from dataclasses import dataclass

from kkz_eval.report.frames import Row, Tables, number, rows, text
from kkz_eval.report.meta import OutcomeMeta, ReportMeta
from kkz_eval.report.wording import Wording

_LUCK = {0: "none", 1: "one"}


@dataclass(frozen=True, slots=True)
class Chance:
    """The p-values of one outcome's main result: jackknife, wild bootstrap, placebo reassignment, corrected."""

    outcome: OutcomeMeta
    p_value: float | None
    p_wild: float | None
    p_placebo: float | None
    p_family: float | None
    status: str


def _chance(outcome: OutcomeMeta, row: Row) -> Chance:
    return Chance(
        outcome=outcome,
        p_value=number(row["p_value"]),
        p_wild=number(row["p_wild"]),
        p_placebo=number(row["p_placebo"]),
        p_family=number(row["p_family"]),
        status=text(row["status"]),
    )


def chances(tables: Tables, meta: ReportMeta) -> list[Chance]:
    """One entry per outcome with a row, primary ones first; empty for releases without this table."""
    by_outcome = {text(row["outcome"]): row for row in rows(tables, "cross_check")}
    return [_chance(outcome, by_outcome[outcome.name]) for outcome in meta.by_role if outcome.name in by_outcome]


def chance_words(wording: Wording) -> str:
    """How many outcomes would stand out by luck alone, how many do, and which do after correction."""
    words, form, alpha = wording.words, wording.form, 1 - wording.meta.confidence
    looked = [
        found
        for found in chances(wording.tables, wording.meta)
        if found.outcome.role != "placebo" and found.p_value is not None
    ]
    if not looked:
        return words("chance.none")
    expected = round(len(looked) * alpha)
    luck = words(f"chance.luck_{_LUCK.get(expected, 'many')}", n=expected)
    level = form.number(alpha, 2)
    notable = sum(found.p_value is not None and found.p_value < alpha for found in looked)
    left = [found.outcome for found in looked if found.p_family is not None and found.p_family < alpha]
    said = [words("chance.luck", n=len(looked), luck=luck, level=level), words("chance.notable", n=notable)]
    names = wording.shortened(wording.quoted(left))
    said.append(words("chance.left", n=len(left), list=names) if left else words("chance.left_none"))
    return " ".join(said)
