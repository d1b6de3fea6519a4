"""What cannot be scored: each case has a sentence that says what was found and what to do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

import trainfree
from trainfree.errors import ModelError
from trainfree.scoring.modules.checks import (
    check_inputs,
    check_model,
    check_output,
    copied,
    first_output,
)

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGES = torch.rand(4, 3, 8, 8)
LABELS = torch.tensor([0, 1, 2, 0])


def small(**words: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, **words), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3, **words)
    )


class Hidden(nn.Module):
    """Holds its layer where torch does not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(3, 3)]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.linear(x + y)


def with_parameter(parameter: nn.Parameter) -> nn.Module:
    model = small()
    model.extra = parameter
    return model


def on_two_devices() -> nn.Module:
    """One parameter is said to lie elsewhere: there is one real device here."""

    class Elsewhere(nn.Parameter):
        device = torch.device("cuda:1")

    return with_parameter(Elsewhere(torch.ones(2)))


def compiled_in_place() -> nn.Module:
    model = small()
    model[0].compile(backend="eager")
    return model


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(small(), {nn.Linear}, dtype=torch.qint8)


def traced() -> nn.Module:
    return torch.jit.trace(small(), IMAGES)


def exported() -> object:
    return torch.export.export(small(), (IMAGES,))


def wrapped_in(name: str) -> nn.Module:
    """A class of a name and place as torch's; those need processes that talk to each other."""
    kind = type(name, (nn.Module,), {"__module__": "torch.distributed.somewhere"})
    model = kind()
    model.module = small()
    return model


def sharded() -> nn.Module:
    from torch.testing._internal.two_tensor import TwoTensor

    return with_parameter(nn.Parameter(TwoTensor(torch.ones(2), torch.ones(2))))


MODELS: dict[str, tuple[Callable[[], object], str]] = {
    "a class": (lambda: nn.Flatten, "the class Flatten itself; make one, as in Flatten()"),
    "weights": (lambda: small().state_dict(), "a dictionary of tensors, as state_dict()"),
    "a name": (lambda: "resnet18", "the text 'resnet18'; load the model"),
    "a function": (lambda: small, "the function 'small'; call it if it makes a model"),
    "a number": (lambda: 3, "expected a torch.nn.Module, found int"),
    "nothing": (lambda: None, "expected a torch.nn.Module, found None"),
    "exported": (exported, "an exported program, which holds operations for one size of batch"),
    "traced": (traced, "scripted or traced by torch.jit, so"),
    "traced inside": (
        lambda: nn.Sequential(traced()),
        "scripted or traced by torch.jit (submodule '0'), so",
    ),
    "compiled": (lambda: torch.compile(small()), "pass the model that was compiled"),
    "compiled in place": (compiled_in_place, "by its method compile() (submodule '0')"),
    "data parallel": (lambda: nn.DataParallel(small()), "it is wrapped in DataParallel; pass"),
    "distributed": (lambda: wrapped_in("DistributedDataParallel"), "in DistributedDataParallel;"),
    "fsdp": (lambda: wrapped_in("FullyShardedDataParallel"), "FullyShardedDataParallel (FSDP);"),
    "sharded tensors": (sharded, "parameter 'extra' is of the tensor class TwoTensor"),
    "quantised": (quantised, "it is quantised (submodule '3'): Linear holds whole numbers"),
    "8 bits": (
        lambda: with_parameter(nn.Parameter(torch.ones(2, dtype=torch.int8), requires_grad=False)),
        "parameter 'extra' holds whole numbers (int8)",
    ),
    "no parameters": (lambda: nn.Sequential(nn.ReLU()), "it has no parameters"),
    "hidden parameters": (Hidden, "as an nn.ModuleList, not as a plain list"),
    "lazy": (lambda: nn.LazyLinear(3), "parameter 'weight' has no shape yet, as in lazy modules"),
    "lazy buffers": (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyBatchNorm1d(affine=False)),
        "buffer '1.running_mean' has no shape yet",
    ),
    "meta": (lambda: small(device="meta"), "parameter '0.weight' is on the meta device"),
    "two devices": (on_two_devices, "on several devices (cpu, cuda:1); move it to one"),
    "half": (lambda: small().half(), "parameter '0.weight' is in lower precision (float16)"),
    "bfloat16": (lambda: small().bfloat16(), "in lower precision (bfloat16), too coarse"),
    "complex": (lambda: nn.Linear(2, 2, dtype=torch.complex64), "is complex (complex64)"),
    "sparse": (
        lambda: with_parameter(nn.Parameter(torch.eye(2).to_sparse())),
        "parameter 'extra' is sparse (torch.sparse_coo); make it dense",
    ),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_each_model_that_cannot_be_scored_is_told_why(case):
    made, sentence = MODELS[case]
    with pytest.raises(ModelError) as raised:
        check_model(made(), "mine")
    text = str(raised.value)
    assert text.startswith("model 'mine': ")
    assert sentence in text
    assert "\n" not in text


