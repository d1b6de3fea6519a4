"""What a GPU computes in groups of architectures, and when a GPU pays. Needs no torch.

Nothing here is part of a :class:`~trainfree.scoring.settings.setting.Setting`, as the device is
not. Files and the store of columns say what was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

from trainfree.errors import UnknownNameError
from trainfree.proxies import PROXY_NAMES, load_proxy

DeviceChoice = Literal["auto", "cpu", "cuda"]
Device = Literal["cpu", "cuda"]
Capability = tuple[int, int]
"""Compute capability of a GPU, (major, minor)."""
OLDEST_CAPABILITY: Capability = (8, 0)
"""Earlier tensor cores know no TF32, and groups are not computed on them."""

OLDEST_TRITON = (3, 5)
"""Earlier ones do not multiply matrices of float64, as the synaptic flow needs."""

OF_CODES = frozenset({"naswot", "naswot_official", "naswot_normalised", "swap"})
"""Proxies of the suite that read binary codes, which a GPU computes in groups."""
OF_GROUPS = OF_CODES | {"synflow"}
"""All proxies of the suite that a GPU computes in groups."""
ALSO_OF_CODES = frozenset({"lswag", "swap_regularised"})
"""Those that read codes and what takes passes of its own: beside proxies of groups, codes come with
the group."""
COUNTING = frozenset({"params", "flops", "relu_units", "trainable_tensors", "vkdnw"})
"""Those that read counts of a network: beside proxies of groups, counts come with the group."""
WITHOUT_PASS = frozenset(
    {"params", "flops", "relu_units", "trainable_tensors", "random", "constant", "l2_norm"}
)
"""Those that run no network."""

Work = Literal["none", "engine", "passes"]
"""What scoring has to do: no pass through a network, only passes that the compiled engine of
processors makes (forward, and without gradients), or others."""


class Chosen(NamedTuple):
    """A device, and why it was chosen."""

    device: Device
    why: str


def has_triton() -> bool:
    """Whether Triton is installed, which the engine for groups is written in, and new enough."""
    try:
        parts = version("triton").split(".")
    except PackageNotFoundError:
        return False
    return tuple(int(part) for part in parts[:2] if part.isdecimal()) >= OLDEST_TRITON


def work_of(proxies: Iterable[str], *, described: bool) -> Work:
    """Return what scoring with ``proxies`` has to do.

    Parameters
    ----------
    described
        Whether architectures are networks as data; torch modules are not for the engine.
    """
    names = set(proxies)
    if all(name in WITHOUT_PASS or _is_free(name) for name in names):
        return "none"
    return "engine" if described and names <= OF_GROUPS | WITHOUT_PASS else "passes"


def _is_free(name: str) -> bool:
    """Whether a proxy from outside the suite asks for nothing that takes a network to run.

    The workflow does not load files with proxies, only their jobs do: there they count as asking.
    """
    if name in PROXY_NAMES:
        return False
    try:
        return not load_proxy(name).needs
    except UnknownNameError:
        return False


def chosen_device(
    choice: DeviceChoice, work: Work, gpus: Sequence[Capability | None], *, triton: bool
) -> Chosen:
    """Return where a job scores, and why.

    What is known of some architectures already does not count, so that all jobs of a scores file
    get the same answer on the same machine.

    Parameters
    ----------
    gpus
        Compute capability of each visible GPU, None where it is not known.
    triton
        See :func:`has_triton`.
    """
    if choice != "auto":
        return Chosen(choice, f"scoring.device is {choice}")
    if not gpus:
        return Chosen("cpu", "no GPU is visible")
    if work == "none":
        return Chosen("cpu", "no proxy runs a network")
    if work == "passes":
        return Chosen("cuda", "a proxy needs passes that are faster on a GPU")
    if not triton:
        return Chosen("cpu", "Triton 3.5 or newer is missing; without it a GPU is not faster")
    if None in gpus:
        return Chosen("cpu", "nvidia-smi reports no compute capability, so the GPU may be too old")
    oldest = min(capability for capability in gpus if capability is not None)
    told, needed = (".".join(map(str, one)) for one in (oldest, OLDEST_CAPABILITY))
    if oldest < OLDEST_CAPABILITY:
        return Chosen("cpu", f"the GPU's compute capability is {told}, groups need {needed}")
    return Chosen("cuda", f"its compute capability is {told}, and Triton is installed")


def is_of_groups(proxy: str) -> bool:
    """Whether a GPU may compute a proxy's score from what it finds of a group."""
    return proxy in OF_GROUPS | ALSO_OF_CODES | COUNTING or proxy not in PROXY_NAMES


def rests_on_precision(proxy: str) -> bool:
    """Whether a proxy's score may depend on how exactly a GPU multiplies."""
    return proxy in OF_CODES | ALSO_OF_CODES or proxy not in PROXY_NAMES
