"""The section about the field's own tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainfree.config.section import ONCE, Batch, Name, Names, Positive, Section, Seed
from trainfree.images.datasets import InputKind
from trainfree.scoring.settings.initialization import Initialization

Seeds = Annotated[list[Seed], Field(min_length=1), *ONCE]


class FieldConfig(Section):
    """The tables by which proxies are compared in print (target ``field_tables``)."""

    proxies: Names = Field(
        default=["naswot", "synflow"], description="Proxies to compute under each seed."
    )
    proxies_of_all: Names = Field(
        default=["flops", "params"],
        description="Proxies that cost next to nothing and depend on no seed: computed once, for "
        "every architecture, whatever `sample` is.",
    )
    sample: Positive | None = Field(
        default=100,
        description="Architectures of each seed, drawn anew for each, so that five seeds tell as "
        "much of the space as a sample five times as large; null for all.",
    )
    subset: Name | None = Field(
        default=None, description="Only a part of the space, as `scoring.subset`."
    )
    seeds: Seeds = Field(
        default=[1, 2, 3, 4, 5],
        description="Root seeds of mini-batch, weights and sample; tables give the mean.",
    )
    batch_size: Batch = Field(default=64, description="Images in the one mini-batch.")
    initialization: Initialization = Field(
        default="kaiming", description="How weights are drawn, where a proxy does not say."
    )
    input: InputKind = Field(
        default="images", description="Mini-batch, where a proxy does not say: images or noise."
    )
    shard_size: Positive = Field(
        default=25, description="Architectures per job; forty times as many of `proxies_of_all`."
    )
