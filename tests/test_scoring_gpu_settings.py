"""When a GPU pays, what is said of how it multiplied, and whose code that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from trainfree.cli import main, parser
from trainfree.cli.command import group_options
from trainfree.config import parse_config
from trainfree.config.scoring import ScoringConfig
from trainfree.errors import ConfigError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import load_files
from trainfree.provenance import _import_closure
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.jobs.columns import SCORER, column_settings
from trainfree.scoring.jobs.schema import SHARED_CLOCK
from trainfree.scoring.jobs.shard import ScoringJob
from trainfree.scoring.settings import setting as setting_module
from trainfree.scoring.settings.gpu import Work, chosen_device, work_of
from trainfree.scoring.settings.precision import GroupOptions, Precision
from trainfree.scoring.settings.setting import (
    Setting,
    scoring_code_hash,
    scoring_code_hashes,
    way_of,
)
from trainfree.workflow.devices import Devices

SETTING = Setting("nasbench201_mini", "generated", ("naswot", "params"), 4, "pytorch", "images", 0)
PRECISIONS = get_args(Precision)
COSTS_NOTHING = """
from trainfree.proxies.registry import proxy

@proxy("costs_nothing", cite="none")
def costs_nothing(candidate):
    return candidate.params

@proxy("costs_a_pass", needs=["activations"], cite="none")
def costs_a_pass(candidate):
    return candidate.relu_kernel.sum()