def frozen() -> nn.Module:
    return small().requires_grad_(False)


def converted() -> nn.Module:
    model = small()
    model.compile(backend="eager")
    return copy.deepcopy(model)


@pytest.mark.parametrize(
    "model",
    [
        small(),
        small().double(),
        small().eval(),
        frozen(),
        nn.Linear(2, 2),  # without any activation
        torch.fx.symbolic_trace(small()),
        converted(),
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),  # has a buffer of whole numbers
        torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_that_can_be_scored_pass(model):
    check_model(model, "mine")
    assert copied(model, "mine") is not model


def test_what_cannot_be_copied_is_told_why():
    with pytest.warns(FutureWarning, match="weight_norm"):
        normed = nn.utils.weight_norm(nn.Linear(8, 3))
    normed(torch.rand(2, 8))
    with pytest.raises(ModelError, match="keeps a tensor that a forward pass computed; the older"):
        copied(normed, "mine")
    model = small()
    model.generator = (number for number in range(3))
    with pytest.raises(ModelError, match=r"cannot copy it \(TypeError: cannot pickle 'generator'"):
        copied(model, "mine")


INPUTS: dict[str, tuple[object, str]] = {
    "none": (None, "no images: found None"),
    "an empty tuple": ((), "no images: found an empty tuple"),
    "an empty dictionary": ({}, "no images: found an empty dict"),
    "a text": ("cat.png", "images: expected a tensor (B, …), found str"),
    "an option": ({"x": IMAGES, "train": True}, "images['train']: expected a tensor (B, …), found"),
    "none inside": ((IMAGES, None), "images[1]: expected a tensor (B, …), found None"),
    "a loader": (DataLoader(TensorDataset(IMAGES)), "take one, as in images, labels = next("),
    "a batch of none": (IMAGES[:0], "found a batch of none ((0, 3, 8, 8) float32 on cpu)"),
    "a batch of one": (IMAGES[:1], "at least 2, found a batch of one ((1, 3, 8, 8) float32"),
    "a number": (torch.tensor(3.0), "images: expected a tensor (B, …), found a single number"),
    "other sizes": ((IMAGES, IMAGES[:3]), "found: images[0] has 4, images[1] has 3; the first"),
    "nan": (IMAGES.log() * 0 + torch.nan, "images: 768 of 768 numbers are NaN or infinite, the"),
    "inf": (torch.full((2, 3), -torch.inf), "6 of 6 numbers are NaN or infinite, the first at (0,"),
    "nan inside": ({"x": (IMAGES, IMAGES * torch.nan)}, "images['x'][1]: 768 of 768 numbers are"),
    "complex": (torch.zeros(2, 3, dtype=torch.complex64), "images: is complex ((2, 3) complex64"),
    "meta": (torch.zeros(2, 3, device="meta"), "images: is on the meta device"),
    "sparse": (torch.eye(2).to_sparse(), "expected a dense tensor, found a nested or sparse one"),
    "packed": (
        pack_padded_sequence(torch.rand(2, 3, 4), torch.tensor([3, 2]), batch_first=True),
        "images: a packed sequence has no dimension for the batch; pass the padded",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_each_input_that_is_no_mini_batch_is_told_why(case):
    inputs, sentence = INPUTS[case]
    with pytest.raises(ModelError) as raised:
        check_inputs(inputs, None, "mine")
    assert str(raised.value).startswith("model 'mine': ")
    assert sentence in str(raised.value)


def test_inputs_of_all_forms_pass():
    mask = torch.full((4, 2), -torch.inf)
    for inputs in (IMAGES, (IMAGES, mask), {"x": IMAGES, "more": [LABELS, {"mask": mask}]}):
        check_inputs(inputs, LABELS, "mine")
    check_inputs(torch.randint(255, (4, 3, 8, 8), dtype=torch.uint8), None, "mine")


TEXTS_OF_LABELS: dict[str, tuple[object, str]] = {
    "a list": ([0, 1, 2, 0], "expected a tensor of class numbers (B,), found list; convert them"),
    "too few": (LABELS[:3], "one for each of the 4 images, found (3,) int64 on cpu"),
    "one number": (torch.tensor(1), "one for each of the 4 images, found () int64"),
    "floats": (LABELS.float(), "cross-entropy needs class numbers (int64), found (4,) float32"),
    "truth values": (LABELS.bool(), "cross-entropy needs class numbers (int64), found (4,) bool"),
}


@pytest.mark.parametrize("case", TEXTS_OF_LABELS)
def test_labels_that_do_not_fit_are_told_why(case):
    labels, sentence = TEXTS_OF_LABELS[case]
    with pytest.raises(ModelError) as raised:
        check_inputs(IMAGES, labels, "mine")
    assert str(raised.value).startswith("model 'mine': labels: ")
    assert sentence in str(raised.value)


def test_a_loss_of_ones_own_takes_any_labels():
    check_inputs(IMAGES, LABELS.float(), "mine", own_loss=True)
    check_output(torch.rand(4), LABELS.float(), 4, "mine", own_loss=True)


OUTPUTS: dict[str, tuple[object, Tensor | None, str]] = {
    "a tuple": ((torch.rand(4, 3),), None, "expected a tensor (B, …), found tuple; name the part"),
    "a dictionary": ({"out": LABELS}, None, "found dict; name the part that holds the logits"),
    "classes": (LABELS, None, "output: expected real numbers, found (4,) int64 on cpu"),
    "complex": (torch.zeros(4, 3, dtype=torch.complex64), None, "expected real numbers, found"),
    "one number": (torch.tensor(1.0), None, "expected 4 entries in the first dimension"),
    "batch second": (torch.rand(7, 4, 3), None, "tensor.transpose(0, 1)"),
    "no classes": (torch.rand(4), LABELS, "cross-entropy needs logits (B, classes), found (4,)"),
    "pixels": (
        torch.rand(4, 3, 8, 8),
        LABELS,
        "for logits (4, 3, 8, 8) expected class numbers (4, 8, 8), found (4,)",
    ),
    "one-hot": (torch.rand(4, 3), torch.eye(4, 3).long(), "expected class numbers (4,), found"),
    "too large": (torch.rand(4, 2), LABELS, "from 0 to 1 for 2 logits, found 0 to 2; number the"),
    "negative": (torch.rand(4, 3), LABELS - 1, "from 0 to 2 for 3 logits, found -1 to 1"),
    "to ignore": (
        torch.rand(4, 3, 2),
        torch.tensor([[0, 255]] * 4),
        "found 0 to 255; number the classes from 0, and where a number means 'ignore'",
    ),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs_without_logits_are_told_why(case):
    output, labels, sentence = OUTPUTS[case]
    with pytest.raises(ModelError) as raised:
        check_output(output, labels, 4, "mine")
    assert str(raised.value).startswith("model 'mine': ")
    assert sentence in str(raised.value)


def test_outputs_that_fit_pass():
    check_output(torch.rand(4, 3), LABELS, 4, "mine")
    check_output(torch.rand(4, 3, 2, 2), LABELS[:, None, None].expand(4, 2, 2), 4, "mine")
    check_output(torch.rand(4, 3, 2, 2), None, 4, "mine")


def tokens() -> nn.Module:
    return nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(8, 3))


FAILING: dict[str, tuple[Callable[[], nn.Module], object, str]] = {
    "shape": (
        small,
        torch.rand(4, 3, 9, 9),
        "((4, 3, 9, 9) float32 on cpu): RuntimeError: mat1 and mat2 shapes cannot be multiplied "
        "(4x196 and 144x3); give inputs of the shape that the model is made for",
    ),
    "double": (small, IMAGES.double(), "as in images.to(torch.float32)"),
    "pixels": (small, (IMAGES * 255).byte(), "as in images.float() / 255; if they are tokens"),
    "one input": (TwoInputs, torch.rand(4, 3), "several inputs are given as a tuple"),
    "three inputs": (TwoInputs, (torch.rand(4, 3),) * 3, "several inputs are given as a tuple"),
    "other names": (TwoInputs, {"x": torch.rand(4, 3), "z": torch.rand(4, 3)}, "by their names"),
    "float tokens": (tokens, torch.rand(4, 2), "as in tokens.long()"),
    "unknown tokens": (tokens, torch.full((4, 2), 10), "below the size of the vocabulary"),
    "device": (small, torch.zeros(4, 3, 8, 8, device="meta"), "the weights lie on cpu, an input"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_forward_pass_that_fails_is_told_with_its_inputs(case):
    made, inputs, sentence = FAILING[case]
    with pytest.raises(ModelError) as raised:
        first_output(made(), inputs, "mine")
    text = str(raised.value)
    assert text.startswith("model 'mine': its forward pass fails for these inputs (")
    assert sentence in text
    assert "\n" not in text


def test_a_forward_pass_that_holds_returns_what_the_model_does():
    model = TwoInputs()
    x, y = torch.rand(2, 4, 3)
    expected = model(x, y)
    assert torch.equal(first_output(model, (x, y), "mine"), expected)
    assert torch.equal(first_output(model, {"y": y, "x": x}, "mine"), expected)
    assert torch.equal(first_output(model.linear, x + y, "mine"), expected)


LOSSES: dict[str, tuple[Callable[..., Any], Tensor, str]] = {
    "none": (lambda output, labels: None, LABELS, "loss: expected a tensor of one number, found"),
    "one per image": (
        lambda output, labels: (output - labels[:, None]) ** 2,
        LABELS,
        "loss: expected a tensor of one number, found (4, 3)",
    ),
    "stretched": (
        nn.functional.mse_loss,
        torch.rand(4),
        "its loss fails for the output (4, 3) float32 on cpu and labels (4,) float32 on cpu: "
        "UserWarning: Using a target size",
    ),
    "other shapes": (
        lambda output, labels: (output @ labels).sum(),
        torch.rand(4),
        "labels of the shape that it takes",
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_that_cannot_be_had_is_told_why(case):
    loss, labels, sentence = LOSSES[case]
    with pytest.raises(ModelError) as raised:
        trainfree.score(small(), IMAGES, labels=labels, loss=loss, proxies=["snip"])
    assert str(raised.value).startswith("model 'Sequential': ")
    assert sentence in str(raised.value)


class ForOneSize(nn.Module):
    """Knows how many images there are."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x.view(4, 192)))


def test_a_model_for_one_size_of_batch_is_told_why():
    with pytest.raises(ModelError, match="on all 4 images, but not on 2 of them"):
        first_output(ForOneSize(), IMAGES, "mine")


def test_images_that_are_all_the_same_are_told_why():
    with pytest.raises(ModelError, match="all 4 are the same, and proxies compare"):
        check_inputs((torch.ones(4, 3), torch.zeros(4)), None, "mine")
    check_inputs((torch.ones(4, 3), torch.arange(4)), None, "mine")


@pytest.mark.parametrize(
    ("model", "frozen", "undefined"),
    [
        (small(), True, ["grad_norm", "ntk_condition", "snip", "zico"]),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), False, ["naswot", "swap"]),
    ],
)
def test_frozen_models_and_those_without_activations_have_the_other_scores(
    model, frozen, undefined
):
    model = copy.deepcopy(model).requires_grad_(not frozen)
    chosen = ["grad_norm", "naswot", "ntk_condition", "params", "snip", "swap", "zico", "jacob_cov"]
    table = trainfree.score(model, IMAGES, labels=LABELS, proxies=chosen).set_index("proxy")
    assert sorted(table.index[table["status"] == "undefined"]) == undefined
    assert (table["status"].drop(undefined) == "ok").all()
    assert set(table["message"][undefined]) <= {
        "all parameters are frozen, so none has a gradient",
        "the model executes no activation that sees the images",
    }
