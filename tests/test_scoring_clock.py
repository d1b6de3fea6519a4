"""Clocks: seconds of a group by phase, and how architectures share them."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainfree.scoring import clock as clock_module
from trainfree.scoring.clock import GroupClock, shared_seconds

PROCESSOR, GPU = torch.device("cpu"), torch.device("cuda")


class Queue:
    """A device's queue: an event stands behind all work that was given before it."""

    def __init__(self) -> None:
        self.work = 0.0
        self.made: list[Queue.Event] = []
        self.waited = 0

    class Event:
        def __init__(self, queue: Queue) -> None:
            self.queue, self.at = queue, -1.0

        def record(self) -> None:
            self.at = self.queue.work

        def synchronize(self) -> None:
            self.queue.waited += 1

        def elapsed_time(self, end: Queue.Event) -> float:
            assert self.queue.waited  # of an event that the device has not reached there is none
            return end.at - self.at

    def event(self, *, enable_timing: bool) -> Event:
        assert enable_timing
        self.made.append(self.Event(self))
        return self.made[-1]


@pytest.fixture
def queue(monkeypatch) -> Queue:
    queue = Queue()
    monkeypatch.setattr(torch.cuda, "Event", queue.event)
    return queue


def test_a_gpu_is_waited_for_once_and_times_what_it_was_given(queue):
    clock = GroupClock(GPU)
    for name, milliseconds in (("build", 1), ("forward", 10), ("forward", 20), ("kernel", 300)):
        with clock.phase(name):
            queue.work += milliseconds
    with clock.phase("forward"):
        queue.work += 4000
    queue.work += 50_000  # of nobody
    assert queue.waited == 0
    assert clock.seconds() == pytest.approx({"build": 0.001, "forward": 4.03, "kernel": 0.3})
    assert queue.waited == 1
    assert len(queue.made) == 2 * 4  # two for each change of phase, however many launches


def test_a_phase_inside_another_one_interrupts_it(queue):
    clock = GroupClock(GPU)
    with clock.phase("forward"):
        queue.work += 1
        with clock.phase("kernel"):
            queue.work += 10
        queue.work += 100
    assert clock.seconds() == pytest.approx({"forward": 0.101, "kernel": 0.01})


def test_a_phase_that_fails_ends(queue):
    clock = GroupClock(GPU)
    queue.work += 1

    def fail() -> None:
        with clock.phase("forward"):
            queue.work += 1
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    queue.work += 10
    with clock.phase("kernel"):
        queue.work += 100
    assert clock.seconds() == pytest.approx({"forward": 0.001, "kernel": 0.1})


def test_without_any_phase_nothing_is_waited_for(queue):
    assert GroupClock(GPU).seconds() == {}
    assert queue.waited == 0


def test_a_processor_is_timed_by_its_own_clock(monkeypatch):
    now = count(step=1.0)
    monkeypatch.setattr(clock_module, "perf_counter", lambda: next(now))
    clock = GroupClock(PROCESSOR)
    with clock.phase("forward"), clock.phase("kernel"):
        pass
    assert clock.seconds() == {"forward": 2.0, "kernel": 1.0}


ELEMENTS = st.integers(0, 10**12).map(float)
WORK = arrays.arrays(np.float64, st.integers(1, 20), elements=ELEMENTS)


@given(st.floats(1e-9, 1e6), WORK)
def test_shares_add_up_and_are_in_proportion(seconds, work):
    shares = shared_seconds(seconds, work)
    assert shares.shape == work.shape
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(seconds)
    if work.sum() > 0:
        np.testing.assert_allclose(shares * work.sum(), seconds * work)


def test_without_work_shares_are_equal():
    np.testing.assert_array_equal(shared_seconds(6.0, np.zeros(3)), [2.0, 2.0, 2.0])
    assert shared_seconds(6.0, np.zeros(0)).shape == (0,)
