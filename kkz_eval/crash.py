"""Places at which a test may kill the process, to show that nothing is lost there.

What belongs here: the list of places and the one function that stops at them. What does not: cleaning up afterwards.
"""

import os
import signal

VARIABLE = "KKZ_CRASH_AT"

#: `<step>.<place>`, in the order of a run. A test walks this list.
CRASH_POINTS = (
    "transaction.before_commit",
    "transaction.after_commit",
)


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL when the environment variable KKZ_CRASH_AT names this place; else do nothing.

    `KKZ_CRASH_AT=transaction.before_commit:3` stops at the third passage. The variable is read at each passage, and
    is meant for tests alone: a killed process loses nothing, so the worst that a stranger could do with it is to stop a
    run that he could stop anyway.
    """
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return
    place, _, passage = wanted.partition(":")
    if place != name:
        return
    left = int(passage or "1") - 1
    if left > 0:
        os.environ[VARIABLE] = f"{name}:{left}"
        return
    os.kill(os.getpid(), signal.SIGKILL)
