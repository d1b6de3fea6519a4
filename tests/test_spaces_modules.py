"""Spaces whose architectures are torch modules: scored, trained, shown and kept apart."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import trainfree
from trainfree.config import parse_config
from trainfree.errors import ConfigError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import file_hash, load_files
from trainfree.outside.process_state import seed_global_generators
from trainfree.provenance import _import_closure
from trainfree.scoring.jobs.columns import column_settings
from trainfree.scoring.jobs.demand import ENGINE_MB, job_memory_mb, job_minutes
from trainfree.scoring.jobs.draws import score_draws
from trainfree.scoring.jobs.shard import ScoringJob, score_shard
from trainfree.scoring.jobs.training import train_and_score
from trainfree.scoring.jobs.trial import try_proxy
from trainfree.scoring.settings.setting import Setting, scoring_code_hash, way_of
from trainfree.scoring.settings.studies import TrainingSetting
from trainfree.scoring.status import Status
from trainfree.spaces import build_network, describes_networks, load_space
from trainfree.spaces.protocol import ModuleSpace

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = """
from torch import nn
from trainfree.spaces.choices import ChoiceSpace

class Nets(ChoiceSpace):
    name = "{name}"
    choices = {{"act": ("relu", "gelu", "silu"), "groups": (1, 2, 4)}}

    def module(self, index, classes, image_size):
        chosen = self.chosen(index)
        act = {{"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}}[chosen["act"]]
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), act(),
            nn.Conv2d(8, 8, 3, padding=1, groups=chosen["groups"]), nn.BatchNorm2d(8), act(),
            nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
        )
        return model

SPACES = {{"{name}": Nets}}
"""
PROXIES = ("naswot", "snip", "params")
RETURN = "return model"


def written(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Write the space with changes, each of a text that stands there once, and load it."""
    text = SPACE.format(name=name)
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{name}.py"
    path.write_text(text)
    load_files([path])
    return path


def setting_of(path: Path, proxies: tuple[str, ...] = PROXIES, **changes: object) -> Setting:
    extra = ((str(path), file_hash(path)),)
    plain = Setting(path.stem, "generated", proxies, 8, "pytorch", "images", 0, extra=extra)
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture(scope="module")
def nets(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("nets"), "nets")


@pytest.fixture
def scored(images, tmp_path):
    """Score architectures of a space's file; returns the shard."""

    def score(path: Path, first: int = 0, last: int = 8, **changes: object) -> xr.Dataset:
        output = tmp_path / "shard.h5"
        score_shard(setting_of(path, **changes), first, last, images, output, "cpu", 1)
        return read_dataset(output, "scores")

    return score


@pytest.fixture(scope="module")
def sound(nets, images) -> xr.Dataset:
    """The scores of the space as it stands above."""
    output = images.with_name("sound.h5")
    score_shard(setting_of(nets), 0, 8, images, output, "cpu", 1)
    return read_dataset(output, "scores")


def same_scores(one: xr.Dataset, other: xr.Dataset, which: object = slice(None)) -> None:
    assert one["score"].to_numpy()[which].tobytes() == other["score"].to_numpy()[which].tobytes()


def statuses(shard: xr.Dataset) -> np.ndarray:
    return shard["status"].to_numpy()


# ---------------------------------------------------------------- what a space of modules is


def test_a_module_is_enough_and_the_network_is_asked_for_in_vain(nets):
    space = load_space("nets")
    assert isinstance(space, ModuleSpace)
    assert not describes_networks(space)
    assert not describes_networks("nets")
    assert way_of("nets") == way_of(space) == "trainfree.scoring.architectures.modules"
    with pytest.raises(ConfigError, match=rf"nets: .* torch modules .* build_network.* {nets}"):
        build_network(space, 0, 8, 10)


def test_a_space_that_says_nothing_of_its_networks_is_told_what_is_expected(tmp_path):
    path = written(tmp_path, "silent", ("def module(", "def modul("))
    with pytest.raises(ConfigError, match=rf"silent says nothing of .* module\(self.*{path}"):
        build_network(load_space("silent"), 0, 8, 10)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("self, index", r"module\(index\)"),
        ("self, index, classes", r"module\(index, classes\)"),
        ("self, index, classes, size", r"module\(index, classes, size\)"),
        ("self, index, classes, image_size, depth", "depth"),
    ],
)
def test_a_method_that_cannot_be_called_is_refused_when_it_is_loaded(tmp_path, arguments, found):
    written(tmp_path, "odd", ("self, index, classes, image_size", arguments))
    with pytest.raises(ConfigError, match=rf"expected a method module\(self.* found .*{found}"):
        load_space("odd")


