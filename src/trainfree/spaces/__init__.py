"""Search spaces: encodings, enumeration, sampling, mutation and networks.

A space is found by name; its modules are imported when it is asked for, so that an edit of one
space touches the results of no other. Spaces of others come from files that the configuration
names (``spaces.extra``) and from installed packages with an entry point in ``trainfree.spaces``.
Nothing here needs torch: a network is described as data (:mod:`trainfree.spaces.network`) and
executed elsewhere, or it is a torch module that the space builds when it is scored.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from trainfree.errors import ConfigError, TrainfreeError
from trainfree.outside import extensions
from trainfree.outside.foreign import blamed_on, shown
from trainfree.spaces.checks import check_module_method, check_network, check_space
from trainfree.spaces.network import Network
from trainfree.spaces.protocol import ModuleSpace, Space

_FOLDERS = {
    "darts": "darts",
    "darts_bench545": "darts",
    "darts_random214": "darts",
    "darts_small": "darts",
    "darts_swap": "darts",
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nasbench201_mini": "nasbench201",
    "nasbench301": "darts",
    "nats_sss": "nats_sss",
    "zoo_pytorchcv_cifar10": "zoo",
    "zoo_pytorchcv_cifar100": "zoo",
    "zoo_torchvision": "zoo",
    "zoo_timm": "zoo",
    "transnas101_macro": "transnas101.macro",
    "transnas101_micro": "transnas101.micro",
    **dict.fromkeys(
        (
            *("nds_amoeba", "nds_darts", "nds_enas", "nds_nasnet", "nds_pnas"),
            *("nds_darts_fix_w_d", "nds_enas_fix_w_d", "nds_pnas_fix_w_d"),
            *("nds_amoeba_in", "nds_darts_in", "nds_enas_in", "nds_nasnet_in", "nds_pnas_in"),
            *("nds_resnet", "nds_resnext_a", "nds_resnext_b", "nds_vanilla"),
            *("nds_resnet_as_scored", "nds_vanilla_as_scored"),
        ),
        "nds",
    ),
}
SPACE_NAMES = list(_FOLDERS)
_MEMBERS = (
    *("operations", "warm_up_architecture", "__len__"),
    *("to_string", "parse", "sample", "mutate", "neighbours"),
)


def space_names(extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of all spaces: the suite's, installed ones and those of ``extra`` files.

    No file is executed for this.

    Raises
    ------
    ConfigError
        When an extra file is missing, is no Python or defines no space, or when a name is there
        twice.
    """
    return extensions.known_names(SPACE_KIND, SPACE_NAMES, extra)


def load_space(name: str) -> Space:
    """Return the space called ``name``; those of extra files once the files are loaded.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    ConfigError
        When what a file or package offers is no space of that name.
    """
    return _made(definition_of(name), name)


def definition_of(name: str) -> ModuleType:
    """Return the module whose ``SPACES`` makes the space ``name``.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    """
    if name in _FOLDERS:
        return importlib.import_module(f"trainfree.spaces.{_FOLDERS[name]}.space")
    return extensions.find_module(SPACE_KIND, name, space_names())


@cache
def _made(module: ModuleType, name: str) -> Space:
    if name in _FOLDERS:
        own: Space = module.SPACES[name]()
        return own
    where = f"{module.__file__}: the space {name}"
    with blamed_on(where):
        space: Space = module.SPACES[name]()
        missing = [member for member in _MEMBERS if not hasattr(space, member)]
        found = getattr(space, "name", None)
    if missing:
        raise ConfigError(
            f"{module.__file__}: the space {name} lacks {', '.join(missing)}; "
            "Space in trainfree/spaces/protocol.py says what each of them is"
        )
    if type(found) is not str or found != name:
        raise ConfigError(
            f"{module.__file__}: expected the space {name} to have that name, found {shown(found)}"
        )
    check_space(space, where)
    if isinstance(space, ModuleSpace) and not describes_networks(space):
        check_module_method(space, where)
    return space


