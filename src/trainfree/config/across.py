"""The section about several spaces beside each other."""

from __future__ import annotations

from pydantic import Field

from trainfree.config.section import Batch, Name, Names, Positive, Section
from trainfree.drawing import InputKind
from trainfree.scoring.settings.initialization import Initialization

_AS_ALL = "instead of the value for all spaces."


class AcrossSpace(Section):
    """What of one space differs from the others."""

    datasets: Names = Field(default=["cifar10"], description="Image data sets.")
    proxies: Names | None = Field(default=None, description=f"Proxies, {_AS_ALL}")
    without: Names | None = Field(
        default=None, description="Proxies that are left out, for what they cost there."
    )
    sample: Positive | None = Field(default=None, description=f"Architectures, {_AS_ALL}")
    batch_size: Batch | None = Field(default=None, description=f"Images, {_AS_ALL}")
    initialization: Initialization | None = Field(default=None, description=f"Weights, {_AS_ALL}")
    input: InputKind | None = Field(default=None, description=f"Mini-batch, {_AS_ALL}")
    shard_size: Positive | None = Field(default=None, description=f"A job's share, {_AS_ALL}")


class AcrossConfig(Section):
    """Proxies on several spaces beside each other (target ``spaces``)."""

    proxies: Names = Field(
        default=["naswot", "synflow", "params", "flops"], description="Proxies to compute."
    )
    sample: Positive = Field(
        default=200,
        description="Architectures of each space, drawn uniformly; all of a smaller space.",
    )
    batch_size: Batch = Field(default=32, description="Images in the one mini-batch.")
    initialization: Initialization = Field(
        default="pytorch", description="How the weights are drawn."
    )
    input: InputKind = Field(
        default="images", description="Mini-batch of images, or standard normal noise."
    )
    shard_size: Positive = Field(default=50, description="Architectures per job.")
    spaces: dict[Name, AcrossSpace | None] = Field(
        default={},
        description="Spaces by name, each with what differs there; null drops one that an earlier "
        "file named.",
    )

    @property
    def named(self) -> dict[str, AcrossSpace]:
        """The spaces that are not dropped."""
        return {name: space for name, space in self.spaces.items() if space is not None}

    def proxies_of(self, space: AcrossSpace) -> tuple[str, ...]:
        """Return the proxies that are computed in a space."""
        wanted = self.proxies if space.proxies is None else space.proxies
        return tuple(name for name in wanted if name not in (space.without or []))