def test_the_order_of_the_arguments_does_not_matter(tmp_path, sound, scored):
    arguments = "index, classes, image_size", "index, image_size, classes"
    same_scores(scored(written(tmp_path, "swapped", arguments)), sound)


def test_what_is_described_as_data_besides_is_scored_by_the_engine(tmp_path, scored):
    described = """
from trainfree.spaces.network import NetworkBuilder
from trainfree.spaces import load_space

def build_network(space, index, image_size, classes):
    b = NetworkBuilder()
    x = b.relu(b.batch_norm(b.conv(b.input(3, image_size), 8, 3)), modules=1, wrapped=False)
    b.linear(b.global_avg_pool(x), classes)
    return b.network()

SPACES ="""
    path = written(tmp_path, "both", (RETURN, "1 / 0"), ("\nSPACES =", described))
    assert way_of("both") == "trainfree.scoring.architectures.networks"
    assert set(scored(path)["params"].to_numpy()) == {8 * 27 + 16 + 90}


def test_a_file_that_imports_the_suites_own_function_describes_nothing(tmp_path, scored):
    own = "from torch import nn\nfrom trainfree.spaces import build_network"
    path = written(tmp_path, "imports", ("from torch import nn", own))
    assert not describes_networks("imports")
    assert (statuses(scored(path, last=1)) == Status.OK).all()


def test_encodings_settings_and_hashes_need_no_torch(tmp_path):
    path = tmp_path / "lazy.py"
    text = SPACE.format(name="lazy").replace("from torch import nn\n", "")
    path.write_text(text.replace("chosen =", "from torch import nn\n        chosen ="))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trainfree.config import parse_config\n"
        "from trainfree.scoring.jobs.demand import job_memory_mb\n"
        "from trainfree.scoring.settings.setting import scoring_code_hash\n"
        "from trainfree.spaces import load_space\n"
        "own = {'space': 'lazy', 'spaces': {'extra': [sys.argv[1]]}, 'search': {'budgets': [5]}}\n"
        "setting = parse_config(own).scoring_setting('cifar10')\n"
        "print(scoring_code_hash(setting), job_memory_mb(setting), len(load_space('lazy')))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "9"


# ---------------------------------------------------------------- scores


def test_all_are_scored_and_counted(nets, sound):
    shard = sound
    assert (statuses(shard) == Status.OK).all(), shard["message"].to_numpy()
    space = load_space("nets")
    for index, params in enumerate(shard["params"].to_numpy()):
        model = space.module(index, classes=10, image_size=8)
        assert params == sum(parameter.numel() for parameter in model.parameters())
    np.testing.assert_array_equal(shard["score"].sel(proxy="params"), shard["params"])
    assert len(set(shard["score"].sel(proxy="naswot").to_numpy())) == 9
    assert (shard["seconds"].sel(phase="build") > 0).all()
    assert (shard["proxy_seconds"] > 0).all()
    assert (shard["proxy_seconds"] <= shard["seconds"].sel(phase="total")).all()
    assert shard["architecture"].to_numpy()[1] == "act=relu,groups=2"


