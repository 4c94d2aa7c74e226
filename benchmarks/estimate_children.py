"""Two million children: `python benchmarks/estimate_children.py [--repeat N] [--peer-python PATH] [--without-peer]`.

A Parquet file of 2 million children in 396 municipalities and 20 entry years, three cohorts and never treated, one
covariate with three levels; doubly robust effects with a comparison of never-treated municipalities, clusters of
municipalities, 999 multiplier draws, every aggregation: from the file to the result in one process. Imports count on
neither side. Other side: CallawaySantAnna of diff-diff 3.13 with the same settings, run once, because it takes minutes;
in this Python if it is installed (extra `bench`), else in the one named by --peer-python.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb
from measure import in_process, machine, medians, table

OURS = """
import json, sys, time
import pandas, scipy.stats
import duckdb
from kkz_eval.evaluation.any_data import estimate_file
from measure import peak_megabytes
started = time.perf_counter()
rows = estimate_file(
    sys.argv[1], outcome="outcome", unit="place", period="year", cohort="first", covariates=("education",),
    design="cross_section", method="dr", inference="multiplier", draws=999,
)
seconds = time.perf_counter() - started
(overall,) = (row.estimate for row in rows if row.aggregation == "overall")
print(json.dumps({"seconds": seconds, "megabytes": peak_megabytes(), "rows": len(rows), "overall": overall}))
"""
PEER = """
import json, resource, sys, time, warnings
import pandas
from diff_diff import CallawaySantAnna
warnings.filterwarnings("ignore")
started = time.perf_counter()
frame = pandas.read_csv(sys.argv[1]) if sys.argv[1].endswith(".csv") else pandas.read_pickle(sys.argv[1])
model = CallawaySantAnna(
    control_group="never_treated", estimation_method="dr", cluster="place", n_bootstrap=999, seed=1, panel=False
)
result = model.fit(
    frame, outcome="outcome", unit="child", time="year", first_treat="first", covariates=["education"], aggregate="all"
)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "megabytes": peak, "overall": float(result.overall_att)}))
"""


def make_children(path: Path, n_children: int) -> None:
    """Children whose outcome depends on place, year, education and, from the cohort's first year on, the programme."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (
            SELECT child, place, year, first, education, (draw < 0.3 + 0.0005 * (place % 100) + 0.05 * education
                - CASE WHEN first > 0 AND year >= first THEN 0.03 ELSE 0 END)::TINYINT AS outcome
            FROM (SELECT child, place, (2006 + hash(child, 1) % 20)::INTEGER AS year, (hash(child, 2) % 3)::TINYINT
                AS education, (hash(child, 3) % 1000000) / 1e6 AS draw,
                ([2012, 2015, 2018, 0, 0])[1 + place % 5]::INTEGER AS first
                FROM (SELECT i AS child, (hash(i) % 396)::INTEGER AS place FROM range({n_children}) t(i)))
            ) TO '{path}' (FORMAT parquet)"""
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--children", type=int, default=2_000_000)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--without-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, frame = Path(folder) / "children.parquet", Path(folder) / "children.pickle"
        make_children(path, options.children)
        ours = medians([in_process(OURS, str(path)) for _ in range(options.repeat)])
        lines = [("kkz-eval", ours["seconds"], ours["megabytes"], f"{ours['overall']:.6f}")]
        if not options.without_peer:
            with duckdb.connect() as connection:  # a pickled frame needs no reader of Parquet on the other side
                connection.execute(f"SELECT * FROM '{path}'").df().to_pickle(frame)
            try:
                peer = in_process(PEER, str(frame), python=options.peer_python)
                lines.append(("diff-diff", peer["seconds"], peer["megabytes"], f"{peer['overall']:.6f}"))
                lines.append(("ratio", peer["seconds"] / ours["seconds"], peer["megabytes"] / ours["megabytes"], ""))
            except RuntimeError as fault:
                print(f"diff-diff did not run ({fault}); install the extra bench, or give --peer-python.")
    print(table(("", "seconds", "peak MB", "overall effect"), lines))
    print(machine("numpy", "scipy", python=options.peer_python, peers=("diff-diff", "pandas")))


if __name__ == "__main__":
    main()
