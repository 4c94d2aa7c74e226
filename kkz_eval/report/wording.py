"""Sentences of the report, put together from results by rule.

What belongs here: which sentence is said when. What does not: the words themselves (texts/) and the layout.
"""

from collections.abc import Iterable

from kkz_eval.report.figures.theme import scale_of
from kkz_eval.report.frames import Tables, kept, number, rows, text, whole
from kkz_eval.report.front.records import opening_of
from kkz_eval.report.horizon import WaveHorizon, horizons, is_fully_seen, not_yet
from kkz_eval.report.locale import LOCALES
from kkz_eval.report.meta import Language, OutcomeMeta, ReportMeta
from kkz_eval.report.results import PRETREND_ALARM, Effect, Results, Verdict
from kkz_eval.report.texts import load

LOW_COVERAGE = 0.8
_NAMED = 4  # outcomes named in one sentence before the rest is counted


class Wording:
    """Sentences on one set of released tables in one language."""

    def __init__(self, tables: Tables, meta: ReportMeta, language: Language) -> None:
        tables = kept(tables)
        self.tables, self.meta, self.language = tables, meta, language
        self.words, self.form = load(language), LOCALES[language]
        self.results = Results(tables, meta)
        self.horizons = horizons(tables, meta)

    def unit(self, outcome: OutcomeMeta) -> str:
        """Unit of a difference."""
        return self.words.name("unit_difference", outcome.unit_of_measure)

    def value(self, value: float, outcome: OutcomeMeta, *, signed: bool = True) -> str:
        """A difference in the unit in which it is shown."""
        scale = scale_of(outcome)
        return self.form.number(value * scale.factor, scale.decimals, signed=signed)

    def span(self, effect: Effect, outcome: OutcomeMeta) -> str:
        """The interval of an effect; empty where there is none."""
        if effect.ci_low is None or effect.ci_high is None:
            return ""
        scale = scale_of(outcome)
        return self.form.interval(effect.ci_low * scale.factor, effect.ci_high * scale.factor, scale.decimals)

    def quoted(self, outcomes: Iterable[OutcomeMeta]) -> list[str]:
        """Names of outcomes in quotation marks."""
        return [self.words("finding.quote", label=outcome.label(self.language)) for outcome in outcomes]

    def shortened(self, names: list[str]) -> str:
        """A list in words that names the first few and counts the rest."""
        if len(names) > _NAMED + 1:
            names = [*names[:_NAMED], self.words("finding.more", n=len(names) - _NAMED)]
        return self.form.join(names)

    # The three main findings

    def findings(self) -> list[str]:
        """Three sentences: what is seen, how long children were exposed, what cannot be known yet."""
        return [self._seen(), self._exposure(), " ".join([self._later(), *self._visible()])]

    def _seen(self) -> str:
        primary = self.meta.with_role("primary")
        by_verdict: dict[Verdict, list[OutcomeMeta]] = {}
        for outcome in primary:
            by_verdict.setdefault(self.results.verdict(outcome), []).append(outcome)
        if not set(by_verdict) & {Verdict.SEEN, Verdict.UNWANTED, Verdict.NO_RELEVANT, Verdict.UNDECIDED}:
            return self.words("finding.none")
        by_looks = all(self.results.look(o.name) or not self.span_of(o) for o in primary)
        parts = []
        for verdict in Verdict:
            if verdict in by_verdict:
                named = [self._with_numbers(outcome, by_looks=by_looks) for outcome in by_verdict[verdict]]
                parts.append(
                    self.words("finding.part", verdict=self.words(f"verdict.{verdict}"), list=self.shortened(named))
                )
        return self.words("finding.count_looks" if by_looks else "finding.count", parts="; ".join(parts))

    def span_of(self, outcome: OutcomeMeta) -> str:
        """The interval of an outcome's main result; empty where there is none."""
        effect = self.results.overall(outcome.name)
        return "" if effect is None else self.span(effect, outcome)

    def _with_numbers(self, outcome: OutcomeMeta, *, by_looks: bool) -> str:
        name, look = self.quoted([outcome])[0], self.results.look(outcome.name)
        if by_looks and look is not None and look.estimate is not None:
            if look.low is None or look.high is None:
                return name
            scale = scale_of(outcome)
            return self.words(
                "finding.numbers", outcome=name, value=self.value(look.estimate, outcome), unit=self.unit(outcome),
                span=self.form.interval(look.low * scale.factor, look.high * scale.factor, scale.decimals),
            )  # fmt: skip
        effect = self.results.overall(outcome.name)
        if effect is None or effect.estimate is None or not effect.has_interval:
            return name
        return self.words(
            "finding.numbers", outcome=name, value=self.value(effect.estimate, outcome), unit=self.unit(outcome),
            span=self.span(effect, outcome),
        )  # fmt: skip

    def _exposure(self) -> str:
        longest: tuple[float, int] | None = None
        dated = [outcome for outcome in self._evaluated() if self.horizons.get(outcome.name)]
        for outcome in dated:
            for wave in self.horizons[outcome.name]:
                if wave.most_years is not None and (longest is None or wave.most_years > longest[0]):
                    longest = (wave.most_years, wave.wave)
        if longest is None:
            return self.words("finding.exposure_none")
        full = sum(is_fully_seen(self.horizons[outcome.name]) for outcome in dated)
        return self.words(
            "finding.exposure", years=self.form.number(longest[0], 1), wave=longest[1], full=full, total=len(dated)
        )

    def _later(self) -> str:
        waiting = self.waiting()
        if not waiting:
            return self.words("finding.later_none")
        ahead = [entry for entry in waiting if not self._is_past(entry[1])]
        behind = [entry for entry in waiting if self._is_past(entry[1])]
        said = []
        if ahead:
            first, wave = min(ahead, key=lambda entry: entry[1].full_year or 9999)
            key = "finding.later_one" if len({w.full_year for _, w in ahead}) == 1 else "finding.later"
            names = self.shortened(self.quoted(outcome for outcome, _ in ahead))
            said.append(self.words(key, list=names, year=wave.full_year, outcome=self.quoted([first])[0]))
        if behind:
            names = self.shortened(self.quoted(outcome for outcome, _ in behind))
            said.append(self.words("finding.data_end", list=names))
        sentence = "; ".join(said)
        return sentence[0].upper() + sentence[1:] + "."

    def _visible(self) -> list[str]:
        """From which year an effect worth knowing can be recognised; empty for releases and plans that do not say."""
        since: dict[tuple[int, str], list[OutcomeMeta]] = {}
        for outcome in self.meta.with_role("primary"):
            opening = opening_of(self.tables, outcome.name)
            first = opening.first_detectable
            if opening.worth is None:
                continue
            key = "not" if first is None else "from" if first.is_projected else "since"
            since.setdefault(((first or opening.years[-1]).year, key), []).append(outcome)
        said = [
            self.words(f"finding.visible_{key}", list=self.shortened(self.quoted(found)), year=year)
            for (year, key), found in sorted(since.items(), key=lambda entry: (entry[0][1] == "not", entry[0]))
        ]
        return [self.words("finding.visible", list=self.form.join(said))] if said else []

    def _is_past(self, wave: WaveHorizon) -> bool:
        """Whether the first fully exposed cohort could already be in the data."""
        return wave.full_year is not None and wave.full_year <= self.meta.as_of.year

    def _evaluated(self) -> tuple[OutcomeMeta, ...]:
        return (*self.meta.with_role("primary"), *self.meta.with_role("secondary"))

    def waiting(self) -> list[tuple[OutcomeMeta, WaveHorizon]]:
        """Primary and secondary outcomes without a fully exposed cohort, with the wave that will have one first."""
        return not_yet(self._evaluated(), self.horizons)

    # One outcome

    def seen(self, outcome: OutcomeMeta) -> str:
        """What is seen for an outcome, worded with the interval."""
        single, verdict = self.results.single_verdict(outcome), self.results.verdict(outcome)
        said = self._sentence(str(single), self.results.overall(outcome.name), outcome)
        if verdict == single or self.results.look(outcome.name) is None:
            return said
        return f"{said} {self.words('sentence.look_differs', verdict=self.words(f'verdict.{verdict}'))}"

    def seen_briefly(self, outcome: OutcomeMeta) -> str:
        """The numbers alone where the word beside them says the rest; otherwise the whole sentence."""
        is_plain = self.results.verdict(outcome) in (Verdict.SEEN, Verdict.UNDECIDED)
        return self._sentence("brief", self.results.overall(outcome.name), outcome) if is_plain else self.seen(outcome)

    def _sentence(self, key: str, effect: Effect | None, outcome: OutcomeMeta) -> str:
        if effect is None or effect.estimate is None or effect.ci_low is None or effect.ci_high is None:
            return self.words(f"sentence.{key}")
        return self.words(
            f"sentence.{key}",
            value=self.value(effect.estimate, outcome),
            unit=self.unit(outcome),
            low=self.value(effect.ci_low, outcome),
            high=self.value(effect.ci_high, outcome),
        )

    def fully_exposed(self, outcome: OutcomeMeta) -> str:
        """The result among fully exposed cohorts, or that there are none yet; empty where exposure is unknown."""
        waves = self.horizons.get(outcome.name, ())
        effect = self.results.fully_exposed(outcome.name)
        if outcome.role == "placebo":
            return ""
        if effect is not None and effect.has_interval:
            return self._sentence("full", effect, outcome)
        if not waves:
            return ""
        if is_fully_seen(waves):
            return self.words("sentence.full_missing")
        return self.not_full(outcome)

    def not_full(self, outcome: OutcomeMeta) -> str:
        """That no measured cohort was fully exposed, and from when one will be; empty if one was."""
        waves = self.horizons.get(outcome.name, ())
        if not waves or is_fully_seen(waves) or outcome.role == "placebo":
            return ""
        later = [entry for entry in self.waiting() if entry[0] == outcome]
        if not later:
            return self.words("sentence.not_full_undated")
        wave = later[0][1]
        key = "sentence.not_full_past" if self._is_past(wave) else "sentence.not_full"
        return self.words(key, year=wave.full_year, wave=wave.wave)

    def source(self, name: str) -> str:
        """Reader's name of a source; official series are named after their outcome."""
        return next(
            (o.label(self.language) for o in self.meta.outcomes if o.name == name), self.words.name("source", name)
        )

    def exposure(self, outcome: OutcomeMeta) -> str:
        """The longest time under the programme among the cohorts measured so far; empty where it is unknown."""
        known = [wave for wave in self.horizons.get(outcome.name, ()) if wave.most_years is not None]
        if not known:
            return ""
        most = max(known, key=lambda wave: wave.most_years or 0.0)
        if not most.most_years:
            return self.words("sentence.exposure_none")
        years = self.form.number(most.most_years, 1)
        if most.most_share is None:
            return self.words("sentence.exposure", wave=most.wave, years=years)
        share = self.form.percent(most.most_share, 0)
        return self.words("sentence.exposure_share", wave=most.wave, years=years, share=share)

    def pretrend(self, outcome: OutcomeMeta) -> str:
        """Whether the groups moved alike before the programme."""
        p = self.results.pretrend_p(outcome.name)
        if p is None:
            return self.words("sentence.pretrend_none")
        return self.words(f"sentence.pretrend_{'alarm' if p < PRETREND_ALARM else 'clear'}", p=self.form.p_value(p))

    def basis(self, outcome: OutcomeMeta) -> str:
        """How many children, places and clusters stand behind the main result."""
        effect = self.results.overall(outcome.name)
        if effect is None or not effect.n_units:
            return ""
        values = {
            "units": self.form.count(effect.n_units),
            "clusters": self.form.count(effect.n_clusters or 0),
            "cluster": self.words(f"cluster.{self.meta.cluster}"),
        }
        if effect.n_children is None:
            return self.words("sentence.base_units", **values)
        return self.words("sentence.base", children=self.form.count(effect.n_children), **values)

    def specification(self, outcome: OutcomeMeta) -> str:
        """The comparison and the method that stand in front for an outcome."""
        return self.words(
            "sentence.specification",
            comparison=self.comparison(self.results.comparison(outcome.name)),
            estimator=self.words.name("estimator", self.results.estimator(outcome.name)),
        )

    def comparison(self, name: str) -> str:
        """Reader's name of a comparison."""
        return next((entry.label(self.language) for entry in self.meta.comparisons if entry.name == name), name)

    # Warnings

    def cautions(self) -> list[str]:
        """Everything a careful reader must know before the first number."""
        drifting = [
            outcome
            for outcome in self._evaluated()
            if (p := self.results.pretrend_p(outcome.name)) is not None and p < PRETREND_ALARM
        ]
        alarms = [o for o in self.meta.with_role("placebo") if self.results.verdict(o) is Verdict.CHECK_ALARM]
        said = []
        if drifting:
            said.append(self.words("caution.pretrend", list=self.shortened(self.quoted(drifting))))
        if alarms:
            said.append(self.words("caution.placebo", list=self.shortened(self.quoted(alarms))))
        thin = self._thin_years()
        if thin:
            said.append(self.words("caution.coverage", list=self.form.join(thin)))
        if self.meta.excluded_periods:
            said.append(self.words("caution.excluded", list="; ".join(self._left_out())))
        if self.meta.as_of.year >= 2020:
            said.append(self.words("caution.late_control"))
        if self.meta.deviations:
            said.append(self.words("caution.deviations", n=len(self.meta.deviations)))
        return said

    def _thin_years(self) -> list[str]:
        years: dict[str, list[str]] = {}
        for row in rows(self.tables, "coverage"):
            share, year = number(row["share_examined"]), whole(row["year"])
            if text(row["unit"]) == "all" and share is not None and share < LOW_COVERAGE and year is not None:
                years.setdefault(text(row["source"]), []).append(self.form.year(year))
        return [f"{self.source(source)} {self.form.join(found)}" for source, found in years.items()]

    def _left_out(self) -> list[str]:
        """Excluded periods, those with the same source and reason together."""
        together: dict[tuple[str, str], list[str]] = {}
        for entry in self.meta.excluded_periods:
            together.setdefault((entry.source, entry.reason(self.language)), []).append(self.form.year(entry.period))
        return [
            (f"{self.source(source)} " if source else "") + f"{self.form.join(list(dict.fromkeys(years)))} ({reason})"
            for (source, reason), years in together.items()
        ]
