"""How much memory and time a scoring job asks a batch system for. Needs no torch."""

from __future__ import annotations

from math import ceil, prod
from pathlib import Path

from trainfree.images.datasets import spec_of
from trainfree.outside.extensions import load_files
from trainfree.proxies import load_proxy
from trainfree.scoring.settings.drawn import parts_of
from trainfree.scoring.settings.setting import Setting
from trainfree.spaces import build_network, describes_networks, load_space
from trainfree.spaces.network import Conv

ENGINE_MB, ENGINE_MINUTES = 3000, 60
"""Enough for what keeps no map longer than its last reader needs it."""
KEEPING_MINUTES = 240
_START_MB = 1000
_KEPT_MAPS = 700
"""Maps as large as the stem's output: 640 were measured in NAS-Bench-201 with all proxies."""
_MODULE_CHANNELS = 16
"""What a torch module is taken for: a stem of so many channels at the size of the images."""
_KEEPING = frozenset({"gradients", "jacobian", "image_gradients", "images", "random"})
"""Who asks for images runs the module on them, and most likely back."""


def job_memory_mb(setting: Setting) -> int:
    """Return megabytes; more with the mini-batch where proxies go back through the network.

    These keep the maps of the whole network and what is passed back to each of them. A torch
    module is not built for this, so what it needs is a guess; it keeps maps for any proxy.
    """
    if not _keeps_maps(setting):
        return ENGINE_MB
    images = spec_of(setting.dataset)
    if describes_networks(setting.space):
        stem_units = _stem_units(setting)
    else:
        stem_units = _MODULE_CHANNELS * images.image_size**2
    kept = setting.batch_size * _KEPT_MAPS * stem_units * 4
    return max(ENGINE_MB, _START_MB + ceil(kept / 1e6))


def _stem_units(setting: Setting) -> int:
    """Return the units of the first convolution's output."""
    space, images = load_space(setting.space), spec_of(setting.dataset)
    network = build_network(space, space.warm_up_architecture, images.image_size, images.classes)
    stem = next(n for n, node in enumerate(network.nodes) if isinstance(node, Conv))
    return prod(network.shapes[stem])


def job_minutes(setting: Setting) -> int:
    """Return minutes; more where proxies go back through the network.

    Proxies on other mini-batches or weights are computed one part after the other.
    """
    load_files(Path(path) for path, _ in setting.extra)
    parts = parts_of(setting)
    return sum(KEEPING_MINUTES if _keeps_maps(part) else ENGINE_MINUTES for part in parts)


def _keeps_maps(setting: Setting) -> bool:
    load_files(Path(path) for path, _ in setting.extra)
    if not describes_networks(setting.space):
        return True
    return any(_KEEPING & load_proxy(name).needs for name in setting.proxies)
