"""What a GPU is spared, and that its way leads to the CPU's numbers; no GPU is needed for this."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nasbench101_fixtures import C1, C3, MP
from simulated_device import SimulatedDevice, simulated_device
from test_scoring_engine import SPECIAL

from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.placement import at_once, channels_last, numbers_by_layer, to_cpu, to_device
from trainfree.scoring.quantities.patterns import distinct_columns
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.protocol import Space

SIZE, CLASSES, SEED = 8, 10, 3
pytestmark = pytest.mark.xdist_group("simulated device")  # what is counted is counted once
SMALL = CellSpace("small cells", stem_channels=4, cells_per_stage=1)
GRAPHS = GraphCellSpace("small graphs", stem_channels=5, modules_per_stack=1)
GRAPH = f"{C3}~0+{MP}~0~1+{C1}~1+{MP}~1~2+output~0~3~4"
CELLS = ("all pool", "dead branch", "zero output, live convs")
CASES = {**{name: (SMALL, SPECIAL[name]) for name in CELLS}, "graph": (GRAPHS, GRAPH)}
OFTEN = 4
"""Waits for the device for one proxy at most: one for each shared result that it rests on."""
OPERATIONS_PER_CONVOLUTION = 275


def candidate(
    space: Space, arch: int, images: int = 6, dtype: torch.dtype = torch.float64
) -> CheckedCandidate:
    rng = stream(SEED, "device")
    drawn = torch.from_numpy(rng.standard_normal((images, 3, SIZE, SIZE))).to(dtype)
    batch = drawn.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(rng.integers(0, CLASSES, images))
    backend = EngineBackend(
        lambda: build_network(space, arch, SIZE, CLASSES),
        lambda network: draw_weights(network, "pytorch", stream(SEED, "weights", arch)),
        batch,
        PhaseClock(),
        labels,
        "pytorch",
        lambda purpose: stream(SEED, purpose, arch),
    )
    return CheckedCandidate(backend)


def of_all(candidate: CheckedCandidate, arch: int) -> dict[str, tuple[float, str]]:
    found = {}
    for name in PROXY_NAMES:
        score, status, _, _ = attempt(candidate, load_proxy(name), arch)
        found[name] = (score, status.name)
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_way_of_a_gpu_leads_to_the_scores_of_the_cpu(case, monkeypatch):
    space, text = CASES[case]
    arch = space.parse(text)
    expected = of_all(candidate(space, arch), arch)
    given = candidate(space, arch)
    with simulated_device(monkeypatch):
        found = of_all(given, arch)
    for name, (score, status) in found.items():
        assert status == expected[name][1], name
        near = {"rel": 1e-9, "abs": ROUNDING.get(name, 1e-9), "nan_ok": True}
        assert score == pytest.approx(expected[name][0], **near), name


ROUNDING = {"synflow_bn": 0.5, "plain": 1e-4, "intrain": 1e-5}
"""Proxies of which nothing but rounding is left where terms cancel, and how far apart they are."""


@pytest.fixture(scope="module")
def counted() -> dict[int, dict[str, SimulatedDevice]]:
    """Return what each proxy does on a device, by cells in a stage, what all share done before."""
    found: dict[int, dict[str, SimulatedDevice]] = {}
    for cells in (1, 2):
        space = CellSpace("counted", stem_channels=4, cells_per_stage=cells)
        arch = space.parse(SPECIAL["all 3x3"])
        given = candidate(space, arch, 8, torch.float32)
        found[cells] = {}
        with pytest.MonkeyPatch.context() as patch:
            for name in PROXY_NAMES:
                with simulated_device(patch) as device:
                    attempt(given, load_proxy(name), arch)
                found[cells][name] = device
    return found


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_a_device_is_waited_for_equally_often_whatever_the_depth(name, counted):
    shallow, deep = (counted[cells][name].waits for cells in (1, 2))
    assert shallow == deep
    assert shallow.total() <= OFTEN


def test_all_proxies_do_not_do_more_than_they_did(counted):
    """A bound on operations, as launching them is what a small network costs on a GPU."""
    shallow, deep = (
        sum(device.operations.total() for device in counted[cells].values()) for cells in (1, 2)
    )
    print(f"operations of all proxies: {shallow}, {deep}")
    layers_more = 3 * 6
    assert deep - shallow <= OPERATIONS_PER_CONVOLUTION * layers_more


def test_layers_are_computed_together_and_told_in_their_order(monkeypatch):
    shapes = [(2, 3), (4,), (2, 3), (1,), (4,), (2, 3)]
    layers = {place: torch.full(shape, place + 1.0) for place, shape in enumerate(shapes)}
    expected = numbers_by_layer(lambda one, other: (one * other).sum(), layers, layers)
    with simulated_device(monkeypatch) as device:
        found = numbers_by_layer(lambda one, other: (one * other).sum(), layers, layers)
    assert found == expected == [6.0, 16.0, 54.0, 16.0, 100.0, 216.0]
    assert device.operations["sum"] == 3
    assert device.waits.total() == 1


def test_tensors_come_back_as_they_were_sent(monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(shape) for shape in ((2, 3, 3, 3), (5,), (2, 3, 3, 3), (4, 3, 1, 1))
    ]
    with simulated_device(monkeypatch) as device:
        sent = channels_last(to_device(arrays, torch.empty(0, dtype=torch.float64)))
        twice = at_once(lambda values: 2 * values, sent)
        back = to_cpu(twice)
    for array, tensor, last, double in zip(arrays, back, sent, twice, strict=True):
        assert np.array_equal(tensor.numpy(), 2 * array)
        if array.ndim == 4:
            assert last.is_contiguous(memory_format=torch.channels_last)
            assert double.is_contiguous(memory_format=torch.channels_last)
    assert device.operations["mul"] == device.waits["cpu"] == 1


@pytest.mark.parametrize("images", [1, 7, 64, 65, 130])
def test_columns_of_a_code_are_told_apart_by_every_image(images):
    code = torch.from_numpy(np.random.default_rng(images).random((images, 500)) < 0.5)
    code[:, 250:] = code[:, :250]
    code[-1, 250:300] ^= True
    assert distinct_columns(code) == len(np.unique(code.numpy(), axis=1).T)
