"""The tables of the report, with the number formats and marks of the language.

What belongs here: rows, columns and cell texts of tables. What does not: their HTML, and sentences.
"""

from collections.abc import Sequence
from dataclasses import replace

from kkz_eval.report.figures.participation import wave_counts
from kkz_eval.report.figures.theme import scale_of
from kkz_eval.report.frames import Row, day, mark, number, rows, text, whole
from kkz_eval.report.locale import NOT_ESTIMABLE, SUPPRESSED, THIN
from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.results import Effect
from kkz_eval.report.table_html import Table
from kkz_eval.report.wording import Wording


class Tables:
    """Builds the tables of one set of released tables in one language."""

    def __init__(self, wording: Wording) -> None:
        self.wording, self.meta, self.language = wording, wording.meta, wording.language
        self.words, self.form = wording.words, wording.form

    def table(
        self,
        name: str,
        columns: str,
        body: Sequence[tuple[str, ...]],
        *,
        groups: list[str] | None = None,
        words: tuple[int, ...] = (),
        caption: str = "",
    ) -> Table:
        """A table with the heads of its `columns` (words of the texts, apart by spaces) and the rows of `body`."""
        heads = tuple(
            self.words(f"cluster.{self.meta.cluster}") if column == "clusters" else self.words(f"column.{column}")
            for column in columns.split()
        )
        return Table(name, caption or self.words(f"table.{name}"), heads, tuple(body), tuple(groups or ()), words)

    def legend(self, table: Table) -> str:
        """What the marks in a table mean; empty if it has none."""
        said = [self.words(f"legend.{'suppressed' if sign == SUPPRESSED else 'not_estimable'}") for sign in table.marks]
        return "; ".join([*said, self.words("legend.zero")]) + "." if said else ""

    def count(self, value: float | None, status: object = "") -> str:
        """A number of things, or the mark of its absence."""
        return mark(status) if value is None else self.form.count(value)

    def _year(self, value: int | None) -> str:
        return NOT_ESTIMABLE if value is None else self.form.year(value)

    # Participation

    def participation(self) -> Table:
        """Units and districts per wave, then those that never or only partly take part."""
        found = rows(self.wording.tables, "participation")
        body = [
            (
                self.words("group.wave", wave=wave),
                self.form.count(units),
                self.form.count(kreise),
                self.form.date(start) if start else NOT_ESTIMABLE,
            )
            for wave, (units, kreise, start) in wave_counts(found).items()
        ]
        none = [row for row in found if whole(row["wave"]) is None]
        if none:
            kreise = {text(row["kreis"]) or text(row["unit"])[:5] for row in none}
            body.append(
                (self.words("map.never"), self.form.count(len(none)), self.form.count(len(kreise)), NOT_ESTIMABLE)
            )
        return self.table("participation", "wave units kreise start", body)

    def districts(self) -> Table:
        """The numbers behind the map: units per district, and how many of them joined in which wave."""
        by_kreis: dict[str, list[Row]] = {}
        for row in rows(self.wording.tables, "participation"):
            by_kreis.setdefault(text(row["kreis"]) or text(row["unit"])[:5], []).append(row)
        waves = sorted(self.meta.waves)
        body = []
        for kreis, found in sorted(by_kreis.items()):
            joined = [whole(row["wave"]) for row in found if text(row["role"]) != "excluded"]
            name = text(found[0]["kreis_name"]) or kreis
            counts = (self.form.count(joined.count(wave)) for wave in waves)
            body.append((name, kreis, self.form.count(len(found)), *counts))
        heads = [self.words(f"column.{column}") for column in ("kreis", "key", "units")]
        heads += [self.words("group.wave", wave=wave) for wave in waves]
        return Table("districts", self.words("table.districts"), tuple(heads), tuple(body), words=(1,))

    def places(self, *, with_wave: bool) -> Table:
        """Every unit by name, those with a wave or those without."""
        found = [
            row for row in rows(self.wording.tables, "participation") if (whole(row["wave"]) is not None) == with_wave
        ]
        found.sort(key=lambda row: (whole(row["wave"]) or 0, text(row["name"]), text(row["unit"])))
        body = []
        for row in found:
            start, dose = day(row["start_date"]), number(row["dose"])
            cells = [
                text(row["name"]) or text(row["unit"]),
                text(row["unit"]),
                text(row["kreis_name"]) or NOT_ESTIMABLE,
                self.words.name("role", text(row["role"])) or NOT_ESTIMABLE,
            ]
            if with_wave:
                cells.append(self.form.date(start) if start else NOT_ESTIMABLE)
                cells.append(self.form.percent(dose, 0) if dose is not None else NOT_ESTIMABLE)
            body.append(tuple(cells))
        if with_wave:
            groups = [self.words("group.wave", wave=whole(row["wave"])) for row in found]
            return self.table("participants", "name key kreis role start dose", body, groups=groups, words=(1, 2, 3))
        return self.table("others", "name key kreis role", body, words=(1, 2, 3))

    # Exposure

    def exposure(self, outcomes: tuple[OutcomeMeta, ...], name: str = "exposure") -> Table:
        """First years per outcome and wave, and the longest time under the programme so far."""
        body, groups = [], []
        for outcome in outcomes:
            for wave in self.wording.horizons.get(outcome.name, ()):
                years = NOT_ESTIMABLE if wave.most_years is None else self.form.number(wave.most_years, 1)
                body.append(
                    (
                        self.words("group.wave", wave=wave.wave),
                        self._year(wave.first_year),
                        self._year(wave.full_year),
                        years,
                    )
                )
                groups.append(outcome.label(self.language))
        is_single = len(outcomes) == 1
        caption = self.words("table.exposure") + (f": {outcomes[0].label(self.language)}" if is_single else "")
        table = self.table(
            "exposure",
            "wave first_year full_year most_years",
            body,
            groups=None if is_single else groups,
            caption=caption,
        )
        return replace(table, name=name)

    def not_yet(self) -> Table:
        """Outcomes without a fully exposed cohort, and when each wave will have one."""
        body = [
            (
                outcome.label(self.language),
                self.words("group.wave", wave=wave.wave),
                self._year(wave.first_year),
                self._year(wave.full_year),
            )
            for outcome, _ in self.wording.waiting()
            for wave in self.wording.horizons[outcome.name]
            if wave.first_year is not None or wave.full_year is not None
        ]
        return self.table("not_yet", "outcome wave first_year full_year", body, words=(1,))

    # Data

    def coverage(self) -> Table:
        """Deliveries of all units together by source and year."""
        body, groups = [], []
        for row in self._all_units():
            share, status = number(row["share_examined"]), row["status"]
            body.append(
                (
                    self._year(whole(row["year"])),
                    self.count(number(row["n_files"]), status),
                    self.count(number(row["n_delivered"]), status),
                    self.count(_first(number(row["n_accepted"]), number(row["n_regions"])), status),
                    self.count(number(row["n_quarantined"]), status),
                    self.count(_first(number(row["n_expected"]), number(row["n_regions_expected"])), status),
                    mark(status) if share is None else self.form.percent(share),
                )
            )
            groups.append(self.wording.source(text(row["source"])))
        columns = "year n_files n_delivered n_accepted n_quarantined n_expected share_examined"
        return self.table("coverage", columns, body, groups=groups)

    def problems(self) -> Table:
        """Accepted and rejected rows per source over all years; a year kept back keeps the sum back."""
        by_source: dict[str, list[Row]] = {}
        for row in self._all_units():
            if number(row["n_regions"]) is not None:
                # Published figures of Kreise are not rows of children; they are in the coverage table.
                continue
            by_source.setdefault(text(row["source"]), []).append(row)
        body = []
        for source, found in by_source.items():
            years = [year for row in found if (year := whole(row["year"])) is not None]
            sums = {c: self._sum(found, c) for c in ("n_files", "n_delivered", "n_accepted", "n_quarantined")}
            rejected, delivered = sums["n_quarantined"], sums["n_delivered"]
            status = next((row["status"] for row in found if "suppress" in text(row["status"])), "")
            has_share = rejected is not None and delivered
            body.append(
                (
                    self.wording.source(source),
                    f"{min(years)}–{max(years)}" if years else NOT_ESTIMABLE,
                    *(self.count(value, status) for value in sums.values()),
                    self.form.percent((rejected or 0) / delivered, 2) if has_share and delivered else mark(status),
                )
            )
        columns = "source years n_files n_delivered n_accepted n_quarantined share_quarantined"
        return self.table("problems", columns, body)

    def _all_units(self) -> list[Row]:
        return [row for row in rows(self.wording.tables, "coverage") if text(row["unit"]) == "all"]

    @staticmethod
    def _sum(found: list[Row], column: str) -> float | None:
        values = [number(row[column]) for row in found]
        return None if None in values else sum(value for value in values if value is not None)

    # Results

    def cells(
        self, effect: Effect | None, outcome: OutcomeMeta, *, is_unit_said: bool = False
    ) -> tuple[str, str, str, str, str]:
        """Estimate, interval, p, children, clusters; without the unit where the caption says it."""
        if effect is None:
            return (NOT_ESTIMABLE,) * 5
        gap, is_bare = mark(effect.status), is_unit_said or outcome.unit_of_measure == "share"
        unit = "" if is_bare else self.wording.unit(outcome)
        estimate = gap if effect.estimate is None else self.wording.value(effect.estimate, outcome)
        return (
            f"{estimate}{THIN}{unit}" if unit and effect.estimate is not None else estimate,
            self.wording.span(effect, outcome) or gap,
            gap if effect.p_value is None else self.form.p_value(effect.p_value),
            self.count(effect.n_children, effect.status),
            self.count(effect.n_clusters, effect.status),
        )

    def effects(self) -> Table:
        """Main result, result among fully exposed cohorts, pre-trend p and status word of every outcome."""
        body, groups = [], []
        for outcome in self.meta.by_role:
            effect = self.wording.results.overall(outcome.name)
            p = self.wording.results.pretrend_p(outcome.name)
            verdict = self.wording.results.verdict(outcome)
            status = f"{self.words(f'verdict_symbol.{verdict}')} {self.words(f'verdict.{verdict}')}"
            body.append(
                (
                    outcome.label(self.language),
                    *self.cells(effect, outcome),
                    NOT_ESTIMABLE if p is None else self.form.p_value(p),
                    status,
                )
            )
            groups.append(self.words(f"roles.{outcome.role}"))
        columns = "outcome estimate interval p_value children clusters pretrend status"
        return self.table("effects", columns, body, groups=groups, words=(7,))

    def by_wave(self, outcome: OutcomeMeta) -> Table:
        """Results per adoption cohort of one outcome."""
        body = [
            (self._year(effect.cohort), *self.cells(effect, outcome))
            for effect in self.wording.results.by_wave(outcome.name)
        ]
        return self.table("by_wave", "cohort estimate interval p_value children clusters", body)

    # Behind the pictures

    def event_study(self, outcome: OutcomeMeta) -> Table:
        """The numbers behind the event study."""
        scale, body = scale_of(outcome), []
        for row in self.wording.results.event_study(outcome.name):
            gap = mark(row["status"])
            estimate, years = number(row["estimate"]), number(row["years_under_programme"])
            pairs = [(number(row[f"{kind}_low"]), number(row[f"{kind}_high"])) for kind in ("ci", "band")]
            spans = [
                gap if low is None or high is None
                else self.form.interval(low * scale.factor, high * scale.factor, scale.decimals)
                for low, high in pairs
            ]  # fmt: skip
            body.append(
                (
                    self.form.number(int(row["event_time"]), 0),
                    NOT_ESTIMABLE if years is None else self.form.number(years, 1),
                    gap if estimate is None else self.wording.value(estimate, outcome),
                    *spans,
                    self.count(number(row["n_children"]), row["status"]),
                )
            )
        caption = f"{self.words('table.event_study')}: {outcome.label(self.language)} ({self.wording.unit(outcome)})"
        return self.table(
            "event_study", "event_time years_under_programme estimate interval band children", body, caption=caption
        )

    def description(self, outcome: OutcomeMeta, group_names: dict[str, str]) -> Table:
        """The means behind the description chart: one row per period, one column per group."""
        scale = scale_of(outcome)
        found: dict[int, dict[str, str]] = {}
        for row in rows(self.wording.tables, "description"):
            period = whole(row["period"])
            if text(row["outcome"]) != outcome.name or period is None:
                continue
            mean = number(row["mean"])
            cell = mark(row["status"]) if mean is None else self.form.number(mean * scale.factor, scale.decimals)
            found.setdefault(period, {})[text(row["comparison_group"])] = cell
        present = [group for group in group_names if any(group in cells for cells in found.values())]
        body = [
            (self.form.year(period), *(cells.get(group, NOT_ESTIMABLE) for group in present))
            for period, cells in sorted(found.items())
        ]
        unit = self.words.name("unit_level", outcome.unit_of_measure)
        caption = f"{self.words('table.description')}: {outcome.label(self.language)} ({unit})"
        heads = (self.words(f"period.{outcome.period_kind}"), *(group_names[group] for group in present))
        return Table("description", caption, heads, tuple(body))

    def dictionary(self) -> list[Table]:
        """One table of columns per released table."""
        by_table: dict[str, list[tuple[str, ...]]] = {}
        for row in rows(self.wording.tables, "dictionary"):
            cells = (text(row["column_name"]), text(row["unit"]) or NOT_ESTIMABLE, text(row["description"]))
            by_table.setdefault(text(row["table_name"]), []).append(cells)
        return [
            self.table(
                "dictionary", "column unit description", body, words=(1, 2),
                caption=self.words("table.dictionary", table=name),
            )
            for name, body in by_table.items()
        ]  # fmt: skip


def _first(*values: float | None) -> float | None:
    """The first value that there is."""
    return next((value for value in values if value is not None), None)
