"""Builders of the packages, called without weights: nothing is downloaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import nn

from trainfree.errors import ModelError
from trainfree.spaces.zoo.families import family_of

OPERATORS = "torchvision::"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def build(package: str, name: str, classes: int, image_size: int) -> nn.Module:
    """Return a new network of a package.

    Parameters
    ----------
    package
        pytorchcv, torchvision or timm.
    name
        Of the builder.
    classes
        Width of its last layer.
    image_size
        Height and width of its images in pixels. The few that are built for one size take it.

    Raises
    ------
    ModelError
        When the package is not installed, or has no builder of that name.
    """
    try:
        return _without_masks(_BUILDERS[package](name, classes, image_size))
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{name}: the package {package} builds it, and {error.name or package} is not "
            "installed; install it with pip install 'trainfree[zoo]'"
        ) from error


def _without_masks(model: nn.Module) -> nn.Module:
    """Make buffers of parameters that no training changes, such as the masks of X-DenseNet.

    The published numbers of parameters are without them, and they are no weights to draw.
    """
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and not parameter.requires_grad:
                del module._parameters[name]
                module.register_buffer(name, parameter.detach())
    return model


def _of_pytorchcv(name: str, classes: int, image_size: int) -> nn.Module:
    """Return a network of pytorchcv.

    Its module is imported and not the list of all models: one of these needs operators of
    torchvision, which beside another build of torch cannot be loaded.
    """
    package, family = import_module("pytorchcv"), family_of("pytorchcv", name).name
    if find_spec(f"pytorchcv.models.{family}_cifar") is None:
        raise _no_builder(package, name)
    make = _builder(import_module(f"pytorchcv.models.{family}_cifar"), name)
    return make(num_classes=classes, in_size=(image_size, image_size), pretrained=False)


def _of_torchvision(name: str, classes: int, image_size: int) -> nn.Module:
    make = _builder(loaded("torchvision.models"), name)
    # The published numbers of parameters are without these two heads; they take no part in logits.
    own: dict[str, Any] = {"googlenet": {"aux_logits": False, "init_weights": True}}.get(name, {})
    if name == "inception_v3":
        own = {"init_weights": True}
    if name.startswith("vit_"):
        own = {"image_size": image_size}
    if name.startswith("maxvit"):
        own = {"input_size": (image_size, image_size)}
    return make(weights=None, num_classes=classes, **own)


def _of_timm(name: str, classes: int, image_size: int) -> nn.Module:
    timm = loaded("timm")
    if not timm.is_model(name):
        raise _no_builder(timm, name)
    model: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
    return model


_BUILDERS: dict[str, Callable[[str, int, int], nn.Module]] = {
    "pytorchcv": _of_pytorchcv,
    "torchvision": _of_torchvision,
    "timm": _of_timm,
}


def loaded(name: str) -> ModuleType:
    """Return a module that needs torchvision, also beside a torch that cannot load its operators.

    Its wheel is built for one build of torch; beside another (that for processors alone) importing
    it fails where it describes two operators, of which no classifier has any.
    """
    try:
        return import_module(name)
    except RuntimeError as error:
        if OPERATORS not in str(error):
            raise
    for other in [other for other in sys.modules if other.partition(".")[0] == "torchvision"]:
        del sys.modules[other]
    for operator in ("nms", "qnms"):
        torch.library.define(f"{OPERATORS}{operator}", _SCHEMA)
    return import_module(name)


def _builder(module: ModuleType, name: str) -> Callable[..., nn.Module]:
    make: Callable[..., nn.Module] | None = getattr(module, name, None)
    if make is None:
        raise _no_builder(module, name)
    return make


def _no_builder(module: ModuleType, name: str) -> ModelError:
    return ModelError(
        f"{name}: {module.__name__} {getattr(module, '__version__', '')} has no builder of that "
        "name; install the version that requirements/constraints.txt names"
    )
