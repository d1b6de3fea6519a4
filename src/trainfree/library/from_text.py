"""What ``trainfree score`` is told on its command line: models in files, images, labels."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainfree.errors import ConfigError, ImageError
from trainfree.files.reading import open_file
from trainfree.library.batches import batch
from trainfree.library.models import Model
from trainfree.outside.extensions import load_file
from trainfree.outside.foreign import blamed_on, shown
from trainfree.outside.process_state import seed_global_generators
from trainfree.randomness import stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_NOISE = re.compile(r"random:([1-9][0-9]{0,5}(?:x[1-9][0-9]{0,5})*)")
_CLASSES = re.compile(r"random:([1-9][0-9]{0,8})")
_FORM = "expected FILE.py:NAME, the name of a torch module, of a function that returns one, or of"
NO_LABELS = "none"


def models_in(texts: Sequence[str], seed: int) -> dict[str, Model]:
    """Return the models that ``FILE.py:NAME`` stand for, by NAME or by the keys of a dictionary.

    Files are executed under generators of random numbers with the seed ``seed``, and may import
    what lies beside them.

    Raises
    ------
    ConfigError
        When a file cannot be loaded, has no such name, or two models have the same name.
    """
    found: dict[str, Model] = {}
    for text in texts:
        file, colon, name = text.rpartition(":")
        if not (colon and file and name.isidentifier()):
            raise ConfigError(f"{text!r}: {_FORM} a dictionary of these")
        for key, model in _named(Path(file), name, seed).items():
            if key in found:
                raise ConfigError(
                    f"{text!r}: a model called {key!r} is there already; put them into a "
                    "dictionary with names of their own"
                )
            found[key] = model
    return found


def images_of(
    text: str, size: int, count: int, seed: int, data: Path
) -> tuple[Tensor, Tensor | None]:
    """Return the mini-batch of a folder, a prepared image set or noise, with labels if it has any.

    Parameters
    ----------
    text
        A folder, ``random:3x224x224``, or the name of an image set.
    size
        Height and width to which pictures of a folder are resized.
    count
        Number of images.
    seed
        Root seed.
    data
        Where prepared image sets are.

    Raises
    ------
    ImageError
        When there are too few images, or one cannot be read.
    DataFileError
        When the image set has not been prepared.
    """
    import torch

    from trainfree.images.folders import folder_batch

    if count < 1 or size < 1:
        raise ImageError(
            f"expected a batch and a size of at least 1, found a batch of {count} and size {size}"
        )
    if noise := _NOISE.fullmatch(text):
        shape = (count, *map(int, noise[1].split("x")))
        rng = stream(seed, "gaussian-input")
        return torch.from_numpy(rng.standard_normal(shape, dtype="float32")), None
    if text.startswith("random:"):
        raise ImageError(f"{text!r}: expected sizes such as random:3x224x224")
    if Path(text).is_dir():
        pixels, labels = folder_batch(Path(text), count, (size, size), seed)
        return torch.from_numpy(pixels), None if labels is None else torch.from_numpy(labels)
    if len(Path(text).parts) > 1:
        raise ImageError(f"{text}: no such folder; expected one that holds pictures")
    return batch(text, count, seed, data)


def labels_of(text: str | None, own: Tensor | None, count: int, seed: int) -> Any:
    """Return the labels of a mini-batch.

    Parameters
    ----------
    text
        None for the images' own, ``none``, ``random:CLASSES``, or a file of whole numbers: .npy,
        or text with one a line.
    own
        Those that the images came with.
    count
        Number of images.
    seed
        Root seed of random ones.

    Raises
    ------
    DataFileError
        When the file is not there or holds something else.
    """
    if text is None:
        return own
    if text == NO_LABELS:
        return None
    if drawn := _CLASSES.fullmatch(text):
        return stream(seed, "labels").integers(int(drawn[1]), size=count)
    return _labels_in(Path(text))


def _labels_in(path: Path) -> NDArray[np.int64]:
    import numpy as np

    from trainfree.errors import DataFileError

    with open_file(path, "no such file of labels") as file:
        try:
            if path.suffix == ".npy":
                found = np.load(file, allow_pickle=False)
            else:
                found = np.loadtxt(file, dtype=np.int64, ndmin=1, delimiter=",")
        except (ValueError, OSError, EOFError) as error:
            raise DataFileError(
                f"{path}: expected class numbers, one per image, found something else ({error})"
            ) from error
    if found.dtype.kind not in "iu":
        raise DataFileError(f"{path}: expected whole numbers, found {found.dtype}")
    whole: NDArray[np.int64] = found.astype(np.int64)
    return whole


def _named(path: Path, name: str, seed: int) -> Mapping[str, Model]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; {_FORM} a dictionary of these in a Python file")
    sys.path += [
        place
        for place in dict.fromkeys((str(path.resolve().parent), str(Path.cwd())))
        if place not in sys.path
    ]
    seed_global_generators(seed)
    module = load_file(path)
    with blamed_on(f"{path}: {name}"):
        there = hasattr(module, name)
        model = getattr(module, name, None)
        several: dict[str, Any] = dict(model) if isinstance(model, Mapping) else {name: model}
    if not there:
        known = [
            key
            for key, value in vars(module).items()
            if not key.startswith("_") and _may_be_meant(value, module)
        ]
        raise ConfigError(
            f"{path}: has no {name!r}; "
            + (f"it has {', '.join(known)}" if known else f"{_FORM} a dictionary of these")
        )
    for key, value in several.items():
        if not isinstance(key, str) or not callable(value):
            raise ConfigError(
                f"{path}: {name}: {_FORM} a dictionary of these by name, found {shown(key)}: "
                f"{shown(value)}"
            )
    return several


def _may_be_meant(value: object, module: Any) -> bool:
    """Whether this is a module, a dictionary, or a function or class of the file itself."""
    from torch import nn

    defined_here = callable(value) and getattr(value, "__module__", "") == module.__name__
    return isinstance(value, nn.Module | dict) or defined_here
