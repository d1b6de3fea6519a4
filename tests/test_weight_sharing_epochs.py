"""Checkpoints: what went in comes back, and an interrupted training ends with the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainfree.errors import DamagedFileError, DataFileError
from trainfree.randomness import stream
from trainfree.weight_sharing.checkpoint import read_state, write_state
from trainfree.weight_sharing.epochs import run_epochs

pytestmark = pytest.mark.usefixtures("one_thread")

NUMBERS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.text()
)
STATES = st.dictionaries(
    st.one_of(st.text(), st.integers(0, 99)),
    st.recursive(
        NUMBERS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.integers(0, 9), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


@given(state=STATES)
def test_what_goes_in_comes_back(state: dict[Any, Any], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("state") / "state.h5"
    write_state(state, path, "mine")
    assert read_state(path, "mine") == state


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4, 5),
        torch.randn(4, 6, dtype=torch.float64).t(),
        torch.arange(7),
        torch.tensor(3.5),
        torch.empty(0, 2),
        torch.tensor([True, False]),
        torch.tensor([float("nan"), float("inf")]),
    ],
    ids=lambda tensor: f"{tensor.dtype}-{tuple(tensor.shape)}",
)
def test_tensors_come_back_bit_for_bit(tensor: torch.Tensor, tmp_path: Path) -> None:
    other = torch.full((2,), 7.0)
    write_state({"a": tensor, 3: [other, {"b": tensor}]}, tmp_path / "state.h5", "mine")
    state = read_state(tmp_path / "state.h5", "mine")
    assert state is not None
    for found in (state["a"], state[3][1]["b"]):
        assert found.dtype == tensor.dtype
        assert found.shape == tensor.shape
        assert torch.equal(torch.nan_to_num(found), torch.nan_to_num(tensor))
    assert torch.equal(state[3][0], other)


def test_a_checkpoint_of_another_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.h5"
    assert read_state(path, "mine") is None
    write_state({"a": 1}, path, "mine")
    with pytest.raises(DataFileError, match=r"another setting.*expected yours, found mine.*delete"):
        read_state(path, "yours")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.h5"
    write_state({"a": torch.randn(100)}, path, "mine")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"state\.h5"):
        read_state(path, "mine")


def test_what_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    for value in (object(), {1.5: 2}):
        with pytest.raises(TypeError, match="a checkpoint"):
            write_state({"a": value}, tmp_path / "state.h5", "mine")
    assert list(tmp_path.iterdir()) == []


class Regression:
    """Learns a line with a momentum; ``ends`` epochs are done, then it is interrupted."""

    def __init__(self, ends: int) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.ends, self.done = ends, 0

    def epoch(self, number: int) -> dict[str, Any]:
        if self.done == self.ends:
            raise KeyboardInterrupt
        self.done += 1
        drawn = torch.from_numpy(stream(0, "test", number).standard_normal((8, 3)))
        loss = (self.model(drawn.float()) - drawn.float().sum(1, keepdim=True)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"number": number, "loss": float(loss.detach())}

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


@pytest.mark.parametrize("ends", [0, 1, 4])
def test_an_interrupted_training_ends_with_the_same_bits(ends: int, tmp_path: Path) -> None:
    whole = Regression(99)
    expected = run_epochs(whole, 5, tmp_path / "whole.h5", "mine", "whole")
    with pytest.raises(KeyboardInterrupt):
        run_epochs(Regression(ends), 5, tmp_path / "cut.h5", "mine", "cut")
    rest = Regression(99)
    rows = run_epochs(rest, 5, tmp_path / "cut.h5", "mine", "rest")
    assert rest.done == 5 - ends
    assert rows == expected
    assert [row["number"] for row in rows] == list(range(5))
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, rest.model.state_dict()[name])
