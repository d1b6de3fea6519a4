"""Two implementations, one number: the engine's and the one that reads any torch module.

Both compute in double precision on the same weights, so that they differ in the order of sums
alone, and agree to 1e-6 of each value by far. Where they do not, the value has to be nothing but
rounding: the engine's own, images and weights moved by a part in 10¹⁵, has to move as far. That
happens where terms cancel (``synflow_bn``) and where next to nothing is left of an entropy
(``vkdnw_entropy``).
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import pytest
import torch
from nasbench101_fixtures import C1, C3, MP
from numpy.typing import NDArray
from test_scoring_engine import SPECIAL
from torch import Tensor, nn

from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.module_backend import ModuleBackend
from trainfree.scoring.network_module import as_parameters, module_of, space_module
from trainfree.scoring.quantities.formulas import REGION_SIZE
from trainfree.scoring.quantities.patterns import thin
from trainfree.scoring.status import Status
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.network import Network
from trainfree.spaces.protocol import Space
from trainfree.spaces.transnas101.micro import skeleton as micro_skeleton

SEED, CLASSES = 4, 10
SMALL_CELLS = CellSpace("small cells", stem_channels=4, cells_per_stage=1)
SMALL_GRAPHS = GraphCellSpace("small graphs", stem_channels=5, modules_per_stack=1)
GRAPHS = (
    "output~0",
    f"{C3}~0+{MP}~0~1+{C1}~1+{MP}~1~2+output~0~3~4",
    f"{C3}~0+{MP}~0+{C1}~0+{C3}~0+{C3}~1~2~3~4+output~5",
)
REDUCED = ("64-41414-1_13_120", "64-41414-0_12_013")
"""Cells in which skip connections halve and widen maps, one of them with a node of zeros."""


RELATIVE = 1e-6
MOVE, MOVES, ALLOWANCE = 1e-15, 3, 10
"""Of images and weights, how often, and how many times as far as the engine moves at most."""
APART: dict[str, float] = {}
"""How far apart the two were at most, by proxy, as a share of the value; shown by ``-s``."""


@dataclass(frozen=True)
class Twins:
    """One architecture for both implementations, on Gaussian images with random labels."""

    space: Space
    arch: int
    size: int
    images: int

    @property
    def _batch(self) -> Tensor:
        shape = (self.images, 3, self.size, self.size)
        pixels = stream(SEED, "agreement images").standard_normal(shape)
        return torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)

    @property
    def _labels(self) -> Tensor:
        rng = stream(SEED, "agreement labels")
        return torch.from_numpy(rng.integers(0, CLASSES, self.images))

    def _stream(self, purpose: str) -> np.random.Generator:
        return stream(SEED, purpose, self.arch)

    def _network(self) -> Network:
        return build_network(self.space, self.arch, self.size, CLASSES)

    def engine(self, moved: int = 0) -> CheckedCandidate:
        """Return the engine's candidate, images and weights moved in one of several ways."""
        rng = stream(SEED, "agreement move", moved)

        def near(values: NDArray[Any]) -> NDArray[Any]:
            return values * (1 + MOVE * rng.standard_normal(values.shape)) if moved else values

        def draw(network: Network) -> Weights:
            drawn = draw_weights(network, "pytorch", self._stream("weights"))
            weight = {number: near(value) for number, value in drawn.weight.items()}
            return Weights(weight, drawn.bias)

        batch = torch.from_numpy(near(self._batch.numpy()))
        backend = EngineBackend(
            self._network,
            draw,
            batch.contiguous(memory_format=torch.channels_last),
            PhaseClock(),
            labels=self._labels,
            stream=self._stream,
        )
        return CheckedCandidate(backend)

    def module(self) -> CheckedCandidate:
        """Return the candidate of the same architecture as a torch module."""

        rng = self._stream("proxy/linear_regions weights")

        def thinned() -> nn.Module:
            network = thin(self._network(), REGION_SIZE)
            drawn = as_parameters(draw_weights(network, "pytorch", rng))
            return module_of(network, drawn).double()

        backend = ModuleBackend(
            space_module(self.space, self.arch, self.size, CLASSES, SEED).double(),
            self._batch,
            PhaseClock(),
            self._labels,
            self._stream,
            thinned=thinned,
        )
        return CheckedCandidate(backend)


