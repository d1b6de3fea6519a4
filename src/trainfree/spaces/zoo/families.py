"""Families of the networks in a zoo, and the year in which the paper of each appeared.

A family of pytorchcv is the module of the package that builds its networks; the year is that of the
first version of the paper on arXiv which the module cites at its top. For the other packages a
family is what the names of its networks begin with, and no year is known.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple


class Family(NamedTuple):
    """Networks of one kind: their name, and the year of their paper, NaN where it is not known."""

    name: str
    year: float


_PAPERS = {
    "nin": "1312.4400",
    "resnet": "1512.03385",
    "preresnet": "1603.05027",
    "resnext": "1611.05431",
    "seresnet": "1709.01507",
    "sepreresnet": "1709.01507",
    "pyramidnet": "1610.02915",
    "densenet": "1608.06993",
    "xdensenet": "1711.08757",
    "wrn": "1605.07146",
    "wrn1bit": "1802.08530",
    "ror": "1608.02908",
    "rir": "1603.08029",
    "shakeshakeresnet": "1705.07485",
    "diaresnet": "1905.10671",
    "diapreresnet": "1905.10671",
}
"""Number on arXiv of the paper that ``pytorchcv.models.<family>_cifar`` cites, by family."""
_WITH_1_BIT = re.compile(r"wrn\d+_\d+_(1|32)bit")


def family_of(package: str, name: str) -> Family:
    """Return the family of a network of a package."""
    begins = re.match(r"[a-z]+", name)
    family = begins[0] if begins else name
    if package != "pytorchcv":
        return Family(family, math.nan)
    if _WITH_1_BIT.match(name):
        family = "wrn1bit"
    paper = _PAPERS.get(family)
    return Family(family, math.nan if paper is None else 2000.0 + int(paper[:2]))
