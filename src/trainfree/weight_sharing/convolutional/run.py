"""A whole run: the search, the pair that is derived from it, and networks trained alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from trainfree.files.storage import open_dataset, provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.scoring.jobs.shard import device_name, prepare_torch
from trainfree.weight_sharing.convolutional.cell import CellPair, random_pair
from trainfree.weight_sharing.convolutional.data import Data, load_data
from trainfree.weight_sharing.convolutional.presets import scale_of
from trainfree.weight_sharing.convolutional.retraining import Alone
from trainfree.weight_sharing.convolutional.schema import DERIVED, KIND, RANDOM, dataset_of
from trainfree.weight_sharing.convolutional.search import PURPOSE, Judged, Search
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings
from trainfree.weight_sharing.draws import generator_of
from trainfree.weight_sharing.epochs import Checkpoints


def search_cells(
    settings: EnasConvolutionalSettings, images: Path, output: Path, device: str, threads: int
) -> None:
    """Search, derive a pair of cells, train it and random ones alone, write the file.

    After each epoch the state is kept beside ``output``, in ``<output>.search.checkpoint`` and
    ``<output>.<network>.checkpoint``. They are deleted when ``output`` is there.

    Parameters
    ----------
    images
        Prepared image set.
    output
        It appears when everything is done.
    device, threads
        Where it computes.

    Raises
    ------
    ConfigError
        When settings do not fit each other or the images.
    ImageError
        When there are fewer images than the settings ask for.
    DataFileError
        When a file is missing, damaged or of another setting, or cannot be written.
    """
    settings.check()
    prepare_torch(threads)
    data = load_data(settings, images, device)
    with open_dataset(images, "images") as source:
        about = {key: source.attrs[key] for key in ("content_sha256", "source_note", "stand_in")}
    attributes = provenance_attributes(
        settings=settings.values,
        code=code_hash(__name__),
        source_hashes={"images": str(about["content_sha256"])},
        seed=settings.seed,
        device=device_name(torch.device(device)),
        threads=threads,
    )
    checkpoints = Checkpoints(output, attributes)
    search = Search(settings, data, device)
    rows = checkpoints.run(search, settings.shared.epochs, "search", "search")
    start = time.perf_counter()
    candidates, networks = derive(search)
    seconds = time.perf_counter() - start
    for number, network in enumerate(networks):
        network |= _trained(network["pair"], number, search, device, checkpoints)
    dataset = dataset_of(rows, candidates, networks).assign_attrs(
        {
            **attributes,
            "dataset": settings.dataset,
            "preset": settings.preset,
            "scale": scale_of(settings),
            "derived": networks[0]["cells"],
            "derive_seconds": seconds,
            "chance": 100.0 / data.classes,
            "images_for_weights": settings.weight_images,
            "images_for_rewards": settings.reward_images,
            "images_for_tests": len(data.test),
            "tests_held_out": int(data.held_out),
            "image_source": str(about["source_note"]),
            "stand_in": int(about["stand_in"]),
        }
    )
    write_dataset(dataset, output, KIND)
    checkpoints.delete()


def derive(search: Search) -> tuple[Judged, list[dict[str, Any]]]:
    """Return candidates that the controller samples, and the pairs to train alone.

    The first of these is the candidate that classifies most reward images right with shared
    weights; the others are drawn at random.
    """
    settings = search.settings
    generator = generator_of(settings.seed, f"{PURPOSE}/derive")
    rows = torch.randperm(len(search.data.rewards), generator=generator)
    rows = rows[: settings.candidate_images]
    candidates = search.judge(search.sampled(settings.candidates, generator), rows)
    drawn = [
        random_pair(stream(settings.seed, f"{PURPOSE}/random", number), settings.nodes)
        for number in range(settings.random)
    ]
    judged = search.judge(drawn, rows)
    best = candidates.best
    networks = [
        (candidates.pairs[best], DERIVED, candidates.accuracies[best]),
        *((pair, RANDOM, at) for pair, at in zip(judged.pairs, judged.accuracies, strict=True)),
    ]
    return candidates, [
        {"pair": pair, "cells": str(pair), "origin": origin, "shared_accuracy": accuracy}
        for pair, origin, accuracy in networks
    ]


def _trained(
    pair: CellPair, number: int, search: Search, device: str, checkpoints: Checkpoints
) -> dict[str, Any]:
    settings, data = search.settings, search.data
    alone = Alone(pair, number, settings, data, device)
    title = f"network {number + 1} of {settings.random + 1}"
    rows = checkpoints.run(alone, settings.retrained.epochs, title, str(number))
    return {
        "rows": rows,
        "parameters": alone.parameters,
        **_accuracies(alone, data),
    }


def _accuracies(alone: Alone, data: Data) -> dict[str, float]:
    return {
        "validation_accuracy": alone.accuracy(data.rewards),
        "test_accuracy": alone.accuracy(data.test),
    }
