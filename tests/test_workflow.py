"""The real workflow on the test configuration: whole, again, interrupted, and after edits."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import yaml

from trainfree.files.storage import read_dataset, write_dataset
from trainfree.scoring.jobs.schema import SHARED_CLOCK
from trainfree.scoring.settings.setting import Setting, scoring_code_hash

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]
RESULTS = Path("results", "test")
SHARDS = "results/test/scores/nasbench201_mini/generated/b8-pytorch-images-s0/shards"
MERGED = "results/test/scores/nasbench201_mini/generated/b8-pytorch-images-s0.h5"
SCORE_VARIABLES = ("score", "status", "relu_units", "params", "flops")


def environment(checkout: Path) -> dict[str, str]:
    """The environment without what another run left in it; the checkout's own code comes first."""
    dropped = ("TRAINFREE_MIRROR", "TRAINFREE_RUN")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "PYTHONPATH": str(checkout / "src")}


def command(checkout: Path, *more: str) -> list[str]:
    program = str(Path(sys.executable).parent / "snakemake")
    config = str(checkout / "config" / "test.yaml")
    return [program, "--cores", "2", "--configfile", config, *more]


def snakemake(checkout: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(checkout, *more),
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )


def planned(checkout: Path, *more: str) -> dict[str, int]:
    """How many jobs of each rule a run would do now."""
    done = snakemake(checkout, "-n", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    if "Nothing to be done" in done.stdout + done.stderr:
        return {}
    start = lines.index("Job stats:") + 3
    pairs = (line.split() for line in lines[start : lines.index("", start)])
    jobs = {name: int(count) for name, count in pairs}
    return {name: count for name, count in jobs.items() if name not in ("total", "all")}


def scores_of(folder: Path) -> dict[str, bytes]:
    merged = read_dataset(folder / MERGED, "scores")
    return {name: merged[name].values.tobytes() for name in SCORE_VARIABLES}


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def compile_engine(repository: Path) -> None:
    """Compile the engine where copies of the checkout find it; half a minute, once."""
    code = (
        "from trainfree.scoring.jobs.trial import try_proxy\n"
        "for name in ('naswot_official', 'synflow'):\n"
        "    try_proxy(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(repository),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def copy_of(repository: Path, folder: Path) -> Path:
    """Copy the checkout without what runs leave; the workflow runs inside it, as a user's."""
    compile_engine(repository)
    generated = (
        ".git",
        ".venv",
        "results",
        "data",
        "logs",
        ".snakemake",
        ".*_cache",
        ".hypothesis",
    )
    return shutil.copytree(repository, folder, ignore=shutil.ignore_patterns(*generated))


@pytest.fixture(scope="module")
def finished(repository, tmp_path_factory) -> Path:
    """A checkout with a complete run; tests that change something work on a copy."""
    folder = copy_of(repository, tmp_path_factory.mktemp("run") / "finished")
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy of the complete run that a test may change."""
    return shutil.copytree(finished, tmp_path / "copy", symlinks=True)


@pytest.fixture
def fresh(repository, tmp_path) -> Path:
    """A checkout in which nothing has run yet."""
    return copy_of(repository, tmp_path / "fresh")


def test_everything_is_made_and_nothing_half(finished):
    tables = ("correlations", "search", "timing", "summary", "naswot_table2a", "scoreboard")
    for table in tables:
        for suffix in ("csv", "md", "tex"):
            assert (finished / RESULTS / "tables" / f"{table}.{suffix}").stat().st_size > 0
    assert "stand-in" in (finished / RESULTS / "tables" / "summary.txt").read_text()
    page = (finished / RESULTS / "report" / "index.html").read_text()
    assert page.count("<table") >= 3
    assert page.count("<svg") + page.count("data:image") >= 2
    assert list((finished / RESULTS / "figures").glob("*.svg"))
    assert not list(finished.rglob("*.part"))


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(finished) == {}


def test_results_are_the_same_bits_whatever_the_workers(finished, fresh):
    tables = [RESULTS / "tables" / f"correlations.{suffix}" for suffix in ("csv", "md", "tex")]
    done = snakemake(fresh, "--cores", "1", "--", *map(str, tables))
    assert done.returncode == 0, done.stdout + done.stderr
    assert scores_of(fresh) == scores_of(finished)
    for table in tables:
        assert (fresh / table).read_bytes() == (finished / table).read_bytes()


def test_a_deleted_shard_and_what_depends_on_it_is_recomputed_and_nothing_else(copy):
    before = scores_of(copy)
    shards = sorted((copy / SHARDS).glob("*.h5"))
    kept = {path: path.stat().st_mtime_ns for path in shards[1:]}
    shards[0].unlink()
    plan = planned(copy)
    assert plan["score_shard"] == 1
    assert plan["merge_scores"] == 1
    assert "prepare_images" not in plan
    assert "prepare_benchmark" not in plan
    assert plan["search"] == 4 + 3  # guided by a proxy, and assisted; not those by accuracy alone
    done = snakemake(copy, "--", "scores")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in shards[1:]} == kept
    assert scores_of(copy) == before


def test_an_edited_proxy_recomputes_its_shards(copy):
    assert planned(copy) == {}
    proxy = copy / "src" / "trainfree" / "proxies" / "relu_codes" / "naswot.py"
    proxy.write_text(proxy.read_text() + "\n# a comment changes nothing\n")
    assert planned(copy) == {}
    proxy.write_text(proxy.read_text().replace("return candidate", "return 1.0 * candidate"))
    plan = planned(copy)
    assert plan["score_shard"] == 4  # one of the board
    assert "prepare_images" not in plan


def test_an_edited_proxy_that_is_not_in_use_recomputes_nothing(copy):
    new = copy / "src" / "trainfree" / "proxies" / "baselines" / "mine.py"
    new.write_text((new.parent / "params.py").read_text().replace('"params"', '"mine"'))
    assert planned(copy) == {}


def test_an_edit_of_how_torch_modules_are_scored_recomputes_nothing_of_the_engine(copy):
    for name in ("module_backend.py", "architectures/modules.py"):
        path = copy / "src" / "trainfree" / "scoring" / name
        path.write_text(path.read_text() + "\nEDITED = True\n")
    assert planned(copy) == {}


OTHERWISE = "scoring={precision: tf32, gpu_memory: 0.25, jobs_per_gpu: 3, gpu_threads: 2}"
KERNELS = Path("src", "trainfree", "scoring", "gpu_kernels", "launches.py")


def edit_kernels(copy: Path) -> None:
    path = copy / KERNELS
    path.write_text(path.read_text() + "\nEDITED = True\n")


def give_gpu(folder: Path, monkeypatch) -> None:
    """Have a GPU listed by a program in the place of the driver's."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    told = "case $1 in -L) echo 'GPU 0: A';; *) echo '0, GPU-a, 9.0';; esac"
    program.write_text(f"#!/bin/sh\n{told}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_how_a_gpu_is_used_recomputes_no_scores_of_a_processor(copy, tmp_path, monkeypatch):
    edit_kernels(copy)
    assert planned(copy, "--config", OTHERWISE) == {}
    give_gpu(tmp_path / "driver", monkeypatch)
    assert planned(copy, "--config", OTHERWISE) == {}


def test_another_precision_and_edited_kernels_recompute_scores_of_a_gpu(copy):
    """Scores of a processor stand in for them, with the attributes that a GPU's have."""
    setting = Setting.from_json(read_dataset(copy / MERGED, "scores").attrs["config"])
    code = scoring_code_hash(setting, groups="tf32x3")
    for path in (*(copy / SHARDS).glob("*.h5"), copy / MERGED):
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        told = {"code_hash": code, "precision": "tf32x3", "clock_note": SHARED_CLOCK}
        write_dataset(read_dataset(path, "scores").assign_attrs(told), path, "scores")
        os.utime(path, ns=times)
    assert planned(copy) == {}
    assert planned(copy, "--config", OTHERWISE)["score_shard"] == 3
    edit_kernels(copy)
    assert planned(copy)["score_shard"] == 3


def test_an_edited_template_writes_only_the_report(copy):
    template = copy / "reports" / "templates" / "report.html.j2"
    template.write_text(template.read_text().replace("</body>", "<!-- edited --></body>"))
    assert planned(copy) == {"write_report": 1}


def test_an_edited_table_is_made_again_and_no_other(copy):
    kendall = copy / "src" / "trainfree" / "analysis" / "papers" / "kendall.py"
    kendall.write_text(kendall.read_text() + "\nEDITED = True\n")
    assert planned(copy, "tables") == {"tabulate_kendall": 1, "tables": 1}


def test_tables_are_made_again_from_stored_files_without_torch(copy):
    """A torch that cannot be imported stands first on the path of every job."""
    names = ("correlations", "search", "timing", "naswot_table2a", "kendall", "significance")
    tables = [copy / RESULTS / "tables" / f"{name}.csv" for name in names]
    before = [path.read_bytes() for path in tables]
    for path in tables:
        path.unlink()
    (copy / "src" / "torch.py").write_text("raise ImportError('tables need no torch')\n")
    wanted = [str(path.relative_to(copy)) for path in tables]
    done = snakemake(copy, "--cores", "1", "--", *wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.read_bytes() for path in tables] == before


def test_draws_are_scored_and_compared_on_request(copy):
    done = snakemake(copy, "--cores", "2", "proxy_stability")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / RESULTS / "tables" / "proxy_stability.csv").stat().st_size > 0
    figure = "proxy_stability-nasbench201_mini-generated.svg"
    assert (copy / RESULTS / "figures" / figure).stat().st_size > 0


@pytest.mark.slow
def test_the_fields_tables_are_made_on_request(copy):
    done = snakemake(copy, "--cores", "2", "field_tables")
    assert done.returncode == 0, done.stdout + done.stderr
    tables = copy / RESULTS / "tables"
    with (tables / "field_scoreboard.csv").open() as board:
        absent = {row["table"]: int(row["not_run"]) for row in csv.DictReader(board)}
    assert absent["vkdnw_table1"] > 100  # it is of another space
    with (tables / "field_methods.csv").open() as methods:
        rows = list(csv.DictReader(methods))
    assert {row["seeds"] for row in rows if row["proxy"] == "naswot"} == {"2"}
    assert {"az_nas", "naswot", "flops"} <= {row["proxy"] for row in rows}


@pytest.mark.slow
def test_proxies_are_compared_on_request(copy):
    done = snakemake(copy, "--cores", "2", "proxy_figures")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("proxies", "proxy_pairs", "proxy_outcomes", "top"):
        assert (copy / RESULTS / "tables" / f"{name}.csv").stat().st_size > 0
    figures = {path.name for path in (copy / RESULTS / "figures").glob("proxy_*.svg")}
    place = "nasbench201_mini-generated.svg"
    kinds = ("pairs", "outcomes", "cost", "bias", "top")
    assert figures == {f"proxy_{kind}-{place}" for kind in kinds}


def test_an_edited_search_algorithm_recomputes_its_searches(copy):
    rea = copy / "src" / "trainfree" / "search" / "algorithms" / "rea.py"
    rea.write_text(rea.read_text() + "\nEDITED = True\n")
    plan = planned(copy)
    assert plan["search"] == 2 + 3  # its own, and those of the three that build on it
    assert "score_shard" not in plan


def test_a_new_search_algorithm_recomputes_nothing(copy):
    folder = copy / "src" / "trainfree" / "search" / "algorithms"
    (folder / "mine.py").write_text((folder / "random.py").read_text())
    assert planned(copy) == {}


def test_changed_settings_recompute_what_they_decide(copy, tmp_path):
    def with_config(values: dict) -> dict[str, int]:
        path = tmp_path / "more.yaml"
        path.write_text(yaml.safe_dump(values))
        return planned(copy, "--configfile", "config/test.yaml", str(path))

    assert "score_shard" not in with_config({"analysis": {"bootstrap_resamples": 60}})
    assert set(with_config({"analysis": {"bootstrap_resamples": 60}})) == {
        *("tabulate_correlations", "tabulate_comparison", "tabulate_kendall"),
        *("tabulate_pearson_12_epochs", "tabulate_published", "tabulate_scoreboard"),
        "tabulate_proxy_board",
        *("tabulate_summary", "write_report", "plot_score_panels", "plot_tau", "plot_searches"),
    }
    assert with_config({"search": {"runs": 9}})["search"] == 12
    assert with_config({"search": {"searches": {"rea": {"sample": 2}}}})["search"] == 1
    assert "search" not in with_config({"search": {"searches": {"rea": None}}})
    assert with_config({"scoring": {"batch_size": 4}})["score_shard"] == 4


def test_several_spaces_beside_each_other(copy, tmp_path):
    """Two spaces, one of them of the user's own; a new proxy scores both and nothing else."""
    own = copy / "thin.py"
    own.write_text(
        "from trainfree.spaces.nasbench201.space import OPERATIONS, CellSpace\n"
        "from trainfree.benchmarks.schema import BenchmarkTable\n"
        "import numpy as np\n"
        "def trained_accuracies(space):\n"
        "    accuracy = np.linspace(20, 90, len(space))\n"
        "    return BenchmarkTable({('cifar10', 'valid', 5, '1'): accuracy})\n"
        "SPACES = {'thin': lambda: CellSpace('thin', OPERATIONS[:3], stem_channels=4,"
        " cells_per_stage=1)}\n"
    )
    across = {"sample": 20, "spaces": {"thin": {"datasets": ["generated"], "batch_size": 4}}}
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"spaces": {"extra": ["thin.py"]}, "across": across}))
    configs = ("--configfile", "config/test.yaml", str(more))
    done = snakemake(copy, *configs, "--", "spaces")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(copy / RESULTS / "tables" / "spaces.csv")
    assert {(row["space"], row["n"], row["target"]) for row in rows} == {
        ("nasbench201_mini", "20", "cifar10/test/200"),
        ("thin", "20", "cifar10/valid/5"),
    }
    ranks = rows_of(copy / RESULTS / "tables" / "space_ranks.csv")
    assert {row["proxy"] for row in ranks} == {"naswot", "synflow", "params", "flops"}
    assert {row["spaces"] for row in ranks} == {"2"}
    assert (copy / RESULTS / "figures" / "spaces.svg").stat().st_size
    assert planned(copy, *configs, "--", "spaces") == {}
    across["proxies"] = ["naswot", "params", "snip"]
    more.write_text(yaml.safe_dump({"spaces": {"extra": ["thin.py"]}, "across": across}))
    assert planned(copy, *configs, "--", "spaces") == {
        **{"score_shard": 2, "merge_scores": 2, "spaces": 1},
        **{"tabulate_spaces": 1, "tabulate_space_ranks": 1, "plot_spaces": 1},
    }


