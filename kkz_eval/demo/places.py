"""The municipalities. What belongs here: size, deprivation, start, levels per year. What does not: children."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kkz_eval.demo import process as p
from kkz_eval.demo.effects import START, FloatArray, days_since_1970
from kkz_eval.errors import KkzError

IntArray = NDArray[np.int64]
ParticipationRule = Literal["named", "with_kreis"]

GEMEINDE_COLUMNS = ("ags", "kreis", "population_2022", "children_under_6_2015")
N_YEARS = p.LAST_YEAR - p.FIRST_YEAR + 1


def stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for each purpose, so that years can be made in any order and alone."""
    return np.random.default_rng([seed, zlib.crc32(name.encode("ascii")), *numbers])


@dataclass(frozen=True)
class Places:
    """Municipalities in order of their key; every array has one entry per place unless said otherwise.

    `wave` is 0 for places that never take part. `start` is the day of the start in days since 1970-01-01, infinity
    for never. `cohort_size` is children per entry year at scale 1 (place x year). `level` gives the untreated level
    of each outcome (place x year), `attendance` and `refugees` the noise of a place around the statewide figures.
    """

    ags: list[str]
    kreise: list[str]
    kreis: IntArray
    wave: IntArray
    start: FloatArray
    deprivation: FloatArray
    cohort_size: FloatArray
    level: dict[str, FloatArray]
    attendance: FloatArray
    refugees: FloatArray


def make_places(gemeinden: pd.DataFrame, starts: pd.DataFrame, rule: ParticipationRule, seed: int) -> Places:
    """Places of the two lists; places that the list of starts does not hold never take part.

    Raises KkzError when a column is missing, a key is not eight digits or stands twice, or a wave is unknown.
    """
    wave_column = f"wave_{rule}"
    _need(gemeinden, GEMEINDE_COLUMNS, "gemeinden")
    _need(starts, ("ags", wave_column), "starts")
    table = gemeinden.sort_values("ags", kind="stable")
    ags = [str(key) for key in table["ags"]]
    if not ags or len(set(ags)) != len(ags) or any(len(key) != 8 or not key.isdigit() for key in ags):
        raise KkzError(
            "gemeinden: column ags must hold eight digits, each key once; correct the list of municipalities"
        )
    if starts["ags"].duplicated().any():
        raise KkzError("starts: column ags must hold each municipality once; correct the list")
    listed = pd.to_numeric(starts.set_index("ags")[wave_column]).reindex(ags)
    waves = np.asarray(listed.fillna(0), dtype=np.int64)
    if not set(waves.tolist()) <= {0, *START}:
        raise KkzError(f"starts: column {wave_column} must hold 2012, 2017, 2020 or nothing; correct the list")
    kreise = sorted({str(kreis) for kreis in table["kreis"]})
    position = {kreis: i for i, kreis in enumerate(kreise)}
    kreis = np.array([position[str(key)] for key in table["kreis"]], dtype=np.int64)
    population = table["population_2022"].to_numpy(dtype=np.float64)
    is_city = np.array([key.endswith("000") for key in ags])
    deprivation = _deprivation(is_city, waves, seed)
    rng = stream(seed, "places")
    size = table["children_under_6_2015"].to_numpy(dtype=np.float64)[:, None] / 6.0
    years, sizes = np.array(p.COHORT_SIZE).T
    trend = np.interp(np.arange(p.FIRST_YEAR, p.LAST_YEAR + 1), years, sizes)
    return Places(
        ags=ags,
        kreise=kreise,
        kreis=kreis,
        wave=waves,
        start=np.array([days_since_1970(START[w]) if w else np.inf for w in waves.tolist()]),
        deprivation=deprivation,
        cohort_size=size * trend * np.exp(rng.normal(0.0, 0.03, (len(ags), N_YEARS))),
        level=_levels(deprivation, kreis, len(kreise), population, seed),
        attendance=rng.normal(0.0, 0.02, len(ags)),
        refugees=rng.gamma(4.0, 0.25, len(ags)),
    )


def _need(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise KkzError(f"{name}: column {missing[0]} is missing; pass the table of the reference schema")


def _deprivation(is_city: NDArray[np.bool_], waves: IntArray, seed: int) -> FloatArray:
    noise = stream(seed, "deprivation").normal(0.0, p.DEPRIVATION_NOISE, len(waves))
    by_wave = np.array([p.DEPRIVATION_WAVE[w] for w in waves.tolist()])
    latent = p.DEPRIVATION_CITY * is_city + by_wave + noise
    return np.asarray(latent - latent.mean(), dtype=np.float64)


def _levels(
    deprivation: FloatArray, kreis: IntArray, n_kreise: int, population: FloatArray, seed: int
) -> dict[str, FloatArray]:
    """Untreated level of each outcome: base, gradient, statewide year, shock of the place, drift of the Kreis.

    A part of each place's and Kreis's shock is common to all outcomes, as a change of staff or of the local economy
    would be. Small places move more.
    """
    years = np.arange(p.FIRST_YEAR, p.LAST_YEAR + 1)
    size = np.where(population > 100_000, 0.8, np.where(population > 20_000, 1.0, 1.2))[:, None]
    common_place = _persistent(stream(seed, "common", 0), len(deprivation), p.SHOCK_PERSISTENCE)
    common_kreis = _persistent(stream(seed, "common", 1), n_kreise, p.DRIFT_PERSISTENCE)
    levels = {}
    for number, (outcome, process) in enumerate(p.PROCESSES.items()):
        own = _persistent(stream(seed, "shock", number), len(deprivation), p.SHOCK_PERSISTENCE)
        drift = _persistent(stream(seed, "drift", number), n_kreise, p.DRIFT_PERSISTENCE)
        sign = -1.0 if process.loading < 0 else 1.0
        place = size * (0.5 * sign * common_place + np.sqrt(0.75) * own)
        office = (0.5 * sign * common_kreis + np.sqrt(0.75) * drift)[kreis]
        statewide = process.trend * (years - 2012) + p.YEAR * process.spread * stream(seed, "year", number).normal(
            size=N_YEARS
        )
        for first, change in process.steps:
            statewide = statewide + change * (years >= first)
        levels[outcome] = (
            process.base
            + process.deprivation * deprivation[:, None]
            + statewide
            + process.spread * (p.SHOCK * place + p.DRIFT * office)
        )
    return levels


def _persistent(rng: np.random.Generator, n: int, persistence: float) -> FloatArray:
    """Stationary autoregressive series of variance one, n x years."""
    series = rng.standard_normal((n, N_YEARS))
    for t in range(1, N_YEARS):
        series[:, t] = persistence * series[:, t - 1] + np.sqrt(1 - persistence**2) * series[:, t]
    return series
