"""``trainfree.score``: its table, its draws, and what it leaves as it was."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import trainfree
from trainfree.errors import ModelError, TrainfreeError, UnknownNameError
from trainfree.library.scoring import COLUMNS
from trainfree.library.storing import write_scores
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.status import Status

SHAPE = (8, 3, 4, 4)
NUMBERS = ["params", "l2_norm", "naswot"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower on several, the more so beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.arange(8) % 4


def network(width: int = 16) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * width, 4),
    )


def by_model(table: pd.DataFrame, proxy: str) -> pd.DataFrame:
    return table[table["proxy"] == proxy].set_index("model")


def same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    return first.drop(columns="seconds").equals(second.drop(columns="seconds"))


# ---------------------------------------------------------------- the table


def test_there_is_a_row_for_each_model_and_proxy_and_all_proxies_by_default(images, labels):
    table = trainfree.score({"a": network(), "b": network}, images, labels)
    assert list(table.columns) == list(COLUMNS)
    assert table["model"].tolist() == ["a"] * len(PROXY_NAMES) + ["b"] * len(PROXY_NAMES)
    assert table["proxy"].tolist() == PROXY_NAMES * 2
    assert set(table["status"]) <= {status.name.lower() for status in Status}
    fine = table["status"] == "ok"
    assert np.isfinite(table["score"][fine]).all()
    assert (table["message"][fine] == "").all()
    assert (table["message"][~fine] != "").all()
    assert table["score"][~fine].isin([-np.inf]).eq(table["status"][~fine] == "singular").all()
    assert not (table["status"] == "error").any(), table[table["status"] == "error"]


def test_a_single_model_has_the_name_of_its_class_or_function(images):
    assert set(trainfree.score(network(), images, proxies=["params"])["model"]) == {"Sequential"}
    assert set(trainfree.score(network, images, proxies=["params"])["model"]) == {"network"}


def test_higher_is_better_in_every_column(images, scratch_registry):
    @trainfree.proxy("size_of_mine", needs=["weights"], higher_is_better=False, cite="")
    def size_of_mine(candidate):
        return float(candidate.params)

    table = trainfree.score(
        {"small": network(4), "large": network(32)}, images, proxies=[size_of_mine, "params"]
    )
    assert (by_model(table, "size_of_mine")["score"] < 0).all()
    assert trainfree.rank(table, "size_of_mine")["model"].tolist() == ["small", "large"]
    assert trainfree.rank(table, "params")["model"].tolist() == ["large", "small"]


def test_a_proxy_that_needs_labels_is_undefined_without_any(images, labels):
    without = trainfree.score(network(), images, proxies=["snip"]).iloc[0]
    assert without["status"] == "undefined"
    assert without["message"] == "the mini-batch has no labels"
    assert math.isnan(without["score"])
    assert math.isnan(without["seconds"])
    assert trainfree.score(network(), images, labels, proxies=["snip"]).iloc[0]["status"] == "ok"


def test_a_proxy_fails_by_itself_and_says_why(images, scratch_registry):
    @trainfree.proxy("failing", cite="")
    def failing(candidate):
        raise RuntimeError("on purpose")

    table = trainfree.score(network(), images, proxies=["failing", "params"]).set_index("proxy")
    assert table.loc["failing", "status"] == "error"
    assert "on purpose" in table.loc["failing", "message"]
    assert table.loc["params", "status"] == "ok"


def test_provenance_is_that_of_the_data_files(images, labels, tmp_path):
    def scored(**others: object) -> dict[str, object]:
        given = {"images": images, "labels": labels, "proxies": ["params"], **others}
        return trainfree.score({"one": network()}, **given).attrs

    attributes = scored(seeds=2, seed=7)
    assert attributes["trainfree_version"] == trainfree.__version__
    assert attributes["seed"] == 7
    assert attributes["threads"] == torch.get_num_threads()
    assert json.loads(attributes["libraries"])["torch"] == torch.__version__
    config = json.loads(attributes["config"])
    assert (config["seeds"], config["batch_size"], config["proxies"]) == (2, 8, ["params"])
    assert config["dtype"] == {"one": "float32"}
    hashes = json.loads(attributes["source_hashes"])
    assert set(hashes) == {"images", "labels", "weights one"}
    again = scored(seeds=2, seed=7)
    assert again == attributes
    losses = [scored(loss=lambda z: z.sum()), scored(loss=lambda z: 2 * z.sum())]
    assert losses[0]["config_hash"] != losses[1]["config_hash"]
    other = json.loads(scored(images=images + 1, seeds=2, seed=7)["source_hashes"])
    assert {key for key in hashes if hashes[key] != other[key]} == {"images"}
    assert scored(proxies=["flops"], seeds=2, seed=7)["code_hash"] != attributes["code_hash"]


def test_a_table_is_kept_as_a_file_and_opened_again(images, tmp_path):
    table = trainfree.score({"a": network(4), "b": network}, images, proxies=["params", "snip"])
    write_scores(table, tmp_path / "scores.h5")
    opened = trainfree.open_scores(tmp_path / "scores.h5")
    assert opened.attrs["source_hashes"] == table.attrs["source_hashes"]
    back = opened.to_dataframe().reset_index()
    assert back["score"].equals(table["score"])
    names = [status.name.lower() for status in Status]
    assert [names[code] for code in back["status"]] == table["status"].tolist()
    assert back["message"].tolist() == table["message"].tolist()


# ---------------------------------------------------------------- draws


def test_the_same_seed_gives_the_same_numbers_and_another_others(images):
    model = {"module": network(), "function": network}
    first = trainfree.score(model, images, proxies=NUMBERS, seeds=2)
    torch.manual_seed(123)
    assert same(first, trainfree.score(model, images, proxies=NUMBERS, seeds=2))
    other = trainfree.score(model, images, proxies=NUMBERS, seeds=2, seed=2)
    for name in model:
        assert by_model(first, "l2_norm").loc[name, "score"] != pytest.approx(
            by_model(other, "l2_norm").loc[name, "score"], rel=1e-9
        )


def test_score_and_spread_are_mean_and_deviation_over_the_draws(images):
    model = {"module": network(), "function": network}
    single = [
        trainfree.score(model, images, proxies=["l2_norm"], seeds=1, seed=seed)["score"]
        for seed in (4, 5, 6)
    ]
    together = trainfree.score(model, images, proxies=["l2_norm"], seeds=3, seed=4)
    assert together["score"].to_numpy() == pytest.approx(np.mean(single, axis=0), rel=1e-12)
    assert together["spread"].to_numpy() == pytest.approx(np.std(single, axis=0, ddof=1), rel=1e-9)
    assert together["spread"].gt(0).all()


def test_without_seeds_the_weights_are_those_of_the_model(images):
    model = network()
    norm = sum(
        float(each.weight.detach().double().norm())
        for each in model
        if isinstance(each, nn.Conv2d | nn.Linear)
    )
    row = trainfree.score(model, images, proxies=["l2_norm"]).iloc[0]
    assert row["score"] == pytest.approx(norm, rel=1e-6)
    assert math.isnan(row["spread"])


@pytest.mark.parametrize("initialization", ["xavier", "kaiming", "normal"])
def test_other_initialisations_are_drawn_for_modules_and_functions(images, initialization):
    models = {"module": network(), "function": network}
    drawn = {
        kind: trainfree.score(
            models, images, proxies=["l2_norm"], seeds=1, initialization=kind
        ).set_index("model")["score"]
        for kind in ("pytorch", initialization)
    }
    assert (drawn["pytorch"] != drawn[initialization]).all()


def test_a_parameter_that_nothing_draws_anew_is_said(images):
    class WithToken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.randn(48))
            self.layer = nn.Linear(48, 4)

        def forward(self, x):
            return torch.relu(self.layer(x.flatten(1) + self.token))

    with pytest.warns(UserWarning, match=r"1 of 3 parameters were not redrawn.*\(token\)"):
        trainfree.score(WithToken(), images, proxies=["params"], seeds=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainfree.score(WithToken, images, proxies=["params"], seeds=2)


@pytest.mark.parametrize(
    ("raised", "status", "score", "said"),
    [
        ("raise ValueError('bad draw')", "error", math.nan, "1 of 3 draws: ValueError: bad draw"),
        ("return float('-inf')", "singular", -math.inf, "1 of 3 draws: −∞ by definition"),
        ("return float('nan')", "not_finite", math.nan, "1 of 3 draws: the proxy returned NaN"),
    ],
)
def test_a_draw_that_failed_is_not_averaged_away(
    images, scratch_registry, raised, status, score, said
):
    namespace: dict[str, object] = {"calls": []}
    exec(
        "def now_and_then(candidate):\n    calls.append(0)\n"
        f"    if len(calls) == 2:\n        {raised}\n    return 1.0\n",
        namespace,
    )
    proxy = trainfree.proxy("now_and_then", cite="")(namespace["now_and_then"])
    row = trainfree.score(network(), images, proxies=[proxy], seeds=3).iloc[0]
    assert row["status"] == status
    assert row["score"] == score or math.isnan(row["score"]) is math.isnan(score) is True
    assert row["message"].startswith(said)


# ---------------------------------------------------------------- inputs


def test_arrays_lists_and_dictionaries_are_inputs_like_tensors(images, labels):
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(96, 64), nn.Linear(64, 4)

        def forward(self, first, second):
            joined = torch.cat([first.flatten(1), second.flatten(1)], 1)
            return self.last(torch.relu(self.first(joined)))

    proxies = ["naswot", "snip"]
    model = network()
    as_tensor = trainfree.score(model, images, labels, proxies=proxies)
    as_array = trainfree.score(model, images.numpy(), labels.numpy(), proxies=proxies)
    in_double = trainfree.score(model, images.double(), labels.tolist(), proxies=proxies)
    assert same(as_tensor, as_array)
    assert same(as_tensor, in_double)
    two = Two()
    placed = trainfree.score(two, (images, images + 1), labels, proxies=proxies)
    listed = trainfree.score(two, [images.numpy(), images + 1], labels, proxies=proxies)
    named = trainfree.score(two, {"second": images + 1, "first": images}, labels, proxies=proxies)
    assert same(placed, listed)
    assert same(placed, named)
    assert (placed["status"] == "ok").all()


def test_a_model_in_double_precision_is_scored_in_it(images, labels):
    model = network()
    single = trainfree.score(model, images, labels, proxies=["snip"])
    double = trainfree.score(model.double(), images, labels, proxies=["snip"])
    assert json.loads(double.attrs["config"])["dtype"] == {"Sequential": "float64"}
    assert single["score"][0] == pytest.approx(double["score"][0], rel=1e-4)
    assert single["score"][0] != double["score"][0]


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"proxies": ["naswott"]}, UnknownNameError, "did you mean 'naswot'"),
        ({"proxies": "naswot"}, TrainfreeError, r"write \['naswot'\]"),
        ({"proxies": []}, TrainfreeError, "at least one"),
        ({"proxies": [len]}, TrainfreeError, "decorated with @trainfree.proxy.*len"),
        ({"seeds": -1}, TrainfreeError, "seeds: expected a whole number from 0 on, found -1"),
        ({"seeds": 1.5}, TrainfreeError, "seeds: expected"),
        ({"seed": True}, TrainfreeError, "seed: expected"),
        ({"initialization": "glorot"}, UnknownNameError, "unknown initialization 'glorot'"),
        ({"device": "nonsense"}, TrainfreeError, "device: 'nonsense' cannot be used"),
        ({"loss": 5}, TrainfreeError, "loss: expected a function"),
        ({"blocks": "0"}, TrainfreeError, "blocks: expected a list"),
        ({"blocks": ["0", "9"]}, ModelError, "blocks: it has no submodule '9'"),
        ({"blocks": {"other": ["0"]}}, UnknownNameError, "unknown model in blocks 'other'"),
        ({"output": "logits"}, ModelError, "'Sequential'.*no part 'logits'"),
        ({"output": 0}, ModelError, "returns a tensor, which has no part 0"),
        ({"labels": torch.full((8,), 4)}, ModelError, "class numbers from 0 to 3"),
        ({"models": {}}, ModelError, "at least one"),
        ({"models": {3: nn.Linear(3, 4)}}, ModelError, "strings as names"),
        ({"models": {"x": 5}}, ModelError, "'x'"),
        ({"models": [nn.Linear(3, 4)]}, ModelError, "list"),
        ({"models": lambda: 5}, ModelError, "int"),
        ({"images": np.array(["x", "y"])}, ModelError, "numbers that torch knows"),
        ({"images": torch.zeros(1, 3, 4, 4)}, ModelError, "batch of one"),
        ({"images": torch.full(SHAPE, torch.nan)}, ModelError, "NaN"),
        ({"images": torch.randint(255, SHAPE, dtype=torch.uint8)}, ModelError, "uint8"),
        ({"images": torch.rand(8, 3, 9, 9)}, ModelError, "forward pass fails"),
        ({"labels": ["x"] * 8}, ModelError, "labels"),
        ({"labels": torch.zeros(3).long()}, ModelError, "one for each of the 8 images"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_a_sentence(images, arguments, kind, said):
    given = {"models": network(), "images": images, **arguments}
    with pytest.raises(kind, match=said):
        trainfree.score(**given)


def test_all_models_are_checked_before_any_is_scored(images, scratch_registry):
    asked = []

    @trainfree.proxy("noting", cite="")
    def noting(candidate):
        asked.append(candidate)
        return 1.0

    models = {"fine": network(), "other": nn.Sequential(nn.Flatten(), nn.Linear(5, 4))}
    with pytest.raises(ModelError, match="'other': its forward pass fails"):
        trainfree.score(models, images, proxies=["noting"])
    assert asked == []


def test_a_loss_an_output_and_blocks_of_ones_own(images, labels):
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network()

        def forward(self, x):
            return {"extra": x.mean(), "logits": self.body(x)}

    model, proxies = network(), ["snip", "grad_norm", "naswot", "params"]
    plain = trainfree.score(model, images, labels, proxies=proxies)
    parts = Parts()
    parts.body.load_state_dict(model.state_dict())
    given = {"images": images, "labels": labels, "proxies": proxies}
    for output in ("logits", lambda found: found["logits"]):
        found = trainfree.score(parts, output=output, **given)
        assert found["score"].to_numpy() == pytest.approx(plain["score"].to_numpy(), rel=1e-6)
    own = nn.functional.cross_entropy
    found = trainfree.score(model, loss=lambda logits, numbers: 2 * own(logits, numbers), **given)
    assert found["score"][0] == pytest.approx(2 * plain["score"][0], rel=1e-5)
    assert found["score"][2] == plain["score"][2]
    without = trainfree.score(
        model, images, loss=lambda logits: logits.square().mean(), proxies=["snip"]
    )
    assert without["status"].tolist() == ["ok"]
    ended = trainfree.score(
        {"a": model, "b": model},
        images,
        proxies=["az_expressivity"],
        blocks={"a": ["0", "2"]},
    ).set_index("model")
    assert ended.loc["a", "status"] == "ok"
    assert ended.loc["b", "status"] == "undefined"


# ---------------------------------------------------------------- what is left as it was


def process_state() -> dict[str, object]:
    return {
        "python": random.getstate(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
        ),
        "switches": (
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cuda.matmul.allow_tf32,
            torch.get_float32_matmul_precision(),
        ),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "denormal": 5e-324 * float("1") == 0,
        "warnings": list(warnings.filters),
        "errors": np.geterr(),
        "folder": os.getcwd(),  # noqa: PTH109
        "interrupt": signal.getsignal(signal.SIGINT),
    }


class Interrupting(nn.Module):
    """Raises while the second proxy is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(48, 4), [0]

    def __deepcopy__(self, memo: object) -> Interrupting:
        copied = Interrupting()
        copied.calls = self.calls
        return copied

    def forward(self, x):
        self.calls[0] += 1
        if self.calls[0] > 1:
            raise KeyboardInterrupt
        return torch.relu(self.layer(x.flatten(1)))