def test_a_file_of_other_settings_is_made_again(copy):
    """As a job leaves it that outlived its run: Snakemake's own records say that all is done."""
    searches = copy / RESULTS / "search" / "nasbench201_mini" / "generated"
    kept = (searches / "rea.h5").read_bytes()
    (searches / "rea.h5").write_bytes((searches / "random.h5").read_bytes())
    plan = planned(copy)
    assert plan["search"] == 1
    assert "score_shard" not in plan
    assert "search" not in planned(copy, "--", "scores")  # only what the targets need
    done = snakemake(copy, "--", str(RESULTS / "search/nasbench201_mini/generated/rea.h5"))
    assert done.returncode == 0, done.stdout + done.stderr
    again = read_dataset(searches / "rea.h5", "search")
    assert "search" not in planned(copy)
    (searches / "rea.h5").write_bytes(kept)
    before = read_dataset(searches / "rea.h5", "search")
    assert again["trace_arch"].values.tobytes() == before["trace_arch"].values.tobytes()

    shards = sorted((copy / SHARDS).glob("*.h5"))
    shards[0].write_bytes(shards[1].read_bytes())
    plan = planned(copy, "--", "scores")
    assert "score_shard" not in plan  # of the same settings: merging will name it
    seeds = copy / "results/test/scores/nasbench201_mini/generated/b8-pytorch-images-s1/shards"
    seeds.mkdir(parents=True)
    (seeds / "000-242.h5").write_bytes(shards[1].read_bytes())
    assert planned(copy, "--config", "seed=1", "--", "scores")["score_shard"] == 3


