"""What decides a search for convolutional cells by ENAS, by name. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from trainfree.errors import ConfigError, near_match
from trainfree.settings import STRICT, Settings

SECTION = "enas_convolutional"


@dataclass(frozen=True, config=STRICT)
class Schedule(Settings):
    """A learning rate by epoch: cosines from a highest to a lowest, each longer than the last.

    Loshchilov and Hutter, *SGDR* (ICLR 2017). The rate is constant where both are equal.

    Attributes
    ----------
    highest, lowest
        Rates at the beginning and towards the end of a cosine.
    period, factor
        Epochs of the first cosine, and how many times longer each next one is.
    """

    called: ClassVar[str] = "schedule of a learning rate"
    highest: float
    lowest: float
    period: int = 10
    factor: int = 2


@dataclass(frozen=True, config=STRICT)
class Weights(Settings):
    """How shared weights are trained, or those of one network alone: SGD, Nesterov's momentum .9.

    Attributes
    ----------
    cells, channels
        Of the network: stacked cells, and channels of the first.
    epochs, batch_size
        Of the training.
    rate
        Learning rate by epoch.
    weight_decay
        Of all weights.
    clip
        Largest norm of a gradient; 0 for none.
    kept
        Share of the features before the classifier that dropout keeps.
    kept_paths
        Share of paths kept at the end of the training in the last cell; none is dropped at its
        beginning. Only for networks alone.
    auxiliary
        Whether a second classifier helps.
    cutout
        Side of the square that is cut out of each image; 0 for none. Images are always shifted by
        up to an eighth of their side and mirrored at random.
    """

    called: ClassVar[str] = "training of weights"
    cells: int
    channels: int
    epochs: int
    batch_size: int
    rate: Schedule
    weight_decay: float
    clip: float = 0.0
    kept: float = 1.0
    kept_paths: float = 1.0
    auxiliary: bool = False
    cutout: int = 0


@dataclass(frozen=True, config=STRICT)
class ControllerSettings(Settings):
    """The controller and how it learns.

    Attributes
    ----------
    hidden
        Width of the LSTM.
    temperature, tanh_constant
        Ratings are divided by the first, and kept within ± the second; 0 for neither.
    operation_divisor
        What the tanh constant is divided by where an operation is rated.
    convolution_start
        Where the bias in the ratings of separable convolutions begins, within the tanh. The
        published 10 is so far out that it hardly ever moves.
    convolution_bias
        By how much separable convolutions of the normal cell are rated higher than other
        operations, always.
    optimizer
        ``adam`` (β₁ 0, ε 1e-3, as published) or ``momentum`` (.9, Nesterov).
    rate
        Learning rate by epoch.
    baseline_decay
        Share of the old baseline in the new one.
    entropy_weight
        What a nat of entropy adds to the reward.
    steps, samples
        Steps an epoch, and pairs of cells that are sampled for each.
    """

    called: ClassVar[str] = "controller"
    hidden: int
    temperature: float
    tanh_constant: float
    operation_divisor: float
    convolution_start: float
    convolution_bias: float
    optimizer: Literal["adam", "momentum"]
    rate: Schedule
    baseline_decay: float
    entropy_weight: float
    steps: int
    samples: int


_Bounds = tuple[tuple[str, float, float], ...]
_TRAININGS: _Bounds = (
    *(("cells", 2, 100), ("channels", 2, 1024), ("epochs", 1, 10_000), ("batch_size", 2, 65_536)),
    *(("rate.highest", 0, 1000), ("rate.lowest", 0, 1000), ("rate.period", 1, 100_000)),
    *(("rate.factor", 1, 100), ("weight_decay", 0, 1), ("clip", 0, 1e6), ("kept", 0.01, 1)),
    *(("kept_paths", 0.01, 1), ("cutout", 0, 4096)),
)
_BOUNDS: _Bounds = (
    *(("nodes", 1, 10), ("weight_images", 2, 10_000_000), ("reward_images", 2, 10_000_000)),
    *(
        ("test_images", 0, 10_000_000),
        ("shown", 1, 1000),
        ("candidates", 1, 100_000),
        ("shrink", 1, 8),
    ),
    *(("candidate_images", 2, 10_000_000), ("random", 1, 1000)),
    *((f"shared.{name}", least, most) for name, least, most in _TRAININGS),
    *((f"retrained.{name}", least, most) for name, least, most in _TRAININGS),
    *(("controller.hidden", 1, 4096), ("controller.temperature", 0, 1000)),
    *(("controller.tanh_constant", 0, 1000), ("controller.operation_divisor", 0.01, 1000)),
    ("controller.convolution_bias", 0, 100),
    *(("controller.convolution_start", 0, 1000), ("controller.rate.highest", 0, 1000)),
    *(("controller.rate.lowest", 0, 1000), ("controller.rate.period", 1, 100_000)),
    *(("controller.rate.factor", 1, 100), ("controller.baseline_decay", 0, 0.9999999)),
    *(("controller.entropy_weight", 0, 1000), ("controller.steps", 1, 100_000)),
    ("controller.samples", 1, 10_000),
)


@dataclass(frozen=True, config=STRICT)
class EnasConvolutionalSettings(Settings):
    """Everything that decides a search.

    Attributes
    ----------
    dataset, seed
        Image set and root seed.
    preset
        Name of the preset that the settings began as.
    nodes
        Of each cell.
    weight_images, reward_images, test_images
        Training images for weights; others of them for rewards, which validate too; test images.
        0 for all test images.
    shrink
        Factor by which the images' sides are made smaller, by means of squares of pixels.
    shared, controller, retrained
        How shared weights, the controller and networks alone are trained.
    shown
        Pairs of cells of each epoch whose texts and accuracies are kept.
    candidates, candidate_images
        Pairs that are sampled at the end, and reward images on which the best is found.
    random
        Pairs drawn at random that are trained beside the derived one.
    """

    called: ClassVar[str] = "settings of ENAS for convolutional cells"
    dataset: str
    seed: int
    preset: str
    nodes: int
    weight_images: int
    reward_images: int
    test_images: int
    shrink: int
    shared: Weights
    controller: ControllerSettings
    retrained: Weights
    shown: int
    candidates: int
    candidate_images: int
    random: int

    def check(self) -> None:
        """Check what no type says.

        Raises
        ------
        ConfigError
            Naming the key that is wrong.
        """
        for name, least, most in _BOUNDS:
            value: Any = self
            for part in name.split("."):
                value = getattr(value, part)
            if not least <= value <= most:
                raise ConfigError(
                    f"{SECTION}.settings: {name}: expected {least:g} to {most:g}, found {value:g}"
                )
        for name, schedule in (
            ("shared", self.shared.rate),
            ("controller", self.controller.rate),
            ("retrained", self.retrained.rate),
        ):
            if schedule.lowest > schedule.highest:
                raise ConfigError(
                    f"{SECTION}.settings: {name}.rate.lowest: expected at most rate.highest, "
                    f"{schedule.highest:g}, found {schedule.lowest:g}"
                )
        for name, count in (
            ("shared.batch_size", self.shared.batch_size),
            ("candidate_images", self.candidate_images),
        ):
            if count > self.reward_images:
                raise ConfigError(
                    f"{SECTION}.settings: {name}: expected at most reward_images, "
                    f"{self.reward_images}, found {count}"
                )
        for name, weights in (("shared", self.shared), ("retrained", self.retrained)):
            if weights.batch_size > self.weight_images:
                raise ConfigError(
                    f"{SECTION}.settings: {name}.batch_size: expected at most weight_images, "
                    f"{self.weight_images}, found {weights.batch_size}"
                )


def changed(
    settings: EnasConvolutionalSettings, changes: Mapping[str, float | int | bool | str]
) -> EnasConvolutionalSettings:
    """Return settings of which some have other values.

    Parameters
    ----------
    changes
        By name, those of parts with a dot: ``shared.rate.highest``.

    Raises
    ------
    ConfigError
        When a name is none of the settings, or a value is of another type.
    """
    every = _names(settings)
    found = settings
    for name, value in changes.items():
        if name not in every:
            raise ConfigError(
                f"{SECTION}.settings: unknown setting {name!r}{near_match(name, every)}; known are "
                f"{', '.join(every)}"
            )
        found = _with(found, name.split("."), _converted(name, value, every[name]))
    return found


def _names(settings: Settings, before: str = "") -> dict[str, Any]:
    """Return every setting that can be changed with its value, parts joined by dots."""
    found: dict[str, Any] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), before + field.name
        if isinstance(value, Settings):
            found |= _names(value, f"{name}.")
        elif name not in ("dataset", "seed", "preset"):
            found[name] = value
    return found


def _converted(name: str, value: object, old: object) -> object:
    """Return a value as the type of the one before; only whole numbers become others."""
    if isinstance(old, float) and type(value) is int:
        return float(value)
    if type(value) is not type(old):
        raise ConfigError(
            f"{SECTION}.settings: {name}: expected a value such as {old!r}, found {value!r}"
        )
    if name == "controller.optimizer" and value not in ("adam", "momentum"):
        raise ConfigError(f"{SECTION}.settings: {name}: expected adam or momentum, found {value!r}")
    return value


def _with(settings: Any, parts: list[str], value: object) -> Any:
    assert is_dataclass(settings)
    if len(parts) > 1:
        value = _with(getattr(settings, parts[0]), parts[1:], value)
    return replace(settings, **{parts[0]: value})  # type: ignore[type-var]
