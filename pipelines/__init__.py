"""Dagster's view of the project: each file turns one kind of library thing into assets, checks or commands.

What does not belong here: SQL text, pandas, arithmetic.
"""

import os

# The matrices are small: threads would wait for one another, and sums would depend on the number of cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
