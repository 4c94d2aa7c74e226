"""A small warehouse with known effects, from cells on: for tests of what evaluation makes of a plan and its cells."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

import kkz_eval
from kkz_eval.plan import Plan
from kkz_eval.plan.read import read_plan
from kkz_eval.warehouse import in_memory
from kkz_eval.warehouse.plan_tables import write_plan

PERIODS = np.arange(2006, 2021)
WAVE = 2012
COHORT = 2013
FULL_YEARS = 6.5
STRATA = ("german_low", "german_high")
#: Difference between strata: composition moves the mean by this much per share of german_low.
STRATUM_GAP = 0.3


def small_plan(**changes: object) -> Plan:
    """The demo plan with its first two primary outcomes, one secondary and one placebo outcome."""
    demo = read_plan(Path(kkz_eval.__file__).parent / "plan" / "plans" / "demo.toml")
    kept = ("german_insufficient", "u8_u9_complete", "speech_referral", "hearing_finding")
    values = demo.model_dump() | {
        "outcomes": [o.model_dump() for o in demo.outcomes if o.name in kept],
        "excluded_periods": [],
        **changes,
    }
    return Plan.model_validate(values)


def small_study(
    plan: Plan,
    *,
    full_effect: float = -0.05,
    n_units: int = 60,
    children: int = 2_000,
    noise: float = 0.004,
    last: int = 2020,
    drift_of_composition: float = 0.0,
    seed: int = 5,
) -> duckdb.DuckDBPyConnection:
    """Cells of every outcome: a third of the places adopt, the effect grows linearly to `full_effect`.

    drift_of_composition: share of children of german_low that adopters gain over all years, which moves their means
    without any effect. Two municipalities share a Kreis, and adopt together.
    """
    rng = np.random.default_rng(seed)
    periods = PERIODS[last >= PERIODS]
    units = np.array([f"05{100 + u // 2:03d}{u:03d}" for u in range(n_units)])
    treated = (np.arange(n_units) // 2) % 3 == 0
    years = np.clip(periods - WAVE, 0, FULL_YEARS) * (periods >= COHORT)
    connection = in_memory()
    panel, profile = [], []
    for outcome in plan.outcomes:
        effect = 0.0 if outcome.role == "placebo" else full_effect
        place, kreis = (
            rng.normal(0, 0.02, n_units),
            np.repeat(rng.normal(0, noise / 2, (n_units // 2, len(periods))), 2, 0),
        )
        low = 0.4 + drift_of_composition * np.outer(treated, (periods - periods[0]) / (periods[-1] - periods[0]))
        mean = 0.15 + place[:, None] + kreis + rng.normal(0, noise, low.shape)
        mean = mean + np.outer(treated, years / FULL_YEARS) * effect
        for name, share, gap in (("german_low", low, STRATUM_GAP), ("german_high", 1 - low, 0.0)):
            n = np.round(children * share).astype(int)
            total = np.round(n * (mean + gap)).astype(int)
            frame = pd.DataFrame(
                {
                    "outcome": outcome.name,
                    "unit": np.repeat(units, len(periods)),
                    "period": np.tile(periods, n_units),
                    "stratum": name,
                    "n": n.ravel(),
                    "total": total.ravel(),
                    "total_of_squares": total.ravel(),
                }
            )
            profile.append(frame)
        both = pd.concat(profile[-2:]).groupby(["outcome", "unit", "period"], as_index=False).sum(numeric_only=True)
        panel.append(both.assign(value=both["total"] / both["n"], is_used=True, reason=None))
    _store(connection, "cells.profile", pd.concat(profile))
    _store(connection, "cells.panel", pd.concat(panel))
    _store(connection, "cells.adoption", _adoption(plan, units, treated))
    empty = pd.DataFrame({"covariate": ["x"], "unit": ["x"], "period": [0], "value": [0.0]}).iloc[:0]
    _store(connection, "cells.covariate", empty)
    _store(connection, "reference.exposure", _exposure(plan))
    for schema in ("plan", "estimates", "horizon", "ledger"):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    write_plan(connection, plan)
    return connection


def _adoption(plan: Plan, units: np.ndarray, treated: np.ndarray) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "unit": units,
            "kreis": [unit[:5] for unit in units],
            "region": "westfalen",
            "wave": pd.array([WAVE if t else None for t in treated], dtype="Int64"),
            "cohort": pd.array([COHORT if t else None for t in treated], dtype="Int64"),
            "cluster": [unit[:5] for unit in units],
            "weight": 1.0,
        }
    )
    return pd.concat([rows.assign(outcome=outcome.name) for outcome in plan.outcomes])


def _exposure(plan: Plan) -> pd.DataFrame:
    periods = np.arange(2000, 2041)
    years = np.clip(periods - WAVE, 0, FULL_YEARS).astype(float)
    rows = pd.DataFrame(
        {
            "wave": WAVE,
            "period": periods,
            "years_under_programme": years,
            "full_years": FULL_YEARS,
            "is_fully_exposed": years >= FULL_YEARS,
        }
    )
    return pd.concat([rows.assign(outcome=outcome.name) for outcome in plan.outcomes])


def _store(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.', maxsplit=1)[0]}")
    connection.register("given", frame)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    connection.unregister("given")