def test_scores_depend_neither_on_the_cut_nor_on_the_order_nor_on_the_process(
    nets, images, sound, scored
):
    whole = sound["score"].to_numpy()
    parts = [scored(nets, first, last)["score"].to_numpy() for first, last in ((0, 2), (3, 8))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    seed_global_generators(77)
    rows = ScoringJob(images, "cpu", 1).rows(setting_of(nets), 0, [8, 3, 0], warm_up=False)
    assert np.array([row.scores for row in rows]).tobytes() == whole[[8, 3, 0]].tobytes()


def test_the_seed_and_the_initialisation_decide_the_weights(nets, sound, scored):
    plain = sound["score"].to_numpy()
    for changes in (
        {"seed": 1},
        *({"initialization": name} for name in ("xavier", "kaiming", "normal")),
    ):
        other = scored(nets, last=3, **changes)
        assert (statuses(other) == Status.OK).all()
        assert (other["score"].sel(proxy="snip").to_numpy() != plain[:4, 1]).all(), changes
        np.testing.assert_array_equal(other["score"].sel(proxy="params"), plain[:4, 2])


def test_what_a_forward_pass_draws_itself_depends_on_no_other_proxy(tmp_path, scored):
    drawing = """
class Draws(nn.Module):
    def forward(self, x):
        return x * (1 + random.random() + np.random.rand() + torch.rand(()))

class Nets"""
    imports = "from torch import nn\nimport random\nimport numpy as np\nimport torch\n"
    path = written(
        tmp_path,
        "drawing",
        ("from torch import nn\n", imports),
        ("\nclass Nets", drawing),
        (RETURN, "return nn.Sequential(*model, Draws())"),
    )
    lists = (("snip",), ("naswot", "snip"), ("grasp", "zico", "snip"))
    found = [scored(path, last=1, proxies=proxies)["score"].sel(proxy="snip") for proxies in lists]
    assert found[0].to_numpy().tolist() == found[1].to_numpy().tolist()
    assert found[0].to_numpy().tolist() == found[2].to_numpy().tolist()


def test_scoring_leaves_the_process_as_it_was(nets, scored):
    def states() -> list[object]:
        numbers = np.random.get_state()[1]  # noqa: NPY002  (it is the old one that is kept)
        return [random.getstate(), numbers.tolist(), torch.get_rng_state().tolist()]

    before = states()
    scored(nets, last=1)
    assert states() == before


def test_several_draws_differ_in_weights_and_in_images(nets, images, tmp_path):
    path = tmp_path / "draws.h5"
    score_draws(setting_of(nets), 2, 0, 3, images, path, "cpu", 1)
    snip = read_dataset(path, "draws")["score"].sel(proxy="snip").to_numpy()
    assert snip.shape == (4, 4)
    assert len(np.unique(snip)) == 16


# ---------------------------------------------------------------- answers that are none

HOSTILE = [
    ("return None", "module: expected a torch.nn.Module, found NoneType"),
    ("return nn.Linear", "module: expected a torch.nn.Module, found type"),
    ("1 / 0", "module raised ZeroDivisionError: division by zero"),
    ("raise SystemExit(0)", "module raised SystemExit: 0"),
    ("raise KeyboardInterrupt", "module raised KeyboardInterrupt"),
    ("return nn.Sequential(nn.Flatten(), nn.ReLU())", "it has no parameters"),
    ("return model.to('meta')", "meta device"),
    ("model[0].to('meta'); return model", "meta"),
    ("model[3] = nn.LazyConv2d(8, 3); return model", "(?i)lazy"),
    ("return model.half()", "(?i)half|float16"),
    ("return torch.jit.script(model)", "(?i)script"),
    ("return torch.compile(model)", "(?i)compile"),
    ("return model[:-1]", r"expected it to return logits, \(B, 10\), .* found \(B, 8\)"),
    ("return model[:1]", r"found something else"),
    (
        "model[-1] = nn.Linear(9, classes); return model",
        "it fails for images .* cannot be mult",
    ),
    ("return Fails(model)", r"it fails for images \(8, 3, 8, 8\): RuntimeError: no way"),
    ("return Leaves(model)", "SystemExit"),
    ("return KEPT", "a second time .* architectures would share it"),
    ("model[0] = KEPT[0]; return model", "module returned '0.weight' a second time"),
    ("return kept(index)", "a second time"),
    ("model[0].weight.data = DRAWN.normal_(generator=OWN); return model", "'0.weight'"),
    (
        "model[0].weight.data.normal_(generator=OWN); return model",
        "gave '0.weight' other values when it was called again under the same seed",
    ),
    ("CALLS.append(1); model[0].weight.data += len(CALLS); return model", "gave '0.weight'"),
    (
        "CALLS.append(1); return nn.Sequential(*model[:-1], nn.Linear(8, len(CALLS)))",
        "gave '9.weight' other values",
    ),
]
HELPERS = """
import functools
import torch
OWN, DRAWN, CALLS = torch.Generator(), torch.zeros(8, 3, 3, 3), []
KEPT = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))

@functools.cache
def kept(index):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))

class Fails(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        raise RuntimeError("no way")

class Leaves(Fails):
    def forward(self, x):
        raise SystemExit(0)

class Nets"""


@pytest.mark.parametrize(("body", "words"), HOSTILE)
def test_an_architecture_that_cannot_be_scored_is_a_row_and_no_other_is_touched(
    tmp_path, sound, scored, body, words
):
    lines = f"if index == 4:\n            {body}\n        return model"
    path = written(tmp_path, "hostile", ("\nclass Nets", HELPERS), (RETURN, lines))
    shard, sound = scored(path, 3, 5), sound.isel(arch=slice(3, 6))
    others = np.array([True, False, True])
    assert (statuses(shard)[1] == Status.ERROR).all()
    assert np.isnan(shard["score"].to_numpy()[1]).all()
    for name in ("params", "flops", "relu_units"):
        assert shard[name].to_numpy()[1] == -1
        np.testing.assert_array_equal(shard[name][others], sound[name][others])
    message = str(shard["message"].to_numpy()[1])
    assert "the space hostile, architecture 4 (act=gelu,groups=2)" in message
    assert message.count("the space hostile") == 1
    assert message.startswith("naswot, snip, params: ModelError: ")
    assert re.search(words, message), message
    assert (statuses(shard)[others] == Status.OK).all()
    same_scores(shard, sound, others)


CHANGING = [
    "print('here')",
    "torch.set_default_dtype(torch.float64)",
    "torch.set_grad_enabled(False)",
    "torch.manual_seed(0)",
    "torch.use_deterministic_algorithms(False)",
    "torch.set_num_threads(3)",
    "import os; os.environ['X_OF_A_SPACE'] = '1'; os.chdir('/')",
    "import warnings; warnings.simplefilter('error')",
    "random.seed(4); np.random.seed(4)",
    "model.register_forward_hook(lambda *_: torch.manual_seed(1) and None)",
]


@pytest.mark.parametrize("body", CHANGING)
def test_what_one_architecture_changes_in_the_process_no_other_sees(tmp_path, sound, scored, body):
    lines = f"if index == 0:\n            {body}\n        return model"
    imports = "\nimport random\nimport numpy as np\nimport torch\n\nclass Nets"
    path = written(tmp_path, "changing", ("\nclass Nets", imports), (RETURN, lines))
    before = torch.get_default_dtype(), torch.is_grad_enabled(), Path.cwd()
    shard = scored(path, last=2)
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), Path.cwd()) == before
    assert (statuses(shard) == Status.OK).all(), shard["message"].to_numpy()
    same_scores(shard, sound.isel(arch=slice(3)), slice(1, None))


