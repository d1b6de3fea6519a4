"""One scoring job: a range of architectures under one setting, into one file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from trainfree.errors import ConfigError, ModelError
from trainfree.files.storage import open_dataset, write_dataset
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels
from trainfree.images.datasets import spec_of
from trainfree.outside.extensions import load_files
from trainfree.parent_process import require_run
from trainfree.progress import track
from trainfree.proxies import is_own, load_proxy
from trainfree.proxies.registry import Proxy
from trainfree.scoring.architectures.architecture import Architecture
from trainfree.scoring.architectures.attempts import attempt, attempt_contained
from trainfree.scoring.backend import Backend
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.memory import keep_freed_memory
from trainfree.scoring.jobs.columns import ColumnStore, column_settings, completed_rows
from trainfree.scoring.jobs.devices import processor_name
from trainfree.scoring.jobs.group_rows import Tell, group_rows, untold
from trainfree.scoring.jobs.schema import (
    SHARED_CLOCK,
    UNKNOWN,
    Row,
    drawn_coordinates,
    joined_rows,
    measured_attributes,
    scores_dataset,
)
from trainfree.scoring.settings.drawn import parts_of
from trainfree.scoring.settings.gpu import OLDEST_CAPABILITY, has_triton
from trainfree.scoring.settings.precision import GroupOptions, Precision
from trainfree.scoring.settings.setting import (
    Setting,
    group_precision,
    scored_architectures,
    scores_in_groups,
    scoring_code_hash,
)
from trainfree.scoring.status import judge_failure
from trainfree.spaces import describes_networks, load_space
from trainfree.spaces.protocol import Space

log = logging.getLogger(__name__)


def score_shard(
    setting: Setting,
    first: int,
    last: int,
    images: Path,
    output: Path,
    device: str,
    threads: int,
    store: ColumnStore | None = None,
    options: GroupOptions | None = None,
) -> None:
    """Score the architectures ``first`` to ``last``, both included, and write the shard.

    Parameters
    ----------
    first, last
        Places in the setting's list of architectures, which is the space's order or a sample.
    images
        Prepared image set of ``setting.dataset``.
    output
        Shard file; it appears when it is complete.
    device
        ``"cpu"`` or ``"cuda"``.
    threads
        CPU threads torch may use.
    store
        Where columns of scores are kept and looked for; without one everything is computed.
    options
        How a GPU is used.
    """
    architectures = chosen_architectures(setting, first, last)
    job = ScoringJob(images, device, threads, store, options or GroupOptions())
    attributes = job.attributes(setting, setting.values, __name__)
    rows = job.rows(setting, setting.seed, architectures, title=output.stem)
    scores = scores_dataset(rows, setting.proxies).assign_coords(drawn_coordinates(setting))
    write_dataset(scores.assign_attrs(attributes), output, "scores")


@dataclass(frozen=True)
class ScoringJob:
    """What all rows of a job are scored on and with, and where columns of scores are kept.

    Attributes
    ----------
    images
        Prepared image set.
    device
        ``"cpu"`` or ``"cuda"``.
    threads
        CPU threads torch may use.
    store
        Where columns are kept and looked for; without one everything is computed.
    options
        How a GPU is used.
    """

    images: Path
    device: str
    threads: int
    store: ColumnStore | None = None
    options: GroupOptions = field(default_factory=GroupOptions)

    def rows(
        self,
        setting: Setting,
        batch_seed: int,
        architectures: Sequence[int],
        *,
        title: str = "",
        warm_up: bool = True,
    ) -> list[Row]:
        """Return the rows of architectures: what the store knows, the rest computed and kept.

        Proxies that are computed on the same mini-batch and weights share the passes over an
        architecture; others are computed after them.

        Parameters
        ----------
        batch_seed
            Draws the mini-batch; the setting's own seed draws everything else.
        title
            Of the progress that is shown; none without.
        warm_up
            Whether this is the job's first computation.
        """

        def score(proxies: tuple[str, ...], missing: Sequence[int]) -> list[Row]:
            prepare_torch(self.threads)
            parts = parts_of(replace(setting, proxies=proxies))
            found = (row for part in parts for row in made(part, missing))
            rows = []
            steps = range(len(parts) * len(missing))
            for _ in track(steps, title) if title else steps:
                require_run()
                rows.append(next(found))
            return joined_rows(rows, [part.proxies for part in parts], proxies)

        def made(part: Setting, missing: Sequence[int]) -> Iterator[Row]:
            scorer = Scorer.on_images(part, self.images, batch_seed, self.device)
            if warm_up and not scorer.in_groups:  # what groups ask first warms up, too
                scorer.warm_up()
            yield from scorer.rows(missing, self.options)

        if self.store is None:
            return score(setting.proxies, architectures)
        name = device_name(torch.device(self.device))
        settings = {
            proxy: column_settings(
                *(setting, proxy, batch_seed, self._content_hash, name, self.threads),
                groups=self.groups,
            )
            for proxy in setting.proxies
        }
        names = map(load_space(setting.space).to_string, architectures)
        return completed_rows(
            settings, dict(zip(architectures, names, strict=True)), self.store, score
        )

    @cached_property
    def groups(self) -> Precision | None:
        """The precision of groups where the device computes them, otherwise None."""
        return self.options.precision if can_group(torch.device(self.device)) else None

    def attributes(
        self,
        setting: Setting,
        settings: Mapping[str, Any],
        job: str,
        sources: Mapping[str, str] | None = None,
    ) -> dict[str, str | int]:
        """Return the attributes of a file of the job's scores.

        Parameters
        ----------
        settings, sources
            As for :func:`measured_attributes`.
        job
            The module that writes the file.
        """
        code = scoring_code_hash(setting, job, self.groups)
        name = device_name(torch.device(self.device))
        attributes = measured_attributes(
            setting, settings, code, self.images, name, self.threads, sources
        )
        if precision := group_precision(setting, self.groups):
            attributes["precision"] = precision
        if self.groups is not None and scores_in_groups(setting):
            attributes["clock_note"] = SHARED_CLOCK
        return attributes

    @cached_property
    def _content_hash(self) -> str:
        with open_dataset(self.images, "images") as source:
            return str(source.attrs["content_sha256"])


def can_group(device: torch.device) -> bool:
    """Whether a device is a GPU that computes groups: Triton is there and it has TF32."""
    return (
        device.type == "cuda"
        and has_triton()
        and torch.cuda.get_device_capability(device) >= OLDEST_CAPABILITY
    )


def chosen_architectures(setting: Setting, first: int, last: int) -> list[int]:
    """Return the architectures at the places ``first`` to ``last`` of the setting's list.

    Raises
    ------
    ConfigError
        When there are no such places.
    """
    load_files(Path(path) for path, _ in setting.extra)
    architectures = scored_architectures(setting, len(load_space(setting.space)))
    if not 0 <= first <= last < len(architectures):
        raise ConfigError(
            f"shard {first}-{last} is not in {setting.space} with its {len(architectures)} "
            "architectures"
        )
    chosen: list[int] = architectures[first : last + 1].tolist()
    return chosen


class Scorer:
    """Scores one architecture after the other with the same mini-batch.

    All proxies of its setting are computed on the setting's own input and weights, whatever they
    declare; see :func:`~trainfree.scoring.settings.drawn.parts_of`.
    """

    @classmethod
    def on_images(cls, setting: Setting, images: Path, seed: int, device: str) -> Self:
        """Return a scorer on the mini-batch that ``seed`` draws.

        The setting's own seed draws weights and everything else.
        """
        pixels = load_mini_batch(images, setting.batch_size, seed, setting.input)
        batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        labels = load_mini_batch_labels(images, setting.batch_size, seed)
        return cls(setting, load_space(setting.space), batch, torch.from_numpy(labels).to(device))

    def __init__(
        self, setting: Setting, space: Space, batch: torch.Tensor, labels: torch.Tensor
    ) -> None:
        self._setting, self._space = setting, space
        self._batch, self._labels = batch, labels
        self._proxies: list[Proxy] = [load_proxy(name) for name in setting.proxies]
        self._dataset = spec_of(setting.dataset)
        cuda = batch.device.type == "cuda"
        self._synchronize = torch.cuda.synchronize if cuda else lambda: None
        self._attempt = attempt if describes_networks(space) else attempt_contained
        self.in_groups = describes_networks(space) and can_group(batch.device)
        self.in_threads = all(map(is_own, self._proxies))

    def warm_up(self) -> None:
        """Score an architecture, unrecorded, so that start-up costs are in no row."""
        self.row(self._space.warm_up_architecture)

    def rows(self, architectures: Sequence[int], options: GroupOptions) -> Iterator[Row]:
        """Yield the rows of architectures in their order; a GPU computes them in groups."""
        if not self.in_groups:
            return map(self.row, architectures)
        classes = self._dataset.classes
        return group_rows(self, self._setting, classes, self._batch, architectures, options)

    def row(self, arch: int, tell: Tell = untold, waits: bool = True) -> Row:
        """Return the row of one architecture.

        A torch module of others that cannot be scored fails all its scores with one message.

        Parameters
        ----------
        tell
            Tells the backend what is known of the architecture already.
        waits
            Whether seconds are read when the device has done its work. What is known needs no
            device, which may be at other work.
        """
        clock = PhaseClock(self._synchronize) if waits else PhaseClock()
        start = clock.now()
        try:
            candidate = self.candidate(arch, clock, tell)
        except (ModelError, MemoryError) as error:
            log.error("architecture %d cannot be scored: %s", arch, error)
            counts = UNKNOWN, UNKNOWN, UNKNOWN
            judged = [(*judge_failure(error), float("nan"))] * len(self._proxies)
        else:
            counts = candidate.relu_units, candidate.params, candidate.flops
            judged = [self._attempt(candidate, proxy, arch) for proxy in self._proxies]
        clock.seconds["total"] += clock.now() - start
        messages = [
            f"{proxy.name}: {message}" if message else ""
            for proxy, (_, _, message, _) in zip(self._proxies, judged, strict=True)
        ]
        relu_units, params, flops = counts
        return Row(
            arch=arch,
            architecture=self._space.to_string(arch),
            scores=[score for score, _, _, _ in judged],
            statuses=[status for _, status, _, _ in judged],
            messages=messages,
            seconds=clock.seconds,
            proxy_seconds=[seconds for _, _, _, seconds in judged],
            relu_units=relu_units,
            params=params,
            flops=flops,
        )

    def asked(self) -> frozenset[str]:
        """Return the names of the shared results that the proxies ask of an architecture."""
        arch = self._space.warm_up_architecture
        backend = self._backend(arch, PhaseClock(self._synchronize))
        candidate = CheckedCandidate(backend)
        for proxy in self._proxies:
            self._attempt(candidate, proxy, arch)
        return backend.results.asked

    def candidate(self, arch: int, clock: PhaseClock, tell: Tell = untold) -> CheckedCandidate:
        """Return what proxies are handed of one architecture.

        Raises
        ------
        ModelError
            When the torch module that a space of others makes of it cannot be scored.
        MemoryError
            When there is not enough memory for that module.
        """
        backend = self._backend(arch, clock)
        tell(backend)
        return CheckedCandidate(backend)

    def _backend(self, arch: int, clock: PhaseClock) -> Backend:
        setting, classes = self._setting, self._dataset.classes
        drawn = (setting.seed, setting.initialization)
        architecture = Architecture(self._space, arch, self._batch.shape[-1], classes, *drawn)
        return architecture.backend(self._batch, self._labels, clock)


def prepare_torch(threads: int) -> None:
    """Make torch repeatable, as exact on a GPU as on the CPU, and keep the memory it frees."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    compute_exactly()


def compute_exactly() -> None:
    """Make torch repeatable, and as exact on a GPU as on the CPU."""
    # Not use_deterministic_algorithms, which imports torch's compiler: 1.5 s of every job.
    torch.set_deterministic_debug_mode("warn")
    # No operation here reads what it has not written; filling costs a twentieth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def device_name(device: torch.device) -> str:
    """Return the name of a GPU or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
