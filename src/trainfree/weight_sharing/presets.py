"""What decides how each method trains: the numbers of the NAS-Bench-201 scripts. Needs no torch.

Source: the repository AutoDL-Projects of Dong and Yang, ``scripts-search/NAS-Bench-201-algos/*.sh``
(architecture steps, controller, tau, numbers of samples, batch normalisation) and
``configs/nas-benchmark/algos/*.config`` (epochs, batches, SGD). The defaults here are those
numbers. NAS-Bench-201 prints what these methods find (Table 5) with batch normalisation that keeps
no running statistics inside cells; both ways are compared there, and both have a preset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.provenance import canonical_json
from trainfree.settings import STRICT, Settings

Count = Annotated[int, Field(ge=1, le=100_000)]
Rate = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class MethodSettings(Settings):
    """How shared weights are trained: SGD with Nesterov momentum, a cosine by epoch.

    Attributes
    ----------
    epochs
        Passes over the images of the weights.
    batch_size, evaluation_batch_size
        Images of a step, and of a batch that is only evaluated.
    learning_rate, last_learning_rate
        Ends of the cosine.
    period
        Epochs of half a cosine; 0 for all epochs. After it the rate rises again, as in the
        script of ENAS.
    momentum, weight_decay
        Of SGD.
    clip
        Largest norm of the weights' gradient; 0 for none.
    running_statistics
        Whether batch normalisation inside cells keeps running statistics and is evaluated by them.
    """

    called: ClassVar[str] = "settings of the method"
    epochs: Count = 250
    batch_size: Count = 64
    evaluation_batch_size: Count = 512
    learning_rate: Rate = 0.025
    last_learning_rate: Rate = 0.001
    period: Annotated[int, Field(ge=0, le=100_000)] = 0
    momentum: Share = 0.9
    weight_decay: Rate = 5e-4
    clip: Rate = 5.0
    running_statistics: bool = False


@dataclass(frozen=True, config=STRICT)
class RspsSettings(MethodSettings):
    """Random search with parameter sharing; ``samples`` architectures are compared to choose."""

    samples: Count = 100


@dataclass(frozen=True, config=STRICT)
class AlphaSettings(MethodSettings):
    """Methods that learn a number for each operation on each edge, by Adam.

    Attributes
    ----------
    architecture_learning_rate, architecture_weight_decay, architecture_beta
        Of Adam; its second beta is 0.999.
    """

    architecture_learning_rate: Rate = 3e-4
    architecture_weight_decay: Rate = 1e-3
    architecture_beta: Share = 0.5


@dataclass(frozen=True, config=STRICT)
class DartsSettings(AlphaSettings):
    """DARTS, of either order."""

    epochs: Count = 50
    evaluation_batch_size: Count = 64


@dataclass(frozen=True, config=STRICT)
class GdasSettings(AlphaSettings):
    """GDAS; the temperature falls from ``tau`` to ``last_tau`` in equal steps, one an epoch."""

    evaluation_batch_size: Count = 64
    tau: Annotated[float, Field(gt=0, le=1000)] = 10.0
    last_tau: Annotated[float, Field(gt=0, le=1000)] = 0.1


@dataclass(frozen=True, config=STRICT)
class SetnSettings(AlphaSettings):
    """SETN; the ``samples`` likeliest architectures are compared to choose. Nothing is clipped."""

    clip: Rate = 0.0
    samples: Count = 100


@dataclass(frozen=True, config=STRICT)
class EnasSettings(MethodSettings):
    """ENAS.

    Attributes
    ----------
    hidden
        Width of the controller.
    controller_learning_rate, controller_beta, controller_epsilon
        Of Adam; its second beta is 0.999.
    controller_steps, controller_samples
        Steps an epoch, and architectures of each, every one on a batch of its own.
    controller_clip, entropy_weight, baseline_decay
        See ``controller.py``.
    samples, last_samples
        Architectures that are compared to choose, after an epoch and after the last.
    """

    batch_size: Count = 128
    evaluation_batch_size: Count = 128
    learning_rate: Rate = 0.05
    last_learning_rate: Rate = 5e-4
    period: Annotated[int, Field(ge=0, le=100_000)] = 10
    weight_decay: Rate = 2.5e-4
    hidden: Count = 32
    controller_learning_rate: Rate = 1e-3
    controller_beta: Share = 0.0
    controller_epsilon: Rate = 1e-3
    controller_steps: Count = 50
    controller_samples: Count = 20
    controller_clip: Rate = 5.0
    entropy_weight: Rate = 1e-4
    baseline_decay: Share = 0.99
    samples: Count = 10
    last_samples: Count = 100


SETTINGS: Mapping[str, type[MethodSettings]] = {
    "rsps": RspsSettings,
    "darts_v1": DartsSettings,
    "darts_v2": DartsSettings,
    "gdas": GdasSettings,
    "setn": SetnSettings,
    "enas": EnasSettings,
}
"""What can be set of each method; ``methods/`` has a file of the same name."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "nasbench201": {},
    "nasbench201_running": {"running_statistics": True},
}
"""Published settings, for every method: what differs from the defaults."""


def settings_of(method: str, preset: str, values: Mapping[str, Any], where: str) -> MethodSettings:
    """Return a method's settings: the preset's, then those given.

    Parameters
    ----------
    where
        The configuration key that holds them, for messages.

    Raises
    ------
    UnknownNameError
        For an unknown method or preset, with the nearest one.
    ConfigError
        When a key is no setting of the method, or a value is of the wrong type or range.
    """
    if method not in SETTINGS:
        raise UnknownNameError("weight-sharing method", method, SETTINGS)
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    try:
        return SETTINGS[method].from_json(canonical_json({**PRESETS[preset], **values}))
    except ConfigError as error:
        raise ConfigError(f"{where}.{method}: {error}") from error
