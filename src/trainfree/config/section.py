"""What all sections of the configuration share: the kinds of values, each with its bounds.

Every bound has a reason, which stands with it. They are far from what anybody wants to run and
near enough that a slip of the finger (a number too many, a file's content where its name is
meant) ends in a sentence before the first job.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from trainfree.errors import ConfigError
from trainfree.sources.delivery import real_path

LONGEST_NAME = 200

Item = TypeVar("Item")


def each_once(values: list[Item]) -> list[Item]:
    """Refuse a list that names something twice: it would be computed and shown twice."""
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise PydanticCustomError(
            "repeated", "expected each once; {value} occurs twice", {"value": repeated[0]}
        )
    return values


def _real_path(text: str) -> str:
    """Return the path as every reader is to see it; see ``sources/delivery.py``."""
    try:
        return real_path(text)
    except ConfigError as error:
        raise PydanticCustomError("path", "{why}", {"why": str(error)}) from None


Seed = Annotated[int, Field(ge=0, le=2**63 - 2)]
"""Files hold it as a number of 64 bits with a sign, and ``proxy_agreement`` takes seed + 1 too."""
Positive = Annotated[int, Field(ge=1, le=10_000_000)]
"""Numbers of architectures, of images, of evaluations: no table or image set has more."""
Several = Annotated[int, Field(ge=2, le=10_000_000)]
Batch = Annotated[int, Field(ge=1, le=65_536)]
"""All images of the mini-batch are in memory at once, and kernels have the square of its size."""
Draws = Annotated[int, Field(ge=2, le=100_000)]
"""Each repeats the whole computation."""
Runs = Annotated[int, Field(ge=1, le=100_000)]
"""The traces of all runs are in memory at once."""
Epochs = Annotated[int, Field(ge=1, le=10_000)]
Seconds = Annotated[float, Field(gt=0, le=1e10)]
"""Simulated seconds: 1e10 are three centuries of training."""
Timeout = Annotated[float, Field(gt=0, le=86_400)]
"""Seconds to wait for an answer: at most a day."""
Margin = Annotated[float, Field(gt=0, le=1_000_000)]
Percent = Annotated[float, Field(ge=0, lt=100), AfterValidator(lambda value: value + 0.0)]
"""Below 100; -0.0 is 0."""
Share = Annotated[float, Field(gt=0, le=1)]
"""Of a whole."""
JobsPerGpu = Annotated[int, Field(ge=1, le=16)]
"""Each has a start and a share of the memory of its own."""
Threads = Annotated[int, Field(ge=1, le=256)]

ONCE = (AfterValidator(each_once), Field(json_schema_extra={"uniqueItems": True}))
RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
"""A folder's name that needs no quoting anywhere."""
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Names = Annotated[list[Name], Field(min_length=1), *ONCE]
FilePath = Annotated[str, Field(min_length=1), AfterValidator(_real_path)]
FilePaths = Annotated[list[FilePath], *ONCE]
Batches = Annotated[list[Batch], Field(min_length=1), *ONCE]
Trainings = Annotated[list[Annotated[int, Field(ge=2, le=1_000_000)]], Field(min_length=1), *ONCE]
"""A forest holds all of them; the largest table of trained networks has 423,624."""
Counts = Annotated[list[Positive], Field(min_length=1), *ONCE]


class Section(BaseModel):
    """A section: no unknown keys, no silent conversions, only finite numbers, defaults checked."""

    model_config = ConfigDict(
        extra="forbid", strict=True, validate_default=True, allow_inf_nan=False
    )


def keys_of(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Return the keys of the section at ``location`` below ``model``, for messages."""
    for part in location:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return sorted(model.model_fields)
