"""What decides the two studies of the NASWOT score, and their plans. Needs no torch.

Both score ten architectures that a file of kind "choice" names: the ablation under changed
mini-batches, weights and batch sizes, the training study after every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from trainfree.randomness import stream
from trainfree.scoring.settings.setting import Setting
from trainfree.settings import STRICT, Settings

MINI_BATCH, GAUSSIAN, INITIALISATION = "mini-batch", "gaussian input", "initialisation"


@dataclass(frozen=True, config=STRICT)
class _Study(Settings):
    """A study of scores: ``base`` is how the suite itself would score."""

    called: ClassVar[str] = "study"
    base: Setting

    @property
    def values(self) -> dict[str, Any]:
        """All fields by name, the base's as it has them itself."""
        return {**super().values, "base": self.base.values}


@dataclass(frozen=True, config=STRICT)
class AblationSetting(_Study):
    """How the ablation draws (NASWOT paper, Figure 5).

    Parameters
    ----------
    draws
        Draws of each arm.
    batch_sizes
        Batch sizes of the arms that change it.
    """

    draws: int
    batch_sizes: tuple[int, ...]


@dataclass(frozen=True, config=STRICT)
class TrainingSetting(_Study):
    """How networks are trained between scores (NASWOT paper, Figure 6): plain SGD.

    Parameters
    ----------
    epochs
        Passes over the images; a score is taken before the first and after each.
    images
        Training images: the first so many that the mini-batch is drawn from, itself included;
        0 for all.
    batch_size, learning_rate
        Of the training; without momentum, weight decay, schedule or augmentation.
    """

    epochs: int
    images: int
    batch_size: int
    learning_rate: float


@plain_dataclass(frozen=True)
class Draw:
    """One way of scoring: the suite's own under ``setting``, but for the weights' root seed."""

    setting: Setting
    weights_seed: int


@plain_dataclass(frozen=True)
class Arm:
    """What is varied: one way of scoring a draw."""

    name: str
    draws: tuple[Draw, ...]

    @property
    def setting(self) -> Setting:
        """What the draws have in common."""
        return self.draws[0].setting


def draw_seeds(setting: AblationSetting) -> list[int]:
    """Return a root seed for each draw; the first is the suite's own."""
    seed = setting.base.seed
    others = (
        int(stream(seed, "ablation/draw", draw).integers(2**32)) for draw in range(1, setting.draws)
    )
    return [seed, *others]


def ablation_arms(setting: AblationSetting) -> list[Arm]:
    """Return the arms; whatever an arm does not vary is as the suite has it.

    Draw *d* takes its mini-batch, its noise or its weights from the same root seed in every arm,
    so the first draw of the arms that change neither input nor batch size is the suite's score.
    """
    base, seeds = setting.base, draw_seeds(setting)

    def batches(setting: Setting) -> tuple[Draw, ...]:
        return tuple(Draw(replace(setting, seed=seed), base.seed) for seed in seeds)

    return [
        Arm(MINI_BATCH, batches(base)),
        Arm(GAUSSIAN, batches(replace(base, input="gaussian"))),
        Arm(INITIALISATION, tuple(Draw(base, seed) for seed in seeds)),
        *(
            Arm(f"batch size {size}", batches(replace(base, batch_size=size)))
            for size in setting.batch_sizes
        ),
    ]


def distinct_draws(arms: list[Arm]) -> dict[Draw, list[tuple[int, int]]]:
    """Return each way of scoring once, with the places (arm, draw) that it fills."""
    places: dict[Draw, list[tuple[int, int]]] = {}
    for number, arm in enumerate(arms):
        for place, draw in enumerate(arm.draws):
            places.setdefault(draw, []).append((number, place))
    return places
