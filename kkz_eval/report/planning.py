"""A planned horizon as text: blocks to read in German or English, CSV, JSON.

What belongs here: columns, numbers and layout of `kkz-eval horizon`. What does not: words (planning_words.py), numbers.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from kkz_eval.errors import EstimationError
from kkz_eval.evaluation.planning_places import WaveStart
from kkz_eval.evaluation.planning_result import PlannedOutcome, PlannedYear
from kkz_eval.report.locale import LOCALES, Locale
from kkz_eval.report.meta import Language
from kkz_eval.report.planning_words import WORDS

YEAR_COLUMNS = (
    "period", "year", "is_projected", "is_extrapolated", "n_effects", "years_under_programme", "share_of_full",
    "information", "df", "mde_full", "mde_full_error", "mde_average", "is_detectable", "p_detected", "note",
)  # fmt: skip
BLOCK_COLUMNS = (
    "outcome", "role", "unit_of_measure", "basis", "effect", "first_exposed_wave", "first_exposed_period",
    "first_exposed_year", "first_full_wave", "first_full_period", "first_full_year", "detectable_year",
    "found_by_looks_year", "last_year", "alpha", "power", "look_alpha", "first_look", "last_look", "reason",
)  # fmt: skip
#: What the table rests on; empty where the basis is another one.
BASIS_COLUMNS = (
    "sd", "correlation", "drift", "kreis_sd", "kreis_correlation", "level", "child_sd", "children_per_cell", "children",
    "plan_places", "plan_clusters", "cells_used", "cells_given", "places", "first_period", "last_period",
    "longest_lag", "children_known",
)  # fmt: skip
COLUMNS = (*BLOCK_COLUMNS, *YEAR_COLUMNS, *(f"basis_{name}" for name in BASIS_COLUMNS))
#: Shares are shown in percentage points.
DECIMALS = 2


def as_csv(blocks: Sequence[PlannedOutcome], language: Language = "en") -> str:
    """One line per outcome and year with `COLUMNS`, the same in both languages; an outcome without years has one."""
    del language
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for block in blocks:
        head = [_cell(value) for value in _head(block).values()]
        basis = [_cell(block.rests_on.get(name)) for name in BASIS_COLUMNS]
        for year in block.years or (None,):
            own = [""] * len(YEAR_COLUMNS) if year is None else [_cell(getattr(year, name)) for name in YEAR_COLUMNS]
            writer.writerow([*head, *own, *basis])
    return text.getvalue()


def as_json(blocks: Sequence[PlannedOutcome], language: Language = "en") -> str:
    """A list of outcomes, each with its waves, years, and what they rest on; null where there is none."""
    del language
    records = [
        _head(block)
        | {
            "label_de": block.outcome.label_de,
            "label_en": block.outcome.label_en,
            "waves": [asdict(wave) for wave in block.waves],
            "rests_on": block.rests_on,
            "notes": list(block.notes),
            "years": [{name: getattr(year, name) for name in YEAR_COLUMNS} for year in block.years],
        }
        for block in blocks
    ]
    return json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_table(blocks: Sequence[PlannedOutcome], language: Language = "en") -> str:
    """One block per outcome to read in a terminal, with its assumptions below each table."""
    return "\n".join(_Block(block, language).text() for block in blocks)


_WRITERS: Mapping[str, Callable[[Sequence[PlannedOutcome], Language], str]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
}


def horizon_text(blocks: Sequence[PlannedOutcome], form: str, language: str = "en") -> str:
    """The blocks as table, csv or json in language de or en. Raises EstimationError for others."""
    if form not in _WRITERS:
        raise EstimationError(f"format {form} is not known; choose {', '.join(_WRITERS)}.")
    return _WRITERS[form](blocks, language_of(language))


def language_of(name: str) -> Language:
    """de or en. Raises EstimationError for others."""
    languages: tuple[Language, ...] = get_args(Language)
    found = next((language for language in languages if language == name), None)
    if found is None:
        raise EstimationError(f"language {name} is not known; choose {' or '.join(languages)}.")
    return found


def format_of(wanted: str, output: Path | None) -> str:
    """table, csv or json: as wanted, else by the ending of the output file, else table. Raises EstimationError."""
    if wanted and wanted not in _WRITERS:
        raise EstimationError(f"format {wanted} is not known; choose {', '.join(_WRITERS)}.")
    by_ending = "" if output is None else output.suffix.lower().removeprefix(".")
    return wanted or (by_ending if by_ending in _WRITERS else "table")


def _head(block: PlannedOutcome) -> dict[str, Any]:
    first, full = block.first_exposed, block.first_full
    looks = block.looks or (None, None)
    values = (
        block.outcome.name, block.outcome.role, block.outcome.unit_of_measure, block.basis, block.effect,
        first and first.wave, first and first.first_period, first and first.first_year,
        full and full.wave, full and full.full_period, full and full.full_year,
        block.detectable and block.detectable.year, block.found_by_looks and block.found_by_looks.year,
        block.last_year, block.alpha, block.power, block.look_alpha, *looks, block.reason,
    )  # fmt: skip
    return dict(zip(BLOCK_COLUMNS, values, strict=True))


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


class _Block:
    """One outcome in words of one language."""

    def __init__(self, block: PlannedOutcome, language: Language) -> None:
        self.block, self.language = block, language
        self.words, self.form = WORDS[language], LOCALES[language]
        self.is_share = block.outcome.unit_of_measure == "share"

    def text(self) -> str:
        lines = [self._title(), *(f"  {self._wave(wave)}" for wave in self.block.waves), ""]
        if self.block.reason:
            return "\n".join([*lines, f"  {self.words['no_table']}: {self._told(self.block.reason)}", ""])
        lines += [*self._rows(), "", *(f"  {line}" for line in self._answers())]
        return "\n".join([*lines, "", *(f"  - {line}" for line in self._rests_on()), ""])

    def _title(self) -> str:
        outcome = self.block.outcome
        label = outcome.label_de if self.language == "de" else outcome.label_en
        return f"{label} ({outcome.name})\n{self.words[f'basis_{self.block.basis}']}"

    def _wave(self, wave: WaveStart) -> str:
        """When the children of a wave are exposed."""
        start = self.words["wave"].format(wave=wave.wave, n=wave.n_places)
        kind = self.words[f"period_{self.block.outcome.period_kind}"]

        def when(period: int | None, year: int | None) -> str:
            if period is None or year is None:
                return self.words["none_in_table"]
            return self.words["period_year"].format(kind=kind, period=period, year=year)

        first = self.words["first_exposed"].format(when=when(wave.first_period, wave.first_year))
        full = self.words["first_full"].format(when=when(wave.full_period, wave.full_year))
        return f"{start}: {first}; {full}"

    def _rows(self) -> list[str]:
        with_chance = any(year.p_detected is not None for year in self.block.years)
        names = ["year", "period", "longest", "mde", *(["chance"] if with_chance else []), "mark"]
        table = [[self.words[f"column_{name}"].format(unit=self._unit()) for name in names]]
        for year in self.block.years:
            chance = [self._chance(year.p_detected)] if with_chance else []
            table.append(
                [
                    str(year.year), str(year.period), self._number(year.years_under_programme, 1),
                    self._size(year.mde_full), *chance, self._mark(year),
                ]
            )  # fmt: skip
        widths = [max(len(row[i]) for row in table) for i in range(len(names) - 1)]
        lines = []
        for row in table:
            numbers = [entry.rjust(width) for entry, width in zip(row, widths, strict=False)]
            lines.append("  ".join(["", *numbers, row[-1]]).rstrip())
        return lines

    def _mark(self, year: PlannedYear) -> str:
        marks = []
        if year.is_projected and self.block.basis == "study":
            marks.append(self.words["mark_projected"])
        if year.is_extrapolated:
            marks.append(self.words["mark_extrapolated"])
        if year.mde_full is None:
            marks.append(self.words["mark_none"])
        return ", ".join(marks)

    def _answers(self) -> list[str]:
        """T* in a sentence, and when the looks get there."""
        block, words = self.block, self.words
        if block.effect is None:
            return [words["no_effect_asked"]]
        effect = words[f"of_{block.outcome.unit_of_measure}"].format(size=self._size(block.effect))
        power = self._share(block.power)
        found = block.detectable
        if found is None:
            lines = [words["never"].format(effect=effect, last=block.last_year)]
        else:
            lines = [words["detectable"].format(effect=effect, year=found.year, power=power)]
        if block.looks is None:
            return [*lines, words["no_looks"]]
        first, last = block.looks
        if all(year.p_detected is None for year in block.years):
            return [*lines, words["no_look_has_data"].format(first=first, last=last)]
        by = block.found_by_looks
        key = "looks_never" if by is None else "looks_found"
        return [*lines, words[key].format(year=by and by.year, power=power, first=first, last=last)]

    def _rests_on(self) -> list[str]:
        """Every assumption behind the table."""
        block, words = self.block, self.words
        values = {name: self._fact(name, value) for name, value in block.rests_on.items()}
        lines = [words["test"].format(alpha=self._share(block.alpha), power=self._share(block.power))]
        if block.look_alpha is not None and block.effect is not None:
            lines.append(words["look_alpha"].format(alpha=self._share(block.look_alpha, 1)))
        if block.basis == "assumed":
            lines += [words["assumed"].format(unit=self._unit(), **values), self._children(values)]
            if block.rests_on.get("kreis_sd"):
                lines.append(words["assumed_kreis"].format(unit=self._unit(), **values))
            elif block.rests_on["plan_clusters"] != block.rests_on["plan_places"]:
                lines.append(words["assumed_no_kreis"])
        elif block.basis == "cells":
            known = "cells_known" if block.rests_on.get("children_known") else "cells_unknown"
            lines += [words["cells"].format(**values), words[known]]
        else:
            lines.append(words["study"].format(**values))
        lines += self._error()
        lines += [words["dose"], words["everywhere"] if block.basis != "study" else words["measured"]]
        if any(year.is_extrapolated for year in block.years):
            lines.append(words["extrapolated"])
        notes = dict.fromkeys(part for y in block.years for part in y.note.split("; ") if part)
        return [*lines, *(self._told(note) for note in dict.fromkeys([*block.notes, *notes]))]

    def _error(self) -> list[str]:
        """How exactly the last size is known, where variances were measured."""
        known = [year for year in self.block.years if year.mde_full_error is not None]
        if not known:
            return []
        last = known[-1]
        if not any(year.mde_full_error for year in known):
            return [self.words["no_variation"]]
        sizes = {"size": self._size(last.mde_full), "error": self._size(last.mde_full_error)}
        return [self.words["error"].format(year=last.year, **sizes)]

    def _children(self, values: dict[str, str]) -> str:
        given = self.block.rests_on.get("children_per_cell") is not None
        spread = "level" if self.block.rests_on.get("level") is not None else "child_sd"
        children = self.words["children_given" if given else "children_of_places"].format(**values)
        return f"{children}; {self.words[f'spread_{spread}'].format(unit=self._unit(), **values)}"

    def _fact(self, name: str, value: float | None) -> str:
        if name in ("sd", "drift", "kreis_sd", "child_sd"):
            return self._size(value)
        if name == "level":
            return self._share(value)
        if name in ("correlation", "kreis_correlation"):
            return self._number(value, 2)
        if name in ("first_period", "last_period", "longest_lag"):
            return self._number(value, 0).replace(self.form.thousands, "")
        return self._number(value, 0)

    def _unit(self) -> str:
        return self.words[f"unit_{self.block.outcome.unit_of_measure}"]

    def _size(self, value: float | None) -> str:
        return self._number(None if value is None else value * (100 if self.is_share else 1), DECIMALS)

    def _share(self, value: float | None, decimals: int = 0) -> str:
        return "" if value is None else self.form.percent(value, decimals)

    def _chance(self, value: float | None) -> str:
        """A probability in whole per cent; neither 0 nor 100 % is ever reached."""
        if value is not None and value < 0.01:
            return f"< {self._share(0.01)}"
        return f"> {self._share(0.99)}" if value is not None and value > 0.99 else self._share(value)

    def _told(self, note: str) -> str:
        return self.words.get(note, note)

    def _number(self, value: float | None, decimals: int) -> str:
        form: Locale = self.form
        return "–" if value is None else form.number(value, decimals)
