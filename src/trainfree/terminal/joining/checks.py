"""Whether files of several machines were made alike: settings, code, seeds, images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainfree.images.datasets import DATASETS
from trainfree.terminal.differences import provenance_differences

WORDS = {
    "config_hash": "settings",
    "code_hash": "code",
    "seed": "seed",
    "images": "images",
}
_OF_GROUPS = "clock_note"
"""Attribute of scores that a GPU computed in groups: their code is that of a processor and more."""


@dataclass(frozen=True)
class Found:
    """A data file of one machine's results.

    Attributes
    ----------
    folder, name
        The results that it is of, and its path below them.
    kind, attributes
        As the file says.
    """

    folder: Path
    name: str
    kind: str
    attributes: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name

    @property
    def sources(self) -> dict[str, str]:
        """Hashes of what it was made from, by name."""
        found: dict[str, str] = json.loads(str(self.attributes.get("source_hashes", "{}")))
        return found

    @property
    def dataset(self) -> tuple[str, str]:
        """Space and image set, as far as the file says."""
        space, dataset = (str(self.attributes.get(name, "")) for name in ("space", "dataset"))
        return space, dataset

    @property
    def unit(self) -> str:
        """What has one setting: the file, or all shards and the merged file of scores."""
        folder, shards, _ = self.name.rpartition("/shards/")
        return folder if shards and self.kind == "scores" else self.name.removesuffix(".h5")


def require_same_origin(found: Sequence[Found]) -> Iterator[str]:
    """Yield a sentence on each file that was made otherwise than the first of its kind.

    Files of one setting have one config hash and one code hash each for processors and GPUs; all
    files of a space and image set saw the same images; searches of one have the same seed and the
    same trained accuracies.
    """
    yield from _differing(found, lambda one: (one.kind, one.unit), ("config_hash", "seed"))
    yield from _differing(found, _of_code, ("code_hash",))
    scored = [one for one in found if "images" in one.sources]
    yield from _differing_sources(scored, "images")
    searched = [one for one in found if one.kind == "search"]
    yield from _differing(searched, lambda one: one.dataset, ("seed",))
    yield from _differing_sources(
        [one for one in searched if "benchmark" in one.sources], "benchmark"
    )


def _of_code(one: Found) -> tuple[str, ...]:
    """Return what decides the code: for scores on the suite's own image sets not the set itself."""
    space, dataset = one.dataset
    if one.kind != "scores" or dataset not in DATASETS:
        return one.kind, one.unit
    settings = json.loads(str(one.attributes.get("config", "{}")))
    proxies = json.dumps(settings.get("proxies", []))
    setting = str(one.attributes.get("setting", ""))
    return one.kind, space, setting, proxies, str(_OF_GROUPS in one.attributes)


def _differing(found: Sequence[Found], key: Any, names: Sequence[str]) -> Iterator[str]:
    first: dict[Any, Found] = {}
    for one in found:
        expected = first.setdefault(key(one), one)
        for name in names:
            ours, theirs = expected.attributes.get(name), one.attributes.get(name)
            if ours != theirs:
                yield (
                    f"{one.path}: expected the {WORDS[name]} of {expected.path} ({ours}), found "
                    f"{theirs}{_why(expected, one, name)}"
                )
                break


def _why(first: Found, second: Found, name: str) -> str:
    """Return which settings differ, where it is these."""
    if name != "config_hash":
        return ""
    told = provenance_differences(first.attributes, second.attributes)
    which = [text.removeprefix("config.") for text in told if text.startswith("config.")]
    return f": {'; '.join(which[:3])}" if which else ""


def _differing_sources(found: Sequence[Found], name: str) -> Iterator[str]:
    first: dict[tuple[str, str], Found] = {}
    for one in found:
        expected = first.setdefault(one.dataset, one)
        ours, theirs = expected.sources[name], one.sources[name]
        if ours != theirs:
            word = "images" if name == "images" else "trained accuracies"
            yield (
                f"{one.path}: expected the {word} of {expected.path} ({ours[:16]}…), found "
                f"{theirs[:16]}…"
            )
