"""Merging shards: every architecture exactly once, all of one setting and one code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.outside.extensions import load_files
from trainfree.scoring.settings.setting import Setting, scored_architectures
from trainfree.spaces import load_space


def merge_shards(shards: Sequence[Path], setting: Setting, output: Path) -> None:
    """Write all rows of ``shards``, in the space's order, to ``output``.

    Raises
    ------
    DataFileError
        When a shard is missing, damaged, of another schema version or setting, was scored on
        other images or by other code, or when an architecture is missing or there twice. Shards
        of processors and of GPUs have one code each, that of a GPU being all of a processor's
        with more to it, and so the merged file's.
    """
    load_files(Path(path) for path, _ in setting.extra)
    parts = [
        _with_free_strings(read_dataset(path, "scores", {"config_hash": setting.hash}))
        for path in shards
    ]
    _require_equal(parts, shards, "source_hashes")
    for in_groups in (False, True):
        alike = [n for n, part in enumerate(parts) if _is_of_groups(part) == in_groups]
        _require_equal([parts[n] for n in alike], [shards[n] for n in alike], "code_hash")
    merged = xr.concat(parts, dim="arch", combine_attrs="drop_conflicts").sortby("arch")
    merged.attrs["device"] = _each_once(part.attrs["device"] for part in parts)
    merged.attrs["precision"] = _each_once(part.attrs.get("precision", "float32") for part in parts)
    merged.attrs["code_hash"] = max(parts, key=_is_of_groups).attrs["code_hash"]
    _require_all(merged, setting, output)
    write_dataset(merged, output, "scores")


def _each_once(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _is_of_groups(part: xr.Dataset) -> bool:
    """Whether a GPU computed the shard's architectures in groups."""
    return "clock_note" in part.attrs


def _with_free_strings(part: xr.Dataset) -> xr.Dataset:
    """Return the shard with strings of any length: concatenation cuts those of fixed width."""
    texts = [name for name, values in part.variables.items() if values.dtype.kind == "U"]
    return part.assign({name: part[name].astype(object) for name in texts})


def _require_equal(parts: Sequence[xr.Dataset], shards: Sequence[Path], key: str) -> None:
    for part, path in zip(parts, shards, strict=True):
        expected = parts[0].attrs[key]
        if part.attrs[key] != expected:
            raise DataFileError(
                f"{path}: expected {key} = {expected!r} as in {shards[0]}, found "
                f"{part.attrs[key]!r}; delete it and run again to score it again"
            )


def _require_all(merged: xr.Dataset, setting: Setting, output: Path) -> None:
    space = setting.space
    found, expected = merged["arch"].values, scored_architectures(setting, len(load_space(space)))
    if np.array_equal(found, expected):
        return
    missing = np.setdiff1d(expected, found)
    problem = (
        f"{len(missing)} architectures are missing, the first is {missing[0]}"
        if len(missing)
        else "some architectures are there twice"
    )
    raise DataFileError(
        f"{output}: the shards do not cover {space}: {problem}; "
        "delete the shards folder and run again"
    )