@pytest.mark.parametrize("inside", ["usual", "no_grad", "inference", "autocast", "double"])
def test_the_process_is_as_it_was_whatever_it_was(images, labels, scratch_registry, inside):
    @trainfree.proxy("careless", needs=["weights"], cite="")
    def careless(candidate):
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        raise RuntimeError

    contexts = {
        "no_grad": torch.no_grad,
        "inference": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu"),
    }
    model = network()
    expected = trainfree.score(model, images, labels, proxies=[*NUMBERS, "snip"], seeds=2)
    random.seed(5), np.random.seed(6), torch.manual_seed(7)  # noqa: NPY002
    if inside == "double":
        torch.set_default_dtype(torch.float64)
    try:
        with contexts.get(inside, torch.enable_grad)():
            before = process_state()
            found = trainfree.score(model, images, labels, proxies=[*NUMBERS, "snip"], seeds=2)
            trainfree.score(network, images, proxies=["careless"], seeds=1)
            assert process_state() == before
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(found, expected)


def test_the_process_is_as_it_was_after_an_interrupt(images, scratch_registry):
    @trainfree.proxy("interrupted", cite="")
    def interrupted(candidate):
        os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    model = Interrupting()
    torch.manual_seed(7)
    before = process_state()
    with pytest.raises(KeyboardInterrupt):
        trainfree.score(network, images, proxies=["params", "interrupted"], seeds=2)
    assert process_state() == before
    with pytest.raises(KeyboardInterrupt):
        trainfree.score(model, images, proxies=["naswot"])
    assert process_state() == before


