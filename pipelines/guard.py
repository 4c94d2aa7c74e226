"""Faults inside assets: told in one sentence, without any value of a record. What belongs here: that translation."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from kkz_eval.errors import KkzError


@contextmanager
def guarded() -> Iterator[None]:
    """Turn every fault into a `dg.Failure`.

    Our own errors keep their sentence. Of any other exception only its kind and place are kept: its message could
    hold a record, and Dagster stores messages in several files.
    """
    try:
        yield
    except dg.Failure:
        raise
    except KkzError as fault:
        raise dg.Failure(description=str(fault), allow_retries=False) from None
    except Exception as fault:
        places = traceback.extract_tb(fault.__traceback__)
        place = f"{places[-1].name}, line {places[-1].lineno}" if places else "an unknown place"
        raise dg.Failure(description=f"unexpected {type(fault).__name__} in {place}", allow_retries=False) from None
