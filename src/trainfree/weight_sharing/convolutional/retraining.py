"""The training of one pair of cells alone, from new weights: a network of the space ``nds_enas``.

The network is the suite's own, so that it is the one that proxies score. Published trainings add
what is here around it: dropout before the classifier, dropping of paths, a second classifier.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from trainfree.spaces.nds.modules import CellModule, Cells, build
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.convolutional.auxiliary import AuxiliaryHead
from trainfree.weight_sharing.convolutional.cell import CellPair
from trainfree.weight_sharing.convolutional.data import Data, Images, augmented
from trainfree.weight_sharing.convolutional.micro_controller import weights_optimizer
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings
from trainfree.weight_sharing.convolutional.steps import (
    dropout,
    rate_at,
    right,
    set_rate,
    step,
)
from trainfree.weight_sharing.convolutional.super_network import (
    Logits,
    check_sizes,
    reduction_places,
)
from trainfree.weight_sharing.draws import generator_of
from trainfree.weight_sharing.epochs import Row

PURPOSE = "enas-convolutional/alone"


class Alone:
    """Trains one pair of cells; see ``epochs.Learner``.

    Parameters
    ----------
    pair
        The cells.
    number
        Which of the networks it is; decides, with the seed, what is drawn.
    settings, data, device
        As of the search.
    """

    def __init__(
        self,
        pair: CellPair,
        number: int,
        settings: EnasConvolutionalSettings,
        data: Data,
        device: str,
    ) -> None:
        self.number, self.seed, self.data = number, settings.seed, data
        self.training, self.batch_size = settings.retrained, settings.retrained.batch_size
        drawn = int(generator_of(self.seed, f"{PURPOSE}/weights", number).initial_seed())
        self.module = NetworkAlone(
            pair, self.training.cells, self.training.channels, data, drawn, self.training.auxiliary
        )
        self.module.to(device)
        self.optimizer = weights_optimizer(self.module, self.training.weight_decay)

    @property
    def parameters(self) -> int:
        """Number of weights, the second classifier left out."""
        return sum(weight.numel() for weight in self.module.cells.parameters())

    def epoch(self, number: int) -> Row:
        """Train on all images for weights once."""
        start = time.perf_counter()
        images, training = self.data.weights, self.training
        set_rate(self.optimizer, rate_at(training.rate, number))
        generator = generator_of(self.seed, f"{PURPOSE}/epoch", self.number, number)
        order = torch.split(torch.randperm(len(images), generator=generator), self.batch_size)
        self.module.train()
        total, hits, steps = 0.0, 0, len(order) * training.epochs
        for place, rows in enumerate(order, start=number * len(order) + 1):
            pixels, labels = images.batch(rows)
            pixels = augmented(pixels, generator, training.cutout)
            features = self.module.cells.classifier.in_features
            kept = dropout(len(rows), features, training.kept, generator, pixels)
            dropped = (1.0 - training.kept_paths) * place / steps
            said = self.module(pixels, kept, dropped, generator)
            loss, good = step(self.module, self.optimizer, said, labels, training.clip)
            total, hits = total + loss, hits + good
        return {
            "loss": total / len(images),
            "accuracy": 100.0 * hits / len(images),
            "seconds": time.perf_counter() - start,
        }

    def accuracy(self, images: Images) -> float:
        """Return what share of images is classified right, in percent."""
        self.module.eval()
        with torch.no_grad():
            hits = sum(
                right(self.module(batch.pixels).main, batch.labels)
                for batch in images.batches(max(256, self.batch_size))
            )
        return 100.0 * hits / len(images)

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])


class NetworkAlone(nn.Module):
    """The suite's network of a pair of cells, and what helps its training.

    Parameters
    ----------
    pair
        The cells.
    cells, channels
        Number of cells, and channels of the first.
    data
        Says the classes and the size of the images.
    seed
        Of the initial weights, PyTorch's own as in NDS.
    auxiliary
        Whether there is a second classifier.
    """

    def __init__(
        self, pair: CellPair, cells: int, channels: int, data: Data, seed: int, auxiliary: bool
    ) -> None:
        super().__init__()
        check_sizes(cells, data.image_size, auxiliary)
        # torch's own initial weights come from its global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build(pair.network(channels, cells, auxiliary=auxiliary), data.classes)
            assert isinstance(network, Cells)
            self.cells = network
            width = 4 * channels * len(pair.normal.output)
            self.head_place = reduction_places(cells)[1] + 1
            self.auxiliary = (
                AuxiliaryHead(width, data.classes, data.image_size // 4) if auxiliary else None
            )

    def forward(
        self,
        images: Tensor,
        kept: Tensor | None = None,
        dropped: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """Return what the network says of images, (B, 3, y, x).

        Parameters
        ----------
        kept
            Factors of the features before the classifier: dropout.
        dropped
            Share of the paths that are dropped in the last cell, each image by itself, and in
            proportion in those before.
        generator
            Of what is dropped.
        """
        first = self.cells.stem(images)
        last, said = self.cells.second(first), None
        for place, cell in enumerate(self.cells.cells):
            assert isinstance(cell, CellModule)
            share = dropped * (place + 1) / len(self.cells.cells)
            first, last = last, _dropping(cell, first, last, share, generator)
            if self.auxiliary is not None and place == self.head_place and self.training:
                said = self.auxiliary(last)
        features = self.cells.pool(last).flatten(1)
        if kept is not None:
            features = features * kept
        return Logits(self.cells.classifier(features), said)


def _dropping(
    cell: CellModule, first: Tensor, last: Tensor, share: float, generator: torch.Generator | None
) -> Tensor:
    """Return a cell's output, with a share of the paths dropped that are no identities."""
    if share <= 0.0 or generator is None:
        found: Tensor = cell(first, last)
        return found

    def drop(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept = torch.rand(len(output), 1, 1, 1, generator=generator) >= share
        return output * kept.to(output) / (1.0 - share)

    handles = [
        operation.register_forward_hook(drop)
        for operation in cell.operations
        if not isinstance(operation, nn.Identity)
    ]
    try:
        dropped: Tensor = cell(first, last)
    finally:
        for handle in handles:
            handle.remove()
    return dropped
