"""Seconds per specification of the pipeline, and the share that is Dagster's: `python benchmarks/pipeline.py`.

A demo study with all estimators, 12 outcomes and 3 comparisons is run once. Then its tables right of the cells are made
again twice: by the job, and by the same library calls without Dagster. Run it alone on the machine.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pipelines  # noqa: F401  (first: it settles the number of threads of numpy)
from kkz_eval.demo.study import make_demo
from kkz_eval.evaluation.made import MADE_TABLES, make_table
from kkz_eval.plan import Study
from kkz_eval.plan.model import PLAN_ESTIMATORS
from kkz_eval.warehouse import Warehouse, build_table, read_catalog, stored_plan
from pipelines.main_run import run_job

N_OUTCOMES = 12
RHEINLAND = """
[[comparisons]]
name = "rheinland"
label_de = "nur Rheinland"
label_en = "Rhineland only"
control_group = "not_yet_treated"
region = "rheinland"

[[gaps]]
name = "language_gap\""""


def change_plan(study: Study) -> None:
    """All estimators, a third comparison, and the first twelve outcomes of the demo plan."""
    file = study.root / "plan.toml"
    head, *outcomes = file.read_text(encoding="utf-8").split("[[outcomes]]\n")
    named = ", ".join(f'"{name}"' for name in PLAN_ESTIMATORS)
    before, rest = head.split("estimators = [", 1)
    head = f"{before}estimators = [{named}]{rest.split(']', 1)[1]}"
    head = head.replace('\n[[gaps]]\nname = "language_gap"', RHEINLAND, 1)
    head = head.replace('negative_control = "hearing_finding"', 'negative_control = ""')
    file.write_text("[[outcomes]]\n".join([head, *outcomes[:N_OUTCOMES]]), encoding="utf-8")


def without_dagster(study: Study) -> tuple[float, dict[str, float]]:
    """Seconds of all tables that Python makes and of disclosure and release, by the same calls in one connection."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    with Warehouse.of(study).connect() as connection:
        plan = stored_plan(connection)
        for name in MADE_TABLES:
            begun = time.perf_counter()
            make_table(connection, plan, name)
            seconds[name] = time.perf_counter() - begun
        for name, file in read_catalog().items():
            if name.startswith(("disclosure.", "release.")):
                build_table(connection, file)
    return time.perf_counter() - started, seconds


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = make_demo(Path(folder) / "study")
        change_plan(study)
        run_job(study.root)
        started = time.perf_counter()
        run_job(study.root)
        job = time.perf_counter() - started
        ours, seconds = without_dagster(study)
    estimates = {name: s for name, s in seconds.items() if name.split(".")[1] in PLAN_ESTIMATORS}
    n = len(PLAN_ESTIMATORS) * N_OUTCOMES * 3
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{name:40s} {spent:6.2f} s")
    print(
        f"{n} specifications ({len(PLAN_ESTIMATORS)} estimators, {N_OUTCOMES} outcomes, 3 comparisons): "
        f"{sum(estimates.values()):.1f} s, {1000 * sum(estimates.values()) / n:.0f} ms each"
    )
    print(f"whole job again: {job:.1f} s; tables right of the cells without Dagster: {ours:.1f} s")


if __name__ == "__main__":
    main()
