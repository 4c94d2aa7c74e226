"""What the benchmarks share: medians, peak memory of a process of its own, tables, machine and versions."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path


def median_seconds(work: Callable[[], object], repeat: int) -> float:
    """Median wall seconds of a piece of work."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(code: str, *arguments: str, python: str = sys.executable) -> dict[str, float]:
    """Runs code in a process of its own, which prints one JSON object as its last line. Raises RuntimeError."""
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [python, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": here},
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    found: dict[str, float] = json.loads(done.stdout[done.stdout.rindex("{") :])  # after any progress bar
    return found


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of every figure over runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Columns to read; numbers with three digits after the point at most."""
    shown = [list(head), *([f"{v:.3g}" if isinstance(v, float) else str(v) for v in line] for line in lines)]
    widths = [max(len(line[i]) for line in shown) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in shown)


def machine(*packages: str, python: str = sys.executable, peers: Sequence[str] = ()) -> str:
    """Cores, Python, versions of packages here and of peers in their Python."""
    said = [f"{name} {version(name)}" for name in ("kkz-eval", "duckdb", "pandas", *packages)]
    code = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *peers], check=False, capture_output=True, text=True)
    said += [found.stdout.strip()] if peers and found.returncode == 0 else []
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(said)}"