def check(twins: Twins) -> None:
    """Compare all there is, and say all that is not the same."""
    engine, module = twins.engine(), twins.module()
    np.testing.assert_array_equal(module.relu_kernel, engine.relu_kernel)
    np.testing.assert_array_equal(module.relu_kernel_official, engine.relu_kernel_official)
    wrong = [words for name in PROXY_NAMES if (words := disagreement(twins, name, engine, module))]
    assert not wrong, "\n".join([twins.space.to_string(twins.arch), *wrong])


def disagreement(
    twins: Twins, name: str, engine: CheckedCandidate, module: CheckedCandidate
) -> str:
    """Return how the scores of a proxy differ by more than they may; nothing if they do not."""
    proxy = load_proxy(name)
    expected, status, reason, _ = attempt(engine, proxy, twins.arch)
    value, found, message, _ = attempt(module, proxy, twins.arch)
    assert status != Status.ERROR, f"{name}: {reason}"
    words = f"{name}: {value} {found.name} {message!r}, engine {expected} {status.name} {reason!r}"
    if found != status:
        return words
    if not isfinite(expected):
        return "" if np.array_equal(value, expected, equal_nan=True) else words
    difference = abs(value - expected)
    APART[name] = max(APART.get(name, 0.0), difference / abs(expected) if difference else 0.0)
    if difference <= RELATIVE * abs(expected):
        return ""
    moved = [attempt(twins.engine(k), proxy, twins.arch)[0] for k in range(1, MOVES + 1)]
    furthest = max(abs(other - expected) for other in moved)
    return "" if difference <= ALLOWANCE * furthest else f"{words}, moved {furthest}"


def sampled(space: Space, texts: Iterable[str], count: int) -> list[int]:
    """Return the architectures of ``texts`` and others drawn, ``count`` in all."""
    chosen = [space.parse(text) for text in texts]
    drawn = np.random.default_rng(SEED).choice(len(space), count, replace=False)
    return chosen + [arch for arch in drawn.tolist() if arch not in chosen][: count - len(chosen)]


@pytest.fixture(autouse=True, scope="module")
def _told_at_the_end(one_thread: None) -> Iterator[None]:
    yield
    print(*(f"{name:<24}{share:.0e}" for name, share in sorted(APART.items())), sep="\n")


@pytest.mark.parametrize("place", range(len(SPECIAL) + 3))
def test_small_networks_of_edge_cells_have_the_same_scores(place):
    check(Twins(SMALL_CELLS, sampled(SMALL_CELLS, SPECIAL.values(), 10)[place], 8, 6))


@pytest.mark.parametrize("cell", REDUCED)
def test_small_networks_of_transnas_cells_have_the_same_scores(cell, monkeypatch):
    monkeypatch.setattr(micro_skeleton, "STEM", 4)
    micro = load_space("transnas101_micro")
    check(Twins(micro, micro.parse(cell), 16, 6))


@pytest.mark.parametrize("place", range(len(GRAPHS) + 3))
def test_small_networks_of_graph_cells_have_the_same_scores(place):
    check(Twins(SMALL_GRAPHS, sampled(SMALL_GRAPHS, GRAPHS, 6)[place], 8, 6))


def test_nothing_is_left_behind():
    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(each), Tensor) for each in gc.get_objects())

    twins = Twins(SMALL_CELLS, SMALL_CELLS.parse(SPECIAL["all 3x3"]), 8, 4)
    before = tensors()
    candidate = twins.module()
    for name in PROXY_NAMES:
        attempt(candidate, load_proxy(name), twins.arch)
    del candidate
    assert tensors() == before


@pytest.mark.slow
@pytest.mark.parametrize("place", range(200))
def test_nasbench201_has_the_same_scores(place):
    space = load_space("nasbench201")
    check(Twins(space, sampled(space, SPECIAL.values(), 200)[place], 16, 8))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(100))
def test_nasbench101_has_the_same_scores(place):
    space = load_space("nasbench101")
    check(Twins(space, sampled(space, GRAPHS, 100)[place], 16, 8))
