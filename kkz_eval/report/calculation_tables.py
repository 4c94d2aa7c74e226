"""Tables of calculations side by side, of chance and of gaps.

What belongs here: rows, columns and cell texts of these tables. What does not: their HTML, and sentences.
"""

from collections.abc import Sequence

from kkz_eval.report.chance import chances
from kkz_eval.report.frames import mark
from kkz_eval.report.gaps import gap_results
from kkz_eval.report.locale import NBSP, NOT_ESTIMABLE
from kkz_eval.report.meta import GapMeta, OutcomeMeta
from kkz_eval.report.results import Effect
from kkz_eval.report.table_html import Table
from kkz_eval.report.tables import Tables


class CalculationTables:
    """Builds these tables with the formats of `Tables`."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.wording, self.meta = tables, tables.wording, tables.meta
        self.words, self.form, self.language = tables.words, tables.form, tables.language

    def side_by_side(self, outcome: OutcomeMeta) -> Table:
        """Every calculation of one outcome with what it estimates; comparisons as groups, each sentence said once."""
        body, groups, said = [], [], set[str]()
        main = self.wording.results.overall(outcome.name)
        for effect in self.wording.results.calculations(outcome.name):
            estimate, interval, p, *_ = self.tables.cells(effect, outcome, is_unit_said=True)
            name = self.words.name("estimator_short", effect.estimator)
            what = self.words.name("estimates_what", effect.estimator)
            what = NOT_ESTIMABLE if what == effect.estimator else what
            body.append(
                (
                    self.words("calculations.main", estimator=name) if effect == main else name,
                    estimate,
                    interval,
                    p,
                    self.tables.count(effect.n_units or None, effect.status),
                    self.tables.count(effect.n_clusters or None, effect.status),
                    self.words("calculations.as_above") if what in said and what != NOT_ESTIMABLE else what,
                )
            )
            said.add(what)
            groups.append(self.wording.comparison(effect.comparison))
        columns = "estimator estimate interval p_value units clusters what"
        caption = f"{self.words('table.side_by_side')}: {outcome.label(self.language)} ({self.wording.unit(outcome)})"
        return self.tables.table("side_by_side", columns, body, groups=groups, words=(6,), caption=caption)

    def behind_curve(self, outcome: OutcomeMeta, found: Sequence[Effect]) -> Table:
        """The numbers of the specification curve from left to right."""
        body = [
            (
                self.words.name("estimator_short", effect.estimator),
                self.wording.comparison(effect.comparison),
                *self.tables.cells(effect, outcome, is_unit_said=True)[:2],
            )
            for effect in found
        ]
        caption = f"{self.words('table.curve')}: {outcome.label(self.language)} ({self.wording.unit(outcome)})"
        return self.tables.table("curve", "estimator comparison estimate interval", body, words=(1,), caption=caption)

    def other_calculations(self) -> Table:
        """Overall results of every comparison and estimator other than the main one, by outcome.

        Those of primary outcomes stand side by side in their own sections.
        """
        body, groups = [], []
        for outcome in (*self.meta.with_role("secondary"), *self.meta.with_role("placebo")):
            for effect in self.wording.results.other_calculations(outcome.name):
                body.append(
                    (
                        self.wording.comparison(effect.comparison),
                        self.words.name("estimator_short", effect.estimator),
                        *self.tables.cells(effect, outcome)[:4],
                    )
                )
                groups.append(outcome.label(self.language))
        columns = "comparison estimator estimate interval p_value children"
        return self.tables.table("other", columns, body, groups=groups, words=(1,))

    def chance(self) -> Table:
        """The p-values of every outcome's main result."""
        body, groups = [], []
        for found in chances(self.wording.tables, self.meta):
            values = (found.p_value, found.p_wild, found.p_placebo, found.p_family)
            cells = (mark(found.status) if p is None else self.form.p_value(p) for p in values)
            body.append((found.outcome.label(self.language), *cells))
            groups.append(self.words(f"roles.{found.outcome.role}"))
        return self.tables.table("chance", "outcome p_jackknife p_wild p_placebo p_family", body, groups=groups)

    def gap(self, gap: GapMeta) -> Table:
        """Effects in both groups and on the gap, one row per outcome; an arrow shows the wanted direction."""
        body, groups = [], []
        for found in gap_results(self.wording.results, gap):
            outcome = found.outcome
            arrow = "" if outcome.role == "placebo" else f"{NBSP}{'↓' if outcome.direction == 'lower' else '↑'}"
            effects = (found.first, found.second, found.difference)
            body.append((outcome.label(self.language) + arrow, *(self._with_span(e, outcome) for e in effects)))
            groups.append(self.words(f"roles.{outcome.role}"))
        sides = (gap.first(self.language), gap.second(self.language))
        heads = (self.words("column.outcome"), *sides, self.words("gap.minus"))
        caption = self.words("table.gap")
        return Table(f"gap-{gap.name}", caption, heads, tuple(body), tuple(groups))

    def _with_span(self, effect: Effect | None, outcome: OutcomeMeta) -> str:
        if effect is None or effect.estimate is None:
            return NOT_ESTIMABLE if effect is None else mark(effect.status)
        value, span = self.tables.cells(effect, outcome)[:2]
        return f"{value} ({span.replace(' ', NBSP)})" if effect.has_interval else value
