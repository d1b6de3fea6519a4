"""The macro-level space: ResNet basic blocks in skeletons of four to six modules.

An architecture is written ``64-1234-basic`` as in the benchmark's files: 64 channels after the
stem, then a code for each module. 1 keeps channels and resolution, 2 doubles the channels, 3
halves the resolution, 4 does both. There are four to six modules, the channels double one to three
times and the resolution is halved one to four times, which makes the published 3,256 (Duan et al.,
CVPR 2021, section 3.2). The index is the place in the order of the texts, shorter skeletons
first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import product

import numpy as np

from trainfree.errors import ArchitectureError, UnknownNameError
from trainfree.spaces.numbering import require_index
from trainfree.spaces.protocol import MutationRule

CODES = "1234"
STEM = 64
LENGTHS = (4, 5, 6)
DOUBLINGS, HALVINGS = (1, 3), (1, 4)
"""Fewest and most modules that double the channels, and that halve the resolution."""
MUTATIONS = ("one_change",)
_EXAMPLE = f"{STEM}-1234-basic"


def doublings(skeleton: str) -> int:
    """Return how many modules double the channels."""
    return sum(code in "24" for code in skeleton)


def halvings(skeleton: str) -> int:
    """Return how many modules halve the resolution."""
    return sum(code in "34" for code in skeleton)


def is_allowed(skeleton: str) -> bool:
    """Whether a text of codes is a skeleton of the space."""
    return (
        len(skeleton) in LENGTHS
        and set(skeleton) <= set(CODES)
        and DOUBLINGS[0] <= doublings(skeleton) <= DOUBLINGS[1]
        and HALVINGS[0] <= halvings(skeleton) <= HALVINGS[1]
    )


class MacroSpace:
    """All 3,256 skeletons.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    """

    operations = ("normal", "channels_x2", "resolution_/2", "channels_x2_resolution_/2")

    def __init__(self, name: str = "transnas101_macro") -> None:
        self.name = name

    @cached_property
    def skeletons(self) -> tuple[str, ...]:
        """Codes of the modules of each architecture."""
        texts = ("".join(codes) for length in LENGTHS for codes in product(CODES, repeat=length))
        return tuple(filter(is_allowed, texts))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {skeleton: place for place, skeleton in enumerate(self.skeletons)}

    @property
    def warm_up_architecture(self) -> int:
        """Index of one with every kind of module."""
        return self._places["1234"]

    def __len__(self) -> int:
        return len(self.skeletons)

    def skeleton(self, index: int) -> str:
        """Return the codes of an architecture's modules.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        return self.skeletons[require_index(self, index)]

    def to_string(self, index: int) -> str:
        """Return the benchmark's form, for example ``64-1234-basic``."""
        return f"{STEM}-{self.skeleton(index)}-basic"

    def parse(self, text: str) -> int:
        """Return the index of an architecture in the benchmark's form.

        Raises
        ------
        ArchitectureError
            Saying what is wrong with the text.
        """
        parts = text.strip().split("-")
        if len(parts) != 3 or (parts[0], parts[2]) != (str(STEM), "basic"):
            raise self._wrong(text, f"'{STEM}-', codes of modules and '-basic'", repr(text))
        skeleton = parts[1]
        if wrong := sorted(set(skeleton) - set(CODES)):
            raise self._wrong(text, "codes from 1 to 4", repr(wrong[0]))
        if len(skeleton) not in LENGTHS:
            raise self._wrong(text, "4 to 6 modules", str(len(skeleton)))
        for what, count, (least, most) in (
            ("double the channels", doublings(skeleton), DOUBLINGS),
            ("halve the resolution", halvings(skeleton), HALVINGS),
        ):
            if not least <= count <= most:
                raise self._wrong(text, f"{least} to {most} modules that {what}", str(count))
        return self._places[skeleton]

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return one of :meth:`neighbours`, drawn uniformly.

        Raises
        ------
        UnknownNameError
            For another rule than ``one_change``.
        """
        if rule not in MUTATIONS:
            raise UnknownNameError(f"mutation in {self.name}", rule, MUTATIONS)
        near = self.neighbours(index)
        return near[int(rng.integers(len(near)))]

    def neighbours(self, index: int) -> list[int]:
        """Return what has another code for one module, or one module more or less; ascending."""
        here = self.skeleton(index)
        texts = {
            changed
            for place in range(len(here) + 1)
            for changed in (
                *(here[:place] + code + here[place:] for code in CODES),
                *(here[:place] + code + here[place + 1 :] for code in ("", *CODES)),
            )
        }
        found = {self._places[text] for text in texts if text in self._places}
        return sorted(found - {index})

    def _wrong(self, text: str, expected: str, found: str) -> ArchitectureError:
        return ArchitectureError(
            f"architecture {text!r} is not in {self.name}: expected {expected}, found {found}; "
            f"one of them is {_EXAMPLE!r}"
        )


SPACES: Mapping[str, Callable[[], MacroSpace]] = {"transnas101_macro": MacroSpace}
"""The spaces of this module by name."""
