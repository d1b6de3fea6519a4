"""The job: one method, one run, one file."""

from __future__ import annotations

from pathlib import Path

import torch

from trainfree.errors import ConfigError
from trainfree.files.storage import open_dataset, provenance_attributes, write_dataset
from trainfree.images.datasets import spec_of
from trainfree.outside.extensions import load_files
from trainfree.scoring.jobs.shard import device_name, prepare_torch
from trainfree.weight_sharing.epochs import Checkpoints
from trainfree.weight_sharing.pictures import load_pictures
from trainfree.weight_sharing.schema import Outcome, sharing_dataset
from trainfree.weight_sharing.setting import SharingSetting, sharing_code_hash
from trainfree.weight_sharing.training import SharedTraining

Attributes = dict[str, str | int | float]


def share_weights(
    setting: SharingSetting, run: int, images: Path, output: Path, device: str, threads: int
) -> None:
    """Train shared weights by one method, once, and write the file; see ``schema.py``.

    A training that was interrupted goes on after its last whole epoch: its state is in a file
    beside the output, which is deleted when the output is there.

    Parameters
    ----------
    run
        Which run, from 0; runs differ in all that is drawn but the halves of the images and the
        architectures that are ranked.
    images
        Prepared image set.
    device
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ConfigError
        When the space is not one of NAS-Bench-201's cells, or a device is not there.
    ImageError
        When there are too few images.
    DataFileError
        When an input is unusable, the file beside the output is of another training, or a file
        cannot be written.
    """
    load_files(Path(path) for path, _ in setting.extra)
    prepare_torch(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device: expected one that is there, found 'cuda' while torch {torch.__version__} "
            "finds no such device; use 'auto' or 'cpu'"
        )
    pictures = load_pictures(setting, images, device)
    training = SharedTraining(setting, run, pictures)
    attributes = _attributes(setting, run, images, training, threads)
    checkpoints = Checkpoints(output, attributes)
    rows = checkpoints.run(training, training.settings.epochs, f"{setting.method}, run {run}")
    answer, seconds = training.answer()
    outcome = Outcome(
        rows=rows,
        answer=answer,
        answer_accuracy=training.accuracy(answer),
        answer_seconds=seconds,
        ranked=training.ranked(),
    )
    dataset = sharing_dataset(setting.cell_space, outcome)
    write_dataset(dataset.assign_attrs(attributes), output, "weight_sharing")
    checkpoints.delete()


def _attributes(
    setting: SharingSetting, run: int, images: Path, training: SharedTraining, threads: int
) -> Attributes:
    pictures, settings = training.pictures, training.settings
    counts = len(pictures.weights.labels), len(pictures.architecture.labels)
    with open_dataset(images, "images") as source:
        found, size = dict(source.attrs), int(source.sizes["y"])
    differences = setting.differences(counts, size)
    return {
        **provenance_attributes(
            settings={**setting.values, "run": run},
            code=sharing_code_hash(setting),
            source_hashes={"images": str(found["content_sha256"])},
            seed=setting.seed,
            device=device_name(training.device),
            threads=threads,
        ),
        "space": setting.space,
        "dataset": setting.dataset,
        "method": setting.method,
        "run": run,
        "preset": setting.preset,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "channels": setting.channels,
        "cells": setting.cells,
        "image_size": int(pictures.weights.pixels.shape[-1]),
        "images_weights": counts[0],
        "images_architecture": counts[1],
        "validated": training.method.validated,
        "chance": 100.0 / spec_of(setting.dataset).classes,
        "published": int(not differences),
        "scale": f"reduced: {', '.join(differences)}" if differences else "published",
        "stand_in": int(found["stand_in"]),
        "image_source": str(found["source_note"]),
    }
