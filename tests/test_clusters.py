"""The cluster profiles without a cluster: a batch system of a few lines runs the jobs here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import xarray as xr
import yaml
from test_workflow import command, copy_of, environment, planned

from trainfree.files.storage import read_dataset

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("clusters")]

# One line a job in `calls`, one file a job with its state; the job named in `lost` never runs.
SBATCH = """\
#!/usr/bin/env bash
here=$(dirname "$0")
echo "$@" >> "$here/calls"
job=$(($(wc -l < "$here/calls")))
script=${!#}
if [[ -e $here/lost && $job == "$(cat "$here/lost")" ]]; then
    echo NODE_FAIL > "$here/$job.state"
else
    echo RUNNING > "$here/$job.state"
    (
        if bash "$script"; then end=COMPLETED; else end=FAILED; fi
        echo $end > "$here/$job.new"
        mv "$here/$job.new" "$here/$job.state"
    ) > "$here/$job.log" 2>&1 &
fi
echo "$job;cluster"
"""
SQUEUE = """\
#!/usr/bin/env bash
for word in "$@"; do
    case $word in --jobs=*) cat "$(dirname "$0")/${word#--jobs=}.state" ;; esac
done
"""
# What holds no measured time; and how the variables that are one end.
UNTIMED_TABLES = ("correlations", "kendall", "tau_sensitivity", "significance", "ranks", "regret")
MEASURED = ("/seconds", "scoring_seconds", "proxy_seconds")
# Everywhere the same device: a node's GPU, or a made-up one, would change the bits.
CPU = "scoring: {device: cpu}\n"
SMALL = "scoring: {device: cpu, batch_size: 2}\n"
SCORES = ["--configfile", "config/test.yaml", "more.yaml", "--", "scores"]


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def fake_slurm(tmp_path) -> Path:
    folder = tmp_path / "fake"
    program(folder, "sbatch", SBATCH)
    program(folder, "squeue", SQUEUE)
    return folder


def run(checkout: Path, fake: Path, *more: str) -> subprocess.CompletedProcess[str]:
    variables = environment(checkout)
    return subprocess.run(
        command(checkout, *more),
        cwd=checkout,
        env={**variables, "PATH": f"{fake}{os.pathsep}{variables['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def small_copy(repository: Path, folder: Path) -> Path:
    checkout = copy_of(repository, folder)
    (checkout / "more.yaml").write_text(SMALL)
    return checkout


def require_same_results(ours: Path, theirs: Path) -> None:
    """Compare the scores, the searches and the tables without times bit by bit."""
    files, wanted = (
        {path.relative_to(folder): path for path in (folder / "results").rglob("*.*")}
        for folder in (ours, theirs)
    )
    assert set(files) == set(wanted)
    compared = 0
    for place, path in wanted.items():
        if place.suffix == ".csv" and place.stem in UNTIMED_TABLES:
            assert files[place].read_bytes() == path.read_bytes(), place
        elif place.suffix == ".h5":
            with xr.open_dataset(path, engine="h5netcdf") as file:
                kind = str(file.attrs["schema"])
            first, second = read_dataset(files[place], kind), read_dataset(path, kind)
            assert set(first.variables) == set(second.variables)
            for name in first.variables:
                same = first[name].values.tobytes() == second[name].values.tobytes()
                assert same or f"/{name}".endswith(MEASURED), (place, name)
        else:
            continue
        compared += 1
    assert compared >= 4


def test_a_batch_system_gets_what_jobs_need_loses_one_reports_one_and_gives_the_same_scores(
    repository, tmp_path, fake_slurm
):
    local = small_copy(repository, tmp_path / "local")
    done = run(local, fake_slurm, *SCORES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (fake_slurm / "calls").exists()

    (fake_slurm / "lost").write_text("2")
    remote = small_copy(repository, tmp_path / "remote")
    # Snakemake asks for a job every ten seconds unless it is told to ask more often.
    profile = ["--profile", "profiles/generic", "--seconds-between-status-checks", "1"]
    profile += ["--set-resources", "score_shard:gpu=1", "score_shard:queue=gpu"]
    done = run(remote, fake_slurm, *profile, *SCORES)
    assert done.returncode == 0, done.stdout + done.stderr
    calls = (fake_slurm / "calls").read_text().splitlines()
    asked = [re.sub(r"--parsable|--output=\S+|/\S+$", "", call).split() for call in calls]
    three_shards_on_one_gpu = (
        "--partition=gpu --mem=3000M --time=180 --ntasks=1 --cpus-per-task=1 --gpus=1"
    )
    assert [" ".join(words) for words in asked] == [
        "--partition=cpu --mem=2000M --time=30 --ntasks=1 --cpus-per-task=1",
        three_shards_on_one_gpu,  # lost
        three_shards_on_one_gpu,
        "--partition=cpu --mem=1000M --time=10 --ntasks=1 --cpus-per-task=1",
    ]
    require_same_results(remote, local)

    shard = sorted(remote.rglob("shards/*.h5"))[1]
    shard.write_bytes(shard.read_bytes()[:5000])
    done = run(remote, fake_slurm, "--profile", "profiles/generic", "--retries", "0", *SCORES)
    assert done.returncode != 0
    report = done.stdout + done.stderr
    assert "/merge_scores/" in report
    assert shard.name in report
    assert "truncated" in report


@pytest.mark.parametrize("profile", ["generic", "slurm"])
def test_cluster_profiles_make_a_plan(repository, tmp_path, profile):
    checkout = copy_of(repository, tmp_path / "checkout")
    assert planned(checkout, "--profile", f"profiles/{profile}")["score_shard"] == 4


def test_profiles_name_rules_that_exist(repository):
    rules = {
        name
        for path in (repository / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(), flags=re.MULTILINE)
    }
    profiles = list((repository / "profiles").glob("*/profile.yaml"))
    assert profiles
    for path in profiles:
        profile = yaml.safe_load(path.read_text())
        named = {*profile.get("groups", {}), *profile.get("set-resources", {})}
        named |= set(filter(None, profile.get("slurm-array-jobs", "").split(",")))
        assert named <= rules, path


@pytest.mark.parametrize(
    ("system", "name", "printed", "expected"),
    [
        (
            "sge",
            "qsub",
            "7",
            "-q gpu -pe smp 2 -l h_vmem=1500M -l h_rt=10800 -l gpu=1 -P me job.sh",
        ),
        (
            *("pbs", "qsub", "7.head"),
            "-q gpu -l select=1:ncpus=2:mem=3000mb:ngpus=1 -l walltime=10800 -P me job.sh",
        ),
        (
            *("lsf", "bsub", "Job <7> is submitted to queue <gpu>."),
            "-q gpu -n 2 -R span[hosts=1] -M 3000MB -W 180 -o logs/cluster/%J.log"
            " -gpu num=1 -P me job.sh",
        ),
    ],
)
def test_other_batch_systems_get_their_own_flags(
    repository, tmp_path, system, name, printed, expected
):
    program(tmp_path, name, f'#!/bin/sh\necho "$@" >> calls\necho "{printed}"\n')
    done = subprocess.run(
        [
            *(repository / "profiles" / "generic" / "submit.sh", system),
            *("gpu", "1", "3000", "180", "2", "-P", "me", "job.sh"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == printed.removeprefix("Job <").partition(">")[0]
    assert (tmp_path / "calls").read_text().strip().endswith(expected)


@pytest.mark.parametrize(
    ("system", "programs", "expected"),
    [
        ("sbatch", {"squeue": "echo PENDING"}, "running"),
        ("sbatch", {"squeue": "echo COMPLETED"}, "success"),
        ("sbatch", {"squeue": "echo NODE_FAIL"}, "failed"),
        ("sbatch", {"squeue": "echo 'Unable to contact slurm controller' >&2; exit 1"}, "running"),
        (
            "sbatch",
            {"squeue": "echo 'Invalid job id specified' >&2; exit 1", "sacct": "echo COMPLETED"},
            "success",
        ),
        (
            "sbatch",
            {"squeue": "exit 0", "sacct": "echo 'CANCELLED by 0'"},
            "failed",
        ),
        ("sge", {"qstat": "exit 0"}, "running"),
        ("sge", {"qstat": "exit 1", "qacct": "echo 'failed 0'; echo 'exit_status 0'"}, "success"),
        ("sge", {"qstat": "exit 1", "qacct": "echo 'failed 0'; echo 'exit_status 1'"}, "failed"),
        ("pbs", {"qstat": "echo '    job_state = R'"}, "running"),
        ("pbs", {"qstat": "echo ' job_state = F'; echo ' Exit_status = 0'"}, "success"),
        ("pbs", {"qstat": "echo ' job_state = F'; echo ' Exit_status = -29'"}, "failed"),
        ("lsf", {"bjobs": "echo PEND"}, "running"),
        ("lsf", {"bjobs": "echo DONE"}, "success"),
        ("lsf", {"bjobs": "echo EXIT"}, "failed"),
    ],
)
def test_the_state_of_a_job_is_told_from_what_the_system_says(
    repository, tmp_path, system, programs, expected
):
    for name, text in programs.items():
        program(tmp_path, name, f"#!/bin/sh\n{text}\n")
    done = subprocess.run(
        [repository / "profiles" / "generic" / "status.sh", system, "7"],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{expected}\n"