@pytest.mark.parametrize(
    "lines",
    [
        "with torch.inference_mode(): return copy.deepcopy(model)",
        "return copy.deepcopy(model).double()",
        "return model.train()",
        "return model.to(memory_format=torch.channels_last)",
    ],
)
def test_a_module_that_was_made_in_another_way_is_scored_alike(tmp_path, sound, scored, lines):
    imports = "\nimport copy\nimport torch\n\nclass Nets"
    path = written(tmp_path, "otherwise", ("\nclass Nets", imports), (RETURN, lines))
    shard = scored(path, last=2)
    assert (statuses(shard) == Status.OK).all(), shard["message"].to_numpy()
    np.testing.assert_allclose(shard["score"], sound["score"][:3], rtol=1e-4)


def test_images_may_be_reshaped_by_view(tmp_path, scored):
    path = written(
        tmp_path,
        "flat",
        (
            RETURN,
            "class Flat(nn.Linear):\n"
            "            def forward(self, x): return super().forward(x.view(len(x), -1)).relu()\n"
            "        return nn.Sequential(Flat(3 * image_size**2, 16), nn.Linear(16, classes))",
        ),
    )
    assert (statuses(scored(path, last=1)) == Status.OK).all()


def test_memory_that_is_lacking_is_no_error_of_the_space(tmp_path, scored):
    path = written(tmp_path, "large", (RETURN, "raise MemoryError('no more')"))
    shard = scored(path, last=1)
    assert (statuses(shard) == Status.OUT_OF_MEMORY).all()
    assert "architecture 0 (act=relu,groups=1): MemoryError: no more" in shard["message"].item(0)


# ---------------------------------------------------------------- code, studies, commands


def test_the_code_of_the_engine_is_no_part_of_scores_of_modules_nor_the_other_way_round(nets):
    shard, networks = "trainfree.scoring.jobs.shard", way_of("nasbench201")
    modules = _import_closure([shard, way_of("nets")])
    engine = _import_closure([shard, networks])
    inside = "trainfree.scoring.modules."
    assert any(name.startswith(inside) for name in modules)
    assert not any(name.startswith(inside) for name in engine)
    assert not any(name.startswith("trainfree.scoring.autodiff.") for name in modules)
    parts = {name for name in modules if name.startswith("trainfree.scoring.cpu_engine.")}
    assert parts == {"trainfree.scoring.cpu_engine.memory"}
    for name in ("engine_backend", "trainable", "cpu_engine.fused", "architectures.networks"):
        assert f"trainfree.scoring.{name}" in engine - modules
    setting = setting_of(nets)
    of_cells = replace(setting, space="nasbench201")
    assert scoring_code_hash(setting) != scoring_code_hash(of_cells)
    columns = [
        column_settings(one, "naswot", 0, "images", "cpu", 1)["code"] for one in (setting, of_cells)
    ]
    assert columns[0] != columns[1]


