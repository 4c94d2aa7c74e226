"""Passes over children that need every child's influence on every comparison, and give its sums only.

What belongs here: the influence of a child as SQL, its sums by unit and its products. What does not: where its
coefficients come from (kkz_eval.estimators.covariates).
"""

from dataclasses import dataclass

import numpy as np

from kkz_eval.cells.child_checks import FIXED, fixed_sum
from kkz_eval.cells.panel import FloatArray
from kkz_eval.cells.passes import CHILDREN, MEMBERS, ChildRows, Limits, Members, named


@dataclass(frozen=True, eq=False)
class RowInfluence:
    """A child's influence, w·[a·y + z·l + (c·odds + z·h)(y − z·g) − m·odds + score·z·q], z = (1, u).

    One entry per comparison, side and term: a, c, m (B, 2, 2); l, h, g, q (B, 2, 2, K); side 0 is treated.
    """

    a: FloatArray
    c: FloatArray
    m: FloatArray
    l: FloatArray  # noqa: E741
    h: FloatArray
    g: FloatArray
    q: FloatArray


def unit_influence(
    rows: ChildRows, members: Members, beta: FloatArray, limits: Limits, influence: RowInfluence
) -> FloatArray:
    """One pass: the influence of all children of a unit on each comparison, (U, B).

    beta (B, K): coefficients of the logits.
    """
    scale = _write(rows, members, beta, limits, influence)
    found = rows.read(
        f"SELECT r.unit, m.contrast, {fixed_sum(_of_child(rows, limits))} AS total FROM {CHILDREN} AS r "
        f"JOIN {MEMBERS} AS m USING (cell) GROUP BY ALL ORDER BY ALL"
    )
    contrast = found["contrast"].astype(np.intp)
    values = np.zeros((rows.n_units, len(beta)))
    values[found["unit"].astype(np.intp), contrast] = found["total"] / FIXED * scale[contrast]
    return values


def influence_products(
    rows: ChildRows, members: Members, beta: FloatArray, limits: Limits, influence: RowInfluence
) -> FloatArray:
    """One pass: Σ over children of the products of their influences on two comparisons, (B, B)."""
    scale = _write(rows, members, beta, limits, influence)
    found = rows.read(
        f"""WITH one AS (
            SELECT r.rowid AS child, m.contrast, {_of_child(rows, limits)} AS value FROM {CHILDREN} AS r
            JOIN {MEMBERS} AS m USING (cell)
        )
        SELECT a.contrast AS first, b.contrast AS second, {fixed_sum("a.value * b.value")} AS total
        FROM one AS a JOIN one AS b ON a.child = b.child AND a.contrast <= b.contrast GROUP BY ALL ORDER BY ALL"""
    )
    first, second = found["first"].astype(np.intp), found["second"].astype(np.intp)
    products = np.zeros((len(beta), len(beta)))
    products[first, second] = products[second, first] = found["total"] / FIXED * scale[first] * scale[second]
    return products


def _write(rows: ChildRows, members: Members, beta: FloatArray, limits: Limits, influence: RowInfluence) -> FloatArray:
    """Coefficients for the outcome between −1 and 1, and the scale (B,) that keeps every term below one."""
    half, most = rows.half_outcome, limits.largest_odds
    line = influence.l.copy()
    line[..., 0] += influence.a * rows.centre_outcome
    shared = {"a": influence.a * half, "c": influence.c * half, "e": influence.m}
    several = {"l": line, "h": influence.h * half, "q": influence.q}
    mean = rows.scaled(influence.g)
    size = {name: np.abs(values).sum(axis=3) for name, values in several.items()}
    largest = np.abs(shared["a"]) + size["l"] + size["q"] + most * np.abs(shared["e"])
    largest = largest + (most * np.abs(shared["c"]) + size["h"]) * (1 + np.abs(mean).sum(axis=3))
    top = np.maximum(largest.max(axis=(1, 2)), np.finfo(np.float64).tiny)
    at = (members.contrast, (~members.treated).astype(np.intp), members.term)
    table = {**named("b", beta[members.contrast]), **named("g", mean[at])}
    for name, values in several.items():
        table |= named(name, (values / top[:, None, None, None])[at])
    rows.write_members(members, table | {name: (values / top[:, None, None])[at] for name, values in shared.items()})
    return np.asarray(top * rows.largest_weight)


def _of_child(rows: ChildRows, limits: Limits) -> str:
    odds, residual = rows.odds(limits), f"(r.v - ({rows.dot('g')}))"
    return (
        f"r.w * (m.a * r.v + {rows.dot('l')} + (m.c * {odds} + {rows.dot('h')}) * {residual} "
        f"- m.e * {odds} + {rows.score(limits)} * ({rows.dot('q')}))"
    )
