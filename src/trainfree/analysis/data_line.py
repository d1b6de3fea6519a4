"""What a table is made from, in a line: architectures, settings, seeds, images and accuracies.

It is read from the attributes of the data files and names every stand-in, so that a table that
leaves its page still says what it is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainfree.analysis.formats import count_of, number
from trainfree.analysis.inputs import DATASET_TITLES
from trainfree.analysis.origins import Apart, MadeFrom, data_files

if TYPE_CHECKING:
    import xarray as xr

NOTHING = "none of this space in this run"


def data_line(files: Iterable[xr.Dataset], apart: Apart = "") -> MadeFrom:
    """Return what the files hold, in words :data:`NOTHING` without any, and which they are.

    Parameters
    ----------
    files
        Data files of any kind, opened; scores first, then searches, then what is known of
        trained networks.
    apart
        What of them may differ from the run that the table stands beside.
    """
    every = list(files)
    told = []
    for kinds, tell in _TELLERS:
        chosen = [file for file in every if file.attrs.get("schema") in kinds]
        if chosen:
            told.append(tell(chosen))
    return MadeFrom("; ".join(told) or NOTHING, data_files(f.attrs for f in every), apart)


def is_stand_in(attributes: Mapping[Any, Any]) -> bool:
    """Whether a file of these attributes is made of something else than what its name says."""
    note = str(attributes.get("image_source", attributes.get("source_note", "")))
    return str(attributes.get("stand_in", 0)) not in ("0", "") or "stand-in" in note


def _scored(files: Sequence[xr.Dataset]) -> str:
    counts = " or ".join(dict.fromkeys(number(file.sizes["arch"], 0) for file in files))
    images = ", ".join(dict.fromkeys(_images(file) for file in files))
    return (
        f"{counts} architectures of {_values(files, 'space')}; setting "
        f"{_values(files, 'setting')}; seed {_values(files, 'seed')}; images: {images}"
    )


def _images(file: xr.Dataset) -> str:
    name, count = str(file.attrs.get("dataset", "?")), file.attrs.get("image_count")
    mark = ", stand-in" if is_stand_in(file.attrs) else ""
    return f"{DATASET_TITLES.get(name, name)} ({'?' if count is None else number(count, 0)}{mark})"


def _searched(files: Sequence[xr.Dataset]) -> str:
    runs = sorted({file.sizes["run"] for file in files})
    span = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else f"{runs[0]}"
    return (
        f"{count_of(len(files), 'search file')} of {span} runs, root seed {_values(files, 'seed')}"
    )


def _shared(files: Sequence[xr.Dataset]) -> str:
    methods, scales = _values(files, "method"), {str(f.attrs.get("scale", "?")) for f in files}
    scale = next(iter(scales)) if len(scales) == 1 else "each at the scale that its row states"
    images = ", ".join(dict.fromkeys(_shared_images(file) for file in files))
    return (
        f"{count_of(len(files), 'training')} of shared weights ({methods}), {scale}; root seed "
        f"{_values(files, 'seed')}; images: {images}"
    )


def _shared_images(file: xr.Dataset) -> str:
    name = str(file.attrs.get("dataset", "?"))
    halves = [int(file.attrs.get(f"images_{kind}", 0)) for kind in ("weights", "architecture")]
    mark = ", stand-in" if is_stand_in(file.attrs) else ""
    return f"{DATASET_TITLES.get(name, name)} ({' + '.join(number(n, 0) for n in halves)}{mark})"


def _known(files: Sequence[xr.Dataset]) -> str:
    return "; ".join(f"accuracies of {_of_networks(file)}" for file in files)


def _on_hardware(files: Sequence[xr.Dataset]) -> str:
    return "; ".join(f"hardware measures of {_of_networks(file)}" for file in files)


def _of_networks(file: xr.Dataset) -> str:
    notes = json.loads(str(file.attrs.get("source_of_outcomes", "{}"))) or [
        str(file.attrs.get("source_note", "source not recorded"))
    ]
    short = " and ".join(note.partition(",")[0].partition(" (")[0] for note in notes)
    mark = " (stand-in)" if is_stand_in(file.attrs) and "stand-in" not in short else ""
    return f"{number(file.sizes['arch'], 0)}: {short}{mark}"


def _modelled(files: Sequence[xr.Dataset]) -> str:
    file = files[0]
    words = number(float(file.attrs["train_words"]), 0)
    return (
        f"{file.attrs['text']}: {words} words to learn from, "
        f"{number(float(file.attrs['vocabulary']), 0)} different; root seed {file.attrs['seed']}"
    )


def _values(files: Sequence[xr.Dataset], key: str) -> str:
    return ", ".join(dict.fromkeys(str(file.attrs.get(key, "?")) for file in files))


_TELLERS: tuple[tuple[tuple[str, ...], Callable[[Sequence[xr.Dataset]], str]], ...] = (
    (("scores", "draws", "ablation", "training"), _scored),
    (("search", "fronts"), _searched),
    (("weight_sharing",), _shared),
    (("enas",), _modelled),
    (("benchmark",), _known),
    (("hardware",), _on_hardware),
)
