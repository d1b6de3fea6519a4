"""Trying the sources of an item in the configured order until one delivers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from trainfree.errors import ForbiddenPickleError, SourceError, UnknownNameError
from trainfree.sources.delivery import (
    MIRROR_VARIABLE,
    SOURCE_NAMES,
    Delivery,
    Source,
    SourceSettings,
)
from trainfree.sources.recipes import RECIPES

logger = logging.getLogger(__name__)

T = TypeVar("T")


def fetch(
    item: str,
    order: Sequence[str],
    cache: Path,
    settings: SourceSettings,
    read: Callable[[Delivery], T],
    recipes: Mapping[str, Sequence[Source]] = RECIPES,
) -> T:
    """Return what ``read`` makes of the first source that delivers ``item``.

    A source whose files cannot be had, have another hash or cannot be read is passed over, and
    the log says why.

    Parameters
    ----------
    item
        A key of ``recipes``, for example ``"cifar10-images"``.
    order
        Names of sources in the order in which they are tried.
    cache
        Folder for downloads.
    settings
        Mirror folder, archive path, timeout.
    read
        Turns verified files into data; its SourceError counts as the source's failure.
    recipes
        The sources that have each item. Several of one name are tried as they are listed.

    Raises
    ------
    UnknownNameError
        When the item or a name in ``order`` does not exist.
    ForbiddenPickleError
        At once: a file that asks for a forbidden class is no accident of the network.
    SourceError
        When no source delivers; the message lists each with its reason.
    """
    if item not in recipes:
        raise UnknownNameError("source item", item, recipes)
    for name in order:
        if name not in SOURCE_NAMES:
            raise UnknownNameError("source", name, SOURCE_NAMES)
    reasons: list[str] = []
    for name in order:
        sources = [source for source in recipes[item] if source.name == name]
        if not sources:
            reasons.append(f"{name}: has no {item}")
        for source in sources:
            try:
                delivery = source.deliver(cache, settings)
                result = read(delivery)
            except ForbiddenPickleError:
                raise
            except SourceError as error:
                if (reason := f"{name}: {error}") not in reasons:
                    logger.warning("%s: source passed over: %s", item, reason)
                    reasons.append(reason)
            else:
                logger.info("%s: from source %s (%s)", item, name, delivery.form)
                return result
    raise SourceError(_all_failed(item, order, reasons, recipes[item]))


def _all_failed(
    item: str, order: Sequence[str], reasons: Sequence[str], sources: Sequence[Source]
) -> str:
    others = sorted({source.name for source in sources} - set(order))
    also = f" It also exists at: {', '.join(others)}; add that to sources.order." if others else ""
    listed = "\n".join(f"  - {reason}" for reason in reasons)
    return (
        f"{item}: none of the sources in sources.order delivered it:\n{listed}\n"
        f"What you can do: check the network, or put a copy of the file into a folder and name "
        f"the folder in {MIRROR_VARIABLE} or sources.mirror, then run again.{also}"
    )
