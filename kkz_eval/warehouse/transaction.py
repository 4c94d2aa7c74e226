"""All or nothing. What belongs here: beginning and ending a transaction. What does not: what happens inside it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from kkz_eval.crash import crash_point


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All that happens inside is stored together or not at all."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        crash_point("transaction.before_commit")
        con.execute("COMMIT")
        crash_point("transaction.after_commit")
    except BaseException:
        # The database may have ended the transaction itself; the ledger tells on the next run whether it was stored.
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise
