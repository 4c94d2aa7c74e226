"""The sentences of one opening page, in the order of the page: exposure, what could be seen, what is seen, cost.

What belongs here: which sentence is said when. What does not: the words themselves (texts/), what would change it.
"""

import re

from kkz_eval.report.figures.theme import scale_of
from kkz_eval.report.frames import number, rows, text, whole
from kkz_eval.report.front.records import Cost, Look, Opening, SeenYear
from kkz_eval.report.horizon import WaveHorizon, earliest_full
from kkz_eval.report.meta import OutcomeMeta
from kkz_eval.report.results import Verdict
from kkz_eval.report.wording import Wording

WHOLE = 0.995
"""A share of the full time from which it is called whole: the rest is less than two weeks."""
_FUTILE = 0.2
_MOST_DECIMALS = 5
_STRICTER = 1.2
"""Early looks are called far stricter where the first bound exceeds the last one by this factor."""
_YEARS = re.compile(r"years (\d{4}) to (\d{4})")


class FrontWords:
    """Sentences of the opening page of one outcome."""

    def __init__(self, wording: Wording, outcome: OutcomeMeta, opening: Opening) -> None:
        self.wording, self.outcome, self.opening = wording, outcome, opening
        self.words, self.form, self.meta = wording.words, wording.form, wording.meta

    def _said(self, block: str, key: str, **values: object) -> str:
        return self.words(f"front.{block}_said.{key}", **values)

    def size(self, value: float) -> str:
        """A size with its unit, without a sign."""
        return self._sized(value, "unit_difference")

    def size_after(self, value: float) -> str:
        """The same behind words like *from* and *of*, which change the unit's ending in German."""
        return self._sized(value, "unit_after")

    @property
    def unit_after(self) -> str:
        """The unit behind such words."""
        return self.words.name("unit_after", self.outcome.unit_of_measure)

    def _sized(self, value: float, units: str) -> str:
        scale = scale_of(self.outcome)
        shown, decimals = abs(value) * scale.factor, scale.decimals
        while shown and not round(shown, decimals) and decimals < _MOST_DECIMALS:  # a size is never shown as nothing
            decimals += 1
        return self.words(
            "front.size",
            value=self.form.number(shown, decimals),
            unit=self.words.name(units, self.outcome.unit_of_measure),
        )

    def span(self, low: float, high: float) -> str:
        """Two signed ends."""
        scale = scale_of(self.outcome)
        return self.form.interval(low * scale.factor, high * scale.factor, scale.decimals)

    @property
    def often(self) -> str:
        """The plan's power in words."""
        hundred = round(100 * self.meta.power)
        key = "four_of_five" if hundred == 80 else "of_hundred"
        return self._said("visible", key, n=hundred)

    # 1 exposure

    def exposure(self) -> list[str]:
        """The longest time under the programme, and the first children with all of it."""
        waves = self.wording.horizons.get(self.outcome.name, ())
        known = [wave for wave in waves if wave.most_years is not None]
        if not known:
            return [self._said("exposure", "unknown")]
        most = max(known, key=lambda wave: wave.most_years or 0.0)
        return [" ".join(self._longest(most)), " ".join(self._first_whole(waves))]

    def _longest(self, most: WaveHorizon) -> list[str]:
        if not most.most_years:
            return [self._said("exposure", "none")]
        year, share = self._measured_by(most), most.most_share
        years = self.form.number(most.most_years, 1)
        if share is None or share >= WHOLE:
            return [self._said("exposure", "whole", year=year, years=years)]
        full = self.form.number(most.most_years / share, 1)
        part = self._said("exposure", "part", year=year, years=years, full=full)
        return [part, self._said("exposure", "not_alone")]

    def _measured_by(self, most: WaveHorizon) -> int:
        now = self.opening.now
        return now.year if now is not None else most.latest_period or self.meta.as_of.year

    def _first_whole(self, waves: tuple[WaveHorizon, ...]) -> list[str]:
        first = earliest_full(waves)
        if first is None:
            return []
        known = any(wave.has_full_now for wave in waves)
        key = "first_past" if known else "first_ahead"
        said = [self._said("exposure", key, year=first.full_year, wave=self.words("front.wave", wave=first.wave))]
        later = [
            self._said("exposure", "later_wave", wave=self.words("front.wave", wave=wave.wave), year=wave.full_year)
            for wave in waves
            if wave.full_year is not None and not wave.has_full_now and wave != first
        ]
        return [*said, self._said("exposure", "later", list=self.form.join(later))] if later else said

    # 2 what could be seen

    def visible(self) -> list[str]:
        """The smallest effect that stands out now, the year from which one worth knowing does, and cross-checks."""
        now = self.opening.now
        if not self.opening.years:
            return [self._said("visible", "none")]
        if now is None:
            first = [self._said("visible", "now_none")]
        else:
            first = [self._said("visible", "now", year=now.year, size=self.size_after(now.smallest), often=self.often)]
        return [*first, self._horizon(), *self._chance(now), " ".join([*self._honest(), *self._fake()])]

    def _horizon(self) -> str:
        worth, first = self.opening.worth, self.opening.first_detectable
        if worth is None:
            return self._said("visible", "no_worth")
        if first is None:
            key, year = "never", self.opening.years[-1].year
        else:
            key = "ahead" if first.is_projected else "always" if first == self.opening.years[0] else "since"
            year = first.year
        said = self._said("visible", key, worth=self.size_after(worth), year=year)
        is_answered = self.wording.results.verdict(self.outcome) in (
            Verdict.SEEN, Verdict.UNWANTED, Verdict.NO_RELEVANT,
        )  # fmt: skip
        if key not in ("ahead", "never") or is_answered:
            return said
        return f"{said} {self._said('visible', f'silent_{key}')}"

    def _chance(self, now: SeenYear | None) -> list[str]:
        if now is None or now.chance is None or now.worth is None or not self.opening.planned_looks:
            return []
        said = self._said(
            "visible", "chance", year=now.year, worth=self.size_after(now.worth), chance=_hundred(now.chance)
        )
        last = self.opening.planned_looks[-1]
        if last.year == now.year or last.chance is None or _hundred(last.chance) == _hundred(now.chance):
            return [said]
        return [f"{said} {self._said('visible', 'chance_later', year=last.year, chance=_hundred(last.chance))}"]

    def _honest(self) -> list[str]:
        """What stands out if trends bend as they did at worst before the start."""
        found = [
            row for row in rows(self.wording.tables, "sensitivity")
            if text(row["outcome"]) == self.outcome.name and text(row["threat"]) == "honest_mde"
            and number(row["estimate"]) is not None and (number(row["value"]) or 0.0) > 0
        ]  # fmt: skip
        if not found:
            return []
        worst = max(found, key=lambda row: number(row["value"]) or 0.0)
        years = years_in(text(worst["note"]))
        if years is None:
            return []
        size = self.size_after(number(worst["estimate"]) or 0.0)
        return [self._said("visible", "honest", size=size, last=years[1])]

    def _fake(self) -> list[str]:
        for row in rows(self.wording.tables, "placebo_adoption"):
            size, draws = number(row["size"]), whole(row["n_draws"])
            if text(row["outcome"]) == self.outcome.name and size is not None and draws:
                alpha = _hundred(1 - self.meta.confidence)
                return [self._said("visible", "fake", n=self.form.count(draws), size=_hundred(size), alpha=alpha)]
        return []

    # 3 what is seen

    def seen(self) -> list[str]:
        """The estimate of the last look with its interval, its word, and what the yearly looks ask for."""
        look = self.opening.look
        if look is None:
            key = "too_early" if self.opening.looks else "no_looks"
            return [self._said("seen", key), self.wording.seen(self.outcome)]
        estimate, low, high = look.estimate or 0.0, look.low, look.high
        if low is None or high is None:
            return [self.wording.seen(self.outcome)]
        key = "less" if estimate < 0 else "more"
        said = self._said("seen", key, size=self.size(estimate), span=self.span(low, high))
        return [" ".join([said, *self._word(low, high)]), *self._looks(look), *self._shapes(look)]

    def _word(self, low: float, high: float) -> list[str]:
        verdict, worth = self.wording.results.verdict(self.outcome), self.opening.worth
        furthest = -low if self.outcome.direction == "lower" else high
        if verdict in (Verdict.SEEN, Verdict.UNWANTED):
            return [self._said("seen", str(verdict))]
        if verdict is Verdict.NO_RELEVANT and worth is not None:
            return [self._said("seen", "no_relevant", worth=self.size_after(worth))]
        is_wide = worth is not None and max(-low, high) >= worth
        said = [self._said("seen", "undecided_wide" if is_wide else "undecided")]
        return [*said, self._said("seen", "largest", size=self.size_after(furthest))] if furthest > 0 else said

    def _looks(self, look: Look) -> list[str]:
        years = [year.year for year in self.opening.planned_looks]
        if look.year in years:
            said = [self._said("seen", "look", n=years.index(look.year) + 1, total=len(years))]
        else:
            said = [self._said("seen", "look_alone")]
        bounds = [entry.bound for entry in self.opening.looks if entry.bound is not None]
        is_early = len(bounds) > 1 and bounds[0] > _STRICTER * bounds[-1]
        said.append(self._said("seen", "strict_early" if is_early else "strict_evenly"))
        crossed = next((entry.year for entry in self.opening.looks if entry.has_crossed), None)
        if crossed is not None and look.verdict == "effect":
            said.append(self._said("seen", "crossed", year=crossed))
        if look.verdict == "undecided" and look.power_left is not None and look.power_left < _FUTILE:
            said.append(self._said("seen", "futile"))
        return [" ".join(said)]

    def _shapes(self, look: Look) -> list[str]:
        """The slopes of other shapes in the same year, beside that of the look."""
        found = [
            value
            for row in rows(self.wording.tables, "dose_response")
            if text(row["outcome"]) == self.outcome.name and text(row["kind"]) == "slope"
            and text(row["method"]) == "gls" and whole(row["year"]) == look.year
            and text(row["shape"]) in ("square_root", "threshold")
            and (value := number(row["estimate"])) is not None
        ]  # fmt: skip
        if len(found) < 2:
            return []
        every = sorted([*found, look.estimate or 0.0], key=abs)
        ends = [self.wording.value(value, self.outcome) for value in (every[0], every[-1])]
        if ends[0] == ends[1]:
            return []
        return [self._said("seen", "shapes", low=ends[0], high=f"{ends[1]} {self.unit_after}")]

    # 6 money

    def money(self) -> list[str]:
        """Cost per child, and the effect from which it pays off beside the smallest one that stands out."""
        cost = self.opening.cost
        if cost is None or cost.per_child is None:
            return [self._said("money", "none")]
        said = [
            self._said(
                "money", "child", euro=self.form.count(cost.per_child), price_year=cost.price_year,
                yearly=self.form.count(cost.yearly or 0.0), places=self.form.count(cost.n_places or 0),
            )
        ]  # fmt: skip
        if cost.per_child_range:
            low, high = (self.form.count(value) for value in cost.per_child_range)
            said.append(self._said("money", "range", low=low, high=high))
        return [" ".join(said), *self._worth_it(cost), *self._case(cost)]

    def _worth_it(self, cost: Cost) -> list[str]:
        if self.outcome.unit_of_measure != "share":
            return [self._said("money", "not_share")]
        if cost.break_even is None or cost.benefit is None:
            return [self._said("money", "no_benefit")]
        said = self._said(
            "money", "break_even", size=self.size_after(cost.break_even), benefit=self.form.count(cost.benefit)
        )  # fmt: skip
        now = self.opening.now
        if now is None:
            return [said]
        key = "too_small" if cost.break_even < now.smallest else "in_reach"
        smallest = self.size(now.smallest) if key == "too_small" else self.size_after(now.smallest)
        return [f"{said} {self._said('money', key, smallest=smallest)}"]

    def _case(self, cost: Cost) -> list[str]:
        if self.outcome.unit_of_measure != "share" or cost.benefit is None or not cost.set_kind:
            return []
        ends = (cost.set_low, cost.set_high)
        if cost.set_kind == "bounded" and None not in ends and cost.per_case is not None and cost.per_case > 0:
            low, high = (self.form.count(value or 0.0) for value in ends)
            return [self._said("money", "case", euro=self.form.count(cost.per_case), low=low, high=high)]
        return [self._said("money", "case_open")]

    def source(self) -> str:
        """Where the amounts come from."""
        cost = self.opening.cost
        named = cost.sources[self.wording.language] if cost is not None and cost.per_child is not None else ""
        return self._said("money", "source", source=named.rstrip(".")) if named else ""


def years_in(note: str) -> tuple[int, int] | None:
    """First and last year that a note names."""
    found = _YEARS.search(note)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _hundred(share: float) -> int:
    """Of a hundred; what is not certain is not called 0 or 100."""
    return min(max(round(100 * share), 1 if share > 0 else 0), 99 if share < 1 else 100)
