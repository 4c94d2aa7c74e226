"""The only door out: released tables are checked here, and nothing is written or drawn that has not passed.

Belongs here: thresholds, suppression, the audit. Does not: how a released table looks.
"""

from kkz_eval.disclosure.door import RELEASED_TABLES, ReleasedTables, open_door, write_dictionary

__all__ = ["RELEASED_TABLES", "ReleasedTables", "open_door", "write_dictionary"]
