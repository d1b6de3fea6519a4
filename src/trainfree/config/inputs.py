"""Sections about where things come from: sources, and files of the user's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainfree.config.section import ONCE, FilePath, FilePaths, Section, Timeout

SourceNames = Annotated[
    list[Literal["mirror", "official", "registry", "generated"]],
    Field(min_length=1),
    *ONCE,
]


class SourcesConfig(Section):
    """Where bytes come from."""

    order: SourceNames = Field(
        default=["mirror", "official", "registry"],
        description="Sources in the order they are tried. 'generated' makes small artificial "
        "inputs for tests and must be named explicitly.",
    )
    mirror: FilePath | None = Field(
        default=None,
        description="Folder with local copies. The environment variable TRAINFREE_MIRROR wins.",
    )
    nats_archive: FilePath | None = Field(
        default=None,
        description="Path of the official NATS-tss-v1_0-3ffb9-simple folder or .tar file.",
    )
    nats_size_archive: FilePath | None = Field(
        default=None,
        description="Path of the official NATS-sss-v1_0-50262-simple folder or .tar file.",
    )
    nasbench101: FilePath | None = Field(
        default=None,
        description="Path of an official NAS-Bench-101 .tfrecord file; without one, the mirror's "
        "nasbench101/nb101_108ep.npz.",
    )
    nds: FilePath | None = Field(
        default=None,
        description="Path of the official files of NDS, a folder with Amoeba.json and others or "
        "the data.zip that they come in; without one, the mirror's nds/.",
    )
    timeout_seconds: Timeout = Field(
        default=10.0, description="Seconds to wait for a connection before the next source."
    )


class ProxiesConfig(Section):
    """Proxies beside the suite's own."""

    extra: FilePaths = Field(
        default=[],
        description="Python files with proxies of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.proxies need not be named.",
    )


class ImagesConfig(Section):
    """Image sets beside the suite's own."""

    extra: FilePaths = Field(
        default=[],
        description="Python files with image sets of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.images need not be named.",
    )


class SpacesConfig(Section):
    """Spaces beside the suite's own."""

    extra: FilePaths = Field(
        default=[],
        description="Python files with spaces of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.spaces need not be named.",
    )
