"""The file of a search by ENAS for convolutional cells, of kind ``enas_convolutional``.

Dimensions: ``epoch`` of the search; ``sample``, pairs of cells that were sampled at an epoch's end;
``phase`` of an epoch; ``candidate``, pairs that were sampled after the search; ``network``, those
trained alone: the derived pair first, then pairs drawn at random; ``alone_epoch`` of their
trainings. Pairs of cells are texts, ``normal=<cell> reduce=<cell>``; a cell is
``operation~state+…>states``, two operations a node, and states 0 and 1 are the cells before.
Accuracies are percent of images. Attributes say what was derived, the chance level and the scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from trainfree.scoring.jobs.schema import variable
from trainfree.weight_sharing.convolutional.search import PHASES, Judged
from trainfree.weight_sharing.epochs import Row

KIND = "enas_convolutional"
DERIVED, RANDOM = "derived", "random"
_OF_EPOCHS = {
    "weight_loss": ("mean cross-entropy of images, each batch by a pair of its own", "nat"),
    "weight_accuracy": ("share of these images right, as trained", "percent"),
    "reward": ("mean share of reward images right, over pairs that taught the controller", "1"),
    "baseline": ("moving mean of rewards and entropies at the epoch's end", "1"),
    "entropy": ("mean entropy of the controller's choices of a pair", "nat"),
    "controller_loss": ("mean loss of the controller", "1"),
    "weight_rate": ("learning rate of the weights", "1"),
    "controller_rate": ("learning rate of the controller", "1"),
}


def dataset_of(
    rows: Sequence[Row], candidates: Judged, networks: Sequence[Mapping[str, Any]]
) -> xr.Dataset:
    """Return the data set of a search, without provenance.

    Parameters
    ----------
    rows
        The epochs' records.
    candidates
        Pairs that were sampled at the end.
    networks
        Of each network alone: ``cells``, ``origin``, ``shared_accuracy``, ``validation_accuracy``,
        ``test_accuracy``, ``parameters``, and ``rows``, the records of its epochs.
    """
    found = {
        name: variable(("epoch",), [row[name] for row in rows], long_name, units)
        for name, (long_name, units) in _OF_EPOCHS.items()
    }
    accuracies = np.array([row["sampled_accuracy"] for row in rows])
    found["sampled"] = variable(
        ("epoch", "sample"), _texts([row["sampled"] for row in rows]), "pairs of cells sampled"
    )
    found["sampled_accuracy"] = variable(
        ("epoch", "sample"), accuracies, "their accuracy with shared weights", "percent"
    )
    found["seconds"] = variable(
        ("epoch", "phase"), [row["seconds"] for row in rows], "measured time by phase", "s"
    )
    found["candidate_cells"] = variable(
        ("candidate",), _texts([str(pair) for pair in candidates.pairs]), "pairs of cells to choose"
    )
    found["candidate_accuracy"] = variable(
        ("candidate",), candidates.accuracies, "their accuracy with shared weights", "percent"
    )
    return xr.Dataset(
        {**found, **_networks(networks)},
        coords={
            "epoch": variable(("epoch",), np.arange(1, len(rows) + 1), "epochs done"),
            "phase": np.array(PHASES, dtype=object),
        },
    )


def _networks(networks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {
        "cells": ("pairs of cells trained alone", "1"),
        "origin": ("derived by the search, or drawn at random", "1"),
        "shared_accuracy": ("accuracy on reward images with shared weights", "percent"),
        "validation_accuracy": ("accuracy on reward images, trained alone", "percent"),
        "test_accuracy": ("accuracy on test images, trained alone", "percent"),
        "parameters": ("weights of the network", "1"),
    }
    variables = {
        name: variable(("network",), _column(networks, name), long_name, units)
        for name, (long_name, units) in found.items()
    }
    for name, long_name, units in (
        ("loss", "mean cross-entropy of images, trained alone", "nat"),
        ("accuracy", "share of these images right, as trained", "percent"),
        ("seconds", "measured time of an epoch's training", "s"),
    ):
        values = [[row[name] for row in network["rows"]] for network in networks]
        variables[f"alone_{name}"] = variable(("network", "alone_epoch"), values, long_name, units)
    return variables


def _column(networks: Sequence[Mapping[str, Any]], name: str) -> Any:
    values = [network[name] for network in networks]
    return _texts(values) if isinstance(values[0], str) else values


def _texts(values: Any) -> Any:
    return np.array(values, dtype=object)
