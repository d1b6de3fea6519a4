"""Networks as they are used, for tests and for the matrix of the documentation.

Those of torchvision are its own, unchanged; the others are written as their tasks' textbooks have
them. Images are small, so that all can be scored on a CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 8
CLASSES = 10


@dataclass(frozen=True)
class RealModel:
    """A network with a mini-batch of its task.

    Attributes
    ----------
    build
        Makes it, with weights of its own initialisation.
    inputs
        Makes the mini-batch from a generator.
    classes
        Of the labels; 0 for a task without classes.
    places
        Shape of an image's labels, () for one label an image.
    loss
        None for cross-entropy.
    slow
        Whether it takes more than a few seconds.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[torch.Generator], Any]
    classes: int = CLASSES
    places: tuple[int, ...] = ()
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    slow: bool = False

    def made(self, seed: int = 0) -> nn.Module:
        """Return the network with weights drawn by a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()

    def batch(self, seed: int = 0) -> tuple[Any, Tensor]:
        """Return inputs and labels drawn by a seed."""
        generator = torch.Generator().manual_seed(seed)
        inputs = self.inputs(generator)
        if not self.classes:
            return inputs, torch.randn(BATCH, 1, generator=generator)
        shape = (BATCH, *self.places)
        return inputs, torch.randint(self.classes, shape, generator=generator)


def torchvision_models() -> ModuleType:
    """Return ``torchvision.models``, also beside a torch that cannot load its operators.

    Its wheel is built for one build of torch; beside another (that for the CPU alone) its operators
    are missing, and importing it fails where it describes two of them. The models need none.
    """
    try:
        return import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    for name in ("nms", "qnms"):
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    return import_module("torchvision.models")


def of_torchvision(name: str) -> Callable[[], nn.Module]:
    """Return what makes a classifier of torchvision."""
    return lambda: getattr(torchvision_models(), name)(num_classes=CLASSES)


def small_vit() -> nn.Module:
    """Return torchvision's vision transformer, small, its head drawn rather than zero."""
    model: nn.Module = torchvision_models().VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=4,
        num_heads=4,
        hidden_dim=64,
        mlp_dim=128,
        num_classes=CLASSES,
    )
    model.heads.head.reset_parameters()  # zeros there let no gradient through
    return model


def deeplabv3() -> nn.Module:
    """Return torchvision's segmentation network; its output is a dictionary."""
    torchvision_models()
    segmentation = import_module("torchvision.models.segmentation")
    model: nn.Module = segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=CLASSES
    )
    return model


def conv1d() -> nn.Module:
    """Return a convolution net for series of numbers, with strides, dilation and groups."""
    return nn.Sequential(
        *(nn.Conv1d(2, 16, 7, stride=2, padding=3), nn.BatchNorm1d(16), nn.ReLU()),
        *(nn.Conv1d(16, 32, 3, padding=2, dilation=2), nn.BatchNorm1d(32), nn.LeakyReLU()),
        *(nn.Conv1d(32, 32, 3, padding=1, groups=4), nn.BatchNorm1d(32), nn.ReLU()),
        *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES)),
    )


def mlp() -> nn.Module:
    """Return a perceptron with two hidden layers and dropout."""
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(3 * 8 * 8, 64), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES)),
    )


class LSTMClassifier(nn.Module):
    """Classifies texts, given as tokens."""

    def __init__(self, words: int = 100, features: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, features)
        self.lstm = nn.LSTM(features, features, num_layers=2, batch_first=True)
        self.head = nn.Linear(features, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        return self.head(states[:, -1])


class UNet(nn.Module):
    """Two scales, transposed convolution, skipped connection: logits for each pixel."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.down = self._twice(3, width)
        self.bottom = self._twice(width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.out = self._twice(2 * width, width)
        self.head = nn.Conv2d(width, CLASSES, 1)

    @staticmethod
    def _twice(inside: int, outside: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside)),
            *(nn.ReLU(inplace=True), nn.Conv2d(outside, outside, 3, padding=1, bias=False)),
            *(nn.BatchNorm2d(outside), nn.ReLU(inplace=True)),
        )

    def forward(self, image: Tensor) -> Tensor:
        high = self.down(image)
        low = self.bottom(F.max_pool2d(high, 2))
        return self.head(self.out(torch.cat([high, self.up(low)], dim=1)))


class Regression(nn.Module):
    """One number an image, with functional activations."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 1)

    def forward(self, image: Tensor) -> Tensor:
        features = F.silu(self.norm(self.first(image)))
        features = features + torch.tanh(self.second(features))
        return self.head(features.mean((2, 3)))


class SequenceFirst(nn.Module):
    """A transformer encoder that works on (length, batch, features), as torch's does by default."""

    def __init__(self, words: int = 100, features: int = 32, length: int = 12) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, features)
        self.position = nn.Parameter(torch.randn(length, 1, features) / features**0.5)
        layer = nn.TransformerEncoderLayer(features, nhead=4, dim_feedforward=64)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(features, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        sequence = self.embedding(tokens).transpose(0, 1) + self.position
        return self.head(self.encoder(sequence).mean(0))


def images(size: int) -> Callable[[torch.Generator], Tensor]:
    """Return what draws images of a size."""
    return lambda generator: torch.randn(BATCH, 3, size, size, generator=generator)


def tokens(generator: torch.Generator) -> Tensor:
    """Draw texts of 12 words."""
    return torch.randint(100, (BATCH, 12), generator=generator)


REAL_MODELS: dict[str, RealModel] = {
    "resnet18": RealModel(of_torchvision("resnet18"), images(32), slow=True),
    "vgg11_bn": RealModel(of_torchvision("vgg11_bn"), images(32), slow=True),
    "mobilenet_v2": RealModel(of_torchvision("mobilenet_v2"), images(32), slow=True),
    "mobilenet_v3_small": RealModel(of_torchvision("mobilenet_v3_small"), images(32)),
    "efficientnet_b0": RealModel(of_torchvision("efficientnet_b0"), images(32), slow=True),
    "densenet121": RealModel(of_torchvision("densenet121"), images(32), slow=True),
    "shufflenet_v2": RealModel(of_torchvision("shufflenet_v2_x0_5"), images(32), slow=True),
    "convnext_tiny": RealModel(of_torchvision("convnext_tiny"), images(32), slow=True),
    "small ViT": RealModel(small_vit, images(32)),
    "deeplabv3": RealModel(deeplabv3, images(32), places=(32, 32), slow=True),
    "1-D convolutions": RealModel(conv1d, lambda g: torch.randn(BATCH, 2, 64, generator=g)),
    "MLP": RealModel(mlp, images(8)),
    "LSTM of tokens": RealModel(LSTMClassifier, tokens),
    "U-Net": RealModel(UNet, images(16), places=(16, 16)),
    "regression (MSE)": RealModel(Regression, images(16), classes=0, loss=F.mse_loss),
    "transformer of tokens": RealModel(SequenceFirst, tokens),
}
"""By the names that the documentation gives them."""
