"""Writing the inbox of the demo. What belongs here: names, encodings, bytes of files. What does not: their content."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from kkz_eval.demo.columns import Table, file_bytes
from kkz_eval.demo.effects import truth
from kkz_eval.demo.faults import KINDS, plant
from kkz_eval.demo.places import ParticipationRule
from kkz_eval.demo.world import DEFAULT_SCALE, DEFAULT_SEED, EDUCATION, EXAM, KITA, REGISTER, World, planted_effects

FILE_STEM: Final = {EXAM: "SEU", KITA: "Kita", EDUCATION: "Schule", REGISTER: "Melderegister"}

README: Final = """A simulated North Rhine-Westphalia
==================================

Every child, family and finding in these files is invented. Names of municipalities and their start years are real;
levels, differences and effects are assumptions made to try out the evaluation, and say nothing about any real place.

inbox/<source>/     deliveries, one file per year, as offices would send them
truth.csv           the planted effect of 0 to 6 and of full years of exposure, per outcome
effects.csv         the expected effect per outcome, wave and period
faults.csv          planted faulty lines per file and kind, which a correct intake puts aside

Made with scale {scale} (share of the real number of children), seed {seed}, participation rule {rule}.
"""


def write_demo(
    inbox: Path,
    gemeinden: pd.DataFrame,
    starts: pd.DataFrame,
    *,
    scale: float = DEFAULT_SCALE,
    seed: int = DEFAULT_SEED,
    participation_rule: ParticipationRule = "with_kreis",
    effects: bool = True,
) -> Path:
    """Write all deliveries below `inbox`, and truth.csv, effects.csv, faults.csv and README.txt beside it.

    Arguments as for `World`. The same arguments give the same bytes. Returns the inbox. Existing files of the same
    names are replaced. Raises KkzError when the lists or the scale cannot be used.
    """
    world = World(gemeinden, starts, scale=scale, seed=seed, participation_rule=participation_rule, effects=effects)
    faults: list[tuple[str, int, str, str, int]] = []
    for source, year, clean in world.deliveries():
        table, planted = (clean, {}) if source == REGISTER else plant(clean, source, year, seed)
        path = inbox / source / f"{FILE_STEM[source]}_{year}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_delivered(table, source))
        faults += [(source, year, path.name, kind, planted[kind]) for kind in KINDS if kind in planted]
    beside = inbox.parent
    columns = ["source", "year", "file_name", "fault", "n_lines"]
    _write_table(pd.DataFrame(faults, columns=columns), beside / "faults.csv")
    _write_table(truth() if effects else truth().assign(effect=0.0), beside / "truth.csv")
    expected = planted_effects()
    _write_table(expected if effects else expected.assign(effect=0.0), beside / "effects.csv")
    text = README.format(scale=scale, seed=seed, rule=participation_rule)
    (beside / "README.txt").write_bytes(text.encode("utf-8"))
    return inbox


def as_delivered(table: Table, source: str) -> bytes:
    """Bytes of a delivery: the exam in UTF-8 with byte order mark and CRLF, Kita in cp1252, the others plain UTF-8."""
    if source == EXAM:
        return file_bytes(table, newline="\r\n", bom=True)
    return file_bytes(table, encoding="cp1252" if source == KITA else "utf-8")


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode("utf-8"))
