"""The demo study as a whole: folder, plan, deliveries, truth. What belongs here: putting the parts together."""

from pathlib import Path

from kkz_eval.demo.world import DEFAULT_SCALE
from kkz_eval.demo.write import write_demo
from kkz_eval.errors import PlanError
from kkz_eval.plan import Study
from kkz_eval.warehouse import build_table, in_memory, read_catalog, read_frame

__all__ = ["DEFAULT_SCALE", "make_demo"]

PLACES = ("reference.kreis", "reference.gemeinde", "reference.participation", "reference.gemeinde_start")


def make_demo(root: Path, *, scale: float = DEFAULT_SCALE, seed: int = 2012) -> Study:
    """Create the demo study in `root` and fill its inbox; an existing demo study gets the same deliveries again."""
    study = Study.open(root) if (root / "study.toml").is_file() else Study.create(root, "demo")
    if not study.plan().study.is_synthetic or study.inbox != study.root / "inbox":
        raise PlanError(f"{root}: this is no demo study, and its deliveries stay as they are; give another --study.")
    connection = in_memory()
    try:
        catalog = read_catalog()
        for schema in ("reference", "ledger"):
            connection.execute(f"CREATE SCHEMA {schema}")
        for name, file in catalog.items():
            if name in PLACES:
                build_table(connection, file)
        gemeinden = read_frame(connection, "reference.gemeinde", ("ags",))
        starts = read_frame(connection, "reference.gemeinde_start", ("ags",))
    finally:
        connection.close()
    write_demo(study.inbox, gemeinden, starts, scale=scale, seed=seed)
    return study
