"""Randomisation inference and wild bootstrap: `python benchmarks/inference.py [--repeat N] [--peer-python PATH]`.

Placebo reassignment: 9,999 reassignments of the cohorts of 396 places over 20 years, t statistics of every event time,
for 12 outcomes. Wild cluster bootstrap: 9,999 draws with the null imposed, of the one coefficient of a two-way fixed
effects regression on the same cells in 53 clusters: p-value, and p-value with interval, against wildboottest 0.3.2 and
pyfixest 0.60 (p-value only: they give no interval here). These run in this Python if they are installed (extra
`bench`), else in the one named by --peer-python. Imports, simulated data and fits count on
no side; linear algebra runs in one thread on every side, so that figures do not depend on what else runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import numpy as np
import pandas as pd
from measure import machine, median_seconds, table

from kkz_eval.cells.panel import CellPanel
from kkz_eval.estimators.callaway_santanna import callaway_santanna
from kkz_eval.estimators.regression import two_way_fixed_effects
from kkz_eval.estimators.result import EstimatorOptions
from kkz_eval.inference.randomisation import placebo_test, reassignments
from kkz_eval.inference.wild import multipliers
from kkz_eval.inference.wild_regression import cluster_products, wild_regression

N_PLACES, N_KREISE, N_OUTCOMES, DRAWS = 396, 53, 12, 9_999

PEERS = """
import json, sys, time, warnings
import pandas as pd, statsmodels.formula.api as smf
warnings.filterwarnings("ignore")
frame, draws, repeat = pd.read_csv(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
found = {}
def timed(name, work):
    work(3)  # numba compiles on the first call
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        p = work(draws)
        seconds.append(time.perf_counter() - started)
    found[name] = sorted(seconds)[len(seconds) // 2], p
import pyfixest
fit = pyfixest.feols("y ~ treated | place + year", frame, vcov={"CRV1": "kreis"})
timed("pyfixest", lambda n: float(fit.wildboottest(param="treated", reps=n, cluster="kreis", seed=1)["Pr(>|t|)"]))
from wildboottest.wildboottest import wildboottest
model = smf.ols("y ~ treated + C(place) + C(year)", frame)
def direct(n):
    found = wildboottest(model, param="treated", cluster=frame["kreis"], B=n, seed=1, show=False)
    return float(found["p-value"].iloc[0])
timed("wildboottest", direct)
print(json.dumps(found))
"""


def rows(seed: int) -> pd.DataFrame:
    """One outcome on 396 places in 53 districts over 20 years; cohorts 2012, 2015, 2018 and never."""
    rng = np.random.default_rng(seed)
    place, year = (a.ravel() for a in np.meshgrid(np.arange(N_PLACES), np.arange(2006, 2026), indexing="ij"))
    first = np.array([2012, 2015, 2018, np.inf, np.inf])[place % 5]
    treated = (year >= first) * 1
    y = rng.normal(size=N_PLACES)[place] + 0.05 * (year - 2006) + rng.normal(size=len(place)) - 0.05 * treated
    columns = {"place": place, "year": year, "kreis": place % N_KREISE, "first": first, "treated": treated, "y": y}
    return pd.DataFrame(columns)


def cells(frame: pd.DataFrame) -> CellPanel:
    """The cells of an outcome."""
    return CellPanel.from_frame(
        frame, "y", unit="place", period="year", cohort="first", cluster="kreis", value="y", n=None
    )


def randomisation() -> Callable[[], object]:
    """The work that is timed: every reassignment, every event time, every outcome."""
    options = EstimatorOptions(control_group="never_treated")
    fits = [callaway_santanna(cells(rows(seed)), options) for seed in range(N_OUTCOMES)]
    chosen = fits[0].index(aggregation="event", label="")

    def work() -> object:
        assigned = reassignments(fits[0], draws=DRAWS, seed=1)
        return [placebo_test(fit, chosen, assigned).p_value for fit in fits]

    return work


def wild(frame: pd.DataFrame) -> tuple[Callable[[], float], Callable[[], object]]:
    """The p-value; the p-value and the interval."""
    fit = two_way_fixed_effects(cells(frame), EstimatorOptions())

    def test() -> float:
        products, contrasts = cluster_products(fit)
        drawn = multipliers(len(products.clusters), draws=DRAWS, seed=1)
        return wild_regression(products, contrasts[0], drawn).p_value()

    def both() -> object:
        products, contrasts = cluster_products(fit)
        drawn = multipliers(len(products.clusters), draws=DRAWS, seed=1)
        bootstrap = wild_regression(products, contrasts[0], drawn)
        return bootstrap.p_value(), bootstrap.interval(0.95)

    return test, both


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    options = parser.parse_args()
    frame = rows(0)
    test, both = wild(frame)
    lines = [
        ("reassignment, all event times, 12 outcomes", median_seconds(randomisation(), options.repeat), ""),
        ("wild bootstrap: p-value", ours := median_seconds(test, options.repeat), f"p = {test():.3f}"),
        ("wild bootstrap: p-value and interval", median_seconds(both, options.repeat), ""),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.csv"
        frame.to_csv(path, index=False)
        command = [options.peer_python, "-c", PEERS, str(path), str(DRAWS), str(options.repeat)]
        peers = subprocess.run(command, check=False, capture_output=True, text=True)
    if peers.returncode:
        said = (peers.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"pyfixest and wildboottest did not run ({said}); install the extra bench, or give --peer-python.")
    else:
        found = json.loads(peers.stdout.splitlines()[-1])
        lines += [
            (f"{name}: p-value", seconds, f"p = {p:.3f}, {seconds / ours:.0f} times ours")
            for name, (seconds, p) in found.items()
        ]
    print(table(("work", "seconds", ""), lines))
    print(machine("numpy", "scipy", python=options.peer_python, peers=("pyfixest", "wildboottest")))


if __name__ == "__main__":
    main()
