"""What decides a score, and the names and hashes that follow from it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, Self

from trainfree.errors import ConfigError
from trainfree.images.datasets import InputKind
from trainfree.provenance import canonical_json, code_hash, settings_hash
from trainfree.proxies import module_of

Initialization = Literal["pytorch", "xavier", "kaiming", "normal"]


@dataclass(frozen=True)
class Setting:
    """Everything that decides a score: its hash is the ``config_hash`` of the scores file."""

    space: str
    dataset: str
    proxies: tuple[str, ...]
    batch_size: int
    initialization: Initialization
    input: InputKind
    seed: int

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the setting that :attr:`json` gave as ``text``.

        Raises
        ------
        ConfigError
            When a field is missing, unknown or not JSON.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, "proxies": tuple(values["proxies"])})
        except (ValueError, TypeError, KeyError) as error:
            known = ", ".join(field.name for field in fields(cls))
            raise ConfigError(f"setting {text!r}: expected JSON with {known}: {error}") from error

    @property
    def json(self) -> str:
        """The setting as canonical JSON, for command lines."""
        return canonical_json(asdict(self))

    @property
    def name(self) -> str:
        """Name in file paths, for example ``b32-pytorch-images-s0``."""
        return f"b{self.batch_size}-{self.initialization}-{self.input}-s{self.seed}"

    @property
    def hash(self) -> str:
        """Hash of all fields."""
        return settings_hash(asdict(self))


def scoring_code_hash(proxies: Sequence[str]) -> str:
    """Return the hash of all code that decides the scores of ``proxies``."""
    return code_hash("trainfree.scoring.shard", *map(module_of, proxies))


def shard_ranges(architectures: int, shard_size: int) -> list[str]:
    """Return the names of the shards, ``<first>-<last>`` zero-padded, both ends included."""
    width = len(str(architectures - 1))
    return [
        f"{first:0{width}d}-{min(first + shard_size, architectures) - 1:0{width}d}"
        for first in range(0, architectures, shard_size)
    ]
