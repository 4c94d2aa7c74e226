"""How long the whole job takes and how much memory it needs: `python benchmarks/main_job.py [--scale S] [--repeat N]`.

Each repetition makes a new demo study in a temporary folder and runs the command line as a user would, as processes of
their own. Prints one line per repetition and the medians, with versions.
"""

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path


def measured(arguments: list[str]) -> float:
    """Wall seconds of one command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipelines.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default=None, help="share of the real number of children (default: the demo's own)")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    scale = ["--scale", options.scale] if options.scale else []
    times: dict[str, list[float]] = {"demo": [], "run": [], "second run": []}
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as folder:
            study = ["--study", str(Path(folder) / "study")]
            times["demo"].append(measured(["demo", *study, *scale]))
            times["run"].append(measured(["run", *study]))
            times["second run"].append(measured(["run", *study]))
        print({name: round(seconds[-1], 1) for name, seconds in times.items()}, flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    medians = ", ".join(f"{name} {statistics.median(seconds):.1f} s" for name, seconds in times.items())
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dagster", "pandas", "altair"))
    print(f"median: {medians}; peak memory {peak:.0f} MB; Python {platform.python_version()}, {packages}")


if __name__ == "__main__":
    main()
