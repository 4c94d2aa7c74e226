"""From which year each outcome can show the programme, read from the released table of exposure.

What belongs here: first years and the longest exposure measured so far. What does not: estimates.
"""

from dataclasses import dataclass

from kkz_eval.report.frames import Row, Tables, flag, number, rows, text, whole
from kkz_eval.report.meta import OutcomeMeta, ReportMeta


@dataclass(frozen=True, slots=True)
class WaveHorizon:
    """First years of one outcome and wave; periods are the outcome's own, years are years of measurement.

    `most_years` and `most_share` are the longest time under the programme, and its share of the full time, among the
    cohorts measured by `as_of`; None where no cohort has been measured.
    """

    wave: int
    first_period: int | None
    first_year: int | None
    full_period: int | None
    full_year: int | None
    most_years: float | None
    most_share: float | None
    latest_period: int | None
    has_exposed_now: bool
    has_full_now: bool


def _first(found: list[Row], column: str) -> int | None:
    return next((value for row in found if (value := whole(row[column])) is not None), None)


def _wave(wave: int, found: list[Row], in_data: set[int]) -> WaveHorizon:
    known = [row for row in found if flag(row["can_be_known_now"]) and (not in_data or whole(row["period"]) in in_data)]
    exposures = [value for row in known if (value := number(row["years_under_programme"])) is not None]
    shares = [value for row in known if (value := number(row["share_of_full"])) is not None]
    periods = [value for row in known if (value := whole(row["period"])) is not None]
    return WaveHorizon(
        wave=wave,
        first_period=_first(found, "first_exposed_period"),
        first_year=_first(found, "first_exposed_year"),
        full_period=_first(found, "first_fully_exposed_period"),
        full_year=_first(found, "first_fully_exposed_year"),
        most_years=max(exposures, default=None),
        most_share=max(shares, default=None),
        latest_period=max(periods, default=None),
        has_exposed_now=any(flag(row["is_exposed"]) for row in known),
        has_full_now=any(flag(row["is_fully_exposed"]) for row in known),
    )


def horizons(tables: Tables, meta: ReportMeta) -> dict[str, tuple[WaveHorizon, ...]]:
    """First years of every outcome of the plan by wave; an outcome without rows has an empty tuple.

    A cohort counts as measured if its day of measurement has passed and the data hold it (it has a row in the released
    description): a series that ends early has not measured later cohorts, whatever the calendar says.
    """
    found: dict[str, dict[int, list[Row]]] = {outcome.name: {} for outcome in meta.outcomes}
    for row in rows(tables, "exposure"):
        wave = whole(row["wave"])
        if wave is not None and text(row["outcome"]) in found:
            found[text(row["outcome"])].setdefault(wave, []).append(row)
    in_data: dict[str, set[int]] = {}
    for row in rows(tables, "description"):
        period = whole(row["period"])
        if period is not None:
            in_data.setdefault(text(row["outcome"]), set()).add(period)
    return {
        outcome: tuple(_wave(wave, group, in_data.get(outcome, set())) for wave, group in sorted(waves.items()))
        for outcome, waves in found.items()
    }


def is_fully_seen(waves: tuple[WaveHorizon, ...]) -> bool:
    """Whether any cohort measured so far spent the whole early childhood under the programme."""
    return any(wave.has_full_now for wave in waves)


def earliest_full(waves: tuple[WaveHorizon, ...]) -> WaveHorizon | None:
    """The wave whose fully exposed cohort is measured first."""
    dated = [(w.full_year, w.wave, w) for w in waves if w.full_year is not None]
    return min(dated, key=lambda entry: entry[:2])[2] if dated else None


def not_yet(
    outcomes: tuple[OutcomeMeta, ...], found: dict[str, tuple[WaveHorizon, ...]]
) -> list[tuple[OutcomeMeta, WaveHorizon]]:
    """Outcomes without a fully exposed cohort measured so far, with the wave that will have one first."""
    waiting = []
    for outcome in outcomes:
        first = earliest_full(found.get(outcome.name, ()))
        if first is not None and not is_fully_seen(found[outcome.name]):
            waiting.append((outcome, first))
    return waiting
