"""The published hash of a cell, equal for isomorphic cells.

Source: Ying et al., ICML 2019, section 2, and the benchmark's own code. Each vertex starts from
(out-degree, in-degree, label) and takes in the sorted hashes of its predecessors and successors as
many times as there are vertices; the sorted result is hashed once more. The strings that go into
MD5 are part of the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5


def graph_hash(matrix: Sequence[Sequence[int]], labels: Sequence[int]) -> str:
    """Return 32 hexadecimal digits.

    Parameters
    ----------
    matrix
        Adjacency matrix of Python integers, 0 or 1, one row of successors a vertex.
    labels
        Number of each vertex's operation; -1 for the input, -2 for the output.
    """
    vertices = range(len(labels))
    successors = [[w for w in vertices if matrix[v][w]] for v in vertices]
    predecessors = [[w for w in vertices if matrix[w][v]] for v in vertices]
    return hash_of_neighbours(successors, predecessors, labels)


def hash_of_neighbours(
    successors: Sequence[Sequence[int]],
    predecessors: Sequence[Sequence[int]],
    labels: Sequence[int],
) -> str:
    """Return the hash of a graph given by each vertex's successors and predecessors."""
    hashes = [
        md5(f"({len(after)}, {len(before)}, {label})".encode()).hexdigest()
        for after, before, label in zip(successors, predecessors, labels, strict=True)
    ]
    for _ in labels:
        digest = hashes.__getitem__
        hashes = [
            md5(
                (
                    f"{''.join(sorted(map(digest, before)))}|"
                    f"{''.join(sorted(map(digest, after)))}|{own}"
                ).encode()
            ).hexdigest()
            for after, before, own in zip(successors, predecessors, hashes, strict=True)
        ]
    return md5(str(sorted(hashes)).encode()).hexdigest()