def describes_networks(space: Space | str) -> bool:
    """Whether networks of a space, or of the one called so, are described as data.

    That is done by a function ``build_network`` beside the space's class. Without it the
    architectures of a :class:`~trainfree.spaces.protocol.ModuleSpace` are torch modules.
    """
    if isinstance(space, str):
        if space in _FOLDERS:
            return skeleton_of(space) != module_of(space)
        return describes_networks(load_space(space))
    return _builder(space) is not None


def build_network(space: Space, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ArchitectureError
        When the index is not in the space.
    ImageError
        When images of this size do not fit the space's networks.
    ConfigError
        When a space of others fails at it, describes a network that cannot be, or none.
    """
    builder = _builder(space)
    if builder is None:
        raise ConfigError(_undescribed(space))
    if space.name in _FOLDERS:
        return builder(space, index, image_size, classes)
    where = f"the space {space.name}: build_network of architecture {index}"
    with blamed_on(where, passing=TrainfreeError):
        network = builder(space, index, image_size, classes)
        check_network(network, where, image_size, classes)
    return network


def _builder(space: Space) -> Callable[[Space, int, int, int], Network] | None:
    """Return the function that describes the networks of a space, if there is one."""
    module = type(space).__module__  # also of a space that a caller made and no name stands for
    name = _skeleton_beside(module)
    skeleton = sys.modules[name] if name == module else importlib.import_module(name)
    found = getattr(skeleton, "build_network", None)
    # A file may well have imported the function above, which only asks for its own.
    return found if callable(found) and found is not build_network else None


def _undescribed(space: Space) -> str:
    """Return the sentence on a space without ``build_network``."""
    place = sys.modules[type(space).__module__].__file__
    expected = f"a function build_network(space, index, image_size, classes) in {place}"
    if isinstance(space, ModuleSpace):
        return (
            f"the space {space.name}: its architectures are torch modules and not described as "
            f"data; ask for what a module gives, or write {expected}"
        )
    return (
        f"the space {space.name} says nothing of its networks; expected a method "
        f"module(self, index, classes, image_size) of its class, or {expected}"
    )


def module_of(name: str) -> str:
    """Return the module that holds the class of the space ``name``.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    """
    if name in _FOLDERS:
        return f"trainfree.spaces.{_FOLDERS[name]}.space"
    return type(load_space(name)).__module__


def skeleton_of(name: str) -> str:
    """Return the module that describes the networks of the space ``name``, if anything does."""
    return _skeleton_beside(module_of(name))


def encoding_modules(name: str) -> list[str]:
    """Return the suite's modules behind a space's encoding and moves, for code hashes."""
    return [module for module in (module_of(name),) if _is_own(module)]


def network_modules(name: str) -> list[str]:
    """Return the suite's modules behind a space and its networks, for code hashes.

    A space of the suite describes its networks in ``skeleton`` beside it, or builds them as torch
    modules in ``modules`` beside it, which it imports when one is asked for.
    """
    return [module for module in (module_of(name), skeleton_of(name)) if _is_own(module)]


def packages_of(name: str) -> dict[str, str]:
    """Return the version of the installed package that builds the networks of a space, by its name.

    It decides scores as code does. A package that is not there has the version ``"none"``.
    """
    package = getattr(definition_of(name), "PACKAGES", {}).get(name) if name in _FOLDERS else None
    if package is None:
        return {}
    try:
        return {package: metadata.version(package)}
    except metadata.PackageNotFoundError:
        return {package: "none"}


def _skeleton_beside(module: str) -> str:
    """Return the module ``skeleton`` in the same folder, or where there is none the very one."""
    beside = module.rpartition(".")[0] + ".skeleton"
    return beside if _is_own(module) and find_spec(beside) else module


def _is_own(module: str) -> bool:
    return module.startswith("trainfree.")


SPACE_KIND = extensions.Kind(
    word="space",
    room="spaces",
    content='the line `SPACES = {"name": …}` with what makes each space (docs/adding-a-space.md)',
    declared=extensions.keys_of("SPACES"),
)
