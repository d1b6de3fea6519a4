"""How long a run still takes: made-up runs whose end is known, and a real one that was recorded."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainfree.terminal.live.estimate import Step, expected_seconds, seconds_left, share_done

RECORDED = Path(__file__).parent / "recorded_run.json"


@dataclass
class Job:
    """A job of a made-up run."""

    rule: str
    seconds: float
    after: tuple[int, ...] = ()
    cores: int = 1
    counts: bool = False
    usual: float | None = None
    begun: float = field(default=0.0, init=False)

    def at(self, now: float) -> Step:
        needs = {"_cores": self.cores}
        given = {"usual": self.usual, "after": self.after, "needs": needs}
        if now < self.begun:
            return Step(self.rule, "waiting", **given)
        if now >= self.begun + self.seconds:
            return Step(self.rule, "done", self.seconds, **given)
        elapsed = now - self.begun
        left = self.seconds - elapsed if self.counts else None
        return Step(self.rule, "running", elapsed, left, **given)


def played(jobs: Sequence[Job], cores: int) -> float:
    """Give each job the moment at which it begins; a plain second-by-tenth-of-second simulation."""
    tick, waiting, running = 0, set(range(len(jobs))), {}
    while waiting or running:
        now = tick / 10
        running = {n: end for n, end in running.items() if end > now + 1e-9}
        free = cores - sum(jobs[n].cores for n in running)
        for place in sorted(waiting):
            ready = waiting.isdisjoint(jobs[place].after) and not set(jobs[place].after) & set(
                running
            )
            if ready and jobs[place].cores <= free:
                jobs[place].begun = now
                running[place] = now + jobs[place].seconds
                free -= jobs[place].cores
                waiting.discard(place)
        tick += 1
    return max(job.begun + job.seconds for job in jobs)


def left_of(steps: Sequence[Step], limits: Mapping[str, int], slowness: float = 1.0) -> float:
    return seconds_left(steps, expected_seconds(steps, slowness), limits)


def left_at(
    jobs: Sequence[Job], now: float, limits: Mapping[str, int], slowness: float = 1.0
) -> float:
    return left_of([job.at(now) for job in jobs], limits, slowness)


def a_run(shards: int, of_a_shard: float) -> list[Job]:
    """Images, shards that count, a merge, searches, tables, figures and a report."""
    jobs = [Job("prepare_images", 12.0), Job("prepare_benchmark", 9.0)]
    jobs += [Job("score_shard", of_a_shard, (0,), counts=True) for _ in range(shards)]
    jobs.append(Job("merge_scores", 1.0, tuple(range(2, 2 + shards))))
    merged = len(jobs) - 1
    jobs += [Job("search", 7.0 + n % 3, (1, merged)) for n in range(9)]
    searched = tuple(range(merged + 1, len(jobs)))
    jobs += [Job(f"tabulate_{n}", 1.0 + n % 4, searched) for n in range(13)]
    jobs += [Job(f"plot_{n}", 4.0, searched) for n in range(5)]
    jobs.append(Job("write_report", 2.0, tuple(range(merged + 1, len(jobs)))))
    return jobs


@pytest.mark.parametrize(("shards", "of_a_shard", "cores"), [(4, 300, 2), (30, 90, 8), (3, 20, 2)])
def test_the_time_left_is_right_from_the_first_tenth_on(shards, of_a_shard, cores):
    jobs = a_run(shards, of_a_shard)
    end = played(jobs, cores)
    for percent in range(10, 95, 5):
        now = end * percent / 100
        left = left_at(jobs, now, {"_cores": cores})
        assert left == pytest.approx(end - now, rel=0.3), percent


def test_a_slow_machine_is_noticed():
    jobs = [Job(job.rule, 5 * job.seconds, job.after, 1, job.counts) for job in a_run(4, 60)]
    end = played(jobs, 2)
    for percent in range(10, 95, 5):
        now = end * percent / 100
        left = left_at(jobs, now, {"_cores": 2}, slowness=4.0)
        assert left == pytest.approx(end - now, rel=0.3), percent


def test_what_jobs_took_earlier_counts_more_than_what_is_usual():
    jobs = [Job("train_network", 1000.0, usual=1000.0), Job("train_network", 10.0, usual=10.0)]
    jobs.append(Job("plot_it", 1.0, (0, 1)))
    assert left_at(jobs, -1.0, {"_cores": 2}) == pytest.approx(1000, rel=0.01)


def test_limits_of_cores_and_gpus_are_kept():
    steps = [Step("score_shard", "waiting", usual=10.0, needs={"_cores": 1, "gpu": 1})] * 4
    assert left_of(steps, {"_cores": 8, "gpu": 2}) == pytest.approx(20)
    assert left_of(steps, {"_cores": 1, "gpu": 2}) == pytest.approx(40)
    assert left_of(steps, {}) == pytest.approx(10)
    greedy = [Step("score_shard", "waiting", usual=10.0, needs={"_cores": 64})] * 2
    assert left_of(greedy, {"_cores": 2}) == pytest.approx(20)  # Snakemake scales it down


def test_jobs_behind_a_failed_one_are_not_waited_for():
    steps = [
        Step("score_shard", "failed", 3.0),
        Step("merge_scores", "waiting", usual=50.0, after=(0,)),
        Step("write_report", "waiting", usual=50.0, after=(1,)),
        Step("search", "running", 2.0, left=5.0),
    ]
    assert left_of(steps, {"_cores": 2}) == pytest.approx(5.0)


def test_a_job_that_takes_longer_than_expected_goes_on():
    late = Step("plot_x", "running", 100.0)
    assert 0 < left_of([late], {}) < 100
    assert 0 < share_done([late], expected_seconds([late])) < 1


def test_nothing_to_do_is_done():
    assert left_of([], {"_cores": 2}) == 0
    assert share_done([], []) == 1
    done = [Step("search", "done", 4.0)]
    assert (left_of(done, {}), share_done(done, [4.0]), expected_seconds(done)) == (0, 1, [4.0])


def test_any_run_ends_and_never_in_less_time_than_its_work_or_its_longest_chain_takes():
    draw = random.Random(1)
    for _ in range(50):
        steps = []
        for place in range(draw.randrange(1, 40)):
            after = tuple(sorted(n for n in range(place) if draw.random() < 0.1))
            seconds, cores = draw.uniform(0.5, 20), draw.randrange(1, 4)
            steps.append(Step("a", "waiting", usual=seconds, after=after, needs={"_cores": cores}))
        left = left_of(steps, {"_cores": 3})
        chain = []
        for step in steps:
            chain.append(step.usual + max((chain[n] for n in step.after), default=0.0))
        work = sum(step.usual * step.needs["_cores"] for step in steps) / 3
        assert max(work, *chain, 0.0) <= left + 1e-6
        assert left <= sum(step.usual for step in steps) + 1e-6


def test_a_recorded_run_would_have_been_told_well():
    """A run of the test configuration on two busy cores, with what its jobs told."""
    recorded = json.loads(RECORDED.read_text())
    states = {"w": "waiting", "r": "running", "d": "done"}
    end = recorded["end"]
    within = []
    for moment, jobs in recorded["moments"]:
        steps = [
            Step(
                job["rule"],
                states[state],
                elapsed,
                left,
                architectures=job["architectures"],
                after=tuple(job["after"]),
                needs=job["needs"],
            )
            for job, (state, elapsed, left) in zip(recorded["jobs"], jobs, strict=True)
        ]
        if 0.1 * end <= moment <= 0.9 * end:
            left = left_of(steps, recorded["limits"], recorded["slowness"])
            within.append(left == pytest.approx(end - moment, rel=0.3))
            assert left == pytest.approx(end - moment, rel=0.4), moment
    assert len(within) >= 20
    assert sum(within) >= 0.9 * len(within)
