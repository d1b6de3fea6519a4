"""The presets of searches for convolutional cells by ENAS: the published ones and a reduced one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainfree.errors import UnknownNameError
from trainfree.weight_sharing.convolutional.settings import (
    SECTION,
    ControllerSettings,
    EnasConvolutionalSettings,
    Schedule,
    Weights,
)

REDUCED = "reduced"
_PAPER_SHARED = Weights(
    cells=8,
    channels=20,
    epochs=150,
    batch_size=160,
    rate=Schedule(0.05, 0.0005),
    weight_decay=2e-4,
    kept=0.9,
    auxiliary=True,
)
_PAPER_CONTROLLER = ControllerSettings(
    hidden=64,
    temperature=0.0,
    tanh_constant=1.10,
    operation_divisor=2.5,
    convolution_start=10.0,
    convolution_bias=0.5,
    optimizer="adam",
    rate=Schedule(0.0035, 0.0035),
    baseline_decay=0.99,
    entropy_weight=1e-4,
    steps=30,
    samples=10,
)
_PAPER: dict[str, Any] = {
    "nodes": 5,
    "weight_images": 45_000,
    "reward_images": 5_000,
    "test_images": 0,
    "shrink": 1,
    "shared": _PAPER_SHARED,
    "controller": _PAPER_CONTROLLER,
    "retrained": Weights(
        cells=17,
        channels=36,
        epochs=630,
        batch_size=144,
        rate=Schedule(0.05, 0.0001),
        weight_decay=4e-4,
        kept=0.8,
        kept_paths=0.6,
        auxiliary=True,
    ),
    "shown": 10,
    "candidates": 100,
    "candidate_images": 5_000,
    "random": 10,
}
_PRESETS: dict[str, dict[str, Any]] = {
    REDUCED: {
        **_PAPER,
        "weight_images": 5_000,
        "reward_images": 3_000,
        "test_images": 2_000,
        "shrink": 2,
        "shared": replace(
            _PAPER_SHARED,
            cells=5,
            channels=8,
            epochs=40,
            batch_size=64,
            rate=Schedule(0.05, 0.0005, period=40),
            clip=5.0,
            auxiliary=False,
        ),
        "controller": replace(_PAPER_CONTROLLER, steps=12, samples=5),
        "retrained": Weights(
            cells=5,
            channels=8,
            epochs=8,
            batch_size=64,
            rate=Schedule(0.05, 0.0005, period=8),
            weight_decay=4e-4,
            clip=5.0,
        ),
        "candidates": 10,
        "candidate_images": 640,
        "random": 4,
    },
    "paper": _PAPER,
    "document": {
        **_PAPER,
        "weight_images": 25_000,
        "reward_images": 25_000,
        "controller": replace(
            _PAPER_CONTROLLER,
            hidden=100,
            temperature=5.0,
            tanh_constant=2.5,
            operation_divisor=1.0,
            convolution_start=0.0,
            convolution_bias=0.0,
            optimizer="momentum",
            rate=Schedule(0.05, 0.0001),
            baseline_decay=0.95,
            entropy_weight=0.1,
        ),
    },
}


def preset_names() -> list[str]:
    """Return the names of the presets."""
    return list(_PRESETS)


def preset_settings(name: str, dataset: str, seed: int) -> EnasConvolutionalSettings:
    """Return the settings of a preset.

    ``paper``: melodyguan/enas, ``scripts/cifar10_micro_search.sh`` and ``cifar10_micro_final.sh``,
    and what ``src/cifar10/main.py`` fixes. Its weight of the L2 norm counts squares, so that the
    decay is twice that; its clipping puts unclipped gradients back, so that there is none.
    ``document``: the controller's options as in the command line for ENAS-pytorch, whose other
    options have that program's defaults; the rest is as in ``paper``.
    ``reduced``: for two cores.

    Raises
    ------
    UnknownNameError
        When there is no such preset.
    """
    if name not in _PRESETS:
        raise UnknownNameError(f"preset of {SECTION}", name, preset_names())
    return EnasConvolutionalSettings(dataset=dataset, seed=seed, preset=name, **_PRESETS[name])


def scale_of(settings: EnasConvolutionalSettings) -> str:
    """Return in words at what scale a search runs: as published, or how far reduced."""
    name = settings.preset
    if name != REDUCED and settings == preset_settings(name, settings.dataset, settings.seed):
        return f"published settings ({name})"
    size = f" of 1/{settings.shrink} the side" if settings.shrink > 1 else ""
    return (
        f"reduced: {settings.weight_images:,} images{size}, {settings.shared.epochs} epochs of "
        f"shared weights, {settings.retrained.epochs} of each network alone"
    )
