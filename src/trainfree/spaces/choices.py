"""Spaces that are one option for each of several choices, in all combinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, TypeAlias

import numpy as np

from trainfree.errors import ArchitectureError, ConfigError, UnknownNameError
from trainfree.spaces.protocol import MutationRule

Option: TypeAlias = str | int | float
_JOINTS = ",="


class ChoiceSpace:
    """A space to derive from: the class names the choices and says what is made of them.

    Architectures are in the order of :func:`itertools.product`. One is called, for example,
    ``kernel=3,act=gelu``.

    Attributes
    ----------
    name
        Name in the configuration and in file paths.
    choices
        Options by choice. Put the one that takes the most work last: the last of all is scored
        first, unrecorded, so that start-up costs are in no row.

    Raises
    ------
    ConfigError
        When there is nothing to choose, or two options look the same.

    Examples
    --------
    >>> class Kernels(ChoiceSpace):
    ...     name, choices = "kernels", {"kernel": (1, 3), "act": ("relu", "gelu")}
    >>> Kernels().to_string(3), Kernels().chosen(3)
    ('kernel=3,act=gelu', {'kernel': 3, 'act': 'gelu'})
    """

    name: str
    choices: ClassVar[Mapping[str, Sequence[Option]]]

    def __init__(self) -> None:
        kind = type(self).__name__
        choices = getattr(self, "choices", None)
        if not isinstance(choices, Mapping) or not choices:
            raise ConfigError(f"{kind}.choices: expected options by choice, found {choices!r}")
        self._options: dict[str, tuple[Option, ...]] = {}
        for choice, options in choices.items():
            self._options[choice] = _checked(f"{kind}.choices", choice, options)

    @property
    def operations(self) -> tuple[str, ...]:
        """All options, each with its choice."""
        return tuple(
            f"{choice}={option}" for choice, options in self._options.items() for option in options
        )

    @property
    def warm_up_architecture(self) -> int:
        """Index of the last option of each choice."""
        return len(self) - 1

    def __len__(self) -> int:
        return prod(map(len, self._options.values()))

    def chosen(self, index: int) -> dict[str, Any]:
        """Return the option of each choice.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        places = zip(self._options.items(), self._places(index), strict=True)
        return {choice: options[place] for (choice, options), place in places}

    def to_string(self, index: int) -> str:
        """Return for example ``kernel=3,act=gelu``."""
        return ",".join(f"{choice}={option}" for choice, option in self.chosen(index).items())

    def parse(self, text: str) -> int:
        """Return the index of such a text.

        Raises
        ------
        ArchitectureError
            When the text is another one.
        """
        parts = [part.partition("=") for part in text.strip().split(",")]
        named = {choice.strip(): option.strip() for choice, _, option in parts}
        places = []
        for choice, options in self._options.items():
            texts = [str(option) for option in options]
            if named.get(choice) not in texts:
                raise ArchitectureError(
                    f"architecture {text!r} is not in {self.name}: {choice}: expected one of "
                    f"{', '.join(texts)}; a whole one is {self.to_string(0)!r}"
                )
            places.append(texts.index(named[choice]))
        if len(parts) != len(self._options):
            raise ArchitectureError(
                f"architecture {text!r} is not in {self.name}: expected "
                f"{', '.join(self._options)} once each, as in {self.to_string(0)!r}"
            )
        return self._index(places)

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        return int(rng.integers(len(self)))

    def neighbours(self, index: int) -> list[int]:
        """Return those with another option of one choice."""
        here = self._places(index)
        return [
            self._index([*here[:number], place, *here[number + 1 :]])
            for number, options in enumerate(self._options.values())
            for place in range(len(options))
            if place != here[number]
        ]

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return one of the neighbours, or ``index`` itself where there is only one architecture.

        Raises
        ------
        UnknownNameError
            For another rule than ``one_change``.
        """
        if rule != "one_change":
            raise UnknownNameError(f"mutation in {self.name}", rule, ["one_change"])
        near = self.neighbours(index) or [index]
        return near[int(rng.integers(len(near)))]

    def _places(self, index: int) -> list[int]:
        """Return the place of each chosen option."""
        if not 0 <= index < len(self):
            raise ArchitectureError(
                f"architecture {index} is not in {self.name}: expected 0 to {len(self) - 1}"
            )
        places = []
        for options in reversed(self._options.values()):
            index, place = divmod(index, len(options))
            places.append(place)
        return places[::-1]

    def _index(self, places: Sequence[int]) -> int:
        index = 0
        for options, place in zip(self._options.values(), places, strict=True):
            index = index * len(options) + place
        return index


def _checked(where: str, choice: object, options: object) -> tuple[Option, ...]:
    """Return the options of a choice, of which no two may look the same."""
    if not isinstance(choice, str) or not _is_word(choice):
        raise ConfigError(f"{where}: expected names of choices without , and =, found {choice!r}")
    if isinstance(options, str) or not isinstance(options, Sequence) or not options:
        raise ConfigError(f"{where}: {choice}: expected a tuple of options, found {options!r}")
    texts = [str(option) for option in options]
    for option, text in zip(options, texts, strict=True):
        if not isinstance(option, Option) or not _is_word(text):
            raise ConfigError(
                f"{where}: {choice}: expected strings without , and = or numbers, found {option!r}"
            )
        if texts.count(text) > 1:
            raise ConfigError(f"{where}: {choice}: expected different options, found {text} twice")
    return tuple(options)


def _is_word(text: str) -> bool:
    return bool(text) and text == text.strip() and not set(_JOINTS) & set(text)
