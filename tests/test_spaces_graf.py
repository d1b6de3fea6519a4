"""GRAF by brute force: every path of a cell walked by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np
import pytest

from trainfree.errors import ConfigError
from trainfree.spaces import load_space
from trainfree.spaces.graf.features import graf_features

Labelled = dict[tuple[object, object], str]
"""Operation of each edge (source, target)."""


def every_set(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(names, n) for n in range(1, len(names) + 1))


def paths(edges: Sequence[tuple[object, object]], source: object, sink: object) -> Iterator[list]:
    if source == sink:
        yield [sink]
    for start, end in edges:
        if start == source:
            for rest in paths(edges, end, sink):
                yield [source, *rest]


def sample(space: object, count: int) -> list[int]:
    rng = np.random.default_rng(7)
    return sorted({space.sample(rng) for _ in range(count)})  # type: ignore[attr-defined]


class TestTopologies:
    space = load_space("nasbench201")

    def by_hand(self, index: int) -> dict[str, float]:
        text = self.space.to_string(index)
        edges: Labelled = {}
        for node, part in enumerate(text.split("+"), start=1):
            for term in part.strip("|").split("|"):
                name, source = term.split("~")
                edges[int(source), node] = name
        found = {f"count of {n}": list(edges.values()).count(n) for n in self.space.operations}
        for names in every_set(self.space.operations):
            of = f"of {'+'.join(names)}"
            kept = [edge for edge, name in edges.items() if name in names]
            lengths = [len(path) - 1 for path in paths(kept, 0, 3)]
            found[f"shortest path {of}"] = min(lengths, default=6)
            found[f"longest path {of}"] = max(lengths, default=-1)
            found[f"edges from input {of}"] = sum(source == 0 for source, _ in kept)
            found[f"edges to output {of}"] = sum(target == 3 for _, target in kept)
            found[f"mean edges out of a node {of}"] = len(kept) / 4
            found[f"mean edges into a node {of}"] = len(kept) / 4
        return found

    def test_two_hundred_cells(self) -> None:
        indices = sample(self.space, 200)
        features = graf_features(self.space, indices)
        assert features.shape == (len(indices), 191)
        for index, row in features.iterrows():
            assert row.to_dict() == self.by_hand(int(index)), self.space.to_string(int(index))


class TestGraphs:
    space = load_space("nasbench101")

    def by_hand(self, index: int) -> dict[str, float]:
        spec = self.space.specification(index)
        matrix, names = spec.matrix, spec.ops
        last = len(names) - 1
        edges = [(x, y) for x in range(last) for y in range(last + 1) if matrix[x, y]]
        found = {f"count of {n}": names.count(n) for n in self.space.operations}
        for chosen in every_set(self.space.operations):
            of = f"of {'+'.join(chosen)}"
            good = [name in chosen for name in names]
            usable = [kept or place in (0, last) for place, kept in enumerate(good)]
            lengths = [
                len(path) - 1
                for path in paths([e for e in edges if usable[e[0]] and usable[e[1]]], 0, last)
            ]
            found |= {
                f"shortest path {of}": min(lengths, default=len(names)),
                f"vertices on longest path {of}": max(lengths, default=0) - 1,
                f"before output {of}": sum(good[x] for x, y in edges if y == last),
                f"behind input {of}": sum(good[y] for x, y in edges if x == 0),
                f"mean before a vertex {of}": sum(good[x] for x, _ in edges) / len(names),
                f"mean behind a vertex {of}": sum(good[y] for _, y in edges) / len(names),
            }
        return found

    def test_two_hundred_cells(self) -> None:
        few = [*range(30), *sample(self.space, 170)]
        features = graf_features(self.space, few)
        for index, row in zip(few, features.to_dict("records"), strict=True):
            assert row == pytest.approx(self.by_hand(index), abs=1e-12), index


class TestGenotypes:
    space = load_space("darts")

    def by_hand(self, index: int) -> dict[str, float]:
        names = (*self.space.operations, "none")
        found: dict[str, float] = {}
        for kind in ("normal", "reduce"):
            cell = getattr(self.space.genotype(index), kind)
            edges: Labelled = {}
            for place, (name, state) in enumerate(cell.edges):
                edges[state, 2 + place // 2] = name
            found |= {f"{kind}: count of {n}": list(edges.values()).count(n) for n in names}
            for chosen in every_set(names):
                of = f"of {'+'.join(chosen)}"
                kept = [edge for edge, name in edges.items() if name in chosen]
                ended = [*kept, *((state, "out") for state in cell.concat)]
                for state in (0, 1):
                    lengths = [len(path) - 2 for path in paths(ended, state, "out")]
                    found[f"{kind}: longest path {state} {of}"] = max(lengths, default=-1)
                    leaving = sum(source == state for source, _ in kept)
                    found[f"{kind}: edges from input {state} {of}"] = leaving
                found[f"{kind}: mean edges out of a node {of}"] = len(kept) / 7
                found[f"{kind}: mean edges into a node {of}"] = len(kept) / 7
        return found

    def test_thirty_architectures(self) -> None:
        indices = sample(self.space, 30)
        features = graf_features(self.space, indices)
        for index, row in zip(indices, features.to_dict("records"), strict=True):
            assert row == pytest.approx(self.by_hand(index), abs=1e-12)


def test_other_spaces_have_none() -> None:
    with pytest.raises(ConfigError, match="no GRAF features for nats_sss: they are defined for"):
        graf_features(load_space("nats_sss"), [0])