def test_images_labels_and_models_are_left_as_they_are(images, labels, scratch_registry):
    @trainfree.proxy("writing", needs=["weights", "labels"], cite="")
    def writing(candidate):
        candidate.images.zero_()
        candidate.labels[:] = 0
        for weight in candidate.weights.values():
            weight.zero_()
        return 1.0

    model = network().train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    pixels, numbers = images.numpy(), labels.numpy()
    before = pixels.copy(), numbers.copy(), {k: v.clone() for k, v in model.state_dict().items()}
    trainfree.score(model, pixels, numbers, proxies=["writing", *NUMBERS, "snip"], seeds=2)
    assert np.array_equal(pixels, before[0])
    assert np.array_equal(numbers, before[1])
    assert all(torch.equal(before[2][key], each) for key, each in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))


def test_each_model_has_random_numbers_of_its_own_whatever_else_is_scored(images):
    def scores(*names: str) -> pd.Series:
        models = {name: network() for name in names}
        table = trainfree.score(models, images, proxies=["random", "l2_norm"], seeds=1)
        return table.set_index(["model", "proxy"])["score"]

    both, one = scores("a", "b"), scores("b")
    assert both["a", "random"] != both["b", "random"]
    assert both["a", "l2_norm"] != both["b", "l2_norm"]
    assert both["b", "random"] == one["b", "random"]
    assert both["b", "l2_norm"] == one["b", "l2_norm"]
