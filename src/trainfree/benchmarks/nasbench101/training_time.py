"""What a training would have taken, for cells whose time a source does not hold.

A mirror has the seconds of a sample of cells only. Searches that count training time need those
of every cell, so they are estimated: the time is linear in the work that the trained network's
parts do, and the weights of the parts are fitted to the sample by least squares. How well that
works is measured on cells that took no part in the fit, and stored with the estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.skeleton import cell_widths, vertex_channels
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import CONV1X1, CONV3X3, OPERATIONS, Matrix

Floats = NDArray[np.float64]
FOLDS = 5
FEWEST_TIMES = 1000
_BY_OPERATION = ("convolve3x3", "convolve1x1", "normalise", "pool")
_BY_GRAPH = ("project", "normalise_projected", "add", "concatenate", "edges", "vertices")


@dataclass(frozen=True)
class EstimatedTimes:
    """Estimated durations of all trainings.

    Attributes
    ----------
    seconds
        (arch,) never below the shortest measured one.
    n
        Measured durations behind the fit.
    r_squared, median_error
        Of cells left out of the fit in turn (five folds): the share of the variance of the time
        that is explained, and the median of the absolute error over the time.
    """

    seconds: Floats
    n: int
    r_squared: float
    median_error: float


def estimate_times(space: GraphCellSpace, measured: Floats) -> EstimatedTimes | None:
    """Fit the durations of a sample of trainings and estimate those of all cells.

    Parameters
    ----------
    measured
        (arch,) seconds in the space's own order, NaN where not measured.

    Returns
    -------
    None where fewer than ``FEWEST_TIMES`` are measured.
    """
    known = np.flatnonzero(~np.isnan(measured))
    if len(known) < FEWEST_TIMES:
        return None
    work, seconds = workloads(space), measured[known]
    left_out = np.empty(len(known))
    fold = np.arange(len(known)) % FOLDS
    for number in range(FOLDS):
        others = known[fold != number]
        left_out[fold == number] = work[known[fold == number]] @ _fit(work, measured, others)
    error = left_out - seconds
    return EstimatedTimes(
        seconds=np.maximum(work @ _fit(work, measured, known), seconds.min()),
        n=len(known),
        r_squared=1.0 - float(error.var() / seconds.var()),
        median_error=float(np.median(np.abs(error) / seconds)),
    )


def workloads(space: GraphCellSpace) -> Floats:
    """Return what the parts of each network do, (arch, parts), the first column being 1.

    Work is counted in units of the stem's: convolutions by area × channels in × channels out,
    passes over memory by area × channels.
    """
    vertices, bits, codes = space.cells
    split = 1 + len(_BY_OPERATION)
    result = np.zeros((len(space), split + len(_BY_GRAPH)))
    result[:, 0] = 1.0
    starts = np.flatnonzero(np.diff(bits + (vertices << 32), prepend=-1))
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(space)], strict=True):
        matrix = bits_matrix(int(vertices[first]), int(bits[first]))
        by_operation, by_graph = _parts(space, matrix)
        digits = operation_digits(len(matrix))[codes[first:end]]
        result[first:end, split:] = by_graph
        for vertex in range(len(matrix) - 2):
            result[first:end, 1:split] += by_operation[vertex][digits[:, vertex]]
    return result


def _fit(work: Floats, measured: Floats, rows: NDArray[np.intp]) -> Floats:
    weights = np.linalg.lstsq(work[rows], measured[rows], rcond=None)[0]
    return np.asarray(weights, dtype=np.float64)


def _parts(space: GraphCellSpace, matrix: Matrix) -> tuple[Floats, Floats]:
    """Return the work of each interior vertex by operation, and what the graph itself takes.

    Shapes (vertices − 2, operations, ``_BY_OPERATION``) and (``_BY_GRAPH``,).
    """
    last = len(matrix) - 1
    by_operation = np.zeros((last - 1, len(OPERATIONS), len(_BY_OPERATION)))
    graph = dict.fromkeys(_BY_GRAPH, 0.0)
    feeding = int(np.sum(matrix[1:last, last]))
    for before, after in cell_widths(space):
        channels = vertex_channels(before, after, matrix)
        widths = [width / space.stem_channels for width in channels]
        area = (space.stem_channels / after) ** 2
        for vertex in range(1, last):
            width = widths[vertex]
            for number, name in enumerate(OPERATIONS):
                if name in (CONV3X3, CONV1X1):
                    place = 0 if name == CONV3X3 else 1
                    by_operation[vertex - 1, number, place] += width**2 * area
                    by_operation[vertex - 1, number, 2] += width * area
                else:
                    by_operation[vertex - 1, number, 3] += width * area
            graph["add"] += max(0, int(np.sum(matrix[:vertex, vertex])) - 1) * width * area
        for y in range(1, last + 1):
            if matrix[0, y]:
                graph["project"] += before / space.stem_channels * widths[y] * area
                graph["normalise_projected"] += widths[y] * area
        graph["add"] += bool(matrix[0, last] and feeding) * widths[last] * area
        graph["concatenate"] += (feeding > 1) * widths[last] * area
    graph["edges"], graph["vertices"] = float(np.sum(matrix)), float(last - 1)
    return by_operation, np.array(list(graph.values()))
