"""The workflow on a real Slurm, started here for it: pytest -m slurm (minutes, needs root)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import one_node_slurm
import pytest
from test_clusters import CPU, require_same_results
from test_workflow import command, copy_of, environment

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]
ALL = ["--configfile", "config/test.yaml", "more.yaml"]
# What a site edits in profiles/slurm, here for a node with two cores and GPUs that nobody can
# compute on; three shards in groups of two are jobs on both GPUs.
SITE = {
    "# slurm-status-command: squeue": "slurm-status-command: squeue",
    "    # gpu_model: a100 ": "    gpu: 1\n    gpu_model: fake ",
    "  shards: 5": "  shards: 2",
    "retries:": "slurm-init-seconds-before-status-checks: 5\nretries:",
}
SLOT = """
import os, sys, time
from pathlib import Path
from trainfree.scoring.jobs.devices import device_slot
with device_slot("auto", Path(sys.argv[1])) as device:
    time.sleep(float(sys.argv[2]))
    print(device, os.environ.get("CUDA_VISIBLE_DEVICES"))
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    reason = one_node_slurm.why_not()
    if reason:
        pytest.skip(reason)
    node = one_node_slurm.OneNodeSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


def checkout_of(repository: Path, folder: Path) -> Path:
    checkout = copy_of(repository, folder)
    (checkout / "more.yaml").write_text(CPU)
    return checkout


def for_this_site(profile: Path) -> None:
    text = profile.read_text()
    for ours, theirs in SITE.items():
        assert text.count(ours) == 1, ours
        text = text.replace(ours, theirs)
    profile.write_text(text)


def test_a_job_scores_on_the_gpu_that_slurm_gave_it_and_on_no_other(slurm, repository, tmp_path):
    def step(*flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["srun", "-n1", *flags, sys.executable, "-c", SLOT, str(tmp_path), "10"],
            env=environment(repository),
            stdout=subprocess.PIPE,
            text=True,
        )

    both = [step("-p", "gpu", "--gpus=fake:1"), step("-p", "gpu", "--gpus=1")]
    assert {job.communicate()[0] for job in both} == {"cuda 0\n", "cuda 1\n"}
    assert step("-p", "cpu").communicate()[0] == "cpu None\n"


def test_a_run_survives_the_death_of_a_node_with_the_same_bits(slurm, repository, tmp_path):
    local = checkout_of(repository, tmp_path / "local")
    done = subprocess.run(
        command(local, *ALL), cwd=local, env=environment(local), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    remote = checkout_of(repository, tmp_path / "remote")
    for_this_site(remote / "profiles" / "slurm" / "profile.yaml")
    log = tmp_path / "run.log"
    with log.open("w") as written:
        run = subprocess.Popen(
            command(remote, "--profile", "profiles/slurm", *ALL),
            cwd=remote,
            env=environment(remote),
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:

        def scoring() -> list[dict[str, str]]:
            assert run.poll() is None, log.read_text()
            running = [job for job in slurm.jobs() if job["JobState"] == "RUNNING"]
            return [job for job in running if job["Partition"] == "gpu"]

        one_node_slurm.wait_until(lambda: len(scoring()) == 2, 1800, "two jobs on GPUs")
        assert {job["GRES"] for job in scoring()} == {
            "gpu:fake:1(IDX:0)",
            "gpu:fake:1(IDX:1)",
        }
        slurm.kill_node()
        one_node_slurm.wait_until(lambda: "down" in slurm.node_state(), 120, "lost node")
        slurm.start_node()
        assert run.wait(timeout=3600) == 0, log.read_text()
    finally:
        run.kill()
        run.wait()
    controller = (slurm.folder / "slurmctld.log").read_text()
    # Jobs that run go back into Slurm's queue; those whose srun met the dead node before Slurm
    # knew of it fail, and Snakemake sends them again.
    requeued = re.search(r"requeue job .* due to failure of node", controller)
    assert requeued or "Trying to restart job" in log.read_text()
    require_same_results(remote, local)
    submissions = re.findall(r"has been submitted with SLURM jobid (\d+)", log.read_text())
    # two preparations, two groups of shards, their merging, the searches and the tables in a few
    # groups; a job that failed with its node, before Slurm knew, is sent again
    assert 7 <= len(set(submissions)) <= 12
