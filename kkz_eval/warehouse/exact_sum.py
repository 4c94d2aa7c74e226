"""Sums of real numbers that do not depend on the order of rows or on threads.

What belongs here: the SQL text of such a sum. What does not: what is summed.
"""

from math import ceil, log2

MOST = 900
"""Largest power of two by which a value may be multiplied."""


def exact_sum(expression: str, largest: float, n_rows: int, *, wide: bool = True) -> str:
    """SQL of the sum of a DOUBLE expression with values of at most `largest` in size, over at most `n_rows` rows.

    Adding doubles rounds at every step, so that another order gives another last bit. Here every value is a whole
    number of the same tiny power of two, and whole numbers add up exactly. `wide` keeps a value to 2^-98 of the largest
    with 100 million rows, otherwise it is kept to 2^-61, which is faster and enough unless most values are thousands of
    times smaller than the largest. Whole numbers below 2^61 are not rounded at all. The sum is rounded once, to a
    DOUBLE; without values it is 0.
    Source: Demmel and Nguyen (2015), IEEE Transactions on Computers 64, on reproducible summation.
    """
    if largest == 0:
        return "CAST(0 AS DOUBLE)"
    bits, kind = (125 - ceil(log2(max(n_rows, 1))), "HUGEINT") if wide else (61, "BIGINT")  # BIGINT adds up in 128 bits
    scale = f"CAST({2.0 ** min(bits - ceil(log2(largest)), MOST)!r} AS DOUBLE)"
    return f"coalesce(CAST(sum(CAST(({expression}) * {scale} AS {kind})) AS DOUBLE) / {scale}, 0.0)"
