"""Cells from before the programme, in a file, as the source of variances.

What belongs here: reading the file, and which of its cells are untreated. What does not: the variogram, the horizon.
"""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kkz_eval.cells.panel import CellPanel
from kkz_eval.errors import EstimationError
from kkz_eval.estimators.result import FloatArray
from kkz_eval.evaluation.planning_places import Places
from kkz_eval.horizon.contrasts import Layout
from kkz_eval.horizon.sampling import SamplingVariance, sampling_variance
from kkz_eval.horizon.variance import VarianceModel, n_lags
from kkz_eval.horizon.variogram import estimate_variogram

NUMBERS = ("n", "total", "total_of_squares", "value")
KEYS = ("unit", "period")
COLUMNS = (*KEYS, *NUMBERS)


@dataclass(frozen=True)
class CellFile:
    """Cells by (unit, period): children n, total and total_of_squares of the outcome, or its value; NaN if absent."""

    name: str
    cells: dict[tuple[str, int], dict[str, float]]


def read_cells(path: Path) -> CellFile:
    """Cells of one outcome from a CSV file with a header.

    Columns: unit, period, and n, total [, total_of_squares] or value [, n]. Separator comma or semicolon; with
    semicolons the decimal mark may be a comma. A unit is its key with the leading zero. Raises EstimationError that
    names file, line and column, never an entry.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise EstimationError(f"{path}: there is no such file; check the path given with --from-cells.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise EstimationError(
            f"{path}: the file cannot be read ({type(fault).__name__}); save it as UTF-8 text."
        ) from None
    if not lines:
        raise EstimationError(f"{path}: the file is empty; it needs a header with {', '.join(COLUMNS)}.")
    mark = ";" if ";" in lines[0] else ","
    reader = csv.reader(lines, delimiter=mark)
    header = [name.strip() for name in next(reader)]
    _check_header(path, header)
    cells: dict[tuple[str, int], dict[str, float]] = {}
    for row in reader:
        if not any(field.strip() for field in row):
            continue
        where = f"{path}, line {reader.line_num}"
        if len(row) != len(header):
            raise EstimationError(f"{where}: it has {len(row)} fields and the header {len(header)}; mend the line.")
        entry = dict(zip(header, (field.strip() for field in row), strict=True))
        key = _key(where, entry)
        if key in cells:
            raise EstimationError(f"{where}: unit and period occur twice; give one line per unit and period.")
        cells[key] = {name: _number(where, name, entry.get(name, ""), mark) for name in NUMBERS}
        _check_cell(where, cells[key])
    if not cells:
        raise EstimationError(f"{path}: the file has a header but no cell; add one line per unit and period.")
    return CellFile(path.name, cells)


def _check_header(path: Path, header: list[str]) -> None:
    unknown = sorted(set(header) - set(COLUMNS))
    if unknown:
        raise EstimationError(f"{path}, line 1: column {unknown[0]} is not known; allowed: {', '.join(COLUMNS)}.")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise EstimationError(f"{path}, line 1: column {twice[0]} occurs twice; name each column once.")
    if not set(KEYS) <= set(header) or not ("value" in header or {"n", "total"} <= set(header)):
        raise EstimationError(
            f"{path}, line 1: give the columns unit, period and either n and total or value; "
            f"the file has {', '.join(header)}."
        )
    if {"value", "total"} <= set(header):
        raise EstimationError(f"{path}, line 1: give total or value, not both: they could contradict each other.")


def _key(where: str, entry: dict[str, str]) -> tuple[str, int]:
    if not entry["unit"]:
        raise EstimationError(f"{where}, column unit: the key is missing; fill it.")
    try:
        return entry["unit"], int(entry["period"])
    except ValueError:
        raise EstimationError(f"{where}, column period: this is no whole number; give the year.") from None


def _number(where: str, name: str, text: str, mark: str) -> float:
    if not text:
        return float("nan")
    try:
        number = float(text.replace(",", ".") if mark == ";" else text)
    except ValueError:
        raise EstimationError(f"{where}, column {name}: this is no number; give digits or leave it empty.") from None
    if not np.isfinite(number):
        raise EstimationError(f"{where}, column {name}: this is no finite number; leave it empty where unknown.")
    return number


def _check_cell(where: str, cell: dict[str, float]) -> None:
    n, total, squares = cell["n"], cell["total"], cell["total_of_squares"]
    if np.isfinite(n) and (n < 0 or n % 1):
        raise EstimationError(f"{where}, column n: a number of children must be whole and not negative; mend it.")
    if np.isfinite(total) and not n > 0 and total != 0:
        raise EstimationError(f"{where}, column total: a sum without children is impossible; give n.")
    if np.isfinite(squares) and n > 0 and squares * n < total**2 * (1 - 1e-9):
        raise EstimationError(
            f"{where}, column total_of_squares: smaller than total squared over n, which is impossible; mend it."
        )


@dataclass(frozen=True, eq=False)
class UntreatedCells:
    """Cells of the plan's places before they are exposed.

    children (U,) of one year of birth; n_used of the n_given cells of the file have a value and are untreated.
    """

    panel: CellPanel
    children: FloatArray
    n_used: int
    n_given: int

    def told(self) -> dict[str, float | None]:
        """What the variances rest on, by name."""
        periods = self.panel.periods
        return {
            "cells_used": self.n_used,
            "cells_given": self.n_given,
            "places": len(self.panel.units),
            "first_period": int(periods[0]),
            "last_period": int(periods[-1]),
        }

    def model(self, layout: Layout, places: Places) -> tuple[VarianceModel, SamplingVariance]:
        """Variances of a layout of all places from the variogram of these cells, and its sampling part.

        Places without cells are taken to vary like the others; their sampling variance follows from their number of
        children. Raises EstimationError as `estimate_variogram`.
        """
        sampling = sampling_variance(self.panel, n_later=1)
        variogram = estimate_variogram(self.panel, sampling=sampling)
        own, kreis = variogram.at(n_lags(layout))
        later = sampling.expected[:, -1]
        per_child = float((later * self.children).mean())
        of_unit = dict(zip(self.panel.units.tolist(), later.tolist(), strict=True))
        by_place = np.array(
            [of_unit.get(unit, per_child / n) for unit, n in zip(places.units, places.children, strict=True)]
        )
        model = VarianceModel(
            own[0],
            np.zeros(len(layout.units), dtype=np.intp),
            kreis[0],
            np.repeat(by_place[:, None], len(layout.periods), axis=1),
            variogram.longest_lag,
            (own[1:], kreis[1:]),
        )
        return model, sampling


def untreated_cells(
    file: CellFile, places: Places, outcome: str, *, anticipation: int = 0, left_out: frozenset[int] = frozenset()
) -> UntreatedCells:
    """The cells of a file that belong to places of the plan, before anyone in them is exposed.

    left_out: periods that the plan excludes. Raises EstimationError when nothing is left.
    """
    position = {unit: row for row, unit in enumerate(places.units)}
    last_untreated = np.minimum(places.cohort - anticipation, places.unusable_from)
    kept = {
        (unit, period): cell
        for (unit, period), cell in file.cells.items()
        if unit in position and period < last_untreated[position[unit]] and period not in left_out
    }
    if not kept:
        n_foreign = sum(unit not in position for unit, _ in file.cells)
        raise EstimationError(
            f"{file.name}: none of its {len(file.cells)} cells belongs to a place of this plan before it is exposed "
            f"({n_foreign} have a key that the plan does not compare); give keys with their leading zero and earlier "
            "years."
        )
    units, periods = (sorted(set(labels)) for labels in zip(*kept, strict=True))
    rows = np.array([position[unit] for unit in units], dtype=np.intp)
    layers = _layers(kept, units, periods)
    n, total = layers["n"], layers["total"]
    mean = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    value = np.where(np.isfinite(layers["value"]), layers["value"], mean)  # a file has one of both
    n = np.where(np.isfinite(value), n, 0.0)
    panel = CellPanel(
        outcome=outcome,
        units=np.array(units, dtype=np.str_),
        periods=np.array(periods, dtype=np.int64),
        cohort=places.cohort[rows],
        cluster=np.array(places.kreis, dtype=np.str_)[rows],
        weight=places.weight[rows],
        n=n,
        total=np.where(np.isfinite(total), total, value * n),
        total_of_squares=layers["total_of_squares"],
        value=value,
    )
    return UntreatedCells(panel, places.children[rows], int(np.isfinite(value).sum()), len(file.cells))


def _layers(
    cells: dict[tuple[str, int], dict[str, float]], units: list[str], periods: list[int]
) -> dict[str, FloatArray]:
    """(U, T) of each column of numbers; NaN where there is no cell."""
    row, column = ({label: i for i, label in enumerate(labels)} for labels in (units, periods))
    layers = {name: np.full((len(units), len(periods)), np.nan) for name in NUMBERS}
    for (unit, period), cell in cells.items():
        for name in NUMBERS:
            layers[name][row[unit], column[period]] = cell[name]
    return layers