def test_an_edit_of_the_file_scores_anew_and_a_comment_does_not(tmp_path):
    path = written(tmp_path, "edited")
    before = setting_of(path).hash
    written(tmp_path, "edited", (RETURN, "return model  # as it is"))
    assert setting_of(path).hash == before
    written(tmp_path, "edited", ("nn.Dropout(0.5)", "nn.Dropout(0.4)"))
    assert setting_of(path).hash != before


def test_every_job_of_a_run_is_handed_the_file(tmp_path):
    path = written(tmp_path, "handed")
    config = parse_config(
        {"space": "handed", "spaces": {"extra": [str(path)]}, "search": {"budgets": [5]}}
    )
    extra = ((str(path), file_hash(path)),)
    assert config.kernels_setting("handed", "cifar10").extra == extra
    assert config.kernels_setting("nasbench101", "cifar10").extra == ()
    assert config.stability_setting("cifar10").extra == extra
    assert config.training_setting().base.extra == extra


def test_memory_and_time_are_asked_for_without_building(tmp_path):
    path = written(tmp_path, "unbuilt", (RETURN, "1 / 0"))
    setting = setting_of(path)
    assert job_memory_mb(setting) == ENGINE_MB
    assert job_memory_mb(replace(setting, dataset="cifar10", batch_size=128)) > ENGINE_MB
    cells = replace(setting, space="nasbench201")
    assert job_minutes(setting) == job_minutes(cells)
    without = {"proxies": ("naswot", "params")}
    assert job_minutes(replace(setting, **without)) > job_minutes(replace(cells, **without))


def test_a_module_learns_and_repeats(nets):
    base = setting_of(nets, ("naswot",))
    study = TrainingSetting(base, epochs=3, images=32, batch_size=8, learning_rate=0.1)
    images = torch.from_numpy(
        np.random.default_rng(0).standard_normal((32, 3, 8, 8)).astype(np.float32)
    )
    labels = torch.arange(32) % 2
    once, again = (train_and_score(study, 5, images, labels) for _ in range(2))
    assert [epoch.status for epoch in once] == [Status.OK] * 4
    assert once[3].loss < once[1].loss
    assert len({epoch.score for epoch in once}) > 1
    assert [epoch[:4] for epoch in once[1:]] == [epoch[:4] for epoch in again[1:]]


def test_training_names_the_architecture_that_cannot_learn(tmp_path):
    path = written(tmp_path, "frozen", (RETURN, "return model.requires_grad_(False)"))
    base = setting_of(path, ("naswot",))
    study = TrainingSetting(base, epochs=1, images=8, batch_size=8, learning_rate=0.1)
    with pytest.raises(ConfigError, match=r"frozen, architecture 2 \(.*\): training: "):
        train_and_score(study, 2, torch.rand(8, 3, 8, 8), torch.arange(8))


@pytest.mark.parametrize("initialization", ["pytorch", "kaiming"])
def test_the_library_returns_the_module_with_the_weights_that_are_scored(
    nets, images, initialization
):
    setting = setting_of(nets, ("l2_norm",), seed=3, initialization=initialization)
    (row,) = ScoringJob(images, "cpu", 1).rows(setting, 0, [7], warm_up=False)
    model = trainfree.space("nets", nets)[7].module(
        image_size=8, seed=3, initialization=initialization
    )
    assert model.training
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    assert row.scores == [pytest.approx(sum(float(w.detach().norm()) for w in weights), rel=1e-6)]
    assert trainfree.space("nets")[7].module(image_size=8)[0].weight.data_ptr() not in {
        weight.data_ptr() for weight in weights
    }


def test_a_proxy_is_tried_on_modules(nets, tmp_path):
    trials = try_proxy("naswot", space="nets", space_file=nets)
    assert [trial.status for trial in trials] == [Status.OK] * 5
    assert trials[0].architecture == "act=relu,groups=1"
    assert trials == try_proxy("naswot", space="nets", architectures=[0, 2, 4, 6, 8])
    file = tmp_path / "of_module.py"
    file.write_text(
        "from trainfree.proxies.registry import proxy\n\n"
        "@proxy('of_module', needs=['weights'], cite='me')\n"
        "def of_module(candidate):\n    return float(len(candidate.weights))\n"
    )
    assert {trial.score for trial in try_proxy("of_module", file, space="nets")} == {3.0}
