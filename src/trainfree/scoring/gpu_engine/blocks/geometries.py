"""Geometries of launches, each made once and known by a number of this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from trainfree.scoring.gpu_kernels.launches import (
    Combination,
    Convolution,
    Copying,
    Geometry,
    Head,
    Measurement,
    Normalisation,
    Packing,
    Pooling,
    Product,
    width_of,
)

_KNOWN: list[Geometry] = []


def geometry_of(number: int) -> Geometry:
    """Return the geometry with a number."""
    return _KNOWN[number]


def _numbered(make: Callable[..., Geometry]) -> Callable[..., int]:
    numbers: dict[Geometry, int] = {}

    def number(*sizes: Any) -> int:
        geometry = make(*sizes)
        if geometry not in numbers:
            numbers[geometry] = len(_KNOWN)
            _KNOWN.append(geometry)
        return numbers[geometry]

    return cache(number)


@_numbered
def pooling(
    height: int,
    width: int,
    kernel: int,
    stride: int,
    padding: int,
    average: bool,
    relu: bool,
    channels: int,
) -> Geometry:
    """Return that of POOL or FLOW_MAX_POOL."""
    return Pooling(height, width, kernel, stride, padding, average, relu, width_of(channels))


@_numbered
def copying(height: int, width: int, relu: bool, shifted: bool, channels: int) -> Geometry:
    """Return that of COPY."""
    return Copying(height, width, relu, shifted, width_of(channels))


@_numbered
def convolution(
    height: int,
    width: int,
    kernel: int,
    stride: int,
    relu: bool,
    moments: bool,
    channels_in: int,
    channels_out: int,
) -> Geometry:
    """Return that of CONVOLVE or FLOW_CONVOLVE."""
    widths = width_of(channels_in), width_of(channels_out)
    return Convolution(height, width, kernel, stride, relu, moments, *widths)


@_numbered
def measurement(pixels: int, relu: bool, channels: int) -> Geometry:
    """Return that of MEASURE."""
    return Measurement(pixels, relu, width_of(channels))


@_numbered
def normalisation(pixels: int, channels: int) -> Geometry:
    """Return that of NORMALISE."""
    return Normalisation(pixels, width_of(channels))


@_numbered
def combination(height: int, width: int, averaged: bool, channels: int) -> Geometry:
    """Return that of COMBINE."""
    return Combination(height, width, averaged, width_of(channels))


@_numbered
def product(units: int) -> Geometry:
    """Return that of MULTIPLY."""
    return Product(width_of(units).aligned)


@_numbered
def packing(units: int) -> Geometry:
    """Return that of PACK."""
    return Packing(width_of(units).aligned)


@_numbered
def head(pixels: int, channels: int) -> Geometry:
    """Return that of FLOW_HEAD."""
    return Head(pixels, width_of(channels))
