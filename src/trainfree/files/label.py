"""The label before the seal of every data file: what it was made with, readable without HDF5.

The workflow asks every file of a run, at every start, whether it was made with the settings and by
the code that are asked for now. Snakemake itself only remembers what it started, not what a file
holds: a job that outlived its run may have put another there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainfree.errors import DataFileError
from trainfree.files.reading import cannot_be_read, open_file

_MARK = b"\ntrainfree label: "
_FARTHEST = 1 << 16
"""Bytes from a file's end within which its label begins."""


def label_of(attributes: Mapping[Any, Any]) -> bytes:
    """Return the label that belongs after a file's HDF5 bytes and before its seal."""
    told = {key: str(attributes.get(key, "")) for key in ("schema", "config", "code_hash")}
    return _MARK + json.dumps(told, sort_keys=True).encode()


def was_made_otherwise(path: Path, settings: Mapping[str, Any], *codes: str) -> bool:
    """Whether a data file is there whose label says other settings or other code.

    A file that is not there, cannot be read or has no label is none: whoever reads it says what is
    wrong with it.

    Parameters
    ----------
    settings
        What the file should have been made with. The file may say more than that, for example the
        hashes of its inputs.
    codes
        Hashes of the code that should have made it, any of them.
    """
    try:
        told = _read(path)
        recorded = json.loads(told["config"]) if told else {}
    except (DataFileError, ValueError, KeyError, TypeError):
        return False
    if not isinstance(recorded, dict) or not recorded:
        return False
    asked = json.loads(json.dumps(dict(settings)))
    return told["code_hash"] not in codes or any(
        key not in recorded or recorded[key] != asked[key] for key in asked
    )


def _read(path: Path) -> dict[str, str]:
    with open_file(path, "no such file") as file:
        try:
            size = file.seek(0, 2)
            file.seek(max(0, size - _FARTHEST))
            _, mark, rest = file.read().rpartition(_MARK)
        except OSError as error:
            raise cannot_be_read(path, error) from error
    if not mark:
        return {}
    told = json.loads(rest.partition(b"\n")[0])
    return told if isinstance(told, dict) else {}
