"""Sections about what is scored, and about the studies of scores."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainfree.analysis.settings import LearnedSettings, OutcomeKind
from trainfree.config.section import (
    ONCE,
    Batch,
    Batches,
    Draws,
    Epochs,
    JobsPerGpu,
    Name,
    Names,
    Percent,
    Positive,
    Runs,
    Section,
    Several,
    Share,
    Threads,
    Trainings,
)
from trainfree.drawing import InputKind
from trainfree.scoring.settings.gpu import DeviceChoice
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.settings.precision import Precision


class ScoringConfig(Section):
    """What is scored, and how."""

    proxies: Names = Field(
        default=["naswot", "naswot_official", "synflow", "params", "flops", "relu_units"],
        description="Proxies to compute for every architecture.",
    )
    batch_size: Batch = Field(default=32, description="Images in the one mini-batch.")
    initialization: Initialization = Field(
        default="pytorch", description="How the weights are drawn."
    )
    input: InputKind = Field(
        default="images", description="Mini-batch of real images, or standard normal noise."
    )
    draws: Runs = Field(
        default=1,
        description="Draws of mini-batch and weights for which the proxies that guide or assist "
        "searches score the whole space. The runs of a search take them in turn, as the papers "
        "draw anew in each; tables of scores have the first.",
    )
    inputs: dict[Name, InputKind] = Field(
        default={},
        description="By proxy, the mini-batch that it gets, whatever it declares itself.",
    )
    weights: dict[Name, Initialization] = Field(
        default={},
        description="By proxy, how the weights it gets are drawn, whatever it declares itself.",
    )
    sample: Positive | None = Field(
        default=None,
        description="Only so many architectures, drawn uniformly from the space: for the tables "
        "of proxies. Searches guided by scores need those of all.",
    )
    subset: Name | None = Field(
        default=None,
        description="Only a part of the space that has this name, or a sample of it; in "
        "NAS-Bench-201 `reachable`, the 9,445 cells without unreachable operations, and "
        "`convolutions`, the 64 with convolutions on all edges. Not for searches either.",
    )
    shard_size: Positive = Field(
        default=1000, description="Architectures per job; does not change any score."
    )
    device: DeviceChoice = Field(
        default="auto", description="auto takes a GPU where there is one and it pays."
    )
    precision: Precision = Field(
        default="tf32x3",
        description="How exactly a GPU multiplies in the convolutions of groups of architectures; "
        "a processor always does in float32.",
    )
    gpu_memory: Share = Field(
        default=0.5,
        description="Share of a GPU's memory that groups of architectures may take, of all jobs "
        "on it together; does not change any score.",
    )
    jobs_per_gpu: JobsPerGpu = Field(
        default=1, description="Scoring jobs on one GPU at a time; does not change any score."
    )
    gpu_threads: Threads = Field(
        default=4,
        description="Processor threads of a job on a GPU, which plan groups and compute "
        "determinants; does not change any score.",
    )


class AgreementConfig(Section):
    """The comparison with scores that others computed (target ``proxy_agreement``)."""

    sample: Annotated[int, Field(ge=1, le=15_625)] = Field(
        default=850,
        description="Architectures to score, drawn from the space; three of five are among the "
        "9,445 of NAS-Bench-Suite-Zero.",
    )
    batch_size: Batch = Field(default=64, description="Images; the others used 64.")
    shard_size: Positive = Field(default=50, description="Architectures per job.")


class SpaceAgreementConfig(Section):
    """The same comparison on other spaces (target ``space_agreement``)."""

    samples: dict[Name, Positive | None] = Field(
        default={"nasbench301": 350},
        description="Architectures to score beside each set of published scores, drawn from its "
        "space; null drops one.",
    )
    batch_size: Batch = Field(default=32, description="Images in the one mini-batch.")
    shard_size: Positive = Field(default=25, description="Architectures per job.")


class BoardConfig(Section):
    """The board of proxies, which every run has."""

    proxies: Names | None = Field(
        default=None,
        description="Proxies that are compared, scored on a sample of their own on the first data "
        "set; null compares those of `scoring.proxies`, on what the run scores anyway.",
    )
    sample: Positive = Field(
        default=200,
        description="Architectures, drawn uniformly. Where that is what the run scores anyway, all "
        "of a small space for example, the board shows the scores of `scoring.proxies`.",
    )
    seeds: Runs = Field(
        default=1,
        description="Root seeds of mini-batch and weights, from the run's own on; of several the "
        "board has the spread.",
    )
    shard_size: Positive = Field(default=50, description="Architectures per job.")


class StabilityConfig(Section):
    """Scores of the same architectures under several draws (target ``proxy_stability``)."""

    architectures: Several = Field(
        default=50,
        description="Architectures, drawn uniformly from the space; all where it has fewer.",
    )
    draws: Draws = Field(
        default=5,
        description="Draws of the mini-batch, of the weights and of both; the first is common to "
        "the three, so that each architecture is scored 3 · draws − 2 times.",
    )
    shard_size: Positive = Field(default=10, description="Architectures per job.")


class KernelsConfig(Section):
    """The kernels that are drawn by accuracy (NASWOT paper, Figure 1)."""

    architectures: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Architectures, one of each of so many equal parts by accuracy."
    )
    batch_size: Annotated[Batch, Field(ge=2)] = Field(
        default=128, description="Images; the NASWOT paper used 128."
    )


class LearnedConfig(Section):
    """What forests learn from a few trainings (target ``learned``)."""

    targets: Annotated[list[OutcomeKind], Field(min_length=1), *ONCE] = Field(
        default=["accuracy", "deployed_accuracy", "latency", "energy"],
        description="What is predicted; all but accuracy only of spaces that somebody has measured "
        "on hardware. A job each.",
    )
    trainings: Trainings = Field(
        default=[32, 128, 1024],
        description="Numbers of trained architectures that a forest learns from, as GRAF's.",
    )
    draws: Draws = Field(
        default=50, description="Draws of the trained architectures, as GRAF's authors made."
    )
    trees: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100, description="Trees of a forest; scikit-learn's default, which GRAF's have."
    )
    subset: Name | None = Field(
        default=None,
        description="Only a part of the space: of NAS-Bench-201 `reachable`, `convolutions` or "
        "`connected cells`, of a zoo a family; all scored architectures by default.",
    )

    def settings(self, kind: OutcomeKind, seed: int) -> LearnedSettings:
        """Return what decides how forests learn to predict what is of a kind."""
        return LearnedSettings(
            kind=kind,
            seed=seed,
            draws=self.draws,
            trainings=tuple(self.trainings),
            trees=self.trees,
            subset=self.subset or "",
        )


class AblationConfig(Section):
    """Scores under changed images, weights and batch sizes (target ``ablation``)."""

    proxies: Names = Field(default=["naswot"], description="Proxies to compute for every draw.")
    draws: Draws = Field(default=20, description="Draws of each arm; the NASWOT paper took 20.")
    batch_sizes: Batches = Field(
        default=[32, 64, 128, 256],
        description="Batch sizes of the arms that change it; the other arms have "
        "scoring.batch_size.",
    )


class TrainingConfig(Section):
    """Scores after every epoch of training, on the first data set (target ``training``)."""

    architectures: Annotated[int, Field(ge=2, le=10_000)] = Field(
        default=10, description="Architectures to train; a job each."
    )
    above_percent: Percent = Field(
        default=90.0,
        description="They are drawn from those above this validation accuracy in the benchmark.",
    )
    epochs: Epochs = Field(default=12, description="Epochs; the NASWOT paper trained 100.")
    images: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        default=512, description="Training images; 0 for all there are."
    )
    batch_size: Batch = Field(default=32, description="Images in a step of the training.")
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=0.1, description="Of plain SGD: no momentum, decay, schedule or augmentation."
    )
