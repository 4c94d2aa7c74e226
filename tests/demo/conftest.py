"""Small worlds for the tests of the demo. What belongs here: lists of places and worlds. What does not: assertions."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kkz_eval.demo import World, write_demo
from kkz_eval.warehouse import build_table, in_memory, read_catalog, read_frame

ENCODINGS = {"school_entry_exam": "utf-8-sig", "kita_attendance": "cp1252", "education": "utf-8"}


@pytest.fixture(scope="session")
def rows() -> Callable[[Path], pd.DataFrame]:
    """Reads a delivered file as text, in the encoding of its source."""

    def read(path: Path) -> pd.DataFrame:
        encoding = ENCODINGS.get(path.parent.name, "utf-8")
        return pd.read_csv(path, sep=";", dtype=str, encoding=encoding, keep_default_na=False)

    return read


@pytest.fixture(scope="session")
def small_lists() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forty invented places in twenty Kreise; five Kreise of each wave and five that never take part."""
    kreise = [f"05{900 + i}" for i in range(20)]
    gemeinden = pd.DataFrame(
        {
            "ags": [f"{kreis}{ending}" for kreis in kreise for ending in ("000" if int(kreis) % 2 else "004", "008")],
            "kreis": [kreis for kreis in kreise for _ in range(2)],
            "population_2022": 50_000,
            "children_under_6_2015": 3_000,
        }
    )
    waves = [2012, 2017, 2020, None]
    starts = pd.DataFrame({"ags": gemeinden["ags"], "wave_with_kreis": [waves[i // 10] for i in range(40)]})
    starts["wave_named"] = starts["wave_with_kreis"].where(starts["ags"].str.endswith("000"))
    return gemeinden, starts


@pytest.fixture(scope="session")
def real_lists() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The municipalities and starts of the project's reference schema."""
    connection = in_memory()
    try:
        connection.execute("CREATE SCHEMA reference")
        connection.execute("CREATE SCHEMA ledger")
        for name, file in read_catalog().items():
            if name in ("reference.kreis", "reference.gemeinde", "reference.participation", "reference.gemeinde_start"):
                build_table(connection, file)
        gemeinden = read_frame(connection, "reference.gemeinde", ("ags",))
        return gemeinden, read_frame(connection, "reference.gemeinde_start", ("ags",))
    finally:
        connection.close()


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory, small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> Path:
    """A written demo of about 800 children per entry year."""
    return write_demo(tmp_path_factory.mktemp("demo") / "inbox", *small_lists, scale=0.04, seed=7)


@pytest.fixture(scope="session")
def world(small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> World:
    """The world behind `inbox`."""
    return World(*small_lists, scale=0.04, seed=7)


@pytest.fixture(scope="session")
def big_world(small_lists: tuple[pd.DataFrame, pd.DataFrame]) -> World:
    """The same places at full size: about 20,000 children per entry year, half of them exposed."""
    return World(*small_lists, scale=1.0, seed=7)