def test_a_new_proxy_computes_its_own_column_and_going_back_none(copy, tmp_path):
    more = tmp_path / "more.yaml"
    values = yaml.safe_load((copy / "config" / "config.yaml").read_text())["scoring"]["proxies"]
    logs = copy / "logs/test/score_shard/nasbench201_mini/generated/b8-pytorch-images-s0"

    def computed(*proxies: str) -> list[str]:
        more.write_text(yaml.safe_dump({"scoring": {"proxies": list(proxies)}}))
        done = snakemake(copy, "--configfile", "config/test.yaml", str(more), "--", "scores")
        assert done.returncode == 0, done.stdout + done.stderr
        return [
            next(line for line in path.read_text().splitlines() if "columns are known" in line)
            for path in sorted(logs.glob("*.log"))
        ]

    before = scores_of(copy)
    for line in computed(*values, "l2_norm"):
        assert line == "6 of 7 columns are known; computing l2_norm of 243 architectures"
    for line in computed(*values):
        assert line == "6 of 6 columns are known; computing nothing"
    assert scores_of(copy) == before


def children_of(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split()
    pairs = list(zip(map(int, found[::2]), map(int, found[1::2]), strict=True))
    direct = [child for child, parent in pairs if parent == pid]
    return direct + [below for child in direct for below in children_of(child)]


def wait_for(condition, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def scoring_processes(pid: int) -> list[int]:
    found = []
    for child in children_of(pid):
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"score-shard" in words:
            found.append(child)
    return found


def start(checkout: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(checkout, *more),
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_runs_and_jobs_leave_nothing_and_the_next_run_goes_on(finished, fresh):
    """Kill Snakemake while it scores, then a scoring job of the next run, then let it finish."""
    run = start(fresh, "--", "searches")
    jobs = wait_for(lambda: scoring_processes(run.pid))
    time.sleep(1.5)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(
        lambda: not any(Path(f"/proc/{job}").exists() for job in jobs)
    )  # they end by themselves
    assert not list((fresh / RESULTS).rglob("*.part"))

    run = start(fresh, "--", "searches")
    job = wait_for(lambda: scoring_processes(run.pid))[0]
    os.kill(job, signal.SIGKILL)
    assert run.wait() != 0
    assert not (fresh / MERGED).exists()

    done = snakemake(fresh, "--", "searches")
    assert done.returncode == 0, done.stdout + done.stderr
    assert scores_of(fresh) == scores_of(finished)
    searches = list((finished / RESULTS / "search").rglob("*.h5"))
    assert searches
    for search in searches:
        ours = read_dataset(fresh / search.relative_to(finished), "search")
        theirs = read_dataset(search, "search")
        for name in ("trace_arch", "trace_fitness", "trace_accuracy", "answer_accuracy"):
            assert ours[name].values.tobytes() == theirs[name].values.tobytes()
    assert planned(fresh, "--", "searches") == {}


def test_a_damaged_shard_is_named_and_nothing_is_merged(copy):
    shard = sorted((copy / SHARDS).glob("*.h5"))[1]
    shard.write_bytes(shard.read_bytes()[:5000])
    done = snakemake(copy, "--", "scores")
    assert done.returncode != 0
    assert shard.name in done.stdout + done.stderr
    assert "truncated" in done.stdout + done.stderr
    shard.unlink()
    assert snakemake(copy, "--", "scores").returncode == 0


def test_a_wrong_configuration_stops_before_any_job(fresh):
    path = fresh / "wrong.yaml"
    path.write_text("scoring: {proxies: [naswott]}\n")
    done = snakemake(fresh, "--configfile", "config/test.yaml", "wrong.yaml")
    assert done.returncode != 0
    assert "unknown proxy 'naswott'; did you mean 'naswot'" in done.stdout + done.stderr
    assert not (fresh / RESULTS).exists()


def test_two_runs_in_one_folder_are_refused_but_plans_are_not(fresh):
    run = start(fresh)
    try:
        wait_for(lambda: (fresh / ".snakemake" / "trainfree.lock").exists())
        wait_for(lambda: (fresh / ".snakemake" / "trainfree.lock").read_text().strip())
        second = snakemake(fresh)
        assert second.returncode != 0
        assert f"another snakemake (process {run.pid})" in second.stdout + second.stderr
        assert planned(fresh)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()


@pytest.mark.parametrize("config", ["config.yaml", "paper.yaml", "test.yaml"])
def test_every_shipped_configuration_has_a_graph(fresh, config):
    plan = planned(fresh, "--configfile", f"config/{config}")
    expected = {"config.yaml": (6, 9), "paper.yaml": (122, 42), "test.yaml": (4, 12)}
    assert (plan["score_shard"], plan["search"]) == expected[config]


def test_spaces_images_and_searches_of_ones_own_are_in_the_graph(fresh):
    """The files of the documentation's pages; an edit of one is noticed where it counts."""
    for page in ("adding-a-space.md", "adding-a-search-algorithm.md", "adding-a-data-set.md"):
        text = (fresh / "docs" / page).read_text()
        for name, code in re.findall(r'```python title="([^"]+)"\n(.*?)```', text, re.DOTALL):
            (fresh / name).write_text(code)
    searches = {"tabu": {"algorithm": "tabu"}, "random": {"algorithm": "random"}}
    dropped = {f"{name}-{proxy}" for name in ("random", "rea") for proxy in ("naswot", "synflow")}
    dropped |= {"rea", "reinforce", "reinforce-naswot", "reinforce-synflow"}
    own = {
        "space": "chains",
        "datasets": ["squares"],
        "spaces": {"extra": ["chains.py"]},
        "images": {"extra": ["squares.py"]},
        "search": {
            "extra": ["tabu.py"],
            "budgets": [5],
            "searches": searches | dict.fromkeys(dropped),
        },
    }
    (fresh / "own.yaml").write_text(yaml.safe_dump(own))
    done = snakemake(fresh, "-n", "-p", "--configfile", "own.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line for line in done.stdout.splitlines() if "python -m trainfree" in line]
    with_file = {
        name: sum(f"--extra {name}" in line for line in commands)
        for name in ("chains.py", "squares.py", "tabu.py")
    }
    assert with_file == {"chains.py": 2, "squares.py": 1, "tabu.py": 1}
    assert sum(line.count("--extra tabu.py chains.py") for line in commands) == 1
    (scored,) = (line for line in commands if "score-shard" in line)
    assert scored.count("chains.py") == scored.count("squares.py") == 1


VOTERS = ["synflow", "jacob_cov", "snip"]
MODULES = {
    "space": "mixers",
    "spaces": {"extra": ["mixers.py"]},
    "scoring": {"shard_size": 27, "proxies": ["naswot", *VOTERS, "params"]},
    "search": {"budgets": [2, 5], "runs": 2},
    "pareto": {"budgets": [20]},
}
MADE_UP = """
import numpy as np
from trainfree.benchmarks.schema import BenchmarkTable

def trained_accuracies(space):
    values = 60.0 + np.arange(len(space)) % 9
    return BenchmarkTable(accuracy={("cifar10", "test", 20, "mean"): values}, remark="made up")
"""


def test_a_space_of_torch_modules_goes_the_whole_way(fresh):
    """The thirty lines of the page: scored, searched, tabulated; edits re-run what they touch."""
    text = (fresh / "docs" / "adding-a-space.md").read_text()
    (code,) = re.findall(r'```python title="mixers.py"\n(.*?)```', text, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    space = fresh / "mixers.py"
    space.write_text(code + MADE_UP)
    searches = yaml.safe_load((fresh / "config" / "test.yaml").read_text())["search"]["searches"]
    guided = (f"{name}{by}" for name in ("random", "rea", "reinforce") for by in ("", "-naswot"))
    dropped = dict.fromkeys([*searches, *guided, "random-synflow"])
    kept = {"algorithm": "rea", "signal": "naswot", "mutation": "one_change"}
    asked = dropped | {"rea-naswot": kept, "rea-vote": {**kept, "signal": "vote"}}
    own = MODULES | {"search": MODULES["search"] | {"searches": asked}}
    (fresh / "own.yaml").write_text(yaml.safe_dump(own))
    tables = [f"results/test/tables/{name}.csv" for name in ("kendall", "search", "ranks")]
    config = ["--configfile", "config/test.yaml", "own.yaml"]
    done = snakemake(fresh, *tables, *config)
    assert done.returncode == 0, done.stdout + done.stderr
    merged = read_dataset(
        fresh / RESULTS / "scores" / "mixers" / "generated" / "b8-pytorch-images-s0.h5", "scores"
    )
    assert merged["architecture"].to_numpy()[0] == "first=grouped,second=grouped,act=relu"
    defined = merged["status"].sel(proxy=["naswot", "jacob_cov", "snip", "params"])
    assert defined.to_numpy().tolist() == [[0] * 4] * 27
    signals = {row["search"]: row["signal"] for row in rows_of(fresh / tables[1])}
    assert {"rea-naswot": "naswot", "rea-vote": "vote"}.items() <= signals.items()
    assert "rea-vote" in (fresh / tables[2]).read_text()
    by_vote = read_dataset(
        fresh / RESULTS / "search" / "mixers" / "generated" / "rea-vote.h5", "search"
    )
    undefined = int(merged["score"].sel(proxy=VOTERS).isnull().any("proxy").sum())
    assert f"{undefined} of 27 architectures could not" in by_vote.attrs["signal_note"]
    spent = merged["proxy_seconds"].sel(proxy=VOTERS).sum("proxy").to_numpy()
    paid = by_vote["scoring_seconds"].isel(step=0).to_numpy()
    assert paid == pytest.approx(spent[by_vote["trace_arch"].isel(step=0).to_numpy()])
    for proxy in ("naswot", "snip", "params"):
        assert proxy in (fresh / tables[0]).read_text()

    scoring, anew = fresh / "src" / "trainfree" / "scoring", {"score_shard", "merge_scores"}
    with space.open("a") as text, (scoring / "engine_backend.py").open("a") as engine:
        text.write("\n# a comment\n")
        engine.write("\nEDITED = True\n")
    assert planned(fresh, *tables, *config) == {}
    for path in (scoring / "module_backend.py", space):
        before = path.read_text()
        path.write_text(before + "\nEDITED = True\n")
        assert planned(fresh, *tables, *config).keys() >= anew
        path.write_text(before)


STUDIES = {
    **{"choose_architectures": 2, "score_ablation": 1, "train_architecture": 2},
    **{"tabulate_ablation": 1, "plot_ablation": 1, "tabulate_training": 1, "plot_training": 1},
    **{"store_features": 1, "learn": 4, "prepare_hardware": 1},
    **{"tabulate_learned": 1, "plot_learned": 1},
    **{"ablation": 1, "learned": 1, "training": 1},
}


def test_the_studies_are_targets_of_their_own(finished):
    assert planned(finished, "--cores", "1", "ablation", "learned", "training") == STUDIES


@pytest.mark.slow
def test_the_studies_run_and_an_interrupted_training_goes_on(copy):
    done = snakemake(copy, "--cores", "2", "ablation", "learned", "training")
    assert done.returncode == 0, done.stdout + done.stderr
    assert planned(copy, "--cores", "1", "ablation", "learned", "training") == {}
    shards = copy / RESULTS / "training" / "nasbench201_mini" / "generated" / "shards"
    (shards / "1.h5").unlink()
    plan = planned(copy, "--cores", "1", "ablation", "training")
    assert set(plan) == {"train_architecture", "tabulate_training", "plot_training", "training"}
    assert plan["train_architecture"] == 1


def test_no_random_damage_hangs_or_changes_a_number(finished, tmp_path):
    """The script's 300 trials take minutes; a few of each kind do here."""
    shutil.copytree(finished, tmp_path / "run")
    script = [sys.executable, str(finished / "benchmarks" / "damage.py")]
    done = subprocess.run(
        [*script, "--trials", "40", "--folder", str(tmp_path), "--targets", "all"],
        env=environment(finished),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
