"""What surrounds the study and is read once: names of places, members of the second programme, children expected.

What belongs here: reading. What does not: what follows from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import read_frame


@dataclass(frozen=True)
class Surroundings:
    """names: plain names by key of Gemeinde or Kreis; second_programme: units of the study that are members or, for
    Kreise, hold one; expected: children expected at the exam by unit and entry year, empty when none were delivered;
    excluded_reasons: the plan's reasons for leaving out periods.
    """

    names: Mapping[str, str]
    second_programme: frozenset[str]
    expected: Mapping[tuple[str, int], float]
    excluded_reasons: tuple[str, ...]


def read_surroundings(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Surroundings:
    """Read them from an open warehouse."""
    gemeinde = read_frame(connection, "reference.gemeinde", ("ags",))
    kreis = read_frame(connection, "reference.kreis", ("kreis",))
    programme = read_frame(connection, "reference.second_programme", ("ags",))
    registered = read_frame(connection, "staging.registered_children", ("ags", "period"))
    excluded = read_frame(connection, "plan.excluded_period", ("source", "period"))
    to_kreis = dict(zip(gemeinde["ags"], gemeinde["kreis"], strict=True))
    by_ags = plan.study.unit == "ags"
    expected: dict[tuple[str, int], float] = {}
    for ags, period, n in zip(registered["ags"], registered["period"], registered["n_children"], strict=True):
        if ags in to_kreis:
            key = (str(ags if by_ags else to_kreis[ags]), int(period))
            expected[key] = expected.get(key, 0.0) + float(n)
    whole = set(programme.loc[programme["level"] == "kreis", "kreis"])
    if by_ags:
        named = set(programme.loc[programme["level"] != "kreis", "ags"])
        members = {ags for ags, own in to_kreis.items() if own in whole or ags in named}
    else:
        members = set(programme["kreis"])
    names = dict(zip(kreis["kreis"], kreis["name"], strict=True)) | dict(
        zip(gemeinde["ags"], gemeinde["name"], strict=True)
    )
    return Surroundings(names, frozenset(members), expected, tuple(sorted(set(excluded["reason"]))))
