"""Does time grow beyond the database's own? `python benchmarks/estimate_rows.py [--repeat N] [--large] [--rows N …]`.

Effects without covariates from 2 and 20 (with --large also 100) million rows of a Parquet file: seconds and peak memory
of `estimate_file`, and of it the seconds until the cells stand, beside DuckDB's bare aggregate over the same columns
(count, sum and sum of squares by unit, period and cohort) into a frame. Outcomes: 0/1 as a whole number, and a DOUBLE.
Every run is a process of its own; imports do not count, and the file has been read once before.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb
from measure import in_process, machine, medians, table

BARE = """
import json, sys, time
import pandas
import duckdb
from measure import peak_megabytes
path, y = sys.argv[1:]
with duckdb.connect() as connection:
    started = time.perf_counter()
    connection.execute(
        f"SELECT unit, period, cohort, count(*), sum({y}), sum({y} * {y}) FROM read_parquet('{path}') GROUP BY ALL"
    ).df()
    seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "megabytes": peak_megabytes()}))
"""
OURS = """
import json, sys, time
import pandas, scipy.stats
import duckdb
from kkz_eval.evaluation import any_data
from measure import peak_megabytes
path, y = sys.argv[1:]
cells = []
prepare = any_data.prepare
def timed(*arguments, **options):
    try:
        return prepare(*arguments, **options)
    finally:
        cells.append(time.perf_counter() - started)
any_data.prepare = timed
started = time.perf_counter()
any_data.estimate_file(
    path, outcome=y, unit="unit", period="period", cohort="cohort", design="cross_section", inference="multiplier"
)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "cells": cells[0], "megabytes": peak_megabytes()}))
"""


def make_rows(path: Path, n_rows: int) -> None:
    """Rows of 396 units in 20 periods; y is 0 or 1, real has a fractional part."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (
            SELECT unit, (2006 + hash(i, 1) % 20)::INTEGER AS period, ([2012, 2015, 2018, 0, 0])[1 + unit % 5]::INTEGER
                AS cohort, (hash(i, 2) % 100 < 30)::TINYINT AS y, 50 + sqrt(-2 * ln((1 + hash(i, 3) % 1000000) / 1e6))
                * cos(hash(i, 4) % 1000000 / 1e6 * 2 * pi()) AS real
            FROM (SELECT i, (hash(i) % 396)::INTEGER AS unit FROM range({n_rows}) t(i))
            ) TO '{path}' (FORMAT parquet)"""
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=[2_000_000, 20_000_000])
    parser.add_argument("--large", action="store_true", help="100 million rows too")
    options = parser.parse_args()
    lines = []
    for n_rows in [*options.rows, *([100_000_000] if options.large else [])]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            make_rows(path, n_rows)
            for y in ("y", "real"):
                runs = [(in_process(BARE, str(path), y), in_process(OURS, str(path), y)) for _ in range(options.repeat)]
                print(f"{n_rows:,} rows, {y}: {len(runs)} runs done", file=sys.stderr)
                bare, ours = medians([run[0] for run in runs]), medians([run[1] for run in runs])
                lines.append(
                    (
                        f"{n_rows:,}", "0/1" if y == "y" else "DOUBLE", bare["seconds"], ours["cells"], ours["seconds"],
                        ours["seconds"] - ours["cells"], ours["cells"] / bare["seconds"],
                        ours["seconds"] / bare["seconds"], bare["megabytes"], ours["megabytes"],
                    )
                )  # fmt: skip
    head = ("rows", "outcome", "bare s", "cells s", "all s", "after cells s", "cells/bare", "all/bare", "bare MB", "MB")
    print(table(head, lines))
    print(machine("numpy"))


if __name__ == "__main__":
    main()