"""


@pytest.fixture(scope="module", autouse=True)
def _own_proxies(tmp_path_factory):
    path = tmp_path_factory.mktemp("proxies") / "costs.py"
    path.write_text(COSTS_NOTHING)
    load_files([path])


# ---------------------------------------------------------------- which device


@pytest.mark.parametrize(
    ("proxies", "described", "expected"),
    [
        (("params", "flops", "relu_units", "random", "l2_norm", "constant"), True, "none"),
        (("params",), False, "none"),
        (("costs_nothing",), True, "none"),
        (("costs_nothing", "costs_a_pass"), True, "passes"),
        (("naswot", "naswot_official", "naswot_normalised", "synflow", "swap"), True, "engine"),
        (("naswot", "costs_nothing"), True, "passes"),
        (("naswot",), False, "passes"),
        (("naswot", "grad_norm"), True, "passes"),
        (("zen",), True, "passes"),
        (("meco",), True, "passes"),
        (("of_a_file_not_loaded_here",), True, "passes"),
    ],
)
def test_work_is_told_by_the_proxies(proxies, described, expected):
    assert work_of(proxies, described=described) == expected


NEW, OLD = (9, 0), (7, 5)


@pytest.mark.parametrize(
    ("work", "gpus", "triton", "device", "word"),
    [
        ("passes", [], True, "cpu", "visible"),
        ("none", [NEW], True, "cpu", "no proxy"),
        ("engine", [NEW], True, "cuda", "9.0"),
        ("engine", [(8, 0)], True, "cuda", "8.0"),
        ("engine", [NEW], False, "cpu", "Triton"),
        ("engine", [NEW, OLD], True, "cpu", "7.5"),
        ("engine", [NEW, None], True, "cpu", "nvidia-smi"),
        ("passes", [OLD], False, "cuda", "passes"),
        ("passes", [None], False, "cuda", "passes"),
    ],
)
def test_auto_takes_a_gpu_where_it_pays_and_says_why(work, gpus, triton, device, word):
    chosen = chosen_device("auto", work, gpus, triton=triton)
    assert chosen.device == device
    assert word in chosen.why


@pytest.mark.parametrize("work", get_args(Work))
def test_a_device_that_is_named_is_taken(work):
    assert chosen_device("cuda", work, [OLD], triton=False).device == "cuda"
    assert chosen_device("cpu", work, [NEW], triton=True).device == "cpu"


# ---------------------------------------------------------------- whose code, which precision


def test_the_code_of_groups_is_no_part_of_scores_of_processors():
    inside = ("trainfree.scoring.gpu_kernels", "trainfree.scoring.gpu_engine")
    every = [f"trainfree.scoring.jobs.{job}" for job in ("shard", "draws", "ablation")]
    closure = _import_closure([*every, way_of("nasbench201")])
    assert not any(name.startswith(inside) for name in closure)
    assert setting_module.GROUPS not in closure
    of_groups = _import_closure([SCORER, way_of("nasbench201"), setting_module.GROUPS])
    assert any(name.startswith(inside) for name in of_groups)


@pytest.mark.parametrize(
    ("proxies", "in_groups", "rests_on_precision"),
    [
        (("naswot",), True, True),
        (("params", "swap"), True, True),
        (("synflow",), True, False),
        (("synflow", "costs_a_pass"), True, True),
        (("params", "flops"), False, False),
        (("grad_norm", "zen"), False, False),
    ],
)
def test_the_hash_of_a_gpu_takes_what_its_scores_rest_on(proxies, in_groups, rests_on_precision):
    setting = replace(SETTING, proxies=proxies)
    of_groups = {scoring_code_hash(setting, groups=precision) for precision in PRECISIONS}
    assert (scoring_code_hash(setting) not in of_groups) == in_groups
    assert len(of_groups) == (3 if rests_on_precision else 1)
    found = scoring_code_hashes(setting, "tf32")
    assert found[0] == scoring_code_hash(setting)
    assert len(found) == 1 + in_groups


def test_another_way_to_compute_groups_changes_the_hash_of_gpus_alone(monkeypatch):
    processor, gpu = scoring_code_hash(SETTING), scoring_code_hash(SETTING, groups="tf32x3")
    monkeypatch.setattr(setting_module, "GROUPS", "trainfree.scoring.cpu_engine.winograd")
    assert scoring_code_hash(SETTING) == processor
    assert scoring_code_hash(SETTING, groups="tf32x3") != gpu


@pytest.mark.parametrize(
    ("proxy", "takes_code", "takes_precision"),
    [
        ("naswot", True, True),
        ("swap", True, True),
        ("synflow", True, False),
        ("params", True, False),
        ("costs_a_pass", True, True),
        ("grad_norm", False, False),
    ],
)
def test_columns_of_groups_are_other_columns(proxy, takes_code, takes_precision):
    def column(groups: Precision | None):
        return column_settings(SETTING, proxy, 0, "images", "a GPU", 1, groups=groups)

    alone, *several = (column(groups) for groups in (None, *PRECISIONS))
    assert "precision" not in alone
    assert all((one["code"] != alone["code"]) == takes_code for one in several)
    assert len({one["code"] for one in several}) == 1
    found = [one.get("precision") for one in several]
    assert found == (list(PRECISIONS) if takes_precision else [None] * 3)


def test_every_proxy_that_reads_codes_counts_as_one_that_does():
    """What a proxy asks for is read in its source, so that a new one cannot be left out."""
    for name in PROXY_NAMES:
        source = Path(setting_module.module_of(name).replace(".", "/")).with_suffix(".py")
        text = ("src" / source).read_text()
        reads = any(f"candidate.{what}" in text for what in ("relu_kernel", "distinct_unit"))
        column = column_settings(SETTING, name, 0, "images", "a GPU", 1, groups="tf32")
        assert ("precision" in column) == reads, name
        counts = ("params", "flops", "relu_units", "parameter_tensors", "log_synaptic_flow")
        if reads or any(f"candidate.{what}" in text for what in counts):
            assert column["code"] != column_settings(SETTING, name, 0, "images", "a GPU", 1)["code"]


# ---------------------------------------------------------------- what files and jobs are told


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.mark.parametrize(
    ("proxies", "precision", "note"),
    [
        (("naswot",), "tf32", SHARED_CLOCK),
        (("synflow",), "float32", SHARED_CLOCK),
        (("grad_norm",), "float32", None),
    ],
)
def test_a_file_of_a_gpu_says_how_it_multiplied_and_shared_its_seconds(
    images, monkeypatch, proxies, precision, note
):
    monkeypatch.setattr(ScoringJob, "groups", "tf32")
    job = ScoringJob(images, "cpu", 1, options=GroupOptions("tf32"))
    setting = replace(SETTING, proxies=proxies)
    found = job.attributes(setting, setting.values, SCORER)
    assert found["precision"] == precision
    assert found.get("clock_note") == note
    assert found["config_hash"] == setting.hash
    assert found["code_hash"] == scoring_code_hash(setting, groups="tf32")


def test_on_a_processor_precision_changes_nothing(images, tmp_path):
    found = []
    for precision in ("float32", "tf32"):
        path = tmp_path / f"{precision}.h5"
        words = (
            *("score-shard", "--images", str(images), "--first", "5", "--last", "6"),
            *("--setting", SETTING.json, "--device", "cpu", "--precision", precision),
            *("--store", str(tmp_path / "store"), "--output", str(path)),
        )
        assert main(words) == 0
        found.append(read_dataset(path, "scores"))
    assert found[0].attrs == found[1].attrs
    assert found[0]["seconds"].equals(found[1]["seconds"])  # found in the store, not measured again
    assert found[0].attrs["precision"] == "float32"


def test_a_card_is_shared_out_among_its_jobs():
    words = ["score-shard", "--images", "i", "--first", "0", "--last", "1", "--setting", "{}"]
    words += ["--output", "o"]
    assert group_options(parser().parse_args(words)) == GroupOptions()
    words += ["--gpu-memory", "0.8", "--jobs-per-gpu", "4", "--precision", "tf32", "--helpers", "2"]
    assert group_options(parser().parse_args(words)) == GroupOptions("tf32", 0.2, 2)


def test_the_configuration_and_the_commands_have_the_same_defaults():
    scoring, options = ScoringConfig(), GroupOptions()
    assert (scoring.precision, scoring.gpu_memory, scoring.gpu_threads, scoring.jobs_per_gpu) == (
        *(options.precision, options.memory, options.threads),
        1,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "tf64"},
        {"gpu_memory": 0.0},
        {"gpu_memory": 1.5},
        {"jobs_per_gpu": 0},
        {"gpu_threads": 0},
    ],
)
def test_what_cannot_be_is_refused_by_its_key(change):
    (key,) = change
    with pytest.raises(ConfigError, match=f"scoring.{key}"):
        parse_config({"scoring": change})


def test_jobs_have_more_threads_beside_a_gpu_and_torch_has_one(monkeypatch):
    devices = Devices(ScoringConfig(device="auto", gpu_threads=6))
    wildcards = object()

    def asked(setting: Setting) -> tuple[int, int, int]:
        threads = devices.threads(lambda _: setting)(wildcards)
        of_torch = devices.torch_threads(lambda _: setting)(wildcards, threads)
        return devices.gpus(lambda _: setting)(wildcards), threads, of_torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert asked(replace(SETTING, proxies=("grad_norm",))) == (0, 1, 1)
    assert devices.torch_threads(lambda _: SETTING)(wildcards, 3) == 3  # as --set-threads says
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert asked(replace(SETTING, proxies=("grad_norm",))) == (1, 6, 1)
    assert asked(replace(SETTING, proxies=("params",))) == (0, 1, 1)
    assert devices.gpus_of_training(wildcards) == 1
