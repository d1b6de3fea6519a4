"""The score while a network learns: one job an architecture (NASWOT paper, Figure 6)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.errors import ConfigError, ImageError
from trainfree.files.storage import open_dataset, write_dataset
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels
from trainfree.images.datasets import TRAIN, spec_of
from trainfree.outside.extensions import load_files
from trainfree.outside.foreign import blamed_on
from trainfree.outside.process_state import seed_global_generators
from trainfree.parent_process import require_run
from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.scoring.architectures.architecture import Architecture, Trainable
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs.chosen import choice_attributes, read_choice
from trainfree.scoring.jobs.schema import measured_attributes, status_flags, variable
from trainfree.scoring.jobs.shard import Scorer, device_name, prepare_torch
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.settings.setting import scoring_code_hash
from trainfree.scoring.settings.studies import TrainingSetting
from trainfree.scoring.status import Status, judge
from trainfree.spaces import load_space


class Epoch(NamedTuple):
    """What is recorded after an epoch; loss, accuracy and seconds are NaN before the first."""

    score: float
    status: Status
    loss: float
    accuracy: float
    seconds: float


def train_architecture(
    setting: TrainingSetting,
    place: int,
    choice: Path,
    images: Path,
    output: Path,
    device: str,
    threads: int,
) -> None:
    """Train one of the chosen architectures, score it after every epoch, write its file.

    Parameters
    ----------
    place
        Which of the chosen architectures, from 0.
    choice
        File of kind "choice".
    images
        Prepared image set.
    output
        It appears when all epochs are done.

    Raises
    ------
    ConfigError
        When fewer architectures than that were chosen.
    ImageError
        When there are fewer images than the setting asks for.
    """
    load_files(Path(path) for path, _ in setting.base.extra)
    prepare_torch(threads)
    chosen = read_choice(choice, setting.base.space, setting.base.dataset)
    if not 0 <= place < chosen.sizes["arch"]:
        raise ConfigError(f"{choice}: has {chosen.sizes['arch']} architectures, found no {place}")
    chosen = chosen.isel(arch=[place])
    pixels, labels = training_images(setting, images)
    epochs = train_and_score(
        setting,
        int(chosen["arch"].item()),
        torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(labels).to(device),
        output.stem,
    )
    attributes = {
        **measured_attributes(
            setting.base,
            setting.values,
            scoring_code_hash(setting.base, __name__),
            images,
            device_name(torch.device(device)),
            threads,
            {"choice": str(chosen.attrs["config_hash"])},
        ),
        **choice_attributes(chosen),
        "training_images": len(labels),
        "training_batch_size": setting.batch_size,
        "learning_rate": setting.learning_rate,
    }
    write_dataset(_dataset(epochs, chosen).assign_attrs(attributes), output, "training")


def training_images(
    setting: TrainingSetting, images: Path
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the normalised images to train on, (n, 3, y, x), and their classes, (n,).

    The suite's mini-batch is their beginning.
    """
    with open_dataset(images, "images") as source:
        available = int((source["split"].to_numpy() == TRAIN).sum())
    count = setting.images or available
    if count < setting.base.batch_size:
        raise ImageError(
            f"training.images: expected at least the {setting.base.batch_size} images of the "
            f"mini-batch, found {count}; choose more"
        )
    seed = setting.base.seed
    return load_mini_batch(images, count, seed), load_mini_batch_labels(images, count, seed)


def train_and_score(
    setting: TrainingSetting, arch: int, images: Tensor, labels: Tensor, title: str = "training"
) -> list[Epoch]:
    """Train architecture ``arch`` with plain SGD and return its record, initialisation first.

    The first score is the suite's own of the untrained network. Later ones count the codes of
    the trained weights, learned scale and shift of batch normalisation included, on the same
    mini-batch. A torch module of others learns with what it drops out and is scored without.

    Parameters
    ----------
    images, labels
        (n, 3, y, x), channels last, and (n,); the first ones are the mini-batch.
    """
    base, space = setting.base, load_space(setting.base.space)
    architecture = Architecture(
        space,
        arch,
        image_size=images.shape[-1],
        classes=spec_of(base.dataset).classes,
        seed=base.seed,
        initialization=base.initialization,
    )
    batch = images[: base.batch_size]
    engine = Scorer(base, space, batch, labels[: base.batch_size])
    untrained = engine.candidate(arch, PhaseClock()).relu_kernel
    epochs = [Epoch(*_judged(untrained), np.nan, np.nan, np.nan)]
    module = architecture.trainable(images)
    optimizer = torch.optim.SGD(module.parameters(), lr=setting.learning_rate)
    for epoch in track(range(1, setting.epochs + 1), title):
        require_run()
        order = stream(base.seed, "training/order", arch, epoch).permutation(len(images))
        start = time.perf_counter()
        with _careful(architecture, epoch):
            loss, accuracy = _epoch(module, optimizer, images, labels, order, setting.batch_size)
        seconds = time.perf_counter() - start
        with _careful(architecture, epoch):
            kernel = module.relu_kernel(batch)
        epochs.append(Epoch(*_judged(kernel), loss, accuracy, seconds))
    return epochs


@contextmanager
def _careful(architecture: Architecture, epoch: int) -> Iterator[None]:
    """Run a module of others inside, with what it draws (dropout) seeded for the epoch.

    Raises
    ------
    ConfigError
        When it fails.
    """
    if architecture.is_described:
        yield
        return
    rng = stream(architecture.seed, "training/module", architecture.index, epoch)
    with blamed_on(f"{architecture.called}: training"):
        seed_global_generators(int(rng.integers(2**63)))
        yield


def _epoch(
    module: Trainable,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    order: NDArray[np.intp],
    batch_size: int,
) -> tuple[float, float]:
    """Train on all images once; return mean loss and percent right, as seen on the way."""
    module.train()
    total, right = 0.0, 0
    for rows in torch.split(torch.from_numpy(order).to(images.device), batch_size):
        optimizer.zero_grad()
        logits = module(images[rows].contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, labels[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(rows)
        right += int((logits.detach().argmax(dim=1) == labels[rows]).sum())
    return total / len(order), 100.0 * right / len(order)


def _judged(kernel: NDArray[np.float64]) -> tuple[float, Status]:
    score, status, _ = judge(log_abs_determinant(kernel))
    return score, status


def _dataset(epochs: list[Epoch], chosen: xr.Dataset) -> xr.Dataset:
    def column(name: str, long_name: str, units: str = "1", dtype: type = float) -> Any:
        values: NDArray[Any] = np.array([[getattr(epoch, name) for epoch in epochs]], dtype=dtype)
        more = status_flags() if name == "status" else {}
        return variable(("arch", "epoch"), values, long_name, units, **more)

    number = variable(("epoch",), np.arange(len(epochs)), "passes over the images")
    return xr.Dataset(
        {
            "score": column("score", "NASWOT score, higher is better"),
            "status": column("status", "what became of the score", dtype=np.int8),
            "loss": column("loss", "mean cross-entropy over the images, as trained"),
            "training_accuracy": column("accuracy", "share right, as trained", "percent"),
            "seconds": column("seconds", "measured time of the epoch's training", "s"),
            "accuracy": chosen["accuracy"],
        },
        coords={**chosen.coords, "epoch": number},
    )
