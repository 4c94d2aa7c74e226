"""The folder in which one evaluation lives. What belongs here: its paths, its few settings of place and size."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kkz_eval.errors import PlanError
from kkz_eval.plan.model import Plan
from kkz_eval.plan.read import parse_plan, read_plan, shipped_plan

SETTINGS_TEMPLATE = """# Where this study reads, and how much of the machine it may use. These change no result.
inbox = {inbox}
memory_limit = "2GB"
threads = 2
"""

DAGSTER_TEMPLATE = """# Dagster in this study: no telemetry, no newsletter window, one writer, library logs shown.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: op
  runs:
    max_concurrent_runs: 1
python_logs:
  managed_python_loggers: [kkz_eval]
  python_log_level: INFO
"""


@dataclass(frozen=True)
class Study:
    """Paths and settings of one study folder. Nothing is opened here."""

    root: Path
    inbox: Path
    memory_limit: str = "2GB"
    threads: int = 2

    @property
    def plan_file(self) -> Path:
        return self.root / "plan.toml"

    @property
    def warehouse_file(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def release_folder(self) -> Path:
        return self.root / "release"

    @property
    def work_folder(self) -> Path:
        return self.root / "work"

    @property
    def dagster_home(self) -> Path:
        return self.root / ".dagster"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study for one run. Raises `PlanError` naming the process that holds it.

        Steps of two runs between each other would mix two plans in one release. Where the system has no such locks,
        the door still refuses a mixture.
        """
        try:
            import fcntl  # noqa: PLC0415  (not on Windows)
        except ImportError:
            yield
            return
        try:
            with (self.root / ".run.lock").open("a+", encoding="ascii") as held:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.seek(0)
                    holder = held.read().strip() or "unknown"
                    raise PlanError(
                        f"{self.root}: another run (process {holder}) is working on this study; wait until it ends."
                    ) from None
                held.truncate(0)
                held.write(str(os.getpid()))
                held.flush()
                yield
        except OSError as fault:
            raise PlanError(
                f"{self.root}: the folder cannot be written ({fault.strerror}); give write permission or free space."
            ) from None

    def plan(self) -> Plan:
        """The plan as it stands in the folder now."""
        return read_plan(self.plan_file)

    @classmethod
    def open(cls, root: Path) -> "Study":
        """Read the settings of an existing study folder. Raises `PlanError` when it is none."""
        root = root.expanduser().resolve()
        settings_file = root / "study.toml"
        try:
            settings = tomllib.loads(settings_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PlanError(
                f"{root}: this is no study folder (study.toml is missing); create one with `kkz-eval init`."
            ) from None
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise PlanError(f"{settings_file}: cannot be read ({type(fault).__name__}); mend the file.") from None
        unknown = settings.keys() - {"inbox", "memory_limit", "threads"}
        if unknown:
            raise PlanError(
                f"{settings_file}: the key '{min(unknown)}' is not known; allowed: inbox, memory_limit, threads."
            )
        try:
            threads = int(settings.get("threads", 2))
        except (TypeError, ValueError):
            raise PlanError(f"{settings_file}: threads must be a whole number.") from None
        return cls(
            root, _inbox(root, str(settings.get("inbox", "inbox"))), str(settings.get("memory_limit", "2GB")), threads
        )

    @classmethod
    def create(cls, root: Path, plan_name: str, inbox: Path | None = None) -> "Study":
        """Make a new study folder (0700) from a shipped plan; an existing plan is never overwritten."""
        text = shipped_plan(plan_name)
        parse_plan(text, f"shipped plan {plan_name}")
        root = root.expanduser().resolve()
        if (root / "study.toml").exists():
            raise PlanError(f"{root}: there is a study here already; choose another folder or use it as it is.")
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise PlanError(f"{root}: there is something here already; give a folder that is new or empty.")
        if inbox is not None and not inbox.expanduser().is_dir():
            raise PlanError(f"{inbox}: this input folder does not exist; give an existing one with --input.")
        os.umask(0o077)
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(0o700)
            for folder in (root / "release", root / "work", root / ".dagster"):
                folder.mkdir(mode=0o700, exist_ok=True)
            if inbox is None:
                (root / "inbox").mkdir(mode=0o700, exist_ok=True)
            (root / ".dagster" / "dagster.yaml").write_text(DAGSTER_TEMPLATE, encoding="utf-8")
            (root / "plan.toml").write_text(text, encoding="utf-8")
            place = "inbox" if inbox is None else str(inbox.expanduser().resolve())
            (root / "study.toml").write_text(SETTINGS_TEMPLATE.format(inbox=_toml_string(place)), encoding="utf-8")
        except OSError as fault:
            raise PlanError(
                f"{root}: the study folder cannot be written ({fault.strerror}); free space or choose another."
            ) from None
        return cls.open(root)


def _toml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _inbox(root: Path, text: str) -> Path:
    path = Path(text).expanduser()
    return (path if path.is_absolute() else root / path).resolve()
